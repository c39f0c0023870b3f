#pragma once

#include <bitset>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "planner/catalogue.hpp"
#include "planner/estimate.hpp"
#include "planner/plan_engine.hpp"
#include "planner/run_row.hpp"
#include "planner/scenario.hpp"

namespace pretrain::planner {

/// A row with a plan in its cells, and the texts that they point to.
struct PlannedRow {
  explicit PlannedRow(const RunRow& stated) : row{stated} {}
  PlannedRow(PlannedRow&&) = default;
  PlannedRow& operator=(PlannedRow&&) = default;

  RunRow row;
  std::deque<std::string> texts;
  std::bitset<kColumns> searched;  ///< cells that the plan filled
};

/// The fastest plan of a run on the devices that it has, as `search_plans` finds it in the usual
/// space: with the framework that the row names, else, on GPUs, the faster of Megatron's and
/// FSDP's. What was found is kept, up to a bound: runs that differ in their tokens alone share it.
///
/// Safe to call from several threads.
class BestPlans {
 public:
  explicit BestPlans(const Catalogue& catalogue) : catalogue_{catalogue} {}

  /// Absent where nothing can be searched: the row states its speed or time, the time of its steps
  /// is not modeled, devices are unknown, or no plan divides and fits them. Estimates of the row as
  /// it is say why.
  std::optional<PlannedRow> of(const RunRow& row, const EstimateOptions& options) const;

 private:
  std::shared_ptr<const FoundPlan> find(const RunRow& row, const EstimateOptions& options) const;

  const Catalogue& catalogue_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::shared_ptr<const FoundPlan>> known_;
};

/// What an estimate in the fastest plan needs beside its result; reused from row to row.
struct PlanRoom {
  std::optional<PlannedRow> planned;
  Result other;
};

/// Estimates a row. Where `plans` is given: in the faster of their plan and of the one that
/// PlanMode::best takes, which may leave devices idle, or do only some blocks again.
/// @returns the row that was estimated, which `room` keeps where its plan is one of `plans`
const RunRow& estimate_row(const RunRow& row, const Catalogue& catalogue,
                           const EstimateOptions& options, const BestPlans* plans, PlanRoom& room,
                           Result& result);

}  // namespace pretrain::planner
