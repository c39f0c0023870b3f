#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/core/units.hpp"

namespace pretrain::hardware {

using MeterClock = std::chrono::steady_clock;

/// What a sensor reads, and of what.
struct SourceInfo {
  std::string id;     ///< gpu0, cpu0, dram0, psys
  std::string kind;   ///< gpu, cpu, dram or platform
  std::string name;   ///< "NVIDIA H200", "package-0"
  std::string uuid;   ///< of a GPU
  std::string scope;  ///< device, module (with its CPU), package, platform
  std::string note;   ///< what to know of its figures
};

/// What a sensor has told since its first sample. Absent: not told.
struct Usage {
  std::size_t samples = 0;
  Time covered;  ///< with known energy
  Time gap;      ///< without
  /// Of all intervals that are known: by the counter, else by power.
  std::optional<Energy> energy;
  // Each way alone, over the intervals in which it told something.
  std::optional<Energy> by_counter;
  std::optional<Energy> by_power;
  Time counter_time;
  Time power_time;
  unsigned wraps = 0;   ///< of the counter
  unsigned resets = 0;  ///< of the driver: the counter began anew
  bool lost = false;    ///< it vanished

  std::optional<Power> power;           ///< of the last sample
  std::optional<Power> most;            ///< of all
  std::optional<Power> limit;           ///< enforced
  std::optional<double> clock_mhz;      ///< mean
  std::optional<double> temperature_c;  ///< highest
  std::uint64_t throttled = 0;          ///< reasons that were seen, as bits of the driver
  bool contended = false;               ///< somebody else was at work on it

  /// "counter", "power", "counter and power", "none".
  std::string method() const;
};

/// One reading.
struct Sample {
  std::optional<Energy> counter;  ///< since some time of its own
  std::optional<Power> power;     ///< at this moment
};

/// Adds up readings: wraps and resets of a counter, and what is missing.
class Accumulator {
 public:
  /// `range`: where the counter begins anew by itself; absent: it never does, and one that falls
  /// was reset.
  explicit Accumulator(std::optional<Energy> range = {}) : range_{range} {}

  void add(MeterClock::time_point now, const Sample& sample);
  const Usage& usage() const { return usage_; }
  Usage& usage() { return usage_; }

 private:
  std::optional<Energy> range_;
  std::optional<MeterClock::time_point> last_time_;
  Sample last_;
  Usage usage_;
};

/// A thing that energy is read of.
class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  virtual const SourceInfo& info() const = 0;
  /// Reads energy and power; `slow`: clocks, temperature and processes, too.
  virtual void sample(MeterClock::time_point now, bool slow) = 0;
  virtual const Usage& usage() const = 0;
};

/// What there is to read, and what there is not, with the reason.
struct Sensors {
  std::vector<std::unique_ptr<Source>> sources;
  std::vector<std::string> absent;  ///< "GPU: no NVIDIA driver (libnvidia-ml.so.1 is not there)"
  std::string driver;               ///< version; empty: none
};

}  // namespace pretrain::hardware
