#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "models/memory.hpp"
#include "models/step_reach.hpp"
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
  double teacher_params = 0;  ///< distillation: that a token meets in the teacher
  models::RunClass run_class = models::RunClass::other;
  bool unseen = false;  ///< nothing was measured on devices of this generation
  bool chosen = false;  ///< the plan is not stated: as people run such models
};

/// What the catalogue and the row say of the device. The device and its peak are known.
models::StepDevice step_device(const Scenario& scenario);

/// The question but for its plan; absent where architecture or device are not known well enough.
/// `memory` and `work`: of the scenario's architecture and sequence.
std::optional<StepQuestion> step_question(const Scenario& scenario,
                                          const models::MemoryBasis& memory,
                                          const models::TokenWork& work);

/// Sequences of a step on so many devices: stated, else the usual batch, with a sequence for each
/// eight of them, in XLA for each; 0 where micro-batches are stated instead.
double batch_of(const Scenario& scenario, double devices);

/// Sequences that one of `dp` replicas has of a step: of a stated batch the largest share, of the
/// usual one about so many, evenly.
double share_of(const Scenario& scenario, double devices, double dp);

/// The year of the software: stated, else a current release, on devices that it still supports.
double software_year(const Scenario& scenario);

/// Micro-batches for each stage where their number is open: the ends of the pipeline take an
/// eighth.
inline constexpr double kFilled = 8;

/// Groups of ranks that stand together in a scale-up domain.
struct NearGroups {
  bool tp = true;
  bool dp = true;
  bool pp = true;

  friend bool operator==(const NearGroups&, const NearGroups&) = default;
};

/// Words as a run table has them: tp_dp_pp, tp_pp, none; empty: all.
NearGroups near_groups(std::string_view words);
std::string name_of(NearGroups near);

/// Puts a plan into a question.
void take_plan(const Scenario& scenario, const models::FitVerdict& verdict, StepQuestion& question);

/// The software that a run with such a plan has.
models::StepStack software_of(const Scenario& scenario, const models::MemoryPlan& plan);

/// Where a run lies among those that were measured.
models::ReachPoint reach_point(const StepQuestion& question);

/// Of a teacher's forward pass over so many tokens of a device; nothing without a teacher.
Time teacher_time(const StepQuestion& question, double tokens, const models::StepSpeed& speed);

/// The answer.
models::StepTime step_time(const StepQuestion& question, const models::StepConstants& constants);

}  // namespace pretrain::planner
