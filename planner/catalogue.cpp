#include "planner/catalogue.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include "hardware/embedded.hpp"
#include "models/core/embedded.hpp"
#include "models/core/text.hpp"

namespace pretrain::planner {

namespace {

/// A table that is read on first use, by whichever thread comes first. Not std::call_once: an
/// exception cannot leave it where libstdc++ is linked statically.
template <class T>
class Lazy {
 public:
  template <class Read>
  const T& get(Read read) {
    if (const T* value = ready_.load(std::memory_order_acquire)) return *value;
    const std::lock_guard lock{mutex_};
    if (!value_) {
      value_.emplace(read());
      ready_.store(&*value_, std::memory_order_release);
    }
    return *value_;
  }

 private:
  std::atomic<const T*> ready_{nullptr};
  std::mutex mutex_;
  std::optional<T> value_;
};

}  // namespace

struct Catalogue::Tables {
  std::map<std::string, std::string> replacements;
  std::string directory;
  Lazy<hardware::DeviceCatalogue> devices;
  Lazy<hardware::LoadTable> loads;
  Lazy<hardware::FabTable> fab;
  Lazy<hardware::HostTable> hosts;
  Lazy<hardware::Defaults> defaults;
  Lazy<hardware::GridTable> grid;
  Lazy<hardware::GridTable> grid_2019;
  Lazy<hardware::SiteTable> pue;
  Lazy<hardware::SiteTable> offsets;
  Lazy<hardware::EmbodiedTable> embodied;
  Lazy<hardware::LlmcarbonEmbodiedTable> llmcarbon_embodied;
  Lazy<models::FamilyCatalogue> families;
  Lazy<models::ArchitectureCatalogue> architectures;
  Lazy<std::unique_ptr<ArchitectureLibrary>> library;
  ArchitectureLibrary::Open open;
  std::optional<ProfileMark> profile;
  Lazy<models::StepConstantTable> step_table;
  Lazy<models::StepConstants> step;
  Lazy<models::StepSpread> spread;
  Lazy<models::StepReach> reach;
  Lazy<models::ScalingLawTable> laws;
  Lazy<models::DistillationLawTable> distillation;
  Lazy<models::EquationRegister> equations;
  Lazy<models::SourceRegister> sources;

  std::string_view text(std::string_view name) const {
    if (const auto found = replacements.find(std::string{name}); found != replacements.end()) {
      return found->second;
    }
    for (const auto& files : {models::embedded_files(), hardware::embedded_files()}) {
      for (const auto& file : files) {
        if (file.name == name) return file.text();
      }
    }
    throw std::logic_error(fmt::format("no table '{}' in the program", name));
  }
  std::string display(std::string_view name) const {
    const bool replaced = replacements.contains(std::string{name});
    return replaced ? directory + "/" + std::string{name} : std::string{name};
  }
  template <class T>
  const T& read(Lazy<T>& lazy, std::string_view name, T (*reader)(std::string_view, std::string)) {
    return lazy.get([&] { return reader(text(name), display(name)); });
  }
};

Catalogue::Catalogue() : Catalogue({}, "") {}

Catalogue::Catalogue(std::map<std::string, std::string> replacements, std::string directory)
    : tables_{std::make_unique<Tables>()} {
  tables_->replacements = std::move(replacements);
  tables_->directory = std::move(directory);
}

Catalogue::~Catalogue() = default;

const hardware::DeviceCatalogue& Catalogue::devices() const {
  return tables_->read(tables_->devices, "devices.csv", hardware::DeviceCatalogue::read);
}
const hardware::LoadTable& Catalogue::loads() const {
  return tables_->read(tables_->loads, "loads.csv", hardware::LoadTable::read);
}
const hardware::HostTable& Catalogue::hosts() const {
  return tables_->read(tables_->hosts, "hosts.csv", hardware::HostTable::read);
}
const hardware::Defaults& Catalogue::defaults() const {
  return tables_->read(tables_->defaults, "defaults.csv", hardware::Defaults::read);
}
const hardware::GridTable& Catalogue::grid(Grid which) const {
  return which == Grid::current
             ? tables_->read(tables_->grid, "grid.csv", hardware::GridTable::read)
             : tables_->read(tables_->grid_2019, "grid_mlco2_2019.csv", hardware::GridTable::read);
}
const hardware::SiteTable& Catalogue::pue() const {
  return tables_->read(tables_->pue, "pue.csv", hardware::read_pue);
}
const hardware::SiteTable& Catalogue::offsets() const {
  return tables_->read(tables_->offsets, "offsets.csv", hardware::read_offsets);
}
const hardware::EmbodiedTable& Catalogue::embodied() const {
  return tables_->read(tables_->embodied, "embodied.csv", hardware::EmbodiedTable::read);
}
const hardware::FabTable& Catalogue::fab() const {
  return tables_->read(tables_->fab, "fab.csv", hardware::FabTable::read);
}
const hardware::LlmcarbonEmbodiedTable& Catalogue::llmcarbon_embodied() const {
  return tables_->read(tables_->llmcarbon_embodied, "embodied_llmcarbon.csv",
                       hardware::LlmcarbonEmbodiedTable::read);
}
const models::FamilyCatalogue& Catalogue::families() const {
  return tables_->read(tables_->families, "families.csv", models::FamilyCatalogue::read);
}
const models::ArchitectureCatalogue& Catalogue::architectures() const {
  return tables_->architectures.get([&] {
    return models::ArchitectureCatalogue::read(tables_->text("architectures.csv"),
                                               tables_->display("architectures.csv"), families());
  });
}
const ArchitectureLibrary& Catalogue::architecture_library() const {
  return *tables_->library.get([&] {
    return std::make_unique<ArchitectureLibrary>(architectures(), families(), tables_->open);
  });
}
void Catalogue::read_files(ArchitectureLibrary::Open open) { tables_->open = std::move(open); }
const models::StepConstantTable& Catalogue::step_constant_table() const {
  return tables_->read(tables_->step_table, "step_constants.csv", models::StepConstantTable::read);
}
const models::StepConstants& Catalogue::step_constants() const {
  return tables_->step.get([&] { return step_constant_table().values(); });
}
const models::StepSpread& Catalogue::step_spread() const {
  return tables_->read(tables_->spread, "step_spread.csv", models::StepSpread::read);
}
const models::StepReach& Catalogue::step_reach() const {
  return tables_->read(tables_->reach, "step_reach.csv", models::StepReach::read);
}
const models::ScalingLawTable& Catalogue::scaling_laws() const {
  return tables_->read(tables_->laws, "scaling_laws.csv", models::ScalingLawTable::read);
}
const models::DistillationLawTable& Catalogue::distillation_laws() const {
  return tables_->read(tables_->distillation, "distillation_laws.csv",
                       models::DistillationLawTable::read);
}
const models::EquationRegister& Catalogue::equations() const {
  return tables_->read(tables_->equations, "equations.csv", models::EquationRegister::read);
}
const models::SourceRegister& Catalogue::sources() const {
  return tables_->read(tables_->sources, "sources.csv", models::SourceRegister::read);
}

std::string_view Catalogue::table(std::string_view name) const { return tables_->text(name); }

void Catalogue::set_profile(std::string name, std::string device_generation, std::string family) {
  tables_->profile = ProfileMark{std::move(name), std::move(device_generation), std::move(family)};
}
const Catalogue::ProfileMark* Catalogue::profile() const {
  return tables_->profile ? &*tables_->profile : nullptr;
}

std::vector<std::string_view> Catalogue::table_names() {
  std::vector<std::string_view> names;
  for (const auto& files : {models::embedded_files(), hardware::embedded_files()}) {
    for (const auto& file : files) names.push_back(file.name);
  }
  return names;
}

std::string Catalogue::hash() const {
  auto state = fnv1a("");
  for (const auto name : table_names()) state = fnv1a(tables_->text(name), state);
  return fmt::format("{:016x}", state);
}

}  // namespace pretrain::planner
