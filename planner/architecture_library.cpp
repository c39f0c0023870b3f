#include "planner/architecture_library.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "models/core/text.hpp"
#include "models/huggingface.hpp"
#include "models/parameters.hpp"
#include "planner/run_table.hpp"

namespace pretrain::planner {

namespace {

using models::Field;

/// The column of the run table of each dimension.
constexpr std::array<Col, models::kFields> kColumnOf{{
#define FIELD(name, low, high) Col::name,
#include "models/architecture_fields.def"
#undef FIELD
}};

void count(NamedArchitecture& named) {
  if (named.spec == nullptr || !named.spec->plain || named.spec->type.empty()) return;
  const auto completion = models::complete(*named.spec, {named.params});
  const bool whole = completion.state == models::Completion::State::whole;
  if (!whole || completion.guessed.any() || completion.assumed.any()) return;
  named.counted = std::make_unique<const CountedArchitecture>(completion.architecture);
}

/// Takes the one row of an architecture in YAML.
class OneRow : public TableJob {
 public:
  struct Nothing : Part {
    void clear() override {}
  };
  OneRow(const models::FamilyCatalogue& families, models::ArchitectureSpec& spec,
         NamedArchitecture& named, std::string& type)
      : families_{families}, spec_{spec}, named_{named}, type_{type} {}

  std::unique_ptr<Part> make_part() const override { return std::make_unique<Nothing>(); }
  void row(const RunRow& row, Part&) const override {
    ++rows_;
    spec_ = stated_architecture(row, &families_);
    type_ = std::string{spec_.type};  // the row's texts end with it
    if (const auto total = row.number(Col::params_b)) named_.params = *total * 1e9;
    if (const auto active = row.number(Col::active_params_b)) named_.active_params = *active * 1e9;
    family_ = std::string{row.text(Col::family)};
  }
  void deliver(Part&) override {}
  void remark(const std::string& text) override {
    auto line = text;
    while (!line.empty() && line.back() == '\n') line.pop_back();
    named_.warnings.push_back(std::move(line));
  }

  int rows() const { return rows_; }
  const std::string& family() const { return family_; }

 private:
  const models::FamilyCatalogue& families_;
  models::ArchitectureSpec& spec_;
  NamedArchitecture& named_;
  std::string& type_;
  mutable int rows_ = 0;
  mutable std::string family_;
};

}  // namespace

CountedArchitecture::CountedArchitecture(const models::Architecture& whole) : architecture{whole} {
  const auto count = models::parameters(architecture);
  params = count.total();
  active_params = count.active();
  memory = models::memory_basis(architecture);
}

/// An architecture with everything that it points to.
struct ArchitectureLibrary::Entry {
  NamedArchitecture named;
  models::ArchitectureSpec spec;
  std::string type;
  std::string place;
  Origin origin;
};

ArchitectureLibrary::ArchitectureLibrary(const models::ArchitectureCatalogue& shipped,
                                         const models::FamilyCatalogue& families, Open open)
    : shipped_{shipped}, families_{families}, open_{std::move(open)} {}

ArchitectureLibrary::~ArchitectureLibrary() = default;

bool ArchitectureLibrary::is_path(std::string_view name) {
  return name.find('/') != std::string_view::npos || name.find('\\') != std::string_view::npos ||
         name.ends_with(".json") || name.ends_with(".yaml") || name.ends_with(".yml");
}

const NamedArchitecture& ArchitectureLibrary::find(std::string_view name) const {
  const std::lock_guard lock{mutex_};
  if (const auto known = entries_.find(name); known != entries_.end()) return known->second->named;
  // References stay good while the table is read: what is remembered is bounded.
  static constexpr std::size_t kMostRemembered = 10000;
  static const NamedArchitecture kUnknown;
  static const NamedArchitecture kTooMany = [] {
    NamedArchitecture refused;
    auto& problem = refused.problem.emplace();
    problem.where.file = "architecture";
    problem.what = fmt::format("more than {} files in one table", kMostRemembered);
    problem.help = "state dimensions in columns, or split the table";
    return refused;
  }();
  if (entries_.size() >= kMostRemembered && is_path(name)) return kTooMany;
  auto entry = std::make_unique<Entry>();
  if (is_path(name)) {
    entry = read(std::string{name});
  } else if (const auto* shipped = shipped_.find(name); shipped != nullptr) {
    entry->named.spec = &shipped->spec;
    entry->named.origin = &shipped->origin;
    if (shipped->params_b) entry->named.params = *shipped->params_b * 1e9;
    if (shipped->active_params_b) entry->named.active_params = *shipped->active_params_b * 1e9;
  } else if (entries_.size() >= kMostRemembered) {
    return kUnknown;
  }
  count(entry->named);
  return entries_.emplace(std::string{name}, std::move(entry)).first->second->named;
}

std::unique_ptr<ArchitectureLibrary::Entry> ArchitectureLibrary::read(
    const std::string& path) const {
  auto entry = std::make_unique<Entry>();
  entry->place = path;
  entry->origin = {entry->place, "", "", true};
  auto& named = entry->named;
  named.origin = &entry->origin;
  try {
    if (!open_) throw InputError({path, 0, 0}, "files cannot be read here", "give a shipped name");
    const std::string text = open_(path);
    if (path.ends_with(".json") || models::looks_like_huggingface(text)) {
      auto config = models::read_huggingface(text, path, families_, &entry->origin);
      entry->spec = config.spec;
      named.warnings = std::move(config.warnings);
    } else {
      OneRow row{families_, entry->spec, named, entry->type};
      std::istringstream in{text};
      read_run_table_yaml(in, path, row);
      if (row.rows() != 1) {
        throw InputError({path, 0, 0}, fmt::format("{} architectures in one file", row.rows()),
                         "an architecture file describes one");
      }
      if (!row.family().empty() && entry->spec.family == nullptr) {
        throw InputError(
            {path, 0, 0}, fmt::format("unknown family '{}'", shortened(row.family())),
            fmt::format("did you mean {}?",
                        quoted_list(nearest(families_.names(), row.family(), 3), "or")));
      }
      entry->spec.type = entry->type;
    }
    for (auto& cell : entry->spec.cells) {
      if (cell && cell.origin == nullptr) cell.origin = &entry->origin;
    }
    named.spec = &entry->spec;
  } catch (const InputError& error) {
    named.spec = nullptr;
    named.problem = error.problems().front();
  }
  return entry;
}

Col column_of_field(models::Field field) { return kColumnOf[static_cast<std::size_t>(field)]; }

bool states_dimensions(const RunRow& row) {
  unsigned any = static_cast<unsigned>(row.has(Col::type)) |
                 static_cast<unsigned>(row.has(Col::family)) |
                 static_cast<unsigned>(row.has(Col::params_b)) |
                 static_cast<unsigned>(row.has(Col::active_params_b));
#define FIELD(name, low, high) any |= static_cast<unsigned>(row.has(Col::name));
#include "models/architecture_fields.def"
#undef FIELD
  return any != 0;
}

models::ArchitectureSpec stated_architecture(const RunRow& row,
                                             const models::FamilyCatalogue* families) {
  models::ArchitectureSpec spec;
  spec.type = row.text(Col::type);
  spec.type_basis = spec.type.empty() ? Basis::absent : Basis::given;
  if (const auto family = row.text(Col::family); !family.empty()) {
    spec.family = families != nullptr ? families->find(family) : nullptr;
    if (spec.family != nullptr) {
      spec.details = spec.family->details;
      spec.has_details = true;
      if (spec.type.empty()) {
        spec.type = spec.family->type;
        spec.type_basis = Basis::catalogue;
      }
    }
  }
  // Most rows of long tables state none.
  unsigned any = 0;
#define FIELD(name, low, high) any |= static_cast<unsigned>(row.has(Col::name));
#include "models/architecture_fields.def"
#undef FIELD
  if (any == 0) return spec;
  for (std::size_t i = 0; i < models::kFields; ++i) {
    const Col col = kColumnOf[i];
    if (!row.has(col)) continue;
    const auto field = static_cast<Field>(i);
    const bool is_flag = field == Field::gated_ffn || field == Field::tie_embeddings;
    const double value = is_flag ? (*row.flag(col) ? 1.0 : 0.0) : *row.number(col);
    spec[field] = given(value);
  }
  return spec;
}

}  // namespace pretrain::planner
