#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// NVIDIA's driver and libraries, opened at run time: nothing of CUDA is needed to start the
// program.

namespace pretrain::hardware {

/// Something that a GPU or one of its libraries refused.
class GpuError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Where the libraries are.
struct CudaLibraries {
  std::string driver = "libcuda.so.1";
  std::vector<std::string> products;   ///< cuBLASLt, to be tried in turn
  std::vector<std::string> attention;  ///< cuDNN
};

/// PLANNER_CUDA, PLANNER_CUBLASLT and PLANNER_CUDNN in place of the usual ones: those that the
/// loader finds, of a toolkit in /usr/local/cuda, and of Python's packages in an environment.
CudaLibraries cuda_libraries_of_environment();

/// Memory of a GPU.
class GpuMemory {
 public:
  GpuMemory() = default;
  GpuMemory(std::uintptr_t at, std::size_t bytes, std::shared_ptr<void> owner)
      : at_{at}, bytes_{bytes}, owner_{std::move(owner)} {}
  std::uintptr_t at() const { return at_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::uintptr_t at_ = 0;
  std::size_t bytes_ = 0;
  std::shared_ptr<void> owner_;
};

enum class GpuFormat : std::uint8_t { bf16, fp32, fp8 };
constexpr std::size_t bytes_of(GpuFormat format) {
  return format == GpuFormat::fp32 ? 4 : format == GpuFormat::bf16 ? 2 : 1;
}

/// c = alpha op(a) op(b) + beta c, column by column: c has m rows and n columns, op(a) m and k,
/// op(b) k and n. In 32 bits inside.
struct GpuProduct {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  bool transpose_a = false;
  bool transpose_b = false;
  // Elements from a column to the next.
  std::int64_t lda = 0;
  std::int64_t ldb = 0;
  std::int64_t ldc = 0;
  GpuFormat in = GpuFormat::bf16;
  GpuFormat out = GpuFormat::bf16;
  float alpha = 1;
  float beta = 0;
  std::int32_t count = 1;  ///< products of equal shape, so many elements apart:
  std::int64_t stride_a = 0;
  std::int64_t stride_b = 0;
  std::int64_t stride_c = 0;

  friend auto operator<=>(const GpuProduct&, const GpuProduct&) = default;
};

/// An event on the GPU's own clock.
using GpuMoment = void*;

struct GpuLaunch {
  unsigned blocks = 1;
  unsigned threads = 256;
  unsigned shared_bytes = 0;
};

/// One GPU with its queue: what is asked of it is done in order, later.
class Gpu {
 public:
  /// The first of CUDA_VISIBLE_DEVICES; null with the reason where there is none.
  static std::unique_ptr<Gpu> open(const CudaLibraries& libraries, std::string& why);
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  const std::string& name() const { return name_; }
  const std::string& uuid() const { return uuid_; }  ///< GPU-...
  int cores() const { return cores_; }               ///< multiprocessors
  int capability() const { return capability_; }     ///< 90: 9.0
  int driver_cuda() const { return driver_cuda_; }   ///< 13000: CUDA 13.0
  std::size_t products_version() const { return products_version_; }
  const CudaLibraries& libraries() const { return libraries_; }
  void* queue() const;

  std::size_t free_bytes() const;
  GpuMemory allocate(std::size_t bytes);
  void zero(const GpuMemory& memory);
  void write(const GpuMemory& memory, const void* from, std::size_t bytes);
  void read(std::uintptr_t from, void* to, std::size_t bytes);  ///< waits

  /// Arguments as the kernel has them, in order: pointers as std::uintptr_t.
  template <class... Arguments>
  void launch(const char* kernel, const GpuLaunch& how, Arguments... arguments) {
    void* places[] = {static_cast<void*>(&arguments)..., nullptr};
    launch_with(kernel, how, places);
  }
  void multiply(const GpuProduct& product, std::uintptr_t a, std::uintptr_t b, std::uintptr_t c);
  /// Whether the library has products of these operands.
  bool can_multiply(const GpuProduct& product);

  void wait();
  GpuMoment moment();  ///< a new one
  void mark(GpuMoment moment);
  void forget(GpuMoment moment);
  static constexpr double kMilli = 1e-3;
  double seconds_between(GpuMoment from, GpuMoment to) const;

 private:
  struct Api;
  struct Plan;
  Gpu() = default;
  void launch_with(const char* kernel, const GpuLaunch& how, void** arguments);
  const Plan& plan_of(const GpuProduct& product);
  void check(int code, std::string_view doing) const;

  std::unique_ptr<Api> api_;
  CudaLibraries libraries_;
  std::string name_;
  std::string uuid_;
  int cores_ = 0;
  int capability_ = 0;
  int driver_cuda_ = 0;
  std::size_t products_version_ = 0;
  std::map<std::string_view, void*> kernels_;
  std::map<void*, unsigned> shared_;  ///< bytes that were asked for, of kernels that need many
  std::map<GpuProduct, std::unique_ptr<Plan>> plans_;
  GpuMemory workspace_;
};

}  // namespace pretrain::hardware
