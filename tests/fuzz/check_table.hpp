#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "planner/catalogue.hpp"
#include "planner/estimate.hpp"
#include "planner/explain.hpp"
#include "planner/predicted.hpp"
#include "planner/run_table.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::planner {

/// Tells the fuzzer that this input broke a promise.
[[noreturn]] inline void broken(std::string_view promise, std::string_view detail) {
  std::fprintf(stderr, "broken: %.*s: %.*s\n", static_cast<int>(promise.size()), promise.data(),
               static_cast<int>(detail.size()), detail.data());
  std::abort();
}

inline const std::vector<Col>& all_columns() {
  static const std::vector<Col> columns = [] {
    std::vector<Col> all;
    for (std::size_t i = 0; i < kColumns; ++i) all.push_back(static_cast<Col>(i));
    return all;
  }();
  return columns;
}

struct NoPart : TableJob::Part {
  void clear() override {}
};

/// Compares the one row of a table that was written with the row it was written from.
class SameRow : public TableJob {
 public:
  explicit SameRow(const RunRow& original) : original_{original} {}

  std::unique_ptr<Part> make_part() const override { return std::make_unique<NoPart>(); }
  void row(const RunRow& copy, Part&) const override {
    for (const Col col : all_columns()) {
      const auto name = column_of(col).name;
      if (original_.has(col) != copy.has(col)) broken("a blank cell stays blank", name);
      const bool same = column_of(col).numeric() ? original_.number(col) == copy.number(col)
                                                 : original_.text(col) == copy.text(col);
      if (!same) broken("a written cell reads back", name);
    }
  }
  void deliver(Part&) override {}
  void remark(const std::string& text) override { broken("own columns are known", text); }

 private:
  const RunRow& original_;
};

/// Estimates each row in several ways, reads all there is to read, and writes it and reads it back.
class CheckedRows : public TableJob {
 public:
  explicit CheckedRows(const std::string& file) : file_{file} {}

  std::unique_ptr<Part> make_part() const override { return std::make_unique<Count>(); }

  void row(const RunRow& row, Part& part) const override {
    // A few rows of a table tell as much as many.
    constexpr int kMostRows = 8;
    if (++static_cast<Count&>(part).rows > kMostRows) return;
    static const Catalogue catalogue;
    for (const auto& options :
         {EstimateOptions{}, EstimateOptions{.blind = true},
          EstimateOptions{.method = Method::llmcarbon},
          EstimateOptions{.embodied = Embodied::card, .grid = Grid::mlco2_2019}}) {
      Result result;
      estimate_row(row, catalogue, options, result);
      check(row, result, catalogue);
    }
    check_written(row);
  }

  void deliver(Part&) override {}
  void remark(const std::string& text) override {
    if (!text.starts_with(file_)) broken("a remark begins with its place", text);
  }

 private:
  struct Count : Part {
    void clear() override { rows = 0; }
    int rows = 0;
  };

  void check(const RunRow& row, const Result& result, const Catalogue& catalogue) const {
    for (const auto& warning : result.warnings) {
      if (to_text(warning, catalogue).empty()) broken("a warning has a text", "");
    }
    if (!result.ok) {
      if (result.failure.what.empty()) broken("a failure has a reason", "");
      static_cast<void>(row.locate(file_, result.failure.col));
      return;
    }
    const Predicted predicted{result};
    for (std::size_t i = 0; i < kKeys; ++i) {
      const auto value = predicted[static_cast<Key>(i)];
      if (value && !std::isfinite(*value)) broken("a predicted value is finite", kKeyInfo[i].name);
      if (value && *value < 0.0) broken("a predicted value is not negative", kKeyInfo[i].name);
    }
    for (const auto& comparison : Comparisons{row, result, predicted, catalogue}) {
      if (comparison.delta && !std::isfinite(*comparison.delta)) {
        broken("a delta is finite", info_of(comparison.key).name);
      }
    }
    for (const auto& step : explain(result)) {
      if (!std::isfinite(step.result)) broken("an explained result is finite", step.equation);
    }
    for (const auto& input : inputs_of(result)) {
      if (input.column.empty()) broken("an input has a column", "");
    }
  }

  static void check_written(const RunRow& row) {
    // A row of blanks is not a run: it is skipped when read.
    const auto& columns = all_columns();
    if (std::none_of(columns.begin(), columns.end(), [&](Col col) { return row.has(col); })) return;
    const RunWriter writer{columns};
    std::string text;
    writer.header(text);
    writer.row(text, row);
    std::istringstream in{text};
    SameRow same{row};
    try {
      read_run_table(in, "written.csv", 1, same);
    } catch (const InputError& e) {
      broken("a written row is legible", e.what());
    }
  }

  const std::string& file_;
};

/// Reads `bytes` as a run table of that name. Nothing but InputError may be thrown on the way, and
/// that tells what is wrong.
inline void check_table(std::string_view bytes, const std::string& file) {
  std::istringstream in{std::string{bytes}};
  CheckedRows job{file};
  try {
    read_run_table(in, file, 1, job);
  } catch (const InputError& e) {
    if (e.problems().empty()) broken("an error has a problem", "");
    // One reading may end with a problem of the parser after those of the rows.
    if (e.problems().size() > kMostProblems) broken("the problems are few", e.what());
    for (const auto& problem : e.problems()) {
      if (problem.what.empty()) broken("a problem says what is wrong", "");
      if (problem.where.file != file) broken("a problem names the file", problem.where.file);
    }
  }
}

}  // namespace pretrain::planner
