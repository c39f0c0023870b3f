#pragma once

#include "models/core/units.hpp"

namespace pretrain::models {

/// Model FLOPs utilization of a run whose achieved throughput is stated.
///
/// @eq      efficiency.achieved
/// @source  chowdhery-2022, App. B   MFU = observed / peak throughput
/// @domain  peak > 0
double mfu_from_achieved(DeviceRate achieved, DeviceRate peak);

/// Throughput of one A100 in LLMCarbon's pipeline-parallel fit. It counts recomputed FLOPs (8 N D,
/// not 6 N D). LLMCarbon's factors for device counts away from its optimum were never published
/// and are left out, and so is its tensor-parallel fit, which turns negative above 50 B.
///
/// @eq      efficiency.llmcarbon.throughput
/// @source  mlcarbon-code, model.py predict_num_throughput
///          X = -5.60233749e-23 N^2 + 8.45435587e-11 N + 1.34546129e+02 TFLOP/s
/// @domain  1e9 <= params <= 1.5e12; outside, the nearer end is taken
DeviceRate llmcarbon_throughput(double params);

/// Utilization by LLMCarbon's fit on any device, as a share of its peak: hardware FLOPs, that is,
/// with recomputation counted.
///
/// @eq      efficiency.llmcarbon.hardware
/// @derived efficiency.llmcarbon.throughput over the A100's 312 TFLOP/s
double llmcarbon_hfu(double params);

/// The same as model FLOPs utilization: three quarters, because the runs behind the fit recompute
/// every forward pass (8 N D for 6 N D of model FLOPs).
///
/// @eq      efficiency.llmcarbon
/// @derived 3/4 of efficiency.llmcarbon.hardware
double llmcarbon_mfu(double params);

/// Utilization by the FLOPs of another convention: the rate of tokens stays.
///
/// @eq      efficiency.converted
/// @derived rate.tokens of both conventions set equal
/// @domain  flop_per_token, of the convention of `mfu`, > 0
double converted_mfu(double mfu, double flop_per_token, double other_flop_per_token);

inline constexpr double kLlmcarbonLeastParams = 1e9;
inline constexpr double kLlmcarbonMostParams = 1.5e12;

/// Utilization that a stated duration implies.
///
/// @eq      efficiency.implied
/// @derived time.training solved for MFU
/// @domain  peak, devices, duration, goodput > 0
double implied_mfu(Flop compute, DeviceRate peak, DeviceTime booked, double goodput);

/// MFU of a step that takes so long.
///
/// @eq      efficiency.step
/// @source  chowdhery-2022, Appendix B
/// @domain  step > 0
double step_mfu(double tokens_per_device, double flop_per_token, Time step, DeviceRate peak);

}  // namespace pretrain::models
