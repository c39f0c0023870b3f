#include "models/core/csv.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tests/support.hpp"

namespace pretrain {
namespace {

using namespace std::string_literals;

struct Row {
  std::size_t line{};
  std::vector<std::string> cells;
  friend bool operator==(const Row&, const Row&) = default;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.line << ":";
  for (const auto& cell : row.cells) *out << " [" << cell << "]";
}

constexpr std::size_t kOneChunk = std::size_t{1} << 16;

/// All records of `text`, read in chunks of the given size.
std::vector<Row> rows_of(const std::string& text, std::size_t chunk_bytes = kOneChunk,
                         char separator = ',') {
  const std::string file = "t.csv";
  std::istringstream in{text};
  CsvChunker chunker{in, file, chunk_bytes};
  CsvChunk chunk;
  CsvRecord record;
  std::vector<Row> rows;
  while (chunker.next(chunk)) {
    char* const begin = chunk.buffer.data();
    CsvCursor cursor{begin, begin + chunk.size, separator, chunk.first_line, file};
    while (cursor.next(record)) {
      rows.push_back({record.line, {}});
      for (const auto& cell : record.cells) rows.back().cells.emplace_back(cell.text);
    }
  }
  EXPECT_TRUE(chunker.at_end());
  return rows;
}

using Rows = std::vector<Row>;

TEST(Csv, PlainCellsAreTrimmed) {
  EXPECT_EQ(rows_of("a,b,c\n1, 2\t,3\n"), (Rows{{1, {"a", "b", "c"}}, {2, {"1", "2", "3"}}}));
}

TEST(Csv, BlankCellsAreKept) {
  EXPECT_EQ(rows_of("a,,\n,,\n"), (Rows{{1, {"a", "", ""}}, {2, {"", "", ""}}}));
}

TEST(Csv, LastLineNeedsNoNewline) {
  EXPECT_EQ(rows_of("a,b\n1,2"), (Rows{{1, {"a", "b"}}, {2, {"1", "2"}}}));
  EXPECT_EQ(rows_of("a,b\n1,"), (Rows{{1, {"a", "b"}}, {2, {"1", ""}}}));
  EXPECT_EQ(rows_of("a,\"b\""), (Rows{{1, {"a", "b"}}}));
}

TEST(Csv, EmptyInputHasNoRecords) {
  EXPECT_EQ(rows_of(""), Rows{});
  EXPECT_EQ(rows_of("\n\r\n\n"), Rows{});
  EXPECT_EQ(rows_of("# only a comment"), Rows{});
  EXPECT_EQ(rows_of("\xEF\xBB\xBF"), Rows{});
}

TEST(Csv, QuotedCellsMayHoldSeparatorsAndNewlines) {
  EXPECT_EQ(rows_of("\"a,b\",\" c \",\"x\ny\"\nlast,1,2\n"),
            (Rows{{1, {"a,b", " c ", "x\ny"}}, {3, {"last", "1", "2"}}}));
  EXPECT_EQ(rows_of("\"\",\"\"\n"), (Rows{{1, {"", ""}}}));
}

TEST(Csv, DoubledQuotesBecomeOne) {
  EXPECT_EQ(rows_of("\"say \"\"hi\"\"\",2\n"), (Rows{{1, {"say \"hi\"", "2"}}}));
  EXPECT_EQ(rows_of("\"\"\"\"\n"), (Rows{{1, {"\""}}}));
}

TEST(Csv, CarriageReturnsBelongToTheLineEnd) {
  EXPECT_EQ(rows_of("a,b\r\n\r\n\"1\",\"2\"\r\nx,y\r\n"),
            (Rows{{1, {"a", "b"}}, {3, {"1", "2"}}, {4, {"x", "y"}}}));
  EXPECT_EQ(rows_of("a,\"b\"\r"), (Rows{{1, {"a", "b"}}}));
}

TEST(Csv, CommentsAndBlankLinesCountAsLines) {
  EXPECT_EQ(rows_of("# one \"quote\n\na,#b\n\n# x\n1,2\n"),
            (Rows{{3, {"a", "#b"}}, {6, {"1", "2"}}}));
}

TEST(Csv, ByteOrderMarkIsSkipped) {
  EXPECT_EQ(rows_of("\xEF\xBB\xBF"
                    "a,b\n"),
            (Rows{{1, {"a", "b"}}}));
}

TEST(Csv, AnyChunkSizeGivesTheSameRecords) {
  std::string text = "\xEF\xBB\xBF# a \"comment\nname,note,\"tokens\"\r\n\n";
  for (int i = 0; i < 12; ++i) {
    const std::string n = std::to_string(i);
    text += "run-" + n + ",plain," + std::string(static_cast<std::size_t>(i), '9') + "1\n";
    text += "\"two\nlines " + n + "\",\"a \"\"quote\"\"\",\"\"\r\n";
    text += "# it's a \"comment\n\r\n";
    text += "Zürich,\"#no comment\n# still none\",\n";
  }
  text += "last,\"\"\"\",end";
  const auto expected = rows_of(text);
  ASSERT_EQ(expected.size(), 38U);
  for (std::size_t bytes = 1; bytes <= 200; ++bytes) {
    EXPECT_EQ(rows_of(text, bytes), expected) << bytes << " bytes";
  }
}

TEST(Csv, SeparatorIsDetectedFromTheFirstRecord) {
  EXPECT_EQ(detect_separator("a,b,c\n1;2;3;4;5\n"), ',');
  EXPECT_EQ(detect_separator("a;b;c\n1,5;2;3\n"), ';');
  EXPECT_EQ(detect_separator("# x, y, z\n\na;b\n"), ';');
  EXPECT_EQ(detect_separator("\"a,b,c\";d\n"), ';');
  EXPECT_EQ(detect_separator("one column\n"), ',');
  EXPECT_EQ(detect_separator(""), ',');
  EXPECT_EQ(detect_separator("# only"), ',');
  EXPECT_EQ(rows_of("a;b\n1,5;\"x;y\"\n", kOneChunk, ';'),
            (Rows{{1, {"a", "b"}}, {2, {"1,5", "x;y"}}}));
}

TEST(Csv, UnterminatedQuoteIsLocated) {
  const std::string text = "a,b\n1,2\n33,\"say \"\"no\"\" more,4\n5,6\n";
  for (std::size_t bytes = 1; bytes <= 60; ++bytes) {
    const Problem problem = problem_of([&] { rows_of(text, bytes); });
    EXPECT_EQ(problem.what, "the quote opened here is never closed");
    EXPECT_EQ(problem.where.line, 3U) << bytes;
    EXPECT_EQ(problem.where.column, 4U) << bytes;
  }
}

TEST(Csv, StrayQuoteIsLocated) {
  EXPECT_EQ(diagnostic_of([] { rows_of("a,b\n1,\"2\" x\n"); }),
            "t.csv:2:6: error: text after a closing quote\n"
            "  help: quote the whole cell, and double each quote inside it");
  EXPECT_EQ(diagnostic_of([] { rows_of("a,b\n1,5\" disk\n"); }),
            "t.csv:2:4: error: a quote inside an unquoted cell\n"
            "  help: quote the whole cell, and double each quote inside it");
}

TEST(Csv, CursorGoesOnAfterAMisplacedQuote) {
  std::string text = "1,5\" disk\n2,3\n";
  const std::string file = "t.csv";
  CsvCursor cursor{text.data(), text.data() + text.size(), ',', 7, file};
  CsvRecord record;
  EXPECT_THROW(cursor.next(record), InputError);
  ASSERT_TRUE(cursor.next(record));
  EXPECT_EQ(record.line, 8U);
  EXPECT_EQ(record.cells[1].text, "3");
  EXPECT_FALSE(cursor.next(record));
}

TEST(Csv, CellsAreLocatedBehindLineBreaksAndDoubledQuotes) {
  std::string text = "first,\"x \"\"y\"\"\nz\",400W\n";
  const std::string file = "t.csv";
  CsvCursor cursor{text.data(), text.data() + text.size(), ',', 10, file};
  CsvRecord record;
  ASSERT_TRUE(cursor.next(record));
  ASSERT_EQ(record.cells.size(), 3U);
  EXPECT_EQ(record.cells[1].text, "x \"y\"\nz");
  const Location quoted = record.locate(file, record.cells[1].offset);
  EXPECT_EQ(quoted.line, 10U);
  EXPECT_EQ(quoted.column, 7U);
  const Location after = record.locate(file, record.cells[2].offset);
  EXPECT_EQ(after.line, 11U);
  EXPECT_EQ(after.column, 4U);
}

TEST(Csv, NulByteIsRefused) {
  EXPECT_EQ(diagnostic_of([] { rows_of("a,b\n1,\0\n"s); }),
            "t.csv:2:3: error: a NUL byte: this is a binary file, not a text table\n"
            "  help: give a CSV or YAML run table; `planner init` prints a template");
}

TEST(Csv, Utf16AndWorkbooksAreRefused) {
  EXPECT_EQ(problem_of([] {
              rows_of(
                  "\xFF\xFE"
                  "a\0,\0b\0\n\0"s);
            }).what,
            "this file is UTF-16, not UTF-8");
  EXPECT_EQ(problem_of([] { rows_of("\xFE\xFF\0a\0,\0b\0\n"s, 4); }).what,
            "this file is UTF-16, not UTF-8");
  EXPECT_EQ(problem_of([] { rows_of("PK\x03\x04rest"); }).what,
            "this is a workbook or zip archive, not a text table");
}

TEST(Csv, InvalidUtf8IsLocated) {
  const Problem latin1 = problem_of([] { rows_of("a,b\n1,Z\xFCrich\n"); });
  EXPECT_EQ(latin1.what, "byte 0xFC is not valid UTF-8");
  EXPECT_EQ(latin1.where.line, 2U);
  EXPECT_EQ(latin1.where.column, 4U);
  for (const char* bad : {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80",
                          "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80", "\xE2\x82"}) {
    EXPECT_THROW(rows_of("a," + std::string{bad} + "\n"), InputError) << bad;
  }
  EXPECT_EQ(rows_of("é,€,𝄞\n"), (Rows{{1, {"é", "€", "𝄞"}}}));
}

TEST(Csv, RecordsBeyondOneMebibyteAreRefused) {
  const std::string two_megabytes(std::size_t{2} << 20, 'x');
  const Problem plain = problem_of([&] { rows_of("a,b\n1," + two_megabytes + "\n"); });
  EXPECT_EQ(plain.what, "a record longer than 1 MiB, the most that one run may take");
  EXPECT_EQ(plain.where.line, 2U);
  const Problem quoted = problem_of([&] { rows_of("a,b\n1,\"" + two_megabytes + "\"\n"); });
  EXPECT_EQ(quoted.what, "the quote opened here is not closed within 1 MiB");
  EXPECT_EQ(quoted.where.line, 2U);
  EXPECT_EQ(quoted.where.column, 3U);
  const std::string half(CsvChunker::kMaxRecord / 2, 'x');
  EXPECT_EQ(rows_of("a,b\n1," + half + "\n").size(), 2U);
}

TEST(Csv, LinesAreCountedAcrossChunks) {
  std::string text;
  for (int i = 1; i <= 1000; ++i) text += std::to_string(i) + ",x\n";
  for (const auto& row : rows_of(text, 64)) EXPECT_EQ(row.cells[0], std::to_string(row.line));
}

}  // namespace
}  // namespace pretrain
