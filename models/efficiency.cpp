#include "models/efficiency.hpp"

#include <algorithm>
#include <cassert>

namespace pretrain::models {

namespace {

/// The accelerator of LLMCarbon's fit: A100, dense fp16 peak.
constexpr auto kFitPeak = 312.0 * teraflops / device;
/// 6 N D of model FLOPs are 8 N D of hardware FLOPs when every forward pass is repeated.
constexpr double kModelOverHardware = 6.0 / 8.0;

}  // namespace

double mfu_from_achieved(DeviceRate achieved, DeviceRate peak) {
  assert(peak > DeviceRate{});
  return achieved / peak;
}

DeviceRate llmcarbon_throughput(double params) {
  const double n = std::clamp(params, kLlmcarbonLeastParams, kLlmcarbonMostParams);
  const double x = -5.60233749e-23 * n * n + 8.45435587e-11 * n + 1.34546129e+02;
  return x * teraflops / device;
}

double llmcarbon_hfu(double params) { return llmcarbon_throughput(params) / kFitPeak; }

double llmcarbon_mfu(double params) { return kModelOverHardware * llmcarbon_hfu(params); }

double converted_mfu(double mfu, double flop_per_token, double other_flop_per_token) {
  assert(flop_per_token > 0.0);
  return mfu * other_flop_per_token / flop_per_token;
}

double implied_mfu(Flop compute, DeviceRate peak, DeviceTime booked, double goodput) {
  assert(peak > DeviceRate{} && booked > DeviceTime{} && goodput > 0.0);
  return compute / (peak * booked * goodput);
}

double step_mfu(double tokens_per_device, double flop_per_token, Time step, DeviceRate peak) {
  assert(step > Time{});
  return tokens_per_device * flop_per_token * flop / (step * device) / peak;
}

}  // namespace pretrain::models
