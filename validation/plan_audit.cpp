#include "validation/plan_audit.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <span>

namespace pretrain::validation {

namespace {

using planner::Key;

/// Measured plans of a group, with what is predicted for each.
struct Plans {
  std::vector<const Case*> cases;
  std::vector<double> predicted;  ///< tokens per second and device
  std::vector<double> measured;
};

std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(values.size());
  for (std::size_t from = 0; from < order.size();) {
    std::size_t to = from;
    while (to < order.size() && values[order[to]] == values[order[from]]) ++to;
    const double mean = (static_cast<double>(from) + static_cast<double>(to) - 1) / 2;
    for (std::size_t i = from; i < to; ++i) rank[order[i]] = mean;
    from = to;
  }
  return rank;
}

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

PlanGroup judged(const Plans& plans) {
  const auto at_most = [](const std::vector<double>& values) {
    return static_cast<std::size_t>(std::max_element(values.begin(), values.end()) -
                                    values.begin());
  };
  const auto picked = at_most(plans.predicted);
  const auto fastest = at_most(plans.measured);
  const Case& first = *plans.cases.front();
  PlanGroup group;
  group.id = first.id;
  group.table = first.table;
  group.device = first.device;
  group.devices = first.devices;
  group.nodes = first.nodes;
  group.plans = plans.cases.size();
  group.picked = plans.cases[picked]->id;
  group.fastest = plans.cases[fastest]->id;
  const double best = plans.measured[fastest];
  group.regret = best / plans.measured[picked] - 1;
  std::vector<double> regrets;
  for (const double rate : plans.measured) regrets.push_back(best / rate - 1);
  group.by_chance = mean(regrets);
  group.spearman = rank_correlation(plans.predicted, plans.measured);
  return group;
}

PlanScore summed(std::string what, const std::vector<const PlanGroup*>& groups) {
  PlanScore score;
  score.what = std::move(what);
  score.groups = groups.size();
  std::vector<double> regrets;
  std::vector<double> chances;
  std::vector<double> correlations;
  for (const auto* g : groups) {
    score.plans += g->plans;
    regrets.push_back(g->regret);
    chances.push_back(g->by_chance);
    correlations.push_back(g->spearman);
  }
  score.median_regret = median(regrets);
  score.mean_regret = mean(regrets);
  score.worst_regret = *std::max_element(regrets.begin(), regrets.end());
  score.mean_by_chance = mean(chances);
  score.mean_spearman = mean(correlations);
  return score;
}

void judge_memory(const Cases& cases, PlanAudit& audit) {
  for (const auto& c : cases.fits()) {
    ++(c.ran ? audit.fit.ran : audit.fit.failed);
    if (c.ran && c.tight) ++audit.fit.tight;
    const bool roomy = c.fits && !c.tight;
    if (c.ran ? c.fits : !roomy) continue;
    ++(c.ran ? audit.fit.refused : audit.fit.let_through);
    audit.misjudged.push_back(c);
  }
  constexpr double kShort = 0.9;
  constexpr double kAmple = 1.1;
  for (const auto& c : cases.cases()) {
    for (const auto& m : c.measured) {
      if (m.key != Key::memory_gib_per_device) continue;
      ++audit.fit.peaks;
      if (m.predicted > kShort * m.reported) ++audit.fit.short_refused;
      if (m.predicted <= kAmple * m.reported) ++audit.fit.ample_taken;
    }
  }
}

}  // namespace

double rank_correlation(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.empty()) return 0;
  const auto x = ranks(a);
  const auto y = ranks(b);
  const double middle = (static_cast<double>(a.size()) - 1) / 2;
  double xy = 0;
  double xx = 0;
  double yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - middle) * (y[i] - middle);
    xx += (x[i] - middle) * (x[i] - middle);
    yy += (y[i] - middle) * (y[i] - middle);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

PlanAudit audit_plans(const Cases& cases, const std::vector<Predictions>& predictions) {
  constexpr std::size_t kLeast = 3;
  std::map<std::string, Plans> by_recipe;
  const auto& list = cases.cases();
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto& c = list[i];
    const auto predicted = predictions[i][static_cast<std::size_t>(Predictor::planner)];
    if (!c.throughput || !predicted || c.plan.empty()) continue;
    auto& plans = by_recipe[c.recipe];
    plans.cases.push_back(&c);
    plans.predicted.push_back(*predicted);
    plans.measured.push_back(c.throughput->reported);
  }
  PlanAudit audit;
  for (const auto& [recipe, plans] : by_recipe) {
    std::set<std::string_view> different;
    for (const auto* c : plans.cases) different.insert(c->plan);
    if (different.size() >= kLeast) audit.groups.push_back(judged(plans));
  }
  std::stable_sort(audit.groups.begin(), audit.groups.end(),
                   [](const auto& a, const auto& b) { return a.regret > b.regret; });
  // All, several nodes, one node, and each table.
  std::map<std::string, std::vector<const PlanGroup*>> kinds;
  for (const auto& g : audit.groups) {
    kinds[""].push_back(&g);
    kinds[g.nodes > 1 ? "several nodes" : "one node"].push_back(&g);
    kinds["table " + g.table].push_back(&g);
  }
  for (const auto& [what, groups] : kinds) {
    audit.scores.push_back(summed(what.empty() ? "all" : what, groups));
  }
  judge_memory(cases, audit);
  return audit;
}

}  // namespace pretrain::validation
