#include "models/step_spread.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "models/core/input_error.hpp"
#include "models/core/table.hpp"

namespace pretrain::models {

namespace {

constexpr double kLevel = 0.9;
constexpr double kMost = 10;

}  // namespace

std::string_view name_of(RunClass run_class) {
  switch (run_class) {
    case RunClass::dense_gpu:
      return "dense_gpu";
    case RunClass::dense_tpu:
      return "dense_tpu";
    case RunClass::moe:
      return "moe";
    case RunClass::other:
      return "other";
  }
  return "other";
}

StepSpread StepSpread::read(std::string_view text, std::string file) {
  const auto table = Table::read(text, std::move(file), {"runs", "meaning", "half_width", "rows"});
  constexpr std::string_view kRows =
      "one row each: dense_gpu, dense_tpu, moe, other, unseen_generation, chosen_plan, regression";
  if (table.size() == 0) {
    throw InputError({table.file(), 1, 0}, "no classes of runs", std::string{kRows});
  }
  StepSpread spread;
  std::set<std::string_view> found;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto runs = table.required_text(i, "runs");
    const double width = table.required_number(i, "half_width", 0, kMost);
    if (!found.insert(runs).second) {
      table.fail(i, "runs", fmt::format("'{}' stands twice", runs), std::string{kRows});
    }
    if (runs == "unseen_generation") {
      spread.unseen_generation = width;
      continue;
    }
    if (runs == "chosen_plan") {
      spread.chosen_plan = width;
      continue;
    }
    if (runs == "regression") {
      spread.regression = width;
      continue;
    }
    std::size_t c = 0;
    while (c < kRunClasses && name_of(static_cast<RunClass>(c)) != runs) ++c;
    if (c == kRunClasses) {
      table.fail(i, "runs", fmt::format("'{}' is no class of runs", runs),
                 "dense_gpu, dense_tpu, moe, other, unseen_generation, chosen_plan or regression");
    }
    spread.of_class[c] = width;
  }
  if (found.size() != kRunClasses + 3) {
    table.fail(table.size() - 1, "runs", "a class of runs is missing", std::string{kRows});
  }
  return spread;
}

double StepSpread::width(RunClass run_class, bool unseen, bool chosen) const {
  const double base = of_class[static_cast<std::size_t>(run_class)];
  // What is unknown adds its own error to that of the class.
  const auto beyond = [&](bool unknown, double width) {
    return unknown && width > base ? width * width - base * base : 0;
  };
  return std::sqrt(base * base + beyond(unseen, unseen_generation) + beyond(chosen, chosen_plan));
}

double half_width(double half_width_90, double level) {
  if (level == kLevel) return half_width_90;
  const auto two_sided = [](double p) { return normal_quantile(0.5 + p / 2); };
  return level > 0 ? half_width_90 * two_sided(level) / two_sided(kLevel) : 0;
}

double normal_quantile(double p) {
  // Rational approximations in the middle and in the tails.
  constexpr std::array a{-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                         1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
  constexpr std::array b{-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                         6.680131188771972e+01, -1.328068155288572e+01};
  constexpr std::array c{-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                         -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
  constexpr std::array d{7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                         3.754408661907416e+00};
  constexpr double kTail = 0.02425;
  if (p < kTail || p > 1 - kTail) {
    const double q = std::sqrt(-2 * std::log(std::min(p, 1 - p)));
    const double x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
                     ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
    return p < kTail ? x : -x;
  }
  const double q = p - 0.5;
  const double r = q * q;
  return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
         (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

}  // namespace pretrain::models
