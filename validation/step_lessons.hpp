#pragma once

#include <vector>

#include "validation/evaluation.hpp"
#include "validation/step_fit.hpp"

namespace pretrain::validation {

models::RunClass class_of(const Case& c);

/// What the constants of the step are fitted to.
struct StepLessons {
  std::vector<StepLesson> lessons;
  std::vector<const Case*> cases;  ///< of each lesson
};

/// Measured throughput of quality core and ok, but for runs that report their days or energy; of
/// one configuration in several releases of the same source the newest. A row weighs 1 / sqrt(rows
/// of its model and device), and a source no more than 15 rows: what its rows share, they cannot
/// average out.
StepLessons step_lessons(const std::vector<const Case*>& cases);

/// Whether a newer release of the same configuration is among the cases, for each of them.
std::vector<bool> superseded(const std::vector<const Case*>& cases);

}  // namespace pretrain::validation
