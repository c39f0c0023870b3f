#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/step_constants.hpp"
#include "planner/catalogue.hpp"

namespace pretrain::planner {

/// What was learnt of one cluster: what of the shipped tables is another there.
struct Profile {
  std::string name;
  std::string created;    ///< UTC
  std::string version;    ///< of the planner
  std::string catalogue;  ///< hash of the tables that it started from
  std::string from;       ///< what it was learnt from
  std::string device;     ///< generation
  std::string family;     ///< of the framework; empty: not stated
  std::size_t rows = 0;
  std::size_t groups = 0;
  // Median errors of groups that were told from the others.
  double before = 0;
  double after = 0;
  models::RunClass run_class = models::RunClass::other;
  double half_width_90 = 0;  ///< logarithm: of a step that is told
  struct Constant {
    std::string name;
    double value = 1;
    double sd = 0;  ///< of its logarithm
  };
  std::vector<Constant> constants;
  struct Correlation {
    std::string a;
    std::string b;
    double value = 0;
  };
  std::vector<Correlation> correlations;  ///< of the constants, those above 0.05
  std::optional<double> draw;             ///< above idle, over the predicted one
  /// Where a device was measured: what of loads.csv is another for its generation, by quantity, and
  /// its draw idle.
  std::map<std::string, double> loads;
  std::string device_id;  ///< as devices.csv names it
  std::optional<double> idle_w;
  /// All that another has to know to measure it again: driver, clocks, libraries.
  std::vector<std::pair<std::string, std::string>> conditions;

  /// A device that was measured: it joins the catalogue.
  struct Measured {
    std::string id;  ///< that rows name it by
    std::string name;
    unsigned threads = 0;
    std::string library;
    double seconds = 0;  ///< that the measurement took
    struct Rate {
      double size = 0;
      double gflops = 0;
      double low = 0;
      double high = 0;
    };
    std::vector<Rate> gemm;    ///< fp32, square
    double copy_gb_per_s = 0;  ///< read and written
    double memory_gb = 0;
    std::optional<double> idle_w;
    std::optional<double> loaded_w;
    double best_gflops() const;
  };
  std::optional<Measured> measured;
};

/// Letters, digits, points and dashes: a profile is a file and a row of the store.
bool is_profile_name(std::string_view name);

/// A profile's constants and how they go together, from the table of a fit.
void take_constants(const models::StepConstantTable& table, Profile& profile);

/// As YAML, with all that is needed to use it elsewhere.
std::string text_of(const Profile& profile);
/// Throws InputError with the place of what is wrong.
Profile read_profile(const std::string& text, const std::string& file);

/// The tables that a profile changes, by name. Throws InputError where it has constants that this
/// version does not.
std::map<std::string, std::string> tables_of(const Profile& profile, const Catalogue& shipped,
                                             const std::string& file);

}  // namespace pretrain::planner
