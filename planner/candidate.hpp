#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/scaling_law.hpp"
#include "planner/draws.hpp"
#include "planner/estimate.hpp"

namespace pretrain::planner {

/// What of a run tells it from others: its own, whatever became of the row.
struct Candidate {
  // For the loss: absent where no law holds (no decoder, no pretraining, size or tokens unknown).
  std::optional<double> params;  ///< that a token meets
  std::optional<double> tokens;
  double vocabulary = 0;         ///< parameters of embedding and head, in `params`
  double experts = 1;            ///< over a dense layer as wide as what a token meets
  bool experts_assumed = false;  ///< from total and met parameters
  bool decoder = false;
  bool fits = true;  ///< in the memory of its devices, as far as that is known

  // For the carbon: what two runs share moves both.
  std::string device;     ///< generation
  std::string software;   ///< family of the framework
  std::string grid;       ///< region, or intensity where that is given
  std::string site;       ///< of the PUE
  std::string footprint;  ///< device and boundary
  Spreads spreads;        ///< at 90%
  double faster = 0;      ///< logarithm of how much faster a device can be at most
  bool solved_hours = false;
  double operational_t = 0;
  double embodied_t = 0;

  std::optional<double> cost;  ///< of hours and electricity, where they are priced
  std::string plan;            ///< "tp 8, pp 4, dp 32, recompute selective"
};

/// Parameters of embedding and head of a shape.
double vocabulary_of(const models::Architecture& architecture);

/// Of a dense decoder, the share that lies in its feed-forward layers where nothing is known of it.
inline constexpr double kUsualFeedForward = 2.0 / 3;
/// Experts over a dense layer, from total and met parameters alone; 1: none.
double usual_experts(double total, double met);

Candidate candidate_of(const RunRow& row, const Result& result, const Catalogue& catalogue);

/// Absent where the law does not hold.
std::optional<double> loss_of(const Candidate& candidate, const models::ScalingLaw& law);

/// "5 times the parameters, 3 times the tokens of its largest run"; empty: within its range.
std::string beyond(const Candidate& candidate, const models::ScalingLaw& law);

/// The probability that a emits less than b, operational and embodied, from draws in which what
/// both share is one: grid, PUE, draw of a kind of device, footprint, lost time; of the error of
/// step times half where device and software are the same. Absent where a total is unknown.
std::optional<double> probability_less(const Candidate& a, const Candidate& b, const Draws& draws);

/// What one input alone does to the carbon of a run, at the ends of its 90% interval.
struct Effect {
  std::string_view input;
  double low = 1;   ///< factor on the total
  double high = 1;  ///< the same
};
/// From the widest.
std::vector<Effect> effects_of(const Candidate& candidate);

}  // namespace pretrain::planner
