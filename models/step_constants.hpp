#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain::models {

/// What no data sheet says of a step: fitted to measured runs, and held near its prior where those
/// do not tell. Meanings and units stand in data/step_constants.csv.
struct StepConstants {
#define STEP_CONSTANT(name) double name{};
#include "models/step_constants.def"
#undef STEP_CONSTANT
};

#define STEP_CONSTANT(name) +1
inline constexpr std::size_t kStepConstants = 0
#include "models/step_constants.def"
    ;
#undef STEP_CONSTANT

/// All of them, in the order of the data file.
struct StepConstantMember {
  std::string_view name;
  double StepConstants::*member;
};
inline constexpr std::array<StepConstantMember, kStepConstants> kStepConstantMembers{{
#define STEP_CONSTANT(name) {#name, &StepConstants::name},
#include "models/step_constants.def"
#undef STEP_CONSTANT
}};

/// One row of data/step_constants.csv. All constants are positive; spreads are standard deviations
/// of their logarithms.
struct StepConstantRow {
  std::string name;
  std::string meaning;
  std::string unit;
  double prior = 1;
  double prior_sd = 1;
  std::string source;  ///< key in the source register, or "argument"
  std::string locator;
  bool checked = false;
  double value = 1;
  double sd = 1;            ///< after the fit
  bool moved = false;       ///< whether the measured runs say more of it than the prior does
  std::string informed_by;  ///< groups of measured runs, with their share of the information
  std::vector<double> correlations;  ///< with the constants before it
};

/// The constants with what is known of them.
struct StepConstantTable {
  std::vector<StepConstantRow> rows;  ///< in the order of kStepConstantMembers

  /// Throws InputError for a constant that is missing, unknown, or no positive number.
  static StepConstantTable read(std::string_view text, std::string file);
  /// The file again; `head` are its comment lines.
  std::string text(std::string_view head) const;
  StepConstants values() const;
  StepConstants priors() const;
};

}  // namespace pretrain::models
