#pragma once

#include <string>
#include <vector>

#include "cli/text_table.hpp"
#include "validation/energy_audit.hpp"
#include "validation/evaluation.hpp"
#include "validation/plan_audit.hpp"

namespace pretrain::cli {

// The answers of `validate`.

/// The array `summary` of the output contract; the same as JSON lines; the array `skipped`.
std::string json_scores(const validation::Scoreboard& board);
std::string json_lines(const validation::Scoreboard& board);
std::string json_skipped(const validation::Cases& scored);
/// The object `energy_audit`.
std::string json_audit(const validation::EnergyAudit& audit);
/// The object `plan_audit`.
std::string json_plans(const validation::PlanAudit& plans);
std::string csv_scores(const validation::Scoreboard& board);

/// What `validate` found.
struct Findings {
  std::string heading;  ///< what was scored and how
  const validation::Cases& scored;
  validation::Scoreboard board;
  validation::EnergyAudit energy;
  validation::PlanAudit plans;
};

/// Tables by kind of run, what else is predicted, and what was not scored.
std::string table_scores(const Findings& found, bool color);
std::string markdown_scores(const Findings& found);
/// A part of the report.
struct ScoreSection {
  std::string title;
  std::vector<TextTable> tables;
};
std::vector<ScoreSection> score_sections(const Findings& found);
/// As a page: scatter, residuals by group and coverage before the tables.
std::string html_scores(const Findings& found, const std::string& created);
/// All tables, the worst runs, every group of plans, and every run that was not scored, as
/// Markdown.
std::string report_scores(const Findings& found);

}  // namespace pretrain::cli
