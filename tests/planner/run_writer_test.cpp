#include "planner/run_writer.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <random>
#include <sstream>

#include "tests/planner/rows.hpp"

namespace pretrain::planner {
namespace {

std::string number_text(double value) {
  std::string text;
  append_number(text, value);
  return text;
}

std::string cell_text(std::string_view cell) {
  std::string text;
  append_csv_cell(text, cell);
  return text;
}

TEST(RunWriter, NumbersAreShortAndReadBack) {
  EXPECT_EQ(number_text(0), "0");
  EXPECT_EQ(number_text(175), "175");
  EXPECT_EQ(number_text(0.1), "0.1");
  EXPECT_EQ(number_text(-2.5), "-2.5");
  EXPECT_EQ(number_text(999999999999999), "999999999999999");
  EXPECT_EQ(number_text(3.14e23), "3.14e+23");

  std::mt19937_64 random{7};
  std::vector<double> values{1e15,
                             1e16,
                             -0.0,
                             5e-324,
                             0.1 + 0.2,
                             std::numeric_limits<double>::max(),
                             std::numeric_limits<double>::min(),
                             123456789012345678.0};
  while (values.size() < 20000) {
    const auto value = std::bit_cast<double>(random());
    if (std::isfinite(value)) values.push_back(value);
    values.push_back(static_cast<double>(random() % 1000000) / 1000.0);
  }
  NumberColumns columns{3};
  char buffer[NumberColumns::kWidth * 2];
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = values[i];
    const auto text = number_text(value);
    EXPECT_LE(text.size(), 24U) << text;
    double back{};
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), back);
    ASSERT_TRUE(error == std::errc{} && stop == text.data() + text.size()) << text;
    EXPECT_EQ(std::bit_cast<std::uint64_t>(back), std::bit_cast<std::uint64_t>(value)) << text;
    // The memory of a column changes nothing, neither on a new value nor on a repeated one.
    for (int repeat = 0; repeat < 2; ++repeat) {
      const char* end = columns.write(buffer, i % 3, value);
      EXPECT_EQ((std::string_view{buffer, static_cast<std::size_t>(end - buffer)}), text);
    }
  }
}

TEST(RunWriter, ZeroAndMinusZeroAreNotOneInAColumn) {
  NumberColumns columns{1};
  char buffer[NumberColumns::kWidth];
  EXPECT_EQ((std::string{buffer, columns.write(buffer, 0, 0.0)}), "0");
  EXPECT_EQ((std::string{buffer, columns.write(buffer, 0, -0.0)}), "-0");
}

TEST(RunWriter, QuotesWhatNeedsIt) {
  EXPECT_EQ(cell_text("GPT-3"), "GPT-3");
  EXPECT_EQ(cell_text(""), "");
  EXPECT_EQ(cell_text("a,b"), "\"a,b\"");
  EXPECT_EQ(cell_text("a;b"), "\"a;b\"");  // else the reader could take ';' for the separator
  EXPECT_EQ(cell_text("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(cell_text("a\nb"), "\"a\nb\"");
  EXPECT_EQ(cell_text("a\rb"), "\"a\rb\"");
  EXPECT_EQ(cell_text("# no comment"), "\"# no comment\"");
  EXPECT_EQ(cell_text(" a "), "\" a \"");
}

TEST(RunWriter, WhatIsWrittenReadsBack) {
  const std::vector<Col> columns{Col::id,      Col::name,           Col::type, Col::params_b,
                                 Col::devices, Col::tie_embeddings, Col::days, Col::notes};
  const std::string table =
      "notes,days,tie_embeddings,devices,params_b,type,name,id\n"
      "\"two \"\"lines\"\"\nof, notes; #\",30.1,false,512,0.1,MoE,\"\ta\t\",x1\n"
      ",,true,,,,# b,\n"
      "\"\"\"\",2w,,8,175B,dense,c,x3\n";
  const RunWriter writer{columns};
  std::string once;
  writer.header(once);
  std::istringstream in{table};
  for_each_row(in, "in.csv", [&](const RunRow& row) { writer.row(once, row); });
  EXPECT_TRUE(once.starts_with("id,name,type,params_b,devices,tie_embeddings,days,notes\n"));
  EXPECT_NE(once.find(",175,"), std::string::npos)
      << "counts are written in the unit of the column";
  EXPECT_NE(once.find(",14,"), std::string::npos) << "durations are written in days";

  std::string twice;
  writer.header(twice);
  std::size_t rows = 0;
  std::istringstream again{once};
  for_each_row(again, "out.csv", [&](const RunRow& row) {
    writer.row(twice, row);
    if (rows++ == 0) {
      EXPECT_EQ(row.text(Col::notes), "two \"lines\"\nof, notes; #");
      EXPECT_EQ(row.number(Col::days), 30.1);
      EXPECT_EQ(row.flag(Col::tie_embeddings), false);
      EXPECT_EQ(row.text(Col::type), "moe");
    }
  });
  EXPECT_EQ(rows, 3U);
  EXPECT_EQ(twice, once);
}

}  // namespace
}  // namespace pretrain::planner
