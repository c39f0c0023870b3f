#include "models/phases.hpp"

#include <gtest/gtest.h>

namespace pretrain::models {
namespace {

TEST(Phases, DevelopmentIsAShareOfAll) {
  EXPECT_EQ(development_factor(0), 0);
  EXPECT_DOUBLE_EQ(development_factor(0.5), 1);
  // luccioni-2022, Table 5: the final run took 37.24% of all energy of BLOOM.
  EXPECT_NEAR(433196 * (1 + development_factor(0.6276)), 1163088, 300);
}

TEST(Phases, TrialsAddUp) {
  EXPECT_DOUBLE_EQ(trials_factor(100, 0.01), 1);
  EXPECT_DOUBLE_EQ(trials_factor(100, 0.02) / trials_factor(30, 0.02), 100.0 / 30);
}

TEST(Phases, StoredBytesOfBloom) {
  // bekman-2022: a checkpoint of 2.3 TB, 1.5 TB of text for 350e9 tokens.
  const Bytes checkpoint = stored_bytes({176e9, 13.1, 1, 0, 0});
  EXPECT_NEAR(checkpoint.in(1e12 * byte), 2.3, 0.01);
  EXPECT_NEAR(stored_bytes({0, 0, 0, 350e9, 4.3}).in(1e12 * byte), 1.5, 0.01);
}

TEST(Phases, StorageByHand) {
  const Bytes kept = 10e12 * byte;
  // 10 TB in 1.4 copies at 0.65 W for a year.
  EXPECT_NEAR(storage_energy(kept, 1.4, 0.65, 1.0 * year).in(kilowatt_hour), 10 * 1.4 * 0.65 * 8.76,
              1e-9);
  EXPECT_DOUBLE_EQ(storage_embodied(kept, 1.4, 2, 1.0 * year, 5.0 * year).in(kilogram), 5.6);
}

TEST(Phases, BuildingIsSharedByEnergy) {
  // 1 MW for its whole life of 20 years: all of 1000 t.
  const Energy used = 1e6 * watt * (20.0 * year);
  EXPECT_NEAR(building_share(used, 1000, 20.0 * year).in(tonne), 1000, 1e-9);
}

TEST(Phases, CostFollowsThePrice) {
  EXPECT_DOUBLE_EQ(cost_of_hours(1000.0 * hour * device, 2.5), 2500);
  EXPECT_DOUBLE_EQ(cost_of_energy(2.0 * megawatt_hour, 0.1), 200);
}

}  // namespace
}  // namespace pretrain::models
