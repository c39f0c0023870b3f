#pragma once

#include <optional>
#include <string>
#include <vector>

#include "validation/evaluation.hpp"

namespace pretrain::validation {

/// What may teach about the scored rows: they themselves, and those of the pool that are not the
/// same measurement under another name.
std::vector<const Case*> lessons_of(const std::vector<Case>& scored, const std::vector<Case>& pool);

/// What is held out for a case: its source, or the fold of its model and device where that is the
/// split or the source is not stated.
bool held_out_by_source(const Case& c, SplitMode mode);

/// Utilization of each scored case by the baselines.
struct Learned {
  std::optional<double> generation_median;
  std::optional<double> knn5;
  std::optional<double> ridge;
};

/// What the baselines say of each scored case, having learnt from what `mode` allows.
std::vector<Learned> learn_baselines(const std::vector<Case>& scored, const std::vector<Case>& pool,
                                     SplitMode mode);

}  // namespace pretrain::validation
