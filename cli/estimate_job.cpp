#include "cli/estimate_job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/text_table.hpp"
#include "models/core/text.hpp"
#include "planner/explain.hpp"

namespace pretrain::cli {

namespace {

using planner::Col;
using planner::Oddity;
using planner::Result;
using planner::RunRow;

/// Messages of one kind that are shown; the others are counted.
constexpr std::size_t kMostTold = 20;
/// Names of one chunk whose oddities are told: each is looked for among those before.
constexpr std::size_t kMostNamesTold = 200;
/// Ids that are remembered to find repeated ones: bounded, so that streams stay in constant memory.
constexpr std::size_t kMostIds = std::size_t{1} << 19;
/// Names that are remembered to suggest one for --where.
constexpr std::size_t kMostNames = 10000;

std::string label(const RunRow& row) {
  const auto name = row.has(Col::name) ? row.text(Col::name) : row.text(Col::id);
  return name.empty() ? std::string{"run"} : printable(shortened(name));
}

/// The cells that were filled in, as a JSON object.
std::string json_cells(const RunRow& row) {
  nlohmann::ordered_json object = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < planner::kColumns; ++i) {
    const auto col = static_cast<Col>(i);
    if (!row.has(col)) continue;
    const auto& column = planner::column_of(col);
    if (column.numeric()) {
      object[std::string{column.name}] = *row.number(col);
    } else {
      object[std::string{column.name}] = row.text(col);
    }
  }
  return object.dump();
}

}  // namespace

Format format_of(std::string_view name) {
  if (name == "json") return Format::json;
  if (name == "jsonl") return Format::jsonl;
  if (name == "csv") return Format::csv;
  if (name == "markdown") return Format::markdown;
  return Format::table;
}

const ReportedNumber* ReportRow::find(planner::Key key) const {
  for (const auto& number : reported) {
    if (number.key == key) return &number;
  }
  return nullptr;
}

/// What the rows of a chunk leave behind.
struct EstimateJob::EstimatePart : planner::TableJob::Part {
  explicit EstimatePart(bool intervals) : csv{intervals} {}

  struct Told {
    ToldName what;
    std::string text;
  };
  struct Id {
    std::size_t hash{};
    std::size_t line{};
    std::string text;  ///< kept only when saving
  };

  void clear() override {
    text.clear();
    rows.clear();
    told.clear();
    told_count.fill(0);
    told_names.clear();
    failures.clear();
    failed = 0;
    infeasible = 0;
    matched = 0;
    ids.clear();
    saved.clear();
    names.clear();
  }

  Result result;
  planner::PlanRoom room;
  CsvRows csv;
  std::string text;
  std::vector<ReportRow> rows;
  std::vector<Told> told;
  std::array<std::size_t, static_cast<std::size_t>(Oddity::count)> told_count{};
  std::vector<ToldName> told_names;
  std::vector<std::string> failures;
  std::size_t failed = 0;
  std::size_t infeasible = 0;
  std::size_t matched = 0;
  std::vector<Id> ids;
  std::vector<db::SavedRun> saved;
  std::set<std::string> names;
};

EstimateJob::EstimateJob(std::string file, const planner::Catalogue& catalogue, JobOptions options,
                         OutputFile* out, db::Store* store)
    : file_{std::move(file)},
      catalogue_{catalogue},
      options_{std::move(options)},
      out_{out},
      store_{store} {
  if (store_ != nullptr) {
    saved_at_ = utc_now();
    hash_ = catalogue_.hash();
  }
}

std::unique_ptr<planner::TableJob::Part> EstimateJob::make_part() const {
  return std::make_unique<EstimatePart>(options_.csv_intervals);
}

std::size_t EstimateJob::bytes_at_once() const {
  constexpr std::size_t kFewRows = 2048;
  return options_.plans != nullptr ? kFewRows : TableJob::bytes_at_once();
}

bool EstimateJob::wanted(const RunRow& row) const {
  return options_.where.empty() || equal_ignoring_case(row.text(Col::name), options_.where) ||
         equal_ignoring_case(row.text(Col::id), options_.where);
}

void EstimateJob::tell(EstimatePart& part, const RunRow& row, const Result& result) const {
  for (const auto& warning : result.warnings) {
    if (planner::once_per_name(warning.oddity)) {
      const bool seen =
          std::any_of(part.told_names.begin(), part.told_names.end(), [&](const ToldName& told) {
            return told.oddity == warning.oddity && told.name == warning.name &&
                   told.other == warning.other;
          });
      if (seen || part.told_names.size() >= kMostNamesTold) continue;
      part.told_names.push_back(
          {warning.oddity, std::string{warning.name}, std::string{warning.other}});
    }
    auto& count = part.told_count[static_cast<std::size_t>(warning.oddity)];
    if (++count > kMostTold) continue;
    part.told.push_back({{warning.oddity, std::string{warning.name}, std::string{warning.other}},
                         fmt::format("{}:{}: warning: {}: {}", file_, row.line(), label(row),
                                     printable(planner::to_text(warning, catalogue_)))});
  }
  if (result.status() == planner::Status::infeasible) ++part.infeasible;
  if (result.ok) return;
  ++part.failed;
  if (part.failures.size() < kMostTold) {
    const Problem problem{row.locate(file_, result.failure.col),
                          fmt::format("{}: {}", label(row), result.failure.what),
                          planner::remedy(result.failure, catalogue_)};
    part.failures.push_back(to_text(problem));
  }
}

void EstimateJob::row(const RunRow& stated, Part& base) const {
  auto& part = dynamic_cast<EstimatePart&>(base);
  if (!wanted(stated)) {
    for (const auto col : {Col::name, Col::id}) {
      if (stated.has(col) && part.names.size() < kMostNames) part.names.emplace(stated.text(col));
    }
    return;
  }
  ++part.matched;
  auto& result = part.result;
  const RunRow& row = planner::estimate_row(stated, catalogue_, options_.estimate,
                                            options_.plans.get(), part.room, result);
  tell(part, row, result);
  if (row.has(Col::id)) {
    const auto id = row.text(Col::id);
    part.ids.push_back({std::hash<std::string_view>{}(id), row.line(), std::string{}});
    if (store_ != nullptr || part.ids.size() <= kMostTold) part.ids.back().text = id;
  }
  switch (options_.format) {
    case Format::csv:
      part.csv.append(part.text, row, result, catalogue_);
      break;
    case Format::jsonl:
      part.text += json_run(row, result, catalogue_) + "\n";
      break;
    case Format::json:
      part.text += ",\n" + json_run(row, result, catalogue_);
      break;
    case Format::table:
    case Format::markdown:
      break;
  }
  if (options_.keep_rows || options_.format == Format::table ||
      options_.format == Format::markdown) {
    part.rows.push_back(report_row(row, result, catalogue_, options_.explain));
  }
  if (store_ != nullptr && result.ok) {
    const planner::Predicted predicted{result};
    part.saved.push_back({.id = std::string{row.text(Col::id)},
                          .name = std::string{result.scenario.name},
                          .saved_at = saved_at_,
                          .version = PRETRAIN_VERSION,
                          .catalogue = hash_,
                          .inputs = json_cells(stated),
                          .estimate = json_run(row, result, catalogue_),
                          .training_days = predicted[planner::Key::training_days],
                          .facility_energy_mwh = predicted[planner::Key::facility_energy_mwh],
                          .operational_tco2e = predicted[planner::Key::operational_tco2e],
                          .embodied_tco2e = predicted[planner::Key::embodied_tco2e]});
  }
}

void EstimateJob::deliver(Part& base) {
  auto& part = dynamic_cast<EstimatePart&>(base);
  std::string messages;
  for (const auto& told : part.told) {
    if (planner::once_per_name(told.what.oddity) && !told_names_.insert(told.what).second) continue;
    if (++told_[static_cast<std::size_t>(told.what.oddity)] <= kMostTold)
      messages += told.text + "\n";
  }
  for (std::size_t i = 0; i < part.told_count.size(); ++i) {
    if (part.told_count[i] > kMostTold) told_[i] += part.told_count[i] - kMostTold;
  }
  for (const auto& failure : part.failures) {
    if (failed_ < kMostTold) messages += failure + "\n";
    ++failed_;
  }
  failed_ += part.failed - part.failures.size();
  infeasible_ += part.infeasible;
  matched_ += part.matched;
  for (const auto& id : part.ids) {
    if (ids_.size() >= kMostIds) {
      ids_full_ = true;
      break;
    }
    if (ids_.insert(id.hash).second) continue;
    const std::string what = id.text.empty()
                                 ? "an id stands twice"
                                 : fmt::format("id '{}' stands twice", shortened(id.text));
    if (store_ != nullptr) {
      throw InputError({file_, id.line, 0}, what + " in this table: nothing was saved",
                       "give each run an id of its own, or leave the id blank");
    }
    if (++repeated_ids_ <= kMostTold) {
      messages += fmt::format("{}:{}: warning: {}\n", file_, id.line, what);
    }
  }
  if (names_.size() < kMostNames) names_.merge(part.names);
  if (!options_.quiet) cli::tell(messages);

  if (store_ != nullptr) {
    for (const auto& run : part.saved) store_->save(run);
    saved_ += part.saved.size();
  }
  if (options_.format == Format::csv || options_.format == Format::jsonl) {
    if (out_ != nullptr) out_->write(part.text);
  } else if (options_.format == Format::json && !part.text.empty()) {
    text_ += text_.empty() ? part.text.substr(2) : part.text;
  }
  for (auto& report : part.rows) rows_.push_back(std::move(report));
}

void EstimateJob::remark(const std::string& text) {
  if (!options_.quiet) cli::tell(text);
}

std::string EstimateJob::opening() const {
  return options_.format == Format::csv
             ? csv_header(options_.csv_intervals, options_.estimate.asked)
             : std::string{};
}

void EstimateJob::finish() {
  for (const auto count : told_) {
    if (count > kMostTold) {
      cli::tell(
          fmt::format("{}: {} more warnings of a kind shown above\n", file_, count - kMostTold));
    }
  }
  if (failed_ > kMostTold) {
    cli::tell(fmt::format("{}: {} more runs could not be computed\n", file_, failed_ - kMostTold));
  }
  const bool for_people = options_.format == Format::table || options_.format == Format::markdown;
  if (infeasible_ > 0 && !for_people) {
    cli::tell(fmt::format(
        "{}: {} in the memory of a device: see status and reason\n", file_,
        infeasible_ == 1 ? "1 run does not fit" : fmt::format("{} runs do not fit", infeasible_)));
  }
  if (repeated_ids_ > kMostTold) {
    cli::tell(fmt::format("{}: {} more repeated ids\n", file_, repeated_ids_ - kMostTold));
  }
  if (ids_full_) {
    cli::tell(fmt::format("{}: warning: only the first {} ids were checked for repetition\n", file_,
                          kMostIds));
  }
  if (!options_.where.empty() && matched_ == 0) {
    std::vector<std::string_view> names{names_.begin(), names_.end()};
    const auto close = nearest(names, options_.where, 3);
    throw InputError({file_, 0, 0}, fmt::format("no run is named '{}'", shortened(options_.where)),
                     close.empty() ? "--where takes a name or an id"
                                   : fmt::format("did you mean {}?", quoted_list(close, "or")));
  }
}

}  // namespace pretrain::cli
