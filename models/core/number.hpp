#pragma once

#include <string>
#include <string_view>

namespace pretrain {

/// A number, or what is wrong with the text and how to mend it.
struct ParsedNumber {
  double value{};
  std::string what;  ///< empty when the text is a finite number
  std::string help;

  bool ok() const { return what.empty(); }
};

/// Digits with a decimal point and an optional exponent: "175", "1.5e3". Anything else (units,
/// decimal commas, percent signs, nan, inf) is refused with a remedy. `unit` names the unit of the
/// column in the remedy; it may be empty.
/// Never locale-dependent.
ParsedNumber parse_number(std::string_view text, std::string_view unit);

/// The quick path of parse_number: true and a finite value, or false.
bool read_number(std::string_view text, double& value);

/// A count as people type it: "175e9", "175B", "1.5T", "512", "64K". K, M, B, T are powers of
/// a thousand.
ParsedNumber parse_count(std::string_view text);

/// A duration in days as people type it: "60", "60d", "12h", "8w".
ParsedNumber parse_days(std::string_view text);

}  // namespace pretrain
