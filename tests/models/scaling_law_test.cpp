#include "models/scaling_law.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "models/core/input_error.hpp"
#include "tests/support.hpp"

namespace pretrain::models {
namespace {

const ScalingLawTable& shipped_laws() {
  static const auto table =
      ScalingLawTable::read(shipped(embedded_files(), "scaling_laws.csv"), "scaling_laws.csv");
  return table;
}

TEST(ScalingLaw, MeetsPublishedValues) {
  const auto* hoffmann = shipped_laws().find("hoffmann-2022");
  ASSERT_NE(hoffmann, nullptr);
  // Besiroglu et al.: the optimum of Chinchilla's work has about 20 tokens for a parameter.
  const auto& besiroglu = shipped_laws().usual(false);
  EXPECT_EQ(besiroglu.id, "besiroglu-2024");
  const auto best = besiroglu.optimum(5.76e23);
  EXPECT_GT(best.tokens / best.params, 15);
  EXPECT_LT(best.tokens / best.params, 30);
  // Muennighoff et al. 2023, App. B: the law of Hoffmann et al. has 40B parameters there.
  EXPECT_NEAR(hoffmann->optimum(5.76e23).params, 40e9, 1e9);
  // Ludziejewski et al. 2025, Table 4: as powers of N and D for a number of experts.
  struct Reduced {
    double experts, m, mu, n, nu;
  };
  const auto& experts = shipped_laws().usual(true);
  for (const auto& r :
       {Reduced{1, 30.3640, 0.1817, 53.9838, 0.1965}, Reduced{4, 24.8462, 0.1731, 87.7022, 0.2192},
        Reduced{8, 21.8330, 0.1676, 119.9126, 0.2338},
        Reduced{32, 16.5424, 0.1557, 234.6726, 0.2652}}) {
    EXPECT_NEAR(experts.of_params(1, r.experts) / r.m, 1, 0.003);
    EXPECT_NEAR(experts.of_tokens(1, r.experts) / r.n, 1, 0.003);
    EXPECT_NEAR(std::log(experts.of_params(1, r.experts) / experts.of_params(M_E, r.experts)), r.mu,
                2e-4);
    EXPECT_NEAR(std::log(experts.of_tokens(1, r.experts) / experts.of_tokens(M_E, r.experts)), r.nu,
                2e-4);
  }
  // Table 1: the least loss for 1e21 FLOP with 8 experts, 3.8B on 44.3B tokens.
  const auto sparse = experts.optimum(1e21, 8);
  EXPECT_NEAR(sparse.params / 3.8e9, 1, 0.02);
  EXPECT_NEAR(sparse.tokens / 44.3e9, 1, 0.02);
}

TEST(ScalingLaw, OptimumIsALeast) {
  for (const auto& law : shipped_laws().all()) {
    for (const double experts : {1.0, 8.0}) {
      if (experts > law.experts_high) continue;
      for (const double flop : {1e21, 1e23, 1e25}) {
        const auto best = law.optimum(flop, experts);
        EXPECT_NEAR(6 * best.params * best.tokens / flop, 1, 1e-9);
        const double least = law.loss(best.params, best.tokens, experts);
        for (const double off : {0.7, 0.95, 1.05, 1.4}) {
          EXPECT_GT(law.loss(off * best.params, best.tokens / off, experts), least) << law.id;
        }
        // And no less work reaches that loss.
        const auto again = law.cheapest(least, experts);
        ASSERT_TRUE(again);
        EXPECT_NEAR(again->params / best.params, 1, 1e-6);
        EXPECT_NEAR(again->tokens / best.tokens, 1, 1e-6);
      }
    }
  }
}

TEST(ScalingLaw, TokensForALossGiveIt) {
  const auto& law = shipped_laws().usual(false);
  const auto tokens = law.tokens_for(2.0, 13e9);
  ASSERT_TRUE(tokens);
  EXPECT_NEAR(law.loss(13e9, *tokens), 2.0, 1e-9);
  for (const double experts : {1.0, 8.0, 32.0}) {
    const auto& sparse = shipped_laws().usual(true);
    const double loss = sparse.loss(2e9, 5e10, experts);
    EXPECT_NEAR(sparse.params_for(loss, 5e10, experts).value_or(0) / 2e9, 1, 1e-9);
    EXPECT_NEAR(sparse.tokens_for(loss, 2e9, experts).value_or(0) / 5e10, 1, 1e-9);
  }
  EXPECT_FALSE(law.params_for(1.9, 1e9));
  // Too small for that, whatever it reads; and below what any model reaches.
  EXPECT_FALSE(law.tokens_for(1.9, 1e9));
  EXPECT_FALSE(law.cheapest(1.8));
}

TEST(ScalingLaw, ExpertsHelpAtEqualWork) {
  const auto& law = shipped_laws().usual(true);
  EXPECT_EQ(law.id, "ludziejewski-2025");
  for (const double params : {2e8, 1e9, 2.5e9}) {
    double before = law.loss(params, 20 * params);
    for (const double experts : {2.0, 4.0, 8.0, 16.0, 32.0}) {
      const double now = law.loss(params, 20 * params, experts);
      EXPECT_LT(now, before) << params << " " << experts;
      before = now;
    }
  }
}

TEST(ScalingLaw, TablesThatLackSomethingSayWhat) {
  const std::string head =
      "law,irreducible,a,alpha,b,beta,delta,gamma,omega,zeta,experts_start,experts_max,params_low,"
      "params_high,tokens_low,tokens_high,experts_high,data,source,locator,checked\n";
  const std::string row = "x,1.8,400,0.3,400,0.3,,,,,,,1e7,1e10,1e9,1e12,1,web,me,here,read\n";
  try {
    ScalingLawTable::read(head + row, "own.csv");
    FAIL();
  } catch (const InputError& e) {
    EXPECT_NE(std::string{e.what()}.find("no law that knows experts"), std::string::npos);
  }
}

}  // namespace
}  // namespace pretrain::models
