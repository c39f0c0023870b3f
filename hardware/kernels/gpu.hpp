#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/kernels/cpu.hpp"
#include "models/core/units.hpp"

// What a GPU reaches in the training step of transformer blocks. It takes a program that was built
// where CUDA's compiler is; without it `measure_gpu` says so.

namespace pretrain::hardware {

/// Blocks of a decoder, and the tokens of a step.
struct GpuShape {
  std::string name;
  std::int64_t hidden = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_width = 0;
  std::int64_t ffn = 0;
  bool gated = false;
  std::int64_t seq_len = 0;
  std::int64_t sequences = 0;
  int blocks = 1;

  double tokens() const { return static_cast<double>(seq_len * sequences); }
  double params() const;  ///< of the matrices of all blocks
  /// Of the products with weights, forward and backward.
  double product_flop() const;
  /// As utilization counts a step: causal attention, nothing that is done twice.
  double model_flop() const;
};

/// Parts of a step, as they follow each other.
enum class GpuPart : std::uint8_t { products, attention, traffic, optimizer };
inline constexpr std::size_t kGpuParts = 4;
inline constexpr std::array<std::string_view, kGpuParts> kGpuPartNames{
    "matrix products", "attention core", "memory traffic", "optimizer"};

/// A window of one kind of work.
struct GpuLoad {
  double seconds = 0;
  std::optional<double> watts;
};

struct GpuBlockRates {
  GpuShape shape;
  std::string attention;       ///< whose
  bool fused = false;          ///< attention is fused, and computes what is masked, too
  std::string fused_by;        ///< library whose fused forward pass was measured; empty: none
  double fused_forward_s = 0;  ///< of one block, alone; what is masked is computed, too
  MeasuredRate step_s;
  std::array<double, kGpuParts> part_s{};  ///< medians
  GpuLoad load;                            ///< of all its windows
  std::size_t steps = 0;
};

struct GpuProductRate {
  double size = 0;  ///< of a square product
  bool fp8 = false;
  MeasuredRate tflops;
};

struct GpuRates {
  std::string name;
  std::string uuid;
  std::string driver;    ///< version; empty: not told
  std::string cuda;      ///< of the driver
  std::string products;  ///< library
  int cores = 0;
  double seconds = 0;  ///< that all of it took
  std::vector<GpuProductRate> gemm;
  MeasuredRate copy_gb_per_s;  ///< read and written
  double launch_us = 0;        ///< from one kernel to the next
  double optimizer_gb_per_s = 0;
  std::vector<GpuBlockRates> blocks;
  GpuLoad idle;     ///< no process holds it
  GpuLoad waiting;  ///< held by a process that does nothing
  GpuLoad largest_product;
  double sustained_tflops = 0;  ///< of it, in bf16, over its window
  GpuLoad copying;
  std::optional<double> limit_w;
  std::optional<double> clock_mhz;
  std::optional<double> temperature_c;
  std::string throttled;
  bool contended = false;
  std::vector<std::string> remarks;  ///< what could not be measured, and why

  /// Of the products of a size and more.
  double best_tflops(bool fp8) const;
};

struct GpuPlan {
  std::vector<GpuShape> shapes;
  Time budget;
  /// Sizes of square products.
  std::vector<std::int64_t> sizes = {1024, 2048, 4096, 8192, 16384};
  /// Told of each thing that is done.
  std::function<void(const std::string&)> each = {};
};

/// Blocks of usual widths.
std::vector<GpuShape> usual_gpu_shapes();

/// Measures the first GPU that is visible: idle, then what is quick, then windows of each shape in
/// turn, four times with pauses of random length, then waiting. Absent with the reason where there
/// is none or this program has no kernels. Throws std::runtime_error where a GPU fails.
std::optional<GpuRates> measure_gpu(const GpuPlan& plan, std::string& why);

/// Whether this program was built with kernels for GPUs.
bool has_gpu_kernels();

}  // namespace pretrain::hardware
