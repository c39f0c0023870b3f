#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cli/exit.hpp"
#include "cli/files.hpp"
#include "db/store.hpp"
#include "planner/beside.hpp"
#include "planner/best_plan.hpp"
#include "planner/candidate.hpp"
#include "planner/estimate.hpp"
#include "planner/predicted.hpp"
#include "planner/run_table.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::cli {

enum class Format { table, json, jsonl, csv, markdown };

/// What a command wants done with the rows of a table.
struct JobOptions {
  planner::EstimateOptions estimate;
  std::shared_ptr<const planner::HourlyGrid> hourly;
  std::shared_ptr<const planner::Draws> draws;  ///< that `estimate` points to; null: closed form
  std::shared_ptr<const planner::BestPlans> plans;  ///< rows are estimated in these; null: as is
  Format format = Format::table;
  std::string where;           ///< only runs of this name or id; empty: all
  bool explain = false;        ///< tables only: the chain of each run
  bool keep_rows = false;      ///< collect rows whatever the format (compare)
  bool quiet = false;          ///< tell nothing on standard error
  bool csv_intervals = false;  ///< csv only: columns for the ends of intervals
};

/// A published number beside the prediction, owned.
struct ReportedNumber {
  planner::Key key{};
  std::optional<double> predicted;
  double reported{};
  std::optional<double> delta;
  std::string scope;
  std::string basis;
  std::string reason;
};

/// A value that the table did not give.
struct FilledIn {
  std::string column;
  std::string value;
  std::string_view basis;
  std::string place;
};

/// A row as the formats for people need it, independent of the reader's buffers.
struct ReportRow {
  std::string id;
  std::string name;
  bool ok = false;  ///< computed
  planner::Status status = planner::Status::error;
  std::string reason;  ///< and remedy, where the status is not ok
  std::optional<planner::Predicted> predicted;
  std::optional<double> tokens;
  std::optional<double> devices;
  std::optional<double> offset_tco2e;
  std::string device;
  std::string embodied_scope;
  std::string interval;    ///< how far the rate may be off, for people; empty: not modeled
  std::string grid_scope;  ///< direct or lifecycle; empty when the intensity was given
  std::vector<ReportedNumber> reported;
  std::vector<FilledIn> filled_in;
  std::vector<planner::Line> beside;  ///< those that were asked for
  planner::Candidate candidate;
  std::optional<double> pue;
  bool region_named = false;
  std::string phase;  ///< as stated; empty: pretraining
  std::string proof;

  const ReportedNumber* find(planner::Key key) const;
};

/// Estimates every row of a run table: streams CSV and JSON lines, holds the other formats, tells
/// oddities on standard error, and keeps what --save asks for.
class EstimateJob : public planner::TableJob {
 public:
  EstimateJob(std::string file, const planner::Catalogue& catalogue, JobOptions options,
              OutputFile* out, db::Store* store);

  std::unique_ptr<Part> make_part() const override;
  std::size_t bytes_at_once() const override;
  void row(const planner::RunRow& row, Part& part) const override;
  void deliver(Part& part) override;
  void remark(const std::string& text) override;

  /// What the streaming formats write first.
  std::string opening() const;
  /// After the last row: throws InputError when --where matched nothing; tells counts.
  void finish();

  const std::vector<ReportRow>& rows() const { return rows_; }
  /// The objects of `runs`, separated by commas.
  const std::string& json_runs() const { return text_; }
  std::size_t saved() const { return saved_; }
  Exit exit() const {
    if (failed_ > 0) return Exit::bad_input;
    return infeasible_ > 0 ? Exit::no : Exit::ok;
  }

 private:
  struct EstimatePart;
  bool wanted(const planner::RunRow& row) const;
  void tell(EstimatePart& part, const planner::RunRow& row, const planner::Result& result) const;

  std::string file_;
  const planner::Catalogue& catalogue_;
  JobOptions options_;
  OutputFile* out_;
  db::Store* store_;
  std::string saved_at_;
  std::string hash_;

  std::string text_;
  std::vector<ReportRow> rows_;
  /// An oddity that is told once for the names in it.
  struct ToldName {
    planner::Oddity oddity{};
    std::string name;
    std::string other;
    friend auto operator<=>(const ToldName&, const ToldName&) = default;
  };
  std::set<ToldName> told_names_;
  std::array<std::size_t, static_cast<std::size_t>(planner::Oddity::count)> told_{};
  std::size_t failed_ = 0;
  std::size_t infeasible_ = 0;
  std::size_t matched_ = 0;
  std::size_t saved_ = 0;
  std::unordered_set<std::size_t> ids_;
  bool ids_full_ = false;
  std::size_t repeated_ids_ = 0;
  std::set<std::string> names_;  ///< of rows that --where passed over, to suggest
};

/// The text of --format.
Format format_of(std::string_view name);

/// One run as JSON, as in the output contract.
std::string json_run(const planner::RunRow& row, const planner::Result& result,
                     const planner::Catalogue& catalogue);
/// The document around the runs; `more` is inserted before `runs` ("key": value, ...), or empty.
std::string json_document(const planner::Catalogue& catalogue, std::string_view runs,
                          std::string_view more);

/// Header and rows of the CSV output.
std::string csv_header(bool intervals, const planner::Asked& asked);
class CsvRows {
 public:
  explicit CsvRows(bool intervals);
  void append(std::string& out, const planner::RunRow& row, const planner::Result& result,
              const planner::Catalogue& catalogue);

 private:
  static constexpr std::size_t kNumbers = planner::kKeys +
                                          planner::Comparisons::kReportable.size() + 2 +
                                          2 * planner::Predicted::kUncertain.size();
  bool intervals_;
  planner::NumberColumns numbers_;
};

/// Rows for people, with totals and what was filled in.
std::string table_text(const std::vector<ReportRow>& rows, bool color);
/// Rows that are not computed or do not fit, and what would mend them.
std::string refusals(const std::vector<ReportRow>& rows);
/// What the numbers cover: scopes of energy, carbon and footprints.
std::string footnotes(const std::vector<ReportRow>& rows);
/// Where the numbers of each run may lie, and what makes them uncertain; empty: nowhere else.
std::string intervals_text(const std::vector<ReportRow>& rows);
/// What was asked for beside the runs; empty: nothing.
std::string beside_text(const std::vector<ReportRow>& rows);
/// What the table did not give, and where it comes from.
std::string filled_in_text(const std::vector<ReportRow>& rows);
std::string markdown_text(const std::vector<ReportRow>& rows);
/// The chain of one run as a proof.
std::string proof_text(std::string_view name, const planner::RunRow& row,
                       const planner::Result& result, const planner::Catalogue& catalogue);
ReportRow report_row(const planner::RunRow& row, const planner::Result& result,
                     const planner::Catalogue& catalogue, bool explain);

/// "server (card + host)", ...: the boundary that the embodied carbon of a run has.
std::string_view embodied_scope_of(const planner::CarbonResult& carbon);
/// Place, source and locator of a value, for people.
std::string source_text(const Origin* origin, const planner::Catalogue& catalogue);

}  // namespace pretrain::cli
