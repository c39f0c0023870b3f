#include "planner/draws.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "models/step_spread.hpp"

namespace pretrain::planner {

namespace {

/// splitmix64 (Steele, Lea and Flood 2014): the same numbers on every machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_{seed} {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  std::size_t below(std::size_t n) {
    // Lemire 2019: the high bits of a product, with a bias below n / 2^32.
    return static_cast<std::size_t>(((next() >> 32U) * n) >> 32U);
  }

 private:
  std::uint64_t state_;
};

/// Quantile of a normal distribution that 90% of a spread is measured in.
const double kOf90 = models::normal_quantile(0.95);

double moved(models::Spread s, double z) { return z / kOf90 * (z > 0 ? s.up : s.down); }

/// The values of two neighboring ranks, by counting what falls into cells of one width first.
class Ranks {
 public:
  explicit Ranks(std::span<const double> values)
      : values_{values}, cells_{std::clamp(values.size() / 8, std::size_t{1}, counts_.size())} {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    low_ = *low;
    const double width = *high - *low;
    scale_ = width > 0 ? static_cast<double>(cells_) / width : 0;
    for (const double value : values) ++counts_[cell(value)];
  }

  /// Between rank floor(place) and the next one, counted from 0; place < size - 1.
  double at(double place) {
    const auto rank = static_cast<std::size_t>(place);
    std::size_t before = 0;
    std::size_t first = 0;
    while (before + counts_[first] <= rank) before += counts_[first++];
    std::size_t last = first;
    for (std::size_t reached = before + counts_[first]; reached <= rank + 1;) {
      reached += counts_[++last];
    }
    near_.clear();
    for (const double value : values_) {
      const auto c = cell(value);
      if (c == first || c == last) near_.push_back(value);
    }
    const auto here = near_.begin() + static_cast<std::ptrdiff_t>(rank - before);
    std::nth_element(near_.begin(), here, near_.end());
    const double value = *here;
    const double next = *std::min_element(here + 1, near_.end());
    return value + (place - static_cast<double>(rank)) * (next - value);
  }

 private:
  std::size_t cell(double value) const {
    return std::min(cells_ - 1, static_cast<std::size_t>((value - low_) * scale_));
  }

  std::span<const double> values_;
  std::array<std::uint32_t, 1024> counts_{};
  std::size_t cells_;
  double low_ = 0;
  double scale_ = 0;
  inline static thread_local std::vector<double> near_;
};

models::Spread ends(std::span<const double> values, double level) {
  const double tail = (1 - level) / 2;
  const double most = static_cast<double>(values.size() - 1);
  constexpr double kBeforeLast = 1e-9;
  const auto place = [&](double share) { return std::min(share * most, most * (1 - kBeforeLast)); };
  Ranks ranks{values};
  return {-ranks.at(place(tail)), ranks.at(place(1 - tail))};
}

}  // namespace

Draws::Draws(std::size_t samples, std::uint64_t seed) : samples_{samples}, all_(kInputs * samples) {
  // The middles of the strata are the same for all inputs, and symmetric.
  double* first = all_.data();
  for (std::size_t i = 0; i < (samples + 1) / 2; ++i) {
    const double z =
        models::normal_quantile((static_cast<double>(i) + 0.5) / static_cast<double>(samples));
    first[i] = z;
    first[samples - 1 - i] = -z;
  }
  for (std::size_t input = 1; input < kInputs; ++input) {
    std::copy_n(first, samples, first + input * samples);
  }
  Random random{seed};
  for (std::size_t input = 0; input < kInputs; ++input) {
    double* z = all_.data() + input * samples;
    for (std::size_t i = samples; i > 1; --i) std::swap(z[i - 1], z[random.below(i)]);
  }
}

DrawnSpreads drawn_spreads(const Draws& draws, const Spreads& s, double faster, bool solved,
                           double part, double level) {
  const std::size_t n = draws.size();
  // Kept between rows.
  thread_local std::vector<double> hours;
  thread_local std::vector<double> power;
  thread_local std::vector<double> site;
  thread_local std::vector<double> footprint;
  thread_local std::vector<double> result;
  for (auto* v : {&hours, &power, &site, &footprint, &result}) v->resize(n);

  DrawnSpreads drawn;
  const auto take = [&](auto value) {
    for (std::size_t i = 0; i < n; ++i) result[i] = value(i);
    return ends(result, level);
  };
  const auto of = [&](Draws::Input input, models::Spread spread) {
    return [z = draws.of(input), spread](std::size_t i) { return moved(spread, z[i]); };
  };
  const auto step = of(Draws::step, s.time);
  drawn.step = take([&](std::size_t i) { return std::max(-faster, step(i)); });
  const auto lost = of(Draws::goodput, s.goodput);
  for (std::size_t i = 0; i < n; ++i) hours[i] = std::max(-faster, step(i)) + lost(i);
  drawn.booked = take([&](std::size_t i) { return hours[i]; });
  if (!solved) std::fill(hours.begin(), hours.end(), 0.0);
  const auto device = of(Draws::power, s.device_power);
  drawn.device_power = take(device);
  drawn.device_energy = take([&](std::size_t i) { return hours[i] + device(i); });
  const auto node = of(Draws::power, s.node_power);
  for (std::size_t i = 0; i < n; ++i) power[i] = hours[i] + node(i);
  drawn.node_energy = take([&](std::size_t i) { return power[i]; });
  const auto pue = of(Draws::pue, s.pue);
  for (std::size_t i = 0; i < n; ++i) site[i] = power[i] + pue(i);
  drawn.facility_energy = take([&](std::size_t i) { return site[i]; });
  const auto intensity = of(Draws::intensity, s.intensity);
  for (std::size_t i = 0; i < n; ++i) site[i] += intensity(i);
  drawn.operational = take([&](std::size_t i) { return site[i]; });
  const auto made = of(Draws::footprint, s.footprint);
  const auto life = of(Draws::lifetime, s.lifetime);
  const auto use = of(Draws::utilization, s.utilization);
  for (std::size_t i = 0; i < n; ++i) footprint[i] = hours[i] + made(i) + life(i) + use(i);
  drawn.embodied = take([&](std::size_t i) { return footprint[i]; });
  drawn.total = take([&](std::size_t i) {
    return std::log(part * std::exp(site[i]) + (1 - part) * std::exp(footprint[i]));
  });
  return drawn;
}

}  // namespace pretrain::planner
