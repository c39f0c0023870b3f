#include "planner/run_writer.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "models/core/text.hpp"

namespace pretrain::planner {

void append_csv_cell(std::string& out, std::string_view text) {
  const bool plain = text.find_first_of(",;\"\r\n") == std::string_view::npos &&
                     !text.starts_with('#') && trimmed(text).size() == text.size();
  if (plain) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

namespace {

/// The shortest digits of a positive number that is not whole, in plain notation; null where the
/// shortest text has an exponent. fmt's own writer takes four times as long for the same text.
char* write_plain(char* out, double value) {
  constexpr int kMostBefore = 15;  // digits before the point
  constexpr int kMostZeros = 3;    // zeros behind the point
  const auto decimal = fmt::detail::dragonbox::to_decimal(value);
  const fmt::format_int digits{decimal.significand};
  const int count = static_cast<int>(digits.size());
  const int before = count + decimal.exponent;
  if (before > kMostBefore || before < -kMostZeros || decimal.exponent >= 0) return nullptr;
  if (before > 0) {
    std::memcpy(out, digits.data(), static_cast<std::size_t>(before));
    out += before;
    *out++ = '.';
    const auto rest = static_cast<std::size_t>(count - before);
    std::memcpy(out, digits.data() + before, rest);
    return out + rest;
  }
  *out++ = '0';
  *out++ = '.';
  for (int i = before; i < 0; ++i) *out++ = '0';
  std::memcpy(out, digits.data(), digits.size());
  return out + digits.size();
}

/// The shortest text of a finite number; at most 24 characters.
std::size_t write_number(char* buffer, double value) {
  constexpr double kExact = 1e15;  // whole numbers below have no exponent in the shortest form
  char* out = buffer;
  double size = value;
  if (value < 0.0) {
    *out++ = '-';
    size = -value;
  }
  if (size < kExact && size > 0.0) {
    const auto whole = static_cast<std::uint64_t>(size);
    if (static_cast<double>(whole) == size) {
      const fmt::format_int digits{whole};
      std::memcpy(out, digits.data(), digits.size());
      return static_cast<std::size_t>(out - buffer) + digits.size();
    }
    if (char* const end = write_plain(out, size)) return static_cast<std::size_t>(end - buffer);
  }
  return static_cast<std::size_t>(fmt::format_to(buffer, FMT_COMPILE("{}"), value) - buffer);
}

}  // namespace

void append_number(std::string& out, double value) {
  char buffer[32];
  out.append(buffer, write_number(buffer, value));
}

char* NumberColumns::write(char* out, std::size_t column, double value) {
  Last& last = last_[column];
  const auto bits = std::bit_cast<std::uint64_t>(value);
  if (last.size == 0 || last.bits != bits) {
    last.bits = bits;
    last.size = write_number(last.text, value);
  }
  std::memcpy(out, last.text, kWidth);  // a constant size is one or two moves
  return out + last.size;
}

void RunWriter::header(std::string& out) const {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (i > 0) out += ',';
    out += column_of(columns_[i]).name;
  }
  out += '\n';
}

void RunWriter::row(std::string& out, const RunRow& row) const {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    if (i > 0) out += ',';
    if (const auto number =
            column_of(columns_[i]).numeric() ? row.number(columns_[i]) : std::nullopt) {
      append_number(out, *number);
    } else {
      append_csv_cell(out, row.text(columns_[i]));
    }
  }
  out += '\n';
}

}  // namespace pretrain::planner
