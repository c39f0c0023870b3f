#include "models/distillation_law.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/core/input_error.hpp"
#include "tests/support.hpp"

namespace pretrain::models {
namespace {

const DistillationLaw& law() {
  static const auto table = DistillationLawTable::read(
      shipped(embedded_files(), "distillation_laws.csv"), "distillation_laws.csv");
  return table.usual();
}

/// The least and the greatest loss of a student of teachers that took so much work, of any size.
struct Students {
  double least = HUGE_VAL;
  double most = 0;
};
Students students_of(double params, double tokens, double teacher_flop) {
  Students s;
  for (double teacher = 3e8; teacher < 3e9; teacher *= 1.05) {
    const double loss =
        law().distilled(params, tokens, law().supervised(teacher, teacher_flop / 6 / teacher));
    s.least = std::min(s.least, loss);
    s.most = std::max(s.most, loss);
  }
  return s;
}

TEST(DistillationLaw, MeetsWhatItsRunsShow) {
  // Busbridge et al. 2025, App. E.4, students on 20 tokens for a parameter: those of 198M all do
  // better than on the text; of 1.82B only those whose teacher took 1e21 FLOP.
  constexpr double kEach = 20;
  for (const double flop : {3e19, 1e20, 3e20, 1e21}) {
    const double small = 198e6;
    EXPECT_LT(students_of(small, kEach * small, flop).most, law().supervised(small, kEach * small));
    const double large = 1.82e9;
    const double own = law().supervised(large, kEach * large);
    if (flop < 1e21) {
      EXPECT_GT(students_of(large, kEach * large, flop).least, own) << flop;
    } else {
      EXPECT_LT(students_of(large, kEach * large, flop).least, own);
    }
  }
  // App. E.6: with endless tokens and the best teacher a student is as good as on the text, which
  // nothing in the form demands.
  constexpr double kEndless = 1e40;
  for (const double params : {1e8, 1e9, 1e10, 1e11}) {
    double best = HUGE_VAL;
    for (double teacher = law().irreducible; teacher < 3; teacher += 0.001) {
      best = std::min(best, law().distilled(params, kEndless, teacher));
    }
    EXPECT_NEAR(best / law().supervised(params, kEndless), 1, 0.01) << params;
  }
  // Sec. 5.1: in the end the text is better, the later the larger the student (Figure 8).
  double before = 0;
  for (const double params : {1e9, 3e9, 1e10}) {
    double until = 0;
    for (double tokens = 1e9; tokens < 1e15; tokens *= 1.2) {
      double best = HUGE_VAL;
      for (double teacher = law().irreducible; teacher < 3; teacher += 0.01) {
        best = std::min(best, law().distilled(params, tokens, teacher));
      }
      if (best < law().supervised(params, tokens)) until = params * tokens;
    }
    EXPECT_GT(until, before) << params;
    EXPECT_LT(until, params * 1e15) << params;
    before = until;
  }
}

TEST(DistillationLaw, HasTheLimitsOfItsForm) {
  // Sec. 4.3: an endlessly able student is its teacher; a teacher that knows nothing teaches that.
  EXPECT_NEAR(law().distilled(1e30, 1e40, 2.1), 2.1, 1e-3);
  EXPECT_NEAR(law().distilled(1e9, 1e11, 10) / 10, 1, 1e-3);
  // And a teacher can be too good: Figure 4, students of 198M on 20 tokens for a parameter.
  double best = HUGE_VAL;
  double best_teacher = 0;
  for (double teacher = 1.9; teacher < 2.8; teacher += 0.01) {
    const double loss = law().distilled(198e6, 20 * 198e6, teacher);
    if (loss < best) {
      best = loss;
      best_teacher = teacher;
    }
  }
  EXPECT_GT(law().distilled(198e6, 20 * 198e6, 1.3), best);
  EXPECT_GT(law().distilled(143e6, 320 * 143e6, 1.9), law().distilled(143e6, 320 * 143e6, 2.3));
  EXPECT_LT(best_teacher, 2.3);
}

TEST(DistillationLaw, TokensForALossGiveIt) {
  for (const double params : {5e8, 3e9, 3e10}) {
    for (const double teacher : {1.7, 1.9, 2.1}) {
      const double loss = law().distilled(params, 5e10, teacher);
      const auto tokens = law().tokens_for(loss, params, teacher);
      ASSERT_TRUE(tokens);
      EXPECT_NEAR(*tokens / 5e10, 1, 1e-6);
    }
  }
  // A weak teacher never gets it there.
  EXPECT_FALSE(law().tokens_for(2.0, 7e9, 2.4));
}

TEST(DistillationLaw, TablesThatLackSomethingSayWhat) {
  const std::string text{shipped(embedded_files(), "distillation_laws.csv")};
  const auto what = [](const std::string& table) {
    return diagnostic_of([&] { DistillationLawTable::read(table, "own.csv"); });
  };
  const auto row = text.find("busbridge-2025,");
  EXPECT_NE(what(text.substr(0, row)).find("own.csv: error: no law"), std::string::npos);
  auto wrong = text;
  wrong.replace(text.find(",0.408,"), 7, ",,");
  EXPECT_NE(what(wrong).find("own.csv:4"), std::string::npos) << what(wrong);
}

}  // namespace
}  // namespace pretrain::models
