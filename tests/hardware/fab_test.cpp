#include "hardware/fab.hpp"

#include <gtest/gtest.h>

#include "hardware/device.hpp"
#include "tests/support.hpp"

namespace pretrain::hardware {
namespace {

FabTable shipped_fab() { return FabTable::read(shipped(embedded_files(), "fab.csv"), "fab.csv"); }

TEST(Fab, KnowsTheNodesOfTheCatalogue) {
  const auto devices =
      DeviceCatalogue::read(shipped(embedded_files(), "devices.csv"), "devices.csv");
  const auto fab = shipped_fab();
  for (const auto& one : devices.all()) {
    if (one.process_node.empty() || one.id == "ascend-910b") continue;  // N+1: not TSMC's
    EXPECT_NE(fab.find(one.process_node), nullptr) << one.id << " " << one.process_node;
  }
  EXPECT_EQ(fab.find("N5/N6"), fab.find("4N"));
  EXPECT_EQ(fab.find("90nm"), nullptr);
}

TEST(Fab, NewerNodesTakeMore) {
  const auto fab = shipped_fab();
  const auto energy = [&](std::string_view node) { return fab.find(node)->process.kwh_per_cm2; };
  EXPECT_LT(energy("14nm"), energy("7nm"));
  EXPECT_LT(energy("7nm"), energy("5nm"));
  EXPECT_LT(energy("5nm"), energy("3nm"));
}

TEST(Fab, WhatIsMissingIsNamed) {
  EXPECT_EQ(diagnostic_of([] {
              FabTable::read(
                  "item,names,epa_kwh_per_cm2,gpa_kg_per_cm2,mpa_kg_per_cm2,kg_low,kg,kg_high,"
                  "source,locator,checked\nyield,,,,,0.8,0.9,1,s,l,read\n",
                  "fab.csv");
            }),
            "fab.csv: error: 'fab_grid' is missing\n  help: add a row with this item");
}

}  // namespace
}  // namespace pretrain::hardware
