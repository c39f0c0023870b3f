#include "hardware/grid.hpp"

#include <gtest/gtest.h>

#include <utility>

#include "tests/support.hpp"

namespace pretrain::hardware {
namespace {

GridTable shipped_grid(std::string_view name) {
  return GridTable::read(shipped(embedded_files(), name), std::string{name});
}

TEST(Grid, ShippedTableIsValid) {
  const auto grid = shipped_grid("grid.csv");
  EXPECT_GE(grid.all().size(), 250U);
  for (const auto& region : grid.all()) {
    EXPECT_EQ(grid.find(region.region), &region) << region.region;
    EXPECT_GT(region.intensity, 0.0 * gram / kilowatt_hour) << region.region;
  }
}

TEST(Grid, ShippedTableOf2019IsValid) {
  const auto grid = shipped_grid("grid_mlco2_2019.csv");
  EXPECT_GE(grid.all().size(), 20U);
  for (const auto& region : grid.all()) EXPECT_EQ(grid.find(region.region), &region);
}

TEST(Grid, EveryShippedNameIsFound) {
  const auto grid = shipped_grid("grid.csv");
  for (const auto name : grid.names()) EXPECT_NE(grid.find(name), nullptr) << name;
}

TEST(Grid, CountriesByNameAndByBothCodes) {
  const auto grid = shipped_grid("grid.csv");
  const GridRegion* france = grid.find("France");
  ASSERT_NE(france, nullptr);
  EXPECT_EQ(france->region, "FRA");
  EXPECT_EQ(grid.find("FR"), france);
  EXPECT_EQ(grid.find("FRA"), france);
  EXPECT_EQ(grid.find("fra"), france);
  EXPECT_EQ(france->provider, "country");
  const GridRegion* kingdom = grid.find("GB");
  ASSERT_NE(kingdom, nullptr);
  EXPECT_EQ(kingdom->region, "GBR");
  EXPECT_EQ(grid.find("UK"), kingdom);
  EXPECT_EQ(grid.find("United Kingdom"), kingdom);
}

TEST(Grid, CodesKeepTheirPunctuation) {
  const auto grid = shipped_grid("grid.csv");
  const GridRegion* gcp = grid.find("us-east1");
  const GridRegion* aws = grid.find("us-east-1");
  ASSERT_NE(gcp, nullptr);
  ASSERT_NE(aws, nullptr);
  EXPECT_EQ(gcp->provider, "gcp");
  EXPECT_EQ(aws->provider, "aws");
  EXPECT_NE(gcp->intensity, aws->intensity);
  EXPECT_EQ(grid.find("US-EAST1"), gcp);
}

TEST(Grid, UnknownNamesAreNull) {
  const auto grid = shipped_grid("grid.csv");
  for (const char* name : {"", "Atlantis", "us-east-99", "-"}) {
    EXPECT_EQ(grid.find(name), nullptr) << name;
  }
}

TEST(Grid, KeepsItsTextWhenMoved) {
  auto grid = shipped_grid("grid.csv");
  const auto moved = std::move(grid);
  ASSERT_NE(moved.find("France"), nullptr);
  EXPECT_EQ(moved.find("France")->origin.place,
            "grid.csv country/FRA (2023, average, lifecycle, location)");
}

constexpr std::string_view kHeader =
    "provider,region,location,country,aliases,intensity_g_per_kwh,year,basis,scope,accounting,"
    "carbon_free_share,source,locator,checked\n";

GridTable read_rows(std::string_view rows) {
  return GridTable::read(std::string{kHeader} + std::string{rows}, "mine.csv");
}

TEST(Grid, ARegionStandsOnce) {
  EXPECT_EQ(problem_of([] {
              read_rows(
                  "country,AAA,A,AAA,,100,2024,average,direct,location,,s,l,read\n"
                  "country,aaa,B,AAA,,100,2024,average,direct,location,,s,l,read\n");
            }).what,
            "region 'aaa' stands twice");
}

TEST(Grid, AnAliasNamesOneRegion) {
  EXPECT_EQ(problem_of([] {
              read_rows(
                  "country,AAA,A,AAA,X Land,100,2024,average,direct,location,,s,l,read\n"
                  "country,BBB,B,BBB,x-land,100,2024,average,direct,location,,s,l,read\n");
            }).what,
            "'x-land' names two regions");
}

TEST(Grid, IntensityAndAccountingAreRequired) {
  EXPECT_EQ(problem_of([] {
              read_rows("country,AAA,A,AAA,,100,2024,average,direct,offset,,s,l,read\n");
            }).what,
            "accounting 'offset' is not known");
  EXPECT_EQ(problem_of([] {
              read_rows("country,AAA,A,AAA,,,2024,average,direct,location,,s,l,read\n");
            }).what,
            "'intensity_g_per_kwh' is blank");
}

}  // namespace
}  // namespace pretrain::hardware
