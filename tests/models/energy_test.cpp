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

}  // namespace
}  // namespace pretrain::models
