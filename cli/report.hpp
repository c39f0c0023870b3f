#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/estimate_job.hpp"
#include "cli/format_compare.hpp"
#include "validation/published.hpp"

namespace pretrain::cli {

/// A run somewhere else.
struct ElsewhereRow {
  std::string region;
  bool own = false;
  std::optional<double> intensity_kg;
  std::optional<double> operational_t;
};

/// Everything that a report tells, whatever its format. Nothing is computed after it.
struct Report {
  std::string title;
  std::string created;
  std::string catalogue;
  std::string profile;  ///< in use; empty: none
  const std::vector<ReportRow>& rows;
  std::vector<nlohmann::ordered_json> runs;  ///< as the JSON output has them; empty: too many
  Comparison comparison;
  std::vector<ElsewhereRow> elsewhere;  ///< of the first run
  std::vector<validation::PublishedRun> published;
  std::vector<std::string> files;  ///< that it was made from
  double interval = 0.9;           ///< that the intervals promise; 0: none

  /// The first run that could be computed; the first where none was.
  const ReportRow& lead() const;
  /// "90% intervals"; empty: none.
  std::string interval_words() const;
};

/// What a report is to be made of.
struct ReportQuestion {
  std::string table;  ///< its text
  std::string name;   ///< of the table, for messages
  std::string file;   ///< that it is from, as typed; empty: the command line
  std::string kind = "html";
  std::string title = {};    ///< empty: the usual
  std::string profile = {};  ///< in use; empty: none
  std::string solved = {};   ///< what was solved for; empty: nothing
  std::string mixtures = {};
  const models::ScalingLaw* law = nullptr;  ///< null: the usual
  std::optional<LeverTargets> levers = {};  ///< of the first run; absent: none are pulled
};

/// Estimates a table and writes the report on it. `exit`: as `planner estimate` has it.
std::string report_on(const ReportQuestion& question, JobOptions options,
                      const planner::Catalogue& catalogue, Exit& exit);

/// One file that needs nothing else.
std::string report_html(const Report& report);
std::string report_markdown(const Report& report);
/// The block of a Hugging Face model card, of the first run. Throws InputError where its carbon is
/// not known.
std::string report_card(const Report& report);
/// All runs as a sheet.
std::string report_csv(const Report& report);

/// What regulations and standards ask for: its name there, what the run has, and how it was found.
struct AskedFor {
  std::string by;
  std::string what;
  std::string value;
};
std::vector<AskedFor> asked_for(const ReportRow& row);

/// "16.2 (11.0 to 24.1)"; a dash where it is unknown.
std::string with_interval(const ReportRow& row, planner::Key key);

}  // namespace pretrain::cli
