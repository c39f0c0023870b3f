#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <bitset>
#include <deque>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "models/core/text.hpp"
#include "planner/run_table.hpp"

namespace pretrain::planner {

namespace {

/// Turns parser events into rows as they come, without a tree in memory. Accepts a list of
/// mappings, the same under the key `runs`, or one mapping for one run.
class RowBuilder : public YAML::EventHandler {
 public:
  RowBuilder(const std::string& text, const std::string& file, TableJob& job)
      : text_{text}, file_{file}, job_{job}, part_{job.make_part()} {}

  bool any() const { return any_; }

  /// Hands over what is left, then throws if anything was wrong.
  void finish() {
    job_.deliver(*part_);
    part_->clear();
    if (!problems_.empty()) throw InputError(std::move(problems_));
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp does not step over a stray ',' between documents: without this it never ends.
    if (mark.pos == document_at_) fail(mark, "a ',' where a run is wanted", kShape);
    document_at_ = mark.pos;
    state_ = State::top;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    if (state_ == State::top) return;  // an empty document
    scalar(mark, "");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    fail(mark, "an alias (*name)", "write the value out: aliases are not part of run tables");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    if (tag == "!") require_closed(mark);
    if (!is_text(value)) fail(mark, "an escape that stands for no character", "write the text out");
    const bool null = tag != "!" && (value == "~" || value == "null");
    scalar(mark, null ? std::string{} : value);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    if (state_ == State::top || state_ == State::runs) {
      wrapped_ = state_ == State::runs;
      state_ = State::rows;
      return;
    }
    fail(mark, "a list where a single value is wanted", kShape);
  }
  void OnSequenceEnd() override { state_ = wrapped_ ? State::wrapper : State::top; }

  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    if (state_ == State::top || state_ == State::rows) {
      in_list_ = state_ == State::rows;
      row_.clear();
      row_.begin(nullptr, line_of(mark));
      texts_.clear();
      seen_.reset();
      good_ = true;
      first_key_ = !in_list_;
      state_ = State::key;
      return;
    }
    fail(mark, "a mapping where a single value is wanted", kShape);
  }
  void OnMapEnd() override {
    if (state_ == State::wrapper) {
      state_ = State::top;
      return;
    }
    any_ = true;
    if (good_ && problems_.empty()) {
      job_.row(row_, *part_);
      if (++held_ == kRowsPerPart) {
        held_ = 0;
        job_.deliver(*part_);
        part_->clear();
      }
    }
    state_ = in_list_ ? State::rows : State::top;
  }

 private:
  enum class State { top, rows, key, value, skip, runs, wrapper, wrapper_value };
  static constexpr std::size_t kRowsPerPart = 256;
  static constexpr const char* kShape =
      "a run table is a list of runs, each a mapping of column: value";

  static std::size_t line_of(const YAML::Mark& mark) {
    return static_cast<std::size_t>(mark.line) + 1;
  }
  Location at(const YAML::Mark& mark) const {
    return {file_, line_of(mark), static_cast<std::size_t>(mark.column) + 1};
  }
  [[noreturn]] void fail(const YAML::Mark& mark, std::string what, std::string help) {
    problems_.push_back({at(mark), std::move(what), std::move(help)});
    finish();
    throw std::logic_error("finish() throws what is wrong");
  }
  /// yaml-cpp takes a quote that the end of the file cuts off: a truncated table must not pass.
  void require_closed(const YAML::Mark& mark) {
    auto i = static_cast<std::size_t>(mark.pos);
    if (i >= text_.size() || (text_[i] != '"' && text_[i] != '\'')) return;  // a block scalar
    const char quote = text_[i];
    for (++i; i < text_.size(); ++i) {
      if (quote == '"' && text_[i] == '\\') {
        ++i;
      } else if (text_[i] == quote) {
        if (quote == '"' || i + 1 >= text_.size() || text_[i + 1] != quote) return;
        ++i;
      }
    }
    fail(mark, "the quote opened here is never closed", "close the quote");
  }
  void note(const YAML::Mark& mark, std::string what, std::string help) {
    good_ = false;
    problems_.push_back({at(mark), std::move(what), std::move(help)});
    if (problems_.size() >= kMostProblems) finish();
  }

  void scalar(const YAML::Mark& mark, std::string value) {
    switch (state_) {
      case State::top:
      case State::rows:
      case State::runs:
        fail(mark, fmt::format("'{}' where a run is wanted", shortened(value)), kShape);
      case State::wrapper:
        fail(mark, fmt::format("key '{}' beside 'runs'", shortened(value)), kShape);
      case State::key:
        key(mark, value);
        return;
      case State::skip:
      case State::wrapper_value:
        state_ = State::key;
        return;
      case State::value:
        take(mark, std::move(value));
        state_ = State::key;
        return;
    }
  }

  void key(const YAML::Mark& mark, const std::string& name) {
    if (first_key_ && name == "runs") {
      state_ = State::runs;
      return;
    }
    first_key_ = false;
    const auto col = recognize_column(name);
    if (!col) {
      if (unknown_.size() < kMostProblems && unknown_.insert(name).second) {
        job_.remark(
            unknown_column(file_, line_of(mark), static_cast<std::size_t>(mark.column) + 1, name));
      }
      state_ = State::skip;
      return;
    }
    const auto index = static_cast<std::size_t>(*col);
    if (seen_[index]) {
      note(mark, fmt::format("key '{}' stands twice in one run", shortened(name)),
           "keep one of them");
      state_ = State::skip;
      return;
    }
    seen_.set(index);
    col_ = *col;
    state_ = State::value;
  }

  void take(const YAML::Mark& mark, std::string value) {
    texts_.push_back(std::move(value));
    std::string what;
    std::string help;
    const auto text = trimmed(texts_.back());
    row_.set(col_, text, static_cast<std::uint32_t>(mark.column + 1),
             static_cast<std::uint32_t>(mark.line + 1), what, help);
    if (!what.empty()) note(mark, what, help);
  }

  const std::string& text_;
  const std::string& file_;
  TableJob& job_;
  std::unique_ptr<TableJob::Part> part_;
  std::size_t held_ = 0;
  std::vector<Problem> problems_;
  State state_ = State::top;
  int document_at_ = -1;
  RunRow row_;
  std::deque<std::string> texts_;
  std::bitset<kColumns> seen_;
  std::set<std::string> unknown_;
  Col col_{};
  bool good_ = true;
  bool first_key_ = false;
  bool in_list_ = false;
  bool wrapped_ = false;
  bool any_ = false;
};

/// YAML tables are written by people and held in memory, which tells the place of a wrong byte.
std::string whole_text(std::istream& in, const std::string& file) {
  constexpr std::size_t kMost = std::size_t{64} << 20;
  constexpr std::size_t kStep = std::size_t{1} << 16;
  std::string text;
  while (in && text.size() <= kMost) {
    const std::size_t size = text.size();
    text.resize(size + kStep);
    in.read(text.data() + size, static_cast<std::streamsize>(kStep));
    text.resize(size + static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) throw InputError({file, 0, 0}, "the file cannot be read to its end", "");
  if (text.size() > kMost) {
    throw InputError({file, 0, 0}, "a YAML table of more than 64 MiB",
                     "write large tables as CSV, which is read as a stream");
  }
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  require_text(text, file, 1);
  return text;
}

}  // namespace

void read_run_table_yaml(std::istream& in, const std::string& file, TableJob& job) {
  const std::string text = whole_text(in, file);
  RowBuilder builder{text, file, job};
  try {
    std::istringstream stream{text};
    YAML::Parser parser{stream};
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {  // the parser's own mark survives, its type does not
    builder.finish();
    throw InputError({file, static_cast<std::size_t>(e.mark.line) + 1,
                      static_cast<std::size_t>(e.mark.column) + 1},
                     "not valid YAML: " + e.msg,
                     "a run table is a list of runs, each a mapping of "
                     "column: value");
  }
  builder.finish();
  if (!builder.any()) {
    throw InputError({file, 0, 0}, "no runs in this file",
                     "`planner init` prints a template to fill in");
  }
}

}  // namespace pretrain::planner
