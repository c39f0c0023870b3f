#include <algorithm>

#include "hardware/kernels/gpu.hpp"

namespace pretrain::hardware {

namespace {

constexpr double kForwardAndBackward = 3;  // times the forward pass
double real(std::int64_t n) { return static_cast<double>(n); }

}  // namespace

double GpuShape::params() const {
  const double width = real(head_width);
  const double attention = real(hidden) * width * (2 * real(heads) + 2 * real(kv_heads));
  const double feed_forward = (gated ? 3 : 2) * real(hidden) * real(ffn);
  return blocks * (attention + feed_forward);
}

double GpuShape::product_flop() const { return kForwardAndBackward * 2 * params() * tokens(); }

double GpuShape::model_flop() const {
  const double seen = real(seq_len + 1) / 2;
  const double attention = 4 * tokens() * seen * real(heads * head_width);
  return product_flop() + kForwardAndBackward * blocks * attention;
}

double GpuRates::best_tflops(bool fp8) const {
  double best = 0;
  for (const auto& rate : gemm) {
    if (rate.fp8 == fp8) best = std::max(best, rate.tflops.median);
  }
  return best;
}

std::vector<GpuShape> usual_gpu_shapes() {
  std::vector<GpuShape> shapes(3);
  // A block of GPT-3 1.3B, of Llama 3 8B and of Llama 3 70B.
  shapes[0] = {"2048 wide", 2048, 16, 16, 128, 8192, false, 2048, 8, 2};
  shapes[1] = {"4096 wide", 4096, 32, 8, 128, 14336, true, 4096, 2, 2};
  shapes[2] = {"8192 wide", 8192, 64, 8, 128, 28672, true, 4096, 1, 1};
  return shapes;
}

}  // namespace pretrain::hardware
