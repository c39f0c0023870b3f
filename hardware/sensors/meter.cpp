#include "hardware/sensors/meter.hpp"

#include <algorithm>
#include <utility>

namespace pretrain::hardware {

Meter::Meter(Sensors sensors, Time period) : sensors_{std::move(sensors)}, period_{period} {}

Meter::~Meter() { stop(); }

void Meter::start() {
  if (sensors_.sources.empty() || thread_.joinable()) return;
  sample(true);
  thread_ = std::thread{[this] { run(); }};
}

void Meter::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  wake_.notify_all();
  if (!thread_.joinable()) return;
  thread_.join();
  sample(true);
}

void Meter::run() {
  constexpr std::chrono::seconds kSlow{1};
  const auto period = std::chrono::duration_cast<MeterClock::duration>(
      std::chrono::duration<double>{period_.in(second)});
  auto next = MeterClock::now() + period;
  auto slow_at = MeterClock::now() + kSlow;
  while (true) {
    {
      std::unique_lock lock{mutex_};
      if (wake_.wait_until(lock, next, [this] { return stopping_; })) return;
    }
    const auto began = MeterClock::now();
    const bool slow = began >= slow_at;
    if (slow) slow_at = began + kSlow;
    sample(slow);
    next += period;
    // Late: the machine slept, or sensors answer slowly, which are not asked without a pause then.
    if (const auto now = MeterClock::now(); next < now) {
      next = now + std::min((now - began) / 2, period);
    }
  }
}

void Meter::sample(bool slow) {
  for (auto& source : sensors_.sources) {
    // A reading may take milliseconds: who asks for usage waits for one source at most.
    const std::lock_guard lock{mutex_};
    source->sample(MeterClock::now(), slow);
  }
}

std::vector<SourceUsage> Meter::usage() const {
  std::vector<SourceUsage> all;
  const std::lock_guard lock{mutex_};
  for (const auto& source : sensors_.sources) all.push_back({source->info(), source->usage()});
  return all;
}

std::optional<Energy> energy_of(const std::vector<SourceUsage>& sources, std::string_view kind) {
  std::optional<Energy> sum;
  for (const auto& source : sources) {
    if (source.info.kind != kind) continue;
    if (!source.usage.energy) return std::nullopt;
    sum = sum ? *sum + *source.usage.energy : *source.usage.energy;
  }
  return sum;
}

}  // namespace pretrain::hardware
