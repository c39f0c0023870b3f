#include <algorithm>
#include <cmath>

#include "models/step_time.hpp"

namespace pretrain::models {

namespace {

constexpr double kTera = 1e12;
constexpr double kMega = 1e6;
constexpr double kMilli = 1e-3;
constexpr double kMicro = 1e-6;
constexpr double kUsualWatts = 0.7;  // per TFLOP/s, of a device that does not say
constexpr double kYear = 2025;
// Software of other years than the measured runs': no further than these.
constexpr double kFirstYear = 2021;
constexpr double kLastYear = 2027;
/// FlashAttention-2 (dao-2023) and what learned from it.
constexpr double kSecondKernels = 2023.5;
/// From then on Megatron has attention kernels made for Hopper.
constexpr double kHopperKernels = 2024;

double generation_factor(Generation g, const StepConstants& c) {
  switch (g) {
    case Generation::other:
      return 1;
    case Generation::volta:
      return c.volta;
    case Generation::ampere:
      return c.ampere;
    case Generation::hopper:
      return c.hopper;
    case Generation::blackwell:
      return c.blackwell;
    case Generation::gb200:
      return c.blackwell * c.gb200;
    case Generation::cdna3:
      return c.cdna3;
    case Generation::cdna4:
      return c.cdna4;
    case Generation::tpu_v4:
      return c.tpu_v4;
    case Generation::tpu_v5e:
      return c.tpu_v5e;
    case Generation::tpu_v5p:
      return c.tpu_v5p;
    case Generation::tpu_v6e:
      return c.tpu_v6e;
    case Generation::tpu_v7:
      return c.tpu_v7;
  }
  return 1;
}

/// The smaller of both, smooth where they meet.
double smaller(double x, double y) {
  const double x2 = x * x;
  const double y2 = y * y;
  return x * y / std::sqrt(std::sqrt(x2 * x2 + y2 * y2));
}

double format_factor(const StepDevice& d, const StepStack& s, const StepConstants& c) {
  switch (d.format) {
    case StepFormat::half:
      return 1;
    case StepFormat::fp4:
      return c.fp4 * c.mx;
    case StepFormat::mxfp8:
    case StepFormat::fp8:
      break;
  }
  const double scaled = d.format == StepFormat::mxfp8 ? c.mx : 1;
  if (s.stack == Stack::xla) return scaled * c.fp8_xla;
  return scaled * (s.stack == Stack::megatron ? c.fp8 : c.fp8_torch);
}

struct Core {
  double forward = 0;
  double backward = 0;
};

/// The attention core over the ceiling, by the kernels that a stack has for a generation.
Core core_factor(const StepDevice& d, const StepStack& s, const StepConstants& c) {
  if (d.maker == Maker::google) return {c.attention_tpu, c.attention_backward};
  const bool own = s.stack != Stack::fsdp;
  switch (d.generation) {
    case Generation::blackwell:
    case Generation::gb200:
      return {c.attention_blackwell, own ? c.attention_backward_new : c.attention_backward};
    case Generation::hopper: {
      const bool newer =
          (s.stack == Stack::megatron && s.year >= kHopperKernels) || s.stack == Stack::xla;
      return {newer ? c.attention_hopper : c.attention_hopper_fa2,
              own ? c.attention_backward_new : c.attention_backward};
    }
    default:
      return {c.attention, c.attention_backward};
  }
}

double stack_factor(const StepDevice& d, const StepStack& s, const StepConstants& c) {
  switch (s.stack) {
    case Stack::megatron:
      return s.legacy ? c.megatron_old : c.megatron;
    case Stack::fsdp:
      return c.fsdp;
    case Stack::xla:
      return d.maker == Maker::google ? c.xla_tpu : c.xla_gpu;
    case Stack::deepspeed:
    case Stack::other:
      break;
  }
  return s.legacy ? c.megatron_old : c.other_stack;
}

}  // namespace

StepSpeed step_speed(const StepDevice& d, const StepStack& s, const StepConstants& c) {
  StepSpeed v;
  v.device = d;
  v.stack = s;
  const bool tpu = d.maker == Maker::google;
  const double watts = d.watts > 0 ? d.watts / (d.peak_half / kTera) : kUsualWatts;
  const double sustained = c.power_limit * kUsualWatts *
                           std::pow(watts / kUsualWatts, c.power_share) *
                           generation_factor(d.generation, c) * (tpu ? c.power_limit_tpu : 1);
  const double ceiling = smaller(sustained, c.ceiling);
  v.half = d.peak_half * ceiling;
  v.products = d.peak * ceiling * format_factor(d, s, c);
  const Core core = core_factor(d, s, c);
  const bool first = !tpu && s.year < kSecondKernels;
  v.core = v.half * core.forward * (first ? c.attention_first : 1);
  v.core_backward = v.core * core.backward;
  v.memory = d.memory * c.hbm;
  const double excess = s.legacy                 ? c.elementwise_old
                        : s.stack == Stack::fsdp ? c.elementwise_torch
                                                 : c.elementwise;
  v.traffic = excess / v.memory;
  v.cast_bytes = d.format == StepFormat::half ? 0 : c.cast;
  v.kernel = tpu ? 0 : c.kernel * kMicro;
  v.depth_half = c.depth;
  v.wave = tpu ? 0 : c.wave * kMega;
  v.misaligned = d.maker == Maker::nvidia ? c.misaligned : 0;
  if (!tpu && s.stack != Stack::xla) {
    v.host = kMilli * (s.legacy ? c.host_old : s.stack == Stack::megatron ? c.host : c.host_torch);
  }
  v.tp_exposed = s.stack == Stack::fsdp ? c.tp_torch : s.legacy ? c.tp_legacy : c.tp_exposed;
  v.links = tpu ? Links{d.links.near * c.ici, d.links.far * c.dcn, d.links.wired}
                : Links{d.links.near * c.scaleup, d.links.far * c.scaleout, d.links.wired};
  const double age = std::clamp(s.year, kFirstYear, kLastYear) - kYear;
  v.year = stack_factor(d, s, c) * (tpu ? 1 : std::pow(c.year, age));
  return v;
}

}  // namespace pretrain::models
