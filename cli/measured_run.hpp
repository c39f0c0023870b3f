#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "hardware/sensors/meter.hpp"

namespace pretrain::cli {

/// A source of energy in a file.
struct MeasuredSource {
  std::string id;
  std::string kind;
  std::string name;
  std::string uuid_hash;  ///< 64-bit FNV-1a of the UUID
  std::string scope;
  std::string note;
  std::string method;
  double covered_s = 0;
  double gap_s = 0;
  std::optional<double> energy_j;
  std::optional<double> by_counter_j;
  std::optional<double> by_power_j;
  std::optional<double> power_w;      ///< mean
  std::optional<double> max_power_w;  ///< of a sample
  std::optional<double> limit_w;
  std::optional<double> clock_mhz;
  std::optional<double> temperature_c;
  std::string throttled;
  unsigned wraps = 0;
  unsigned resets = 0;
  bool lost = false;
  bool contended = false;
};

MeasuredSource measured_source(const hardware::SourceUsage& source);

/// What was measured of a command on one rank, or on all of them.
struct MeasuredRun {
  std::string program;
  std::string name;
  std::string started;  ///< UTC
  double seconds = 0;
  std::optional<int> exit_code;  ///< absent: it had not ended when the last line was written
  int rank = 0;
  int ranks = 1;
  std::string driver;
  std::vector<std::string> absent;
  std::vector<MeasuredSource> sources;
  std::optional<double> steps;
  std::optional<double> total_steps;
  std::optional<double> step_s;  ///< of steady steps
  std::optional<double> step_j;
  std::optional<double> tokens_per_step;
  double clock_jump_s = 0;  ///< by which the wall clock was set while it ran

  /// Of all sources of a kind; absent where one of them is not known.
  std::optional<double> energy_j(std::string_view kind) const;
  /// Of all that were measured; absent where nothing was.
  std::optional<double> energy_j() const;
  std::size_t count(std::string_view kind) const;
  /// Longest time for which a source told nothing.
  double gap_s() const;
  bool contended() const;
};

nlohmann::ordered_json json_of(const MeasuredRun& run);
/// Throws InputError where it is not of a measured run.
MeasuredRun measured_run_of(const nlohmann::ordered_json& json, const std::string& file);

/// The runs of several ranks as one: energies are summed, the longest time counts, steps are those
/// of the first rank that saw any. A device that two of them measured counts once.
MeasuredRun merged(const std::vector<MeasuredRun>& runs);

}  // namespace pretrain::cli
