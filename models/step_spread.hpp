#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace pretrain::models {

/// Runs whose steps are predicted about equally well.
enum class RunClass : std::uint8_t { dense_gpu, dense_tpu, moe, other };
inline constexpr std::size_t kRunClasses = 4;
std::string_view name_of(RunClass run_class);

/// How far measured steps of sources that were not in the fit lie from their prediction: the factor
/// that holds 90% of them, as a logarithm.
struct StepSpread {
  std::array<double, kRunClasses> of_class{};
  double unseen_generation = 0;  ///< of devices of a generation that nothing was measured on
  double chosen_plan = 0;        ///< of runs whose plan is not stated
  double regression = 0;         ///< of runs whose step is not modeled: LLMCarbon's regression

  static StepSpread read(std::string_view text, std::string file);

  /// Of such runs; what is unknown of generation and plan widens it, each on its own.
  double width(RunClass run_class, bool unseen, bool chosen) const;
};

/// Logarithm of the factor that holds this share of the runs, from that which holds 90%;
/// 0 <= level < 1.
///
/// @eq      step.interval
/// @derived log-normal errors: quantiles of the standard normal distribution scale
double half_width(double half_width_90, double level);

/// Quantile of the standard normal distribution, 0 < p < 1.
///
/// @source  acklam-2003, relative error below 1.15e-9
double normal_quantile(double p);

}  // namespace pretrain::models
