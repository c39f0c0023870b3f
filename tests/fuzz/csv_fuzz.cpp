#include <cstddef>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/csv.hpp"
#include "tests/fuzz/check_table.hpp"

namespace {

using pretrain::planner::broken;

const std::string kFile = "f.csv";

struct Record {
  std::size_t line{};
  std::vector<std::string> cells;
  bool operator==(const Record&) const = default;
};

/// The records of a text that is cut into chunks of about this size; none when it is wrong.
std::optional<std::vector<Record>> read_in_chunks(const std::string& text, char separator,
                                                  std::size_t chunk_bytes) {
  std::istringstream in{text};
  pretrain::CsvChunker chunker{in, kFile, chunk_bytes};
  pretrain::CsvChunk chunk;
  pretrain::CsvRecord record;
  std::vector<Record> records;
  try {
    while (chunker.next(chunk)) {
      pretrain::CsvCursor cursor{chunk.buffer.data(), chunk.buffer.data() + chunk.size, separator,
                                 chunk.first_line, kFile};
      while (cursor.next(record)) {
        auto& copy = records.emplace_back();
        copy.line = record.line;
        for (const auto& cell : record.cells) copy.cells.emplace_back(cell.text);
      }
    }
  } catch (const pretrain::InputError&) {
    return std::nullopt;
  }
  return records;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  pretrain::planner::check_table(bytes, kFile);
  if (bytes.empty()) return 0;

  // Where a table is cut must not matter. The byte order mark fits into the smallest chunk.
  const std::size_t chunk_bytes = 4 + data[size - 1] % 64U;
  const char separator = pretrain::detect_separator(bytes);
  if (read_in_chunks(bytes, separator, chunk_bytes) != read_in_chunks(bytes, separator, size + 4)) {
    broken("chunks of any size hold the same records", std::to_string(chunk_bytes));
  }
  return 0;
}
