#pragma once

#include <optional>

#include "models/step_spread.hpp"
#include "models/step_time.hpp"
#include "planner/scenario.hpp"

namespace pretrain::planner {

/// Everything that the time of a step depends on, but for the fitted constants.
struct StepQuestion {
  models::StepModel model;
  models::StepDevice device;
  models::StepStack stack;
  models::StepShard shard;
  models::StepSchedule schedule;
  double batch_tokens = 0;  ///< of a step, on all devices
  double devices = 0;
  models::RunClass run_class = models::RunClass::other;
  bool unseen = false;  ///< nothing was measured on devices of this generation
  bool chosen = false;  ///< the plan is not stated: as people run such models
};

/// Absent where architecture, device or plan are not known well enough.
/// `verdict`: the plan with what was chosen of it.
std::optional<StepQuestion> step_question(const Scenario& scenario,
                                          const models::FitVerdict& verdict);

/// The answer.
models::StepTime step_time(const StepQuestion& question, const models::StepConstants& constants);

}  // namespace pretrain::planner
