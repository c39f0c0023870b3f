#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "models/step_spread.hpp"

namespace pretrain::models {

/// Quantities of a run whose measured range is known.
enum class ReachOf : std::uint8_t {
  params,
  devices,
  seq_len,
  micro_batch_tokens,
  tp,
  pp,
  cp,
  ep,
  interleave,
};
inline constexpr std::size_t kReachQuantities = 9;
std::string_view name_of(ReachOf quantity);
/// As people say it: "tokens of a micro-batch".
std::string_view words_of(ReachOf quantity);

using ReachPoint = std::array<double, kReachQuantities>;

/// Measured from `low` to `high`, by these runs.
struct Reach {
  double low = 0;
  double high = 0;
  std::string low_run;
  std::string high_run;
  std::size_t rows = 0;
};

/// The range of what was measured, of each class of runs: beyond it a prediction is an
/// extrapolation.
struct StepReach {
  std::array<std::array<Reach, kReachQuantities>, kRunClasses> of_class;

  static StepReach read(std::string_view text, std::string file);

  /// Quantities of a run that lie beyond the range, by more than a quarter.
  std::vector<ReachOf> beyond(RunClass run_class, const ReachPoint& run) const;
  const Reach& of(RunClass run_class, ReachOf quantity) const {
    return of_class[static_cast<std::size_t>(run_class)][static_cast<std::size_t>(quantity)];
  }
};

}  // namespace pretrain::models
