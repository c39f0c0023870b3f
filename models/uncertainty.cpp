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

Spread sum(Spread first, Spread second, double share) {
  const auto both = [&](double a, double b) {
    const double x = share * std::expm1(a);
    const double y = (1 - share) * std::expm1(b);
    return std::sqrt(x * x + y * y);
  };
  return {-std::log1p(-both(-first.down, -second.down)), std::log1p(both(first.up, second.up))};
}

}  // namespace pretrain::models
