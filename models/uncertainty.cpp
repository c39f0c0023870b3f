#include "models/uncertainty.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <numbers>
#include <optional>
#include <span>

#include "models/step_spread.hpp"

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

namespace {

/// Of the normal distribution, the end that 90% intervals reach.
constexpr double kOf90 = 1.6448536269514722;

double density(double z) {
  return std::exp(-z * z / 2) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
}

double below(double z) { return std::erfc(-z / std::numbers::sqrt2) / 2; }

constexpr std::size_t kOrders = 6;
using Moments = std::array<double, kOrders>;

/// Integrals of z^k times the density from 0 to a.
Moments partial_moments(double a) {
  if (a == HUGE_VAL) {
    const double peak = density(0);
    return {0.5, peak, 0.5, 2 * peak, 1.5, 8 * peak};
  }
  const double d = density(a);
  Moments m{};
  m[0] = std::erf(a / std::numbers::sqrt2) / 2;
  m[1] = density(0) - d;
  double power = a;
  for (std::size_t k = 2; k < kOrders; ++k) {
    m[k] = static_cast<double>(k - 1) * m[k - 2] - power * d;
    power *= a;
  }
  return m;
}

/// Cumulants from the moments about zero.
Moments cumulants_of(const Moments& raw) {
  const double m = raw[1];
  const double m2 = raw[2] - m * m;
  const double m3 = raw[3] - 3 * m * raw[2] + 2 * m * m * m;
  const double m4 = raw[4] - 4 * m * raw[3] + 6 * m * m * raw[2] - 3 * m * m * m * m;
  const double m5 = raw[5] - 5 * m * raw[4] + 10 * m * m * raw[3] - 10 * m * m * m * raw[2] +
                    4 * m * m * m * m * m;
  return {0, m, m2, m3, m4 - 3 * m2 * m2, m5 - 10 * m2 * m3};
}

/// Moments about zero of a factor.
Moments moments_of(Spread s, double floor) {
  const double up = s.up / kOf90;
  const double down = s.down / kOf90;
  const double cut = down > 0 && floor < HUGE_VAL ? floor / down : HUGE_VAL;
  static const auto kAbove = partial_moments(HUGE_VAL);
  const auto low = cut < HUGE_VAL ? partial_moments(cut) : kAbove;
  Moments raw{};
  double up_k = 1;
  double down_k = 1;
  double floor_k = 1;
  for (std::size_t k = 1; k < kOrders; ++k) {
    up_k *= up;
    down_k *= down;
    double lower = down_k * low[k];
    if (cut < HUGE_VAL) {
      floor_k *= floor;
      lower += floor_k * (0.5 - low[0]);
    }
    raw[k] = up_k * kAbove[k] + (k % 2 == 0 ? lower : -lower);
  }
  return raw;
}

/// A distribution by cells of one width.
class Grid {
 public:
  static constexpr std::size_t kSize = 1024;

  /// Of nothing: all at zero.
  explicit Grid(double cell) : cell_{cell} { sum_[0] = 1; }

  /// Adds what is normal above and below zero, and no lower than -floor.
  void add(Spread s, double floor) {
    constexpr double kReach = 4;
    const double up = s.up / kOf90 / cell_;
    const double down = s.down / kOf90 / cell_;
    const double first = std::floor(-std::min(kReach * down, floor / cell_));
    const double last = std::ceil(kReach * up);
    const auto cells = std::min(kSize, static_cast<std::size_t>(last - first + 1));
    double before = 0;
    for (std::size_t j = 0; j < cells; ++j) {
      const double edge = first + static_cast<double>(j) + 0.5;
      const double side = edge > 0 ? up : down;
      const double reached = j + 1 == cells ? 1.0
                             : side <= 0    ? (edge > 0 ? 1.0 : 0.0)
                                            : below(edge / side);
      one_[j] = reached - before;
      before = reached;
    }
    convolve(first, cells);
  }

  /// Adds one of equally likely values.
  void add(std::span<const double> values) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    const double first = std::floor(*low / cell_);
    const auto cells =
        std::min(kSize, static_cast<std::size_t>(std::ceil(*high / cell_) - first + 2));
    std::fill_n(one_.begin(), cells, 0.0);
    const double weight = 1 / static_cast<double>(values.size());
    for (const double value : values) {
      // Shared by the two cells around it.
      const double place = std::min(value / cell_ - first, static_cast<double>(cells - 1));
      const auto at = static_cast<std::size_t>(place);
      const double part = place - static_cast<double>(at);
      one_[at] += weight * (1 - part);
      if (at + 1 < cells) one_[at + 1] += weight * part;
    }
    convolve(first, cells);
  }

  double quantile(double p) const {
    double total = 0;
    for (std::size_t i = 0; i < length_; ++i) {
      if (total + sum_[i] >= p && sum_[i] > 0) {
        return (start_ + static_cast<double>(i) - 0.5 + (p - total) / sum_[i]) * cell_;
      }
      total += sum_[i];
    }
    return (start_ + static_cast<double>(length_)) * cell_;
  }

  Spread ends(double z) const {
    const double tail = below(-z);
    return {-quantile(tail), quantile(1 - tail)};
  }

 private:
  void convolve(double first, std::size_t cells) {
    const std::size_t longer = std::min(kSize, length_ + cells - 1);
    std::fill_n(next_.begin(), longer, 0.0);
    for (std::size_t a = 0; a < length_; ++a) {
      const std::size_t most = std::min(cells, longer - a);
      for (std::size_t b = 0; b < most; ++b) next_[a + b] += sum_[a] * one_[b];
    }
    std::copy_n(next_.begin(), longer, sum_.begin());
    length_ = longer;
    start_ += first;
  }

  double cell_;
  double start_ = 0;  // in cells
  std::size_t length_ = 1;
  // Only what is in use is ever set.
  std::array<double, kSize> sum_;
  std::array<double, kSize> next_;
  std::array<double, kSize> one_;
};

/// Cells of a standard deviation.
constexpr double kCells = 7;

}  // namespace

void LogSum::add(Spread s, double floor) {
  if (s.down <= 0 && s.up <= 0) return;
  assert(count_ < kMost);
  factors_[count_++] = {s, floor};
  const auto own = cumulants_of(moments_of(s, floor));
  for (std::size_t k = 1; k < own.size(); ++k) cumulants_[k] += own[k];
}

void LogSum::add(const LogSum& other) {
  assert(count_ + other.count_ <= kMost);
  std::copy_n(other.factors_.begin(), other.count_,
              factors_.begin() + static_cast<std::ptrdiff_t>(count_));
  count_ += other.count_;
  for (std::size_t k = 1; k < cumulants_.size(); ++k) cumulants_[k] += other.cumulants_[k];
}

double LogSum::expanded(double z) const {
  const double v = cumulants_[2];
  if (!(v > 0)) return cumulants_[1];
  const double sd = std::sqrt(v);
  const double g = cumulants_[3] / (v * sd);
  const double k = cumulants_[4] / (v * v);
  const double k5 = cumulants_[5] / (v * v * sd);
  const double z2 = z * z;
  const double w = z + (z2 - 1) * g / 6 + z * (z2 - 3) * k / 24 - z * (2 * z2 - 5) * g * g / 36 +
                   (z2 * z2 - 6 * z2 + 3) * k5 / 120 - (z2 * z2 - 5 * z2 + 2) * g * k / 24 +
                   (12 * z2 * z2 - 53 * z2 + 17) * g * g * g / 324;
  return cumulants_[1] + sd * w;
}

bool LogSum::skewed() const {
  constexpr double kSkewed = 0.25;
  const double v = cumulants_[2];
  return std::abs(cumulants_[3]) > kSkewed * v * std::sqrt(v);
}

Spread LogSum::ends(double z) const {
  if (count_ == 0) return {};
  if (count_ == 1) {
    const auto& [spread, floor] = factors_[0];
    return {std::min(floor, z / kOf90 * spread.down), z / kOf90 * spread.up};
  }
  if (!skewed()) return {-expanded(-z), expanded(z)};
  Grid grid{std::sqrt(cumulants_[2]) / kCells};
  for (std::size_t i = 0; i < count_; ++i) grid.add(factors_[i].spread, factors_[i].floor);
  return grid.ends(z);
}

void LogSum::quantiles(std::span<double> values) const {
  const auto share = [&](std::size_t i) {
    return (static_cast<double>(i) + 0.5) / static_cast<double>(values.size());
  };
  if (count_ == 0) {
    std::fill(values.begin(), values.end(), 0.0);
  } else if (count_ > 1 && skewed()) {
    Grid grid{std::sqrt(cumulants_[2]) / kCells};
    for (std::size_t i = 0; i < count_; ++i) grid.add(factors_[i].spread, factors_[i].floor);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = grid.quantile(share(i));
  } else {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double z = normal_quantile(share(i));
      const auto& [spread, floor] = factors_[0];
      values[i] = count_ > 1 ? expanded(z)
                  : z > 0    ? z / kOf90 * spread.up
                             : std::max(-floor, z / kOf90 * spread.down);
    }
  }
}

namespace {

/// Factors exp(x) of equally likely cases. Rows of a table share their hardware and their site: the
/// last ones are kept.
template <std::size_t N>
const std::array<double, N>& cases_of(const LogSum& sum) {
  struct Kept {
    std::optional<LogSum> sum;
    std::array<double, N> factors{};
  };
  static thread_local Kept kept;
  if (!kept.sum || !(*kept.sum == sum)) {
    sum.quantiles(kept.factors);
    for (double& x : kept.factors) x = std::exp(x);
    kept.sum = sum;
  }
  return kept.factors;
}

}  // namespace

Spread ends_of_mixture(const LogSum& both, const LogSum& first, const LogSum& second, double share,
                       double z) {
  if (share >= 1 || second.known()) share = first.known() ? share : 1;
  LogSum whole = both;
  if (share >= 1 || (first.known() && second.known())) {
    whole.add(first);
    return whole.ends(z);
  }
  constexpr std::size_t kFirst = 12;
  constexpr std::size_t kSecond = 40;
  const auto& b = cases_of<kSecond>(second);
  std::array<double, kFirst * kSecond> all;  // set below, as far as it is used
  std::span<double> values{all};
  if (share <= 0) {
    whole.add(second);
    if (both.known() || !whole.skewed()) return whole.ends(z);
    values = values.first(kSecond);
    for (std::size_t i = 0; i < kSecond; ++i) values[i] = std::log(b[i]);
  } else {
    const auto& a = cases_of<kFirst>(first);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = std::log(share * a[i / kSecond] + (1 - share) * b[i % kSecond]);
    }
  }
  double mean = 0;
  double square = 0;
  for (const double value : values) {
    mean += value;
    square += value * value;
  }
  mean /= static_cast<double>(values.size());
  const double variance = square / static_cast<double>(values.size()) - mean * mean;
  Grid grid{std::sqrt(both.cumulants_[2] + variance) / kCells};
  grid.add(values);
  for (std::size_t i = 0; i < both.count_; ++i) {
    grid.add(both.factors_[i].spread, both.factors_[i].floor);
  }
  return grid.ends(z);
}

}  // namespace pretrain::models
