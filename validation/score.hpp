#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace pretrain::validation {

/// A prediction beside what was reported, in the same unit.
struct Scored {
  double predicted{};
  double reported{};
  std::optional<double> low;  ///< interval of the prediction; counts only with both ends
  std::optional<double> high;
  double weight = 1;
};

/// How good the predictions are. Absent where no row tells.
struct Summary {
  std::size_t n{};                           ///< rows scored
  std::optional<double> median_abs_error;    ///< of |predicted / reported - 1|
  std::optional<double> mean_abs_log_error;  ///< of |ln(predicted / reported)|
  std::optional<double> bias;                ///< exp(mean of ln(predicted / reported)) - 1
  std::optional<double> within_10;           ///< share of rows with an error of at most 10%
  std::optional<double> within_20;
  std::optional<double> within_30;
  std::optional<double> coverage;        ///< share of rows reported inside their interval
  std::optional<double> median_width;    ///< of sqrt(high / low): 1.25 is "times or over 1.25"
  std::optional<double> interval_score;  ///< Winkler score of the logarithms; lower is better
};

/// Scores rows by weight; a row whose ratio or weight is not a positive finite number is left out
/// and not counted. `level` is the probability that the intervals promise, 0.9 for 90%.
///
/// Winkler (1972): width + 2 / (1 - level) x the distance by which the interval was missed.
Summary summarize(std::span<const Scored> rows, double level);

/// Share of the errors at hand that holds `level` of those of a unit that is not among their
/// `units`: level (1 + 1 / units), at most all. Vovk et al. 2005, Sec. 2. The unit is a model on a
/// device: rows of it share most of their error, those of a source less (8% of it).
double conformal_share(double level, std::size_t units);

/// Smallest value that has at least this share of the weight at or below it. Absent without a
/// positive finite weight; values that are not finite are left out.
std::optional<double> weighted_quantile(std::span<const double> values,
                                        std::span<const double> weights, double share);

/// Median by weight: half of the weight lies on each side. Between two values, their mean. Absent
/// without a positive finite weight; values that are not finite are left out.
std::optional<double> weighted_median(std::span<const double> values,
                                      std::span<const double> weights);

}  // namespace pretrain::validation
