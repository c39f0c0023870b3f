#include "hardware/kernels/gpu.hpp"

// Where CUDA's compiler is not: the program is built without kernels for GPUs.

namespace pretrain::hardware {

bool has_gpu_kernels() { return false; }

std::optional<GpuRates> measure_gpu(const GpuPlan&, std::string& why) {
  why =
      "this program was built where nvcc is not: with CUDA 12 or later in PATH or in "
      "/usr/local/cuda, building it anew brings the kernels";
  return std::nullopt;
}

}  // namespace pretrain::hardware
