#include "hardware/site.hpp"

#include <gtest/gtest.h>

#include "tests/support.hpp"

namespace pretrain::hardware {
namespace {

constexpr std::string_view kPue =
    "provider,region,pue,source,locator,checked\n"
    ",,1.5,s,l,read\n"
    "gcp,,1.1,s,l,read\n"
    "gcp,us-east4,1.08,s,l,unverified\n";

TEST(Site, RegionBeforeProviderBeforeIndustry) {
  const auto pue = read_pue(kPue, "pue.csv");
  EXPECT_EQ(pue.find("gcp", "us-east4")->value, 1.08);
  EXPECT_EQ(pue.find("gcp", "elsewhere")->value, 1.1);
  EXPECT_EQ(pue.find("gcp", "")->value, 1.1);
  EXPECT_EQ(pue.find("aws", "us-east4")->value, 1.5);
  EXPECT_EQ(pue.find("", "")->value, 1.5);
}

TEST(Site, OriginsNameTheRow) {
  const auto pue = read_pue(kPue, "pue.csv");
  EXPECT_EQ(pue.find("gcp", "us-east4")->origin.place, "pue.csv gcp/us-east4");
  EXPECT_FALSE(pue.find("gcp", "us-east4")->origin.checked);
  EXPECT_EQ(pue.find("gcp", "")->origin.place, "pue.csv gcp");
  EXPECT_EQ(pue.find("", "")->origin.place, "pue.csv industry");
}

TEST(Site, WithoutAnIndustryRowTheRestIsUnknown) {
  const auto pue = read_pue("provider,region,pue,source,locator,checked\ngcp,,1.1,s,l,read\n", "p");
  EXPECT_EQ(pue.find("aws", ""), nullptr);
}

TEST(Site, PueBelowOneIsRefused) {
  EXPECT_EQ(problem_of([] {
              read_pue("provider,region,pue,source,locator,checked\ngcp,,0.9,s,l,read\n", "p.csv");
            }).what,
            "pue 0.9 lies outside 1 to 3");
}

TEST(Site, ASiteStandsOnce) {
  EXPECT_EQ(problem_of([] {
              read_pue(
                  "provider,region,pue,source,locator,checked\n,,1.1,s,l,read\n,,1.2,s,l,read\n",
                  "p.csv");
            }).what,
            "this provider and region stand twice");
}

TEST(Site, ShippedPueIsValid) {
  const auto pue = read_pue(shipped(embedded_files(), "pue.csv"), "pue.csv");
  const SiteValue* industry = pue.find("", "");
  ASSERT_NE(industry, nullptr);
  EXPECT_EQ(pue.find("on-premise", ""), industry);
  for (const char* provider : {"gcp", "aws", "azure"}) {
    const SiteValue* average = pue.find(provider, "");
    ASSERT_NE(average, industry) << provider;
    EXPECT_LT(average->value, industry->value) << provider;
    EXPECT_EQ(pue.find(provider, "elsewhere"), average) << provider;
  }
  EXPECT_EQ(pue.find("gcp", "us-east4")->origin.place, "pue.csv gcp/us-east4");
}

TEST(Site, ShippedOffsetsAreValid) {
  const auto offsets = read_offsets(shipped(embedded_files(), "offsets.csv"), "offsets.csv");
  EXPECT_EQ(offsets.find("gcp", "europe-west4")->value, 1.0);
  EXPECT_EQ(offsets.find("azure", "")->value, 1.0);
  EXPECT_EQ(offsets.find("aws", "us-east-1")->value, 0.0);
  EXPECT_EQ(offsets.find("aws", "us-west-2")->value, 1.0);
  EXPECT_EQ(offsets.find("country", "FRA"), nullptr) << "no provider, no claim";
  EXPECT_EQ(offsets.find("", ""), nullptr);
}

TEST(Site, OffsetsAreShares) {
  EXPECT_EQ(problem_of([] {
              read_offsets(
                  "provider,region,offset_share,source,locator,checked\ngcp,,100,s,l,read\n",
                  "o.csv");
            }).what,
            "offset_share 100 lies outside 0 to 1");
}

}  // namespace
}  // namespace pretrain::hardware
