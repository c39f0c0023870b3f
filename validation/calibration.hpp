#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "models/step_constants.hpp"
#include "models/step_spread.hpp"
#include "validation/evaluation.hpp"

namespace pretrain::validation {

/// Errors of step times before a calibration and after it, each group of a model and device told
/// from the others.
struct CalibrationScore {
  std::size_t rows = 0;
  std::size_t groups = 0;
  double before_median = 0;  ///< of |predicted / measured - 1|
  double after_median = 0;
  double before_mean_log = 0;  ///< of |ln(predicted / measured)|
  double after_mean_log = 0;
};

/// What past runs of one cluster say of it.
struct Calibration {
  std::string device;  ///< generation
  std::string family;  ///< of the framework
  CalibrationScore score;
  models::StepConstantTable constants;                   ///< with the factor of the cluster
  models::RunClass run_class = models::RunClass::other;  ///< of most rows
  double half_width_90 = 0;           ///< logarithm: of what is told of those afterwards
  std::vector<std::string> learnt;    ///< constants that are known twice as well as before
  std::vector<std::string> not_told;  ///< what no row could tell: "pipelines", ...
  /// Draw above idle over the predicted one, and the rows that tell it.
  std::optional<double> draw;
  std::size_t draw_rows = 0;
};

/// The most that a part of the rows has in common: device generation and framework.
struct CalibrationPart {
  std::string device;
  std::string family;
  std::vector<const Case*> cases;
};

/// Rows with a throughput by device generation and framework, the largest first.
std::vector<CalibrationPart> calibration_parts(const std::vector<Case>& cases);

/// Fits the constants to rows of one cluster: from what `known` says of them, with a factor of the
/// cluster that is 1 but for 15%, by a loss that outliers do not rule. Absent where there are fewer
/// than three rows.
std::optional<Calibration> calibrate(const CalibrationPart& part,
                                     const models::StepConstantTable& known,
                                     const models::StepSpread& spread);

}  // namespace pretrain::validation
