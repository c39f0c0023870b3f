#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/csv.hpp"
#include "models/core/input_error.hpp"
#include "planner/run_columns.hpp"

namespace pretrain::planner {

/// One row of a run table: the cells that are filled in, in the units of their columns. Texts
/// point into the buffer of the reader. Reused from row to row, so that reading does not allocate.
class RunRow {
 public:
  bool has(Col col) const { return present_[index(col)]; }
  /// A number, whole number, count or duration; absent when blank.
  std::optional<double> number(Col col) const {
    return has(col) ? std::optional{numbers_[index(col)]} : std::nullopt;
  }
  /// A text or choice; empty when blank.
  std::string_view text(Col col) const {
    return has(col) ? texts_[index(col)] : std::string_view{};
  }
  /// true or false; absent when blank.
  std::optional<bool> flag(Col col) const {
    return has(col) ? std::optional{texts_[index(col)] == "true"} : std::nullopt;
  }
  std::size_t line() const { return line_; }
  /// Place of a cell, or of the row when that cell is blank.
  Location locate(const std::string& file, Col col) const;

  // For readers.
  void clear() {
    present_.reset();
    record_ = nullptr;
    line_ = 0;
  }
  void begin(const CsvRecord* record, std::size_t line) {
    record_ = record;
    line_ = line;
  }
  /// Takes one cell. Returns what is wrong with it, with an empty `what` when nothing is. `offset`
  /// is the byte in the CSV record, or the column of a YAML scalar on `line`.
  void set(Col col, std::string_view cell, std::uint32_t offset, std::uint32_t line,
           std::string& what, std::string& help);
  /// Makes a cell blank.
  void unset(Col col) { present_.reset(index(col)); }
  /// Takes the same cell of a CSV record as set() took last in this column.
  void repeat(Col col, std::uint32_t offset) {
    offsets_[index(col)] = offset;
    present_.set(index(col));
  }

 private:
  static std::size_t index(Col col) { return static_cast<std::size_t>(col); }

  std::array<double, kColumns> numbers_;
  std::array<std::string_view, kColumns> texts_;
  std::array<std::uint32_t, kColumns> offsets_;
  std::array<std::uint32_t, kColumns> lines_;
  std::bitset<kColumns> present_;
  const CsvRecord* record_ = nullptr;
  std::size_t line_ = 0;
};

}  // namespace pretrain::planner
