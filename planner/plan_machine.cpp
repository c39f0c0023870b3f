#include "planner/plan_machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/core/input_error.hpp"
#include "planner/estimate.hpp"
#include "planner/plan_row.hpp"
#include "planner/step_question.hpp"
#include "planner/warnings.hpp"

namespace pretrain::planner {

namespace {

using models::Recompute;

void take(const Result& result, const Catalogue& catalogue, const EstimateOptions& options,
          Machine& m) {
  Warnings warnings;
  RowFailure failure;
  if (!resolve(m.row, catalogue, options, m.s, warnings, failure)) refuse(failure, catalogue);
  const auto& s = m.s;
  const auto& e = result.estimate;
  // What is taken where a name has variants, or the device lacks the format.
  if (s.device != nullptr) m.device = s.device->id;
  m.format = s.dtype_name;
  if (!e.duration.tokens) {
    throw InputError({"tokens_b", 0, 0}, "no number of tokens",
                     "give tokens_b: a plan is chosen for a whole run");
  }
  if (s.has_architecture && s.work_seq_len) {
    m.work.token = models::token_work(s.architecture, *s.work_seq_len);
  }
  auto basis = plan_basis(s, m.work);
  if (!basis || !basis->step) {
    throw InputError({"device", 0, 0},
                     fmt::format("the time of a step on '{}' cannot be predicted", m.device),
                     "give a device of `planner list devices`, and an architecture or params_b");
  }
  m.basis = std::move(*basis);
  m.question = *m.basis.step;
  m.tokens = *e.duration.tokens;
  m.seq_len = *s.work_seq_len;
  models::MemoryPlan plan;
  const auto speed = [&](models::StepSpeed& v, models::MemoryRecipe& recipe) {
    v = models::step_speed(m.question.device, software_of(s, plan), catalogue.step_constants());
    recipe = fit_question(s, plan).recipe;
  };
  speed(m.alone, m.recipe_alone);
  plan.tp = 2;
  speed(m.divided, m.recipe_divided);
  for (const auto recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
    auto mode = s.mode;
    mode.recompute = recompute;
    using models::FlopConvention;
    const auto in = [&](FlopConvention convention) {
      return models::training_flop_per_token(m.work.token, convention, mode);
    };
    m.flop_per_token[static_cast<std::size_t>(recompute)] =
        in(FlopConvention::model_causal)*in(FlopConvention::hardware) /
        in(FlopConvention::model_full);
  }
  // Of a model that is stated by its size there is nothing else to count.
  if (!s.counted && e.work.per_token) m.flop_per_token.fill(*e.work.per_token);
  const auto& power = e.power;
  if (power.idle && power.most && power.host != nullptr) {
    m.powered = true;
    m.idle_w = power.idle->in(watt / device);
    m.most_w = power.most->in(watt / device);
    m.levels = power.levels;
    m.host = power.host_draw;
    const auto& l = m.levels;
    m.least_w = m.watts(std::min({l.products, l.slow, l.traffic, l.exchange, l.wait}));
  }
  if (e.carbon.embodied && e.duration.booked) {
    m.embodied_t_per_hour = e.carbon.embodied->in(tonne) / e.duration.booked->in(hour * device);
  }
  const auto& d = catalogue.defaults();
  constexpr double kMillion = 1e6;
  m.faults = {d.interruptions.value / kMillion, d.checkpoint_s.value * second,
              d.restart_min.value * 60.0 * second, d.productive_share.value};
  if (s.goodput.basis == Basis::given) m.goodput = *s.goodput;
}

void time_shard(const Machine& m, const models::StepConstants& c, ShardChoice& x) {
  models::StepShard shard;
  shard.tp = x.tp;
  shard.cp = x.cp;
  shard.ep = x.ep;
  shard.sequence_parallel = x.sequence_parallel && x.tp > 1;
  shard.tp_near = x.tp_near;
  shard.seq_len = m.seq_len;
  shard.micro_batch = x.micro;
  shard.recompute = x.recompute;
  shard.recompute_stated = true;
  shard.frozen = m.recipe_divided.frozen;
  x.divided = models::shard_time(m.question.model, m.divided, shard, c);
  const bool undivided = x.tp == 1;
  if (undivided) x.alone = models::shard_time(m.question.model, m.alone, shard, c);
  const auto least = [&](const models::ShardTime& t, const models::StepSpeed& v) {
    const auto& b = t.block;
    const double each = m.question.model.layers * v.year * x.tp * x.cp / x.micro;
    const double computing = b.products + b.attention + b.recompute;
    const double exchange = b.tp + b.cp + b.all_to_all;
    const double moving = b.traffic + b.routing;
    const double waiting = std::max(0.0, b.host);
    const double joules = computing * m.watts(m.levels.slow) + moving * m.watts(m.levels.traffic) +
                          exchange * m.watts(m.levels.exchange) + waiting * m.watts(m.levels.wait);
    return std::pair{each * b.total(), each * joules};
  };
  auto [time, energy] = least(x.divided, m.divided);
  x.busy_time = time;
  if (undivided) {
    const auto [time_alone, energy_alone] = least(x.alone, m.alone);
    x.busy_time = std::max(time, time_alone);
    time = std::min(time, time_alone);
    energy = std::min(energy, energy_alone);
  }
  // Rounding must not cut off what is as good.
  constexpr double kSlack = 1 - 1e-9;
  x.least_time = kSlack * time;
  x.least_energy = kSlack * energy;
}

}  // namespace

void refuse(const RowFailure& failure, const Catalogue& catalogue) {
  throw InputError({std::string{column_of(failure.col).name}, 0, 0}, failure.what,
                   remedy(failure, catalogue));
}

double Machine::watts(double load) const {
  return models::node_draw((idle_w + load * (most_w - idle_w)) * watt / pretrain::device, host)
      .in(watt / pretrain::device);
}

std::unique_ptr<Machine> make_machine(const RunRow& row, const PlanSpace& space,
                                      const MachineQuestion& question, const Catalogue& catalogue,
                                      const EstimateOptions& options, std::string& lacking) {
  auto owned = std::make_unique<Machine>();
  auto& m = *owned;
  m.row = row;
  m.cap = question.cap;
  m.texts.reserve(8);
  clear_plan(m.row);
  const auto set = [&](Col col, std::string text) {
    m.texts.push_back(std::move(text));
    set_cell(m.row, col, m.texts.back());
  };
  if (!question.device.empty()) {
    set(Col::device, question.device);
    m.row.unset(Col::device_tdp_w);
    m.row.unset(Col::peak_tflops);
  }
  if (!question.format.empty()) set(Col::dtype, question.format);
  const auto match = catalogue.devices().find(m.row.text(Col::device));
  m.xla = match.device != nullptr && match.device->kind == "tpu";
  if (!m.row.has(Col::framework_family)) {
    set(Col::framework_family, m.xla ? "maxtext_xla" : "megatron");
  }
  m.family = m.row.text(Col::framework_family);
  if (m.cap < 1) {
    if (match.device != nullptr && match.device->tdp) {
      m.limit_w = m.cap * match.device->tdp->in(watt / pretrain::device);
      set(Col::device_tdp_w, fmt::format("{}", m.limit_w));
    }
  }
  if (!(question.devices > 0)) {
    throw InputError({"devices", 0, 0}, "no number of devices",
                     "give --devices 512, a list or a range, or the column devices");
  }
  set(Col::devices, fmt::format("{:.0f}", question.devices));
  const double idle = match.device != nullptr && match.device->idle
                          ? match.device->idle->in(watt / pretrain::device)
                          : 0;
  if (m.limit_w > 0 && m.limit_w <= idle) {
    throw InputError({"--power-cap", 0, 0},
                     fmt::format("{:.3g} W is no limit: {} draws {:.3g} W when it waits", m.limit_w,
                                 match.device->id, idle),
                     "give a larger share: drivers seldom allow less than half");
  }
  Result result;
  estimate_row(m.row, catalogue, options, result);
  if (!result.ok) refuse(result.failure, catalogue);
  if (match.device != nullptr && !result.scenario.peak) {
    lacking = fmt::format("{} has no {}", match.device->id, m.row.text(Col::dtype));
    return nullptr;
  }
  take(result, catalogue, options, m);
  m.choices.emplace(space, divisible(m.s, m.question.device.domain));
  return owned;
}

std::vector<ShardChoice> make_shards(const Machine& m, const models::StepConstants& c) {
  const auto& choices = *m.choices;
  const auto& modes = choices.sequence_parallel;
  std::vector<ShardChoice> list;
  for (const double tp : choices.tp) {
    if (!choices.heads_divide(tp)) continue;
    for (const double cp : choices.cp) {
      for (const double ep : choices.ep) {
        if (!choices.experts_divide(ep)) continue;
        for (const double micro : choices.micro_batch) {
          for (const auto recompute : choices.recompute) {
            for (const bool sp : modes) {
              if (sp && tp == 1 && modes.size() > 1) continue;
              for (const bool near : choices.tensor_places(tp)) {
                ShardChoice x{tp, cp, ep, micro, recompute, sp, near, {}, {}, 0, 0, 0};
                time_shard(m, c, x);
                list.push_back(x);
              }
            }
          }
        }
      }
    }
  }
  return list;
}

}  // namespace pretrain::planner
