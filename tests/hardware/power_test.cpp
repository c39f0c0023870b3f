#include "hardware/power.hpp"

#include <gtest/gtest.h>

#include "hardware/device.hpp"
#include "tests/support.hpp"

namespace pretrain::hardware {
namespace {

using Scope = PowerTable::Scope;

PowerTable shipped_power() {
  return PowerTable::read(shipped(embedded_files(), "power.csv"), "power.csv");
}

TEST(PowerTable, ShippedTableIsValid) {
  const auto power = shipped_power();
  const auto devices =
      DeviceCatalogue::read(shipped(embedded_files(), "devices.csv"), "devices.csv");
  int rows = 0;
  for (const auto& one : devices.all()) {
    const auto* card = power.find(one.id, Scope::device);
    const auto* node = power.find(one.id, Scope::node);
    rows += (card != nullptr ? 1 : 0) + (node != nullptr ? 1 : 0);
    EXPECT_FALSE(card != nullptr && one.tdp && card->average > *one.tdp) << one.id;
    EXPECT_FALSE(card != nullptr && node != nullptr && card->average >= node->average) << one.id;
  }
  // Every row belongs to a device of the catalogue.
  const auto table = Table::read(shipped(embedded_files(), "power.csv"), "power.csv", {"device"});
  EXPECT_EQ(static_cast<std::size_t>(rows), table.size());
}

TEST(PowerTable, ScopesAreKeptApart) {
  const auto power = shipped_power();
  ASSERT_NE(power.find("h100-sxm", Scope::device), nullptr);
  EXPECT_EQ(power.find("h100-sxm", Scope::device)->average, 621.0 * watt / device);
  EXPECT_EQ(power.find("h100-sxm", Scope::device)->origin.place, "power.csv h100-sxm device");
  EXPECT_NE(power.find("v100", Scope::node), nullptr);
  EXPECT_EQ(power.find("v100", Scope::device), nullptr);
  EXPECT_EQ(power.find("no-such-device", Scope::node), nullptr);
}

TEST(PowerTable, ADeviceStandsOncePerScope) {
  EXPECT_EQ(problem_of([] {
              PowerTable::read(
                  "device,scope,average_w,low_w,high_w,source,locator,checked\n"
                  "x,node,1,,,s,l,read\nx,device,1,,,s,l,read\nx,node,2,,,s,l,read\n",
                  "mine.csv");
            }).what,
            "x stands twice in scope node");
}

}  // namespace
}  // namespace pretrain::hardware
