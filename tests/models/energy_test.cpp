#include "models/energy.hpp"

#include <gtest/gtest.h>

namespace pretrain::models {
namespace {

constexpr auto kWatt = watt / device;

TEST(Energy, MeetsThePublishedGpt3) {
  // patterson-2021, Table 4: 330 W with host, 10,000 V100, 14.8 days, PUE 1.10, 1287 MWh.
  const Energy node = energy_used(330.0 * kWatt, 10000.0 * device * (14.8 * day));
  EXPECT_NEAR(facility_energy(node, 1.10).in(megawatt_hour) / 1287, 1.0, 0.005);
  EXPECT_NEAR(node.in(kilowatt_hour), 14.8 * 24 * 10000 * 330 / 1000, 1e-6);
}

TEST(Energy, LinearInPowerAndTime) {
  const Energy once = energy_used(400.0 * kWatt, 8.0 * device * hour);
  EXPECT_DOUBLE_EQ(once.in(kilowatt_hour), 3.2);
  EXPECT_DOUBLE_EQ(energy_used(800.0 * kWatt, 8.0 * device * hour) / once, 2.0);
  EXPECT_DOUBLE_EQ(energy_used(400.0 * kWatt, 8.0 * device * (3.0 * hour)) / once, 3.0);
}

TEST(Energy, AnIdealFacilityAddsNothing) {
  const Energy node = 5.0 * megawatt_hour;
  EXPECT_EQ(facility_energy(node, 1.0), node);
  EXPECT_DOUBLE_EQ(facility_energy(node, 1.58) / node, 1.58);
}

TEST(Energy, DeviceDrawIsAShareOfTheLimit) {
  // bradbury-2025: 621 W of a limit of 700 W, Olmo 3 7B on H100.
  EXPECT_NEAR(device_draw(0.887, 700.0 * kWatt).in(kWatt), 621.0, 0.5);
  EXPECT_EQ(device_draw(1.0, 700.0 * kWatt), 700.0 * kWatt);
}

TEST(Energy, DeviceShareInvertsNodeDraw) {
  const DevicePower card = 621.0 * kWatt;
  EXPECT_DOUBLE_EQ(node_draw(card, 1.44).in(kWatt), 894.24);
  EXPECT_DOUBLE_EQ(device_share_of_node(node_draw(card, 1.44), 1.44) / card, 1.0);
  EXPECT_EQ(node_draw(card, 1.0), card);
  EXPECT_EQ(device_share_of_node(card, 1.0), card);
}

TEST(Energy, NodeDrawOfAnH100Server) {
  // newkirk-2025, abstract: 76% of the 10.2 kW rating of an 8-GPU server.
  EXPECT_DOUBLE_EQ(node_draw_of_rating(10200.0 * watt, 8.0 * device, 0.76).in(kWatt), 969.0);
}

TEST(Energy, DrawScalesWithTheLimit) {
  EXPECT_DOUBLE_EQ(draw_at_limit(621.0 * kWatt, 350.0 * kWatt, 700.0 * kWatt).in(kWatt), 310.5);
  EXPECT_EQ(draw_at_limit(621.0 * kWatt, 700.0 * kWatt, 700.0 * kWatt), 621.0 * kWatt);
}

}  // namespace
}  // namespace pretrain::models
