#include "validation/step_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "validation/calibration.hpp"
#include "validation/score.hpp"
#include "validation/step_lessons.hpp"

namespace pretrain::validation {

namespace {

using models::RunClass;
using models::StepConstants;
using models::StepConstantTable;
using Label = std::function<std::string(const Case&)>;

std::vector<const Case*> pointers(const std::vector<Case>& cases) {
  std::vector<const Case*> result;
  for (const auto& c : cases) result.push_back(&c);
  return result;
}

std::string source_of(const Case& c) { return c.source; }
std::string generation_of(const Case& c) { return c.generation; }

/// Constants of each part when it is held out.
std::map<std::string, StepConstants> left_out(const StepLessons& lessons,
                                              const StepConstantTable& priors, StepFitter& fitter,
                                              const Label& part) {
  fitter.fit();
  std::map<std::string, StepConstants> constants;
  for (const auto* c : lessons.cases) constants.try_emplace(part(*c));
  std::vector<std::pair<const std::string, StepConstants>*> parts;
  for (auto& entry : constants) parts.push_back(&entry);
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < parts.size(); i = next++) {
      std::vector<bool> out;
      for (const auto* c : lessons.cases) out.push_back(part(*c) == parts[i]->first);
      parts[i]->second = constants_at(priors, fitter.without(out).constants);
    }
  };
  std::vector<std::thread> threads;
  const unsigned count = std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
  for (unsigned t = 1; t < count; ++t) threads.emplace_back(work);
  work();
  for (auto& thread : threads) thread.join();
  return constants;
}

struct Errors {
  std::vector<double> size;
  std::vector<double> weight;

  std::set<std::string_view> units;  // models on devices, or generations

  void add(double error, double w, std::string_view unit = {}) {
    size.push_back(std::abs(error));
    weight.push_back(w);
    units.insert(unit);
  }
  FitReport::Spread spread() const {
    constexpr double kLevel = 0.9;
    constexpr double kHalf = 0.5;
    return {weighted_quantile(size, weight, conformal_share(kLevel, units.size())).value_or(0),
            weighted_quantile(size, weight, kHalf).value_or(0), size.size()};
  }
};

std::string percent(double log_error) {
  return fmt::format("{:.1f}%", 100 * std::expm1(log_error));
}

std::string label_of(const Case& c) { return fmt::format("{} {}", c.table, c.device); }

}  // namespace

FitReport fit_report(const std::vector<Case>& stated, const std::vector<Case>& usual,
                     const StepConstantTable& priors) {
  FitReport report;
  const auto lessons = step_lessons(pointers(stated));
  std::vector<std::string> labels;
  for (const auto* c : lessons.cases) labels.push_back(label_of(*c));
  StepFitter fitter{lessons.lessons, priors};
  report.constants = fitter.table(labels);

  const auto by_source = left_out(lessons, priors, fitter, source_of);
  const auto by_generation = left_out(lessons, priors, fitter, generation_of);
  std::array<Errors, models::kRunClasses> of_class;
  Errors unseen;
  for (std::size_t i = 0; i < lessons.cases.size(); ++i) {
    const auto& c = *lessons.cases[i];
    const auto& l = lessons.lessons[i];
    const auto error = [&](const StepConstants& constants) {
      return std::log(predicted_seconds(l.question, constants) / l.seconds);
    };
    of_class[static_cast<std::size_t>(class_of(c))].add(error(by_source.at(c.source)), l.weight,
                                                        c.group);
    if (class_of(c) == RunClass::dense_gpu || class_of(c) == RunClass::dense_tpu) {
      unseen.add(error(by_generation.at(c.generation)), l.weight, c.generation);
    }
  }
  for (std::size_t i = 0; i < of_class.size(); ++i) report.of_class[i] = of_class[i].spread();
  report.unseen_generation = unseen.spread();

  // What is told where no step is modeled, held to the runs where one is.
  Errors regression;
  for (std::size_t i = 0; i < lessons.cases.size(); ++i) {
    const auto& c = *lessons.cases[i];
    if (!c.llmcarbon_8pd || !c.throughput) continue;
    regression.add(std::log(*c.llmcarbon_8pd / c.throughput->reported), lessons.lessons[i].weight,
                   c.group);
  }
  report.regression = regression.spread();

  // Runs whose plan is not stated: how much slower they are than the usual one.
  const auto plain = step_lessons(pointers(usual));
  // A source with more than a quarter of the rows tries plans out: nobody runs them so.
  std::map<std::string_view, std::size_t> rows;
  for (const auto* c : plain.cases) ++rows[c->source];
  constexpr std::size_t kSweep = 4;
  const auto chosen = [&](std::size_t i) {
    const auto& c = *plain.cases[i];
    return class_of(c) == RunClass::dense_gpu && plain.lessons[i].question.chosen &&
           kSweep * rows[c.source] < plain.cases.size();
  };
  const auto ratio = [&](std::size_t i) {
    const auto& c = *plain.cases[i];
    const auto found = by_source.find(c.source);
    auto constants = found != by_source.end() ? found->second : report.constants.values();
    constants.as_run = 1;
    return std::log(plain.lessons[i].seconds /
                    predicted_seconds(plain.lessons[i].question, constants));
  };
  std::vector<double> ratios;
  std::vector<double> weights;
  for (std::size_t i = 0; i < plain.cases.size(); ++i) {
    if (!chosen(i)) continue;
    ratios.push_back(ratio(i));
    weights.push_back(plain.lessons[i].weight);
  }
  if (const auto slower = weighted_median(ratios, weights)) {
    Errors errors;
    for (std::size_t i = 0, row = 0; i < plain.cases.size(); ++i) {
      if (!chosen(i)) continue;
      errors.add(ratios[row] - *slower, weights[row], plain.cases[i]->group);
      ++row;
    }
    report.chosen_plan = errors.spread();
    for (auto& row : report.constants.rows) {
      if (row.name != "as_run") continue;
      // The prior and the median of the runs, by their precision; a source counts once.
      std::map<std::string_view, int> sources;
      for (std::size_t i = 0; i < plain.cases.size(); ++i) {
        if (chosen(i)) ++sources[plain.cases[i]->source];
      }
      constexpr double kOfNormal = 1.645;
      const double measured = report.chosen_plan.half_width / kOfNormal /
                              std::sqrt(static_cast<double>(sources.size()));
      const double precision = 1 / (row.prior_sd * row.prior_sd) + 1 / (measured * measured);
      const double mean =
          (std::log(row.prior) / (row.prior_sd * row.prior_sd) + *slower / (measured * measured)) /
          precision;
      row.value = std::exp(mean);
      row.sd = 1 / std::sqrt(precision);
      row.moved = row.sd * row.sd < row.prior_sd * row.prior_sd / 2;
      row.informed_by =
          fmt::format("usual plans of {} runs of {} sources", ratios.size(), sources.size());
    }
  }
  return report;
}

std::string text_of(const FitReport& report, const StepConstantTable& before) {
  std::string out = fmt::format("{:<24}{:>10}{:>8}{:>10}{:>8}  {:<7}{}\n", "constant", "prior",
                                "sd", "value", "sd", "moved", "informed by");
  for (std::size_t i = 0; i < report.constants.rows.size(); ++i) {
    const auto& r = report.constants.rows[i];
    const bool changed = std::abs(std::log(r.value / before.rows[i].value)) > 1e-3;
    out += fmt::format("{:<24}{:>10.4g}{:>8.2f}{:>10.4g}{:>8.3f}  {:<7}{}{}\n", r.name, r.prior,
                       r.prior_sd, r.value, r.sd, r.moved ? "yes" : "no", r.informed_by,
                       changed ? fmt::format(" [was {:.4g}]", before.rows[i].value) : "");
  }
  out += "\nErrors with the source left out        runs  median  90% within x/÷\n";
  const auto line = [&](std::string_view name, const FitReport::Spread& s) {
    out += fmt::format("{:<39}{:>4}{:>8}{:>16.2f}\n", name, s.rows, percent(s.median),
                       std::exp(s.half_width));
  };
  for (std::size_t i = 0; i < report.of_class.size(); ++i) {
    line(models::name_of(static_cast<RunClass>(i)), report.of_class[i]);
  }
  line("generation left out instead, dense", report.unseen_generation);
  line("plan unknown too, dense GPU", report.chosen_plan);
  line("LLMCarbon's regression instead", report.regression);
  return out;
}

std::string spread_text(const FitReport& report, std::string_view head) {
  std::string out{head};
  out += "runs,meaning,half_width,rows\n";
  constexpr std::array<std::string_view, models::kRunClasses> kMeanings{
      "decoders on GPUs", "decoders on TPUs", "mixtures of experts",
      "\"encoders, adapters, and whatever else\""};
  for (std::size_t i = 0; i < report.of_class.size(); ++i) {
    out += fmt::format("{},{},{:.3f},{}\n", models::name_of(static_cast<RunClass>(i)), kMeanings[i],
                       report.of_class[i].half_width, report.of_class[i].rows);
  }
  out += fmt::format(
      "unseen_generation,devices of a generation that nothing was measured on,{:.3f},{}\n",
      report.unseen_generation.half_width, report.unseen_generation.rows);
  out += fmt::format("chosen_plan,runs whose plan is not stated,{:.3f},{}\n",
                     report.chosen_plan.half_width, report.chosen_plan.rows);
  out += fmt::format(
      "regression,\"runs whose step is not modeled, by LLMCarbon's regression\",{:.3f},{}\n",
      report.regression.half_width, report.regression.rows);
  return out;
}

models::StepReach measured_reach(const std::vector<Case>& stated) {
  models::StepReach reach;
  for (const auto& c : stated) {
    if (!(c.weight > 0) || !c.step || !c.throughput) continue;
    const auto point = planner::reach_point(*c.step);
    auto& ranges = reach.of_class[static_cast<std::size_t>(class_of(c))];
    for (std::size_t i = 0; i < point.size(); ++i) {
      const bool of_plan = i >= static_cast<std::size_t>(models::ReachOf::micro_batch_tokens);
      if (of_plan && c.step->chosen) continue;
      auto& range = ranges[i];
      if (range.rows == 0 || point[i] < range.low) {
        range.low = point[i];
        range.low_run = c.id;
      }
      if (range.rows == 0 || point[i] > range.high) {
        range.high = point[i];
        range.high_run = c.id;
      }
      ++range.rows;
    }
  }
  return reach;
}

std::string reach_text(const models::StepReach& reach, std::string_view head) {
  std::string out{head};
  out += "runs,quantity,low,low_run,high,high_run,rows\n";
  for (std::size_t c = 0; c < reach.of_class.size(); ++c) {
    for (std::size_t i = 0; i < models::kReachQuantities; ++i) {
      const auto& range = reach.of_class[c][i];
      if (range.rows == 0) continue;
      out +=
          fmt::format("{},{},{:.6g},{},{:.6g},{},{}\n", models::name_of(static_cast<RunClass>(c)),
                      models::name_of(static_cast<models::ReachOf>(i)), range.low, range.low_run,
                      range.high, range.high_run, range.rows);
    }
  }
  return out;
}

std::string residual_groups(const std::vector<Case>& stated, const StepConstantTable& priors) {
  const auto lessons = step_lessons(pointers(stated));
  StepFitter fitter{lessons.lessons, priors};
  const auto by_source = left_out(lessons, priors, fitter, source_of);
  struct Group {
    double error = 0;
    double weight = 0;
    std::size_t rows = 0;
    std::string_view source;
    models::StepTime parts;
    double total = 0;
  };
  std::map<std::string_view, Group> groups;
  for (std::size_t i = 0; i < lessons.cases.size(); ++i) {
    const auto& c = *lessons.cases[i];
    const auto& l = lessons.lessons[i];
    const auto& constants = by_source.at(c.source);
    auto& g = groups[c.group];
    g.error += l.weight * std::log(predicted_seconds(l.question, constants) / l.seconds);
    g.weight += l.weight;
    g.source = c.source;
    ++g.rows;
    const auto time = planner::step_time(l.question, constants);
    for (const auto& part : models::kStepParts) {
      g.parts.*part.part = g.parts.*part.part + (time.*part.part) / time.total().in(second);
    }
  }
  std::vector<std::pair<double, std::string_view>> ranked;
  for (const auto& [name, g] : groups) {
    ranked.emplace_back(std::abs(g.error / g.weight) * std::sqrt(g.weight), name);
  }
  std::sort(ranked.rbegin(), ranked.rend());
  constexpr std::size_t kShown = 10;
  std::string out = "Groups predicted worst, source left out (by error x sqrt of weight)\n";
  for (std::size_t i = 0; i < std::min(kShown, ranked.size()); ++i) {
    const auto& g = groups.at(ranked[i].second);
    out += fmt::format("{:<44} {:>3} runs, time {:+.0f}%, {}:", ranked[i].second, g.rows,
                       100 * std::expm1(g.error / g.weight), g.source);
    std::vector<std::pair<double, std::string_view>> parts;
    for (const auto& part : models::kStepParts) {
      parts.emplace_back((g.parts.*part.part).in(second) / static_cast<double>(g.rows), part.name);
    }
    std::sort(parts.rbegin(), parts.rend());
    constexpr std::size_t kParts = 4;
    for (std::size_t p = 0; p < kParts; ++p) {
      out += fmt::format(" {} {:.0f}%", parts[p].second, 100 * parts[p].first);
    }
    out += '\n';
  }
  return out;
}

namespace {

/// Errors of iteration times, and what is lost by choosing the plan that is predicted fastest.
class SweepScore {
 public:
  void add(const StepLesson& l, std::string_view name, double predicted) {
    errors_.push_back(std::abs(predicted / l.seconds - 1));
    auto& p = plans_[{std::string{name}, l.question.batch_tokens}];
    p.best = std::min(p.best, l.seconds);
    if (predicted < p.predicted) {
      p.predicted = predicted;
      p.chosen = l.seconds;
    }
    ++p.rows;
  }

  std::string text() const {
    if (errors_.empty()) return "no runs";
    double sum = 0;
    for (const double e : errors_) sum += e;
    const std::vector<double> weights(errors_.size(), 1.0);
    double regret = 0;
    double worst = 0;
    std::size_t choices = 0;
    for (const auto& [key, p] : plans_) {
      if (p.rows < 2) continue;
      const double lost = p.chosen / p.best - 1;
      regret += lost;
      worst = std::max(worst, lost);
      ++choices;
    }
    return fmt::format(
        "mean error {:.1f}%, median {:.1f}%; regret {:.1f}%, worst {:.1f}% of {} choices ({} runs)",
        100 * sum / static_cast<double>(errors_.size()),
        100 * weighted_median(errors_, weights).value_or(0),
        100 * regret / static_cast<double>(std::max<std::size_t>(1, choices)), 100 * worst, choices,
        errors_.size());
  }

 private:
  struct Plans {
    double best = INFINITY;
    double chosen = INFINITY;
    double predicted = INFINITY;
    std::size_t rows = 0;
  };
  std::vector<double> errors_;
  std::map<std::pair<std::string, double>, Plans> plans_;
};

struct Ablation {
  std::string name;
  const models::StepPart* without = nullptr;
  std::vector<std::string_view> pinned;  ///< constants held where they do nothing
};

std::vector<Ablation> ablation_list() {
  std::vector<Ablation> list{{"nothing", nullptr, {}}};
  for (const auto& part : models::kStepParts) {
    if (part.part == &models::StepTime::products) continue;
    list.push_back({std::string{part.name}, &part, {}});
  }
  list.push_back({"power limit (one ceiling for all)", nullptr, {"power_share"}});
  list.push_back({"misalignment", nullptr, {"misaligned"}});
  list.push_back({"tiles and waves", nullptr, {"wave"}});
  list.push_back({"depth of products", nullptr, {"depth"}});
  list.push_back({"kernel starts", nullptr, {"kernel"}});
  list.push_back({"more nodes, slower", nullptr, {"jitter"}});
  return list;
}

/// A prior that nothing moves.
StepConstantTable pinned(StepConstantTable table, const std::vector<std::string_view>& names) {
  constexpr double kNothing = 1e-9;
  for (auto& row : table.rows) {
    if (std::find(names.begin(), names.end(), row.name) == names.end()) continue;
    row.prior = kNothing;
    row.prior_sd = kNothing;
  }
  return table;
}

}  // namespace

std::string ablations(const std::vector<Case>& stated, const StepConstantTable& priors) {
  const auto lessons = step_lessons(pointers(stated));
  const auto fold_of_case = [](const Case& c) { return std::to_string(c.fold); };
  // The sweep of plans: its rows on several nodes say what a term does to bad plans.
  constexpr std::string_view kSweep = "vtrain";
  std::string out =
      "Without                            dense GPU  dense TPU       MoE  | sweep of plans, "
      "several "
      "nodes, blind\n";
  for (const auto& ablation : ablation_list()) {
    const auto table = pinned(priors, ablation.pinned);
    StepFitter fitter{lessons.lessons, table, {.without = ablation.without}};
    const auto folds = left_out(lessons, table, fitter, fold_of_case);
    std::vector<bool> sweep;
    for (const auto* c : lessons.cases) sweep.push_back(c->table == kSweep);
    const auto blind = constants_at(table, fitter.without(sweep).constants);
    std::array<Errors, models::kRunClasses> of_class;
    SweepScore plans;
    for (std::size_t i = 0; i < lessons.cases.size(); ++i) {
      const auto& c = *lessons.cases[i];
      const auto& l = lessons.lessons[i];
      if (!sweep[i]) {
        const double predicted =
            predicted_seconds(l.question, folds.at(fold_of_case(c)), ablation.without);
        of_class[static_cast<std::size_t>(class_of(c))].add(std::log(predicted / l.seconds),
                                                            l.weight);
        continue;
      }
      if (l.question.devices <= l.question.device.per_node) continue;
      const double predicted = predicted_seconds(l.question, blind, ablation.without);
      plans.add(l, c.name, predicted);
    }
    const auto median = [&](RunClass c) {
      return percent(of_class[static_cast<std::size_t>(c)].spread().median);
    };
    out +=
        fmt::format("{:<35}{:>9}{:>11}{:>10}  | {}\n", ablation.name, median(RunClass::dense_gpu),
                    median(RunClass::dense_tpu), median(RunClass::moe), plans.text());
  }
  return out;
}

std::string calibration_report(const std::vector<Case>& stated, const StepConstantTable& priors,
                               const models::StepSpread& spread) {
  const auto lessons = step_lessons(pointers(stated));
  StepFitter fitter{lessons.lessons, priors};
  std::vector<std::string> labels;
  for (const auto* c : lessons.cases) labels.push_back(label_of(*c));
  const auto all = fitter.table(labels);
  std::string out = fmt::format("{:<16}{:<14}{:>6}{:>8}{:>10}{:>10}{:>10}{:>10}\n", "generation",
                                "framework", "rows", "groups", "blind", "calibr.", "|ln|", "|ln|");
  for (const auto& part : calibration_parts(stated)) {
    constexpr std::size_t kLeast = 10;
    if (part.cases.size() < kLeast) continue;
    std::vector<bool> held;
    for (const auto* c : lessons.cases) {
      held.push_back(c->generation == part.device && c->family == part.family);
    }
    // What the others say, with the spreads of the fit of all.
    auto known = all;
    const auto blind = constants_at(priors, fitter.without(held).constants);
    for (std::size_t j = 0; j < known.rows.size(); ++j) {
      known.rows[j].value = blind.*models::kStepConstantMembers[j].member;
    }
    const auto found = calibrate(part, known, spread);
    if (!found || found->score.groups < 2) continue;
    const auto& s = found->score;
    out += fmt::format("{:<16}{:<14}{:>6}{:>8}{:>9.1f}%{:>9.1f}%{:>10.3f}{:>10.3f}\n", part.device,
                       part.family, s.rows, s.groups, 100 * s.before_median, 100 * s.after_median,
                       s.before_mean_log, s.after_mean_log);
  }
  return out;
}

std::string sweep_report(const std::vector<Case>& stated, const StepConstantTable& priors) {
  constexpr std::string_view kSweep = "vtrain";
  const auto lessons = step_lessons(pointers(stated));
  std::vector<bool> sweep;
  for (const auto* c : lessons.cases) sweep.push_back(c->table == kSweep);
  StepFitter fitter{lessons.lessons, priors};
  fitter.fit();
  const auto blind = constants_at(priors, fitter.without(sweep).constants);
  // What was known before the calibration is its prior.
  auto known = priors;
  for (std::size_t j = 0; j < known.rows.size(); ++j) {
    known.rows[j].prior = blind.*models::kStepConstantMembers[j].member;
  }
  using Rows = std::function<bool(std::size_t)>;
  const Rows one_node = [&](std::size_t i) {
    const auto& q = lessons.lessons[i].question;
    return sweep[i] && q.devices <= q.device.per_node;
  };
  const Rows nodes = [&](std::size_t i) { return sweep[i] && !one_node(i); };
  const auto of_width = [&](double width) -> Rows {
    return [&one_node, &lessons, width](std::size_t i) {
      return one_node(i) && lessons.lessons[i].question.model.hidden == width;
    };
  };
  const auto calibrated = [&](const Rows& on) {
    // Rows of a sweep share their errors: so many count as one.
    constexpr double kWeight = 0.3;
    std::vector<StepLesson> own;
    for (std::size_t i = 0; i < lessons.lessons.size(); ++i) {
      if (!on(i)) continue;
      own.push_back(lessons.lessons[i]);
      own.back().weight = kWeight;
      own.back().source = 0;
    }
    StepFitter of_own{own, known};
    return constants_at(known, of_own.fit().constants);
  };
  const auto scored = [&](const StepConstants& c, const Rows& on) {
    SweepScore score;
    for (std::size_t i = 0; i < lessons.lessons.size(); ++i) {
      if (!on(i)) continue;
      const auto& l = lessons.lessons[i];
      score.add(l, lessons.cases[i]->name, predicted_seconds(l.question, c));
    }
    return score.text();
  };
  constexpr double kNarrow = 1024;
  constexpr double kWide = 2048;
  std::string out = "Sweep of plans, iteration times, held out\n";
  const auto line = [&](std::string_view what, const std::string& text) {
    out += fmt::format("{:<45}{}\n", what, text);
  };
  line("several nodes, blind", scored(blind, nodes));
  line("several nodes, calibrated on one", scored(calibrated(one_node), nodes));
  line("one node, blind", scored(blind, one_node));
  line("one node, hidden 1024 calibrates, 2048 told",
       scored(calibrated(of_width(kNarrow)), of_width(kWide)));
  line("one node, hidden 2048 calibrates, 1024 told",
       scored(calibrated(of_width(kWide)), of_width(kNarrow)));
  return out;
}

}  // namespace pretrain::validation
