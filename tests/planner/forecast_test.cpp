#include "planner/forecast.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace pretrain::planner {
namespace {

TEST(Forecast, EvenStepsAreTold) {
  Forecast f;
  for (int i = 0; i <= 10; ++i) f.add(2.0 * i, i, 1000.0 * i);
  const auto told = f.predict(100, 0.9);
  ASSERT_TRUE(told);
  EXPECT_DOUBLE_EQ(told->step_s.mid, 2);
  EXPECT_DOUBLE_EQ(told->seconds.mid, 200);
  EXPECT_DOUBLE_EQ(told->joules->mid, 100000);
  EXPECT_LT(told->seconds.low, 200);
  EXPECT_GT(told->seconds.high, 200);
  EXPECT_LT(told->seconds.high, 220);
}

TEST(Forecast, WarmUpCountsForWhatIsPastOnly) {
  Forecast f;
  double t = 0;
  f.add(t, 0, {});
  for (int i = 1; i <= 20; ++i) f.add(t += i <= 2 ? 30 : 1, i, {});
  EXPECT_DOUBLE_EQ(*f.step_s(), 1);
  EXPECT_DOUBLE_EQ(f.steady_steps(), 18);
  EXPECT_DOUBLE_EQ(f.predict(1020, 0.9)->seconds.mid, 78 + 1000);
  EXPECT_FALSE(f.predict(1020, 0.9)->joules);
}

TEST(Forecast, IntervalShrinksToNothing) {
  Forecast f;
  std::mt19937 random{7};
  std::normal_distribution<double> step{1, 0.1};
  double t = 0;
  double width = HUGE_VAL;
  f.add(t, 0, {});
  for (int i = 1; i <= 1000; ++i) {
    f.add(t += step(random), i, {});
    if (i % 250 != 10 && i != 1000) continue;
    const auto told = f.predict(1000, 0.9);
    const double now = told->seconds.high - told->seconds.low;
    EXPECT_LT(now, width) << i;
    width = now;
  }
  EXPECT_DOUBLE_EQ(width, 0);
}

/// What it promises of runs whose steps vary, after a twentieth of them.
TEST(Forecast, HoldsWhatItPromises) {
  std::mt19937 random{42};
  int held = 0;
  constexpr int kRuns = 400;
  for (int run = 0; run < kRuns; ++run) {
    std::lognormal_distribution<double> noise{0, 0.05};
    std::bernoulli_distribution checkpoint{0.02};
    Forecast f;
    double t = 0;
    f.add(t, 0, {});
    std::optional<RunForecast> told;
    for (int i = 1; i <= 1000; ++i) {
      t += noise(random) + (checkpoint(random) ? 2 : 0);
      f.add(t, i, {});
      if (i == 50) told = f.predict(1000, 0.9);
    }
    held += t >= told->seconds.low && t <= told->seconds.high ? 1 : 0;
  }
  EXPECT_GT(held, 0.85 * kRuns);
  EXPECT_LT(held, 0.995 * kRuns);
}

TEST(Forecast, LongRunsKeepTheirMeanInLittleMemory) {
  Forecast f;
  for (int i = 0; i <= 1000000; ++i) f.add(0.5 * i, i, 10.0 * i);
  EXPECT_NEAR(*f.step_s(), 0.5, 1e-9);
  EXPECT_NEAR(*f.step_j(), 10, 1e-9);
  EXPECT_NEAR(f.steady_steps(), 1e6, 1);
}

TEST(Forecast, NothingIsToldOfTooLittle) {
  Forecast f;
  EXPECT_FALSE(f.predict(100, 0.9));
  f.add(0, 0, {});
  f.add(1, 1, {});
  f.add(1.5, 1, {});  // the same step once more
  EXPECT_FALSE(f.predict(100, 0.9));
  f.add(2, 2, {});
  f.add(3, 3, {});
  f.add(4, 4, {});
  EXPECT_TRUE(f.predict(100, 0.9));
  f.add(9, 1, {});  // it begins anew
  EXPECT_FALSE(f.predict(100, 0.9));
  EXPECT_DOUBLE_EQ(f.steps(), 1);
}

}  // namespace
}  // namespace pretrain::planner
