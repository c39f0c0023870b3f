#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/units.hpp"

namespace pretrain::hardware {

using TimePoint = std::chrono::sys_seconds;

/// "2026-03-01", "2026-03-01T06:00", with seconds, a Z or an offset; UTC where it does not say.
std::optional<TimePoint> parse_time(std::string_view text);
/// "2026-03-01 06:00 UTC".
std::string to_text(TimePoint time);

/// When a run of some length may start.
struct StartChoice {
  std::size_t starts = 0;  ///< that were compared
  TimePoint first;
  TimePoint last;
  TimePoint best;
  CarbonIntensity least;   ///< mean over a run that starts at the best time
  CarbonIntensity most;    ///< at the worst
  CarbonIntensity usual;   ///< mean of all starts
  CarbonIntensity lowest;  ///< of a single line of the file within their windows
};

/// Carbon intensity of a place over time, from a file: a column of times and one of g CO2e/kWh.
class IntensitySeries {
 public:
  /// `column`: its header, in any case; empty: the only one that holds intensities. Throws
  /// InputError with the place of what is wrong.
  static IntensitySeries read(std::string_view text, std::string file, std::string_view column);

  TimePoint begin() const { return times_.front(); }
  TimePoint end() const { return end_; }
  const std::string& column() const { return column_; }
  /// File and column.
  const std::string& place() const { return place_; }

  /// Mean over a window; hours without a value are left out. Absent when the window is not within
  /// the series, or a tenth of it has no values.
  std::optional<CarbonIntensity> mean(TimePoint from, Time duration) const;
  /// Mean of all.
  CarbonIntensity mean() const;
  /// Means over the runs that start with any line from `from` to `to`; the first of the best.
  /// Absent when none of them has values to its end.
  std::optional<StartChoice> choose_start(TimePoint from, TimePoint to, Time duration) const;

 private:
  IntensitySeries() = default;
  double sum_until(double seconds, const std::vector<double>& sums) const;

  std::string column_;
  std::string place_;
  std::vector<TimePoint> times_;
  TimePoint end_;
  std::vector<double> weighted_;  ///< g/kWh x s from the beginning to each time, and to the end
  std::vector<double> covered_;   ///< s with values, the same
};

}  // namespace pretrain::hardware
