#pragma once

#include <optional>
#include <vector>

#include "validation/evaluation.hpp"

namespace pretrain::validation {

/// The planner without what is held out.
struct StepPrediction {
  double times = 1;   ///< its rate over that of the constants that ship
  double factor = 1;  ///< of its interval
};

/// For each scored case whose step is predicted.
std::vector<std::optional<StepPrediction>> learn_steps(
    const std::vector<Case>& scored, const std::vector<Case>& pool, SplitMode mode,
    const models::StepConstantTable& constants, const models::StepSpread& spread, double level);

}  // namespace pretrain::validation
