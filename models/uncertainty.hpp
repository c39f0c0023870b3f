#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <span>

namespace pretrain::models {

/// How far the true value of an input may lie from the one taken: logarithms of the factors below
/// and above within which it is in 90% of all cases. Zero: known.
struct Spread {
  double down = 0;
  double up = 0;
  friend bool operator==(const Spread&, const Spread&) = default;
};

/// Of a value with a low and a high one that are passed in 5% of all cases each.
///
/// @derived a logarithm for each side
/// @domain  0 < low <= mid <= high
Spread spread_of(double low, double mid, double high);

/// Of a product of two independent factors, roughly.
///
/// @derived variances of logarithms add, on each side
Spread product(Spread a, Spread b);

/// Logarithm of a product of independent factors, each normal above and below its median.
class LogSum {
 public:
  static constexpr std::size_t kMost = 8;
  /// A factor with its 90% interval; it lies no lower than exp(-floor). At most kMost.
  void add(Spread s, double floor = HUGE_VAL);
  /// Another sum, independent of this one.
  void add(const LogSum& other);
  /// The interval that holds a share of all cases; `z` is the quantile of the normal distribution
  /// for its upper end. One factor is met exactly; sums by their cumulants, skewed ones on a grid.
  Spread ends(double z) const;
  bool known() const { return count_ == 0; }
  friend bool operator==(const LogSum&, const LogSum&) = default;
  /// Values of equally likely cases, from the least.
  void quantiles(std::span<double> values) const;

 private:
  friend Spread ends_of_mixture(const LogSum& both, const LogSum& first, const LogSum& second,
                                double share, double z);
  struct Factor {
    Spread spread;
    double floor = HUGE_VAL;
    friend bool operator==(const Factor&, const Factor&) = default;
  };
  using Cumulants = std::array<double, 6>;  ///< the first stands at 1

  double expanded(double z) const;
  bool skewed() const;

  std::size_t count_ = 0;
  std::array<Factor, kMost> factors_;
  Cumulants cumulants_{};
};

/// Of exp(both) x (share x exp(first) + (1 - share) x exp(second)), all independent.
///
/// @eq      interval.product
/// @source  cornish-fisher-1938, whole   expansion to the fifth cumulant, of what is not skewed
/// @derived on a grid, from equally likely cases of both parts
Spread ends_of_mixture(const LogSum& both, const LogSum& first, const LogSum& second, double share,
                       double z);

/// Of what is inversely proportional.
inline Spread inverse(Spread s) { return {s.up, s.down}; }

/// Of a sum of two independent parts, of which the first has this share.
///
/// @derived the distances that both move the sum add in squares, on each side
Spread sum(Spread first, Spread second, double share);

/// Width, for ranking: root of the mean of both squares.
inline double size(Spread s) { return std::sqrt((s.down * s.down + s.up * s.up) / 2); }

}  // namespace pretrain::models
