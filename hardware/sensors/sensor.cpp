#include "hardware/sensors/sensor.hpp"

#include <algorithm>

namespace pretrain::hardware {

std::string Usage::method() const {
  if (by_counter && by_power) return "counter and power";
  return by_counter ? "counter" : by_power ? "power" : "none";
}

void Accumulator::add(MeterClock::time_point now, const Sample& sample) {
  auto& u = usage_;
  ++u.samples;
  u.power = sample.power;
  if (sample.power) u.most = u.most ? std::max(*u.most, *sample.power) : *sample.power;
  if (!last_time_) {
    last_time_ = now;
    last_ = sample;
    return;
  }
  const Time passed = std::chrono::duration<double>(now - *last_time_).count() * second;
  std::optional<Energy> counted;
  if (sample.counter && last_.counter) {
    if (*sample.counter >= *last_.counter) {
      counted = *sample.counter - *last_.counter;
    } else if (range_) {
      counted = *sample.counter + (*range_ - *last_.counter);
      ++u.wraps;
    } else {
      // What it had between the last reading and the reset is not known.
      ++u.resets;
    }
  }
  std::optional<Energy> integrated;
  if (sample.power && last_.power) integrated = 0.5 * (*sample.power + *last_.power) * passed;
  const auto sum = [](std::optional<Energy>& all, Energy one) { all = all ? *all + one : one; };
  if (counted) {
    sum(u.by_counter, *counted);
    u.counter_time = u.counter_time + passed;
  }
  if (integrated) {
    sum(u.by_power, *integrated);
    u.power_time = u.power_time + passed;
  }
  if (counted || integrated) {
    sum(u.energy, counted ? *counted : *integrated);
    u.covered = u.covered + passed;
  } else {
    u.gap = u.gap + passed;
  }
  last_time_ = now;
  last_ = sample;
}

}  // namespace pretrain::hardware
