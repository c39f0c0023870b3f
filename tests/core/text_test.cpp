#include "models/core/text.hpp"

#include <gtest/gtest.h>

namespace pretrain {
namespace {

using Names = std::vector<std::string>;

TEST(Text, NormalizedDropsCaseAndPunctuation) {
  EXPECT_EQ(normalized("TPU-v3"), "tpuv3");
  EXPECT_EQ(normalized("tpu_v3"), "tpuv3");
  EXPECT_EQ(normalized(" TPU v3 (per chip) "), "tpuv3perchip");
  EXPECT_EQ(normalized("Zürich"), "zürich");
  EXPECT_EQ(normalized("-/. "), "");
}

TEST(Text, NormalizedIntoStaysInsideTheBuffer) {
  char buffer[4] = {'#', '#', '#', '#'};
  EXPECT_EQ(normalized_into("A-100-SXM", buffer, 3), "a10");
  EXPECT_EQ(buffer[3], '#');
  EXPECT_EQ(normalized_into("", buffer, 3), "");
}

TEST(Text, TrimmedKeepsTheInside) {
  EXPECT_EQ(trimmed(" \ta b\r "), "a b");
  EXPECT_EQ(trimmed("   "), "");
  EXPECT_EQ(trimmed(""), "");
}

TEST(Text, EqualIgnoringCase) {
  EXPECT_TRUE(equal_ignoring_case("MoE", "moe"));
  EXPECT_FALSE(equal_ignoring_case("moe", "moe "));
  EXPECT_EQ(lowered("MoE-1"), "moe-1");
}

TEST(Text, ShortenedCutsAtACharacter) {
  EXPECT_EQ(shortened("short"), "short");
  EXPECT_EQ(shortened(std::string(40, 'x')), std::string(40, 'x'));
  EXPECT_EQ(shortened(std::string(41, 'x')), std::string(40, 'x') + "...");
  EXPECT_EQ(shortened(std::string(39, 'x') + "üüü"), std::string(39, 'x') + "...");
}

TEST(Text, EditDistanceCountsSwapsOnce) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("h100", "h100"), 0U);
  EXPECT_EQ(edit_distance("h100", "h200"), 1U);
  EXPECT_EQ(edit_distance("h100", "h10"), 1U);
  EXPECT_EQ(edit_distance("h100", "1h00"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("tokens", "tokesn"), edit_distance("tokesn", "tokens"));
}

TEST(Text, NearestComesFirst) {
  EXPECT_EQ(nearest({"v100", "a100-sxm-80", "h100-sxm", "tpu-v3"}, "h100-smx", 1),
            (Names{"h100-sxm"}));
  EXPECT_EQ(nearest({"France", "Finland", "Franc"}, "FRANCE", 2), (Names{"France", "Franc"}));
}

TEST(Text, NearestPrefersNamesThatContainTheWord) {
  EXPECT_EQ(nearest({"h20", "h100-sxm", "m10"}, "h100", 1), (Names{"h100-sxm"}));
}

TEST(Text, NearestNamesEachOnce) {
  EXPECT_EQ(nearest({"a", "a", "b"}, "a", 5), (Names{"a", "b"}));
  EXPECT_EQ(nearest({}, "a", 3), Names{});
  EXPECT_EQ(nearest({"a"}, "", 3), Names{"a"});
}

TEST(Text, QuotedListReadsAsASentence) {
  EXPECT_EQ(quoted_list({"a", "b", "c"}, "or"), "'a', 'b' or 'c'");
  EXPECT_EQ(quoted_list({"a", "b"}, "and"), "'a' and 'b'");
  EXPECT_EQ(quoted_list({"a"}, "or"), "'a'");
  EXPECT_EQ(quoted_list({}, "or"), "");
}

}  // namespace
}  // namespace pretrain
