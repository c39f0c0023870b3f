#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "validation/evaluation.hpp"

namespace pretrain::validation {

/// Measured plans of one run: same model, devices, batch and source.
struct PlanGroup {
  std::string id;  ///< of the first of them
  std::string table;
  std::string device;
  double devices = 0;
  double nodes = 0;
  std::size_t plans = 0;
  std::string picked;    ///< id of the plan that is predicted to be the fastest
  std::string fastest;   ///< id of the plan that was
  double regret = 0;     ///< time that the picked plan takes more, as a share
  double by_chance = 0;  ///< mean of that over all plans
  double spearman = 0;   ///< rank correlation of predicted and measured rates
};

/// Groups of one kind together.
struct PlanScore {
  std::string what;
  std::size_t groups = 0;
  std::size_t plans = 0;
  double median_regret = 0;
  double mean_regret = 0;
  double worst_regret = 0;
  double mean_by_chance = 0;
  double mean_spearman = 0;
};

/// Whether published plans are judged as they turned out.
struct FitScore {
  std::size_t ran = 0;          ///< plans that ran
  std::size_t refused = 0;      ///< of them: judged too large
  std::size_t tight = 0;        ///< of them: told to be near the limit, so not chosen by a search
  std::size_t failed = 0;       ///< plans that ran out of memory
  std::size_t let_through = 0;  ///< of them: judged to fit with room
  // With measured peaks: a device that has a tenth less, or more, than the peak.
  std::size_t peaks = 0;
  std::size_t short_refused = 0;
  std::size_t ample_taken = 0;

  bool empty() const { return ran + failed + peaks == 0; }
};

struct PlanAudit {
  std::vector<PlanGroup> groups;  ///< of three plans and more, from the largest regret
  std::vector<PlanScore> scores;
  FitScore fit;
  std::vector<FitCase> misjudged;
};

/// `predictions`: of the cases, as Scoreboard has them.
PlanAudit audit_plans(const Cases& cases, const std::vector<Predictions>& predictions);

/// Spearman's rank correlation, ties at their mean rank; 0 where one of them does not vary.
double rank_correlation(const std::vector<double>& a, const std::vector<double>& b);

}  // namespace pretrain::validation
