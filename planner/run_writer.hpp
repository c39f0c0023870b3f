#pragma once

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
