#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "planner/run_columns.hpp"
#include "planner/run_row.hpp"

namespace pretrain::planner {

/// Appends a cell of a CSV table, quoted where RFC 4180 asks for it.
void append_csv_cell(std::string& out, std::string_view text);

/// Appends a number in the shortest form that reads back as the same double.
void append_number(std::string& out, double value);

/// Writes numbers column by column and remembers the last text of each: in a sweep most columns
/// repeat from row to row, and finding the shortest digits is most of the work of a table.
class NumberColumns {
 public:
  /// Room that write() needs behind `out`.
  static constexpr std::size_t kWidth = 32;

  explicit NumberColumns(std::size_t columns) : last_(columns) {}
  /// Returns the end of what was written.
  char* write(char* out, std::size_t column, double value);

 private:
  struct Last {
    std::uint64_t bits{};
    std::size_t size{};
    char text[kWidth];
  };
  std::vector<Last> last_;
};

/// Writes run tables, in the columns asked for.
class RunWriter {
 public:
  explicit RunWriter(std::vector<Col> columns) : columns_{std::move(columns)} {}
  void header(std::string& out) const;
  /// Blank cells stay blank.
  void row(std::string& out, const RunRow& row) const;

 private:
  std::vector<Col> columns_;
};

}  // namespace pretrain::planner
