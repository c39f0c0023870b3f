#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/csv.hpp"
#include "models/core/known.hpp"

namespace pretrain {

/// A small data table held in memory: a header and rows of cells, each with its place.
/// The same reader for the tables that ship with the program and for those that replace them.
class Table {
 public:
  // Cells point into the buffer: a copy would point into the original.
  Table(Table&&) = default;
  Table& operator=(Table&&) = default;

  /// Throws InputError when a needed column is missing, one stands twice, or a row is ragged.
  static Table read(std::string_view text, std::string file,
                    std::initializer_list<std::string_view> needed);

  std::size_t size() const { return rows_.size(); }
  const std::string& file() const { return file_; }

  /// Empty when the cell is blank or the column does not exist.
  std::string_view text(std::size_t row, std::string_view column) const;
  /// The same, but a blank cell is an error.
  std::string_view required_text(std::size_t row, std::string_view column) const;
  /// Blank is nullopt; outside [low, high] is an error.
  std::optional<double> number(std::size_t row, std::string_view column, double low,
                               double high) const;
  double required_number(std::size_t row, std::string_view column, double low, double high) const;
  /// true or false; blank is nullopt.
  std::optional<bool> flag(std::size_t row, std::string_view column) const;
  /// Throws unless the cell is one of `choices`.
  std::string_view choice(std::size_t row, std::string_view column,
                          std::initializer_list<std::string_view> choices) const;

  /// Source, locator and checked (read or unverified) of a row; a row without a source is an error.
  Origin origin(std::size_t row, std::string_view place) const;

  [[noreturn]] void fail(std::size_t row, std::string_view column, std::string what,
                         std::string help) const;

 private:
  Table() = default;
  std::optional<std::size_t> index_of(std::string_view column) const;

  std::string file_;
  std::vector<char> buffer_;
  std::vector<std::string_view> header_;
  std::vector<CsvRecord> rows_;
};

}  // namespace pretrain
