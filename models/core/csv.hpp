#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/input_error.hpp"

namespace pretrain {

/// One cell of a record. `text` is unquoted and trimmed; it points into the chunk.
struct CsvCell {
  std::string_view text;
  std::uint32_t offset{};  ///< bytes from the start of the record
};

/// One record (a row of a table, possibly over several lines).
struct CsvRecord {
  std::vector<CsvCell> cells;
  std::size_t line{};                   ///< of its first byte
  std::string_view raw;                 ///< the whole record, quoted cells already unescaped
  std::vector<std::uint32_t> newlines;  ///< offsets of the line breaks in its quoted cells
  /// Line and column of a byte of this record.
  Location locate(const std::string& file, std::size_t offset) const;
};

/// A run of whole records.
struct CsvChunk {
  std::vector<char> buffer;
  std::size_t size{};
  std::size_t first_line{1};
};

/// Cuts a stream into chunks of whole records in constant memory, so that they can be parsed
/// apart from each other. Skips a UTF-8 byte order mark.
/// Throws InputError on what is not UTF-8 text, on a quote that is never closed, and on a record
/// longer than kMaxRecord.
class CsvChunker {
 public:
  static constexpr std::size_t kMaxRecord = std::size_t{1} << 20;
  static constexpr std::size_t kUsualBytes = std::size_t{1} << 18;

  CsvChunker(std::istream& in, std::string file, std::size_t chunk_bytes = kUsualBytes);

  /// False at the end of the stream.
  bool next(CsvChunk& chunk);
  bool at_end() const { return ended_ && carry_.empty(); }

 private:
  void scan(const char* data, std::size_t from, std::size_t to);

  std::istream& in_;
  std::string file_;
  std::size_t chunk_bytes_;
  std::vector<char> carry_;
  std::size_t line_{1};
  bool started_{false};
  bool ended_{false};
  // State of the scan through the chunk in the making.
  bool in_quotes_{false};
  bool line_start_{true};
  bool in_comment_{false};
  std::size_t quote_at_{};
  std::size_t boundary_{};
};

/// Walks the records of one chunk (or of a whole file held in memory). RFC 4180: quotes, doubled
/// quotes, CRLF or LF. Blank lines and lines that begin with '#' are skipped. Unescapes in place.
class CsvCursor {
 public:
  CsvCursor(char* begin, char* end, char separator, std::size_t first_line, const std::string& file)
      : at_{begin}, end_{end}, separator_{separator}, line_{first_line}, file_{&file} {}

  /// Fills `record`; false at the end. Throws InputError on a misplaced quote; the cursor then
  /// stands at the next line.
  bool next(CsvRecord& record);

 private:
  /// The quick way for a line without quotes; false when it is not one.
  bool next_plain(CsvRecord& record);
  [[noreturn]] void fail(CsvRecord& record, const char* at, const char* what, const char* help);

  char* at_;
  char* end_;
  char separator_;
  std::size_t line_;
  const std::string* file_;
};

/// ',' or ';', whichever separates the first record of `text`.
char detect_separator(std::string_view text);

/// Valid UTF-8 without a NUL byte.
bool is_text(std::string_view text);

/// Throws InputError when `text` holds a NUL byte, is not UTF-8, or starts like a workbook or
/// UTF-16. `first_line` is the line number of its first byte.
void require_text(std::string_view text, const std::string& file, std::size_t first_line);

}  // namespace pretrain
