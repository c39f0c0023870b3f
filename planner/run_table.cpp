#include "planner/run_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <streambuf>
#include <system_error>
#include <thread>
#include <utility>

#include "models/core/text.hpp"

namespace pretrain::planner {

namespace {

/// A stream that first gives back what was read ahead.
class Rewound : public std::streambuf {
 public:
  Rewound(std::string head, std::streambuf& rest) : head_{std::move(head)}, rest_{rest} {
    setg(head_.data(), head_.data(), head_.data() + head_.size());
  }

 protected:
  std::streamsize xsgetn(char* to, std::streamsize count) override {
    const auto ahead = std::min<std::streamsize>(count, egptr() - gptr());
    std::copy_n(gptr(), ahead, to);
    gbump(static_cast<int>(ahead));
    if (ahead == count) return count;
    return ahead + rest_.sgetn(to + ahead, count - ahead);
  }
  int_type underflow() override {
    if (gptr() != egptr()) return traits_type::to_int_type(*gptr());
    const auto got = rest_.sgetn(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    if (got <= 0) return traits_type::eof();
    setg(buffer_.data(), buffer_.data(), buffer_.data() + got);
    return traits_type::to_int_type(*gptr());
  }

 private:
  std::string head_;
  std::streambuf& rest_;
  std::array<char, 4096> buffer_{};
};

RunHeader read_header(const CsvRecord& record, const std::string& file, TableJob& job) {
  RunHeader header;
  std::vector<Problem> problems;
  std::vector<std::string> remarks;
  std::array<std::size_t, kColumns> seen{};
  std::size_t unknown = 0;
  bool any = false;
  for (std::size_t i = 0; i < record.cells.size(); ++i) {
    const auto& cell = record.cells[i];
    const Location where = record.locate(file, cell.offset);
    const auto col = recognize_column(cell.text);
    header.columns.push_back(col);
    if (cell.text.empty()) continue;
    if (!col) {
      if (++unknown <= kMostProblems) {
        remarks.push_back(unknown_column(file, where.line, where.column, cell.text));
      }
      continue;
    }
    any = true;
    auto& first = seen[static_cast<std::size_t>(*col)];
    if (first > 0 && problems.size() < kMostProblems) {
      problems.push_back({where,
                          fmt::format("column '{}' stands twice: here and as column {}",
                                      shortened(cell.text), first),
                          "keep one of them"});
    }
    first = i + 1;
  }
  if (!any) {
    throw InputError({file, record.line, 1},
                     fmt::format("the first row has no known column (it begins with '{}')",
                                 shortened(record.cells.front().text)),
                     "the first row names the columns; `planner init` prints a template");
  }
  for (const auto& text : remarks) job.remark(text);
  if (unknown > kMostProblems) {
    job.remark(fmt::format("{}: {} more unknown columns", file, unknown - kMostProblems));
  }
  if (!problems.empty()) throw InputError(std::move(problems));
  return header;
}

/// Parses the records of one chunk into rows. Collects problems instead of throwing.
class ChunkParser {
 public:
  ChunkParser(const std::string& file, const RunHeader& header, char separator, const TableJob& job)
      : file_{file}, header_{header}, separator_{separator}, job_{job} {}

  /// True when there was at least one row.
  bool parse(CsvChunk& chunk, std::size_t from, std::size_t line, TableJob::Part& part,
             std::vector<Problem>& problems) {
    char* const begin = chunk.buffer.data();
    CsvCursor cursor{begin + from, begin + chunk.size, separator_, line, file_};
    bool any = false;
    last_.assign(header_.columns.size(), {});
    while (problems.size() < kMostProblems) {
      try {
        if (!cursor.next(record_)) break;
      } catch (const InputError& e) {
        problems.insert(problems.end(), e.problems().begin(), e.problems().end());
        continue;
      }
      if (blank()) continue;
      if (fill(problems) && problems.empty()) job_.row(row_, part);
      any = true;
    }
    return any;
  }

 private:
  /// A row of empty cells, as spreadsheets leave behind.
  bool blank() const {
    return std::all_of(record_.cells.begin(), record_.cells.end(),
                       [](const auto& cell) { return cell.text.empty(); });
  }

  bool fill(std::vector<Problem>& problems) {
    const auto& cells = record_.cells;
    const std::size_t wanted = header_.columns.size();
    if (cells.size() != wanted) {
      // Spreadsheets pad short rows and widen long ones with empty cells.
      const bool padded = cells.size() > wanted &&
                          std::all_of(cells.begin() + static_cast<std::ptrdiff_t>(wanted),
                                      cells.end(), [](const auto& c) { return c.text.empty(); });
      if (!padded) {
        const auto at = cells.size() > wanted ? cells[wanted].offset : cells.back().offset;
        problems.push_back(
            {record_.locate(file_, at),
             fmt::format("the row has {} cells, the header has {}", cells.size(), wanted),
             cells.size() > wanted ? "quote a cell that contains a comma, and write 1.5 for 1,5"
                                   : "a blank cell still needs its comma"});
        return false;
      }
    }
    row_.clear();
    row_.begin(&record_, record_.line);
    bool good = true;
    for (std::size_t i = 0; i < wanted; ++i) {
      const auto col = header_.columns[i];
      if (!col || cells[i].text.empty()) continue;
      // In a sweep most columns repeat from row to row.
      if (cells[i].text == last_[i]) {
        row_.repeat(*col, cells[i].offset);
        continue;
      }
      what_.clear();
      row_.set(*col, cells[i].text, cells[i].offset, 0, what_, help_);
      if (what_.empty()) {
        last_[i] = cells[i].text;
      } else {
        good = false;
        if (problems.size() < kMostProblems) {
          problems.push_back({record_.locate(file_, cells[i].offset), what_, help_});
        }
      }
    }
    return good;
  }

  const std::string& file_;
  const RunHeader& header_;
  char separator_;
  const TableJob& job_;
  CsvRecord record_;
  RunRow row_;
  std::vector<std::string_view> last_;  ///< cells taken last, in this chunk, by column
  std::string what_;
  std::string help_;
};

/// Reads chunks, parses them on several threads, delivers them in order.
class ParallelReader {
 public:
  ParallelReader(CsvChunker& chunker, const std::string& file, const RunHeader& header,
                 char separator, TableJob& job)
      : chunker_{chunker}, file_{file}, header_{header}, separator_{separator}, job_{job} {}

  bool run(unsigned threads) {
    {
      std::vector<std::jthread> pool;
      try {
        for (unsigned i = 1; i < threads; ++i) pool.emplace_back([this] { work(); });
      } catch (const std::system_error&) {  // no more threads to be had: go on with those there are
      }
      work();
    }
    if (failure_) std::rethrow_exception(failure_);
    return any_;
  }

 private:
  /// Parses chunk after chunk. Whatever goes wrong stops all threads and is thrown by run().
  void work() {
    try {
      CsvChunk chunk;
      ChunkParser parser{file_, header_, separator_, job_};
      const auto part = job_.make_part();
      std::size_t ticket = 0;
      while (take(chunk, ticket)) {
        std::vector<Problem> problems;
        part->clear();
        std::exception_ptr failure;
        bool any = false;
        try {
          any = parser.parse(chunk, 0, chunk.first_line, *part, problems);
          if (!problems.empty()) failure = std::make_exception_ptr(InputError(problems));
        } catch (...) {
          failure = std::current_exception();
        }
        deliver(ticket, failure, [&] {
          any_ = any_ || any;
          job_.deliver(*part);
        });
      }
    } catch (...) {
      stop(std::current_exception());
    }
  }

  /// The next chunk and its place in the order; false when there is none or reading has stopped.
  bool take(CsvChunk& chunk, std::size_t& ticket) {
    const std::lock_guard lock{read_};
    if (stopped_) return false;
    std::exception_ptr failure;
    try {
      if (chunker_.next(chunk)) {
        ticket = next_++;
        return true;
      }
    } catch (...) {
      failure = std::current_exception();
    }
    stopped_ = true;
    // What stands before the wrong place is still delivered.
    if (failure) deliver(next_++, failure, [] {});
    return false;
  }

  /// Waits for its turn; does nothing when an earlier chunk failed.
  template <class Deliver>
  void deliver(std::size_t ticket, std::exception_ptr failure, Deliver hand_over) {
    std::unique_lock lock{write_};
    turn_changed_.wait(lock, [&] { return turn_ == ticket || failure_; });
    if (failure_) return;
    try {
      hand_over();
      if (failure) failure_ = failure;
    } catch (...) {
      failure_ = std::current_exception();
    }
    ++turn_;
    if (failure_) stopped_ = true;
    turn_changed_.notify_all();
  }

  void stop(std::exception_ptr failure) {
    const std::lock_guard lock{write_};
    if (!failure_) failure_ = failure;
    stopped_ = true;
    turn_changed_.notify_all();
  }

  CsvChunker& chunker_;
  const std::string& file_;
  const RunHeader& header_;
  char separator_;
  TableJob& job_;
  std::mutex read_;
  std::mutex write_;
  std::condition_variable turn_changed_;
  std::size_t next_ = 0;
  std::size_t turn_ = 0;
  std::atomic<bool> stopped_ = false;
  bool any_ = false;
  std::exception_ptr failure_;
};

[[noreturn]] void no_rows(const std::string& file) {
  throw InputError({file, 0, 0}, "no runs: the table has a header and nothing below it",
                   "add a row for each run; `planner init` prints an example");
}

void read_run_table_csv(std::istream& in, const std::string& file, unsigned threads,
                        TableJob& job) {
  CsvChunker chunker{in, file, job.bytes_at_once()};
  CsvChunk chunk;
  CsvRecord record;
  // The header stands in the first chunk, unless that holds comments only.
  while (chunker.next(chunk)) {
    const char separator = detect_separator({chunk.buffer.data(), chunk.size});
    CsvCursor cursor{chunk.buffer.data(), chunk.buffer.data() + chunk.size, separator,
                     chunk.first_line, file};
    if (!cursor.next(record)) continue;
    const RunHeader header = read_header(record, file, job);
    const std::size_t from = std::min(
        chunk.size,
        static_cast<std::size_t>(record.raw.data() + record.raw.size() - chunk.buffer.data()) + 1);
    const auto part = job.make_part();
    std::vector<Problem> problems;
    ChunkParser parser{file, header, separator, job};
    const bool any =
        parser.parse(chunk, from, record.line + record.newlines.size() + 1, *part, problems);
    job.deliver(*part);
    if (!problems.empty()) throw InputError(std::move(problems));
    const bool more =
        !chunker.at_end() && ParallelReader{chunker, file, header, separator, job}.run(threads);
    if (!any && !more) no_rows(file);
    return;
  }
  throw InputError({file, 0, 0}, "the file is empty",
                   "`planner init` prints a template to fill in");
}

}  // namespace

std::optional<Col> recognize_column(std::string_view name) {
  if (const auto col = find_column(name)) return col;
  if (const auto col = find_llmcarbon_column(name)) return col;
  // "PUE" and "Type" are ours in another case.
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (equal_ignoring_case(kRunColumns[i].name, name)) return static_cast<Col>(i);
  }
  return std::nullopt;
}

std::string unknown_column(const std::string& file, std::size_t line, std::size_t column,
                           std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& known : kRunColumns) names.push_back(known.name);
  return fmt::format(
      "{}:{}:{}: warning: unknown column '{}' is ignored; the nearest known one is {}", file, line,
      column, shortened(name), quoted_list(nearest(names, name, 1), "or"));
}

TableFormat detect_format(std::string_view file_name, std::string_view beginning) {
  const std::string name = lowered(file_name);
  if (name.ends_with(".yaml") || name.ends_with(".yml")) return TableFormat::yaml;
  if (name.ends_with(".csv")) return TableFormat::csv;
  // A YAML table begins with a list item or with the key `runs`.
  while (!beginning.empty()) {
    const auto stop = beginning.find('\n');
    const auto line = trimmed(beginning.substr(0, stop));
    beginning = stop == std::string_view::npos ? std::string_view{} : beginning.substr(stop + 1);
    if (line.empty() || line.front() == '#') continue;
    const bool yaml = line == "---" || line == "-" || line.starts_with("- ") ||
                      line.starts_with("runs:") || line.starts_with('[') || line.starts_with('{');
    return yaml ? TableFormat::yaml : TableFormat::csv;
  }
  return TableFormat::csv;
}

void read_run_table(std::istream& in, const std::string& file, unsigned threads, TableJob& job) {
  std::string head(4096, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(in.gcount()));
  const auto format = detect_format(file, head);
  in.clear();
  if (format == TableFormat::yaml && trimmed(head).starts_with('{') &&
      (head.find("\"model_type\"") != std::string::npos ||
       head.find("\"hidden_size\"") != std::string::npos)) {
    throw InputError({file, 0, 0}, "the configuration of a model, not a run table",
                     fmt::format("`planner show {}` shows it; in a run table its path stands in "
                                 "the column 'architecture'",
                                 file));
  }
  Rewound buffer{std::move(head), *in.rdbuf()};
  std::istream whole{&buffer};
  if (format == TableFormat::yaml) {
    read_run_table_yaml(whole, file, job);
  } else {
    read_run_table_csv(whole, file, std::max(1U, threads), job);
  }
}

}  // namespace pretrain::planner
