#pragma once

#include <optional>

#include "models/memory.hpp"
#include "models/step_constants.hpp"
#include "planner/memory_fit.hpp"

namespace pretrain::planner {

/// The fastest of the usual plans that fit on so many devices: tp in powers of two within a node,
/// pp in powers of two and in parts of the layers, cp for long sequences, ep, micro-batch and
/// recomputation, all state shared without a pipeline and the optimizer's with one; or `usual`,
/// the plan that people would take. Absent where none fits.
std::optional<models::FitVerdict> fastest_plan(const Scenario& scenario, const PlanBasis& basis,
                                               double devices, const models::FitVerdict& usual,
                                               const models::StepConstants& constants);

}  // namespace pretrain::planner
