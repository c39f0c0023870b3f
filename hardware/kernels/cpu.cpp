#include "hardware/kernels/cpu.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <sched.h>

#include <Eigen/Dense>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>
#include <utility>

namespace pretrain::hardware {

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Of CBLAS's interface, as netlib documents it.
constexpr int kColumnMajor = 102;
constexpr int kNoTranspose = 111;
using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int,
                       float, float*, int);

class Blas : public MatrixLibrary {
 public:
  Blas(void* library, Sgemm function, std::string name)
      : library_{library}, multiply_{function}, name_{std::move(name)} {}
  ~Blas() override { dlclose(library_); }
  const std::string& name() const override { return name_; }
  void multiply(const float* a, const float* b, float* c, int n) const override {
    multiply_(kColumnMajor, kNoTranspose, kNoTranspose, n, n, n, 1, a, n, b, n, 0, c, n);
  }

 private:
  void* library_;
  Sgemm multiply_;
  std::string name_;
};

class Own : public MatrixLibrary {
 public:
  explicit Own(unsigned threads) : threads_{threads} {}
  const std::string& name() const override { return name_; }
  void multiply(const float* a, const float* b, float* c, int n) const override {
    using Matrix = Eigen::Map<const Eigen::MatrixXf>;
    const Matrix left{a, n, n};
    const Matrix right{b, n, n};
    Eigen::Map<Eigen::MatrixXf> result{c, n, n};
    const int each = (n + static_cast<int>(threads_) - 1) / static_cast<int>(threads_);
    const auto part = [&](int from) {
      const int width = std::min(each, n - from);
      if (width > 0)
        result.middleCols(from, width).noalias() = left * right.middleCols(from, width);
    };
    std::vector<std::thread> others;
    for (int from = each; from < n; from += each) others.emplace_back(part, from);
    part(0);
    for (auto& thread : others) thread.join();
  }

 private:
  unsigned threads_;
  std::string name_ =
      "Eigen, with the instruction set of this program: no tuned BLAS was found (libopenblas0 is "
      "one)";
};

/// Repeats `work` of so much until it is steady, then with pauses; no longer than `budget`.
template <class Work>
MeasuredRate repeated(double amount, double budget, std::mt19937& random, Work work) {
  constexpr double kSteady = 0.05;
  constexpr std::size_t kLeast = 4;
  constexpr double kWindow = 0.02;  // s: shorter work is repeated to fill it
  const auto start = Clock::now();
  const auto once = [&](std::size_t times) {
    const auto begin = Clock::now();
    for (std::size_t i = 0; i < times; ++i) work();
    return amount * static_cast<double>(times) / since(begin);
  };
  // Caches fill, clocks rise, threads start.
  double before = once(1);
  const auto times =
      static_cast<std::size_t>(std::clamp(std::ceil(kWindow * before / amount), 1.0, 1e6));
  while (since(start) < budget / 3) {
    const double now = once(times);
    const bool steady = std::abs(now / before - 1) < kSteady;
    before = now;
    if (steady) break;
  }
  std::uniform_int_distribution<int> pause{1, 20};
  std::vector<double> rates;
  while (rates.size() < kLeast || since(start) < budget) {
    std::this_thread::sleep_for(std::chrono::milliseconds{pause(random)});
    rates.push_back(once(times));
  }
  std::sort(rates.begin(), rates.end());
  const auto half = rates.size() / 2;
  const double median = rates.size() % 2 == 1 ? rates[half] : (rates[half - 1] + rates[half]) / 2;
  return {median, rates.front(), rates.back(), rates.size()};
}

}  // namespace

std::vector<std::string> MatrixLibrary::usual_names() {
  return {"libopenblas.so.0", "libmkl_rt.so.2", "libmkl_rt.so", "libblis.so.4", "libblas.so.3"};
}

std::unique_ptr<MatrixLibrary> MatrixLibrary::open(unsigned threads,
                                                   const std::vector<std::string>& names) {
  for (const auto& name : names) {
    void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) continue;
    void* multiply = dlsym(library, "cblas_sgemm");
    // Under its plain name stands whichever is installed: the reference shows nobody's machine.
    const bool tuned = name.find("libblas") == std::string::npos ||
                       dlsym(library, "openblas_get_config") != nullptr ||
                       dlsym(library, "bli_info_get_version_str") != nullptr;
    if (multiply == nullptr || !tuned) {
      dlclose(library);
      continue;
    }
    std::string told = name;
    using Config = char* (*)();
    if (void* config = dlsym(library, "openblas_get_config"); config != nullptr) {
      told = fmt::format("{} ({})", name, reinterpret_cast<Config>(config)());
    }
    using SetThreads = void (*)(int);
    if (void* set = dlsym(library, "openblas_set_num_threads"); set != nullptr) {
      reinterpret_cast<SetThreads>(set)(static_cast<int>(threads));
    }
    return std::make_unique<Blas>(library, reinterpret_cast<Sgemm>(multiply), std::move(told));
  }
  return std::make_unique<Own>(threads);
}

std::string cpu_name() {
  std::ifstream in{"/proc/cpuinfo"};
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("model name")) continue;
    if (const auto colon = line.find(": "); colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return {};
}

unsigned usable_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    return std::max(1U, static_cast<unsigned>(CPU_COUNT(&set)));
  }
  return std::max(1U, std::thread::hardware_concurrency());
}

CpuRates measure_cpu(const MatrixLibrary& library, unsigned threads, Time budget,
                     const std::function<void(const std::string&)>& each) {
  const auto start = Clock::now();
  CpuRates rates;
  rates.name = cpu_name();
  rates.threads = threads;
  rates.library = library.name();
  std::mt19937 random{1};
  constexpr int kSizes[] = {128, 256, 512, 1024, 2048, 4096};
  const double all = budget.in(second);
  // A sixth for the copy; the rest in equal parts, as long as a product fits into its own.
  const double part = all * 5 / 6 / static_cast<double>(std::size(kSizes));
  double rate = 0;
  for (const int n : kSizes) {
    const double flop = 2.0 * n * n * n;
    constexpr double kProducts = 6;  // of a size, at least
    if (rate > 0 && kProducts * flop / rate > part && n > 512) break;
    const auto cells = static_cast<std::size_t>(n) * static_cast<std::size_t>(n);
    std::vector<float> a(cells);
    std::vector<float> b(cells);
    std::vector<float> c(cells);
    // Numbers as in training: zeros would be faster on some machines.
    std::normal_distribution<float> normal;
    for (auto& x : a) x = normal(random);
    for (auto& x : b) x = normal(random);
    GemmRate result;
    result.size = n;
    result.gflops = repeated(flop / 1e9, part, random,
                             [&] { library.multiply(a.data(), b.data(), c.data(), n); });
    rate = 1e9 * result.gflops.median;
    rates.gemm.push_back(result);
    if (each) each(fmt::format("{} x {}: {:.1f} GFLOP/s", n, n, result.gflops.median));
  }

  // Larger than any cache of these machines.
  constexpr std::size_t kBytes = std::size_t{256} << 20;
  std::vector<char> from(kBytes, 1);
  std::vector<char> to(kBytes, 2);
  const std::size_t share = kBytes / threads;
  rates.copy_gb_per_s =
      repeated(2.0 * static_cast<double>(share * threads) / 1e9, all / 6, random, [&] {
        std::vector<std::thread> others;
        const auto copy = [&](unsigned t) {
          std::memcpy(to.data() + t * share, from.data() + t * share, share);
        };
        for (unsigned t = 1; t < threads; ++t) others.emplace_back(copy, t);
        copy(0);
        for (auto& thread : others) thread.join();
      });
  if (each) each(fmt::format("copy: {:.1f} GB/s", rates.copy_gb_per_s.median));
  rates.seconds = since(start);
  return rates;
}

}  // namespace pretrain::hardware
