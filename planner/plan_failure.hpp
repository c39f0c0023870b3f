#pragma once

#include <array>
#include <string>

#include "planner/plan_machine.hpp"

namespace pretrain::planner {

/// What was found where no plan was.
struct PlanMisfits {
  const PlanCounts& counts;
  const Machine& machine;  ///< the first
  double devices = 0;      ///< of the first number of them
  double batch = 0;
  bool several = false;  ///< numbers, devices or batches were to choose from
  /// The least that any plan has of each limit: days, energy, carbon, cost. 1: the limit.
  std::array<double, 4> least_over{};
  double least_overflow = 0;  ///< share of the memory that the smallest plan needs too much
};

struct PlanFailure {
  std::string what;
  std::string help;
};

/// Which condition leaves no plan, by how much, and what would.
PlanFailure explain_nothing(const PlanMisfits& found);

}  // namespace pretrain::planner
