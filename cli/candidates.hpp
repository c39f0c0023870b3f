#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/estimate_job.hpp"
#include "planner/run_columns.hpp"

namespace CLI {
class App;
}

namespace pretrain::cli {

/// Candidates typed on the command line: each option is one value for all, or one for each; and
/// what is to be solved for.
class TypedCandidates {
 public:
  void add_options(CLI::App& sub);

  /// Whether a candidate is typed; conditions alone are none.
  bool any() const;
  /// Refuses what is said of typed candidates where there are none.
  void refuse_conditions() const;
  /// The candidates as a run table. Sizes or tokens that are open follow from the work, the loss or
  /// the limit that is asked for. `evaluate`: what a run table comes to.
  using Evaluate = std::function<std::vector<ReportRow>(const std::string& table)>;
  std::string table(const planner::Catalogue& catalogue, const Evaluate& evaluate) const;
  /// What was solved for, for people; empty: nothing.
  std::string solved() const { return solved_; }
  /// What the mixtures are; empty: there are none.
  std::string mixtures() const { return told_mixtures_; }

  /// As typed, else that of dense models or, where there are experts, that which knows them. Throws
  /// InputError for an unknown one.
  const models::ScalingLaw& law(const planner::Catalogue& catalogue, bool experts) const;

 private:
  struct Values {
    planner::Col col;
    std::vector<std::string> cells;
  };
  struct Option {
    const char* name;
    const char* what;
  };
  /// Of a candidate: its name, and cells in the order of values_.
  struct Candidate {
    std::string name;
    std::vector<std::string> cells;
    std::optional<double> params = {};
    std::optional<double> tokens = {};
  };
  struct Limit {
    planner::Key key;
    const char* option;
    const char* what;
    double most;
  };

  std::size_t place_of(planner::Col col) const;
  std::string typed(std::size_t i, std::size_t row) const;
  std::string cell(std::size_t i, std::size_t row) const;
  std::string name(std::size_t row) const;
  double number(std::size_t i, std::size_t row) const;
  std::size_t count() const;
  std::string text_of(const std::vector<Candidate>& candidates) const;
  std::vector<Candidate> as_typed() const;
  Candidate sized(const Candidate& like, double params, double tokens) const;
  double experts(std::size_t row) const;
  std::optional<Limit> limit() const;

  /// With mixtures beside each, where they are asked for.
  std::vector<Candidate> with_mixtures(std::vector<Candidate> dense,
                                       const models::ScalingLaw& law) const;
  std::vector<Candidate> of_work(double flop, const models::ScalingLaw& law) const;
  std::vector<Candidate> of_loss(const models::ScalingLaw& law) const;
  std::vector<Candidate> of_limit(const Limit& limit, const models::ScalingLaw& law,
                                  const Evaluate& evaluate) const;

  std::vector<Values> values_;
  std::vector<Option> options_;
  std::vector<double> mixtures_;  ///< experts, over a dense layer
  std::string equal_ = "loss";
  std::string compute_;
  std::optional<double> loss_;
  std::optional<double> max_tco2e_;
  std::optional<double> max_energy_;
  std::optional<double> max_cost_;
  std::string max_days_;
  std::string law_;
  mutable std::string solved_;
  mutable std::string told_mixtures_;
};

}  // namespace pretrain::cli
