#include "models/core/csv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace pretrain {

namespace {

/// Line and column of byte `offset` of `text`, whose first byte stands at `line`, column 1.
Location locate_in(std::string_view text, std::size_t offset, const std::string& file,
                   std::size_t line) {
  const std::string_view before = text.substr(0, offset);
  const auto newlines = std::count(before.begin(), before.end(), '\n');
  const std::size_t last = before.rfind('\n');
  const std::size_t column = last == std::string_view::npos ? offset + 1 : offset - last;
  return {file, line + static_cast<std::size_t>(newlines), column};
}

bool has_high_bit(std::string_view text) {
  std::uint64_t seen = 0;
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    seen |= word;
  }
  for (; i < text.size(); ++i) seen |= static_cast<unsigned char>(text[i]);
  return (seen & 0x8080808080808080ULL) != 0;
}

/// Offset of the first byte that is not part of valid UTF-8, or npos.
std::size_t invalid_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                               : lead >= 0xE0 && lead <= 0xEF ? 3
                               : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                              : 0;
    if (length == 0 || i + length > text.size()) return i;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return i;
    }
    const auto second = static_cast<unsigned char>(text[i + 1]);
    const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    const bool surrogate = lead == 0xED && second > 0x9F;
    const bool beyond = lead == 0xF4 && second > 0x8F;
    if (overlong || surrogate || beyond) return i;
    i += length;
  }
  return std::string_view::npos;
}

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

bool is_text(std::string_view text) {
  return text.find('\0') == std::string_view::npos && invalid_utf8(text) == std::string_view::npos;
}

void require_text(std::string_view text, const std::string& file, std::size_t first_line) {
  if (first_line == 1) {
    if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) {
      throw InputError({file, 1, 1}, "this file is UTF-16, not UTF-8",
                       "save it as \"CSV UTF-8\", or convert it: iconv -f UTF-16 -t UTF-8");
    }
    if (text.starts_with("PK\x03\x04")) {
      throw InputError({file, 1, 1}, "this is a workbook or zip archive, not a text table",
                       "export the sheet as CSV (UTF-8)");
    }
  }
  if (const void* nul = std::memchr(text.data(), 0, text.size())) {
    const auto offset = static_cast<std::size_t>(static_cast<const char*>(nul) - text.data());
    throw InputError(locate_in(text, offset, file, first_line),
                     "a NUL byte: this is a binary file, not a text table",
                     "give a CSV or YAML run table; `planner init` prints a template");
  }
  if (has_high_bit(text)) {
    const std::size_t bad = invalid_utf8(text);
    if (bad != std::string_view::npos) {
      throw InputError(
          locate_in(text, bad, file, first_line),
          fmt::format("byte 0x{:02X} is not valid UTF-8", static_cast<unsigned char>(text[bad])),
          "save the file as UTF-8, or convert it: iconv -f LATIN1 -t UTF-8");
    }
  }
}

char detect_separator(std::string_view text) {
  std::size_t commas = 0;
  std::size_t semicolons = 0;
  bool quoted = false;
  bool line_start = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (line_start && c == '#') {
      i = text.find('\n', i);
      if (i == std::string_view::npos) break;
      continue;
    }
    if (c == '\n' && !quoted) {
      if (commas + semicolons > 0) break;
      line_start = true;
      continue;
    }
    line_start = false;
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    commas += c == ',' ? 1U : 0U;
    semicolons += c == ';' ? 1U : 0U;
  }
  return semicolons > commas ? ';' : ',';
}

Location CsvRecord::locate(const std::string& file, std::size_t offset) const {
  // Not from `raw`: unescaping has moved what stands behind a doubled quote.
  offset = std::min(offset, raw.size());
  const auto before = std::lower_bound(newlines.begin(), newlines.end(), offset);
  const auto breaks = static_cast<std::size_t>(before - newlines.begin());
  return {file, line + breaks, breaks == 0 ? offset + 1 : offset - newlines[breaks - 1]};
}

// ---- CsvChunker

CsvChunker::CsvChunker(std::istream& in, std::string file, std::size_t chunk_bytes)
    : in_{in}, file_{std::move(file)}, chunk_bytes_{std::max(chunk_bytes, kByteOrderMark.size())} {}

void CsvChunker::scan(const char* data, std::size_t from, std::size_t to) {
  std::size_t at = from;
  while (at < to) {
    if (line_start_ && !in_quotes_) in_comment_ = data[at] == '#';
    line_start_ = false;
    const void* newline = std::memchr(data + at, '\n', to - at);
    const std::size_t stop =
        newline ? static_cast<std::size_t>(static_cast<const char*>(newline) - data) : to;
    if (!in_comment_) {
      std::size_t q = at;
      while (const void* quote = std::memchr(data + q, '"', stop - q)) {
        q = static_cast<std::size_t>(static_cast<const char*>(quote) - data);
        const bool doubled = q > 0 && data[q - 1] == '"';
        if (!in_quotes_ && !doubled) quote_at_ = q;
        in_quotes_ = !in_quotes_;
        ++q;
      }
    }
    if (!newline) return;
    at = stop + 1;
    if (!in_quotes_) {
      boundary_ = at;
      line_start_ = true;
      in_comment_ = false;
    }
  }
}

bool CsvChunker::next(CsvChunk& chunk) {
  auto& buffer = chunk.buffer;
  buffer.assign(carry_.begin(), carry_.end());
  carry_.clear();
  std::size_t size = buffer.size();
  std::size_t scanned = 0;
  boundary_ = 0;
  in_quotes_ = false;
  line_start_ = true;
  in_comment_ = false;
  while (!ended_ && (size < chunk_bytes_ || boundary_ == 0)) {
    buffer.resize(size + chunk_bytes_);
    in_.read(buffer.data() + size, static_cast<std::streamsize>(chunk_bytes_));
    const auto got = static_cast<std::size_t>(in_.gcount());
    size += got;
    if (got < chunk_bytes_) {
      ended_ = true;
      if (in_.bad()) throw InputError({file_, 0, 0}, "the file cannot be read to its end", "");
    }
    if (!started_) {
      started_ = true;
      if (std::string_view{buffer.data(), size}.starts_with(kByteOrderMark)) {
        size -= kByteOrderMark.size();
        std::memmove(buffer.data(), buffer.data() + kByteOrderMark.size(), size);
      }
    }
    scan(buffer.data(), scanned, size);
    scanned = size;
    if (size - boundary_ > kMaxRecord) {
      require_text({buffer.data(), size}, file_, line_);
      const std::string_view text{buffer.data(), size};
      if (in_quotes_) {
        throw InputError(locate_in(text, quote_at_, file_, line_),
                         "the quote opened here is not closed within 1 MiB",
                         "close the quote, or double a quote that belongs to the text");
      }
      throw InputError(locate_in(text, boundary_, file_, line_),
                       "a record longer than 1 MiB, the most that one run may take",
                       "is this a run table? `planner init` prints a template");
    }
  }
  if (size == 0) return false;
  std::size_t whole = boundary_;
  if (ended_) {
    if (in_quotes_ && boundary_ == 0) {
      throw InputError(locate_in({buffer.data(), size}, quote_at_, file_, line_),
                       "the quote opened here is never closed",
                       "close the quote, or double a quote that belongs to the text");
    }
    if (!in_quotes_) whole = size;
  }
  carry_.assign(buffer.begin() + static_cast<std::ptrdiff_t>(whole),
                buffer.begin() + static_cast<std::ptrdiff_t>(size));
  require_text({buffer.data(), whole}, file_, line_);
  chunk.size = whole;
  chunk.first_line = line_;
  line_ += static_cast<std::size_t>(
      std::count(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(whole), '\n'));
  return true;
}

// ---- CsvCursor

void CsvCursor::fail(CsvRecord& record, const char* at, const char* what, const char* help) {
  record.raw = {record.raw.data(), static_cast<std::size_t>(end_ - record.raw.data())};
  const auto offset = static_cast<std::size_t>(at - record.raw.data());
  const Location where = record.locate(*file_, offset);
  // Go on at the next line, so that several problems can be told in one go.
  at_ = std::find(const_cast<char*>(at), end_, '\n');
  line_ = where.line;
  if (at_ != end_) {
    ++at_;
    ++line_;
  }
  throw InputError(where, what, help);
}

bool CsvCursor::next_plain(CsvRecord& record) {
  const auto left = static_cast<std::size_t>(end_ - at_);
  char* const stop = static_cast<char*>(std::memchr(at_, '\n', left));
  if (stop == nullptr || std::memchr(at_, '"', static_cast<std::size_t>(stop - at_)) != nullptr) {
    return false;
  }
  char* const start = at_;
  // The line break plays the last separator, so that the search needs no other end.
  *stop = separator_;
  for (char* at = start; at <= stop; ++at) {
    char* const cell = at;
    while (*at != separator_) ++at;
    const char* first = cell;
    const char* last = at;
    while (first != last && (*first == ' ' || *first == '\t')) ++first;
    while (last != first && (last[-1] == ' ' || last[-1] == '\t' || last[-1] == '\r')) --last;
    record.cells.push_back({{first, static_cast<std::size_t>(last - first)},
                            static_cast<std::uint32_t>(cell - start)});
  }
  *stop = '\n';
  record.raw = {start, static_cast<std::size_t>(stop - start)};
  at_ = stop + 1;
  ++line_;
  return true;
}

bool CsvCursor::next(CsvRecord& record) {
  record.cells.clear();
  record.newlines.clear();
  // Skip blank lines and comments.
  for (;;) {
    if (at_ == end_) return false;
    if (*at_ == '\n') {
      ++at_;
      ++line_;
    } else if (*at_ == '\r' && at_ + 1 != end_ && at_[1] == '\n') {
      at_ += 2;
      ++line_;
    } else if (*at_ == '#') {
      at_ = std::find(at_, end_, '\n');
    } else {
      char* const text = std::find_if(at_, end_, [](char c) { return c != ' ' && c != '\t'; });
      if (text != end_ && *text != '\n' && *text != '\r') break;
      if (text != end_ && *text == '\r' && text + 1 != end_ && text[1] != '\n') break;
      at_ = text == end_ ? end_ : std::find(text, end_, '\n');
    }
  }
  char* const start = at_;
  record.line = line_;
  record.raw = {start, 0};
  if (next_plain(record)) return true;
  for (;;) {
    char* cell = at_;
    const auto offset = static_cast<std::uint32_t>(cell - start);
    if (at_ != end_ && *at_ == '"') {
      char* out = ++cell;
      ++at_;
      for (;;) {
        if (at_ == end_) {
          fail(record, start + offset, "the quote opened here is never closed",
               "close the quote, or double a quote that belongs to the text");
        }
        if (*at_ == '"') {
          if (at_ + 1 == end_ || at_[1] != '"') break;
          ++at_;
        }
        if (*at_ == '\n') {
          ++line_;
          record.newlines.push_back(static_cast<std::uint32_t>(at_ - start));
        }
        *out++ = *at_++;
      }
      ++at_;
      record.cells.push_back({{cell, static_cast<std::size_t>(out - cell)}, offset});
      if (at_ != end_ && *at_ == '\r' && (at_ + 1 == end_ || at_[1] == '\n')) ++at_;
      if (at_ != end_ && *at_ != separator_ && *at_ != '\n') {
        fail(record, at_, "text after a closing quote",
             "quote the whole cell, and double each quote inside it");
      }
    } else {
      while (at_ != end_ && *at_ != separator_ && *at_ != '\n') {
        if (*at_ == '"') {
          fail(record, at_, "a quote inside an unquoted cell",
               "quote the whole cell, and double each quote inside it");
        }
        ++at_;
      }
      const char* stop = at_;
      const char* first = cell;
      while (first != stop && (*first == ' ' || *first == '\t')) ++first;
      while (stop != first && (stop[-1] == ' ' || stop[-1] == '\t' || stop[-1] == '\r')) --stop;
      record.cells.push_back({{first, static_cast<std::size_t>(stop - first)}, offset});
    }
    if (at_ == end_ || *at_ == '\n') break;
    ++at_;  // the separator
  }
  record.raw = {start, static_cast<std::size_t>(at_ - start)};
  if (at_ != end_) {
    ++at_;
    ++line_;
  }
  return true;
}

}  // namespace pretrain
