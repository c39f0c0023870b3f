#pragma once

#include <string>

#include "validation/energy_audit.hpp"
#include "validation/evaluation.hpp"

namespace pretrain::cli {

// The answers of `validate`. `heading` says what was scored and how.

/// The array `summary` of the output contract; the same as JSON lines; the array `skipped`.
std::string json_scores(const validation::Scoreboard& board);
std::string json_lines(const validation::Scoreboard& board);
std::string json_skipped(const validation::Cases& scored);
/// The object `energy_audit`.
std::string json_audit(const validation::EnergyAudit& audit);
std::string csv_scores(const validation::Scoreboard& board);

/// Tables by kind of run, what else is predicted, and what was not scored.
std::string table_scores(const std::string& heading, const validation::Cases& scored,
                         const validation::Scoreboard& board, const validation::EnergyAudit& audit,
                         bool color);
std::string markdown_scores(const std::string& heading, const validation::Scoreboard& board,
                            const validation::EnergyAudit& audit);
/// All tables, the worst runs, and every run that was not scored, as Markdown.
std::string report_scores(const std::string& heading, const validation::Cases& scored,
                          const validation::Scoreboard& board,
                          const validation::EnergyAudit& audit);

}  // namespace pretrain::cli
