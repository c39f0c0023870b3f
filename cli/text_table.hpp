#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pretrain::cli {

/// A cell: nothing, a text, or a number.
using TextCell = std::variant<std::monostate, std::string, double>;

/// Nothing where the value is absent.
TextCell optional_cell(const std::optional<double>& value);

/// A table for people or programs: headers and rows, written in one of several formats.
class TextTable {
 public:
  struct Column {
    std::string key;     ///< in CSV and JSON
    std::string header;  ///< for people, with its unit
    bool number = false;
  };

  explicit TextTable(std::vector<Column> columns) : columns_{std::move(columns)} {}
  void add(std::vector<TextCell> row) { rows_.push_back(std::move(row)); }
  const std::vector<Column>& columns() const { return columns_; }
  bool empty() const { return rows_.empty(); }
  /// Drops the columns in which every row is blank.
  void drop_blank_columns();
  /// Sorts by the column of that key; "-key" sorts downwards. Blanks come last. Throws InputError
  /// for an unknown key.
  void sort(std::string_view key);

  /// Aligned, numbers to the right and rounded for reading. `rule_before` rows from the end are
  /// set apart by a rule (totals).
  std::string for_people(bool color, std::size_t rule_before = 0) const;
  /// As people read them.
  std::vector<std::vector<std::string>> shown_rows() const;
  std::string markdown() const;
  std::string csv() const;
  std::string json() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<TextCell>> rows_;
};

/// A number rounded for reading: three to four significant digits, thousands separated.
std::string for_people(double value);
/// A count as people say it: 175B, 1.5T, 512.
std::string count_for_people(double value);
/// The nearest number of two digits.
double two_digits(double value);
/// A relative deviation: +3.3%, -2.1%.
std::string percent(double share);
/// Text in which nothing begins a tag of HTML, for Markdown.
std::string no_tags(std::string_view text);
/// Text that no spreadsheet takes for a formula: an apostrophe stands before one.
std::string no_formula(std::string_view text);
/// Text without control characters, so that a name cannot steer a terminal.
std::string printable(std::string_view text);

}  // namespace pretrain::cli
