#pragma once

#include "models/core/embedded.hpp"
#include "models/step_time.hpp"
#include "models/training_compute.hpp"
#include "tests/models/architectures.hpp"
#include "tests/support.hpp"

// Devices, architectures and plans whose steps several tests time.

namespace pretrain::models {

inline StepConstantTable shipped_step_constants() {
  return StepConstantTable::read(shipped(embedded_files(), "step_constants.csv"),
                                 "step_constants.csv");
}

inline const StepConstants& step_constants() {
  static const StepConstants constants = shipped_step_constants().values();
  return constants;
}

// Data sheets, as in hardware/data/devices.csv.

inline StepDevice a100() {
  StepDevice d;
  d.generation = Generation::ampere;
  d.maker = Maker::nvidia;
  d.peak = d.peak_half = 312e12;
  d.watts = 400;
  d.memory = 2039e9;
  d.links = {300e9, 25e9};
  d.domain = 8;
  return d;
}

inline StepDevice h100() {
  StepDevice d;
  d.generation = Generation::hopper;
  d.maker = Maker::nvidia;
  d.peak = d.peak_half = 989.4e12;
  d.watts = 700;
  d.memory = 3350e9;
  d.links = {450e9, 50e9};
  d.domain = 8;
  return d;
}

inline StepDevice b200() {
  StepDevice d;
  d.generation = Generation::blackwell;
  d.maker = Maker::nvidia;
  d.peak = d.peak_half = 2250e12;
  d.watts = 1000;
  d.memory = 7700e9;
  d.links = {900e9, 50e9};
  d.domain = 8;
  return d;
}

inline StepDevice tpu_v5e() {
  StepDevice d;
  d.generation = Generation::tpu_v5e;
  d.maker = Maker::google;
  d.peak = d.peak_half = 197e12;
  d.watts = 225;
  d.memory = 819e9;
  d.links = {200e9, 3.125e9};
  d.domain = 256;
  return d;
}

/// FP8 doubles the peak of matrix products with weights.
inline StepDevice in_fp8(StepDevice d) {
  d.format = StepFormat::fp8;
  d.peak = 2 * d.peak_half;
  return d;
}

/// Grouped queries, gated feed-forward layers, as the Llama family has them.
inline Architecture llama(double layers, double hidden, double heads, double ffn,
                          double vocab = 128256) {
  Architecture a;
  a.layers = layers;
  a.hidden = hidden;
  a.heads = heads;
  a.kv_heads = 8;
  a.head_dim = a.v_head_dim = hidden / heads;
  a.ffn_hidden = ffn;
  a.gated = true;
  a.vocab = vocab;
  return a;
}
inline Architecture llama_8b() { return llama(32, 4096, 32, 14336); }
inline Architecture llama_70b() { return llama(80, 8192, 64, 28672); }
inline Architecture llama_405b() { return llama(126, 16384, 128, 53248); }
inline Architecture gpt3_175b() { return gpt(96, 12288, 96, 51200); }

/// A step of an architecture on devices by a plan.
struct StepRun {
  Architecture architecture;
  StepDevice device = h100();
  StepStack stack;
  StepShard shard;
  StepSchedule schedule;
  StepConstants constants = step_constants();

  StepModel model() const { return step_model(architecture, shard.seq_len); }
  ShardTime block() const {
    return shard_time(model(), step_speed(device, stack, constants), shard, constants);
  }
  StepTime time() const {
    return step_time(model(), step_speed(device, stack, constants), block(), schedule, constants);
  }
  double seconds() const { return time().total().in(second); }
  /// How much longer each part takes in this software.
  double software() const { return step_speed(device, stack, constants).year; }
  /// Seconds in which the optimizer moves so many bytes.
  double updates(double bytes) const {
    return software() * bytes / (device.memory * constants.hbm);
  }
  double devices() const { return shard.tp * shard.cp * schedule.pp * schedule.dp; }
  /// Of a step, on all devices.
  double tokens() const {
    return shard.micro_batch * shard.seq_len * schedule.micro_batches * schedule.dp;
  }
  double tokens_per_second() const { return tokens() / seconds() / devices(); }
  /// Model FLOPs over the peak in 16 bits.
  double mfu(FlopConvention convention = FlopConvention::model_causal) const {
    const double flop_per_token = training_flop_per_token(
        token_work(architecture, shard.seq_len), convention, {.recompute = shard.recompute});
    return tokens_per_second() * flop_per_token / device.peak_half;
  }
};

/// Replicas of a model that fits into one device, sharded optimizer.
inline StepRun replicas(const Architecture& a, double dp = 8) {
  StepRun r;
  r.architecture = a;
  r.shard.seq_len = 4096;
  r.schedule.dp = dp;
  r.schedule.sharding = Sharding::zero1;
  r.schedule.micro_batches = 8;
  return r;
}

/// PyTorch, weights sharded over all devices.
inline StepRun fully_sharded(const Architecture& a, double dp) {
  StepRun r;
  r.architecture = a;
  r.stack.stack = Stack::fsdp;
  r.shard.seq_len = 4096;
  r.schedule.dp = dp;
  r.schedule.sharding = Sharding::zero3;
  return r;
}

/// Megatron: tensor, pipeline and data parallel.
inline StepRun megatron(const Architecture& a, double tp, double pp, double dp, double micro) {
  StepRun r;
  r.architecture = a;
  r.shard.seq_len = 4096;
  r.shard.tp = tp;
  r.shard.sequence_parallel = tp > 1;
  r.schedule.pp = pp;
  r.schedule.dp = dp;
  r.schedule.sharding = Sharding::zero1;
  r.schedule.micro_batches = micro;
  return r;
}

}  // namespace pretrain::models
