#include "hardware/kernels/cuda.hpp"

#include <cublasLt.h>
#include <cuda.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <glob.h>

#include <array>
#include <cstdlib>
#include <cstring>

// The device code, as text that the driver compiles.
extern "C" const char pretrain_kernels_ptx[];
asm(".pushsection .rodata\n"
    ".global pretrain_kernels_ptx\n"
    "pretrain_kernels_ptx:\n"
    ".incbin \"" PRETRAIN_KERNELS_PTX
    "\"\n"
    ".byte 0\n"
    ".popsection\n");

namespace pretrain::hardware {

namespace {

/// A library. It stays open: those of CUDA do not stand being unloaded.
class Library {
 public:
  Library() = default;
  explicit Library(const std::string& name)
      : handle_{dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)} {}

  explicit operator bool() const { return handle_ != nullptr; }
  /// False where the library has no such function.
  template <class Function>
  bool find(Function*& function, const char* name) const {
    function = reinterpret_cast<Function*>(dlsym(handle_, name));
    return function != nullptr;
  }

 private:
  void* handle_ = nullptr;
};

void add_matches(const std::string& pattern, std::vector<std::string>& names) {
  glob_t found{};
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    // The newest first.
    for (std::size_t i = found.gl_pathc; i-- > 0;) names.emplace_back(found.gl_pathv[i]);
  }
  globfree(&found);
}

std::vector<std::string> places_of(const char* variable, const std::string& stem,
                                   std::initializer_list<const char*> versions) {
  if (const char* own = std::getenv(variable); own != nullptr && *own != 0) return {own};
  std::vector<std::string> names;
  for (const char* version : versions) names.push_back(stem + version);
  add_matches("/usr/local/cuda/lib64/" + stem + ".*", names);
  for (const char* environment : {"VIRTUAL_ENV", "CONDA_PREFIX"}) {
    const char* const folder = std::getenv(environment);
    if (folder == nullptr || *folder == 0) continue;
    add_matches(fmt::format("{}/lib/python3*/site-packages/nvidia/*/lib/{}.*", folder, stem),
                names);
  }
  return names;
}

}  // namespace

CudaLibraries cuda_libraries_of_environment() {
  CudaLibraries libraries;
  if (const char* own = std::getenv("PLANNER_CUDA"); own != nullptr && *own != 0) {
    libraries.driver = own;
  }
  libraries.products = places_of("PLANNER_CUBLASLT", "libcublasLt.so", {".13", ".12"});
  libraries.attention = places_of("PLANNER_CUDNN", "libcudnn.so", {".9"});
  return libraries;
}

// The header renames functions to their newest version: what is looked up is the name that the
// compiler sees.
#define PRETRAIN_NAME(function) #function
#define PRETRAIN_NAME_OF(function) PRETRAIN_NAME(function)
#define PRETRAIN_DRIVER(X)     \
  X(cuInit)                    \
  X(cuGetErrorString)          \
  X(cuDriverGetVersion)        \
  X(cuDeviceGetCount)          \
  X(cuDeviceGet)               \
  X(cuDeviceGetName)           \
  X(cuDeviceGetUuid)           \
  X(cuDeviceGetAttribute)      \
  X(cuDevicePrimaryCtxRetain)  \
  X(cuDevicePrimaryCtxRelease) \
  X(cuCtxSetCurrent)           \
  X(cuModuleLoadData)          \
  X(cuModuleUnload)            \
  X(cuModuleGetFunction)       \
  X(cuFuncSetAttribute)        \
  X(cuMemGetInfo)              \
  X(cuMemAlloc)                \
  X(cuMemFree)                 \
  X(cuMemsetD8Async)           \
  X(cuMemcpyHtoD)              \
  X(cuMemcpyDtoH)              \
  X(cuLaunchKernel)            \
  X(cuStreamCreate)            \
  X(cuStreamDestroy)           \
  X(cuStreamSynchronize)       \
  X(cuEventCreate)             \
  X(cuEventRecord)             \
  X(cuEventDestroy)
#define PRETRAIN_PRODUCTS(X)              \
  X(cublasLtGetVersion)                   \
  X(cublasLtCreate)                       \
  X(cublasLtDestroy)                      \
  X(cublasLtMatmulDescCreate)             \
  X(cublasLtMatmulDescDestroy)            \
  X(cublasLtMatmulDescSetAttribute)       \
  X(cublasLtMatrixLayoutCreate)           \
  X(cublasLtMatrixLayoutDestroy)          \
  X(cublasLtMatrixLayoutSetAttribute)     \
  X(cublasLtMatmulPreferenceCreate)       \
  X(cublasLtMatmulPreferenceDestroy)      \
  X(cublasLtMatmulPreferenceSetAttribute) \
  X(cublasLtMatmulAlgoGetHeuristic)       \
  X(cublasLtMatmul)

struct Gpu::Api {
  Library driver;
  Library products;
#define X(f) decltype(&::f) f = nullptr;
  PRETRAIN_DRIVER(X)
  PRETRAIN_PRODUCTS(X)
#undef X
  /// By its first name, which older drivers have, too.
  CUresult (*elapsed)(float*, CUevent, CUevent) = nullptr;
  CUdevice device = 0;
  CUcontext context = nullptr;
  CUmodule module = nullptr;
  CUstream stream = nullptr;
  cublasLtHandle_t handle = nullptr;

  std::string missing_of_driver() {
    std::string missing;
#define X(f) \
  if (!driver.find(f, PRETRAIN_NAME_OF(f))) missing = PRETRAIN_NAME_OF(f);
    PRETRAIN_DRIVER(X)
#undef X
    if (!driver.find(elapsed, "cuEventElapsedTime")) missing = "cuEventElapsedTime";
    return missing;
  }
  std::string missing_of_products() {
    std::string missing;
#define X(f) \
  if (!products.find(f, #f)) missing = #f;
    PRETRAIN_PRODUCTS(X)
#undef X
    return missing;
  }
};

/// A product that the library has chosen an algorithm for.
struct Gpu::Plan {
  explicit Plan(const Api& own) : api{own} {}
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    if (operation != nullptr) api.cublasLtMatmulDescDestroy(operation);
    for (auto* layout : {a, b, c}) {
      if (layout != nullptr) api.cublasLtMatrixLayoutDestroy(layout);
    }
  }

  const Api& api;
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t a = nullptr;
  cublasLtMatrixLayout_t b = nullptr;
  cublasLtMatrixLayout_t c = nullptr;
  bool found = false;
  cublasLtMatmulHeuristicResult_t choice = {};
};

namespace {

constexpr std::size_t kWorkspace = std::size_t{64} << 20;

cudaDataType_t type_of(GpuFormat format) {
  switch (format) {
    case GpuFormat::fp32:
      return CUDA_R_32F;
    case GpuFormat::fp8:
      return CUDA_R_8F_E4M3;
    case GpuFormat::bf16:
      break;
  }
  return CUDA_R_16BF;
}

std::string text_of(const CUuuid& uuid) {
  std::string text = "GPU-";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", static_cast<unsigned char>(uuid.bytes[i]));
  }
  return text;
}

}  // namespace

void Gpu::check(int code, std::string_view doing) const {
  if (code == CUDA_SUCCESS) return;
  const char* text = nullptr;
  api_->cuGetErrorString(static_cast<CUresult>(code), &text);
  throw GpuError(
      fmt::format("{}: {}", doing, text != nullptr ? text : fmt::format("CUDA error {}", code)));
}

std::unique_ptr<Gpu> Gpu::open(const CudaLibraries& libraries, std::string& why) {
  std::unique_ptr<Gpu> gpu{new Gpu};
  gpu->libraries_ = libraries;
  gpu->api_ = std::make_unique<Api>();
  auto& api = *gpu->api_;
  api.driver = Library{libraries.driver};
  if (!api.driver) {
    why = fmt::format("no CUDA driver ({} is not there)", libraries.driver);
    return nullptr;
  }
  if (const auto missing = api.missing_of_driver(); !missing.empty()) {
    why = fmt::format("{} lacks {}: a newer driver has it", libraries.driver, missing);
    return nullptr;
  }
  int count = 0;
  if (const auto code = api.cuInit(0); code != CUDA_SUCCESS) {
    const char* text = nullptr;
    api.cuGetErrorString(code, &text);
    why = fmt::format("the CUDA driver does not start: {}", text != nullptr ? text : "no reason");
    return nullptr;
  }
  if (api.cuDeviceGetCount(&count) != CUDA_SUCCESS || count < 1) {
    why = "the CUDA driver has no device: see CUDA_VISIBLE_DEVICES";
    return nullptr;
  }
  gpu->check(api.cuDriverGetVersion(&gpu->driver_cuda_), "driver version");
  gpu->check(api.cuDeviceGet(&api.device, 0), "device");
  std::array<char, 256> name{};
  gpu->check(api.cuDeviceGetName(name.data(), static_cast<int>(name.size()), api.device), "name");
  gpu->name_ = name.data();
  CUuuid uuid{};
  gpu->check(api.cuDeviceGetUuid(&uuid, api.device), "UUID");
  gpu->uuid_ = text_of(uuid);
  const auto attribute = [&](CUdevice_attribute what) {
    int value = 0;
    gpu->check(api.cuDeviceGetAttribute(&value, what, api.device), "attribute");
    return value;
  };
  gpu->cores_ = attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  gpu->capability_ = 10 * attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) +
                     attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  constexpr int kFirst = 80;
  if (gpu->capability_ < kFirst) {
    why = fmt::format("{} has no matrix products in bf16: Ampere and later do", gpu->name_);
    return nullptr;
  }
  gpu->check(api.cuDevicePrimaryCtxRetain(&api.context, api.device), "context");
  gpu->check(api.cuCtxSetCurrent(api.context), "context");
  if (const auto code = api.cuModuleLoadData(&api.module, pretrain_kernels_ptx);
      code != CUDA_SUCCESS) {
    why = code == CUDA_ERROR_UNSUPPORTED_PTX_VERSION
              ? fmt::format(
                    "the driver (CUDA {}.{}) is older than the compiler that built the kernels "
                    "(CUDA {}.{}): update it, or build with that CUDA",
                    gpu->driver_cuda_ / 1000, gpu->driver_cuda_ % 1000 / 10, CUDA_VERSION / 1000,
                    CUDA_VERSION % 1000 / 10)
              : fmt::format("the driver does not take the kernels: CUDA error {}",
                            static_cast<int>(code));
    return nullptr;
  }
  gpu->check(api.cuStreamCreate(&api.stream, CU_STREAM_NON_BLOCKING), "queue");
  // The first that starts: one for a newer driver does not.
  why =
      "no cuBLASLt: put libcublasLt.so.13 or .12 where the loader finds it (LD_LIBRARY_PATH), or "
      "name it in PLANNER_CUBLASLT";
  for (const auto& file : libraries.products) {
    api.products = Library{file};
    if (!api.products) continue;
    if (const auto missing = api.missing_of_products(); !missing.empty()) {
      why = fmt::format("{} lacks {}: version 12 or 13 has it", file, missing);
      continue;
    }
    if (const int status = api.cublasLtCreate(&api.handle); status != 0) {
      why = fmt::format("{} does not start (status {}): the driver has CUDA {}.{}", file, status,
                        gpu->driver_cuda_ / 1000, gpu->driver_cuda_ % 1000 / 10);
      api.handle = nullptr;
      continue;
    }
    break;
  }
  if (api.handle == nullptr) return nullptr;
  why.clear();
  gpu->products_version_ = api.cublasLtGetVersion();
  gpu->workspace_ = gpu->allocate(kWorkspace);
  return gpu;
}

Gpu::~Gpu() {
  if (!api_ || api_->context == nullptr) return;
  plans_.clear();
  workspace_ = {};
  if (api_->handle != nullptr) api_->cublasLtDestroy(api_->handle);
  if (api_->stream != nullptr) api_->cuStreamDestroy(api_->stream);
  if (api_->module != nullptr) api_->cuModuleUnload(api_->module);
  api_->cuDevicePrimaryCtxRelease(api_->device);
}

void* Gpu::queue() const { return api_->stream; }

std::size_t Gpu::free_bytes() const {
  std::size_t free = 0;
  std::size_t all = 0;
  check(api_->cuMemGetInfo(&free, &all), "free memory");
  return free;
}

GpuMemory Gpu::allocate(std::size_t bytes) {
  CUdeviceptr at = 0;
  check(api_->cuMemAlloc(&at, bytes), fmt::format("{} bytes of memory", bytes));
  auto* const api = api_.get();
  const std::shared_ptr<void> owner{nullptr, [api, at](void*) { api->cuMemFree(at); }};
  return {static_cast<std::uintptr_t>(at), bytes, owner};
}

void Gpu::zero(const GpuMemory& memory) {
  check(api_->cuMemsetD8Async(memory.at(), 0, memory.bytes(), api_->stream), "memory");
}

void Gpu::write(const GpuMemory& memory, const void* from, std::size_t bytes) {
  wait();
  check(api_->cuMemcpyHtoD(memory.at(), from, bytes), "copy to the device");
}

void Gpu::read(std::uintptr_t from, void* to, std::size_t bytes) {
  wait();
  check(api_->cuMemcpyDtoH(to, from, bytes), "copy from the device");
}

void Gpu::launch_with(const char* kernel, const GpuLaunch& how, void** arguments) {
  auto& function = kernels_[kernel];
  if (function == nullptr) {
    CUfunction found = nullptr;
    check(api_->cuModuleGetFunction(&found, api_->module, kernel), kernel);
    function = found;
  }
  auto* const f = static_cast<CUfunction>(function);
  // 48 KB hold what a kernel declares itself, too.
  constexpr unsigned kUsualShared = 32U << 10;
  auto& asked = shared_[function];
  if (how.shared_bytes > kUsualShared && how.shared_bytes > asked) {
    asked = how.shared_bytes;
    check(api_->cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                   static_cast<int>(how.shared_bytes)),
          kernel);
  }
  check(api_->cuLaunchKernel(f, how.blocks, 1, 1, how.threads, 1, 1, how.shared_bytes, api_->stream,
                             arguments, nullptr),
        kernel);
}

const Gpu::Plan& Gpu::plan_of(const GpuProduct& p) {
  auto& place = plans_[p];
  if (place) return *place;
  place = std::make_unique<Plan>(*api_);
  auto& plan = *place;
  const auto& api = *api_;
  bool good = api.cublasLtMatmulDescCreate(&plan.operation, CUBLAS_COMPUTE_32F, CUDA_R_32F) == 0;
  const auto set = [&](cublasLtMatmulDescAttributes_t what, const auto& value) {
    good =
        good && api.cublasLtMatmulDescSetAttribute(plan.operation, what, &value, sizeof value) == 0;
  };
  const std::int32_t op_a = p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  const std::int32_t op_b = p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  set(CUBLASLT_MATMUL_DESC_TRANSA, op_a);
  set(CUBLASLT_MATMUL_DESC_TRANSB, op_b);
  if (p.in == GpuFormat::fp8) {
    const std::int8_t fast = 1;
    set(CUBLASLT_MATMUL_DESC_FAST_ACCUM, fast);
  }
  const auto layout = [&](cublasLtMatrixLayout_t& made, GpuFormat format, std::int64_t rows,
                          std::int64_t columns, std::int64_t leading, std::int64_t stride) {
    good = good &&
           api.cublasLtMatrixLayoutCreate(&made, type_of(format), static_cast<std::uint64_t>(rows),
                                          static_cast<std::uint64_t>(columns), leading) == 0;
    if (p.count <= 1) return;
    good = good &&
           api.cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &p.count,
                                                sizeof p.count) == 0 &&
           api.cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                                &stride, sizeof stride) == 0;
  };
  layout(plan.a, p.in, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.lda, p.stride_a);
  layout(plan.b, p.in, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.ldb, p.stride_b);
  layout(plan.c, p.out, p.m, p.n, p.ldc, p.stride_c);
  cublasLtMatmulPreference_t preference = nullptr;
  good = good && api.cublasLtMatmulPreferenceCreate(&preference) == 0;
  if (good) {
    const std::uint64_t workspace = kWorkspace;
    good = api.cublasLtMatmulPreferenceSetAttribute(preference,
                                                    CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                    &workspace, sizeof workspace) == 0;
    int found = 0;
    good = good &&
           api.cublasLtMatmulAlgoGetHeuristic(api.handle, plan.operation, plan.a, plan.b, plan.c,
                                              plan.c, preference, 1, &plan.choice, &found) == 0;
    plan.found = good && found > 0;
  }
  if (preference != nullptr) api.cublasLtMatmulPreferenceDestroy(preference);
  return plan;
}

bool Gpu::can_multiply(const GpuProduct& product) { return plan_of(product).found; }

void Gpu::multiply(const GpuProduct& p, std::uintptr_t a, std::uintptr_t b, std::uintptr_t c) {
  const auto& plan = plan_of(p);
  const auto fail = [&](int status) {
    throw GpuError(
        fmt::format("a product of {} x {} x {}: cuBLASLt status {}", p.m, p.n, p.k, status));
  };
  if (!plan.found) fail(CUBLAS_STATUS_NOT_SUPPORTED);
  const auto memory = [](std::uintptr_t at) { return reinterpret_cast<void*>(at); };
  const int status = api_->cublasLtMatmul(
      api_->handle, plan.operation, &p.alpha, memory(a), plan.a, memory(b), plan.b, &p.beta,
      memory(c), plan.c, memory(c), plan.c, &plan.choice.algo, memory(workspace_.at()),
      workspace_.bytes(), reinterpret_cast<cudaStream_t>(api_->stream));
  if (status != 0) fail(status);
}

void Gpu::wait() { check(api_->cuStreamSynchronize(api_->stream), "the work on the device"); }

GpuMoment Gpu::moment() {
  CUevent event = nullptr;
  check(api_->cuEventCreate(&event, CU_EVENT_DEFAULT), "event");
  return event;
}

void Gpu::mark(GpuMoment moment) {
  check(api_->cuEventRecord(static_cast<CUevent>(moment), api_->stream), "event");
}

void Gpu::forget(GpuMoment moment) { api_->cuEventDestroy(static_cast<CUevent>(moment)); }

double Gpu::seconds_between(GpuMoment from, GpuMoment to) const {
  float milliseconds = 0;
  check(api_->elapsed(&milliseconds, static_cast<CUevent>(from), static_cast<CUevent>(to)),
        "time between events");
  return kMilli * static_cast<double>(milliseconds);
}

}  // namespace pretrain::hardware
