#include "planner/draws.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "planner/predicted.hpp"
#include "tests/planner/rows.hpp"

namespace pretrain::planner {
namespace {

TEST(Draws, AreStratifiedNormals) {
  constexpr std::size_t kSamples = 1000;
  const Draws draws{kSamples, 7};
  for (std::size_t input = 0; input < Draws::kInputs; ++input) {
    const auto z = draws.of(static_cast<Draws::Input>(input));
    ASSERT_EQ(z.size(), kSamples);
    const double mean = std::accumulate(z.begin(), z.end(), 0.0) / kSamples;
    double squares = 0;
    for (const double value : z) squares += value * value;
    EXPECT_NEAR(mean, 0, 0.005);
    EXPECT_NEAR(squares / kSamples, 1, 0.02);
    // As many in each tenth.
    const auto below = std::count_if(z.begin(), z.end(), [](double x) { return x < -1.2815516; });
    EXPECT_EQ(below, 100);
  }
  // Inputs are drawn on their own.
  const auto a = draws.of(Draws::step);
  const auto b = draws.of(Draws::power);
  double product = 0;
  for (std::size_t i = 0; i < kSamples; ++i) product += a[i] * b[i];
  EXPECT_NEAR(product / kSamples, 0, 0.1);
}

TEST(Draws, TheSameSeedGivesTheSame) {
  const Draws one{100, 42};
  const Draws same{100, 42};
  const Draws other{100, 43};
  const auto values = [](const Draws& draws) {
    const auto z = draws.of(Draws::pue);
    return std::vector<double>{z.begin(), z.end()};
  };
  EXPECT_EQ(values(one), values(same));
  EXPECT_NE(values(one), values(other));
}

TEST(Draws, AgreeWithTheClosedForm) {
  const Draws draws{100000, 1};
  // An open and a stated plan, a mixture, a TPU; hours solved for and given.
  for (const char* csv :
       {"architecture,device,devices,tokens_b,region\nllama-3.1-8b,H100,256,1000,FRA\n",
        "architecture,device,devices,tokens_b,region,tp,pp\nllama-3.1-70b,A100,512,1000,USA,8,2\n",
        "architecture,device,devices,tokens_b,region\nmixtral-8x7b,B200,512,1000,us-central1\n",
        "architecture,device,devices,tokens_b,region\nllama-2-7b,tpu-v5p,256,1000,us-east4\n",
        "device,device_hours,region\nH100,10000,FRA\n"}) {
    const OneRun closed{csv};
    const OneRun drawn{csv, {.draws = &draws}};
    ASSERT_TRUE(closed.ok()) << csv;
    for (const auto key : Predicted::kUncertain) {
      const auto low = closed.predicted().low(key);
      const auto high = closed.predicted().high(key);
      EXPECT_EQ(drawn.predicted()[key], closed.predicted()[key]) << "the prediction stays";
      ASSERT_EQ(drawn.predicted().low(key).has_value(), low.has_value())
          << info_of(key).name << csv;
      if (!low) continue;
      constexpr double close = 0.02;
      EXPECT_NEAR(*drawn.predicted().low(key) / *low, 1, close) << info_of(key).name << csv;
      EXPECT_NEAR(*drawn.predicted().high(key) / *high, 1, close) << info_of(key).name << csv;
    }
  }
}

}  // namespace
}  // namespace pretrain::planner
