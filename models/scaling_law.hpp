#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/table.hpp"

namespace pretrain::models {

/// Loss of a decoder of N parameters that each token meets, after D tokens, with E experts of which
/// one is met (or as many times smaller ones): fitted to many small runs on one data set with one
/// tokenizer. Good to compare candidates; no promise of a loss on other data.
///
/// @eq      loss.scaling   loss.optimum
/// @source  hoffmann-2022, Sec. 3.3, Eq. 2: L = E + A / N^alpha + B / D^beta; ludziejewski-2025:
/// the
///          same with A and B times powers of the experts, and exponents that follow their
///          logarithm
/// @domain  N, D > 0; experts >= 1
/// @returns nats per token
struct ScalingLaw {
  std::string_view id;
  double irreducible = 0;
  double a = 0;
  double alpha = 0;
  double b = 0;
  double beta = 0;
  // How experts change them.
  double delta = 0;
  double gamma = 0;
  double omega = 0;
  double zeta = 0;
  double experts_start = 1;
  double experts_max = 1;
  // Where it was fitted.
  double params_low = 0;
  double params_high = 0;
  double tokens_low = 0;
  double tokens_high = 0;
  double experts_high = 1;
  std::string_view data;  ///< what the runs were trained on
  Origin origin;

  bool knows_experts() const { return experts_high > 1; }
  double loss(double params, double tokens, double experts = 1) const;
  /// Of the loss, what more parameters and what more tokens would take away.
  double of_params(double params, double experts = 1) const;
  double of_tokens(double tokens, double experts = 1) const;

  /// Tokens after which a model reaches a loss; absent where it never does.
  std::optional<double> tokens_for(double loss, double params, double experts = 1) const;

  /// Parameters that reach a loss on so many tokens; absent where none do.
  std::optional<double> params_for(double loss, double tokens, double experts = 1) const;

  struct Point {
    double params = 0;
    double tokens = 0;
  };
  /// The least loss for so much work, at `flop_per` FLOP for a parameter and token: hoffmann-2022,
  /// Sec. 3.3, Eq. 4.
  Point optimum(double flop, double experts = 1, double flop_per = 6) const;
  /// The least work for a loss, where alpha A / N^alpha = beta B / D^beta; absent where none is
  /// enough.
  std::optional<Point> cheapest(double loss, double experts = 1) const;

 private:
  struct Terms {
    double a = 0;
    double alpha = 0;
    double b = 0;
    double beta = 0;
  };
  Terms terms(double experts) const;
};

class ScalingLawTable {
 public:
  static ScalingLawTable read(std::string_view text, std::string file);
  /// Null when there is none of that name.
  const ScalingLaw* find(std::string_view id) const;
  const std::vector<ScalingLaw>& all() const { return laws_; }
  std::vector<std::string_view> names() const;
  /// The first that knows no experts, and the first that does.
  const ScalingLaw& usual(bool experts) const;

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::vector<ScalingLaw> laws_;
};

}  // namespace pretrain::models
