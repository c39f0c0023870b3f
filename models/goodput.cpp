#include "models/goodput.hpp"

#include <cassert>
#include <cmath>

namespace pretrain::models {

Time between_interruptions(Devices devices, const Faults& faults) {
  assert(devices > Devices{} && faults.per_device_hour > 0);
  return hour / (faults.per_device_hour * devices.in(device));
}

Time checkpoint_interval(Time checkpoint, Time between) {
  return std::sqrt(2 * checkpoint.in(second)*between.in(second)) * second;
}

Goodput goodput(Devices devices, const Faults& faults) {
  assert(faults.productive > 0 && faults.productive <= 1);
  Goodput g;
  // For each unit of time without faults.
  if (faults.per_device_hour > 0) {
    const Time between = between_interruptions(devices, faults);
    const Time interval = checkpoint_interval(faults.checkpoint, between);
    g.checkpoints = interval > Time{} ? faults.checkpoint / interval : 0;
    g.rework = interval / between / 2;
    g.restarts = faults.restart / between;
  }
  g.other = 1 / faults.productive - 1;
  g.useful = 1 / (1 + g.other + g.checkpoints + g.rework + g.restarts);
  for (double* share : {&g.checkpoints, &g.rework, &g.restarts, &g.other}) *share *= g.useful;
  return g;
}

}  // namespace pretrain::models
