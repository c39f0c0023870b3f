#include "models/core/table.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "tests/support.hpp"

namespace pretrain {
namespace {

constexpr std::string_view kText =
    "# comment\n"
    "name,tdp_w,used\n"
    "a100,400,true\n"
    "\"b,200\",,\n";

Table table_of(std::string_view text) { return Table::read(text, "t.csv", {"name", "tdp_w"}); }

TEST(Table, ReadsCellsByColumn) {
  const Table table = table_of(kText);
  ASSERT_EQ(table.size(), 2U);
  EXPECT_EQ(table.file(), "t.csv");
  EXPECT_EQ(table.text(1, "name"), "b,200");
  EXPECT_EQ(table.number(0, "tdp_w", 1, 5000), 400.0);
  EXPECT_EQ(table.flag(0, "used"), true);
  EXPECT_EQ(table.choice(0, "name", {"a100", "h100"}), "a100");
}

TEST(Table, BlankIsUnknownAndNotZero) {
  const Table table = table_of(kText);
  EXPECT_EQ(table.number(1, "tdp_w", 1, 5000), std::nullopt);
  EXPECT_EQ(table.flag(1, "used"), std::nullopt);
  EXPECT_EQ(table.text(0, "no such column"), "");
  EXPECT_EQ(table.number(0, "no such column", 0, 1), std::nullopt);
  EXPECT_EQ(diagnostic_of([&] { table.required_number(1, "tdp_w", 1, 5000); }),
            "t.csv:4:9: error: 'tdp_w' is blank\n  help: every row of this table needs it");
}

TEST(Table, MissingColumnIsNamed) {
  EXPECT_EQ(diagnostic_of([] { table_of("# c\nname,power\na,1\n"); }),
            "t.csv:2:1: error: column 'tdp_w' is missing\n"
            "  help: the header names every column of the table");
}

TEST(Table, DuplicateColumnIsRefused) {
  EXPECT_EQ(diagnostic_of([] { table_of("name,tdp_w,name\na,1,b\n"); }),
            "t.csv:1:12: error: column 'name' stands twice\n  help: keep one of them");
}

TEST(Table, RaggedRowIsRefused) {
  EXPECT_EQ(diagnostic_of([] { table_of("name,tdp_w\na,1\nb,1,000\n"); }),
            "t.csv:3:1: error: 3 cells, where the header has 2\n"
            "  help: quote a cell that contains a comma");
}

TEST(Table, EmptyTableIsRefused) {
  EXPECT_EQ(problem_of([] { table_of("# nothing\n\n"); }).what, "the table is empty");
  EXPECT_EQ(table_of("name,tdp_w\n").size(), 0U);
}

TEST(Table, ErrorsCarryFileLineAndColumn) {
  const Table table = table_of("name,tdp_w,used\na,9000,maybe\n\"b\nb\",400W,1\n");
  EXPECT_EQ(diagnostic_of([&] { table.number(0, "tdp_w", 1, 5000); }),
            "t.csv:2:3: error: tdp_w 9000 lies outside 1 to 5000\n"
            "  help: check the unit, which is part of the column name");
  EXPECT_EQ(diagnostic_of([&] { table.number(1, "tdp_w", 1, 5000); }),
            "t.csv:4:4: error: '400W' is not a number\n  help: write 400 without 'W'");
  EXPECT_EQ(diagnostic_of([&] { table.flag(0, "used"); }),
            "t.csv:2:8: error: used 'maybe' is not known\n  help: one of: true, false");
}

TEST(Table, ByteOrderMarkIsSkipped) {
  EXPECT_EQ(table_of("\xEF\xBB\xBFname,tdp_w\na,1\n").text(0, "name"), "a");
}

TEST(Table, KeepsItsCellsWhenMoved) {
  Table table = table_of(kText);
  const Table moved = std::move(table);
  EXPECT_EQ(moved.text(0, "name"), "a100");
  EXPECT_EQ(diagnostic_of([&] { moved.number(0, "tdp_w", 1, 5); }).substr(0, 10), "t.csv:3:6:");
}

}  // namespace
}  // namespace pretrain
