#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "hardware/hourly.hpp"
#include "planner/catalogue.hpp"
#include "planner/estimate.hpp"
#include "planner/plan_engine.hpp"

namespace pretrain::cli {

/// What `plan` answers with.
struct PlanAnswer {
  const planner::RunRow& row;  ///< that was planned
  const planner::Catalogue& catalogue;
  const planner::PlanSearchOptions& asked;
  const planner::PlanSearchResult& found;
  std::vector<std::string> regions;  ///< that were to choose from
  std::vector<double> power_caps;    ///< the same
  std::vector<double> batches;       ///< the same, in sequences
  double seconds = 0;                ///< of the search
  /// Where a file of hours was given, and the start may be chosen.
  std::optional<hardware::StartChoice> start;

  bool priced() const {
    return asked.price_per_device_hour.has_value() || asked.price_per_kwh.has_value();
  }
};

/// The row with a plan of the search, estimated.
planner::Result estimate_of(const PlanAnswer& answer, const planner::FoundPlan& plan,
                            std::deque<std::string>& texts);

/// Plans, and of the best one the parts of its step and memory, what one knob changes, where and
/// when it may run, and the arguments to launch it.
std::string table_plan(const PlanAnswer& answer, bool markdown, bool color);
std::string json_plan(const PlanAnswer& answer);

}  // namespace pretrain::cli
