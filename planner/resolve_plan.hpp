#pragma once

#include "planner/estimate.hpp"

namespace pretrain::planner {

/// Reads the plan of a row, and gives parameters without dimensions a usual shape where a plan is
/// needed. False with `failure` set when the plan contradicts the architecture.
bool resolve_plan(const RunRow& row, Scenario& scenario, Warnings& warnings, RowFailure& failure);

/// Questions stated micro-batches that do not make the stated batch on so many replicas.
void question_batch(const Scenario& scenario, double dp, Warnings& warnings);

}  // namespace pretrain::planner
