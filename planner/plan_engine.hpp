#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "planner/catalogue.hpp"
#include "planner/plan_choices.hpp"
#include "planner/plan_space.hpp"
#include "planner/run_row.hpp"
#include "planner/scenario.hpp"

namespace pretrain::planner {

/// What a plan costs.
struct PlanFigures {
  double step_s = 0;
  double days = 0;
  double facility_mwh = 0;
  double total_tco2e = 0;  ///< operational where an intensity is known, and embodied
  double cost = 0;

  double of(Objective objective) const {
    switch (objective) {
      case Objective::time:
        return days;
      case Objective::energy:
        return facility_mwh;
      case Objective::carbon:
        return total_tco2e;
      case Objective::cost:
        return cost;
    }
    return days;
  }
};

/// A plan of the space.
struct FoundPlan {
  std::string device;
  std::string format;
  std::string family;  ///< of the framework, as a run table names it
  double devices = 0;
  double power_cap = 1;
  double limit_w = 0;  ///< of a device, where it is capped
  double batch = 0;
  double tp = 1;
  double pp = 1;
  double dp = 1;
  double cp = 1;
  double ep = 1;
  double interleave = 1;
  double micro_batch = 1;
  models::Recompute recompute = models::Recompute::none;
  models::Sharding sharding = models::Sharding::none;
  bool sequence_parallel = false;
  bool overlap = true;
  bool scatter_gather = true;
  NearGroups near;
  bool edges_as_layers = false;  ///< where layers are shared out, embedding and head count as one
  models::StateBytes state;      ///< of a parameter, as the row or the framework has it
  std::string region;
  PlanFigures figures;
  double memory_gib = 0;
  double overflow = 0;  ///< of a miss: share of the memory that it needs too much
};

struct PlanSearchOptions {
  Objective objective = Objective::time;
  std::vector<Objective> pareto = {};  ///< the front of these instead, where not empty
  PlanLimits limits = {};
  EstimateOptions estimate = {};  ///< how plans are judged; whose plan is not asked
  std::optional<double> price_per_device_hour = {};
  std::optional<double> price_per_kwh = {};
  /// Plans within this factor of the best are told.
  double ties = 1;
  std::size_t most_told = 64;
  unsigned threads = 1;
  bool others = true;  ///< also the best for each other objective
  bool prune = true;   ///< false: every plan is judged, for tests
  /// Set from outside to stop early: what was found so far is returned, not proven.
  const std::atomic<bool>* stop = nullptr;
  /// Called from one thread: share of the shards that were looked at, and plans judged so far.
  std::function<void(double share, double judged)> progress = {};
};

struct PlanSearchResult {
  std::vector<FoundPlan> best = {};  ///< from the best; with ties after it; or the front
  /// The best for each objective, where another than the first.
  std::array<std::optional<FoundPlan>, kObjectives> other;
  std::vector<FoundPlan> misses = {};  ///< better, but for a little memory
  PlanCounts counts;
  std::array<bool, kObjectives> known{};   ///< what can be computed for every plan
  std::vector<std::string> left_out = {};  ///< devices without a format of the space
  bool proven = true;
  std::string failure;  ///< why there is nothing: what binds, and by how much
  std::string help;

  bool has(Objective objective) const { return known[static_cast<std::size_t>(objective)]; }
};

/// The best plan of the space for the run of a row. Exact: no plan of the space is better.
/// Deterministic, whatever the number of threads. The row says model, recipe and, where the space
/// does not, cluster and site; its own plan is not looked at. Throws InputError where the row or
/// the space is wrong.
PlanSearchResult search_plans(const RunRow& row, const PlanSpace& space,
                              const PlanSearchOptions& options, const Catalogue& catalogue);

}  // namespace pretrain::planner
