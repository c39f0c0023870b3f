#include "planner/memory_fit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "models/core/text.hpp"
#include "models/core/whole.hpp"
#include "models/parameters.hpp"
#include "planner/plan_search.hpp"
#include "planner/resolve_plan.hpp"

namespace pretrain::planner {

namespace {

using models::Field;
using models::FitQuestion;
using models::FitVerdict;
using models::Loss;
using models::MemoryPlan;
using models::MemoryRecipe;
using models::Recompute;
using models::Sharding;
using models::Stack;
using models::StateBytes;

/// Micro-batches of a step whose batch is unknown: enough to fill any pipeline.
constexpr double kPlenty = 1000;
/// Tokens of a replica at a time: no more make anything faster.
constexpr double kOneSequence = 2048;  // tokens
constexpr double kUsualTokens = 32768;
/// From then on attention without stored scores was usual, and a loss in one kernel in FSDP and
/// XLA; a year later in the others.
constexpr double kFlashAttention = 2023;
constexpr double kFusedLoss = 2023;
constexpr double kFusedLossElsewhere = 2024;
/// Until then models of the GPT-3 generation were trained with dropout.
constexpr double kDropout = 2022;

/// Bytes of a parameter: as stated, else those of the stack; frozen weights have nothing else.
StateBytes state_of(const Scenario& s, bool& known) {
  const auto& p = s.plan;
  auto state = models::state_bytes(p.stack, p.optimizer.value_or(models::Optimizer::adam));
  known = p.optimizer.has_value();
  const bool full = s.dtype == hardware::Dtype::fp32 || s.dtype == hardware::Dtype::tf32;
  if (full) {
    // The weights are their own master copy.
    const double master = 4;
    state = {4, 4, std::max(0.0, state.optimizer - (state.weight < 4 ? master : 0))};
  }
  if (s.mode.phase == models::Phase::frozen) {
    const double trained =
        s.total_params ? std::min(1.0, s.mode.trainable_params / *s.total_params) : 0;
    const bool low = s.dtype == hardware::Dtype::fp8 || s.dtype == hardware::Dtype::fp4;
    state = {full ? 4.0 : low ? 1.0 : 2.0, trained * state.gradient, trained * state.optimizer};
    known = true;
  }
  if (p.weight_bytes) state.weight = *p.weight_bytes;
  if (p.gradient_bytes) state.gradient = *p.gradient_bytes;
  if (p.optimizer_bytes) state.optimizer = *p.optimizer_bytes;
  known = known || p.gradient_bytes || p.optimizer_bytes;
  return state;
}

/// Chunks of a stage: the most that are usual and divide its layers.
double usual_interleave(double all_layers, double stages) {
  constexpr double kMost = 12;
  if (stages <= 1) return 1;
  // Where they do not come out even, embedding and head count as a layer each.
  const bool even = divides(stages, all_layers);
  const double layers = (even ? all_layers : all_layers + 2) / stages;
  double chunks = 1;
  if (layers != std::floor(layers)) return chunks;
  for (double v = 2; v <= std::min(kMost, layers); ++v) {
    if (divides(v, layers)) chunks = v;
  }
  return chunks;
}

/// Experts are spread over a node; in FSDP as far as they go; in XLA they are gathered, unless
/// each would then have less than a tile of a device's tokens.
double usual_spread(const Scenario& s, const MemoryPlan& plan) {
  constexpr double kTile = 128;  // rows of a systolic array
  const auto& a = s.architecture;
  double ep = 1;
  if (a.experts <= 1) return ep;
  const auto stack = software_of(s, plan).stack;
  const double ranks = plan.dp * plan.cp * plan.tp;
  const bool wide = stack == Stack::fsdp || stack == Stack::xla;
  const double most = wide ? ranks : std::min(*s.devices_per_node, ranks);
  const double sequences = s.batch ? batch_of(s, ranks * plan.pp) / plan.dp : 1;
  const double tokens = sequences * *s.work_seq_len / (plan.cp * plan.tp) * a.experts_per_token;
  while (2 * ep <= most && divides(2 * ep, a.experts)) {
    if (stack == Stack::xla && tokens * ep >= kTile * a.experts) break;
    ep *= 2;
  }
  return ep;
}

}  // namespace

std::optional<PlanBasis> plan_basis(const Scenario& s, const Work& work) {
  std::optional<PlanBasis> basis;
  if (!s.has_architecture || !s.device_memory || !s.work_seq_len) return basis;
  basis.emplace();
  basis->counted = s.memory;
  if (s.memory == nullptr) basis->own = models::memory_basis(s.architecture);
  basis->step =
      step_question(s, basis->memory(),
                    s.counted ? work.token : models::token_work(s.architecture, *s.work_seq_len));
  return basis;
}

FitQuestion fit_question(const Scenario& s, const MemoryPlan& plan) {
  const auto& p = s.plan;
  const auto software = software_of(s, plan);
  FitQuestion q;
  q.plan = plan;
  q.plan.edges_as_layers = p.edges_as_layers.value_or(false);
  q.plan.vocab_parallel = p.vocab_parallel.value_or(true);
  q.sharding = p.sharding;
  q.selective = !software.legacy;
  if (plan.tp * plan.pp > 1) {
    const bool modern = software.stack == Stack::megatron && !software.legacy;
    q.plan.interleave = p.interleave ? *p.interleave
                        : modern     ? usual_interleave(s.architecture.layers, plan.pp)
                                     : 1;
    q.plan.sequence_parallel =
        p.sequence_parallel.value_or(plan.tp > 1 && (modern || software.stack != Stack::megatron));
  }
  if (s.recompute_basis == Basis::given) q.recompute = s.mode.recompute;

  auto& r = q.recipe;
  r.seq_len = *s.work_seq_len;
  r.stack = p.stack;
  r.state = state_of(s, q.state_known);
  r.frozen = s.mode.phase == models::Phase::frozen;
  r.full_precision = s.dtype == hardware::Dtype::fp32 || s.dtype == hardware::Dtype::tf32;
  r.fp8 = s.dtype == hardware::Dtype::fp8 || s.dtype == hardware::Dtype::int8 ||
          s.dtype == hardware::Dtype::fp4;
  const double year = software.year;
  r.flash_attention = p.flash_attention.value_or(year >= kFlashAttention);
  const bool early = r.stack == Stack::fsdp || r.stack == Stack::xla;
  r.loss = p.loss.value_or(year >= (early ? kFusedLoss : kFusedLossElsewhere) ? Loss::fused
                                                                              : Loss::plain);
  r.dropout =
      p.dropout.value_or(p.year && *p.year <= kDropout && models::usual_dropout(s.architecture));
  r.fused_kernels = p.fused_kernels.value_or(true);
  r.unsynced_accumulation = p.unsynced_accumulation.value_or(false);
  r.offload_optimizer = p.offload_optimizer;
  r.offload_activations = p.offload_activations;

  // The batch: of the replica that has most of a step, then of a micro-batch.
  const double devices = plan.tp * plan.pp * plan.cp * plan.dp;
  const double share = s.batch ? share_of(s, devices, plan.dp) : 0;
  if (s.batch) q.sequences = share;
  const auto split = [&](double micro) {
    r.micro_batch = s.batch ? std::min(micro, share) : micro;
    r.micro_batches =
        s.batch ? std::ceil(share / r.micro_batch) : p.micro_batches.value_or(kPlenty);
  };
  if (p.micro_batch) {
    split(*p.micro_batch);
    q.micro_batch = r.micro_batch;
  } else if (p.micro_batches) {
    split(s.batch ? std::max(1.0, std::ceil(share / *p.micro_batches)) : 1);
    q.micro_batch = r.micro_batch;
  } else if (r.stack == Stack::megatron && !s.global_batch) {
    // A sequence of a decoder, or as many tokens in shorter ones; halved until it fits.
    split(std::max(1.0, std::floor(kOneSequence / r.seq_len)));
    if (r.micro_batch <= 1) q.micro_batch = r.micro_batch;
  } else {
    // The largest that keeps every stage at work, up to the usual; halved until it fits.
    const double most = std::min(share / (plan.pp > 1 ? kFilled * plan.pp : 1),
                                 std::max(1.0, std::floor(kUsualTokens / r.seq_len)));
    split(s.batch ? models::even_micro_batch(share, most) : std::max(1.0, std::floor(most)));
  }
  return q;
}

std::vector<double> tensor_degrees(const Scenario& s, double devices) {
  std::vector<double> degrees;
  const double most = std::min(devices, std::max(1.0, *s.devices_per_node));
  for (double tp = 1; tp <= most; tp *= 2) {
    if (tp == 1 || !s.counted || divides(tp, s.architecture.heads)) degrees.push_back(tp);
  }
  return degrees;
}

namespace {

FitVerdict judge(const Scenario& s, const models::MemoryBasis& basis, const FitQuestion& q) {
  return models::fit(basis, q, *s.device_memory);
}

/// Replicas of a plan that is not stated: of whole devices, each with a sequence.
bool replicate(const Scenario& s, double devices, MemoryPlan& plan) {
  const double replica = plan.tp * plan.pp * plan.cp;
  plan.dp = std::max(1.0, std::floor(devices / replica));
  return replica <= devices && (!s.batch || plan.dp <= std::max(1.0, batch_of(s, devices)));
}

}  // namespace

MemoryPlan stated_plan(const Scenario& s, double devices) {
  const auto& p = s.plan;
  MemoryPlan plan;
  plan.tp = p.degree(p.tp);
  plan.pp = p.degree(p.pp);
  plan.cp = p.degree(p.cp);
  if (p.dp) {
    plan.dp = *p.dp;
  } else {
    while (!replicate(s, devices, plan) && !p.cp && p.replica() * plan.cp < devices) plan.cp *= 2;
    if (s.batch) plan.dp = std::min(plan.dp, std::max(1.0, batch_of(s, devices)));
  }
  plan.ep = p.ep ? *p.ep : usual_spread(s, plan);
  return plan;
}

namespace {

/// Calls `attempt` with plans from fast to small until it says that one fits.
template <class Attempt>
bool climb(const Scenario& s, double devices, Attempt attempt) {
  // Tokens of a device: longer sequences are divided; where there are more devices than sequences,
  // no further than this.
  constexpr double kLong = 16384;
  constexpr double kShort = 4096;
  const auto& a = s.architecture;
  const auto degrees = tensor_degrees(s, devices);
  const double wide = degrees.back();
  MemoryPlan plan;
  plan.cp = s.plan.degree(s.plan.cp);
  bool attempted = false;
  const auto at = [&] {
    attempted = true;
    plan.ep = s.plan.ep ? *s.plan.ep : usual_spread(s, plan);
    if (attempt(plan)) return true;
    if (s.plan.ep) return false;
    // Experts over a node, then over all devices.
    const double ranks = plan.dp * plan.cp * plan.tp;
    for (const double most : {std::min(*s.devices_per_node, ranks), ranks}) {
      const double before = plan.ep;
      while (2 * plan.ep <= std::min(most, a.experts) && divides(2 * plan.ep, a.experts)) {
        plan.ep *= 2;
      }
      if (plan.ep > before && attempt(plan)) return true;
    }
    return false;
  };
  const auto with = [&](double tp, double pp) {
    plan.tp = tp;
    plan.pp = pp;
    return replicate(s, devices, plan) && at();
  };
  for (const double tp : degrees) {
    if (with(tp, 1)) return true;
  }
  const auto divisible = [&] {
    return !s.plan.cp && *s.work_seq_len / plan.cp > (attempted ? kLong : kShort);
  };
  while (divisible() && 2 * plan.cp * wide <= devices) {
    plan.cp *= 2;
    if (with(wide, 1)) return true;
  }
  for (double pp = 2; pp <= a.layers; pp *= 2) {
    if (with(wide, pp)) return true;
  }
  if (attempted) return false;
  // Sequences for fewer devices than there are, or a stated cp for more.
  plan.tp = 1;
  while (2 * plan.tp <= wide && 2 * plan.tp * plan.cp <= devices) plan.tp *= 2;
  plan.pp = 1;
  replicate(s, devices, plan);
  if (s.batch) plan.dp = std::min(plan.dp, std::max(1.0, batch_of(s, devices)));
  return at();
}

void search_plan(const Scenario& s, const models::MemoryBasis& basis, Fit& fit) {
  fit.chose_plan = true;
  bool roomy = true;  // first with room for the allocator's gaps
  const auto attempt = [&](const MemoryPlan& plan) {
    auto q = fit_question(s, plan);
    // Megatron's own ladder is of degrees; elsewhere all state is shared first.
    if (!q.sharding && q.recipe.stack != Stack::megatron) q.sharding = Sharding::zero3;
    const auto v = judge(s, basis, q);
    const bool enough = v.fits && !(roomy && v.tight);
    const bool better =
        !fit.verdict || enough || v.memory.allocated() < fit.verdict->memory.allocated();
    if (better) fit.verdict = v;
    return enough;
  };
  if (climb(s, fit.devices, attempt)) return;
  roomy = false;
  climb(s, fit.devices, attempt);
}

std::string gib(Bytes bytes) {
  constexpr double kWhole = 100;
  const double value = bytes.in(gibibyte);
  return value >= kWhole ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

std::string_view words(Recompute recompute) {
  return recompute == Recompute::full ? "full recomputation" : "selective recomputation";
}

/// Changes of a run that does not fit.
class Mender {
 public:
  Mender(const Scenario& s, const Fit& fit)
      : s_{s}, basis_{models::memory_basis(s.architecture)}, fit_{fit}, v_{*fit.verdict} {}

  std::string text() {
    alone();
    if (found_.empty()) together(fit_.devices, "");
    if (found_.empty()) more_devices();
    if (found_.empty()) {
      return "no plan of these fits it: a smaller model, shorter sequences (seq_len), or a device "
             "with more memory";
    }
    std::string text = "what would make it fit: ";
    for (std::size_t i = 0; i < found_.size(); ++i) text += (i > 0 ? "; or " : "") + found_[i];
    return text;
  }

 private:
  static constexpr std::size_t kNamed = 2;

  /// The run as judged: what was chosen stays open.
  FitQuestion question(const MemoryPlan& plan) const {
    auto q = fit_question(s_, plan);
    if (!q.sharding && fit_.chose_plan) q.sharding = v_.plan.sharding;
    return q;
  }
  bool attempt(const FitQuestion& q, const std::string& words) {
    if (found_.size() >= kNamed) return true;
    const auto v = judge(s_, basis_, q);
    if (!v.fits || v.tight) return false;  // a remedy leaves room for the allocator's gaps
    std::string state;
    if (v.chose_state) {
      state = fmt::format(", gradient_bytes {:g}, optimizer_bytes {:g}", v.recipe.state.gradient,
                          v.recipe.state.optimizer);
    }
    found_.push_back(fmt::format("{}{}: {} GiB", words, state, gib(v.memory.allocated())));
    return true;
  }

  void alone() {
    const auto base = question(v_.plan);
    if (base.recompute) {
      for (const auto kind : {Recompute::selective, Recompute::full}) {
        if (kind <= *base.recompute) continue;
        auto q = base;
        q.recompute = kind;
        if (attempt(q, std::string{words(kind)})) break;
      }
    }
    if (v_.plan.dp * v_.plan.cp > 1) {
      for (const auto kind : {Sharding::zero1, Sharding::zero2, Sharding::zero3}) {
        if (kind <= v_.plan.sharding) continue;
        auto q = base;
        q.sharding = kind;
        if (attempt(q, fmt::format("sharding zero{}", static_cast<int>(kind)))) break;
      }
    }
    if (base.micro_batch) {
      for (double micro = std::floor(*base.micro_batch / 2); micro >= 1;
           micro = std::floor(micro / 2)) {
        auto q = base;
        q.micro_batch = micro;
        q.recipe.micro_batches *= q.recipe.micro_batch / micro;
        q.recipe.micro_batch = micro;
        if (attempt(q, fmt::format("micro_batch_seqs {:g}", micro))) break;
      }
    }
    if (v_.plan.tp > 1 && !base.plan.sequence_parallel) {
      auto q = base;
      q.plan.sequence_parallel = true;
      attempt(q, "sequence_parallel");
    }
    if (fit_.chose_plan) return;  // all plans were tried
    for (const double tp : tensor_degrees(s_, fit_.devices)) {
      if (tp <= v_.plan.tp || !room(tp / v_.plan.tp)) continue;
      if (attempt(question(spread(v_.plan, tp, v_.plan.pp)), fmt::format("tp {:g}", tp))) break;
    }
    for (double pp = 2 * v_.plan.pp; pp <= s_.architecture.layers; pp *= 2) {
      if (!room(pp / v_.plan.pp)) break;
      if (attempt(question(spread(v_.plan, v_.plan.tp, pp)), fmt::format("pp {:g}", pp))) break;
    }
    for (double ep = 2 * v_.plan.ep; ep <= s_.architecture.experts; ep *= 2) {
      if (ep > v_.plan.dp * v_.plan.cp * v_.plan.tp) break;
      auto q = base;
      q.plan.ep = ep;
      if (attempt(q, fmt::format("ep {:g}", ep))) break;
    }
  }

  /// Whether replicas may become so many times as large.
  bool room(double times) const {
    return v_.plan.tp * v_.plan.pp * v_.plan.cp * times <= fit_.devices;
  }
  MemoryPlan spread(MemoryPlan plan, double tp, double pp) const {
    plan.dp = std::max(1.0, std::floor(fit_.devices / (tp * pp * plan.cp)));
    plan.tp = tp;
    plan.pp = pp;
    return plan;
  }

  /// Everything that saves memory at once.
  void together(double devices, const std::string& before) {
    climb(s_, devices, [&](const MemoryPlan& plan) {
      auto q = fit_question(s_, plan);
      q.recompute = Recompute::full;
      q.sharding = Sharding::zero3;
      q.recipe.micro_batches *= std::max(1.0, q.recipe.micro_batch);
      q.recipe.micro_batch = std::min(1.0, q.recipe.micro_batch);
      q.micro_batch = q.recipe.micro_batch;
      q.plan.sequence_parallel = plan.tp > 1;
      std::string words = before + "sharding zero3, full recomputation, micro_batch_seqs 1";
      if (plan.tp > 1) words += fmt::format(", tp {:g}", plan.tp);
      if (plan.pp > 1) words += fmt::format(", pp {:g}", plan.pp);
      if (plan.ep > 1) words += fmt::format(", ep {:g}", plan.ep);
      return attempt(q, words);
    });
  }

  void more_devices() {
    constexpr double kMost = 131072;
    for (double devices = 2 * fit_.devices; devices <= kMost && found_.empty(); devices *= 2) {
      together(devices, fmt::format("{:g} devices with ", devices));
    }
  }

  const Scenario& s_;
  const models::MemoryBasis basis_;
  const Fit& fit_;
  const FitVerdict& v_;
  std::vector<std::string> found_;
};

}  // namespace

Fit memory_fit(const Scenario& s, const PlanBasis& basis, const Known<Devices>& devices,
               const models::StepConstants& constants, Warnings& warnings) {
  Fit fit;
  const auto& p = s.plan;
  if (devices) {
    fit.devices = std::max(1.0, std::floor(devices->in(device)));
  } else if (p.dp) {
    fit.devices = p.replica() * *p.dp;
  } else {
    return fit;
  }
  // What is stated of a run goes before a default of ours.
  const bool assumed = devices.basis == Basis::fallback;
  if (p.divided()) {
    fit.verdict = judge(s, basis.memory(), fit_question(s, stated_plan(s, fit.devices)));
    fit.judged = !assumed || p.dp;
  } else {
    search_plan(s, basis.memory(), fit);
    fit.judged = !assumed && (p.said || s.counted);
    if (s.options.plan == PlanMode::best && basis.step) {
      if (const auto best = fastest_plan(s, basis, fit.devices, *fit.verdict, constants)) {
        fit.verdict = best;
      }
    }
  }
  const auto& v = *fit.verdict;
  if (v.tight) {
    warnings.add(
        {Oddity::memory_tight, v.memory.allocated().in(gibibyte), v.capacity.in(gibibyte), {}, {}});
  } else if (!v.fits && !fit.judged) {
    warnings.add({Oddity::default_too_small,
                  fit.devices,
                  v.memory.allocated().in(gibibyte),
                  assumed ? "assumed" : "",
                  {}});
  }
  question_batch(s, v.plan.dp, warnings);
  if (s.mode.phase == models::Phase::distill) {
    warnings.add({Oddity::teacher_memory, s.mode.teacher_params, 0, {}, {}});
  }
  return fit;
}

std::string misfit(const Scenario& s, const Fit& fit) {
  const auto& v = *fit.verdict;
  const auto& m = v.memory;
  std::string text = fmt::format("needs {} GiB of {} usable on {}: ", gib(m.allocated()),
                                 gib(v.capacity), s.device->id);
  struct Part {
    std::string_view name;
    Bytes bytes;
  };
  const std::array<Part, 6> parts{{{"weights", m.weights},
                                   {"gradients", m.gradients},
                                   {"optimizer", m.optimizer},
                                   {"activations", m.activations},
                                   {"logits", m.logits},
                                   {"buffers", m.buffers}}};
  constexpr double kShown = 0.01;
  bool first = true;
  for (const auto& part : parts) {
    if (part.bytes < kShown * m.allocated()) continue;
    text += fmt::format("{}{} {}", first ? "" : ", ", part.name, gib(part.bytes));
    first = false;
  }
  const auto& p = v.plan;
  text += fmt::format(" (tp {:g}, pp {:g}, dp {:g}", p.tp, p.pp, p.dp);
  if (p.cp > 1) text += fmt::format(", cp {:g}", p.cp);
  if (p.ep > 1) text += fmt::format(", ep {:g}", p.ep);
  text += fmt::format(", sharding {}, recompute {}, micro_batch_seqs {:g})", name_of(p.sharding),
                      name_of(v.recipe.recompute), v.recipe.micro_batch);
  return text;
}

std::string misfit_remedy(const Scenario& s, const Fit& fit) { return Mender{s, fit}.text(); }

std::string_view name_of(Recompute recompute) {
  switch (recompute) {
    case Recompute::none:
      return "none";
    case Recompute::selective:
      return "selective";
    case Recompute::full:
      return "full";
  }
  return "none";
}

std::string_view name_of(Sharding sharding) {
  constexpr std::array<std::string_view, 4> kNames = {"none", "zero1", "zero2", "zero3"};
  return kNames.at(static_cast<std::size_t>(sharding));
}

Bytes reserved_memory(const Scenario& s, const FitVerdict& verdict) {
  return verdict.memory.total() - (*s.device_memory - verdict.capacity);
}

}  // namespace pretrain::planner
