#include "models/goodput.hpp"

#include <gtest/gtest.h>

namespace pretrain::models {
namespace {

constexpr Faults kFaults{21.9e-6, 15.0 * second, 600.0 * second, 0.93};

TEST(Goodput, MeetsTheInterruptionsOfLlama3) {
  // grattafiori-2024, Sec. 3.3.4: 466 interruptions in 54 days on 16,384 devices, more than 90%
  // of the time effective.
  const Time between = between_interruptions(16384 * device, kFaults);
  EXPECT_NEAR(between.in(hour), 54 * 24 / 466.0, 0.01);
  auto faults = kFaults;
  faults.productive = 1;
  EXPECT_NEAR(goodput(16384 * device, faults).useful, 0.9, 0.005);
}

TEST(Goodput, TheIntervalLosesLeast) {
  const Time between = 10.0 * hour;
  const Time best = checkpoint_interval(15.0 * second, between);
  EXPECT_NEAR(best.in(second), 1039.2, 0.1);
  const auto lost = [&](Time interval) {
    return 15.0 * second / interval + interval / between / 2;
  };
  for (const double off : {0.5, 0.9, 1.1, 2.0}) EXPECT_GT(lost(off * best), lost(best)) << off;
}

TEST(Goodput, SharesMakeTheWhole) {
  double before = 1;
  for (double n = 1; n < 2e5; n *= 4) {
    const auto g = goodput(n * device, kFaults);
    EXPECT_NEAR(g.useful + g.checkpoints + g.rework + g.restarts + g.other, 1, 1e-12) << n;
    for (const double share : {g.checkpoints, g.rework, g.restarts, g.other}) EXPECT_GT(share, 0);
    EXPECT_LT(g.useful, before) << "more devices fail more often";
    EXPECT_NEAR(g.checkpoints, g.rework, 1e-12) << "at the best interval both cost as much";
    before = g.useful;
  }
}

TEST(Goodput, NothingIsLostWithoutFaults) {
  const auto g = goodput(1024 * device, {0, 15.0 * second, 600.0 * second, 1});
  EXPECT_EQ(g.useful, 1);
  EXPECT_EQ(g.checkpoints + g.rework + g.restarts + g.other, 0);
  EXPECT_EQ(goodput(8 * device, {0, {}, {}, 0.5}).useful, 0.5);
  // Checkpoints that cost nothing leave only the restarts.
  EXPECT_GT(goodput(1024 * device, {1e-5, {}, 600.0 * second, 1}).useful, 0.99);
}

}  // namespace
}  // namespace pretrain::models
