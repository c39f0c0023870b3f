#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "models/core/csv.hpp"
#include "planner/estimate.hpp"
#include "planner/predicted.hpp"
#include "planner/run_table.hpp"

namespace pretrain::planner {

/// The tables of the program, read once.
inline const Catalogue& shipped_catalogue() {
  static const Catalogue catalogue;
  return catalogue;
}

/// Calls `visit` for each row of a table, on one thread.
class EachRow : public TableJob {
 public:
  using Visit = std::function<void(const RunRow&)>;
  explicit EachRow(Visit visit) : visit_{std::move(visit)} {}

  std::unique_ptr<Part> make_part() const override { return std::make_unique<NoPart>(); }
  void row(const RunRow& row, Part&) const override { visit_(row); }
  void deliver(Part&) override {}
  void remark(const std::string& text) override { ADD_FAILURE() << text; }

 private:
  struct NoPart : Part {
    void clear() override {}
  };
  Visit visit_;
};

inline void for_each_row(std::istream& in, const std::string& file, EachRow::Visit visit) {
  EachRow job{std::move(visit)};
  read_run_table(in, file, 1, job);
}

/// One run from a CSV text of a header and a row, estimated. The views of its result point into
/// the text that it owns, so that they outlive the reading.
class OneRun {
 public:
  explicit OneRun(std::string_view csv, const EstimateOptions& options = {},
                  const Catalogue& catalogue = shipped_catalogue())
      : text_{csv}, catalogue_{&catalogue} {
    const std::string file = "run.csv";
    CsvCursor cursor{text_.data(), text_.data() + text_.size(), ',', 1, file};
    CsvRecord header;
    CsvRecord cells;
    if (!cursor.next(header) || !cursor.next(cells) || header.cells.size() != cells.cells.size()) {
      throw std::invalid_argument("a header and one row of as many cells: " + std::string{csv});
    }
    row_.clear();
    for (std::size_t i = 0; i < cells.cells.size(); ++i) {
      const auto col = recognize_column(header.cells[i].text);
      if (!col) throw std::invalid_argument("unknown column " + std::string{header.cells[i].text});
      std::string what;
      std::string help;
      row_.set(*col, cells.cells[i].text, 0, 0, what, help);
      if (!what.empty()) throw InputError({file, 2, 0}, what, help);
    }
    estimate_row(row_, catalogue, options, result_);
    predicted_.emplace(result_);
  }
  OneRun(const OneRun&) = delete;
  OneRun& operator=(const OneRun&) = delete;

  const RunRow& row() const { return row_; }
  const Result& result() const { return result_; }
  const Scenario& scenario() const { return result_.scenario; }
  const Predicted& predicted() const { return *predicted_; }
  bool ok() const { return result_.ok; }
  const RowFailure& failure() const { return result_.failure; }

  bool has(Key key) const { return predicted()[key].has_value(); }
  /// A predicted value; fails the test where there is none.
  double operator[](Key key) const {
    if (const auto value = predicted()[key]) return *value;
    ADD_FAILURE() << "no " << info_of(key).name << " for:\n" << text_ << failure().what;
    return std::numeric_limits<double>::quiet_NaN();
  }
  Comparisons compared() const { return {row_, result_, *predicted_, *catalogue_}; }

  /// The first warning of that kind; null when there is none.
  const Warning* warning(Oddity oddity) const {
    for (const auto& warning : result_.warnings) {
      if (warning.oddity == oddity) return &warning;
    }
    return nullptr;
  }

 private:
  std::string text_;
  const Catalogue* catalogue_;
  RunRow row_;
  Result result_;
  std::optional<Predicted> predicted_;
};

/// The place that a value comes from; empty when it has none.
template <class T>
std::string_view place_of(const Known<T>& value) {
  return value.origin != nullptr ? value.origin->place : std::string_view{};
}

inline constexpr double kExact = 1e-12;  // relative: one equation after the other, rounding only
inline constexpr double kHoursPerDay = 24.0;

inline const EstimateOptions kBlind{.blind = true};
inline const EstimateOptions kSixNd{.method = Method::six_nd};
inline const EstimateOptions kLlmcarbon{.embodied = Embodied::llmcarbon};
inline const EstimateOptions kCard{.embodied = Embodied::card};
inline const EstimateOptions kServer{.embodied = Embodied::server};

inline std::string joined(const std::string& header, const std::string& cells) {
  return header + "\n" + cells + "\n";
}

inline std::string text_of(const std::string& path) {
  std::ifstream in{std::string{PRETRAIN_SOURCE_DIR} + "/" + path, std::ios::binary};
  EXPECT_TRUE(in) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline void expect_near(double value, double wanted, double relative = kExact) {
  EXPECT_NEAR(value, wanted, relative * std::abs(wanted));
}

/// Expects a row that contradicts itself, with a reason that says `part` and a remedy.
inline void expect_failure(const std::string& csv, const std::string& part, Col col,
                           const EstimateOptions& options = {}) {
  const OneRun run{csv, options};
  EXPECT_FALSE(run.ok()) << csv;
  EXPECT_NE(run.failure().what.find(part), std::string::npos)
      << "'" << part << "' is not in '" << run.failure().what << "' for\n"
      << csv;
  EXPECT_FALSE(remedy(run.failure(), shipped_catalogue()).empty()) << csv;
  EXPECT_EQ(run.failure().col, col) << csv;
  for (std::size_t i = 0; i < kKeys; ++i) EXPECT_FALSE(run.has(static_cast<Key>(i)));
}

}  // namespace pretrain::planner
