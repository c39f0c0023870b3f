#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "models/step_constants.hpp"
#include "planner/step_question.hpp"

namespace pretrain::validation {

/// What was measured.
enum class Seen : std::uint8_t {
  step,          ///< the time of a step
  products,      ///< of the matrix products of its blocks alone
  core,          ///< of their attention core
  core_forward,  ///< of its forward pass
  rate,          ///< of `amount` FLOP in one large product
  bandwidth,     ///< of `amount` bytes read and written
};

/// A measured time that the constants are fitted to.
struct StepLesson {
  planner::StepQuestion question;
  double seconds = 0;  ///< measured
  double weight = 1;
  double noise = 0.1;      ///< standard deviation of its logarithm
  std::size_t source = 0;  ///< rows of one source share an unknown factor
  Seen seen = Seen::step;
  double amount = 0;
};

/// Constants in units of their priors: (ln value - ln prior) / prior_sd.
using Standardized = std::vector<double>;

models::StepConstants constants_at(const models::StepConstantTable& priors,
                                   std::span<const double> standardized);

/// What a fit has found as the prior of the next: values, spreads, and how they go together.
models::StepConstantTable as_prior(models::StepConstantTable table);

/// Time of a step with some constants, s. `without`: a part that is left out.
double predicted_seconds(const planner::StepQuestion& question,
                         const models::StepConstants& constants,
                         const models::StepPart* without = nullptr);

/// The time that a lesson has measured, s.
double predicted_seconds(const StepLesson& lesson, const models::StepConstants& constants,
                         const models::StepPart* without = nullptr);

struct StepFit {
  Standardized constants;
  std::vector<double> source_effect;  ///< logarithm of the factor of each source
  int rounds = 0;
};

struct StepFitSettings {
  const models::StepPart* without = nullptr;  ///< a part that is left out
  /// The priors go together as the correlations of their table say, else each stands alone.
  bool correlated = false;
  double source_spread = 0.08;  ///< of what is common to the rows of a source
};

/// The most probable constants: weighted log errors with a loss that grows linearly from 1.2
/// standard deviations on, Gaussian priors on the logarithms, and a factor for each source that is
/// 1 but for 8%. The same rows give the same constants.
class StepFitter {
 public:
  /// `lessons` and `priors` must outlive it.
  StepFitter(const std::vector<StepLesson>& lessons, const models::StepConstantTable& priors,
             const StepFitSettings& settings = {});
  ~StepFitter();

  /// From all lessons.
  const StepFit& fit();
  /// From the lessons that are not `held_out`, starting from the fit of all; fit() first.
  StepFit without(const std::vector<bool>& held_out) const;
  /// What is known after fit(): the table with values, spreads, correlations, and for each constant
  /// the share of information by `labels` of the lessons.
  models::StepConstantTable table(const std::vector<std::string>& labels);

 private:
  struct State;
  const std::vector<StepLesson>& lessons_;
  const models::StepConstantTable& priors_;
  StepFitSettings settings_;
  std::unique_ptr<State> state_;
};

}  // namespace pretrain::validation
