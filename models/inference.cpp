#include "models/inference.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace pretrain::models {

namespace {
constexpr double kUsable = 0.9;  // of memory, for weights and caches
constexpr double kForward = 2;   // FLOP of a parameter and token

/// Tokens whose keys and values are there while a request decodes: its prompt and on average half
/// of its output.
double context(const ServedLoad& load) { return load.prompt + load.output / 2; }

double caches(const ServedModel& m, const ServedLoad& load) {
  return load.batch * context(load) * m.cache_bytes;
}
}  // namespace

double replica_devices(const ServedModel& m, const ServedLoad& load, const ServingDevice& d) {
  assert(d.memory > 0);
  const double bytes = m.params * m.weight_bytes + caches(m, load);
  return std::exp2(std::ceil(std::max(0.0, std::log2(bytes / (kUsable * d.memory)))));
}

double weights_read(const ServedModel& m, double batch) {
  if (m.expert_share >= 1) return m.params * m.weight_bytes;
  const double routed = (m.params - m.active) / (1 - m.expert_share);
  const double met = 1 - std::pow(1 - m.expert_share, batch);
  return (m.params - routed + met * routed) * m.weight_bytes;
}

TokenTime token_time(const ServedModel& m, const ServedLoad& load, const ServingDevice& d) {
  assert(load.batch >= 1 && load.output > 0);
  const double flop_rate = d.peak * d.prefill_utilization;
  TokenTime time;
  time.prefill = load.prompt * kForward * m.active / flop_rate / load.output;
  const double read =
      (weights_read(m, load.batch) + caches(m, load)) / (d.bandwidth * d.decode_utilization);
  const double compute = load.batch * kForward * m.active / flop_rate;
  time.decode = std::max(read, compute) / load.batch;
  return time;
}

Energy token_energy(const TokenTime& time, const ServingDraw& draw, double busy, double pue) {
  assert(busy > 0 && busy <= 1 && pue >= 1);
  const double waits = (time.prefill + time.decode) * (1 / busy - 1);
  return pue * (time.prefill * second * draw.prefill + time.decode * second * draw.decode +
                waits * second * draw.wait);
}

Energy served_energy(double tokens, Energy per_token) { return tokens * per_token; }

double break_even_tokens(Energy training, Energy per_token) { return training / per_token; }

}  // namespace pretrain::models
