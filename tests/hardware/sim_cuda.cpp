// A driver and a library of matrix products with NVIDIA's functions and no GPU. Loaded by the tests
// as the real ones would be. What they do is said by CUDA_SIM, words of the form name=value.
//   run=1          kernels and products are computed, on the CPU: for small shapes. Otherwise
//                  memory is an address, and work only takes its time
//   tflops=700     of products, half of it below 2048 and twice as much in 8 bits
//   gb_per_s=4000  of copies; other kernels take as long as so many bytes for each thread
//   memory_gb=140
//   capability=90
//   no_fp8=1       no products in 8 bits
//   old=1          a driver before that of the compiler
//   fail_at=N      the N-th launch is refused

#include <cublasLt.h>
#include <cuda.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "hardware/kernels/kernels.cu"

namespace sim {

thread_local Index thread_index;
Index block_index;
Index block_size;
Index grid_size;
float* row_buffer = nullptr;

namespace {

std::barrier<>* meeting = nullptr;
constexpr unsigned kThreads = 4;  // of a block, whatever is asked for

double option(std::string_view name, double otherwise) {
  const char* text = std::getenv("CUDA_SIM");
  if (text == nullptr) return otherwise;
  const std::string words = std::string{" "} + text;
  const auto at = words.find(" " + std::string{name} + "=");
  return at == std::string::npos ? otherwise
                                 : std::strtod(words.c_str() + at + name.size() + 2, nullptr);
}

bool running() { return option("run", 0) > 0; }

// ---- time: a queue that is busy until some moment

using Clock = std::chrono::steady_clock;

double now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

double busy_until = 0;

void work(double seconds) { busy_until = std::max(busy_until, now()) + seconds; }

// ---- kernels

/// A kernel as a list of its arguments' places.
using Invoke = void (*)(void** arguments);

template <auto kernel>
struct Invoker;
template <class... Arguments, void (*kernel)(Arguments...)>
struct Invoker<kernel> {
  static void invoke(void** places) { call(places, std::index_sequence_for<Arguments...>{}); }
  template <std::size_t... i>
  static void call(void** places, std::index_sequence<i...>) {
    kernel(*static_cast<Arguments*>(places[i])...);
    static_cast<void>(places);
  }
};

const std::map<std::string_view, Invoke>& kernels() {
  static const std::map<std::string_view, Invoke> all{
#define X(name) {#name, &Invoker<&::name>::invoke},
      X(nothing) X(fill) X(fill_value) X(master_of) X(fill_bytes) X(copy) X(add_norm)
          X(norm_backward) X(add_rows) X(rotate) X(gated) X(gated_backward) X(gelu) X(gelu_backward)
              X(softmax) X(softmax_backward) X(adamw)
#undef X
  };
  return all;
}

void run_blocks(Invoke invoke, unsigned blocks, unsigned shared_bytes, void** arguments) {
  std::vector<float> shared(shared_bytes / sizeof(float) + 1);
  row_buffer = shared.data();
  grid_size.x = blocks;
  block_size.x = kThreads;
  std::barrier<> barrier{kThreads};
  meeting = &barrier;
  const auto thread = [&](unsigned index) {
    thread_index.x = index;
    for (unsigned b = 0; b < blocks; ++b) {
      if (index == 0) block_index.x = b;
      meet();
      invoke(arguments);
      meet();
    }
  };
  std::vector<std::thread> threads;
  for (unsigned t = 1; t < kThreads; ++t) threads.emplace_back(thread, t);
  thread(0);
  for (auto& t : threads) t.join();
}

// ---- products

struct Layout {
  cudaDataType_t type;
  std::uint64_t rows;
  std::uint64_t columns;
  std::int64_t leading;
  std::int32_t count = 1;
  std::int64_t stride = 0;
};
struct Operation {
  bool transpose_a = false;
  bool transpose_b = false;
};

float number(const void* data, cudaDataType_t type, std::int64_t at) {
  if (type == CUDA_R_32F) return static_cast<const float*>(data)[at];
  return wide(static_cast<const Bf16*>(data)[at]);
}

void put(void* data, cudaDataType_t type, std::int64_t at, float value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(data)[at] = value;
  } else {
    static_cast<Bf16*>(data)[at] = narrow(value);
  }
}

}  // namespace

void meet() { meeting->arrive_and_wait(); }

}  // namespace sim

using namespace sim;

namespace {

struct Event {
  double at = 0;
};

/// Layouts and operations of cuBLASLt are opaque to the program: here they are ours.
template <class To, class From>
To& as(From* from) {
  return *reinterpret_cast<To*>(from);
}

std::size_t used = 0;
std::map<CUdeviceptr, std::size_t> sizes;
int launches = 0;

}  // namespace

extern "C" {

// ---- the driver

CUresult cuInit(unsigned) {
  launches = 0;
  return CUDA_SUCCESS;
}
CUresult cuGetErrorString(CUresult code, const char** text) {
  *text = code == CUDA_ERROR_OUT_OF_MEMORY ? "out of memory" : "simulated refusal";
  return CUDA_SUCCESS;
}
CUresult cuDriverGetVersion(int* version) {
  *version = option("old", 0) > 0 ? 12040 : CUDA_VERSION;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetCount(int* count) {
  *count = static_cast<int>(option("devices", 1));
  return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice* device, int) {
  *device = 0;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char* name, int size, CUdevice) {
  const char* own = std::getenv("CUDA_SIM_NAME");
  std::strncpy(name, own != nullptr ? own : "NVIDIA H200", static_cast<std::size_t>(size) - 1);
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice) {
  for (int i = 0; i < 16; ++i) uuid->bytes[i] = static_cast<char>(i);
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute what, CUdevice) {
  const int capability = static_cast<int>(option("capability", 90));
  *value = what == CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT       ? 4
           : what == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? capability / 10
                                                                  : capability % 10;
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice) {
  static int one;
  *context = reinterpret_cast<CUcontext>(&one);
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease(CUdevice) { return CUDA_SUCCESS; }
CUresult cuCtxSetCurrent(CUcontext) { return CUDA_SUCCESS; }
CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  if (option("old", 0) > 0) return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
  // What the program brings is text with all kernels in it.
  const std::string_view text{static_cast<const char*>(image)};
  for (const auto& [name, invoke] : kernels()) {
    if (text.find(".entry " + std::string{name} + "(") == std::string_view::npos) {
      return CUDA_ERROR_INVALID_PTX;
    }
  }
  *module = reinterpret_cast<CUmodule>(const_cast<void*>(image));
  return CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule) { return CUDA_SUCCESS; }
CUresult cuModuleGetFunction(CUfunction* function, CUmodule, const char* name) {
  const auto found = kernels().find(name);
  if (found == kernels().end()) return CUDA_ERROR_NOT_FOUND;
  *function = reinterpret_cast<CUfunction>(const_cast<char*>(found->first.data()));
  return CUDA_SUCCESS;
}
std::map<CUfunction, unsigned> shared_limits;
CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute what, int value) {
  constexpr int kMost = 227 << 10;
  if (value > kMost) return CUDA_ERROR_INVALID_VALUE;
  if (what == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) {
    shared_limits[function] = static_cast<unsigned>(value);
  }
  return CUDA_SUCCESS;
}
CUresult cuMemGetInfo(std::size_t* free, std::size_t* all) {
  *all = static_cast<std::size_t>(1e9 * option("memory_gb", 140));
  *free = *all - used;
  return CUDA_SUCCESS;
}
CUresult cuMemAlloc(CUdeviceptr* at, std::size_t bytes) {
  if (used + bytes > static_cast<std::size_t>(1e9 * option("memory_gb", 140))) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  static CUdeviceptr next = 4096;
  if (running()) {
    *at = reinterpret_cast<CUdeviceptr>(std::calloc(bytes + 64, 1));
  } else {
    *at = next;
    next += bytes + 4096;
  }
  sizes[*at] = bytes;
  used += bytes;
  return CUDA_SUCCESS;
}
CUresult cuMemFree(CUdeviceptr at) {
  used -= sizes[at];
  sizes.erase(at);
  if (running()) std::free(reinterpret_cast<void*>(at));
  return CUDA_SUCCESS;
}
CUresult cuMemsetD8Async(CUdeviceptr at, unsigned char value, std::size_t bytes, CUstream) {
  if (running()) std::memset(reinterpret_cast<void*>(at), value, bytes);
  return CUDA_SUCCESS;
}
CUresult cuMemcpyHtoD(CUdeviceptr to, const void* from, std::size_t bytes) {
  if (running()) std::memcpy(reinterpret_cast<void*>(to), from, bytes);
  return CUDA_SUCCESS;
}
CUresult cuMemcpyDtoH(void* to, CUdeviceptr from, std::size_t bytes) {
  if (running()) std::memcpy(to, reinterpret_cast<void*>(from), bytes);
  return CUDA_SUCCESS;
}
CUresult cuLaunchKernel(CUfunction function, unsigned blocks, unsigned, unsigned, unsigned threads,
                        unsigned, unsigned, unsigned shared_bytes, CUstream, void** arguments,
                        void**) {
  if (++launches == static_cast<int>(option("fail_at", -1))) return CUDA_ERROR_LAUNCH_FAILED;
  // A kernel has 48 KB with what it declares itself, more where it was asked for.
  constexpr unsigned kUsual = 48U << 10;
  constexpr unsigned kDeclared = 2U << 10;
  const auto limit = shared_limits.find(function);
  if (shared_bytes + kDeclared > kUsual &&
      (limit == shared_limits.end() || shared_bytes > limit->second)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const std::string_view name{reinterpret_cast<const char*>(function)};
  const double bandwidth = 1e9 * option("gb_per_s", 4000);
  double bytes = 32.0 * blocks * threads;
  if (name == "copy") bytes = 32.0 * static_cast<double>(*static_cast<Count*>(arguments[2]));
  if (name == "adamw") bytes = 34.0 * 4 * static_cast<double>(*static_cast<Count*>(arguments[5]));
  constexpr double kLeast = 2e-6;
  work(kLeast + (name == "nothing" ? 0 : bytes / bandwidth));
  if (running()) run_blocks(kernels().at(name), blocks, shared_bytes, arguments);
  return CUDA_SUCCESS;
}
CUresult cuStreamCreate(CUstream* stream, unsigned) {
  static int one;
  *stream = reinterpret_cast<CUstream>(&one);
  return CUDA_SUCCESS;
}
CUresult cuStreamDestroy(CUstream) { return CUDA_SUCCESS; }
CUresult cuStreamSynchronize(CUstream) {
  const double left = busy_until - now();
  if (left > 0) std::this_thread::sleep_for(std::chrono::duration<double>(left));
  return CUDA_SUCCESS;
}
CUresult cuEventCreate(CUevent* event, unsigned) {
  *event = reinterpret_cast<CUevent>(new Event);
  return CUDA_SUCCESS;
}
CUresult cuEventRecord(CUevent event, CUstream) {
  as<Event>(event).at = std::max(busy_until, now());
  return CUDA_SUCCESS;
}
#undef cuEventElapsedTime
CUresult cuEventElapsedTime(float* ms, CUevent from, CUevent to) {
  *ms = static_cast<float>(1e3 * (as<Event>(to).at - as<Event>(from).at));
  return CUDA_SUCCESS;
}
CUresult cuEventDestroy(CUevent event) {
  delete reinterpret_cast<Event*>(event);
  return CUDA_SUCCESS;
}

// ---- products

std::size_t cublasLtGetVersion() { return 130100; }
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  static int one;
  *handle = reinterpret_cast<cublasLtHandle_t>(&one);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* made, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  if (compute != CUBLAS_COMPUTE_32F || scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  *made = reinterpret_cast<cublasLtMatmulDesc_t>(new Operation);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t made) {
  delete reinterpret_cast<Operation*>(made);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t made,
                                              cublasLtMatmulDescAttributes_t what,
                                              const void* value, std::size_t) {
  auto& operation = as<Operation>(made);
  if (what == CUBLASLT_MATMUL_DESC_TRANSA) {
    operation.transpose_a = *static_cast<const std::int32_t*>(value) == CUBLAS_OP_T;
  } else if (what == CUBLASLT_MATMUL_DESC_TRANSB) {
    operation.transpose_b = *static_cast<const std::int32_t*>(value) == CUBLAS_OP_T;
  }
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* made, cudaDataType_t type,
                                          std::uint64_t rows, std::uint64_t columns,
                                          std::int64_t leading) {
  if (leading < static_cast<std::int64_t>(rows)) return CUBLAS_STATUS_INVALID_VALUE;
  *made = reinterpret_cast<cublasLtMatrixLayout_t>(new Layout{type, rows, columns, leading});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t made) {
  delete reinterpret_cast<Layout*>(made);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t made,
                                                cublasLtMatrixLayoutAttribute_t what,
                                                const void* value, std::size_t) {
  auto& layout = as<Layout>(made);
  if (what == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) {
    layout.count = *static_cast<const std::int32_t*>(value);
  } else if (what == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET) {
    layout.stride = *static_cast<const std::int64_t*>(value);
  }
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* made) {
  static int one;
  *made = reinterpret_cast<cublasLtMatmulPreference_t>(&one);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                                    cublasLtMatmulPreferenceAttributes_t,
                                                    const void*, std::size_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t made,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t, int,
                                              cublasLtMatmulHeuristicResult_t*, int* found) {
  *found = 0;
  const auto& operation = as<Operation>(made);
  const auto& la = as<Layout>(a);
  const auto& lb = as<Layout>(b);
  const auto& lc = as<Layout>(c);
  const auto m = operation.transpose_a ? la.columns : la.rows;
  const auto k = operation.transpose_a ? la.rows : la.columns;
  const auto k2 = operation.transpose_b ? lb.columns : lb.rows;
  const auto n = operation.transpose_b ? lb.rows : lb.columns;
  if (k != k2 || m != lc.rows || n != lc.columns || la.count != lb.count || la.count != lc.count) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  // As on Hopper: 8 bits only with the first one transposed.
  const bool fp8 = la.type == CUDA_R_8F_E4M3;
  if (fp8 && (option("no_fp8", 0) > 0 || !operation.transpose_a || operation.transpose_b)) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t made, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t la_, const void* b,
                              cublasLtMatrixLayout_t lb_, const void* beta, const void* c,
                              cublasLtMatrixLayout_t lc_, void* d, cublasLtMatrixLayout_t,
                              const cublasLtMatmulAlgo_t*, void*, std::size_t, cudaStream_t) {
  const auto& operation = as<Operation>(made);
  const auto& la = as<Layout>(la_);
  const auto& lb = as<Layout>(lb_);
  const auto& lc = as<Layout>(lc_);
  const auto k = operation.transpose_a ? la.rows : la.columns;
  const double flop = 2.0 * static_cast<double>(lc.rows) * static_cast<double>(lc.columns) *
                      static_cast<double>(k) * la.count;
  double rate = 1e12 * option("tflops", 700);
  if (la.type == CUDA_R_8F_E4M3) rate *= 2;
  constexpr std::uint64_t kSmall = 2048;
  if (std::min({lc.rows, lc.columns, static_cast<std::uint64_t>(k)}) < kSmall) rate /= 2;
  constexpr double kLeast = 3e-6;
  work(kLeast + flop / rate);
  if (!running()) return CUBLAS_STATUS_SUCCESS;
  const float scale = *static_cast<const float*>(alpha);
  const float keep = *static_cast<const float*>(beta);
  for (std::int32_t batch = 0; batch < la.count; ++batch) {
    for (std::int64_t j = 0; j < static_cast<std::int64_t>(lc.columns); ++j) {
      for (std::int64_t i = 0; i < static_cast<std::int64_t>(lc.rows); ++i) {
        float sum = 0;
        for (std::int64_t l = 0; l < static_cast<std::int64_t>(k); ++l) {
          const auto at_a = operation.transpose_a ? i * la.leading + l : l * la.leading + i;
          const auto at_b = operation.transpose_b ? l * lb.leading + j : j * lb.leading + l;
          sum += number(a, la.type, batch * la.stride + at_a) *
                 number(b, lb.type, batch * lb.stride + at_b);
        }
        const auto at = batch * lc.stride + j * lc.leading + i;
        float value = scale * sum;
        if (keep != 0) value += keep * number(c, lc.type, at);
        put(d, lc.type, at, value);
      }
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
