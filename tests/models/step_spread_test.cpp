#include "models/step_spread.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>

#include "models/core/embedded.hpp"
#include "tests/support.hpp"

namespace pretrain::models {
namespace {

const std::string kHeader = "runs,meaning,half_width,rows\n";
const std::string kRows =
    "dense_gpu,,0.3,1\ndense_tpu,,0.2,1\nmoe,,0.5,1\nother,,0.4,1\nunseen_generation,,0.35,1\n"
    "chosen_plan,,0.6,1\nregression,,1.1,1\n";

StepSpread read(const std::string& text) { return StepSpread::read(text, "mine.csv"); }

StepSpread spread() { return read(kHeader + kRows); }

// Any table of the normal distribution.
TEST(StepSpread, QuantilesArePublishedOnes) {
  EXPECT_NEAR(normal_quantile(0.95), 1.6448536269514722, 1e-8);
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-8);
  EXPECT_NEAR(normal_quantile(0.995), 2.5758293035489004, 1e-8);
  EXPECT_NEAR(normal_quantile(0.999), 3.090232306167813, 1e-8);
  EXPECT_NEAR(normal_quantile(0.75), 0.6744897501960817, 1e-8);
  EXPECT_NEAR(normal_quantile(1e-9), -5.997807015007687, 1e-7);
  EXPECT_EQ(normal_quantile(0.5), 0);
}

TEST(StepSpread, QuantilesAreSymmetric) {
  for (const double p : {1e-6, 0.001, 0.02, 0.02425, 0.03, 0.2, 0.4}) {
    EXPECT_NEAR(normal_quantile(p), -normal_quantile(1 - p), 1e-8) << p;
  }
}

TEST(StepSpread, QuantilesInvertTheDistribution) {
  double before = -1e300;
  for (double p = 0.0005; p < 1; p += 0.0005) {
    const double x = normal_quantile(p);
    EXPECT_GT(x, before) << p;
    EXPECT_NEAR(0.5 * std::erfc(-x / std::sqrt(2.0)), p, 1e-8);
    before = x;
  }
}

TEST(StepSpread, LevelsScaleLikeANormal) {
  const auto s = spread();
  const auto width = [&](double level) {
    return half_width(s.width(RunClass::dense_gpu, false, false), level);
  };
  EXPECT_DOUBLE_EQ(width(0.9), 0.3);
  EXPECT_EQ(width(0), 0);
  EXPECT_NEAR(width(0.5), 0.3 * 0.6744897501960817 / 1.6448536269514722, 1e-8);
  EXPECT_NEAR(width(0.95), 0.3 * 1.959963984540054 / 1.6448536269514722, 1e-8);
  double before = 0;
  for (const double level : {0.1, 0.5, 0.8, 0.9, 0.99, 0.9999}) {
    EXPECT_GT(width(level), before);
    before = width(level);
  }
}

TEST(StepSpread, WhatIsNotKnownWidens) {
  const auto s = spread();
  const auto width = [&](RunClass run_class, bool unseen, bool chosen) {
    return half_width(s.width(run_class, unseen, chosen), 0.9);
  };
  EXPECT_DOUBLE_EQ(width(RunClass::dense_tpu, false, false), 0.2);
  EXPECT_DOUBLE_EQ(width(RunClass::dense_tpu, true, false), 0.35);
  EXPECT_DOUBLE_EQ(width(RunClass::dense_tpu, false, true), 0.6);
  // Each unknown adds its own: 0.2^2 + (0.35^2 - 0.2^2) + (0.6^2 - 0.2^2).
  EXPECT_DOUBLE_EQ(width(RunClass::dense_tpu, true, true), std::sqrt(0.4425));
  // The class is already wider than that of an unseen generation.
  EXPECT_DOUBLE_EQ(width(RunClass::moe, true, false), 0.5);
}

TEST(StepSpread, ShippedTableIsValid) {
  const auto s = read(std::string{shipped(embedded_files(), "step_spread.csv")});
  for (std::size_t i = 0; i < kRunClasses; ++i) {
    const auto name = name_of(static_cast<RunClass>(i));
    EXPECT_GT(s.of_class[i], 0.05) << name;
    EXPECT_LT(s.of_class[i], 1) << name;
  }
  EXPECT_GT(s.unseen_generation, 0.05);
  EXPECT_GT(s.chosen_plan, 0.05);
  EXPECT_GT(s.regression, s.of_class[0]);
  // Experts are the least predictable.
  EXPECT_GT(half_width(s.width(RunClass::moe, false, false), 0.9),
            half_width(s.width(RunClass::dense_gpu, false, false), 0.9));
}

TEST(StepSpread, OrderDoesNotMatter) {
  const auto s = read(kHeader +
                      "chosen_plan,,6,1\nmoe,,3,1\nunseen_generation,,5,1\nother,,4,1\n"
                      "dense_tpu,,2,1\nregression,,7,1\ndense_gpu,,1,1\n");
  EXPECT_EQ(s.of_class, (std::array{1.0, 2.0, 3.0, 4.0}));
  EXPECT_EQ(s.unseen_generation, 5);
  EXPECT_EQ(s.chosen_plan, 6);
  EXPECT_EQ(s.regression, 7);
}

TEST(StepSpread, ErrorsSayWhere) {
  EXPECT_EQ(diagnostic_of([] { read(kHeader + kRows + "sparse,,0.3,1\n"); }),
            "mine.csv:9:1: error: 'sparse' is no class of runs\n"
            "  help: dense_gpu, dense_tpu, moe, other, unseen_generation, "
            "chosen_plan or regression");
  EXPECT_EQ(diagnostic_of([] { read(kHeader + "dense_gpu,,0.3,1\n"); }),
            "mine.csv:2:1: error: a class of runs is missing\n"
            "  help: one row each: dense_gpu, dense_tpu, moe, other, unseen_generation, "
            "chosen_plan, regression");
  EXPECT_EQ(problem_of([] { read(kHeader + kRows + "moe,,0.3,1\n"); }).what, "'moe' stands twice");
  EXPECT_EQ(problem_of([] { read(kHeader + "dense_gpu,,-1,1\n"); }).what,
            "half_width -1 lies outside 0 to 10");
  const auto wide = problem_of([] { read(kHeader + "dense_gpu,,wide,1\n"); });
  EXPECT_EQ(wide.where.line, 2U);
  EXPECT_EQ(wide.where.column, 12U);
}

TEST(StepSpread, OneTwiceAndOneMissingIsAnError) {
  EXPECT_EQ(problem_of([] {
              read(kHeader +
                   "dense_gpu,,0.3,1\ndense_gpu,,0.2,1\nmoe,,0.5,1\nother,,0.4,1\n"
                   "unseen_generation,,0.35,1\nchosen_plan,,0.6,1\n");
            }).what,
            "'dense_gpu' stands twice");
}

TEST(StepSpread, NoRowsAreAnError) {
  EXPECT_EQ(problem_of([] { read(kHeader); }).what, "no classes of runs");
}

}  // namespace
}  // namespace pretrain::models
