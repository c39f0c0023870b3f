#include "models/inference.hpp"

#include <gtest/gtest.h>

namespace pretrain::models {
namespace {

constexpr ServedModel kLlama{8e9, 8e9, 1, 2, 131072};
constexpr ServingDevice kH100{989e12, 3.35e12, 80e9, 0.45, 0.45};

TEST(Inference, ReplicasHoldTheirWeights) {
  EXPECT_EQ(replica_devices(kLlama, {512, 256, 64}, kH100), 1);
  EXPECT_EQ(replica_devices({70e9, 70e9, 1, 2, 327680}, {512, 256, 64}, kH100), 4);
  EXPECT_EQ(replica_devices({405e9, 405e9, 1, 2, 516096}, {512, 256, 1}, kH100), 16);
}

TEST(Inference, ABatchMeetsMoreExperts) {
  EXPECT_EQ(weights_read(kLlama, 64), 16e9);
  const ServedModel mixtral{46.7e9, 12.9e9, 2.0 / 8, 2, 131072};
  EXPECT_NEAR(weights_read(mixtral, 1), 2 * 12.9e9, 1);
  EXPECT_NEAR(weights_read(mixtral, 64), 2 * 46.7e9, 1e3);
  EXPECT_GT(weights_read(mixtral, 4), weights_read(mixtral, 2));
}

TEST(Inference, RooflineByHand) {
  const auto time = token_time(kLlama, {512, 256, 64}, kH100);
  EXPECT_DOUBLE_EQ(time.prefill, 512 * 16e9 / (989e12 * 0.45) / 256);
  EXPECT_DOUBLE_EQ(time.decode, (16e9 + 64 * 640.0 * 131072) / (3.35e12 * 0.45) / 64);
  // One request pays for all weights; very many are bound by products.
  EXPECT_GT(token_time(kLlama, {512, 256, 1}, kH100).decode, 40 * time.decode);
  const auto crowd = token_time({8e9, 8e9, 1, 2, 0}, {512, 256, 100000}, kH100);
  EXPECT_DOUBLE_EQ(crowd.decode, 16e9 / (989e12 * 0.45));
}

TEST(Inference, MeetsWhatWasMeasured) {
  // mlenergy-2025: an 8B model on an H100, 64 requests at a time, 0.12 to 0.20 J of the GPU for a
  // generated token (as quoted elsewhere).
  const auto time = token_time(kLlama, {256, 256, 64}, kH100);
  const double joules = time.prefill * 686 + time.decode * 410;
  EXPECT_GT(joules, 0.10);
  EXPECT_LT(joules, 0.22);
}

TEST(Inference, EnergyByHand) {
  const ServingDraw draw{1000.0 * watt, 600.0 * watt, 200.0 * watt};
  const Energy token = token_energy({1e-4, 3e-4}, draw, 0.5, 1.2);
  EXPECT_NEAR(token.in(joule), 1.2 * (0.1 + 0.18 + 0.08), 1e-12);
  EXPECT_NEAR(served_energy(1e12, token) / token, 1e12, 1);
  EXPECT_DOUBLE_EQ(break_even_tokens(served_energy(5e11, token), token), 5e11);
}

}  // namespace
}  // namespace pretrain::models
