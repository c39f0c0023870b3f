#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "validation/evaluation.hpp"
#include "validation/score.hpp"

namespace pretrain::validation {

/// What of a run's energy is judged.
enum class EnergyPart : std::uint8_t {
  time,   ///< hours, or days, blind
  power,  ///< draw, or energy where the true hours are given
  total,  ///< energy end to end, blind
  all,    ///< the three together, for what is too few apart
};
std::string_view name_of(EnergyPart part);

/// One part of one run.
struct AuditedPart {
  planner::Key quantity{};
  double predicted = 0;
  double reported = 0;
  std::optional<bool> held;  ///< within its interval; absent where there is none

  double delta() const { return predicted / reported - 1; }
};

/// A run of which hours, draw or energy were measured.
struct AuditedRun {
  std::string id;
  std::string device;
  std::string quality;
  std::optional<AuditedPart> time;
  std::optional<AuditedPart> power;
  std::optional<AuditedPart> total;
  std::string remark;  ///< why it is far off, where that is known
};

/// Scores of one part, over all runs or those of one kind.
struct AuditedScore {
  EnergyPart part{};
  std::string what;
  Summary summary;
};

struct EnergyAudit {
  std::vector<AuditedRun> runs;
  std::vector<AuditedScore> scores;
};

/// `blind`: predicted with nothing measured; `given`: the same runs with their true hours.
/// `remarks` by id. `level` is what the intervals promise. A run counts once in each part.
EnergyAudit audit_energy(const std::vector<Case>& blind, const std::vector<Case>& given,
                         const std::map<std::string, std::string, std::less<>>& remarks,
                         double level);

/// Known reasons of errors by run, as they ship.
std::map<std::string, std::string, std::less<>> shipped_remarks();

}  // namespace pretrain::validation
