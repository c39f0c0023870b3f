#pragma once

#include <array>
#include <cstdint>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/step_constants.hpp"
#include "models/step_spread.hpp"
#include "planner/catalogue.hpp"
#include "planner/predicted.hpp"
#include "planner/run_table.hpp"
#include "planner/scenario.hpp"
#include "planner/step_question.hpp"
#include "validation/baselines.hpp"
#include "validation/duel.hpp"
#include "validation/score.hpp"
#include "validation/split.hpp"

namespace pretrain::validation {

/// Who predicts. All but the first are baselines that the planner has to beat.
enum class Predictor : std::uint8_t {
  planner,
  llmcarbon_6pd,      ///< 6 N D over LLMCarbon's fit of throughput, as its code does
  llmcarbon_8pd,      ///< 8 N D over it: the fit counts recomputation
  generation_median,  ///< median utilization of the generation, type and number format
  knn5,               ///< mean of the five most similar runs
  ridge,              ///< ridge regression on log features
};
inline constexpr std::size_t kPredictors = 6;
std::string_view name_of(Predictor predictor);

/// What a prediction may have learnt from.
enum class SplitMode : std::uint8_t {
  none,              ///< all cases that ship with the program, the scored ones among them
  grouped,           ///< nothing of the same model on the same device
  leave_source_out,  ///< nothing from the same source
};
std::string_view name_of(SplitMode mode);

/// One published number beside the prediction, in its own quantity, scope and convention.
struct Measured {
  planner::Key key{};
  double predicted{};
  double reported{};
  std::optional<double> low;  ///< of the program's own interval
  std::optional<double> high;
  /// Power of the rate that the prediction goes with: 1 for throughput, -1 for time and energy, 0
  /// where the rate does not matter. Tells how another rate changes it.
  int rate_power = 0;
  bool of_rate = false;  ///< nothing else is uncertain in it
};

/// A row of a run table as the judge sees it.
struct Case {
  std::string id;
  std::string name;
  std::string table;  ///< name of its file without folder and ending
  std::string type;
  std::string device;
  std::string generation;
  std::string family;
  std::string quality;
  std::string phase;
  std::string dtype;
  std::string energy_basis;   ///< how its energy was found, as the row says
  bool architecture = false;  ///< its dimensions are known
  std::string recipe;         ///< all that is stated of the run but for its plan
  std::string plan;           ///< what is stated of that
  double devices = 0;
  double nodes = 0;
  std::string group;   ///< model and device
  std::string source;  ///< who measured
  std::size_t fold = 0;
  std::vector<Measured> measured;
  /// Tokens per second and device, from whatever the row reports of its throughput.
  std::optional<Measured> throughput;

  /// It reports days, energy or carbon: its rate has interruptions in it that no step has.
  bool production = false;
  std::optional<planner::StepQuestion> step;  ///< what the time of a step is predicted from

  // For the baselines.
  double planner_rate = 0;    ///< tokens per second and device that the planner predicts
  double tokens_at_peak = 0;  ///< tokens per second and device at a utilization of 1
  std::array<std::optional<double>, kFeatures> features;
  double weight = 0;                    ///< 0: nothing is learnt from it
  std::optional<double> llmcarbon_6pd;  ///< tokens per second and device
  std::optional<double> llmcarbon_8pd;
};

/// A row that is not scored, and why.
struct Skipped {
  std::string id;
  std::string reason;
};

/// Whether a plan as it is stated fits, beside what became of it.
struct FitCase {
  std::string id;
  std::string table;
  bool ran = true;  ///< false: it ran out of memory
  bool fits = true;
  bool tight = false;  ///< it fits, but leaves no room for the gaps of the allocator
  double need_gib = 0;
  double usable_gib = 0;
};

/// Takes the rows of run tables, blind: nothing that was measured on the run itself is used for its
/// prediction.
class Cases : public planner::TableJob {
 public:
  Cases(const planner::Catalogue& catalogue, const Split& split, planner::EstimateOptions options);

  /// The rows that follow are of this table.
  void begin_table(std::string name) { table_ = std::move(name); }

  std::unique_ptr<Part> make_part() const override;
  void row(const planner::RunRow& row, Part& part) const override;
  void deliver(Part& part) override;
  void remark(const std::string& text) override { remarks_.push_back(text); }

  /// Takes out the runs of which a newer release of the same configuration is there, too.
  void keep_newest();
  /// Adds the rows that another has read.
  void take(Cases&& other);

  std::vector<Case>& cases() { return cases_; }
  std::vector<Skipped>& skipped() { return skipped_; }
  std::vector<FitCase>& fits() { return fits_; }
  const std::vector<FitCase>& fits() const { return fits_; }
  const std::vector<Case>& cases() const { return cases_; }
  const std::vector<Skipped>& skipped() const { return skipped_; }
  const std::vector<std::string>& remarks() const { return remarks_; }

 private:
  struct CasePart;
  const planner::Catalogue& catalogue_;
  const Split& split_;
  planner::EstimateOptions options_;
  std::string table_;
  std::vector<Case> cases_;
  std::vector<Skipped> skipped_;
  std::vector<FitCase> fits_;  ///< of all rows that state a plan
  std::vector<std::string> remarks_;
};

/// Score of one predictor on one quantity of one group of rows.
struct Score {
  Predictor predictor{};
  planner::Key quantity{};
  std::string group;  ///< all, or <kind>=<value>
  Summary summary;
  std::optional<double> q90_abs_log_error;         ///< 90% of the rows are nearer
  std::optional<double> group_mean_abs_log_error;  ///< mean of the means of each model and device
};

/// Predicted throughput of one case by each predictor.
using Predictions = std::array<std::optional<double>, kPredictors>;

/// The planner against the best baseline of one class of runs, by log error of throughput.
struct Duel {
  std::string group;  ///< class=moe
  Predictor baseline{};
  std::size_t n{};
  Difference difference;  ///< of mean log errors
};

struct Scoreboard {
  SplitMode split{};
  std::vector<Score> scores;
  std::vector<Predictions> throughput;  ///< tokens per second and device, as the cases stand
  /// Logarithms of the factor that holds 90% of such runs' rates, as the cases stand; 0: none.
  std::vector<double> half_widths_90;
  std::vector<Duel> duels;

  /// Null when there is none.
  const Score* find(Predictor predictor, planner::Key quantity, std::string_view group) const;
};

/// Scores the planner and the baselines on `scored`. All learn from `pool` and `scored` as `mode`
/// allows: the planner's constants are fitted anew to what is left, from their priors, and its
/// intervals come from the errors of the other parts. Of the baselines, rows of one source that has
/// more than a quarter of all (a sweep) teach only about themselves. `level` is what the intervals
/// promise. With SplitMode::none the planner has the constants and the spread as they are given.
Scoreboard evaluate(const std::vector<Case>& scored, const std::vector<Case>& pool, SplitMode mode,
                    const models::StepConstantTable& constants, const models::StepSpread& spread,
                    double level);

/// The cases that ship with the program: name and text of each run table.
std::vector<std::pair<std::string_view, std::string_view>> shipped_cases();
/// Their frozen split.
Split shipped_split();

}  // namespace pretrain::validation
