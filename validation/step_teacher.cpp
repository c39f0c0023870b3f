#include "validation/step_teacher.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "validation/score.hpp"
#include "validation/step_lessons.hpp"
#include "validation/teacher.hpp"

namespace pretrain::validation {

namespace {

using models::RunClass;

/// What is held out for a case.
std::string part_of(const Case& c, SplitMode mode) {
  return held_out_by_source(c, mode) ? "source " + c.source : "fold " + std::to_string(c.fold);
}

class Steps {
 public:
  Steps(const std::vector<Case>& scored, const std::vector<Case>& pool, SplitMode mode,
        const models::StepConstantTable& table)
      : scored_{scored},
        mode_{mode},
        table_{table},
        shipped_{table.values()},
        lessons_{step_lessons(lessons_of(scored, pool))} {}

  /// Fits each part that a scored case is in.
  void fit() {
    StepFitter fitter{lessons_.lessons, table_};
    fitter.fit();
    for (const auto& c : scored_) {
      if (c.step) constants_.try_emplace(part_of(c, mode_));
    }
    // For the intervals: the errors of all parts.
    for (const auto* c : lessons_.cases) constants_.try_emplace(part_of(*c, mode_));
    std::vector<std::map<std::string, models::StepConstants>::value_type*> parts;
    for (auto& part : constants_) parts.push_back(&part);
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
      for (std::size_t i = next++; i < parts.size(); i = next++) {
        std::vector<bool> out;
        for (const auto* c : lessons_.cases) out.push_back(part_of(*c, mode_) == parts[i]->first);
        parts[i]->second = constants_at(table_, fitter.without(out).constants);
      }
    };
    std::vector<std::thread> threads;
    const unsigned count = std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
    for (unsigned t = 1; t < count; ++t) threads.emplace_back(work);
    work();
    for (auto& thread : threads) thread.join();
  }

  StepPrediction prediction(const Case& c, const models::StepConstants& constants) const {
    return {predicted_seconds(*c.step, shipped_) / predicted_seconds(*c.step, constants), 1};
  }

  /// Errors of every lesson in the part where it is held out, by class.
  void judge() {
    for (std::size_t i = 0; i < lessons_.cases.size(); ++i) {
      const auto& c = *lessons_.cases[i];
      const auto part = part_of(c, mode_);
      const auto& lesson = lessons_.lessons[i];
      const double seconds = predicted_seconds(lesson.question, constants_.at(part));
      errors_[static_cast<std::size_t>(class_of(c))].push_back(
          {part, c.group, std::abs(std::log(seconds / lesson.seconds)), lesson.weight});
    }
  }

  /// Logarithm of the factor that holds `level` of the class's errors in the other parts; absent
  /// where they are too few.
  std::optional<double> width(RunClass run_class, const std::string& part, double level) const {
    constexpr std::size_t kLeast = 20;
    std::vector<double> values;
    std::vector<double> weights;
    std::set<std::string_view> units;
    for (const auto& e : errors_[static_cast<std::size_t>(run_class)]) {
      if (e.part == part) continue;
      values.push_back(e.error);
      weights.push_back(e.weight);
      units.insert(e.unit);
    }
    if (values.size() < kLeast) return std::nullopt;
    return weighted_quantile(values, weights, conformal_share(level, units.size()));
  }

  const models::StepConstants& constants(const Case& c) const {
    return constants_.at(part_of(c, mode_));
  }
  std::string part(const Case& c) const { return part_of(c, mode_); }

 private:
  struct Error {
    std::string part;
    std::string_view unit;  // of which another is predicted
    double error = 0;
    double weight = 0;
  };
  const std::vector<Case>& scored_;
  SplitMode mode_;
  const models::StepConstantTable& table_;
  models::StepConstants shipped_;
  StepLessons lessons_;
  std::map<std::string, models::StepConstants> constants_;
  std::array<std::vector<Error>, models::kRunClasses> errors_;
};

}  // namespace

std::vector<std::optional<StepPrediction>> learn_steps(
    const std::vector<Case>& scored, const std::vector<Case>& pool, SplitMode mode,
    const models::StepConstantTable& table, const models::StepSpread& spread, double level) {
  std::vector<std::optional<StepPrediction>> result(scored.size());
  const bool any = std::any_of(scored.begin(), scored.end(),
                               [](const Case& c) { return c.step && c.planner_rate > 0; });
  if (!any) return result;
  const auto shipped_width = [&](const Case& c) {
    return models::half_width(spread.width(class_of(c), c.step->unseen, c.step->chosen), level);
  };
  if (mode == SplitMode::none) {
    for (std::size_t i = 0; i < scored.size(); ++i) {
      if (scored[i].step) result[i] = {1, std::exp(shipped_width(scored[i]))};
    }
    return result;
  }
  Steps steps{scored, pool, mode, table};
  steps.fit();
  steps.judge();
  std::map<std::pair<RunClass, std::string>, std::optional<double>> widths;
  for (std::size_t i = 0; i < scored.size(); ++i) {
    const auto& c = scored[i];
    if (!c.step) continue;
    auto prediction = steps.prediction(c, steps.constants(c));
    const auto key = std::pair{class_of(c), steps.part(c)};
    const auto [found, added] = widths.try_emplace(key);
    if (added) found->second = steps.width(key.first, key.second, level);
    prediction.factor = std::exp(found->second.value_or(shipped_width(c)));
    result[i] = prediction;
  }
  return result;
}

}  // namespace pretrain::validation
