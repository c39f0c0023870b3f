#include "planner/resolve_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "models/core/whole.hpp"
#include "planner/memory_fit.hpp"

namespace pretrain::planner {

namespace {

using models::Field;
using models::Loss;
using models::Sharding;
using models::Stack;

/// Experts that meet a token in a mixture whose dimensions are unknown: Mixtral's.
constexpr double kUsualChosen = 2;

Stack stack_of(std::string_view family, const hardware::Device* device) {
  if (family == "megatron") return Stack::megatron;
  if (family == "fsdp_torch") return Stack::fsdp;
  if (family == "deepspeed") return Stack::deepspeed;
  if (family == "maxtext_xla" || family == "xla_gpu") return Stack::xla;
  return device != nullptr && device->kind == "tpu" ? Stack::xla : Stack::other;
}

/// FSDP was usual from then on.
constexpr double kSharded = 2023;

/// Without branches, so that rows that say nothing of it, most of a long table, cost nothing.
template <Col... cols>
bool has_any(const RunRow& row) {
  return (static_cast<unsigned>(row.has(cols)) | ...) != 0;
}

/// Tokens of a step, of most models since LLaMA.
constexpr double kUsualBatch = 4194304;
const Origin kUsual{"4M tokens, or a sequence for 8 devices (XLA: for one)", "", "", true};

/// Whether a cell says more of how the run is trained than what is trained for how long.
bool says_how(const RunRow& row) {
  return has_any<Col::tp, Col::pp, Col::dp, Col::cp, Col::ep, Col::sharding, Col::seq_len,
                 Col::recompute, Col::micro_batch_seqs, Col::global_batch_seqs>(row);
}

/// A shape for parameters without dimensions. Of a mixture of experts: the usual shape of what a
/// token meets, its feed-forward layers spread over so many experts that all count.
std::optional<models::Architecture> usual_architecture(const Scenario& s) {
  constexpr double kLeast = 1e6;  // of the usual shape
  if (!s.total_params || !s.active_params || *s.active_params < kLeast) return std::nullopt;
  if (s.type == "dense") return models::usual_shape(*s.total_params);
  if (s.type != "moe") return std::nullopt;
  auto a = models::usual_shape(*s.active_params);
  const double width = a.layers * a.ffn_matrices() * a.hidden;  // of one unit of feed-forward
  const double idle = *s.total_params - *s.active_params;
  const double active = width * a.ffn_hidden;
  // A number that devices can share: of three or four binary digits.
  const double experts = kUsualChosen * (1 + idle / active);
  const double step = std::exp2(std::max(0.0, std::floor(std::log2(experts)) - 3));
  a.experts = std::round(experts / step) * step;
  if (!(a.experts > kUsualChosen)) return std::nullopt;
  a.type = models::ModelType::moe;
  a.moe_layers = a.layers;
  a.experts_per_token = kUsualChosen;
  a.expert_ffn_hidden = std::max(1.0, (idle + active) / (width * a.experts));
  a.ffn_hidden = 0;
  return a;
}

/// The optimizer by the word of the run table.
std::optional<models::Optimizer> optimizer_of(std::string_view word) {
  using models::Optimizer;
  struct Named {
    std::string_view word;
    Optimizer optimizer;
  };
  constexpr std::array kNamed{Named{"adam", Optimizer::adam},
                              Named{"adam_8bit", Optimizer::adam_8bit},
                              Named{"adafactor", Optimizer::adafactor},
                              Named{"lion", Optimizer::lion},
                              Named{"sgd_momentum", Optimizer::sgd_momentum},
                              Named{"muon", Optimizer::muon}};
  for (const auto& named : kNamed) {
    if (named.word == word) return named.optimizer;
  }
  return std::nullopt;
}

void read_plan(const RunRow& row, PlanMode mode, StatedPlan& p) {
  const bool stated =
      has_any<Col::tp, Col::pp, Col::dp, Col::cp, Col::ep, Col::interleave, Col::micro_batch_seqs,
              Col::micro_batches, Col::weight_bytes, Col::gradient_bytes, Col::optimizer_bytes,
              Col::software_year, Col::year, Col::sequence_parallel, Col::overlap_gradients,
              Col::scatter_gather, Col::near_groups, Col::edges_as_layers, Col::vocab_parallel,
              Col::flash_attention, Col::dropout, Col::fused_kernels, Col::unsynced_accumulation,
              Col::offload, Col::framework_family, Col::sharding, Col::loss, Col::optimizer,
              Col::node_network_gbps>(row);
  if (!stated) return;
  if (mode != PlanMode::usual) {
    StatedDegrees& d = mode == PlanMode::best ? p.aside : p;
    d.tp = row.number(Col::tp);
    d.pp = row.number(Col::pp);
    d.dp = row.number(Col::dp);
    d.cp = row.number(Col::cp);
    d.ep = row.number(Col::ep);
    d.interleave = row.number(Col::interleave);
    d.micro_batch = row.number(Col::micro_batch_seqs);
    d.micro_batches = row.number(Col::micro_batches);
  }
  p.weight_bytes = row.number(Col::weight_bytes);
  p.gradient_bytes = row.number(Col::gradient_bytes);
  p.optimizer_bytes = row.number(Col::optimizer_bytes);
  p.year = row.number(Col::software_year);
  if (!p.year) p.year = row.number(Col::year);
  p.node_network = row.number(Col::node_network_gbps);
  p.sequence_parallel = row.flag(Col::sequence_parallel);
  p.overlap_gradients = row.flag(Col::overlap_gradients);
  p.scatter_gather = row.flag(Col::scatter_gather);
  p.near_groups = row.text(Col::near_groups);
  p.edges_as_layers = row.flag(Col::edges_as_layers);
  p.vocab_parallel = row.flag(Col::vocab_parallel);
  p.flash_attention = row.flag(Col::flash_attention);
  p.dropout = row.flag(Col::dropout);
  p.fused_kernels = row.flag(Col::fused_kernels);
  p.unsynced_accumulation = row.flag(Col::unsynced_accumulation);
  p.optimizer = optimizer_of(row.text(Col::optimizer));
  p.offload = row.text(Col::offload);
  p.family = row.text(Col::framework_family);
  p.legacy = row.text(Col::framework).find("DeepSpeed") != std::string_view::npos;
  if (const auto word = row.text(Col::sharding); !word.empty()) {
    p.sharding = word == "zero1"   ? Sharding::zero1
                 : word == "zero2" ? Sharding::zero2
                 : word == "zero3" ? Sharding::zero3
                                   : Sharding::none;
  }
  if (const auto word = row.text(Col::loss); !word.empty()) {
    p.loss = word == "fused" ? Loss::fused : word == "chunked" ? Loss::chunked : Loss::plain;
  }
}

RowFailure contradiction(std::string what, std::string help, Col col) {
  return {std::move(what), std::move(help), col};
}

/// What cannot be: a head belongs to one device, a layer to one stage, an expert to one group; a
/// replica has as many devices as its degrees make, and a sequence to work on.
bool check_degrees(const Scenario& s, RowFailure& failure) {
  const auto& p = s.plan;
  if (s.devices && p.replica() > s.devices->in(device)) {
    failure = contradiction(fmt::format("a replica of tp {:g} x pp {:g} x cp {:g} needs {:g} "
                                        "devices, there are {:g}",
                                        p.degree(p.tp), p.degree(p.pp), p.degree(p.cp), p.replica(),
                                        s.devices->in(device)),
                            "give smaller degrees, or more devices", Col::devices);
    return false;
  }
  // Without dp it follows, and with it cp unless that is stated.
  const bool follows = !p.dp && p.divided() && p.cp && s.devices;
  const double dp = follows ? std::floor(s.devices->in(device) / p.replica()) : p.degree(p.dp);
  if (s.global_batch && dp > *s.global_batch && p.micro_batch.value_or(1) >= 1) {
    failure =
        contradiction(fmt::format("dp {:g} replicas share {:g} sequences", dp, *s.global_batch),
                      "each replica takes at least one: give a smaller dp, or a larger "
                      "global_batch_seqs",
                      Col::global_batch_seqs);
    return false;
  }
  if (s.devices && p.ep && *p.ep > s.devices->in(device) / p.degree(p.pp)) {
    failure =
        contradiction(fmt::format("experts over ep {:g} of {:g} devices of a stage", *p.ep,
                                  s.devices->in(device) / p.degree(p.pp)),
                      "ep is a part of tp x cp x dp: give a smaller ep, or more devices", Col::ep);
    return false;
  }
  if (p.ep && *p.ep > 1 && s.type == "dense") {
    failure = contradiction(fmt::format("ep {:g} of a model without experts", *p.ep),
                            "leave ep blank, or give type moe with experts", Col::ep);
    return false;
  }
  if (!s.counted) return true;
  const auto& a = s.architecture;
  const bool heads_known = !s.assumed.test(static_cast<std::size_t>(Field::heads));
  if (p.tp && heads_known && a.heads > 0 && !divides(*p.tp, a.heads)) {
    failure = contradiction(fmt::format("tp {:g} does not divide {:g} heads", *p.tp, a.heads),
                            "give a tp that divides the heads, or mend heads", Col::tp);
    return false;
  }
  if (p.pp && *p.pp > a.layers) {
    failure =
        contradiction(fmt::format("pp {:g} is more than {:g} layers", *p.pp, a.layers),
                      "a pipeline stage needs a layer: give a smaller pp, or mend layers", Col::pp);
    return false;
  }
  // Embedding and head may count as a layer each.
  const double most = (a.layers + 2) / p.degree(p.pp);
  if (p.interleave && *p.interleave > 1 && *p.interleave > most) {
    failure =
        contradiction(fmt::format("interleave {:g} x pp {:g} is more than {:g} layers",
                                  *p.interleave, p.degree(p.pp), a.layers),
                      "a chunk needs a layer: give a smaller interleave or pp", Col::interleave);
    return false;
  }
  if (p.ep && *p.ep > 1 && *p.ep > a.experts) {
    failure = contradiction(
        a.experts > 0 ? fmt::format("ep {:g} is more than {:g} experts", *p.ep, a.experts)
                      : fmt::format("ep {:g} of a model without experts", *p.ep),
        "ep divides the routed experts: give a smaller ep, or mend experts", Col::ep);
    return false;
  }
  return true;
}

/// What does not come out even: published rows do that, so it is only questioned.
void question_degrees(Scenario& s, Warnings& warnings) {
  auto& p = s.plan;
  if (!p.divided() && !p.ep) return;
  const double replica = p.replica();
  if (p.dp && p.ep && *p.ep > 1 && s.devices && replica * *p.dp * *p.ep == s.devices->in(device)) {
    warnings.add({Oddity::plan_ep_beside_dp, *p.dp, *p.ep, {}, {}});
    *p.dp *= *p.ep;
  }
  if (s.devices) {
    const double devices = s.devices->in(device);
    const double dp = std::max(1.0, std::floor(devices / replica));
    if (p.dp && replica * *p.dp != devices) {
      warnings.add({Oddity::plan_devices, replica * *p.dp, devices, "dp", {}});
      p.dp.reset();  // it follows from the devices
    } else if (p.divided() && replica * dp != devices) {
      warnings.add({Oddity::plan_devices, replica * dp, devices, {}, {}});
    }
    if (p.divided() && s.global_batch && dp > *s.global_batch) {
      warnings.add({Oddity::plan_shared, dp, *s.global_batch, {}, {}});
    }
    if (p.ep && !divides(*p.ep, std::floor(devices / p.degree(p.pp)))) {
      warnings.add({Oddity::plan_ranks, *p.ep, std::floor(devices / p.degree(p.pp)), {}, {}});
    }
  }
  if (s.counted) {
    const auto& a = s.architecture;
    if (p.tp && a.kv_heads > 0 && !a.latent() && *p.tp <= a.kv_heads &&
        !divides(*p.tp, a.kv_heads)) {
      warnings.add({Oddity::plan_kv_heads, *p.tp, a.kv_heads, {}, {}});
    }
    if (p.ep && a.experts > 0 && !divides(*p.ep, a.experts)) {
      warnings.add({Oddity::plan_experts, *p.ep, a.experts, {}, {}});
    }
  }
}

}  // namespace

void question_batch(const Scenario& s, double dp, Warnings& warnings) {
  const auto& p = s.plan;
  if (!p.micro_batch || !s.global_batch) return;
  const double whole = *p.micro_batch * dp;
  if (!divides(whole, *s.global_batch)) {
    warnings.add({Oddity::plan_batch, whole, *s.global_batch, {}, {}});
  }
  if (p.micro_batches) {
    constexpr double kAlike = 0.01;
    const double made = std::max(1.0, *s.global_batch / whole);
    if (std::abs(*p.micro_batches / made - 1) > kAlike) {
      warnings.add({Oddity::plan_micro_batches, *p.micro_batches, made, {}, {}});
    }
  }
}

bool resolve_plan(const RunRow& row, Scenario& s, Warnings& warnings, RowFailure& failure) {
  read_plan(row, s.options.plan, s.plan);
  if (s.options.plan != PlanMode::stated) s.recompute_basis = Basis::absent;
  auto& p = s.plan;
  p.stack = stack_of(p.family, s.device);
  // Before PyTorch had sharding of its own, models were divided by Megatron.
  if (p.stack == Stack::other && p.family.empty() && software_year(s) < kSharded) {
    p.stack = Stack::megatron;
  }
  if (!p.offload.empty()) {
    p.offload_optimizer = p.offload.find("optimizer") != std::string_view::npos;
    p.offload_activations = p.offload.find("activation") != std::string_view::npos;
    if (!p.offload_optimizer && !p.offload_activations && p.offload != "none") {
      warnings.add({Oddity::unknown_offload, 0, 0, p.offload, {}});
    }
  }
  if (s.device != nullptr && s.device->memory_gb) {
    // Data sheets write GB; drivers report about as many GiB (of an 80 GB A100: 81,920 MiB).
    s.device_memory = known(*s.device->memory_gb * gibibyte, Basis::catalogue, &s.device->origin);
  }
  s.plan.said = says_how(row);
  s.batch = s.global_batch;
  if (!s.batch && !p.micro_batch && !p.micro_batches && s.work_seq_len) {
    s.batch =
        known(std::max(1.0, std::round(kUsualBatch / *s.work_seq_len)), Basis::fallback, &kUsual);
  }
  const bool known_hours = s.tokens && (s.booked || (s.devices && s.days));
  const bool timed = !s.mfu && s.peak && !known_hours;
  if (!s.has_architecture && s.device_memory && s.options.method == Method::full &&
      (s.plan.said || timed)) {
    if (const auto shape = usual_architecture(s)) {
      s.architecture = *shape;
      s.has_architecture = true;
    }
  }
  if (!check_degrees(s, failure)) return false;
  question_degrees(s, warnings);
  return true;
}

}  // namespace pretrain::planner
