#include "models/efficiency.hpp"

#include <gtest/gtest.h>

#include "models/training_compute.hpp"
#include "models/wall_time.hpp"

namespace pretrain::models {
namespace {

constexpr auto kA100 = 312.0 * teraflops / device;

double throughput(double params) { return llmcarbon_throughput(params).in(teraflops / device); }

TEST(Efficiency, AchievedOverPeak) {
  // patterson-2021, Table 4: GPT-3 reached 24.6 TFLOP/s on a V100 with a peak of 125.
  EXPECT_NEAR(mfu_from_achieved(24.6 * teraflops / device, 125.0 * teraflops / device), 0.1968,
              1e-12);
  EXPECT_DOUBLE_EQ(mfu_from_achieved(kA100, kA100), 1.0);
}

TEST(Efficiency, LlmcarbonPolynomialByHand) {
  EXPECT_NEAR(throughput(1e9), 134.6306165353251, 1e-10);
  EXPECT_NEAR(throughput(175e9), 147.6255359161875, 1e-10);
  EXPECT_NEAR(throughput(530e9), 163.61724910159, 1e-10);
  EXPECT_NEAR(throughput(1e12), 163.0663128, 1e-10);
}

TEST(Efficiency, LlmcarbonTakesTheNearerEndOutsideItsRange) {
  EXPECT_EQ(throughput(1e6), throughput(kLlmcarbonLeastParams));
  EXPECT_EQ(throughput(0), throughput(1e9));
  EXPECT_EQ(throughput(1e13), throughput(kLlmcarbonMostParams));
  EXPECT_NEAR(throughput(1e13), 135.308873525, 1e-10);
}

TEST(Efficiency, LlmcarbonHfuIsAShareOfTheA100Peak) {
  EXPECT_NEAR(llmcarbon_hfu(175e9), 147.6255359161875 / 312.0, 1e-12);
  for (double params = 1e9; params < 2e12; params *= 1.5) {
    EXPECT_GT(llmcarbon_hfu(params), 0.4) << params;
    EXPECT_LT(llmcarbon_hfu(params), 0.6) << params;
  }
}

TEST(Efficiency, LlmcarbonMfuIsThreeQuartersOfHfu) {
  for (const double params : {1e9, 30e9, 1e12}) {
    EXPECT_DOUBLE_EQ(llmcarbon_mfu(params), 0.75 * llmcarbon_hfu(params));
  }
}

TEST(Efficiency, ImpliedMfuInvertsTheTrainingTime) {
  const Flop compute = training_compute(70e9, 1e12);
  const Devices fleet = 512.0 * device;
  const Time duration = training_time(compute, device_rate(0.43, kA100), fleet, 0.9);
  EXPECT_NEAR(implied_mfu(compute, kA100, duration * fleet, 0.9), 0.43, 1e-12);
}

TEST(Efficiency, ConvertedKeepsTheRateOfTokens) {
  constexpr double kPeak = 1e15;
  const double causal = converted_mfu(0.4, 52e9, 48e9);
  EXPECT_DOUBLE_EQ(0.4 * kPeak / 52e9, causal * kPeak / 48e9);
  EXPECT_DOUBLE_EQ(converted_mfu(0.4, 48e9, 48e9), 0.4);
}

// chowdhery-2022, Appendix B: observed tokens per second over those at the peak.
TEST(Efficiency, UtilizationOfAStep) {
  // One A100 at its peak: 312e12 FLOP a second.
  EXPECT_DOUBLE_EQ(step_mfu(312, 1e12, 1.0 * second, kA100), 1);
  EXPECT_DOUBLE_EQ(step_mfu(312, 1e12, 2.0 * second, kA100), 0.5);
  // Megatron's 1T model: 3,072 sequences of 2,048 tokens on 3,072 devices at 163 TFLOP/s of
  // hardware FLOPs (narayanan-2021, Table 1).
  const Time step = 2048 * 8e12 / 163e12 * second;
  EXPECT_NEAR(step_mfu(2048, 8e12, step, kA100), 163.0 / 312, 1e-12);
  // It agrees with that of a whole run.
  const Flop compute = training_compute(6e9, 2048 * 1000);
  EXPECT_NEAR(step_mfu(2048, 6e9, 3.0 * second, kA100),
              implied_mfu(compute, kA100, 3000.0 * second * device, 1), 1e-12);
}

}  // namespace
}  // namespace pretrain::models
