#include "models/distillation_law.hpp"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "models/core/input_error.hpp"

namespace pretrain::models {

double DistillationLaw::supervised(double params, double tokens) const {
  return irreducible + std::pow(a * std::pow(params, -alpha) + b * std::pow(tokens, -beta), gamma);
}

double DistillationLaw::distilled(double params, double tokens, double teacher_loss) const {
  // How much the teacher is ahead of what the student would learn by itself.
  const double ahead = teacher_loss / (d1 * supervised(params, tokens));
  const double follow = std::pow(1 + std::pow(ahead, 1 / f1), -c1 * f1);
  const double learnt = std::pow(
      student_a * std::pow(params, -student_alpha) + student_b * std::pow(tokens, -student_beta),
      student_gamma);
  return teacher_loss + std::pow(teacher_loss, -c0) * follow * learnt;
}

std::optional<double> DistillationLaw::tokens_for(double loss, double params,
                                                  double teacher_loss) const {
  // More tokens are never worse.
  double low = 0;
  double high = std::log(1e18);
  const auto at = [&](double log_tokens) {
    return distilled(params, std::exp(log_tokens), teacher_loss);
  };
  if (at(high) > loss) return std::nullopt;
  constexpr int kHalvings = 60;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    (at(middle) > loss ? low : high) = middle;
  }
  return std::exp(high);
}

DistillationLawTable DistillationLawTable::read(std::string_view text, std::string file) {
  DistillationLawTable result;
  result.tables_.push_back(Table::read(text, std::move(file),
                                       {"law",
                                        "irreducible",
                                        "a",
                                        "alpha",
                                        "b",
                                        "beta",
                                        "gamma",
                                        "student_a",
                                        "student_alpha",
                                        "student_b",
                                        "student_beta",
                                        "student_gamma",
                                        "c0",
                                        "c1",
                                        "d1",
                                        "f1",
                                        "students_low",
                                        "students_high",
                                        "teachers_high",
                                        "tokens_low",
                                        "tokens_high",
                                        "data",
                                        "source",
                                        "locator",
                                        "checked"}));
  const Table& table = result.tables_.front();
  if (table.size() == 0) {
    throw InputError({table.file(), 0, 0}, "no law", "keep one row at least");
  }
  result.places_.reserve(table.size());
  constexpr double kMany = 1e15;
  for (std::size_t row = 0; row < table.size(); ++row) {
    const auto number = [&](std::string_view column, double low, double high) {
      return table.required_number(row, column, low, high);
    };
    DistillationLaw law;
    law.id = table.required_text(row, "law");
    law.irreducible = number("irreducible", 0, 10);
    law.a = number("a", 1e-6, 1e9);
    law.alpha = number("alpha", 1e-3, 2);
    law.b = number("b", 1e-6, 1e9);
    law.beta = number("beta", 1e-3, 2);
    law.gamma = number("gamma", 1e-3, 2);
    law.student_a = number("student_a", 1e-6, 1e9);
    law.student_alpha = number("student_alpha", 1e-3, 2);
    law.student_b = number("student_b", 1e-6, 1e9);
    law.student_beta = number("student_beta", 1e-3, 2);
    law.student_gamma = number("student_gamma", 1e-3, 2);
    law.c0 = number("c0", 0, 10);
    law.c1 = number("c1", 0, 1e4);
    law.d1 = number("d1", 0.1, 10);
    law.f1 = number("f1", 1e-3, 10);
    law.students_low = number("students_low", 1, kMany);
    law.students_high = number("students_high", law.students_low, kMany);
    law.teachers_high = number("teachers_high", 1, kMany);
    law.tokens_low = number("tokens_low", 1, kMany);
    law.tokens_high = number("tokens_high", law.tokens_low, kMany);
    law.data = table.text(row, "data");
    result.places_.push_back(fmt::format("{} {}", table.file(), law.id));
    law.origin = table.origin(row, result.places_.back());
    result.laws_.push_back(law);
  }
  return result;
}

}  // namespace pretrain::models
