#include "cli/text_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "models/core/input_error.hpp"
#include "models/core/number.hpp"
#include "models/core/text.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::cli {

TextCell optional_cell(const std::optional<double>& value) {
  if (!value) return {};
  return *value;
}

namespace {

/// Columns that a UTF-8 text takes on a terminal, one per character.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string padded(std::string text, std::size_t width, bool right) {
  const std::size_t used = width_of(text);
  const std::string space(width > used ? width - used : 0, ' ');
  return right ? space + text : text + space;
}

std::string shown(const TextCell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return printable(*text);
  if (const auto* number = std::get_if<double>(&cell)) return for_people(*number);
  return "";
}

bool blank(const TextCell& cell) {
  const auto* text = std::get_if<std::string>(&cell);
  return std::holds_alternative<std::monostate>(cell) || (text != nullptr && text->empty());
}

void trim_line(std::string& line) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto u = static_cast<unsigned char>(c);
    // C1 controls (U+0080 to U+009F) are two bytes in UTF-8.
    if (u == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0) {
      ++i;
      continue;
    }
    if (c == '\n' || c == '\t') {
      result += ' ';
    } else if (u >= 0x20 && u != 0x7F) {
      result += c;
    }
  }
  return result;
}

std::string for_people(double value) {
  const double size = std::abs(value);
  if (size == 0.0) return "0";
  if (size >= 1e15 || size < 1e-4) return fmt::format("{:.3g}", value);
  if (size < 100.0 && size == std::floor(size)) return fmt::format("{:.0f}", value);
  if (size < 1.0) {
    // Three significant digits, in plain notation.
    const int digits = 2 - static_cast<int>(std::floor(std::log10(size)));
    return fmt::format("{:.{}f}", value, digits);
  }
  if (size < 9.995) return fmt::format("{:.2f}", value);
  if (size < 99.95) return fmt::format("{:.1f}", value);
  std::string digits = fmt::format("{:.0f}", size);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return value < 0 ? "-" + digits : digits;
}

std::string count_for_people(double value) {
  struct Scale {
    double unit;
    std::string_view letter;
  };
  for (const auto& [unit, letter] :
       {Scale{1e12, "T"}, Scale{1e9, "B"}, Scale{1e6, "M"}, Scale{1e3, "K"}}) {
    if (value >= unit * 0.9995) return fmt::format("{:.4g}{}", value / unit, letter);
  }
  return fmt::format("{:.4g}", value);
}

double two_digits(double value) {
  const double scale = std::pow(10, std::floor(std::log10(value)) - 1);
  return std::round(value / scale) * scale;
}

std::string percent(double share) {
  const double value = 100.0 * share;
  if (std::abs(value) >= 999.5) return fmt::format("{:+.0f}%", value);
  return fmt::format("{:+.{}f}%", value, std::abs(value) < 99.95 ? 1 : 0);
}

void TextTable::drop_blank_columns() {
  for (std::size_t i = columns_.size(); i-- > 0;) {
    if (std::any_of(rows_.begin(), rows_.end(), [i](const auto& row) { return !blank(row[i]); })) {
      continue;
    }
    const auto at = static_cast<std::ptrdiff_t>(i);
    columns_.erase(columns_.begin() + at);
    for (auto& row : rows_) row.erase(row.begin() + at);
  }
}

void TextTable::sort(std::string_view key) {
  const bool down = key.starts_with('-');
  if (down) key.remove_prefix(1);
  const auto column = std::find_if(columns_.begin(), columns_.end(),
                                   [key](const Column& c) { return c.key == key; });
  if (column == columns_.end()) {
    std::vector<std::string_view> keys;
    for (const auto& c : columns_) keys.push_back(c.key);
    throw InputError(
        {"--sort", 0, 0}, fmt::format("no column '{}'", key),
        fmt::format("one of: {}; with '-' in front, the largest first", fmt::join(keys, ", ")));
  }
  const auto i = static_cast<std::size_t>(column - columns_.begin());
  std::stable_sort(rows_.begin(), rows_.end(), [i, down](const auto& a, const auto& b) {
    if (blank(a[i]) || blank(b[i])) return !blank(a[i]) && blank(b[i]);
    return down ? b[i] < a[i] : a[i] < b[i];
  });
}

std::string TextTable::for_people(bool color, std::size_t rule_before) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = width_of(columns_[i].header);
    for (const auto& row : rows_) width = std::max(width, width_of(shown(row[i])));
    widths.push_back(width);
  }
  std::string out;
  const auto line = [&](const auto& text_of) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) text += "  ";
      text += padded(text_of(i), widths[i], columns_[i].number);
    }
    trim_line(text);
    return text;
  };
  const std::string header = line([&](std::size_t i) { return columns_[i].header; });
  out += color ? "\x1b[1m" + header + "\x1b[0m\n" : header + "\n";
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    if (rule_before > 0 && r + rule_before == rows_.size()) {
      std::size_t total = 0;
      for (const auto width : widths) total += width + 2;
      out += std::string(total - 2, '-') + "\n";
    }
    out += line([&](std::size_t i) { return shown(rows_[r][i]); }) + "\n";
  }
  return out;
}

std::string no_tags(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : ' ';
    const bool tag = text[i] == '<' && (std::isalpha(static_cast<unsigned char>(next)) != 0 ||
                                        next == '/' || next == '!');
    if (tag) {
      out += "&lt;";
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string no_formula(std::string_view text) {
  constexpr std::string_view kFirst = "=+-@\t\r";
  if (text.empty() || kFirst.find(text.front()) == std::string_view::npos) return std::string{text};
  double value = 0;
  return read_number(text, value) ? std::string{text} : "'" + std::string{text};
}

std::vector<std::vector<std::string>> TextTable::shown_rows() const {
  std::vector<std::vector<std::string>> rows;
  for (const auto& row : rows_) {
    auto& cells = rows.emplace_back();
    for (const auto& cell : row) cells.push_back(shown(cell));
  }
  return rows;
}

std::string TextTable::markdown() const {
  const auto escaped = [](const std::string& text) {
    std::string out;
    for (const char c : no_tags(text)) {
      if (c == '|') out += '\\';
      out += c;
    }
    return out;
  };
  std::string out = "|";
  for (const auto& column : columns_) out += " " + escaped(column.header) + " |";
  out += "\n|";
  for (const auto& column : columns_) out += column.number ? " ---: |" : " --- |";
  for (const auto& row : rows_) {
    out += "\n|";
    for (const auto& cell : row) out += " " + escaped(shown(cell)) + " |";
  }
  return out + "\n";
}

std::string TextTable::csv() const {
  std::string out;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (i > 0) out += ',';
    planner::append_csv_cell(out, no_formula(columns_[i].key));
  }
  out += '\n';
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) out += ',';
      if (const auto* text = std::get_if<std::string>(&row[i])) {
        planner::append_csv_cell(out, no_formula(*text));
      } else if (const auto* number = std::get_if<double>(&row[i])) {
        planner::append_number(out, *number);
      }
    }
    out += '\n';
  }
  return out;
}

std::string TextTable::json() const {
  auto list = nlohmann::ordered_json::array();
  for (const auto& row : rows_) {
    auto object = nlohmann::ordered_json::object();
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (const auto* text = std::get_if<std::string>(&row[i])) {
        if (!text->empty()) object[columns_[i].key] = *text;
      } else if (const auto* number = std::get_if<double>(&row[i])) {
        object[columns_[i].key] = *number;
      }
    }
    list.push_back(std::move(object));
  }
  return list.dump(1) + "\n";
}

}  // namespace pretrain::cli
