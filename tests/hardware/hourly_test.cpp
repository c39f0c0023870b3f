#include "hardware/hourly.hpp"

#include <gtest/gtest.h>

#include "tests/support.hpp"

namespace pretrain::hardware {
namespace {

constexpr auto kUnit = gram / kilowatt_hour;

IntensitySeries series(const std::string& lines, const std::string& column = "",
                       const std::string& head = "time,intensity_g_per_kwh\n") {
  return IntensitySeries::read(head + lines, "h.csv", column);
}

TEST(Hourly, TimesAreReadAsPeopleWriteThem) {
  const auto six = parse_time("2026-03-01T06:00Z");
  ASSERT_TRUE(six);
  for (const char* text : {"2026-03-01 06:00", "2026-03-01T06:00:00.000Z", "2026-03-01T07:00+01:00",
                           "2026-03-01T06:00:00+00:00", " 2026-03-01 06:00 UTC ",
                           "2026/03/01 06:00", "2026-03-01T01:30-0430"}) {
    EXPECT_EQ(parse_time(text), six) << text;
  }
  EXPECT_EQ(to_text(*parse_time("2026-03-01")), "2026-03-01 00:00 UTC");
  for (const char* text : {"", "March", "2026-02-30", "2026-03-01T25:00", "2026-3-1", "01.03.2026",
                           "2026-03-01T06", "2026-03-01T06:00X"}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

TEST(Hourly, MeansAreWeighedByTime) {
  const auto s = series("2026-01-01T00:00Z,100\n2026-01-01T01:00Z,200\n2026-01-01T02:00Z,300\n");
  const auto at = *parse_time("2026-01-01");
  EXPECT_DOUBLE_EQ(s.mean(at, 1.0 * hour)->in(kUnit), 100);
  EXPECT_DOUBLE_EQ(s.mean(at, 3.0 * hour)->in(kUnit), 200);
  EXPECT_DOUBLE_EQ(s.mean(at, 1.5 * hour)->in(kUnit), (100 + 0.5 * 200) / 1.5);
  EXPECT_DOUBLE_EQ(s.mean(at + std::chrono::minutes{30}, 1.0 * hour)->in(kUnit), 150);
  EXPECT_DOUBLE_EQ(s.mean().in(kUnit), 200);
  EXPECT_EQ(to_text(s.end()), "2026-01-01 03:00 UTC");
}

TEST(Hourly, StartIsTheOneWithTheLeastMean) {
  const auto s = series(
      "2026-01-01T00:00Z,100\n2026-01-01T01:00Z,200\n2026-01-01T02:00Z,60\n"
      "2026-01-01T03:00Z,300\n2026-01-01T04:00Z,10\n");
  const auto at = *parse_time("2026-01-01");
  const auto choice = s.choose_start(at, at + std::chrono::hours{3}, 2.0 * hour);
  ASSERT_TRUE(choice);
  // Means of two hours: 150, 130, 180, 155.
  EXPECT_EQ(choice->starts, 4U);
  EXPECT_EQ(choice->best, at + std::chrono::hours{1});
  EXPECT_DOUBLE_EQ(choice->least.in(kUnit), 130);
  EXPECT_DOUBLE_EQ(choice->most.in(kUnit), 180);
  EXPECT_DOUBLE_EQ(choice->usual.in(kUnit), (150.0 + 130 + 180 + 155) / 4);
  EXPECT_DOUBLE_EQ(choice->lowest.in(kUnit), 10);
  // A window of two starts, whose runs end before the cleanest hour.
  const auto early = s.choose_start(at, at + std::chrono::hours{1}, 2.0 * hour);
  EXPECT_EQ(early->starts, 2U);
  EXPECT_DOUBLE_EQ(early->lowest.in(kUnit), 60);
  EXPECT_EQ(early->last, at + std::chrono::hours{1});
  EXPECT_FALSE(s.choose_start(at, at, 6.0 * hour));
}

TEST(Hourly, OutsideItsTimesNothingIsKnown) {
  const auto s = series("2026-01-01T00:00Z,100\n2026-01-01T01:00Z,200\n");
  const auto at = *parse_time("2026-01-01");
  EXPECT_FALSE(s.mean(at, 3.0 * hour));
  EXPECT_FALSE(s.mean(at - std::chrono::hours{1}, 1.0 * hour));
  EXPECT_TRUE(s.mean(at, 2.0 * hour));
}

TEST(Hourly, BlankHoursAreNotZero) {
  std::string lines;
  for (int h = 0; h < 24; ++h) {
    char line[64];
    std::snprintf(line, sizeof line, "2026-01-01T%02d:00Z,%s\n", h, h == 5 ? "" : "400");
    lines += line;
  }
  const auto s = series(lines);
  const auto at = *parse_time("2026-01-01");
  EXPECT_DOUBLE_EQ(s.mean(at, 24.0 * hour)->in(kUnit), 400);
  EXPECT_FALSE(s.mean(at + std::chrono::hours{5}, 1.0 * hour)) << "nothing is known of it";
  EXPECT_FALSE(s.mean(at + std::chrono::hours{4}, 4.0 * hour)) << "a quarter is missing";
  // A gap between lines is one too.
  const auto gap = series(
      "2026-01-01T00:00Z,1\n2026-01-01T01:00Z,1\n2026-01-01T02:00Z,1\n2026-01-01T12:00Z,1\n");
  EXPECT_FALSE(gap.mean(at, 13.0 * hour));
}

TEST(Hourly, ColumnsAreFoundOrAskedFor) {
  const std::string two = "from_utc,forecast_gCO2_per_kWh,actual_gCO2_per_kWh\n";
  const std::string lines = "2026-01-01T00:00Z,1,2\n2026-01-01T01:00Z,1,2\n";
  EXPECT_EQ(
      diagnostic_of([&] { series(lines, "", two); }),
      "h.csv:1:1: error: 2 columns of intensities\n  help: name one: --hourly FILE:COLUMN, of "
      "'forecast_gCO2_per_kWh', 'actual_gCO2_per_kWh'");
  EXPECT_DOUBLE_EQ(series(lines, "Actual_gCO2_per_kwh", two).mean().in(kUnit), 2);
  EXPECT_EQ(diagnostic_of([&] { series(lines, "x", two); }),
            "h.csv:1:1: error: no column 'x'\n  help: the file has 'forecast_gCO2_per_kWh', "
            "'actual_gCO2_per_kWh'");
  // As Electricity Maps writes them.
  const std::string maps =
      "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO\xE2\x82\x82"
      "eq/kWh (direct),"
      "Carbon intensity gCO\xE2\x82\x82"
      "eq/kWh (Life cycle),Carbon-free energy percentage (CFE%)\n";
  EXPECT_DOUBLE_EQ(
      series("2021-01-01 00:00:00,S,S,SE,2.5,30,99\n2021-01-01 01:00:00,S,S,SE,2.5,30,99\n",
             "Carbon intensity gCO\xE2\x82\x82"
             "eq/kWh (Life cycle)",
             maps)
          .mean()
          .in(kUnit),
      30);
}

TEST(Hourly, WhatIsWrongIsToldWithItsPlace) {
  EXPECT_EQ(diagnostic_of([] { series("2026-01-01T00:00Z,100\nyesterday,200\n"); }),
            "h.csv:3:1: error: 'yesterday' is not a time\n  help: write 2026-03-01T06:00Z");
  EXPECT_EQ(diagnostic_of([] { series("2026-01-01T01:00Z,100\n2026-01-01T00:00Z,200\n"); }),
            "h.csv:3:1: error: 2026-01-01 00:00 UTC does not follow 2026-01-01 01:00 UTC\n  help: "
            "sort the lines by time, in UTC: local times repeat an hour in autumn");
  EXPECT_EQ(problem_of([] { series("2026-01-01T00:00Z,429000\n"); }).what,
            "429000 g/kWh is no intensity");
  EXPECT_EQ(problem_of([] { series("2026-01-01T00:00Z,400\n"); }).what, "fewer than two lines");
  EXPECT_EQ(
      problem_of([] { series("2026-01-01T00:00Z,870\n", "", "time,lb_per_kwh_intensity\n"); }).what,
      "'lb_per_kwh_intensity' is in pounds");
}

}  // namespace
}  // namespace pretrain::hardware
