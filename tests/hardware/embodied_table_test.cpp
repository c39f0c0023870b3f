#include "hardware/embodied_table.hpp"

#include <gtest/gtest.h>

#include <utility>

#include "hardware/device.hpp"
#include "models/embodied.hpp"
#include "tests/support.hpp"

namespace pretrain::hardware {
namespace {

EmbodiedTable shipped_footprints() {
  return EmbodiedTable::read(shipped(embedded_files(), "embodied.csv"), "embodied.csv");
}

LlmcarbonEmbodiedTable shipped_chips() {
  return LlmcarbonEmbodiedTable::read(shipped(embedded_files(), "embodied_llmcarbon.csv"),
                                      "embodied_llmcarbon.csv");
}

DeviceCatalogue shipped_devices() {
  return DeviceCatalogue::read(shipped(embedded_files(), "devices.csv"), "devices.csv");
}

TEST(EmbodiedTable, ShippedRowsAreOrdered) {
  const auto table = shipped_footprints();
  EXPECT_GE(table.all().size(), 15U);
  for (const auto& row : table.all()) {
    EXPECT_GT(row.low, Mass{}) << row.item;
    EXPECT_LE(row.low, row.mid) << row.item;
    EXPECT_LE(row.mid, row.high) << row.item;
    EXPECT_FALSE(row.boundary.empty()) << row.item;
  }
}

TEST(EmbodiedTable, ShippedRowsStandOnce) {
  const auto table = shipped_footprints();
  for (const auto& row : table.all()) EXPECT_EQ(table.find(row.item, row.scope), &row) << row.item;
}

TEST(EmbodiedTable, ItemsAreDevicesOrStandIns) {
  const auto table = shipped_footprints();
  const auto devices = shipped_devices();
  for (const auto& row : table.all()) {
    const bool stand_in = row.item.starts_with("generic-") || row.scope == EmbodiedScope::host;
    const auto match = devices.find(row.item);
    EXPECT_TRUE(stand_in || (match.device != nullptr && match.device->id == row.item)) << row.item;
  }
  for (const auto& [item, scope] : {std::pair{"generic-gpu", EmbodiedScope::card},
                                    std::pair{"generic-tpu", EmbodiedScope::device_with_host},
                                    std::pair{"host-8gpu", EmbodiedScope::host}}) {
    EXPECT_NE(table.find(item, scope), nullptr) << item;
  }
}

TEST(EmbodiedTable, ScopesAreKeptApart) {
  const auto table = shipped_footprints();
  EXPECT_NE(table.find("h100-sxm", EmbodiedScope::card), nullptr);
  EXPECT_EQ(table.find("h100-sxm", EmbodiedScope::device_with_host), nullptr);
  EXPECT_EQ(table.find("tpu-v4", EmbodiedScope::card), nullptr);
  EXPECT_EQ(table.find("no-such-device", EmbodiedScope::card), nullptr);
}

TEST(EmbodiedTable, UnorderedRangesAreRefused) {
  const auto problem = problem_of([] {
    EmbodiedTable::read(
        "item,scope,kg_low,kg,kg_high,boundary,source,locator,checked\n"
        "x,card,164,100,575,b,s,l,read\n",
        "mine.csv");
  });
  EXPECT_EQ(problem.where.column, 12U);
  EXPECT_EQ(problem.what, "kg 100 lies outside 164 to 1000000");
}

TEST(LlmcarbonEmbodiedTable, ReproducesXlm) {
  const auto chips = shipped_chips();
  Mass server;
  for (const auto& chip : chips.server()) server = server + chip.mass;
  const auto* card = chips.find("v100");
  ASSERT_NE(card, nullptr);
  const Mass hardware = 64.0 * server + 512.0 * card->mass;
  const Mass share = models::llmcarbon_embodied(hardware, 20.4 * day, 5.0 * year);
  EXPECT_NEAR(share.in(tonne) / 0.6480454698082192, 1.0, 1e-12);
}

TEST(LlmcarbonEmbodiedTable, ShippedItemsAreDevices) {
  const auto chips = shipped_chips();
  EXPECT_EQ(chips.server().size(), 4U);
  const auto devices = shipped_devices();
  for (const auto& one : devices.all()) {
    const auto* chip = chips.find(one.id);
    EXPECT_TRUE(chip == nullptr || chip->mass > Mass{}) << one.id;
  }
  EXPECT_EQ(chips.find("v100-sxm2-32")->mass, chips.find("v100")->mass);
  EXPECT_EQ(chips.find("cpu"), nullptr) << "part of the server, not a device";
}

}  // namespace
}  // namespace pretrain::hardware
