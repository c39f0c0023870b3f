#include "hardware/sensors/rapl.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "models/core/text.hpp"

namespace pretrain::hardware {

namespace {

namespace fs = std::filesystem;

constexpr double kMicro = 1e-6;

std::string line_of(const fs::path& path) {
  std::ifstream in{path};
  std::string line;
  std::getline(in, line);
  return std::string{trimmed(line)};
}

/// A counter in a file; the file stays open, so that a reading is one call.
class Counter {
 public:
  explicit Counter(const fs::path& path) : file_{::open(path.c_str(), O_RDONLY | O_CLOEXEC)} {
    if (file_ < 0) error_ = errno;
  }
  Counter(Counter&& other) noexcept : file_{std::exchange(other.file_, -1)}, error_{other.error_} {}
  Counter& operator=(Counter&&) = delete;
  ~Counter() {
    if (file_ >= 0) ::close(file_);
  }

  int error() const { return error_; }
  std::optional<Energy> read() const {
    std::array<char, 32> text{};
    if (file_ < 0) return std::nullopt;
    const auto got = ::pread(file_, text.data(), text.size() - 1, 0);
    if (got <= 0) return std::nullopt;
    char* end = nullptr;
    const double value = std::strtod(text.data(), &end);
    if (end == text.data()) return std::nullopt;
    return kMicro * value * joule;
  }

 private:
  int file_ = -1;
  int error_ = 0;
};

struct Zone {
  fs::path path;
  std::string name;  ///< package-0, dram, psys
  std::optional<Energy> range;
};

class Cpu : public Source {
 public:
  Cpu(SourceInfo info, Counter counter, std::optional<Energy> range)
      : info_{std::move(info)}, counter_{std::move(counter)}, sums_{range} {}

  const SourceInfo& info() const override { return info_; }
  const Usage& usage() const override { return sums_.usage(); }
  void sample(MeterClock::time_point now, bool) override {
    sums_.add(now, {counter_.read(), std::nullopt});
  }

 private:
  SourceInfo info_;
  Counter counter_;
  Accumulator sums_;
};

/// Domains of the tree: those of the MMIO interface tell of the same packages once more.
std::vector<Zone> zones_of(const fs::path& root) {
  std::vector<Zone> zones;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{root, error}) {
    const auto file = entry.path().filename().string();
    if (!file.starts_with("intel-rapl:") && !file.starts_with("amd-rapl:")) continue;
    Zone zone{entry.path(), line_of(entry.path() / "name"), std::nullopt};
    if (zone.name.empty()) continue;
    const auto range = line_of(entry.path() / "max_energy_range_uj");
    if (!range.empty()) zone.range = kMicro * std::strtod(range.c_str(), nullptr) * joule;
    zones.push_back(std::move(zone));
  }
  std::sort(zones.begin(), zones.end(),
            [](const Zone& a, const Zone& b) { return a.path < b.path; });
  return zones;
}

/// The package that a die is a part of: "package-0" of "package-0-die-1".
std::string package_of(const std::string& name) {
  const auto die = name.find("-die-");
  return die == std::string::npos ? std::string{} : name.substr(0, die);
}

/// Whether two dies tell the same counter.
bool mirrored(const fs::path& a, const fs::path& b) {
  const auto x = Counter{a / "energy_uj"}.read();
  const auto y = Counter{b / "energy_uj"}.read();
  constexpr double kSame = 1e-4;
  constexpr auto kAlike = 1.0 * joule;
  if (!x || !y) return false;
  const auto difference = *x > *y ? *x - *y : *y - *x;
  return difference < kAlike || difference < kSame * *x;
}

}  // namespace

std::string powercap_of_environment() {
  const char* root = std::getenv("PLANNER_POWERCAP");
  return root != nullptr && *root != '\0' ? root : "/sys/class/powercap";
}

void find_cpus(const std::string& root, Sensors& sensors) {
  const auto zones = zones_of(root);
  if (zones.empty()) {
    sensors.absent.push_back(fmt::format(
        "CPU: no energy counters in {} (virtual machines and some CPUs have none)", root));
    return;
  }
  const bool packages = std::any_of(zones.begin(), zones.end(), [](const Zone& zone) {
    return zone.name.starts_with("package");
  });
  unsigned cpus = 0;
  unsigned memories = 0;
  bool refused = false;
  std::vector<const Zone*> taken;
  for (const auto& zone : zones) {
    const bool package = zone.name.starts_with("package");
    const bool memory = zone.name == "dram";
    // Cores and graphics are parts of a package; the platform has all of them in it.
    const bool platform = zone.name == "psys" && !packages;
    if (!package && !memory && !platform) continue;
    if (package && !package_of(zone.name).empty()) {
      const auto twin = std::find_if(taken.begin(), taken.end(), [&](const Zone* other) {
        return package_of(other->name) == package_of(zone.name) && mirrored(other->path, zone.path);
      });
      if (twin != taken.end()) continue;
    }
    Counter counter{zone.path / "energy_uj"};
    if (counter.error() == EACCES || counter.error() == EPERM) {
      refused = true;
      continue;
    }
    if (counter.error() != 0) continue;
    SourceInfo info;
    info.kind = memory ? "dram" : platform ? "platform" : "cpu";
    info.id = memory     ? fmt::format("dram{}", memories++)
              : platform ? "psys"
                         : fmt::format("cpu{}", cpus++);
    info.name = zone.name;
    info.scope = memory ? "memory" : platform ? "platform" : "package";
    sensors.sources.push_back(
        std::make_unique<Cpu>(std::move(info), std::move(counter), zone.range));
    taken.push_back(&zone);
  }
  if (refused) {
    sensors.absent.push_back(fmt::format(
        "CPU: energy counters are there, but not readable: sudo chmod -R a+r {}/*/energy_uj (until "
        "the next start)",
        root));
  } else if (taken.empty()) {
    sensors.absent.push_back(fmt::format("CPU: no package, memory or platform domain in {}", root));
  }
}

}  // namespace pretrain::hardware
