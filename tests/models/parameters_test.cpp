#include "models/parameters.hpp"

#include <gtest/gtest.h>

namespace pretrain::models {
namespace {

TEST(Parameters, DenseApproximationMeetsGpt3) {
  constexpr double kPublished = 174'604'259'328;  // exact count of the 96-layer model
  EXPECT_NEAR(llmcarbon_dense_params(96, 12288, 50257) / kPublished, 1.0, 0.001);
  EXPECT_DOUBLE_EQ(llmcarbon_dense_params(96, 12288, 50257), 174'563'733'504.0);
}

TEST(Parameters, DenseIsLinearInLayersAndVocabulary) {
  EXPECT_DOUBLE_EQ(llmcarbon_dense_params(64, 4096, 0), 2 * llmcarbon_dense_params(32, 4096, 0));
  EXPECT_DOUBLE_EQ(llmcarbon_dense_params(32, 4096, 1000) - llmcarbon_dense_params(32, 4096, 0),
                   1000.0 * 4096);
  EXPECT_DOUBLE_EQ(llmcarbon_dense_params(32, 8192, 0), 4 * llmcarbon_dense_params(32, 4096, 0));
}

TEST(Parameters, OneExpertIsTheDenseDecoder) {
  const double dense = llmcarbon_dense_params(24, 2048, 0);
  for (const double share : {0.0, 0.25, 0.5, 1.0}) {
    EXPECT_DOUBLE_EQ(llmcarbon_moe_params(24, 2048, 1, share), dense) << share;
  }
  EXPECT_DOUBLE_EQ(llmcarbon_moe_params(24, 2048, 64, 0), dense);
  // All layers with experts: 4 h^2 of attention and 8 h^2 for each expert.
  EXPECT_DOUBLE_EQ(llmcarbon_moe_params(24, 2048, 64, 1), 24.0 * 2048 * 2048 * (4 + 8 * 64));
}

TEST(Parameters, EachExpertAddsTheSame) {
  const double step =
      llmcarbon_moe_params(24, 2048, 9, 0.5) - llmcarbon_moe_params(24, 2048, 8, 0.5);
  EXPECT_DOUBLE_EQ(step, 0.5 * 24 * 8 * 2048.0 * 2048.0);
}

}  // namespace
}  // namespace pretrain::models
