#include "models/state_space.hpp"

#include <gtest/gtest.h>

#include "tests/models/architectures.hpp"

namespace pretrain::models {
namespace {

/// A mixer of linear attention with 16 key and 32 value heads of 128 (Qwen3-Next).
Architecture delta_net() {
  Architecture a;
  a.hidden = 2048;
  a.state_space = StateSpace::gated_delta_net;
  a.ssm_inner = 4096;
  a.ssm_heads = 32;
  a.ssm_state = 128;
  a.ssm_groups = 16;
  a.ssm_conv = 4;
  return a;
}

/// Of Kimi Linear.
Architecture kimi() {
  auto a = delta_net();
  a.hidden = 2304;
  a.state_space = StateSpace::kimi_delta_attention;
  a.ssm_groups = 32;
  return a;
}

/// Of Jamba-v0.1.
Architecture jamba() {
  Architecture a;
  a.hidden = 4096;
  a.state_space = StateSpace::mamba1;
  a.ssm_inner = 8192;
  a.ssm_state = 16;
  a.ssm_groups = 1;
  a.ssm_conv = 4;
  return a;
}

TEST(StateSpace, ParametersOfEachMixerByHand) {
  // x and gate 4096 each, B and C of 8 groups, a step of each head; 4 taps and a bias; norm.
  EXPECT_EQ(state_space_parameters(nemotron_3_nano()),
            2688 * (8192 + 2048 + 64.0) + (4096 + 2048) * 5.0 + 3 * 64 + 4096 + 4096 * 2688.0);
  EXPECT_EQ(state_space_parameters(delta_net()),
            2048 * (8192 + 4096 + 64.0) + (4096 + 4096) * 4.0 + 2 * 32 + 128 + 4096 * 2048.0);
  EXPECT_EQ(state_space_parameters(kimi()), 3 * 2304 * 4096.0 + 2 * 128 * (2304 + 4096.0) +
                                                2304 * 32.0 + 4096 * 2304.0 + 3 * 4096 * 4.0 + 32 +
                                                4096 + 128);
  // Step of rank 4096 / 16; norms of step, B and C.
  EXPECT_EQ(state_space_parameters(jamba()), 2 * 4096 * 8192.0 + 8192 * (256 + 32.0) +
                                                 256 * 8192.0 + 8192 * 4096.0 + 8192 * 5.0 +
                                                 8192 * 16.0 + 2 * 8192 + 256 + 32);
}

TEST(StateSpace, WorkOfNemotronNanoByHand) {
  const auto work = state_space_work(nemotron_3_nano());
  EXPECT_EQ(work.convolution, 2 * 4 * (4096 + 2048.0));
  // Chunks of 128: C B^T of 8 groups, scores times x, into the state and out of it, passing it on.
  EXPECT_EQ(work.scan, 2 * 128 * 128 * 8.0 + 2 * 128 * 4096.0 + 4 * 128 * 4096.0 + 2 * 4096.0);
  EXPECT_EQ(work.total(), work.convolution + work.scan);
}

TEST(StateSpace, WorkOfTheDeltaRuleByHand) {
  // Chunks of 64, 32 heads: three products with keys, two with values, three with the state, and
  // the inverse of a triangle.
  EXPECT_DOUBLE_EQ(state_space_work(delta_net()).scan,
                   32 * (3 * 2 * 64 * 128 + 2 * 2 * 64 * 128 + 3 * 2 * 128 * 128 + 64 * 64 / 3.0));
  EXPECT_EQ(state_space_work(jamba()).scan, 6 * 16 * 8192.0);
}

TEST(StateSpace, WorkIsSmallBesideTheProjections) {
  for (const auto& a : {nemotron_3_nano(), delta_net(), kimi(), jamba()}) {
    double weights = 0;
    for (const auto& projection : state_space_projections(a)) weights += projection.weights();
    EXPECT_LT(state_space_work(a).total(), 0.15 * 2 * weights) << name_of(a.state_space);
    EXPECT_NEAR(weights / state_space_parameters(a), 1, 0.01) << name_of(a.state_space);
  }
}

TEST(StateSpace, TheScanIsBoundByMemory) {
  // An H100 does 989 TFLOP/s and reads 3.35 TB/s: 295 FLOP for each byte.
  constexpr double kBalance = 295;
  for (const auto& a : {nemotron_3_nano(), delta_net(), kimi(), jamba()}) {
    const double bytes = state_space_bytes(a);
    EXPECT_GT(bytes, 4 * a.ssm_inner) << name_of(a.state_space);
    EXPECT_LT(state_space_work(a).total() / bytes, kBalance) << name_of(a.state_space);
  }
  // Convolution; x, B, C and result in half precision; states four times, steps and scores.
  EXPECT_EQ(state_space_bytes(nemotron_3_nano()),
            4 * (4096 + 2048.0) + 6 * 4096 + 8 * 1024 + 12 * 4096.0 + 26 * 64 + 8 * 8 * 128.0);
}

TEST(StateSpace, WithoutAMixerThereIsNothing) {
  const auto a = gpt(12, 768, 12, 50257);
  EXPECT_EQ(state_space_parameters(a), 0);
  EXPECT_EQ(state_space_work(a).total(), 0);
  EXPECT_EQ(state_space_bytes(a), 0);
}

TEST(BlockKinds, OfEveryStackAddUp) {
  const auto plain = block_kinds(gpt(12, 768, 12, 50257));
  ASSERT_EQ(plain.size(), 1U);
  EXPECT_EQ(plain[0].mixer, Mixer::attention);
  EXPECT_EQ(plain[0].ffn, FeedForward::dense);
  EXPECT_EQ(plain[0].count, 12);

  const auto deepseek = block_kinds(deepseek_v3());
  ASSERT_EQ(deepseek.size(), 2U);
  EXPECT_EQ(deepseek[0].count, 3);
  EXPECT_EQ(deepseek[1].ffn, FeedForward::experts);
  EXPECT_EQ(deepseek[1].count, 58);

  // Each block of Nemotron has one part.
  const auto nano = block_kinds(nemotron_3_nano());
  ASSERT_EQ(nano.size(), 3U);
  EXPECT_EQ(nano[0].mixer, Mixer::state_space);
  EXPECT_EQ(nano[0].ffn, FeedForward::none);
  EXPECT_EQ(nano[0].count, 23);
  EXPECT_EQ(nano[1].mixer, Mixer::attention);
  EXPECT_EQ(nano[1].count, 6);
  EXPECT_EQ(nano[2].mixer, Mixer::none);
  EXPECT_EQ(nano[2].ffn, FeedForward::experts);
  EXPECT_EQ(nano[2].count, 23);

  // Those of Kimi Linear have two, the first a dense layer.
  auto both = kimi();
  both.layers = 27;
  both.ssm_layers = 20;
  both.moe_layers = 26;
  const auto kinds = block_kinds(both);
  ASSERT_EQ(kinds.size(), 3U);
  EXPECT_EQ(kinds[0].ffn, FeedForward::dense);
  EXPECT_EQ(kinds[0].mixer, Mixer::state_space);
  EXPECT_EQ(kinds[0].count, 1);
  EXPECT_EQ(kinds[1].count, 19);
  EXPECT_EQ(kinds[2].mixer, Mixer::attention);
  EXPECT_EQ(kinds[2].count, 7);
}

}  // namespace
}  // namespace pretrain::models
