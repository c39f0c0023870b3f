#include "models/embodied.hpp"

#include <gtest/gtest.h>

namespace pretrain::models {
namespace {

TEST(Embodied, LlmcarbonXlm) {
  // mlcarbon-code, data/hardware.csv: 64 servers with 512 V100, 20.4 days of 5 years.
  constexpr double kServer = 1.47 * 1.0 + 256 * 0.4 + 32768 * 0.018 + 111.6 * 1.2;
  constexpr double kV100 = 8.15 * 1.2;
  const Mass chips = (64 * kServer + 512 * kV100) * kilogram;
  const double share = llmcarbon_embodied(chips, 20.4 * day, 5.0 * year).in(tonne);
  EXPECT_NEAR(share / 0.6480454698082192, 1.0, 1e-12);          // what its code computes
  EXPECT_NEAR(share / 0.66 - 1, -0.018112924533001284, 1e-12);  // against the reported 0.66 t
}

TEST(Embodied, LlmcarbonCountsAWholeLifeOnce) {
  EXPECT_EQ(llmcarbon_embodied(3.0 * tonne, 5.0 * year, 5.0 * year), 3.0 * tonne);
  EXPECT_EQ(llmcarbon_embodied(3.0 * tonne, Time{}, 5.0 * year), Mass{});
}

TEST(Embodied, AmortizedMeetsBloom) {
  // luccioni-2022, Sec. 4.1: 1.08 million GPU hours, 6 years, 85% used; 150 kg per GPU are
  // 3.64 t, 2500 kg per server of eight are 7.57 t.
  const DeviceTime booked = 1.08e6 * hour * device;
  const Mass cards = amortized_embodied(150.0 * kilogram / device, booked, 6.0 * year, 0.85);
  EXPECT_NEAR(cards.in(tonne) / 3.64, 1.0, 0.005);
  const Mass servers =
      amortized_embodied(2500.0 * kilogram / (8.0 * device), booked, 6.0 * year, 0.85);
  EXPECT_NEAR(servers.in(tonne) / 7.57, 1.0, 0.005);
}

TEST(Embodied, IdleTimeIsCarriedByTheUsed) {
  const DeviceMass card = 164.0 * kilogram / device;
  const DeviceTime booked = 1000.0 * day * device;
  const Mass always = amortized_embodied(card, booked, 6.0 * year, 1.0);
  EXPECT_DOUBLE_EQ(amortized_embodied(card, booked, 6.0 * year, 0.5) / always, 2.0);
  // Booked for its whole life and never idle: all of it.
  EXPECT_DOUBLE_EQ(amortized_embodied(card, 6.0 * year * device, 6.0 * year, 1.0).in(kilogram),
                   164.0);
}

TEST(Embodied, CardCarriesItsShareOfTheHost) {
  const DeviceMass card = 150.0 * kilogram / device;
  EXPECT_DOUBLE_EQ(card_with_host(card, 2500.0 * kilogram, 8.0 * device).in(kilogram / device),
                   462.5);
  EXPECT_EQ(card_with_host(card, Mass{}, 8.0 * device), card);
}

TEST(Embodied, ActMeetsItsPublishedNodes) {
  // ACT with its defaults: Taiwan's grid, 97% of the gases abated, a yield of 0.875.
  const auto fab = 0.583 * kilogram / kilowatt_hour;
  EXPECT_NEAR(carbon_per_cm2({0.9, 0.1375, 0.5}, fab, 0.875), 1.3282, 1e-4);   // 28 nm
  EXPECT_NEAR(carbon_per_cm2({2.15, 0.275, 0.5}, fab, 0.875), 2.3182, 1e-4);   // 7 nm
  EXPECT_NEAR(carbon_per_cm2({2.75, 0.3275, 0.5}, fab, 0.875), 2.7780, 1e-4);  // 5 nm
  EXPECT_NEAR(carbon_per_cm2({3.25, 0.3725, 0.5}, fab, 0.875), 3.1626, 1e-4);  // 3 nm
}

TEST(Embodied, MurphyYieldFallsWithTheArea) {
  EXPECT_EQ(murphy_yield(Area{}, 0.1), 1);
  EXPECT_EQ(murphy_yield(8.0 * cm2, 0), 1);
  EXPECT_NEAR(murphy_yield(8.26 * cm2, 0.1), 0.463, 0.001);
  EXPECT_GT(murphy_yield(1.0 * cm2, 0.1), murphy_yield(2.0 * cm2, 0.1));
}

TEST(Embodied, ActChipsOfAnA100) {
  // 8.26 cm2 at 7 nm, 40 GB at 0.074 kg, four packages of 0.15 kg.
  const Mass chips = chips_carbon(8.26 * cm2, 2.3182, 40, 0.074, 4, 0.15 * kilogram);
  EXPECT_NEAR(chips.in(kilogram), 8.26 * 2.3182 + 2.96 + 0.6, 1e-9);
}

TEST(Embodied, CardsAreAFewTimesTheirChips) {
  // falk-2025: 127.6 kg for an A100 of 40 GB.
  const Mass chips = chips_carbon(8.26 * cm2, 2.3182, 40, 0.074, 4, 0.15 * kilogram);
  EXPECT_NEAR(card_of_chips(chips, 5.3).in(kilogram) / 127.6, 1, 0.1);
}

}  // namespace
}  // namespace pretrain::models
