#include "validation/duel.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace pretrain::validation {
namespace {

/// `groups` groups of `rows` pairs; theirs are `more` larger in all of them, and jump from group to
/// group.
std::vector<Paired> pairs_of(int groups, int rows, double more) {
  static const std::vector<std::string> kNames = [] {
    std::vector<std::string> names;
    for (int i = 0; i < 1000; ++i) names.push_back("group " + std::to_string(i));
    return names;
  }();
  std::vector<Paired> pairs;
  for (int g = 0; g < groups; ++g) {
    for (int r = 0; r < rows; ++r) {
      const double error = 0.1 + 0.01 * ((g * 7 + r * 3) % 11);
      const double swing = g % 2 == 0 ? 0.05 : -0.05;
      pairs.push_back({error, error + more + swing, kNames.at(static_cast<std::size_t>(g))});
    }
  }
  return pairs;
}

TEST(PairedBootstrap, FindsTheMeanAndKnowsWhatIsSure) {
  const auto clear = paired_bootstrap(pairs_of(40, 3, 0.1));
  ASSERT_TRUE(clear);
  EXPECT_NEAR(clear->mean, -0.1, 1e-12);
  EXPECT_LT(clear->low, clear->mean);
  EXPECT_GT(clear->high, clear->mean);
  EXPECT_TRUE(clear->won());
  const auto open = paired_bootstrap(pairs_of(6, 3, 0.01));
  ASSERT_TRUE(open);
  EXPECT_FALSE(open->won()) << "six groups that swing by 0.05 do not tell 0.01";
}

TEST(PairedBootstrap, GroupsAreDrawnWhole) {
  // More rows of the same groups say nothing more: the interval must not shrink.
  const auto few = *paired_bootstrap(pairs_of(8, 1, 0));
  const auto many = *paired_bootstrap(pairs_of(8, 50, 0));
  EXPECT_NEAR(many.high - many.low, few.high - few.low, 0.2 * (few.high - few.low));
  // More groups do.
  const auto more = *paired_bootstrap(pairs_of(400, 1, 0));
  EXPECT_LT(more.high - more.low, 0.3 * (few.high - few.low));
}

TEST(PairedBootstrap, IsTheSameEveryTime) {
  const auto pairs = pairs_of(12, 4, 0.02);
  const auto first = *paired_bootstrap(pairs);
  const auto again = *paired_bootstrap(pairs);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  EXPECT_FALSE(paired_bootstrap(pairs_of(1, 9, 0.5))) << "one group says nothing of others";
  EXPECT_FALSE(paired_bootstrap({}));
}

TEST(Wilson, IsThatOfTheBooks) {
  // Newcombe 1998, Statistics in Medicine 17, Table I, method 3.
  struct Known {
    double share, n, low, high;
  };
  for (const auto& [share, n, low, high] : std::array<Known, 4>{{{81.0 / 263, 263, 0.2553, 0.3662},
                                                                 {15.0 / 148, 148, 0.0624, 0.1605},
                                                                 {0, 20, 0, 0.1611},
                                                                 {1.0 / 29, 29, 0.0061, 0.1718}}}) {
    const auto interval = wilson(share, n);
    EXPECT_NEAR(interval.low, low, 5e-5) << share;
    EXPECT_NEAR(interval.high, high, 5e-5) << share;
  }
}

}  // namespace
}  // namespace pretrain::validation
