#pragma once

#include "models/core/units.hpp"

namespace pretrain::models {

/// What keeps a run from making progress.
struct Faults {
  double per_device_hour = 0;  ///< interruptions
  Time checkpoint;             ///< that writing one stops training
  Time restart;                ///< from an interruption until it goes on
  double productive = 1;       ///< (0, 1]: share of the time without faults that makes progress
};

/// Shares of booked time; together 1.
struct Goodput {
  double useful = 1;
  double checkpoints = 0;
  double rework = 0;    ///< done again, as it was not saved
  double restarts = 0;  ///< waited for
  double other = 0;     ///< evaluation, warm-up, slow phases
};

/// Time between interruptions of a run, M = 1 / (lambda n).
///
/// @eq      goodput.interruptions
/// @derived independent devices, each of which stops all
/// @domain  devices > 0, faults.per_device_hour > 0
Time between_interruptions(Devices devices, const Faults& faults);

/// Interval of checkpoints that loses least: first order, where interruptions are rare.
///
/// @eq      goodput.interval
/// @source  young-1974, whole   sqrt(2 x time of a checkpoint x time between interruptions)
Time checkpoint_interval(Time checkpoint, Time between);

/// Where booked time goes. An interruption costs half an interval of work and a restart.
///
/// @eq      goodput.useful
/// @source  young-1974, whole   first order; the share that is productive is added here
/// @domain  devices > 0; productive in (0, 1]; other numbers >= 0
Goodput goodput(Devices devices, const Faults& faults);

}  // namespace pretrain::models
