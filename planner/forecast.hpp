#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "models/core/units.hpp"

namespace pretrain::planner {

/// An expected value with the ends of its interval.
struct Expected {
  double mid = 0;
  double low = 0;
  double high = 0;
};

/// What a run will have taken at its end.
struct RunForecast {
  Expected step_s;
  Expected seconds;                ///< of the whole run
  std::optional<Expected> joules;  ///< of the same
};

/// Tells the end of a run from its first steps. The first intervals, in which programs are compiled
/// and caches filled, count for the time that has passed, not for what is to come. Memory does not
/// grow with the run.
class Forecast {
 public:
  /// Steps that are done so many seconds after the run began, and what it used until then.
  void add(double seconds, double step, std::optional<double> joules);

  /// Steps that are done and the time of the last, since the first.
  double steps() const { return last_.step; }
  /// Steps whose time is taken for steady.
  double steady_steps() const;
  /// Mean of the steady ones, s; absent before there are two intervals.
  std::optional<double> step_s() const;
  /// Mean energy of a steady step, J.
  std::optional<double> step_j() const;

  /// The whole run, of `total` steps, with intervals that hold `level` of such runs. Absent before
  /// there are three steady intervals.
  ///
  /// Mean of steady steps x those left; its standard error by the variance of batches of
  ///          steps, with their correlation, and a drift that nobody has seen yet
  std::optional<RunForecast> predict(double total, double level) const;

 private:
  struct Point {
    double seconds = 0;
    double step = 0;
    std::optional<double> joules;
  };
  struct Batch {
    double seconds = 0;
    double steps = 0;
    std::optional<double> joules;
  };
  std::size_t steady_from() const;

  bool started_ = false;
  Point last_;
  std::vector<Batch> batches_;
  std::size_t per_batch_ = 1;  ///< intervals
  std::size_t in_last_ = 0;
};

}  // namespace pretrain::planner
