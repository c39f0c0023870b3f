#pragma once

// What device code needs to be compiled for the CPU: the threads of a block are threads, its
// barrier is one, and blocks run one after the other.

#include <cmath>

namespace sim {

struct Index {
  unsigned x = 0;
};
extern thread_local Index thread_index;
extern Index block_index;
extern Index block_size;
extern Index grid_size;
extern float* row_buffer;
void meet();

}  // namespace sim

#define KERNEL static void
#define INSIDE static inline
#undef __shared__  // NVIDIA's own headers have one
#define __shared__ static
#define ROW_BUFFER(name) float* const name = sim::row_buffer
#define threadIdx sim::thread_index
#define blockIdx sim::block_index
#define blockDim sim::block_size
#define gridDim sim::grid_size
#define __syncthreads sim::meet
static inline float rsqrtf(float x) { return 1.0F / std::sqrt(x); }
using std::fmaxf;
