#include "planner/run_writer.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <iterator>

namespace pretrain::planner {

void append_csv_cell(std::string& out, std::string_view text) {
  const bool plain = text.find_first_of(",;\"\r\n") == std::string_view::npos &&
                     !text.starts_with('#') && !text.starts_with(' ') && !text.ends_with(' ');
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

void append_number(std::string& out, double value) {
  char buffer[32];
  const char* const end = fmt::format_to(buffer, FMT_COMPILE("{}"), value);
  out.append(buffer, static_cast<std::size_t>(end - buffer));
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
    if (const auto number = column_of(columns_[i]).numeric() ? row.number(columns_[i]) : std::nullopt) {
      append_number(out, *number);
    } else {
      append_csv_cell(out, row.text(columns_[i]));
    }
  }
  out += '\n';
}

}  // namespace pretrain::planner
