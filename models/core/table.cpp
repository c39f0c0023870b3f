#include "models/core/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "models/core/number.hpp"

namespace pretrain {

Table Table::read(std::string_view text, std::string file,
                  std::initializer_list<std::string_view> needed) {
  Table table;
  table.file_ = std::move(file);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  require_text(text, table.file_, 1);
  table.buffer_.assign(text.begin(), text.end());
  char* const begin = table.buffer_.data();
  CsvCursor cursor{begin, begin + table.buffer_.size(), ',', 1, table.file_};
  CsvRecord record;
  if (!cursor.next(record)) {
    throw InputError({table.file_, 1, 1}, "the table is empty", "it needs a header row");
  }
  for (const auto& cell : record.cells) {
    if (std::find(table.header_.begin(), table.header_.end(), cell.text) != table.header_.end()) {
      throw InputError(record.locate(table.file_, cell.offset),
                       fmt::format("column '{}' stands twice", cell.text), "keep one of them");
    }
    table.header_.push_back(cell.text);
  }
  for (const auto name : needed) {
    if (!table.index_of(name)) {
      throw InputError({table.file_, record.line, 1}, fmt::format("column '{}' is missing", name),
                       "the header names every column of the table");
    }
  }
  while (cursor.next(record)) {
    if (record.cells.size() != table.header_.size()) {
      throw InputError({table.file_, record.line, 1},
                       fmt::format("{} cells, where the header has {}", record.cells.size(),
                                   table.header_.size()),
                       "quote a cell that contains a comma");
    }
    table.rows_.push_back(record);
  }
  return table;
}

std::optional<std::size_t> Table::index_of(std::string_view column) const {
  const auto found = std::find(header_.begin(), header_.end(), column);
  if (found == header_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - header_.begin());
}

std::string_view Table::text(std::size_t row, std::string_view column) const {
  const auto index = index_of(column);
  return index ? rows_[row].cells[*index].text : std::string_view{};
}

std::string_view Table::required_text(std::size_t row, std::string_view column) const {
  const auto cell = text(row, column);
  if (cell.empty()) {
    fail(row, column, fmt::format("'{}' is blank", column), "every row of this table needs it");
  }
  return cell;
}

std::optional<double> Table::number(std::size_t row, std::string_view column, double low,
                                    double high) const {
  const auto cell = text(row, column);
  if (cell.empty()) return std::nullopt;
  const auto parsed = parse_number(cell, "");
  if (!parsed.ok()) fail(row, column, parsed.what, parsed.help);
  if (parsed.value < low || parsed.value > high) {
    fail(row, column, fmt::format("{} {} lies outside {} to {}", column, cell, low, high),
         "check the unit, which is part of the column name");
  }
  return parsed.value;
}

double Table::required_number(std::size_t row, std::string_view column, double low,
                              double high) const {
  required_text(row, column);
  return *number(row, column, low, high);
}

std::optional<bool> Table::flag(std::size_t row, std::string_view column) const {
  const auto cell = text(row, column);
  if (cell.empty()) return std::nullopt;
  return choice(row, column, {"true", "false"}) == "true";
}

std::string_view Table::choice(std::size_t row, std::string_view column,
                               std::initializer_list<std::string_view> choices) const {
  const auto cell = text(row, column);
  if (std::find(choices.begin(), choices.end(), cell) == choices.end()) {
    fail(row, column, fmt::format("{} '{}' is not known", column, cell),
         fmt::format("one of: {}", fmt::join(choices, ", ")));
  }
  return cell;
}

Origin Table::origin(std::size_t row, std::string_view place) const {
  return {place, required_text(row, "source"), text(row, "locator"),
          choice(row, "checked", {"read", "unverified"}) == "read"};
}

void Table::fail(std::size_t row, std::string_view column, std::string what,
                 std::string help) const {
  const auto index = index_of(column);
  const auto& record = rows_[row];
  throw InputError(record.locate(file_, index ? record.cells[*index].offset : 0), std::move(what),
                   std::move(help));
}

}  // namespace pretrain
