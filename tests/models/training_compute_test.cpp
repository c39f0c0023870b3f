#include "models/training_compute.hpp"

#include <gtest/gtest.h>

namespace pretrain::models {
namespace {

TEST(TrainingCompute, MeetsThePublishedGpt3) {
  constexpr double kPublished = 3.14e23;  // patterson-2021, Table 4; counts attention as well
  EXPECT_NEAR(training_compute(174.6e9, 300e9).in(flop) / kPublished, 1.0, 0.01);
}

TEST(TrainingCompute, LinearInParametersAndTokens) {
  const Flop once = training_compute(7e9, 1e12);
  EXPECT_DOUBLE_EQ(training_compute(7e9, 5e12) / once, 5.0);
  EXPECT_DOUBLE_EQ(training_compute(21e9, 1e12) / once, 3.0);
}

TEST(TrainingCompute, NothingCostsNothing) {
  EXPECT_EQ(training_compute(0, 1e12), 0.0 * flop);
  EXPECT_EQ(training_compute(7e9, 0), 0.0 * flop);
  EXPECT_DOUBLE_EQ(training_compute(1, 1).in(flop), kFlopPerParamToken);
}

TEST(TrainingCompute, TokensReachedInvertsIt) {
  for (const double tokens : {1.0, 3e11, 1.5e13}) {
    EXPECT_DOUBLE_EQ(tokens_reached(training_compute(70e9, tokens), 70e9), tokens);
  }
  EXPECT_DOUBLE_EQ(tokens_reached(0.0 * flop, 70e9), 0.0);
}

}  // namespace
}  // namespace pretrain::models
