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

}  // namespace

models::StepDevice step_device(const Scenario& s) {
  models::StepDevice d;
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
  if (s.devices_per_node) d.per_node = *s.devices_per_node;
  d.domain = s.device->scaleup_domain ? s.device->scaleup_domain->in(device) : d.per_node;
  const double gbit = s.plan.node_network && s.devices_per_node
                          ? *s.plan.node_network / *s.devices_per_node
                          : s.device->scaleout_gbit_per_s.value_or(kUsualNetwork);
  d.links.far = gbit * kGiga / kBitsPerByte;
  // Links that end at the node end where it does. Small boards have no switch.
  constexpr double kBoard = 8;
  constexpr double kSwitched = 4;
  if (d.domain <= kBoard) {
    d.domain = std::min(d.domain, d.per_node);
    if (d.maker != Maker::nvidia || d.domain <= kSwitched) d.links.wired = d.domain;
  }
  return d;
}

std::optional<StepQuestion> step_question(const Scenario& s, const models::MemoryBasis& memory,
                                          const models::TokenWork& work) {
  if (!s.has_architecture || s.device == nullptr || !s.peak) return std::nullopt;
  std::optional<StepQuestion> question{std::in_place};
  auto& q = *question;
  q.model = models::step_model(s.architecture, *s.work_seq_len, memory, work);
  q.device = step_device(s);
  if (s.mode.phase == models::Phase::distill) q.teacher_params = s.mode.teacher_params;
  q.unseen = q.device.generation == Generation::other;
  q.run_class = class_of(s, q.device);
  return question;
}

double batch_of(const Scenario& s, double devices) {
  constexpr double kNode = 8;
  if (!s.batch) return 0;
  if (s.global_batch) return *s.batch;
  // XLA's trainers are told sequences per device.
  const double shared = s.plan.stack == Stack::xla ? 1 : kNode;
  return std::max(*s.batch, std::floor(devices / shared));
}

double share_of(const Scenario& s, double devices, double dp) {
  const double share = batch_of(s, devices) / dp;
  return s.global_batch ? std::ceil(share) : std::max(1.0, std::round(share));
}

double software_year(const Scenario& s) {
  constexpr double kSupported = 5;  // years after which new releases leave a device behind
  if (s.plan.year) return *s.plan.year;
  const bool dated = s.device != nullptr && s.device->year;
  return dated ? std::min(kUsualYear, *s.device->year + kSupported) : kUsualYear;
}

models::StepStack software_of(const Scenario& s, const models::MemoryPlan& plan) {
  const auto& stated = s.plan;
  models::StepStack stack;
  stack.stack = stated.family.empty() && stated.stack == Stack::other
                    ? usual_stack(plan, s.type == "moe")
                    : stated.stack;
  stack.year = software_year(s);
  stack.legacy = stack.stack == Stack::deepspeed || stated.legacy ||
                 (stack.year < kModern && stack.stack != Stack::xla);
  stack.blocking_stages = stated.legacy || stack.stack == Stack::deepspeed;
  // Fused kernels of Megatron learned sinks late.
  const bool sinks = s.architecture.details.attention_sinks && stack.stack == Stack::megatron &&
                     stack.year < kSinks;
  stack.flash_attention = stated.flash_attention.value_or(!stack.legacy && !sinks);
  return stack;
}

NearGroups near_groups(std::string_view words) {
  if (words.empty()) return {};
  const auto has = [&](std::string_view word) {
    return words.find(word) != std::string_view::npos;
  };
  return {has("tp"), has("dp"), has("pp")};
}

std::string name_of(NearGroups near) {
  std::string name;
  const auto add = [&](bool it, std::string_view word) {
    if (!it) return;
    if (!name.empty()) name += '_';
    name += word;
  };
  add(near.tp, "tp");
  add(near.dp, "dp");
  add(near.pp, "pp");
  return name.empty() ? "none" : name;
}

void take_plan(const Scenario& s, const models::FitVerdict& verdict, StepQuestion& q) {
  const auto& stated = s.plan;
  const auto& plan = verdict.plan;
  const auto& recipe = verdict.recipe;
  q.stack = software_of(s, plan);

  auto& shard = q.shard;
  shard.tp = plan.tp;
  shard.cp = plan.cp;
  shard.ep = plan.ep;
  shard.seq_len = *s.work_seq_len;
  shard.micro_batch = recipe.micro_batch;
  shard.recompute = recipe.recompute;
  shard.recompute_stated = !verdict.chose_recompute;
  shard.frozen = recipe.frozen;
  shard.sequence_parallel = plan.sequence_parallel;

  const NearGroups near = near_groups(stated.near_groups);
  shard.tp_near = near.tp;

  auto& schedule = q.schedule;
  schedule.pp = plan.pp;
  schedule.dp = plan.dp;
  schedule.interleave = plan.interleave;
  schedule.sharding = plan.dp * plan.cp > 1 ? plan.sharding : models::Sharding::none;
  schedule.micro_batches = recipe.micro_batches;
  schedule.overlap = stated.overlap_gradients.value_or(true);
  schedule.scatter_gather = stated.scatter_gather.value_or(true);
  schedule.dp_near = near.dp;
  schedule.pp_near = near.pp;
  if (!s.batch && !stated.micro_batches) {
    schedule.micro_batches = plan.pp > 1 ? kFilled * plan.pp : 1;
  }
  q.devices = plan.tp * plan.pp * plan.cp * plan.dp;
  // The last micro-batches of a stated batch need not be whole.
  const double share =
      s.batch ? share_of(s, q.devices, plan.dp) : shard.micro_batch * schedule.micro_batches;
  const double sequences = s.global_batch ? *s.global_batch : share * plan.dp;
  q.batch_tokens = sequences * shard.seq_len;
}

models::ReachPoint reach_point(const StepQuestion& q) {
  models::ReachPoint point{};
  const auto set = [&](models::ReachOf quantity, double value) {
    point[static_cast<std::size_t>(quantity)] = value;
  };
  using models::ReachOf;
  const auto& m = q.model;
  set(ReachOf::params,
      m.layers * (m.split_params + m.whole_params + m.expert_params) + m.edge_params);
  set(ReachOf::devices, q.devices);
  set(ReachOf::seq_len, q.shard.seq_len);
  set(ReachOf::micro_batch_tokens, q.shard.micro_batch * q.shard.seq_len / q.shard.cp);
  set(ReachOf::tp, q.shard.tp);
  set(ReachOf::pp, q.schedule.pp);
  set(ReachOf::cp, q.shard.cp);
  set(ReachOf::ep, q.shard.ep);
  set(ReachOf::interleave, q.schedule.interleave);
  return point;
}

Time teacher_time(const StepQuestion& q, double tokens, const models::StepSpeed& speed) {
  // As fast as large products: it keeps nothing for a backward pass.
  return 2 * q.teacher_params * tokens / speed.half * second;
}

models::StepTime step_time(const StepQuestion& q, const models::StepConstants& c) {
  const auto speed = models::step_speed(q.device, q.stack, c);
  const auto shard = models::shard_time(q.model, speed, q.shard, c);
  auto time = models::step_time(q.model, speed, shard, q.schedule, c);
  time.teacher = teacher_time(q, q.batch_tokens / q.devices, speed);
  if (q.chosen) time.scale = time.scale + (c.as_run - 1) * time.total();
  return time;
}

}  // namespace pretrain::planner
