#include "planner/run_row.hpp"

#include <fmt/format.h>

#include <cmath>

#include "models/core/number.hpp"
#include "models/core/text.hpp"

namespace pretrain::planner {

namespace {

/// The choice that `cell` names in any case; empty when there is none.
std::string_view matching_choice(std::string_view choices, std::string_view cell) {
  while (!choices.empty()) {
    const auto stop = choices.find(' ');
    const auto choice = choices.substr(0, stop);
    if (equal_ignoring_case(choice, cell)) return choice;
    choices = stop == std::string_view::npos ? std::string_view{} : choices.substr(stop + 1);
  }
  return {};
}

std::string with_commas(std::string_view words) {
  std::string text;
  for (const char c : words) {
    if (c == ' ') text += ',';
    text += c;
  }
  return text;
}

constexpr double kBillion = 1e9;

}  // namespace

Location RunRow::locate(const std::string& file, Col col) const {
  if (!has(col)) return {file, line_, 0};
  if (record_ != nullptr) return record_->locate(file, offsets_[index(col)]);
  return {file, lines_[index(col)], offsets_[index(col)]};
}

void RunRow::set(Col col, std::string_view cell, std::uint32_t offset, std::uint32_t line,
                 std::string& what, std::string& help) {
  const Column& column = column_of(col);
  const std::size_t i = index(col);
  offsets_[i] = offset;
  lines_[i] = line;
  if (cell.empty()) return;
  if (column.numeric()) {
    double value{};
    if (!read_number(cell, value)) {
      ParsedNumber parsed;
      if (column.kind == Kind::count) {
        // 175B is an absolute count, the column is in billions.
        parsed = parse_count(cell);
        parsed.value /= kBillion;
      } else if (column.kind == Kind::days) {
        parsed = parse_days(cell);
      } else {
        parsed = parse_number(cell, column.unit);
      }
      if (!parsed.ok()) {
        what = fmt::format("{} in column '{}'", parsed.what, column.name);
        help = parsed.help;
        return;
      }
      value = parsed.value;
    }
    if (!(value >= column.low && value <= column.high)) {
      what = fmt::format("{} {} is {}", column.name, shortened(cell),
                         value < column.low ? (value < 0 ? "negative" : "too small") : "too large");
      help = fmt::format("{} (allowed: {} to {}{}{})", column.help, column.low, column.high,
                         column.unit.empty() || column.kind == Kind::count ? "" : " ",
                         column.kind == Kind::count ? "" : column.unit);
      return;
    }
    if (column.kind == Kind::whole && value != std::floor(value)) {
      what = fmt::format("{} {} is not a whole number", column.name, shortened(cell));
      help = column.help;
      return;
    }
    numbers_[i] = value;
  } else if (column.kind == Kind::text) {
    texts_[i] = cell;
  } else {
    const auto choice = matching_choice(column.choices, cell);
    if (choice.empty()) {
      what = fmt::format("{} '{}' is not known", column.name, shortened(cell));
      help = "one of: " + with_commas(column.choices);
      return;
    }
    texts_[i] = choice;
  }
  present_.set(i);
}

}  // namespace pretrain::planner
