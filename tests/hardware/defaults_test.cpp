#include "hardware/defaults.hpp"

#include <gtest/gtest.h>

#include "tests/support.hpp"

namespace pretrain::hardware {
namespace {

TEST(Defaults, ShippedTableIsValid) {
  const auto defaults = Defaults::read(shipped(embedded_files(), "defaults.csv"), "defaults.csv");
  EXPECT_EQ(defaults.lifetime_years.value, 6.0);
  EXPECT_EQ(defaults.utilization.value, 0.85);
  EXPECT_EQ(defaults.llmcarbon_lifetime_years.value, 5.0);
  EXPECT_EQ(defaults.devices_per_node.value, 8.0);
}

TEST(Defaults, EachNamesItsRow) {
  const auto defaults = Defaults::read(shipped(embedded_files(), "defaults.csv"), "defaults.csv");
  EXPECT_EQ(defaults.lifetime_years.origin.place, "defaults.csv lifetime_years");
  EXPECT_EQ(defaults.devices_per_node.origin.place, "defaults.csv devices_per_node");
  EXPECT_FALSE(defaults.utilization.origin.source.empty());
}

TEST(Defaults, NoneMayBeMissing) {
  EXPECT_EQ(diagnostic_of([] {
              Defaults::read("key,value,source,locator,checked\nutilization,0.85,s,l,read\n",
                             "mine.csv");
            }),
            "mine.csv: error: the default 'lifetime_years' is missing\n"
            "  help: add a row with this key");
}

}  // namespace
}  // namespace pretrain::hardware
