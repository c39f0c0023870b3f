#include "models/core/number.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdint>

#include "models/core/text.hpp"

namespace pretrain {

namespace {

/// Up to fifteen digits with at most one point, rounded once and so correctly: a mantissa
/// below 2^53 over an exact power of ten.
bool read_plain(std::string_view text, double& value) {
  static constexpr double kPowers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  if (text.empty() || text.size() > 16) return false;
  std::uint64_t mantissa = 0;
  std::size_t digits = 0;
  std::size_t decimals = 0;
  bool point = false;
  for (const char c : text) {
    const auto digit = static_cast<unsigned>(c) - unsigned{'0'};
    if (digit <= 9) {
      mantissa = mantissa * 10 + digit;
      ++digits;
      decimals += point ? 1U : 0U;
    } else if (c == '.' && !point) {
      point = true;
    } else {
      return false;
    }
  }
  if (digits == 0 || digits > 15) return false;
  value = static_cast<double>(mantissa) / kPowers[decimals];
  return true;
}

/// Number and the letters after it.
bool split_suffix(std::string_view text, double& value, std::string_view& suffix) {
  std::size_t end = text.size();
  while (end > 0 && ((text[end - 1] >= 'a' && text[end - 1] <= 'z') ||
                     (text[end - 1] >= 'A' && text[end - 1] <= 'Z'))) {
    --end;
  }
  suffix = trimmed(text.substr(end));
  return read_number(trimmed(text.substr(0, end)), value);
}

}  // namespace

bool read_number(std::string_view text, double& value) {
  if (read_plain(text, value)) return true;
  if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  return failure == std::errc{} && stop == end && std::isfinite(value);
}

ParsedNumber parse_number(std::string_view text, std::string_view unit) {
  ParsedNumber parsed;
  if (read_number(text, parsed.value)) return parsed;
  parsed.value = 0.0;
  parsed.what = fmt::format("'{}' is not a number", shortened(text));
  const std::string in_unit = unit.empty() ? "" : fmt::format(" (this column is in {})", unit);
  const std::string word = normalized(text);
  double number{};
  std::string_view suffix;
  if (word == "nan" || word == "inf" || word == "infinity") {
    parsed.what = fmt::format("'{}' is not a finite number", shortened(text));
    parsed.help = "leave the cell blank when the value is unknown";
  } else if (word.empty() || word == "na" || word == "none" || word == "null" ||
             word == "unknown" || word == "tbd") {
    parsed.help = "leave the cell blank when the value is unknown";
  } else if (text.ends_with('%')) {
    parsed.help = "write a share as a fraction: 45% is 0.45";
  } else if (text.find(',') != std::string_view::npos) {
    parsed.help = "use a decimal point and no thousands separator: 1.5, 1000";
  } else if (split_suffix(text, number, suffix) && !suffix.empty()) {
    parsed.help = fmt::format("write {} without '{}'{}", number, shortened(suffix), in_unit);
  } else {
    parsed.help = "use digits and '.', no unit, no thousands separator" + in_unit;
  }
  return parsed;
}

ParsedNumber parse_count(std::string_view text) {
  double number{};
  std::string_view suffix;
  if (split_suffix(text, number, suffix) && suffix.size() == 1) {
    double scale = 0.0;
    switch (suffix.front()) {
      case 'k':
      case 'K':
        scale = 1e3;
        break;
      case 'm':
      case 'M':
        scale = 1e6;
        break;
      case 'b':
      case 'B':
        scale = 1e9;
        break;
      case 't':
      case 'T':
        scale = 1e12;
        break;
      default:
        break;
    }
    if (scale > 0.0 && std::isfinite(number * scale)) return {number * scale, "", ""};
  }
  ParsedNumber parsed = parse_number(text, "");
  if (!parsed.ok() && parsed.help.starts_with("write")) {
    parsed.help = "counts may end in K, M, B or T: 512, 175B, 1.5T, 300e9";
  }
  return parsed;
}

ParsedNumber parse_days(std::string_view text) {
  double number{};
  std::string_view suffix;
  if (split_suffix(text, number, suffix) && suffix.size() == 1) {
    switch (suffix.front()) {
      case 'd':
        return {number, "", ""};
      case 'h':
        return {number / 24.0, "", ""};
      case 'w':
        return {number * 7.0, "", ""};
      default:
        break;
    }
  }
  ParsedNumber parsed = parse_number(text, "");
  if (!parsed.ok() && parsed.help.starts_with("write")) {
    parsed.help = "a duration is a number of days, or ends in h, d or w: 60, 60d, 36h, 8w";
  }
  return parsed;
}

}  // namespace pretrain
