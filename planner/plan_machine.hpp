#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/goodput.hpp"
#include "models/power.hpp"
#include "models/step_time.hpp"
#include "planner/catalogue.hpp"
#include "planner/memory_fit.hpp"
#include "planner/plan_choices.hpp"
#include "planner/run_row.hpp"
#include "planner/scenario.hpp"

namespace pretrain::planner {

/// Why a row cannot be planned, as an error with its remedy.
[[noreturn]] void refuse(const RowFailure& failure, const Catalogue& catalogue);

/// A device with a format and a power limit, and what is the same for all plans on it.
struct Machine {
  std::string device;
  std::string format;
  double cap = 1;
  double limit_w = 0;  ///< where it is capped
  std::string family;  ///< of the framework
  bool xla = false;    ///< which has no pipelines, and shares all state
  std::vector<std::string> texts;
  RunRow row;
  Scenario s;
  Work work;
  PlanBasis basis;
  StepQuestion question;
  models::StepSpeed alone;  ///< of plans without tensor and pipeline parallelism
  models::StepSpeed divided;
  models::MemoryRecipe recipe_alone;
  models::MemoryRecipe recipe_divided;
  double tokens = 0;
  double seq_len = 0;
  std::array<double, 3> flop_per_token{};  ///< of the matrix units, by recomputation
  // Power; `powered`: it is known.
  bool powered = false;
  double idle_w = 0;
  double most_w = 0;
  models::LoadLevels levels;
  models::HostDraw host;
  double least_w = 0;  ///< of a node's share, for any load; 0: not known
  double embodied_t_per_hour = 0;
  models::Faults faults;
  std::optional<double> goodput;  ///< given
  std::optional<PlanChoices> choices;

  /// Draw of a node for one device, W.
  double watts(double load) const;
};

/// What is to be searched on one kind of device.
struct MachineQuestion {
  std::string device;  ///< empty: that of the row
  std::string format;  ///< empty: that of the row
  double cap = 1;      ///< share of its power limit
  double devices = 0;  ///< some number of them
};

/// Null where the device does not have the format; `lacking` says so. Throws InputError where the
/// row cannot be planned.
std::unique_ptr<Machine> make_machine(const RunRow& row, const PlanSpace& space,
                                      const MachineQuestion& question, const Catalogue& catalogue,
                                      const EstimateOptions& options, std::string& lacking);

/// What is computed once for all numbers of devices.
struct ShardChoice {
  double tp = 1;
  double cp = 1;
  double ep = 1;
  double micro = 1;
  models::Recompute recompute = models::Recompute::none;
  bool sequence_parallel = false;
  bool tp_near = true;
  models::ShardTime divided;
  models::ShardTime alone;
  double least_time = 0;    ///< s of a device for a sequence of the batch, all blocks
  double least_energy = 0;  ///< J of its node, the same
  double busy_time = 0;     ///< s, no less than what that energy is spent in
};

/// All shards of the space that divide the model.
std::vector<ShardChoice> make_shards(const Machine& machine,
                                     const models::StepConstants& constants);

}  // namespace pretrain::planner
