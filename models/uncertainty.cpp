#include "models/uncertainty.hpp"

#include <cassert>

namespace pretrain::models {

Spread spread_of(double low, double mid, double high) {
  assert(low > 0 && low <= mid && mid <= high);
  return {std::log(mid / low), std::log(high / mid)};
}

Spread product(Spread a, Spread b) {
  return {std::sqrt(a.down * a.down + b.down * b.down), std::sqrt(a.up * a.up + b.up * b.up)};
}

}  // namespace pretrain::models
