#pragma once

#include <cmath>

namespace pretrain::models {

/// How far the true value of an input may lie from the one taken: logarithms of the factors below
/// and above within which it is in 90% of all cases. Zero: known.
struct Spread {
  double down = 0;
  double up = 0;
};

/// Of a value with a low and a high one that are passed in 5% of all cases each.
///
/// @derived a logarithm for each side
/// @domain  0 < low <= mid <= high
Spread spread_of(double low, double mid, double high);

/// Of a product of independent factors.
///
/// @eq      interval.product
/// @derived variances of logarithms add, on each side
Spread product(Spread a, Spread b);

/// Of what is inversely proportional.
inline Spread inverse(Spread s) { return {s.up, s.down}; }

/// Of a sum of two independent parts, of which the first has this share.
///
/// @derived the distances that both move the sum add in squares, on each side
Spread sum(Spread first, Spread second, double share);

/// Width, for ranking: root of the mean of both squares.
inline double size(Spread s) { return std::sqrt((s.down * s.down + s.up * s.up) / 2); }

}  // namespace pretrain::models
