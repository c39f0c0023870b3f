#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/csv.hpp"
#include "planner/run_row.hpp"

namespace pretrain::planner {

/// Problems told in one go before reading stops.
inline constexpr std::size_t kMostProblems = 20;

/// What the rows of a table are turned into, chunk by chunk.
class TableJob {
 public:
  /// Whatever the rows of one chunk leave behind. Reused from chunk to chunk.
  struct Part {
    virtual ~Part() = default;
    virtual void clear() = 0;
  };

  virtual ~TableJob() = default;
  virtual std::unique_ptr<Part> make_part() const = 0;
  /// Takes one row. Called from several threads at once, each with its own part. The row and its
  /// texts are only valid during the call.
  virtual void row(const RunRow& row, Part& part) const = 0;
  /// How much of a table a thread takes at once; less where rows take long.
  virtual std::size_t bytes_at_once() const { return CsvChunker::kUsualBytes; }
  /// Takes the parts in the order of the file, one at a time.
  virtual void deliver(Part& part) = 0;
  /// Takes a remark about the header.
  virtual void remark(const std::string& text) = 0;
};

enum class TableFormat { csv, yaml };

/// The format of a run table by the ending of its name, else by its first characters.
TableFormat detect_format(std::string_view file_name, std::string_view beginning);

/// Reads a run table as a stream in constant memory and gives each row to the job; tables of more
/// than one chunk are parsed by `threads` threads. `file` is the name shown in errors.
/// Throws InputError on syntax, header and type errors (up to kMostProblems in one go), after the
/// rows before them were delivered; and when there is no row at all.
void read_run_table(std::istream& in, const std::string& file, unsigned threads, TableJob& job);

// ---- parts of the reader, for its two formats

/// What the cells of a CSV table mean.
struct RunHeader {
  std::vector<std::optional<Col>> columns;
};

/// Finds the column of a name; an unknown one is remarked upon with its nearest known name.
std::optional<Col> recognize_column(std::string_view name);
std::string unknown_column(const std::string& file, std::size_t line, std::size_t column,
                           std::string_view name);

void read_run_table_yaml(std::istream& in, const std::string& file, TableJob& job);

}  // namespace pretrain::planner
