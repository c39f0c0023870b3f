#include "models/carbon.hpp"

#include <gtest/gtest.h>

namespace pretrain::models {
namespace {

TEST(Carbon, OperationalMeetsThePublishedGpt3) {
  // patterson-2021, Table 4: 1287 MWh at 0.429 kg/kWh are 552.1 t.
  const Mass emitted = operational_carbon(1287.0 * megawatt_hour, 429.0 * gram / kilowatt_hour);
  EXPECT_NEAR(emitted.in(tonne), 552.1, 0.1);
}

TEST(Carbon, TonnesPerMegawattHourAreKilogramsPerKilowattHour) {
  const auto intensity = 0.385 * kilogram / kilowatt_hour;
  EXPECT_DOUBLE_EQ(operational_carbon(1.0 * megawatt_hour, intensity).in(tonne), 0.385);
  EXPECT_DOUBLE_EQ(operational_carbon(1.0 * kilowatt_hour, intensity).in(kilogram), 0.385);
}

TEST(Carbon, CleanElectricityEmitsNothing) {
  EXPECT_EQ(operational_carbon(5.0 * megawatt_hour, CarbonIntensity{}), Mass{});
}

TEST(Carbon, OffsetIsAShareAndSubtractsNothing) {
  const Mass emitted = 12.0 * tonne;
  EXPECT_EQ(offset_carbon(emitted, Fraction::of(0)), Mass{});
  EXPECT_EQ(offset_carbon(emitted, Fraction::of(1)), emitted);
  EXPECT_DOUBLE_EQ(offset_carbon(emitted, Fraction::of(0.25)).in(tonne), 3.0);
  EXPECT_EQ(emitted, 12.0 * tonne);
}

TEST(Carbon, MarketBasedStandsBeside) {
  const Energy used = 100.0 * megawatt_hour;
  EXPECT_EQ(market_carbon(used, CarbonIntensity{}), Mass{});
  EXPECT_DOUBLE_EQ(market_carbon(used, 0.094 * kilogram / kilowatt_hour).in(tonne), 9.4);
}

TEST(Carbon, UnmatchedIsTheRest) {
  const Mass emitted = 12.0 * tonne;
  EXPECT_DOUBLE_EQ(unmatched_carbon(emitted, Fraction::of(0.88)).in(tonne), 1.44);
  EXPECT_EQ(unmatched_carbon(emitted, Fraction::of(0)), emitted);
  EXPECT_EQ(unmatched_carbon(emitted, Fraction::of(1)), Mass{});
}

TEST(Carbon, TotalIsTheSum) {
  EXPECT_DOUBLE_EQ(total_carbon(25.0 * tonne, 11.2 * tonne).in(tonne), 36.2);
  EXPECT_EQ(total_carbon(25.0 * tonne, Mass{}), 25.0 * tonne);
}

}  // namespace
}  // namespace pretrain::models
