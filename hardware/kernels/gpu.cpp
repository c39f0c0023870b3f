#include "hardware/kernels/gpu.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <thread>

#include "hardware/kernels/gpu_block.hpp"
#include "hardware/sensors/meter.hpp"
#include "hardware/sensors/nvml.hpp"

namespace pretrain::hardware {

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

MeasuredRate rate_of(const std::vector<double>& values) {
  if (values.empty()) return {};
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {median_of(values), *low, *high, values.size()};
}

/// Shares of the budget.
constexpr double kIdleShare = 0.05;   // before, and again after
constexpr double kQuickShare = 0.20;  // products by size, copies, launches
constexpr double kWarmShare = 0.15;   // of a window, before it: steps that are not steady yet
constexpr double kLoadShare = 0.04;   // of the largest product, and of copies, for their power
constexpr int kRepetitions = 4;
/// A counter is told ten times a second or so: power is taken from when a window has settled.
constexpr double kSettled = 0.5;

/// What a kind of work drew.
struct Load {
  double seconds = 0;
  double known = 0;  // s with known energy
  double joules = 0;
};

GpuLoad load_of(const Load& load) {
  GpuLoad result;
  result.seconds = load.seconds;
  if (load.known > 0) result.watts = load.joules / load.known;
  return result;
}

/// The power of the first GPU that is visible.
class Watch {
 public:
  Watch() {
    Sensors sensors;
    find_gpus(gpus_of_environment(), sensors);
    if (sensors.sources.empty()) {
      why_ = sensors.absent.empty() ? "NVML has no GPU" : sensors.absent.front();
    } else {
      uuid_ = sensors.sources.front()->info().uuid;
      sensors.sources.resize(1);
    }
    driver_ = sensors.driver;
    constexpr double kPeriod = 0.02;
    meter_ = std::make_unique<Meter>(std::move(sensors), kPeriod * second);
    meter_->start();
  }

  const std::string& why_not() const { return why_; }
  const std::string& uuid() const { return uuid_; }
  const std::string& driver() const { return driver_; }
  void stop() { meter_->stop(); }
  std::vector<SourceUsage> usage() const { return meter_->usage(); }

  /// Does a thing again and again for so long; energy from when it has settled.
  template <class Once>
  void keep(double seconds, Load& load, Once once) const {
    const auto start = Clock::now();
    std::pair<double, double> from{0, 0};
    bool settled = false;
    const double settle = std::min(kSettled, seconds / 4);
    do {
      if (!settled && since(start) >= settle) {
        from = joules();
        settled = true;
      }
      once();
    } while (since(start) < seconds);
    load.seconds += since(start);
    if (!settled) return;
    const auto to = joules();
    load.joules += to.first - from.first;
    load.known += to.second - from.second;
  }

  void rest(double seconds, Load& load) const {
    keep(seconds, load, [] {
      constexpr int kNap = 20;  // ms
      std::this_thread::sleep_for(std::chrono::milliseconds{kNap});
    });
  }

 private:
  std::pair<double, double> joules() const {
    double energy = 0;
    double covered = 0;
    for (const auto& source : meter_->usage()) {
      if (!source.usage.energy) continue;
      energy += source.usage.energy->in(joule);
      covered += source.usage.covered.in(second);
    }
    return {energy, covered};
  }

  std::unique_ptr<Meter> meter_;
  std::string why_;
  std::string uuid_;
  std::string driver_;
};

class Measurement {
 public:
  Measurement(Gpu& gpu, const GpuPlan& plan, Watch& watch)
      : gpu_{gpu}, plan_{plan}, watch_{watch}, budget_{plan.budget.in(second)} {}

  GpuRates run(const Load& idle, Clock::time_point start) {
    if (!watch_.why_not().empty()) rates_.remarks.push_back("no power: " + watch_.why_not());
    if (!watch_.uuid().empty() && watch_.uuid() != gpu_.uuid()) {
      rates_.remarks.push_back("the power is that of " + watch_.uuid() +
                               ", the kernels ran on another GPU: name one in "
                               "CUDA_VISIBLE_DEVICES by its UUID");
      other_ = true;
    }
    rates_.driver = watch_.driver();
    rates_.idle = load_of(idle);
    rates_.name = gpu_.name();
    rates_.uuid = gpu_.uuid();
    rates_.cores = gpu_.cores();
    rates_.cuda = fmt::format("{}.{}", gpu_.driver_cuda() / 1000, gpu_.driver_cuda() % 1000 / 10);
    rates_.products = fmt::format("cuBLASLt {}", version_text(gpu_.products_version()));
    say("launches, copies, products by size");
    launches();
    copies();
    products();
    for (const auto& shape : plan_.shapes) rates_.blocks.emplace_back().shape = shape;
    for (int repetition = 0; repetition < kRepetitions; ++repetition) {
      say(fmt::format("windows of steps, {} of {}", repetition + 1, kRepetitions));
      // Whatever took longer than its share comes off what is left.
      const double left = budget_ * (1 - kIdleShare) - since(start);
      windows(repetition, left / (kRepetitions - repetition));
    }
    for (auto& block : rates_.blocks) summarize(block);
    std::erase_if(rates_.blocks, [](const GpuBlockRates& b) { return b.steps == 0; });
    say("waiting");
    Load waiting;
    watch_.rest(kIdleShare * budget_, waiting);
    watch_.stop();
    conditions();
    rates_.waiting = load_of(waiting);
    rates_.largest_product = load_of(product_load_);
    rates_.copying = load_of(copy_load_);
    rates_.seconds = since(start);
    if (other_) {
      for (auto* load : {&rates_.idle, &rates_.waiting, &rates_.largest_product, &rates_.copying}) {
        load->watts.reset();
      }
      for (auto& block : rates_.blocks) block.load.watts.reset();
      rates_.limit_w.reset();
    }
    return std::move(rates_);
  }

 private:
  struct Collected {
    std::shared_ptr<FusedAttention> attention;
    std::string why_not;
    std::vector<double> steps;
    std::array<std::vector<double>, kGpuParts> parts;
    std::vector<double> fused;
    Load load;
  };

  static std::string version_text(std::size_t version) {
    return fmt::format("{}.{}.{}", version / 10000, version % 10000 / 100, version % 100);
  }

  void say(const std::string& what) const {
    if (plan_.each) plan_.each(what);
  }

  void pause() {
    // Of a minute, 50 to 350 ms.
    std::uniform_real_distribution<double> share{0.8e-3, 5.8e-3};
    std::this_thread::sleep_for(std::chrono::duration<double>{share(random_) * budget_});
  }

  /// Seconds on the device of so many of a thing, one after the other.
  template <class Once>
  double timed(int times, Once once) {
    gpu_.mark(from_.at);
    for (int i = 0; i < times; ++i) once();
    gpu_.mark(to_.at);
    gpu_.wait();
    return gpu_.seconds_between(from_.at, to_.at);
  }

  /// Repeats until three in a row are within 2%, then at least four times with pauses.
  template <class Once>
  std::vector<double> steady(double seconds, Once once) {
    constexpr double kSame = 0.02;
    constexpr double kPart = 0.05;  // s, of one repetition
    const auto start = Clock::now();
    // The first one also loads kernels and chooses among them.
    timed(1, once);
    int times = 1;
    constexpr double kTold = 0.005;  // s, before a time is worth dividing
    double taken = timed(times, once);
    while (taken < kTold && times < 1 << 14) {
      times *= 2;
      taken = timed(times, once);
    }
    times = std::clamp(static_cast<int>(kPart * times / taken), 1, 1 << 16);
    std::vector<double> last;
    while (since(start) < seconds / 2) {
      last.push_back(timed(times, once) / times);
      if (last.size() > 3) last.erase(last.begin());
      if (last.size() < 3) continue;
      const auto [low, high] = std::minmax_element(last.begin(), last.end());
      if (*high - *low < kSame * *low) break;
    }
    std::vector<double> results;
    while (results.size() < kRepetitions || since(start) < seconds) {
      std::uniform_int_distribution<int> gap{1, 20};
      std::this_thread::sleep_for(std::chrono::milliseconds{gap(random_)});
      results.push_back(timed(times, once) / times);
    }
    return results;
  }

  void launches() {
    constexpr int kMany = 2000;
    timed(kMany, [&] { gpu_.launch("nothing", {1, 32, 0}); });
    std::vector<double> each;
    for (int i = 0; i < kRepetitions; ++i) {
      each.push_back(timed(kMany, [&] { gpu_.launch("nothing", {1, 32, 0}); }) / kMany);
    }
    constexpr double kMicro = 1e6;
    rates_.launch_us = kMicro * median_of(each);
  }

  void copies() {
    // Larger than any cache; both halves fit into a small card.
    constexpr std::size_t kMost = std::size_t{2} << 30;
    constexpr std::size_t kWord = 16;
    const std::size_t bytes = std::min(kMost, gpu_.free_bytes() / 8) / kWord * kWord;
    from_memory_ = gpu_.allocate(bytes);
    to_memory_ = gpu_.allocate(bytes);
    gpu_.launch("fill", {4096, 256, 0}, from_memory_.at(),
                static_cast<unsigned long long>(bytes / kWord), 1.0F, 7U);
    constexpr double kGiga = 1e9;
    std::vector<double> each;
    for (const double s : steady(kQuickShare / 8 * budget_, [&] { copy_once(); })) {
      each.push_back(2 * static_cast<double>(bytes) / s / kGiga);
    }
    rates_.copy_gb_per_s = rate_of(each);
  }

  void copy_once() {
    constexpr unsigned kWord = 16;
    gpu_.launch("copy", {65536, 256, 0}, from_memory_.at(), to_memory_.at(),
                static_cast<unsigned long long>(from_memory_.bytes() / kWord));
  }

  static GpuProduct square(std::int64_t n, bool fp8) {
    GpuProduct p;
    p.m = p.n = p.k = n;
    p.lda = p.ldb = p.ldc = n;
    // As forward passes have them, and the only ones that 8 bits know.
    p.transpose_a = true;
    p.in = fp8 ? GpuFormat::fp8 : GpuFormat::bf16;
    return p;
  }

  void products() {
    std::vector<std::int64_t> sizes;
    for (const auto n : plan_.sizes) {
      if (3 * bytes_of(GpuFormat::bf16) * static_cast<std::size_t>(n * n) < gpu_.free_bytes() / 4) {
        sizes.push_back(n);
      }
    }
    if (sizes.empty()) return;
    const auto most = static_cast<std::size_t>(sizes.back() * sizes.back());
    constexpr std::size_t kEight = 8;
    a_ = gpu_.allocate(2 * most);
    b_ = gpu_.allocate(2 * most);
    c_ = gpu_.allocate(2 * most);
    const bool has_fp8 = gpu_.can_multiply(square(sizes.back(), true));
    if (!has_fp8) rates_.remarks.emplace_back("no products in 8 bits on this GPU");
    const double part =
        kQuickShare * 7 / 8 * budget_ / static_cast<double>(sizes.size() * (has_fp8 ? 2 : 1));
    for (const bool fp8 : {false, true}) {
      if (fp8 && !has_fp8) break;
      unsigned seed = 11;
      for (const auto* memory : {&a_, &b_}) {
        if (fp8) {
          gpu_.launch("fill_bytes", {4096, 256, 0}, memory->at(),
                      static_cast<unsigned long long>(most), seed++);
        } else {
          gpu_.launch("fill", {4096, 256, 0}, memory->at(),
                      static_cast<unsigned long long>(most / kEight), 1.0F, seed++);
        }
      }
      for (const auto n : sizes) {
        const auto product = square(n, fp8);
        const double flop = 2 * std::pow(static_cast<double>(n), 3);
        constexpr double kTera = 1e12;
        std::vector<double> each;
        for (const double s :
             steady(part, [&] { gpu_.multiply(product, a_.at(), b_.at(), c_.at()); })) {
          each.push_back(flop / s / kTera);
        }
        rates_.gemm.push_back({static_cast<double>(n), fp8, rate_of(each)});
      }
    }
    // Of numbers again, for its power.
    gpu_.launch("fill", {4096, 256, 0}, a_.at(), static_cast<unsigned long long>(most / kEight),
                1.0F, 11U);
    gpu_.launch("fill", {4096, 256, 0}, b_.at(), static_cast<unsigned long long>(most / kEight),
                1.0F, 12U);
    constexpr std::int64_t kPlain = 8192;
    largest_ = *std::min_element(sizes.begin(), sizes.end(), [&](auto x, auto y) {
      return std::abs(x - kPlain) < std::abs(y - kPlain);
    });
  }

  /// One window of each shape in random order, within so many seconds; once on the way, of the
  /// largest product and of copies.
  void windows(int repetition, double seconds) {
    collected_.resize(rates_.blocks.size());
    std::vector<std::size_t> order(rates_.blocks.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random_);
    const auto end = Clock::now() + std::chrono::duration<double>(std::max(0.0, seconds));
    if (repetition == kRepetitions / 2) loads();
    for (std::size_t k = 0; k < order.size(); ++k) {
      pause();
      const double left = std::chrono::duration<double>(end - Clock::now()).count();
      const double window = left / static_cast<double>(order.size() - k) / (1 + kWarmShare);
      const double least = 0.02 * budget_ / kRepetitions;
      steps_of(order[k], repetition, std::max(least, window));
    }
  }

  void loads() {
    const double each = kLoadShare * budget_;
    constexpr int kAtATime = 4;
    if (largest_ > 0) {
      pause();
      const auto product = square(largest_, false);
      const double flop = 2 * std::pow(static_cast<double>(largest_), 3);
      double taken = 0;
      double done = 0;
      watch_.keep(each, product_load_, [&] {
        taken += timed(kAtATime, [&] { gpu_.multiply(product, a_.at(), b_.at(), c_.at()); });
        done += kAtATime * flop;
      });
      constexpr double kTera = 1e12;
      if (taken > 0) rates_.sustained_tflops = done / taken / kTera;
    }
    pause();
    watch_.keep(each, copy_load_, [&] { timed(kAtATime, [&] { copy_once(); }); });
  }

  void steps_of(std::size_t at, int repetition, double window) {
    auto& rates = rates_.blocks[at];
    auto& own = collected_[at];
    if (repetition > 0 && own.steps.empty()) return;  // it did not fit
    const double need = GpuBlocks::bytes_of(rates.shape, false);
    constexpr double kShare = 0.9;
    if (need > kShare * static_cast<double>(gpu_.free_bytes())) {
      constexpr double kGiga = 1e9;
      rates_.remarks.push_back(fmt::format("blocks {} need {:.0f} GB, of which this GPU has {:.0f}",
                                           rates.shape.name, need / kGiga,
                                           static_cast<double>(gpu_.free_bytes()) / kGiga));
      return;
    }
    // Choosing its kernels takes a second: once for all windows.
    if (repetition == 0) own.attention = FusedAttention::open(gpu_, rates.shape, own.why_not);
    GpuBlocks blocks{gpu_, rates.shape, own.attention, own.why_not};
    rates.attention = blocks.attention();
    rates.fused = blocks.fused();
    // Not before steps are steady: three in a row within 2%.
    constexpr double kSame = 0.02;
    const auto start = Clock::now();
    std::vector<double> last;
    while (since(start) < kWarmShare * window) {
      blocks.step();
      last.push_back(total(blocks.parts()));
      if (last.size() > 3) last.erase(last.begin());
      if (last.size() < 3) continue;
      const auto [low, high] = std::minmax_element(last.begin(), last.end());
      if (*high - *low < kSame * *low) break;
    }
    watch_.keep(window, own.load, [&] {
      blocks.step();
      const auto parts = blocks.parts();
      own.steps.push_back(total(parts));
      for (std::size_t p = 0; p < kGpuParts; ++p) own.parts[p].push_back(parts[p]);
    });
    if (blocks.has_fused_forward()) {
      if (rates.fused_by.empty()) rates.fused_by = blocks.fused_forward_by();
      constexpr int kTimes = 4;
      timed(kTimes, [&] { blocks.fused_forward(); });
      own.fused.push_back(timed(kTimes, [&] { blocks.fused_forward(); }) / kTimes);
    }
  }

  static double total(const std::array<double, kGpuParts>& parts) {
    double sum = 0;
    for (const double part : parts) sum += part;
    return sum;
  }

  void summarize(GpuBlockRates& rates) {
    const auto& own = collected_[static_cast<std::size_t>(&rates - rates_.blocks.data())];
    rates.steps = own.steps.size();
    rates.step_s = rate_of(own.steps);
    for (std::size_t p = 0; p < kGpuParts; ++p) rates.part_s[p] = median_of(own.parts[p]);
    rates.fused_forward_s = median_of(own.fused);
    rates.load = load_of(own.load);
    // Read and written of one parameter: gradient, weight and two moments, and the rounded weight.
    constexpr double kRead = 16;
    constexpr double kWritten = 18;
    constexpr double kGiga = 1e9;
    const auto& optimizer = rates.part_s[static_cast<std::size_t>(GpuPart::optimizer)];
    if (optimizer > 0) {
      rates_.optimizer_gb_per_s = std::max(
          rates_.optimizer_gb_per_s, (kRead + kWritten) * rates.shape.params() / optimizer / kGiga);
    }
  }

  void conditions() {
    for (const auto& source : watch_.usage()) {
      const auto& u = source.usage;
      if (u.limit) rates_.limit_w = u.limit->in(watt);
      rates_.clock_mhz = u.clock_mhz;
      rates_.temperature_c = u.temperature_c;
      rates_.throttled = throttle_text(u.throttled);
      rates_.contended = u.contended;
    }
  }

  struct Moment {
    explicit Moment(Gpu& own) : gpu{own}, at{own.moment()} {}
    ~Moment() { gpu.forget(at); }
    Moment(const Moment&) = delete;
    Moment& operator=(const Moment&) = delete;
    Gpu& gpu;
    GpuMoment at;
  };

  Gpu& gpu_;
  const GpuPlan& plan_;
  Watch& watch_;
  bool other_ = false;  // it watches another GPU
  double budget_;
  GpuRates rates_;
  std::mt19937 random_{1};
  Moment from_{gpu_};
  Moment to_{gpu_};
  GpuMemory from_memory_;
  GpuMemory to_memory_;
  GpuMemory a_;
  GpuMemory b_;
  GpuMemory c_;
  std::int64_t largest_ = 0;
  std::vector<Collected> collected_;
  Load product_load_;
  Load copy_load_;
};

}  // namespace

bool has_gpu_kernels() { return true; }

std::optional<GpuRates> measure_gpu(const GpuPlan& plan, std::string& why) {
  const auto start = Clock::now();
  // Idle is without a process that holds the GPU: opened, it waits at higher clocks.
  Watch watch;
  Load idle;
  if (plan.each) plan.each("idle");
  if (watch.why_not().empty()) watch.rest(kIdleShare * plan.budget.in(second), idle);
  const auto gpu = Gpu::open(cuda_libraries_of_environment(), why);
  if (!gpu) return std::nullopt;
  return Measurement{*gpu, plan, watch}.run(idle, start);
}

}  // namespace pretrain::hardware
