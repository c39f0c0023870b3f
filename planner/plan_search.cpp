#include "planner/plan_search.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "planner/memory_fit.hpp"
#include "planner/plan_choices.hpp"
#include "planner/step_question.hpp"

namespace pretrain::planner {

namespace {

using models::FitQuestion;
using models::FitVerdict;
using models::MemoryPlan;
using models::Recompute;
using models::Sharding;
using models::Stack;

class Search {
 public:
  Search(const Scenario& s, const PlanBasis& basis, double devices, const models::StepConstants& c)
      : s_{s},
        memory_{basis.memory()},
        question_{*basis.step},
        devices_{devices},
        c_{c},
        choices_{PlanSpace{}, divisible(s, *s.devices_per_node)} {}

  std::optional<FitVerdict> run(const FitVerdict& usual) {
    if (usual.fits && !usual.tight) consider(usual);
    own();
    for (const double tp : choices_.tp) {
      if (!choices_.heads_divide(tp)) continue;
      for (const double cp : choices_.cp) {
        for (const double pp : choices_.pp) {
          const double replica = tp * cp * pp;
          if (replica > devices_) continue;
          MemoryPlan plan;
          plan.tp = tp;
          plan.cp = cp;
          plan.pp = pp;
          plan.dp = std::floor(devices_ / replica);
          if (s_.batch && plan.dp > batch_of(s_, devices_)) continue;
          for (const double ep : choices_.ep) {
            if (ep > plan.dp * cp * tp || !choices_.experts_divide(ep)) continue;
            plan.ep = ep;
            micro_batches(plan);
          }
        }
      }
    }
    return best_;
  }

 private:
  /// The plan that the row states: none is looked for that is slower.
  void own() {
    const auto& stated = s_.plan.aside;
    if (!stated.divided() || stated.replica() > devices_) return;
    Scenario scenario = s_;
    static_cast<StatedDegrees&>(scenario.plan) = stated;
    auto plan = stated_plan(scenario, devices_);
    plan.dp = std::min(plan.dp, std::floor(devices_ / stated.replica()));
    const auto verdict = models::fit(memory_, fit_question(scenario, plan), *s_.device_memory);
    if (verdict.fits) consider(verdict);
  }

  void micro_batches(const MemoryPlan& plan) {
    const double share = s_.batch ? share_of(s_, devices_, plan.dp) : choices_.micro_batch.back();
    for (const double micro : choices_.micro_batch) {
      if (micro > share) break;
      for (const auto sharding : shardings(plan)) {
        // Recomputing less is faster: the first that fits.
        for (const auto recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
          if (attempt(plan, micro, share, sharding, recompute)) break;
        }
      }
    }
  }

  std::vector<Sharding> shardings(const MemoryPlan& plan) const {
    if (s_.plan.sharding) return {*s_.plan.sharding};
    if (plan.dp * plan.cp <= 1) return {Sharding::none};
    if (plan.pp > 1 || s_.plan.stack == Stack::megatron) return {Sharding::zero1};
    if (s_.plan.stack == Stack::fsdp || s_.plan.stack == Stack::xla) return {Sharding::zero3};
    return {Sharding::zero1, Sharding::zero3};
  }

  /// Whether it fits; kept when it is the fastest so far.
  bool attempt(const MemoryPlan& plan, double micro, double share, Sharding sharding,
               Recompute recompute) {
    FitQuestion q = fit_question(s_, plan);
    q.recompute = recompute;
    q.micro_batch = micro;
    q.recipe.micro_batch = micro;
    if (s_.batch) q.recipe.micro_batches = std::ceil(share / micro);
    q.sharding = sharding;
    auto verdict = models::fit(memory_, q, *s_.device_memory);
    if (!verdict.fits || verdict.tight) return false;
    // All blocks do it again only where the row says so; else as many as memory demands.
    verdict.chose_recompute = recompute == Recompute::full && s_.recompute_basis != Basis::given;
    consider(verdict);
    return true;
  }

  void consider(const FitVerdict& verdict) {
    take_plan(s_, verdict, question_);
    const double rate = question_.batch_tokens / step_time(question_, c_).total().in(second);
    if (rate > rate_) {
      rate_ = rate;
      best_ = verdict;
    }
  }

  const Scenario& s_;
  const models::MemoryBasis& memory_;
  StepQuestion question_;
  double devices_;
  const models::StepConstants& c_;
  PlanChoices choices_;
  double rate_ = 0;
  std::optional<FitVerdict> best_;
};

}  // namespace

std::optional<FitVerdict> fastest_plan(const Scenario& s, const PlanBasis& basis, double devices,
                                       const FitVerdict& usual, const models::StepConstants& c) {
  return Search{s, basis, devices, c}.run(usual);
}

}  // namespace pretrain::planner
