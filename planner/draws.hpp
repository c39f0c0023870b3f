#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "planner/estimate.hpp"

namespace pretrain::planner {

/// Standard normal draws for each uncertain input, the same for all runs: what one site or one year
/// does to a run it does to all that are compared. The same seed gives the same draws everywhere.
class Draws {
 public:
  enum Input : std::uint8_t {
    step,
    goodput,
    power,
    pue,
    intensity,
    footprint,
    lifetime,
    utilization,
  };
  static constexpr std::size_t kInputs = utilization + 1;

  /// The middle of each of `samples` equally likely strata of each input (McKay et al. 1979), in
  /// random order. 0 < samples < 2^32.
  Draws(std::size_t samples, std::uint64_t seed);

  std::size_t size() const { return samples_; }
  std::span<const double> of(Input input) const {
    return {all_.data() + input * samples_, samples_};
  }

 private:
  std::size_t samples_;
  std::vector<double> all_;
};

/// What the draws make uncertain; each with the spread of its own interval at the level asked for.
struct DrawnSpreads {
  models::Spread step;
  models::Spread booked;  ///< hours of the same work
  models::Spread device_power;
  models::Spread device_energy;
  models::Spread node_energy;
  models::Spread facility_energy;
  models::Spread operational;
  models::Spread embodied;
  models::Spread total;
};

/// `faster`: logarithm of how much faster than predicted a device can be at most. `solved`: the
/// hours are not given. `part`: share of operational carbon in the total. 0 < level < 1.
DrawnSpreads drawn_spreads(const Draws& draws, const Spreads& spreads, double faster, bool solved,
                           double part, double level);

}  // namespace pretrain::planner
