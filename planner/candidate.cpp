#include "planner/candidate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "models/parameters.hpp"
#include "models/step_spread.hpp"
#include "planner/beside.hpp"
#include "planner/memory_fit.hpp"
#include "planner/predicted.hpp"

namespace pretrain::planner {

namespace {

/// Share of the variance of a step's error that models on one kind of device with one software have
/// in common: 0.59 of those of the dense models that `planner validate` has, which a test finds
/// again; by medians it is less.
constexpr double kCommonStep = 0.5;

double cost_of(const std::vector<Line>& lines, bool& known) {
  double sum = 0;
  for (const auto& line : lines) {
    if (line.equation != "cost.hours" && line.equation != "cost.energy") continue;
    sum += line.result;
    known = true;
  }
  return sum;
}

std::string plan_text(const Result& result) {
  if (!result.estimate.fit.verdict) return {};
  const auto& plan = result.estimate.fit.verdict->plan;
  const auto& recipe = result.estimate.fit.verdict->recipe;
  std::string text;
  const auto add = [&](std::string_view name, double degree) {
    if (degree > 1) text += fmt::format("{}{} {:g}", text.empty() ? "" : ", ", name, degree);
  };
  add("tp", plan.tp);
  add("pp", plan.pp);
  add("cp", plan.cp);
  add("ep", plan.ep);
  add("dp", plan.dp);
  if (plan.sharding != models::Sharding::none && plan.dp * plan.cp > 1) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", planner::name_of(plan.sharding));
  }
  if (recipe.recompute != models::Recompute::none) {
    text +=
        fmt::format("{}recompute {}", text.empty() ? "" : ", ", planner::name_of(recipe.recompute));
  }
  if (text.empty()) text = "one device";
  // A search chose the framework, too.
  if (!result.scenario.options.searched.any()) return text;
  return fmt::format("{}: {}", result.scenario.plan.family, text);
}

}  // namespace

double vocabulary_of(const models::Architecture& architecture) {
  const auto parameters = models::parameters(architecture);
  return parameters.embedding + parameters.head;
}

double usual_experts(double total, double met) {
  return std::max(1.0, 1 + (total / met - 1) / kUsualFeedForward);
}

Candidate candidate_of(const RunRow& row, const Result& result, const Catalogue& catalogue) {
  Candidate c;
  if (!result.ok) return c;
  const auto& s = result.scenario;
  const auto& e = result.estimate;
  c.decoder = (s.type == "dense" || s.type == "moe") && (s.phase.empty() || s.phase == "pretrain");
  const auto& verdict = e.fit.verdict;
  c.fits = !verdict || verdict->fits;
  if (s.active_params) c.params = *s.active_params;
  if (e.duration.tokens) c.tokens = *e.duration.tokens;
  if (s.has_architecture) c.vocabulary = vocabulary_of(s.architecture);
  if (s.type == "moe") {
    const auto& a = s.architecture;
    if (s.counted && a.experts_per_token > 0) {
      const double met = a.experts_per_token * a.expert_ffn_hidden + a.shared_ffn_hidden;
      c.experts = (a.experts * a.expert_ffn_hidden + a.shared_ffn_hidden) / met;
    } else if (s.total_params && s.active_params) {
      c.experts = usual_experts(*s.total_params, *s.active_params);
      c.experts_assumed = true;
    }
  }
  c.device = s.device != nullptr ? std::string{s.device->generation} : std::string{s.device_name};
  // Which framework a search took says nothing of what will be used.
  const bool searched = s.options.searched.test(static_cast<std::size_t>(Col::framework_family));
  if (!searched) c.software = std::string{s.plan.family};
  c.grid = s.region != nullptr ? std::string{s.region_name}
           : s.intensity       ? fmt::format("{}", (*s.intensity).in(kilogram / kilowatt_hour))
                               : std::string{};
  c.site = c.grid + (s.pue ? fmt::format(" {}", *s.pue) : std::string{});
  c.footprint = s.device != nullptr ? std::string{s.device->id} : std::string{};
  c.spreads = e.spreads;
  const double used = std::max(e.rate.mfu ? *e.rate.mfu : 0, e.rate.hfu ? *e.rate.hfu : 0);
  c.faster = used > 0 ? std::max(0.0, -std::log(used)) : HUGE_VAL;
  c.solved_hours = !s.booked && !(s.days && s.devices);
  if (e.carbon.operational) c.operational_t = (*e.carbon.operational).in(tonne);
  if (e.carbon.embodied) c.embodied_t = (*e.carbon.embodied).in(tonne);
  bool priced = false;
  const double cost = cost_of(lines_beside(row, result, catalogue), priced);
  if (priced) c.cost = cost;
  c.plan = plan_text(result);
  return c;
}

std::optional<double> loss_of(const Candidate& c, const models::ScalingLaw& law) {
  if (!c.decoder || !c.params || !c.tokens) return std::nullopt;
  if (c.experts > 1 && !law.knows_experts()) return std::nullopt;
  return law.loss(*c.params, *c.tokens, c.experts);
}

std::string beyond(const Candidate& c, const models::ScalingLaw& law) {
  std::string text;
  const auto add = [&](const std::optional<double>& value, double most, std::string_view what) {
    constexpr double kFar = 1.05;
    if (!value || *value <= kFar * most) return;
    text += fmt::format("{}{:.2g} times the {}", text.empty() ? "" : ", ", *value / most, what);
  };
  add(c.params, law.params_high, "parameters");
  add(c.tokens, law.tokens_high, "tokens");
  if (law.knows_experts()) add(c.experts, law.experts_high, "experts");
  return text;
}

std::optional<double> probability_less(const Candidate& a, const Candidate& b, const Draws& draws) {
  const double total_a = a.operational_t + a.embodied_t;
  const double total_b = b.operational_t + b.embodied_t;
  if (!(total_a > 0 && total_b > 0) || (a.operational_t > 0) != (b.operational_t > 0)) {
    return std::nullopt;
  }
  // Where the time of a step has no error that is known, nothing is sure.
  const auto open = [](const Candidate& c) {
    return c.solved_hours && c.spreads.time == models::Spread{};
  };
  if (open(a) || open(b)) return std::nullopt;
  const double of_90 = models::normal_quantile(0.95);
  const auto moved = [&](models::Spread s, double z) {
    return z / of_90 * (z > 0 ? s.up : s.down);
  };
  // Another draw of the same input: the numbers of a input, in another order.
  const std::size_t n = draws.size();
  const auto z_of = [&](Draws::Input input, std::size_t i, unsigned which) {
    constexpr std::size_t kStride = 7919;  // a prime
    return draws.of(input)[(i + which * kStride) % n];
  };
  struct Same {
    bool device, step, grid, site, footprint;
  };
  const Same same{a.device == b.device, a.device == b.device && a.software == b.software,
                  a.grid == b.grid, a.site == b.site, a.footprint == b.footprint};
  const auto carbon = [&](const Candidate& c, std::size_t i, unsigned own) {
    const auto& s = c.spreads;
    const auto z = [&](Draws::Input input, bool shared) {
      return z_of(input, i, shared ? 0 : own);
    };
    double step = z(Draws::step, false);
    if (same.step) {
      step = std::sqrt(kCommonStep) * z_of(Draws::step, i, 0) +
             std::sqrt(1 - kCommonStep) * z_of(Draws::step, i, own);
    }
    double hours =
        std::max(-c.faster, moved(s.time, step)) + moved(s.goodput, z(Draws::goodput, true));
    if (!c.solved_hours) hours = 0;
    const double emitted = moved(s.node_power, z(Draws::power, same.device)) +
                           moved(s.pue, z(Draws::pue, same.site)) +
                           moved(s.intensity, z(Draws::intensity, same.grid));
    const double made = moved(s.footprint, z(Draws::footprint, same.footprint)) +
                        moved(s.lifetime, z(Draws::lifetime, true)) +
                        moved(s.utilization, z(Draws::utilization, true));
    return std::exp(hours) * (c.operational_t * std::exp(emitted) + c.embodied_t * std::exp(made));
  };
  double less = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double of_a = carbon(a, i, 1);
    const double of_b = carbon(b, i, 2);
    less += of_a < of_b ? 1 : of_a == of_b ? 0.5 : 0;
  }
  return less / static_cast<double>(n);
}

std::vector<Effect> effects_of(const Candidate& c) {
  const double total = c.operational_t + c.embodied_t;
  if (!(total > 0)) return {};
  const double operational = c.operational_t / total;
  std::vector<Effect> effects;
  const auto add = [&](std::string_view input, models::Spread s, double share) {
    const auto factor = [&](double log) { return 1 + share * (std::exp(log) - 1); };
    const Effect effect{input, factor(-s.down), factor(s.up)};
    if (effect.low < 1 || effect.high > 1) effects.push_back(effect);
  };
  const auto& s = c.spreads;
  if (c.solved_hours) {
    add("time of a step", {std::min(s.time.down, c.faster), s.time.up}, 1);
    add("lost time", s.goodput, 1);
  }
  add("draw", s.node_power, operational);
  add("PUE", s.pue, operational);
  add("grid", s.intensity, operational);
  add("footprint of hardware", s.footprint, 1 - operational);
  add("its lifetime", s.lifetime, 1 - operational);
  add("its utilization", s.utilization, 1 - operational);
  std::stable_sort(effects.begin(), effects.end(), [](const Effect& a, const Effect& b) {
    return std::log(a.high / a.low) > std::log(b.high / b.low);
  });
  return effects;
}

}  // namespace pretrain::planner
