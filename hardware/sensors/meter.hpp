#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "hardware/sensors/sensor.hpp"

namespace pretrain::hardware {

/// What a source has told so far.
struct SourceUsage {
  SourceInfo info;
  Usage usage;
};

/// Reads sensors from a thread of its own until it is stopped.
class Meter {
 public:
  /// `period`: between samples; sensors that answer slower are read as often as they answer.
  Meter(Sensors sensors, Time period);
  ~Meter();
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;

  void start();
  /// One sample more, then nothing is read any longer.
  void stop();

  /// At any time, also while it reads.
  std::vector<SourceUsage> usage() const;
  const std::vector<std::string>& absent() const { return sensors_.absent; }
  const std::string& driver() const { return sensors_.driver; }
  bool empty() const { return sensors_.sources.empty(); }

 private:
  void run();
  void sample(bool slow);

  Sensors sensors_;
  Time period_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

/// Energy of all sources of a kind; absent where one of them is not known. `gap`: the longest time
/// without a reading of any of them.
std::optional<Energy> energy_of(const std::vector<SourceUsage>& sources, std::string_view kind);

}  // namespace pretrain::hardware
