#pragma once

#include "planner/estimate.hpp"

namespace pretrain::planner {

/// Reads the plan of a row, and gives parameters without dimensions a usual shape where a plan is
/// needed. False with `failure` set when the plan contradicts the architecture.
bool resolve_plan(const RunRow& row, Scenario& scenario, Warnings& warnings, RowFailure& failure);

}  // namespace pretrain::planner
