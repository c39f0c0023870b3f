#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "hardware/sensors/meter.hpp"
#include "hardware/sensors/nvml.hpp"
#include "hardware/sensors/rapl.hpp"

namespace pretrain::hardware {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const MeterClock::time_point kBegin = MeterClock::now();

TEST(Accumulator, CounterGoesBeforePower) {
  Accumulator a;
  a.add(kBegin, {100.0 * joule, 10.0 * watt});
  a.add(kBegin + 10s, {220.0 * joule, 14.0 * watt});
  const auto& u = a.usage();
  EXPECT_DOUBLE_EQ(u.energy->in(joule), 120);
  EXPECT_DOUBLE_EQ(u.by_power->in(joule), 120);  // mean of 10 and 14 W for 10 s
  EXPECT_EQ(u.method(), "counter and power");
  EXPECT_DOUBLE_EQ(u.most->in(watt), 14);
}

TEST(Accumulator, WrapIsAddedAndResetIsAGap) {
  Accumulator wraps{1000.0 * joule};
  wraps.add(kBegin, {990.0 * joule, {}});
  wraps.add(kBegin + 1s, {40.0 * joule, {}});
  EXPECT_DOUBLE_EQ(wraps.usage().energy->in(joule), 50);
  EXPECT_EQ(wraps.usage().wraps, 1U);
  EXPECT_EQ(wraps.usage().gap, Time{});

  Accumulator resets;
  resets.add(kBegin, {990.0 * joule, {}});
  resets.add(kBegin + 1s, {1090.0 * joule, {}});
  resets.add(kBegin + 2s, {20.0 * joule, {}});
  resets.add(kBegin + 3s, {120.0 * joule, {}});
  EXPECT_DOUBLE_EQ(resets.usage().energy->in(joule), 200);
  EXPECT_EQ(resets.usage().resets, 1U);
  EXPECT_DOUBLE_EQ(resets.usage().gap.in(second), 1);
  EXPECT_DOUBLE_EQ(resets.usage().covered.in(second), 2);
}

TEST(Accumulator, PowerFillsWhatACounterLeaves) {
  Accumulator a;
  a.add(kBegin, {990.0 * joule, 100.0 * watt});
  a.add(kBegin + 1s, {1090.0 * joule, 100.0 * watt});
  a.add(kBegin + 2s, {20.0 * joule, 100.0 * watt});  // reset
  a.add(kBegin + 3s, {120.0 * joule, 100.0 * watt});
  EXPECT_DOUBLE_EQ(a.usage().energy->in(joule), 300);
  EXPECT_EQ(a.usage().gap, Time{});
}

TEST(Accumulator, NothingToldIsNotZero) {
  Accumulator a;
  a.add(kBegin, {});
  a.add(kBegin + 5s, {});
  EXPECT_FALSE(a.usage().energy);
  EXPECT_DOUBLE_EQ(a.usage().gap.in(second), 5);
  EXPECT_EQ(a.usage().method(), "none");
}

/// The simulated driver with these words.
class SimulatedGpus : public testing::Test {
 protected:
  ~SimulatedGpus() override { unsetenv("NVML_SIM"); }

  static GpuChoice driver(const std::string& words) {
    setenv("NVML_SIM", words.c_str(), 1);
    GpuChoice choice;
    choice.library = PRETRAIN_SIM_NVML;
    return choice;
  }
  static Sensors found(const GpuChoice& choice) {
    Sensors sensors;
    find_gpus(choice, sensors);
    return sensors;
  }
  /// What a second of reading at 20 Hz tells.
  static std::vector<SourceUsage> read(const GpuChoice& choice,
                                       std::chrono::milliseconds time = 1s) {
    Meter meter{found(choice), 0.05 * second};
    meter.start();
    std::this_thread::sleep_for(time);
    meter.stop();
    return meter.usage();
  }
};

TEST_F(SimulatedGpus, EightOf300WattGive2400JoulesASecond) {
  const auto usage = read(driver("devices=8 watts=300"));
  ASSERT_EQ(usage.size(), 8U);
  Time covered;
  for (const auto& one : usage) covered = std::max(covered, one.usage.covered);
  const double expected = 8 * 300 * covered.in(second);
  EXPECT_NEAR(energy_of(usage, "gpu")->in(joule), expected, 0.02 * expected);
  EXPECT_GT(covered.in(second), 0.99);
  const auto& u = usage.front().usage;
  EXPECT_NEAR(u.by_counter->in(joule), u.by_power->in(joule), 0.05 * u.by_power->in(joule));
  EXPECT_DOUBLE_EQ(*u.clock_mhz, 1755);
  EXPECT_DOUBLE_EQ(*u.temperature_c, 61);
  EXPECT_EQ(throttle_text(u.throttled), "power limit");
  EXPECT_DOUBLE_EQ(u.limit->in(watt), 700);
}

TEST_F(SimulatedGpus, WithoutACounterPowerIsAddedUp) {
  const auto usage = read(driver("watts=200 no_counter=1"), 500ms);
  const auto& one = usage.at(0);
  EXPECT_EQ(one.usage.method(), "power");
  EXPECT_NEAR(one.usage.energy->in(joule), 200 * one.usage.covered.in(second), 1);
  EXPECT_NE(one.info.note.find("no energy counter"), std::string::npos);
}

TEST_F(SimulatedGpus, WithoutCounterAndPowerThereIsNoFigure) {
  const auto usage = read(driver("no_counter=1 no_power=1"), 300ms);
  EXPECT_FALSE(usage.at(0).usage.energy);
  EXPECT_GT(usage.at(0).usage.gap.in(second), 0.2);
  EXPECT_FALSE(energy_of(usage, "gpu"));
}

/// So many seconds from now, on the clock of the simulation.
std::string after(double seconds) {
  const auto then = MeterClock::now().time_since_epoch() + std::chrono::duration<double>(seconds);
  return std::to_string(std::chrono::duration<double>(then).count());
}

TEST_F(SimulatedGpus, ResetIsBridgedByPower) {
  const auto usage = read(driver("watts=100 reset_at=" + after(0.5)), 1200ms);
  const auto& u = usage.at(0).usage;
  EXPECT_EQ(u.resets, 1U);
  EXPECT_EQ(u.gap, Time{});
  EXPECT_NEAR(u.energy->in(joule), 100 * u.covered.in(second), 3);
  EXPECT_LT(u.counter_time, u.power_time);
}

TEST_F(SimulatedGpus, ResetWithoutPowerIsAGap) {
  const auto usage = read(driver("watts=100 no_power=1 reset_at=" + after(0.5)), 1200ms);
  const auto& u = usage.at(0).usage;
  EXPECT_EQ(u.resets, 1U);
  EXPECT_GT(u.gap.in(second), 0.02);
  EXPECT_NEAR(u.energy->in(joule), 100 * u.covered.in(second), 3);
}

TEST_F(SimulatedGpus, LostDeviceIsAGapAndLeavesTheOthers) {
  const auto usage = read(driver("devices=2 watts=100 lost_at=" + after(0.6)), 1200ms);
  EXPECT_FALSE(usage.at(0).usage.lost);
  EXPECT_EQ(usage.at(0).usage.gap, Time{});
  const auto& u = usage.at(1).usage;
  EXPECT_TRUE(u.lost);
  EXPECT_GT(u.gap.in(second), 0.3);
  EXPECT_NEAR(u.energy->in(joule), 100 * u.covered.in(second), 3);
}

TEST_F(SimulatedGpus, VisibleDevicesAreThoseOfCuda) {
  const auto ids = [&](const char* visible, std::optional<unsigned> only = {}) {
    auto choice = driver("devices=4");
    choice.visible = visible;
    choice.only = only;
    std::string all;
    for (const auto& source : found(choice).sources) all += source->info().id + " ";
    return all;
  };
  EXPECT_EQ(ids("0,2"), "gpu0 gpu2 ");
  EXPECT_EQ(ids("3, 1"), "gpu3 gpu1 ");
  EXPECT_EQ(ids("1,9,2"), "gpu1 ");  // CUDA stops at the first that is none
  EXPECT_EQ(ids("GPU-00000002"), "gpu2 ");
  EXPECT_EQ(ids("MIG-3"), "gpu3 ");
  EXPECT_EQ(ids(""), "");
  EXPECT_EQ(ids("-1"), "");
  EXPECT_EQ(ids("2,3", 1), "gpu3 ");
  auto none = driver("devices=4");
  none.visible = "-1";
  EXPECT_NE(found(none).absent.at(0).find("names none of the 4"), std::string::npos);
}

TEST_F(SimulatedGpus, ScopeAndNeighborsAreTold) {
  auto choice = driver("module=1 mig=1 busy=4242");
  choice.ours = [](unsigned pid) { return pid != 4242; };
  const auto usage = read(choice, 100ms);
  EXPECT_EQ(usage.at(0).info.scope, "module");
  EXPECT_NE(usage.at(0).info.note.find("CPU included"), std::string::npos);
  EXPECT_NE(usage.at(0).info.note.find("MIG is on"), std::string::npos);
  EXPECT_TRUE(usage.at(0).usage.contended);
  choice.ours = [](unsigned) { return true; };
  EXPECT_FALSE(read(choice, 100ms).at(0).usage.contended);
}

TEST_F(SimulatedGpus, AbsenceHasAReason) {
  EXPECT_NE(found(driver("refuse=1")).absent.at(0).find("no permission"), std::string::npos);
  EXPECT_NE(found(driver("devices=0")).absent.at(0).find("sees none"), std::string::npos);
  GpuChoice none;
  none.library = "libnothing.so";
  EXPECT_EQ(found(none).absent.at(0), "GPU: no NVIDIA driver (libnothing.so is not there)");
}

/// A powercap tree.
class SimulatedCpus : public testing::Test {
 protected:
  SimulatedCpus() {
    std::string name = testing::TempDir() + "powercap_XXXXXX";
    root_ = mkdtemp(name.data());
  }
  ~SimulatedCpus() override { fs::remove_all(root_); }

  void zone(const std::string& file, const std::string& name, double joules,
            double range = 262143.3) const {
    fs::create_directories(root_ / file);
    std::ofstream{root_ / file / "name"} << name << "\n";
    std::ofstream{root_ / file / "max_energy_range_uj"} << static_cast<long long>(1e6 * range);
    energy(file, joules);
  }
  void energy(const std::string& file, double joules) const {
    std::ofstream{root_ / file / "energy_uj"} << static_cast<long long>(1e6 * joules) << "\n";
  }
  Sensors found() const {
    Sensors sensors;
    find_cpus(root_.string(), sensors);
    return sensors;
  }
  static std::string ids(const Sensors& sensors) {
    std::string all;
    for (const auto& source : sensors.sources) {
      all += source->info().id + "=" + source->info().name + " ";
    }
    return all;
  }
  fs::path root_;
};

TEST_F(SimulatedCpus, PackagesAndMemoryCountOnce) {
  zone("intel-rapl:0", "package-0", 100);
  zone("intel-rapl:0:0", "core", 60);
  zone("intel-rapl:0:1", "dram", 20);
  zone("intel-rapl:1", "psys", 500);
  zone("intel-rapl-mmio:0", "package-0", 100);
  EXPECT_EQ(ids(found()), "cpu0=package-0 dram0=dram ");
}

TEST_F(SimulatedCpus, PlatformStandsInForPackages) {
  zone("intel-rapl:0", "psys", 500);
  const auto sensors = found();
  EXPECT_EQ(ids(sensors), "psys=psys ");
  EXPECT_EQ(sensors.sources.at(0)->info().kind, "platform");
}

TEST_F(SimulatedCpus, MirroredDiesCountOnce) {
  zone("intel-rapl:0", "package-0-die-0", 1234.5);
  zone("intel-rapl:1", "package-0-die-1", 1234.5);
  EXPECT_EQ(ids(found()), "cpu0=package-0-die-0 ");
  energy("intel-rapl:1", 987);
  EXPECT_EQ(ids(found()), "cpu0=package-0-die-0 cpu1=package-0-die-1 ");
}

TEST_F(SimulatedCpus, WrapIsCounted) {
  zone("intel-rapl:0", "package-0", 990, 1000);
  auto sensors = found();
  auto& source = *sensors.sources.at(0);
  source.sample(kBegin, true);
  energy("intel-rapl:0", 40);
  source.sample(kBegin + 1s, true);
  EXPECT_NEAR(source.usage().energy->in(joule), 50, 1e-6);
  EXPECT_EQ(source.usage().wraps, 1U);
}

TEST_F(SimulatedCpus, AbsenceHasAReason) {
  EXPECT_NE(found().absent.at(0).find("no energy counters in"), std::string::npos);
  zone("intel-rapl:0", "package-0", 100);
  fs::permissions(root_ / "intel-rapl:0" / "energy_uj", fs::perms::none);
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  EXPECT_NE(found().absent.at(0).find("not readable: sudo chmod"), std::string::npos);
}

}  // namespace
}  // namespace pretrain::hardware
