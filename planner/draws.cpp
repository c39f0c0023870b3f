#include "planner/draws.hpp"

#include <algorithm>
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
  /// In (0, 1).
  double uniform() {
    constexpr double kStep = 0x1p-53;
    return (static_cast<double>(next() >> 11U) + 0.5) * kStep;
  }
  std::size_t below(std::size_t n) {
    return std::min(n - 1, static_cast<std::size_t>(uniform() * static_cast<double>(n)));
  }

 private:
  std::uint64_t state_;
};

/// Quantile of a normal distribution that 90% of a spread is measured in.
const double kOf90 = models::normal_quantile(0.95);

double moved(models::Spread s, double z) { return z / kOf90 * (z > 0 ? s.up : s.down); }

models::Spread ends(std::vector<double>& values, double level) {
  const auto at = [&](double share) {
    const double place = share * static_cast<double>(values.size() - 1);
    const auto low = static_cast<std::size_t>(place);
    const auto first = values.begin();
    std::nth_element(first, first + static_cast<std::ptrdiff_t>(low), values.end());
    const double value = values[low];
    if (low + 1 >= values.size()) return value;
    const double next =
        *std::min_element(first + static_cast<std::ptrdiff_t>(low) + 1, values.end());
    return value + (place - static_cast<double>(low)) * (next - value);
  };
  const double tail = (1 - level) / 2;
  return {-at(tail), at(1 - tail)};
}

}  // namespace

Draws::Draws(std::size_t samples, std::uint64_t seed) : samples_{samples}, all_(kInputs * samples) {
  Random random{seed};
  for (std::size_t input = 0; input < kInputs; ++input) {
    double* z = all_.data() + input * samples;
    for (std::size_t i = 0; i < samples; ++i) {
      const double stratum = static_cast<double>(i) + random.uniform();
      z[i] = models::normal_quantile(stratum / static_cast<double>(samples));
    }
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
