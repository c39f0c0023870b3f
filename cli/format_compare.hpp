#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/estimate_job.hpp"
#include "cli/what_if.hpp"
#include "models/scaling_law.hpp"

namespace pretrain::cli {

/// Candidates beside each other, and what the choice comes to.
struct Comparison {
  const std::vector<ReportRow>& rows;
  const models::ScalingLaw& law;
  std::string solved = {};    ///< what was solved for; empty: nothing
  std::string mixtures = {};  ///< what those beside dense sizes are; empty: none
  std::optional<Levers> levers = {};
  bool fastest_plans = false;  ///< of all, where they have no own

  /// Loss by the law; absent where it does not hold.
  std::vector<std::optional<double>> losses = {};
  /// That a candidate emits less than the first.
  std::vector<std::optional<double>> less = {};
  /// Candidates of which none has less carbon and less loss, from the least carbon.
  std::vector<std::size_t> front = {};
};

/// Fills what follows from the rows.
Comparison compared(const std::vector<ReportRow>& rows, const models::ScalingLaw& law);

std::string compare_table(const Comparison& c, bool color, bool plot);
std::string compare_markdown(const Comparison& c);
std::string compare_csv(const Comparison& c);
/// Members of the JSON document beside its runs.
std::string compare_json(const Comparison& c);

/// The choice in words, and what was solved for; empty: nothing to choose.
std::string choice_text(const Comparison& c);

/// What the mixtures are, and whose plans they have; empty: those of the rows.
std::string notes_text(const Comparison& c);

/// A probability for people: 57.8%, >99.9%.
std::string probability_text(double share);

/// Loss against carbon in characters; empty where less than two candidates have both.
std::string plot_text(const Comparison& c);

}  // namespace pretrain::cli
