#include "models/core/number.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

namespace pretrain {
namespace {

TEST(Number, ReadsDecimals) {
  EXPECT_DOUBLE_EQ(parse_number("175", "").value, 175);
  EXPECT_DOUBLE_EQ(parse_number("0.45", "").value, 0.45);
  EXPECT_DOUBLE_EQ(parse_number("-3.5", "").value, -3.5);
  EXPECT_DOUBLE_EQ(parse_number("+7", "").value, 7);
  EXPECT_DOUBLE_EQ(parse_number("1.5e3", "").value, 1500);
  EXPECT_DOUBLE_EQ(parse_number("3E+11", "").value, 3e11);
  EXPECT_DOUBLE_EQ(parse_number(".5", "").value, 0.5);
  EXPECT_DOUBLE_EQ(parse_number("5.", "").value, 5);
  EXPECT_DOUBLE_EQ(parse_number("123456789012345678901234567890", "").value,
                   123456789012345678901234567890.0);
}

TEST(Number, UnitsAreRefusedWithARemedy) {
  const auto parsed = parse_number("400W", "W");
  EXPECT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.what, "'400W' is not a number");
  EXPECT_EQ(parsed.help, "write 400 without 'W' (this column is in W)");
  EXPECT_EQ(parse_number("400 W", "").help, "write 400 without 'W'");
}

TEST(Number, DecimalCommasAreRefusedWithARemedy) {
  EXPECT_EQ(parse_number("1,5", "").what, "'1,5' is not a number");
  EXPECT_EQ(parse_number("1,5", "").help,
            "use a decimal point and no thousands separator: 1.5, 1000");
  EXPECT_FALSE(parse_number("1,000,000", "").ok());
}

TEST(Number, PercentIsRefusedWithARemedy) {
  EXPECT_EQ(parse_number("45%", "").help, "write a share as a fraction: 45% is 0.45");
}

TEST(Number, OnlyFiniteNumbers) {
  for (const char* text : {"nan", "NaN", "inf", "INF", "-inf", "infinity", "-nan"}) {
    const auto parsed = parse_number(text, "");
    EXPECT_EQ(parsed.what, "'" + std::string{text} + "' is not a finite number");
    EXPECT_EQ(parsed.help, "leave the cell blank when the value is unknown");
    EXPECT_EQ(parsed.value, 0.0);
  }
  EXPECT_FALSE(parse_number("1e999", "").ok());
}

TEST(Number, UnknownIsABlankCell) {
  for (const char* text : {"", "n/a", "N.A.", "none", "null", "unknown", "TBD", "-"}) {
    EXPECT_EQ(parse_number(text, "").help, "leave the cell blank when the value is unknown")
        << text;
  }
}

TEST(Number, GarbageIsRefused) {
  for (const char* text : {".", "-", "+", "+-5", "++5", "--5", "1.2.3", "0x10", "1e", "e5", "1 2",
                           "1_000", "five", "1e5.5", "'5'", "١٢"}) {
    EXPECT_FALSE(parse_number(text, "").ok()) << text;
  }
}

TEST(Number, LongTextIsShortenedInTheMessage) {
  EXPECT_LT(parse_number(std::string(500, 'x'), "").what.size(), 80U);
}

TEST(Number, CountsMayCarryASuffix) {
  EXPECT_DOUBLE_EQ(parse_count("512").value, 512);
  EXPECT_DOUBLE_EQ(parse_count("64K").value, 64e3);
  EXPECT_DOUBLE_EQ(parse_count("350m").value, 350e6);
  EXPECT_DOUBLE_EQ(parse_count("175B").value, 175e9);
  EXPECT_DOUBLE_EQ(parse_count("1.5T").value, 1.5e12);
  EXPECT_DOUBLE_EQ(parse_count("175 B").value, 175e9);
  EXPECT_DOUBLE_EQ(parse_count("300e9").value, 300e9);
  EXPECT_EQ(parse_count("5G").help, "counts may end in K, M, B or T: 512, 175B, 1.5T, 300e9");
  EXPECT_FALSE(parse_count("B").ok());
  EXPECT_FALSE(parse_count("1e308T").ok());
}

TEST(Number, DurationsMayCarryASuffix) {
  EXPECT_DOUBLE_EQ(parse_days("60").value, 60);
  EXPECT_DOUBLE_EQ(parse_days("60d").value, 60);
  EXPECT_DOUBLE_EQ(parse_days("36h").value, 1.5);
  EXPECT_DOUBLE_EQ(parse_days("8w").value, 56);
  EXPECT_EQ(parse_days("3y").help,
            "a duration is a number of days, or ends in h, d or w: 60, 60d, 36h, 8w");
  EXPECT_FALSE(parse_days("d").ok());
}

TEST(Number, QuickPathIsExact) {
  std::mt19937_64 random{20240229};
  const auto below = [&](unsigned bound) { return static_cast<unsigned>(random() % bound); };
  for (int i = 0; i < 200'000; ++i) {
    std::string text;
    const unsigned digits = 1 + below(18);
    for (unsigned k = 0; k < digits; ++k) text += static_cast<char>('0' + below(10));
    if (below(4) != 0) text.insert(below(digits + 1), 1, '.');
    if (below(8) == 0) text += "e" + std::to_string(static_cast<int>(below(40)) - 20);
    double value{};
    ASSERT_TRUE(read_number(text, value)) << text;
    ASSERT_EQ(value, std::strtod(text.c_str(), nullptr)) << text;
  }
}

}  // namespace
}  // namespace pretrain
