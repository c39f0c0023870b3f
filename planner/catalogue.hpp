#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/defaults.hpp"
#include "hardware/device.hpp"
#include "hardware/embodied_table.hpp"
#include "hardware/fab.hpp"
#include "hardware/grid.hpp"
#include "hardware/power.hpp"
#include "hardware/site.hpp"
#include "models/architecture_catalogue.hpp"
#include "models/distillation_law.hpp"
#include "models/registers.hpp"
#include "models/scaling_law.hpp"
#include "models/step_constants.hpp"
#include "models/step_reach.hpp"
#include "models/step_spread.hpp"
#include "planner/architecture_library.hpp"

namespace pretrain::planner {

/// Which grid table resolves regions.
enum class Grid {
  current,     ///< the newest sourced figures
  mlco2_2019,  ///< the table of ML CO2 Impact as printed in 2019: for comparison only
};

/// All data tables, each read when it is first needed. The tables are part of the program;
/// `replacements` (file name -> text) takes the place of those it names. Safe to share between
/// threads. Throws InputError when a replaced table is wrong.
class Catalogue {
 public:
  Catalogue();
  /// `directory` is how error messages name the place of the replacements.
  Catalogue(std::map<std::string, std::string> replacements, std::string directory);
  ~Catalogue();
  Catalogue(const Catalogue&) = delete;
  Catalogue& operator=(const Catalogue&) = delete;

  const hardware::DeviceCatalogue& devices() const;
  const hardware::LoadTable& loads() const;
  const hardware::HostTable& hosts() const;
  const hardware::Defaults& defaults() const;
  const hardware::GridTable& grid(Grid which) const;
  const hardware::SiteTable& pue() const;
  const hardware::SiteTable& offsets() const;
  const hardware::EmbodiedTable& embodied() const;
  const hardware::FabTable& fab() const;
  const hardware::LlmcarbonEmbodiedTable& llmcarbon_embodied() const;
  const models::ArchitectureCatalogue& architectures() const;
  const models::FamilyCatalogue& families() const;
  /// Architectures by what runs name: shipped ones, and files where `read_files` was called.
  const ArchitectureLibrary& architecture_library() const;
  /// What measured runs say of the time of a step.
  const models::StepConstantTable& step_constant_table() const;
  const models::StepConstants& step_constants() const;
  const models::StepSpread& step_spread() const;
  const models::StepReach& step_reach() const;
  /// What parameters and tokens say of the loss.
  const models::ScalingLawTable& scaling_laws() const;
  const models::DistillationLawTable& distillation_laws() const;
  const models::EquationRegister& equations() const;
  const models::SourceRegister& sources() const;

  /// Lets runs name files; call before the first use.
  void read_files(ArchitectureLibrary::Open open);

  /// The text of a table, as it ships or as it was replaced.
  std::string_view table(std::string_view name) const;

  /// A profile is in use: what it was learnt of, so that other rows can be told.
  void set_profile(std::string name, std::string device_generation, std::string family);
  struct ProfileMark {
    std::string name;
    std::string device;
    std::string family;
  };
  const ProfileMark* profile() const;

  /// Names of all tables.
  static std::vector<std::string_view> table_names();
  /// 16 hexadecimal digits that change with any byte of any table (FNV-1a, 64 bits).
  std::string hash() const;

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

}  // namespace pretrain::planner
