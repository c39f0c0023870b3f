#include "planner/step_question.hpp"

#include <algorithm>
#include <cmath>

namespace pretrain::planner {

namespace {

using models::Generation;
using models::Maker;
using models::Stack;
using models::StepFormat;

struct NamedGeneration {
  std::string_view name;
  Generation generation;
};
constexpr std::array kGenerations{NamedGeneration{"volta", Generation::volta},
                                  NamedGeneration{"ampere", Generation::ampere},
                                  NamedGeneration{"hopper", Generation::hopper},
                                  NamedGeneration{"blackwell", Generation::blackwell},
                                  NamedGeneration{"cdna3", Generation::cdna3},
                                  NamedGeneration{"cdna4", Generation::cdna4},
                                  NamedGeneration{"tpu_v4", Generation::tpu_v4},
                                  NamedGeneration{"tpu_v5e", Generation::tpu_v5e},
                                  NamedGeneration{"tpu_v5p", Generation::tpu_v5p},
                                  NamedGeneration{"tpu_v6e", Generation::tpu_v6e},
                                  NamedGeneration{"tpu_v7", Generation::tpu_v7}};

constexpr double kGiga = 1e9;
constexpr double kBitsPerByte = 8;
constexpr double kUsualYear = 2025;
/// Software before it has no fused attention and little overlap.
constexpr double kModern = 2023;
constexpr double kSinks = 2026.4;
/// Micro-batches for each stage, of a step whose batch is unknown.
constexpr double kFilled = 8;
constexpr double kUsualNetwork = 100;  // Gbit/s of a device
constexpr double kUsualBus = 16;       // GB/s: PCIe 3.0 x16, of devices without links of their own

models::RunClass class_of(const Scenario& s, const models::StepDevice& d) {
  using models::RunClass;
  if (s.type == "moe") return RunClass::moe;
  if (s.type != "dense" || s.mode.phase == models::Phase::frozen) return RunClass::other;
  return d.maker == Maker::google ? RunClass::dense_tpu : RunClass::dense_gpu;
}

/// The software of a run that names none: Megatron where the model is divided, else FSDP.
Stack usual_stack(const models::MemoryPlan& plan, bool experts) {
  return plan.tp * plan.pp > 1 || experts ? Stack::megatron : Stack::fsdp;
}

/// Chunks of a stage: the most that are usual and divide its layers.
double usual_interleave(double all_layers, double stages) {
  constexpr double kMost = 12;
  // Where they do not come out even, embedding and head count as a layer each.
  const bool even = std::fmod(all_layers, stages) == 0;
  const double layers = (even ? all_layers : all_layers + 2) / stages;
  double chunks = 1;
  if (layers != std::floor(layers)) return chunks;
  for (double v = 2; v <= std::min(kMost, layers); ++v) {
    if (std::fmod(layers, v) == 0) chunks = v;
  }
  return chunks;
}

}  // namespace

std::optional<StepQuestion> step_question(const Scenario& s, const models::FitVerdict& verdict) {
  if (!s.has_architecture || s.device == nullptr || !s.peak) return std::nullopt;
  StepQuestion q;
  q.model = models::step_model(s.architecture, *s.work_seq_len);
  auto& d = q.device;
  for (const auto& g : kGenerations) {
    if (g.name == s.device->generation) d.generation = g.generation;
  }
  if (s.device->id == "gb200") d.generation = Generation::gb200;
  d.maker = s.device->kind == "tpu"        ? Maker::google
            : s.device->vendor == "NVIDIA" ? Maker::nvidia
            : s.device->vendor == "AMD"    ? Maker::amd
                                           : Maker::other;
  d.peak = s.peak->in(flop / second / device);
  const auto half = s.device->peak_of(hardware::Dtype::bf16);
  const auto fp16 = s.device->peak_of(hardware::Dtype::fp16);
  d.peak_half = half   ? half->in(flop / second / device)
                : fp16 ? fp16->in(flop / second / device)
                       : d.peak;
  if (s.dtype == hardware::Dtype::fp8 || s.dtype == hardware::Dtype::int8) {
    d.format = s.dtype_name == "mxfp8" ? StepFormat::mxfp8 : StepFormat::fp8;
  } else if (s.dtype == hardware::Dtype::fp4) {
    d.format = StepFormat::fp4;
  } else {
    d.peak_half = d.peak;
  }
  if (s.tdp) d.watts = s.tdp->in(watt / device);
  // Where no sheet says it: as the accelerators of the last years, 300 FLOP a byte.
  constexpr double kUsualIntensity = 300;
  d.memory = s.device->memory_bandwidth_gb_per_s ? *s.device->memory_bandwidth_gb_per_s * kGiga
                                                 : d.peak_half / kUsualIntensity;
  d.links.near = s.device->scaleup_gb_per_s.value_or(kUsualBus) * kGiga;
  d.domain = s.device->scaleup_domain ? s.device->scaleup_domain->in(device) : d.per_node;
  const double gbit = s.plan.node_network && s.devices_per_node
                          ? *s.plan.node_network / *s.devices_per_node
                          : s.device->scaleout_gbit_per_s.value_or(kUsualNetwork);
  d.links.far = gbit * kGiga / kBitsPerByte;
  if (s.devices_per_node) d.per_node = *s.devices_per_node;
  // Links that end at the node end where it does. Small boards have no switch.
  constexpr double kBoard = 8;
  constexpr double kSwitched = 4;
  if (d.domain <= kBoard) {
    d.domain = std::min(d.domain, d.per_node);
    if (d.maker != Maker::nvidia || d.domain <= kSwitched) d.links.wired = d.domain;
  }
  const auto& stated = s.plan;
  const auto& plan = verdict.plan;
  const auto& recipe = verdict.recipe;
  auto& stack = q.stack;
  stack.stack = stated.family.empty() && stated.stack == Stack::other
                    ? usual_stack(plan, s.type == "moe")
                    : stated.stack;
  stack.year = stated.year.value_or(kUsualYear);
  stack.legacy = stack.stack == Stack::deepspeed || stated.legacy ||
                 (stack.year < kModern && stack.stack != Stack::xla);
  stack.blocking_stages = stated.legacy || stack.stack == Stack::deepspeed;
  stack.flash_attention = stated.flash_attention.value_or(!stack.legacy);
  // Fused kernels of Megatron learned sinks late.
  if (s.architecture.details.attention_sinks && stack.stack == Stack::megatron &&
      stack.year < kSinks) {
    stack.blocking_stages = stated.legacy || stack.stack == Stack::deepspeed;
    stack.flash_attention = stated.flash_attention.value_or(false);
  }

  auto& shard = q.shard;
  shard.tp = plan.tp;
  shard.cp = plan.cp;
  shard.ep = plan.ep;
  shard.seq_len = *s.work_seq_len;
  shard.micro_batch = recipe.micro_batch;
  shard.recompute = recipe.recompute;
  shard.recompute_stated = !verdict.chose_recompute;
  shard.frozen = recipe.frozen;
  const bool megatron = stack.stack == Stack::megatron;
  shard.sequence_parallel =
      stated.sequence_parallel || !megatron ? plan.sequence_parallel : plan.tp > 1 && !stack.legacy;
  // Experts are spread over a node unless it is said how; in FSDP as far as they go.
  const auto& a = s.architecture;
  if (!stated.ep && a.experts > 1 && stack.stack != Stack::xla) {
    const double ranks = plan.dp * plan.cp * plan.tp;
    const double most = stack.stack == Stack::fsdp ? ranks : std::min(d.per_node, ranks);
    while (2 * shard.ep <= most && std::fmod(a.experts, 2 * shard.ep) == 0) shard.ep *= 2;
  }

  auto& schedule = q.schedule;
  schedule.pp = plan.pp;
  schedule.dp = plan.dp;
  schedule.interleave = plan.interleave;
  schedule.sharding = plan.dp * plan.cp > 1 ? plan.sharding : models::Sharding::none;
  schedule.micro_batches = recipe.micro_batches;
  if (!s.global_batch && !stated.micro_batches) {
    schedule.micro_batches = plan.pp > 1 ? kFilled * plan.pp : 1;
  }
  if (!stated.interleave && plan.pp > 1 && megatron && !stack.legacy) {
    schedule.interleave = usual_interleave(q.model.layers, plan.pp);
  }
  q.unseen = d.generation == Generation::other;
  q.run_class = class_of(s, d);
  q.devices = plan.tp * plan.pp * plan.cp * plan.dp;
  q.batch_tokens = shard.micro_batch * schedule.micro_batches * plan.dp * shard.seq_len;
  return q;
}

models::StepTime step_time(const StepQuestion& q, const models::StepConstants& c) {
  const auto speed = models::step_speed(q.device, q.stack, c);
  const auto shard = models::shard_time(q.model, speed, q.shard, c);
  auto time = models::step_time(q.model, speed, shard, q.schedule, c);
  if (q.chosen) time.stack = time.stack + (c.as_run - 1) * time.total();
  return time;
}

}  // namespace pretrain::planner
