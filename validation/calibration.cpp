#include "validation/calibration.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "validation/score.hpp"
#include "validation/step_fit.hpp"
#include "validation/step_lessons.hpp"

namespace pretrain::validation {

namespace {

using planner::Key;

/// Of the time of one cluster against that of all: the errors of sources that were in no fit.
constexpr double kClusterSpread = 0.15;
/// Of one row: what the model does not say of a plan, and what a measurement varies.
constexpr double kNoise = 0.06;
/// Of the draw above idle of one cluster against the predicted one, and of one reading.
constexpr double kDrawSpread = 0.10;
constexpr double kDrawNoise = 0.05;

std::size_t cluster_at() {
  const auto& members = models::kStepConstantMembers;
  const auto found = std::find_if(members.begin(), members.end(),
                                  [](const auto& m) { return m.name == "cluster"; });
  return static_cast<std::size_t>(found - members.begin());
}

models::StepConstants constants_of(const models::StepConstantTable& prior, const StepFit& fit) {
  auto c = constants_at(prior, fit.constants);
  // The residual is predicted over measured: what is common to all is taken out of it.
  c.cluster *= std::exp(fit.source_effect.empty() ? 0 : fit.source_effect.front());
  return c;
}

double median_of(std::vector<double> values) {
  const std::vector<double> weights(values.size(), 1);
  return weighted_median(values, weights).value_or(0);
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

/// What a cluster's plans have to vary for its rows to tell it.
std::vector<std::string> not_told(const std::vector<StepLesson>& lessons) {
  struct Part {
    const char* name;
    double (*of)(const planner::StepQuestion&);
  };
  constexpr std::array<Part, 6> kParts{
      {{"tensor parallelism", [](const planner::StepQuestion& q) { return q.shard.tp; }},
       {"pipelines", [](const planner::StepQuestion& q) { return q.schedule.pp; }},
       {"context parallelism", [](const planner::StepQuestion& q) { return q.shard.cp; }},
       {"expert parallelism", [](const planner::StepQuestion& q) { return q.shard.ep; }},
       {"replicas", [](const planner::StepQuestion& q) { return q.schedule.dp; }},
       {"several nodes",
        [](const planner::StepQuestion& q) { return q.devices / q.device.per_node; }}}};
  std::vector<std::string> names;
  for (const auto& part : kParts) {
    const bool told = std::any_of(lessons.begin(), lessons.end(),
                                  [&](const StepLesson& l) { return part.of(l.question) > 1; });
    if (!told) names.emplace_back(part.name);
  }
  return names;
}

void calibrate_draw(const std::vector<const Case*>& cases, Calibration& calibration) {
  std::vector<double> ratios;
  for (const auto* c : cases) {
    for (const auto& m : c->measured) {
      if (m.key != Key::device_power_w) continue;
      ratios.push_back(std::log(m.reported / m.predicted));
    }
  }
  calibration.draw_rows = ratios.size();
  if (ratios.empty()) return;
  const auto n = static_cast<double>(ratios.size());
  const double share =
      n / (n + (kDrawNoise / kDrawSpread) * (kDrawNoise / kDrawSpread));  // against the prior
  calibration.draw = std::exp(share * median_of(ratios));
}

}  // namespace

std::vector<CalibrationPart> calibration_parts(const std::vector<Case>& cases) {
  std::map<std::pair<std::string, std::string>, CalibrationPart> parts;
  for (const auto& c : cases) {
    if (!c.step || !c.throughput) continue;
    auto& part = parts[{c.generation, c.family}];
    part.device = c.generation;
    part.family = c.family;
    part.cases.push_back(&c);
  }
  std::vector<CalibrationPart> list;
  for (auto& [key, part] : parts) list.push_back(std::move(part));
  std::stable_sort(list.begin(), list.end(),
                   [](const auto& a, const auto& b) { return a.cases.size() > b.cases.size(); });
  return list;
}

std::optional<Calibration> calibrate(const CalibrationPart& part,
                                     const models::StepConstantTable& known,
                                     const models::StepSpread& spread) {
  auto lessons = step_lessons(part.cases);
  constexpr std::size_t kLeast = 3;
  if (lessons.lessons.size() < kLeast) return std::nullopt;
  std::map<std::string_view, double> group_size;
  for (const auto* c : lessons.cases) ++group_size[c->group];
  for (std::size_t i = 0; i < lessons.lessons.size(); ++i) {
    auto& l = lessons.lessons[i];
    // They are all of one cluster; rows of one model share their errors.
    l.source = 0;
    l.weight = 1 / std::sqrt(group_size[lessons.cases[i]->group]);
    l.noise = kNoise;
  }
  const auto prior = as_prior(known);
  const auto shipped = known.values();
  StepFitter fitter{lessons.lessons,
                    prior,
                    {.without = nullptr, .correlated = true, .source_spread = kClusterSpread}};
  const auto own = constants_of(prior, fitter.fit());

  Calibration result;
  result.device = part.device;
  result.family = part.family;
  result.score.rows = lessons.lessons.size();
  result.score.groups = group_size.size();
  // Each group from the others; of a single group each row from the others.
  const bool by_group = group_size.size() > 1;
  std::vector<double> before;
  std::vector<double> after;
  std::vector<double> before_log;
  std::vector<double> after_log;
  std::map<std::string, models::StepConstants> held;
  for (std::size_t i = 0; i < lessons.lessons.size(); ++i) {
    const std::string key = by_group ? lessons.cases[i]->group : std::to_string(i);
    if (!held.contains(key)) {
      std::vector<bool> out;
      for (std::size_t k = 0; k < lessons.lessons.size(); ++k) {
        out.push_back(by_group ? lessons.cases[k]->group == key : k == i);
      }
      held[key] = constants_of(prior, fitter.without(out));
    }
    const auto& l = lessons.lessons[i];
    const double old_error = predicted_seconds(l.question, shipped) / l.seconds;
    const double new_error = predicted_seconds(l.question, held[key]) / l.seconds;
    before.push_back(std::abs(old_error - 1));
    after.push_back(std::abs(new_error - 1));
    before_log.push_back(std::abs(std::log(old_error)));
    after_log.push_back(std::abs(std::log(new_error)));
  }
  result.score.before_median = median_of(before);
  result.score.after_median = median_of(after);
  result.score.before_mean_log = mean_of(before_log);
  result.score.after_mean_log = mean_of(after_log);

  std::vector<std::string> labels;
  for (const auto* c : lessons.cases) labels.push_back(c->group);
  result.constants = fitter.table(labels);
  auto& cluster = result.constants.rows[cluster_at()];
  cluster.value = own.cluster;
  for (const auto& row : result.constants.rows) {
    if (row.moved) result.learnt.push_back(row.name);
  }
  // Few rows say little of their own spread: that of all clusters stands for ten.
  constexpr double kPrior = 10;
  std::array<std::size_t, models::kRunClasses> of_class{};
  for (const auto* c : lessons.cases) ++of_class[static_cast<std::size_t>(class_of(*c))];
  result.run_class = static_cast<models::RunClass>(
      std::max_element(of_class.begin(), of_class.end()) - of_class.begin());
  std::vector<double> errors;
  for (std::size_t i = 0; i < after_log.size(); ++i) {
    if (class_of(*lessons.cases[i]) == result.run_class) errors.push_back(after_log[i]);
  }
  const std::vector<double> weights(errors.size(), 1);
  const auto share = conformal_share(0.9, group_size.size());
  const double seen = weighted_quantile(errors, weights, share).value_or(0);
  const auto n = static_cast<double>(errors.size());
  const double usual = spread.width(result.run_class, false, false);
  result.half_width_90 = (n * std::min(seen, usual) + kPrior * usual) / (n + kPrior);
  result.not_told = not_told(lessons.lessons);
  calibrate_draw(part.cases, result);
  return result;
}

}  // namespace pretrain::validation
