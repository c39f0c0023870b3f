#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "models/step_constants.hpp"
#include "models/step_reach.hpp"
#include "models/step_spread.hpp"
#include "validation/evaluation.hpp"

namespace pretrain::validation {

/// What measured runs say of the constants and of how well they predict.
struct FitReport {
  models::StepConstantTable constants;
  struct Spread {
    double half_width = 0;  ///< logarithm of the factor that holds 90% of the weight
    double median = 0;      ///< of the errors, as logarithms
    std::size_t rows = 0;
  };
  std::array<Spread, models::kRunClasses> of_class{};  ///< with their source left out
  Spread unseen_generation;                            ///< with their generation left out
  Spread chosen_plan;                                  ///< with source and plan left out
  Spread regression;                                   ///< by LLMCarbon's regression instead
};

/// Fits all constants. `stated`: cases with the plans that they state; `usual`: the same with usual
/// plans in their place.
FitReport fit_report(const std::vector<Case>& stated, const std::vector<Case>& usual,
                     const models::StepConstantTable& priors);

/// For people: each constant with prior, value and what informed it; and the errors.
std::string text_of(const FitReport& report, const models::StepConstantTable& before);
/// The file step_spread.csv.
std::string spread_text(const FitReport& report, std::string_view head);

/// The range of what was measured: of runs that teach, and their plans where they state them.
models::StepReach measured_reach(const std::vector<Case>& stated);
/// The file step_reach.csv.
std::string reach_text(const models::StepReach& reach, std::string_view head);

/// The ten groups (model and device) that are predicted worst with their source left out.
std::string residual_groups(const std::vector<Case>& stated,
                            const models::StepConstantTable& priors);

/// Errors of fits without each term: with groups left out on published rows; and on the rows of
/// several nodes of the largest source, of plans chosen, with that source left out.
std::string ablations(const std::vector<Case>& stated, const models::StepConstantTable& priors);

/// Calibrations of each device generation and framework with enough rows, from constants that have
/// seen none of them: errors before, and of each group of a model and device from the others.
std::string calibration_report(const std::vector<Case>& stated,
                               const models::StepConstantTable& priors,
                               const models::StepSpread& spread);

/// The sweep of plans, held out: iteration times and choices of plan of its rows on several nodes,
/// told blind and with constants calibrated on its rows on one node; and those of one width told
/// from another.
std::string sweep_report(const std::vector<Case>& stated, const models::StepConstantTable& priors);

}  // namespace pretrain::validation
