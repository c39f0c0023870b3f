#pragma once

#include <cmath>
#include <cstdint>

namespace pretrain {

/// Whether so many make the whole without a rest. Counts are doubles here, of whole numbers up to
/// 2^53 in size; others are never divided.
inline bool divides(double part, double whole) {
  constexpr double kExact = 9007199254740992;
  const double times = whole / part;
  if (!(std::abs(times) < kExact)) return false;
  return static_cast<double>(static_cast<std::int64_t>(times)) == times && times * part == whole;
}

}  // namespace pretrain
