#include "models/scaling_law.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/core/input_error.hpp"

namespace pretrain::models {

ScalingLaw::Terms ScalingLaw::terms(double experts) const {
  if (!knows_experts()) return {a, alpha, b, beta};
  // From a start to a limit: 1/e = 1/(E - 1 + 1/(1/start - 1/max)) + 1/max.
  const double start = 1 / (1 / experts_start - 1 / experts_max);
  const double e = 1 / (1 / (experts - 1 + start) + 1 / experts_max);
  const double log_e = std::log(e);
  return {a * std::pow(e, delta), alpha - gamma * log_e, b * std::pow(e, omega),
          beta - zeta * log_e};
}

double ScalingLaw::of_params(double params, double experts) const {
  const auto t = terms(experts);
  return t.a * std::pow(params, -t.alpha);
}

double ScalingLaw::of_tokens(double tokens, double experts) const {
  const auto t = terms(experts);
  return t.b * std::pow(tokens, -t.beta);
}

double ScalingLaw::loss(double params, double tokens, double experts) const {
  return irreducible + of_params(params, experts) + of_tokens(tokens, experts);
}

std::optional<double> ScalingLaw::tokens_for(double loss, double params, double experts) const {
  const double left = loss - irreducible - of_params(params, experts);
  if (!(left > 0)) return std::nullopt;
  const auto t = terms(experts);
  return std::pow(t.b / left, 1 / t.beta);
}

std::optional<double> ScalingLaw::params_for(double loss, double tokens, double experts) const {
  const double left = loss - irreducible - of_tokens(tokens, experts);
  if (!(left > 0)) return std::nullopt;
  const auto t = terms(experts);
  return std::pow(t.a / left, 1 / t.alpha);
}

ScalingLaw::Point ScalingLaw::optimum(double flop, double experts, double flop_per) const {
  const auto t = terms(experts);
  const double product = flop / flop_per;
  const double g = std::pow(t.alpha * t.a / (t.beta * t.b), 1 / (t.alpha + t.beta));
  const double params = g * std::pow(product, t.beta / (t.alpha + t.beta));
  return {params, product / params};
}

std::optional<ScalingLaw::Point> ScalingLaw::cheapest(double loss, double experts) const {
  const double left = loss - irreducible;
  if (!(left > 0)) return std::nullopt;
  const auto t = terms(experts);
  const double of_n = left * t.beta / (t.alpha + t.beta);
  const double of_d = left * t.alpha / (t.alpha + t.beta);
  return Point{std::pow(t.a / of_n, 1 / t.alpha), std::pow(t.b / of_d, 1 / t.beta)};
}

ScalingLawTable ScalingLawTable::read(std::string_view text, std::string file) {
  ScalingLawTable result;
  result.tables_.push_back(
      Table::read(text, std::move(file),
                  {"law",           "irreducible",  "a",          "alpha",       "b",
                   "beta",          "delta",        "gamma",      "omega",       "zeta",
                   "experts_start", "experts_max",  "params_low", "params_high", "tokens_low",
                   "tokens_high",   "experts_high", "data",       "source",      "locator",
                   "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  constexpr double kMany = 1e15;
  for (std::size_t row = 0; row < table.size(); ++row) {
    ScalingLaw law;
    law.id = table.required_text(row, "law");
    law.irreducible = table.required_number(row, "irreducible", 0, 10);
    law.a = table.required_number(row, "a", 1e-6, 1e9);
    law.alpha = table.required_number(row, "alpha", 1e-3, 2);
    law.b = table.required_number(row, "b", 1e-6, 1e9);
    law.beta = table.required_number(row, "beta", 1e-3, 2);
    law.experts_high = table.number(row, "experts_high", 1, 1e6).value_or(1);
    if (law.knows_experts()) {
      law.delta = table.required_number(row, "delta", -2, 2);
      law.gamma = table.required_number(row, "gamma", -1, 1);
      law.omega = table.required_number(row, "omega", -2, 2);
      law.zeta = table.required_number(row, "zeta", -1, 1);
      law.experts_start = table.required_number(row, "experts_start", 1, 1e6);
      law.experts_max = table.required_number(row, "experts_max", law.experts_start, 1e6);
    }
    law.params_low = table.required_number(row, "params_low", 1, kMany);
    law.params_high = table.required_number(row, "params_high", law.params_low, kMany);
    law.tokens_low = table.required_number(row, "tokens_low", 1, kMany);
    law.tokens_high = table.required_number(row, "tokens_high", law.tokens_low, kMany);
    law.data = table.text(row, "data");
    result.places_.push_back(fmt::format("{} {}", table.file(), law.id));
    law.origin = table.origin(row, result.places_.back());
    result.laws_.push_back(law);
  }
  for (const bool experts : {false, true}) {
    if (std::none_of(result.laws_.begin(), result.laws_.end(),
                     [&](const ScalingLaw& law) { return law.knows_experts() == experts; })) {
      throw InputError({table.file(), 0, 0},
                       experts ? "no law that knows experts" : "no law of dense models",
                       "keep one row of each kind");
    }
  }
  return result;
}

const ScalingLaw* ScalingLawTable::find(std::string_view id) const {
  for (const auto& law : laws_) {
    if (law.id == id) return &law;
  }
  return nullptr;
}

std::vector<std::string_view> ScalingLawTable::names() const {
  std::vector<std::string_view> names;
  for (const auto& law : laws_) names.push_back(law.id);
  return names;
}

const ScalingLaw& ScalingLawTable::usual(bool experts) const {
  return *std::find_if(laws_.begin(), laws_.end(),
                       [&](const ScalingLaw& law) { return law.knows_experts() == experts; });
}

}  // namespace pretrain::models
