#include <cudnn.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "hardware/kernels/gpu_block.hpp"

#if CUDNN_VERSION < 91700

// Before it attention was no operation of its own.
namespace pretrain::hardware {

std::unique_ptr<FusedAttention> FusedAttention::open(Gpu&, const GpuShape&, std::string& why) {
  why = "this program was built with a cuDNN before 9.17";
  return nullptr;
}

}  // namespace pretrain::hardware

#else

namespace pretrain::hardware {

namespace {

using std::int64_t;
using std::size_t;
using std::uintptr_t;

struct Api {
  decltype(&::cudnnGetVersion) version = nullptr;
  decltype(&::cudnnCreate) create = nullptr;
  decltype(&::cudnnDestroy) destroy = nullptr;
  decltype(&::cudnnSetStream) set_stream = nullptr;
  decltype(&::cudnnBackendCreateDescriptor) make = nullptr;
  decltype(&::cudnnBackendDestroyDescriptor) unmake = nullptr;
  decltype(&::cudnnBackendSetAttribute) set = nullptr;
  decltype(&::cudnnBackendGetAttribute) get = nullptr;
  decltype(&::cudnnBackendFinalize) finalize = nullptr;
  decltype(&::cudnnBackendExecute) execute = nullptr;

  bool open(const std::string& name) {
    // It stays open: it does not stand being unloaded.
    void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return false;
    const auto find = [&](auto& function, const char* symbol) {
      function =
          reinterpret_cast<std::remove_reference_t<decltype(function)> >(dlsym(library, symbol));
      return function != nullptr;
    };
    return find(version, "cudnnGetVersion") && find(create, "cudnnCreate") &&
           find(destroy, "cudnnDestroy") && find(set_stream, "cudnnSetStream") &&
           find(make, "cudnnBackendCreateDescriptor") &&
           find(unmake, "cudnnBackendDestroyDescriptor") && find(set, "cudnnBackendSetAttribute") &&
           find(get, "cudnnBackendGetAttribute") && find(finalize, "cudnnBackendFinalize") &&
           find(execute, "cudnnBackendExecute");
  }
};

/// A description that the library is told piece by piece. `good` until something is refused.
class Description {
 public:
  Description() = default;
  Description(const Api& api, cudnnBackendDescriptorType_t type) : api_{&api} {
    good_ = api.make(type, &made_) == CUDNN_STATUS_SUCCESS;
  }
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;
  Description(Description&& o) noexcept
      : api_{o.api_}, made_{std::exchange(o.made_, nullptr)}, good_{o.good_} {}
  Description& operator=(Description&& o) noexcept {
    std::swap(api_, o.api_);
    std::swap(made_, o.made_);
    std::swap(good_, o.good_);
    return *this;
  }
  ~Description() {
    if (made_ != nullptr) api_->unmake(made_);
  }

  template <class Value>
  Description& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                   const Value* values, size_t count) {
    good_ = good_ && api_->set(made_, name, type, static_cast<int64_t>(count), values) ==
                         CUDNN_STATUS_SUCCESS;
    return *this;
  }
  template <class Value>
  Description& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                   const Value& value) {
    return set(name, type, &value, 1);
  }
  Description& set(cudnnBackendAttributeName_t name, const Description& other) {
    const auto place = other.made_;
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, place);
  }
  bool finalize() {
    good_ = good_ && api_->finalize(made_) == CUDNN_STATUS_SUCCESS;
    return good_;
  }
  bool good() const { return good_; }
  cudnnBackendDescriptor_t raw() const { return made_; }

 private:
  const Api* api_ = nullptr;
  cudnnBackendDescriptor_t made_ = nullptr;
  bool good_ = false;
};

// Names of the tensors of a graph.
enum Id : int64_t { kQ = 1, kK, kV, kO, kStats, kScale, kDq, kDk, kDv, kDo };

/// An operation that the library has a kernel for.
struct Plan {
  Description plan;
  int64_t workspace = 0;
};

class Cudnn final : public FusedAttention {
 public:
  Cudnn(const Api& api, cudnnHandle_t handle, const GpuShape& shape)
      : api_{api},
        handle_{handle},
        shape_{shape},
        name_{fmt::format("cuDNN {}.{}", api.version() / 10000, api.version() % 10000 / 100)},
        scale_{1 / std::sqrt(static_cast<float>(shape.head_width))} {}
  ~Cudnn() override {
    // Plans belong to the handle.
    forward_ = {};
    backward_ = {};
    api_.destroy(handle_);
  }

  /// False where the library has no kernel for the forward pass.
  bool plan() {
    forward_ = planned(forward_operation());
    backward_ = planned(backward_operation());
    return forward_.plan.good();
  }

  const std::string& name() const override { return name_; }
  bool has_backward() const override { return backward_.plan.good(); }
  size_t workspace_bytes() const override {
    return static_cast<size_t>(std::max(forward_.workspace, backward_.workspace));
  }

  void forward(uintptr_t qkv, uintptr_t out, uintptr_t statistics, uintptr_t workspace) override {
    const Pointer tensors[] = {{kQ, query(qkv)}, {kK, key(qkv)},       {kV, value(qkv)},
                               {kO, out},        {kStats, statistics}, {kScale, host(scale_)}};
    run(forward_, tensors, workspace);
  }

  void backward(uintptr_t qkv, uintptr_t out, uintptr_t statistics, uintptr_t out_gradient,
                uintptr_t qkv_gradient, uintptr_t workspace) override {
    const Pointer tensors[] = {{kQ, query(qkv)},         {kK, key(qkv)},
                               {kV, value(qkv)},         {kO, out},
                               {kStats, statistics},     {kScale, host(scale_)},
                               {kDo, out_gradient},      {kDq, query(qkv_gradient)},
                               {kDk, key(qkv_gradient)}, {kDv, value(qkv_gradient)}};
    run(backward_, tensors, workspace);
  }

 private:
  struct Pointer {
    int64_t id = 0;
    uintptr_t at = 0;
  };

  static uintptr_t host(const float& value) { return reinterpret_cast<uintptr_t>(&value); }
  static uintptr_t query(uintptr_t rows) { return rows; }
  uintptr_t key(uintptr_t rows) const { return place(rows, shape_.heads); }
  uintptr_t value(uintptr_t rows) const { return place(rows, shape_.heads + shape_.kv_heads); }
  uintptr_t place(uintptr_t rows, int64_t head) const {
    return rows + sizeof(std::uint16_t) * static_cast<size_t>(head * shape_.head_width);
  }

  Description tensor(Id id, cudnnDataType_t type, const std::array<int64_t, 4>& sizes,
                     const std::array<int64_t, 4>& strides, bool by_value = false) const {
    Description d{api_, CUDNN_BACKEND_TENSOR_DESCRIPTOR};
    const auto name = static_cast<int64_t>(id);
    const int64_t alignment = 16;
    d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type)
        .set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, sizes.data(), sizes.size())
        .set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, strides.data(), strides.size())
        .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, name)
        .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment);
    if (by_value) d.set(CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, by_value);
    d.finalize();
    return d;
  }
  /// Sequences, heads, places, width; a row of all heads for each place.
  Description heads(Id id, int64_t count, int64_t row) const {
    const auto& s = shape_;
    return tensor(id, CUDNN_DATA_BFLOAT16, {s.sequences, count, s.seq_len, s.head_width},
                  {s.seq_len * row, s.head_width, row, 1});
  }
  int64_t qkv_row() const { return (shape_.heads + 2 * shape_.kv_heads) * shape_.head_width; }
  int64_t out_row() const { return shape_.heads * shape_.head_width; }
  Description statistics() const {
    const auto& s = shape_;
    return tensor(kStats, CUDNN_DATA_FLOAT, {s.sequences, s.heads, s.seq_len, 1},
                  {s.heads * s.seq_len, s.seq_len, 1, 1});
  }
  Description scale() const {
    return tensor(kScale, CUDNN_DATA_FLOAT, {1, 1, 1, 1}, {1, 1, 1, 1}, true);
  }

  Description forward_operation() const {
    Description d{api_, CUDNN_BACKEND_OPERATION_SDPA_FWD_DESCRIPTOR};
    d.set(CUDNN_ATTR_OPERATION_SDPA_FWD_QDESC, heads(kQ, shape_.heads, qkv_row()))
        .set(CUDNN_ATTR_OPERATION_SDPA_FWD_KDESC, heads(kK, shape_.kv_heads, qkv_row()))
        .set(CUDNN_ATTR_OPERATION_SDPA_FWD_VDESC, heads(kV, shape_.kv_heads, qkv_row()))
        .set(CUDNN_ATTR_OPERATION_SDPA_FWD_ODESC, heads(kO, shape_.heads, out_row()))
        .set(CUDNN_ATTR_OPERATION_SDPA_FWD_STATSDESC, statistics())
        .set(CUDNN_ATTR_OPERATION_SDPA_FWD_SCALEDESC, scale());
    d.finalize();
    return d;
  }
  Description backward_operation() const {
    Description d{api_, CUDNN_BACKEND_OPERATION_SDPA_BWD_DESCRIPTOR};
    d.set(CUDNN_ATTR_OPERATION_SDPA_BWD_QDESC, heads(kQ, shape_.heads, qkv_row()))
        .set(CUDNN_ATTR_OPERATION_SDPA_BWD_KDESC, heads(kK, shape_.kv_heads, qkv_row()))
        .set(CUDNN_ATTR_OPERATION_SDPA_BWD_VDESC, heads(kV, shape_.kv_heads, qkv_row()))
        .set(CUDNN_ATTR_OPERATION_SDPA_BWD_ODESC, heads(kO, shape_.heads, out_row()))
        .set(CUDNN_ATTR_OPERATION_SDPA_BWD_STATSDESC, statistics())
        .set(CUDNN_ATTR_OPERATION_SDPA_BWD_SCALEDESC, scale())
        .set(CUDNN_ATTR_OPERATION_SDPA_BWD_DODDESC, heads(kDo, shape_.heads, out_row()))
        .set(CUDNN_ATTR_OPERATION_SDPA_BWD_DQDESC, heads(kDq, shape_.heads, qkv_row()))
        .set(CUDNN_ATTR_OPERATION_SDPA_BWD_DKDESC, heads(kDk, shape_.kv_heads, qkv_row()))
        .set(CUDNN_ATTR_OPERATION_SDPA_BWD_DVDESC, heads(kDv, shape_.kv_heads, qkv_row()));
    d.finalize();
    return d;
  }

  /// The first kernel that the library proposes and then takes; none: not good.
  Plan planned(const Description& operation) const {
    if (!operation.good()) return {};
    Description graph{api_, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR};
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation)
        .set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle_);
    if (!graph.finalize()) return {};
    Description search{api_, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR};
    const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
    search.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
        .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    if (!search.finalize()) return {};
    constexpr size_t kMost = 8;
    std::vector<Description> configs;
    std::array<cudnnBackendDescriptor_t, kMost> raw{};
    for (auto& place : raw) {
      configs.emplace_back(api_, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
      place = configs.back().raw();
    }
    int64_t found = 0;
    if (api_.get(search.raw(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                 static_cast<int64_t>(kMost), &found, raw.data()) != CUDNN_STATUS_SUCCESS) {
      return {};
    }
    for (size_t i = 0; i < std::min(kMost, static_cast<size_t>(std::max<int64_t>(0, found))); ++i) {
      Plan plan{{api_, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR}, 0};
      plan.plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle_)
          .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configs[i]);
      if (!plan.plan.finalize()) continue;
      int64_t one = 0;
      if (api_.get(plan.plan.raw(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                   &one, &plan.workspace) == CUDNN_STATUS_SUCCESS) {
        return plan;
      }
    }
    return {};
  }

  template <size_t n>
  void run(const Plan& plan, const Pointer (&tensors)[n], uintptr_t workspace) const {
    std::array<int64_t, n> ids{};
    std::array<void*, n> places{};
    for (size_t i = 0; i < n; ++i) {
      ids[i] = tensors[i].id;
      places[i] = reinterpret_cast<void*>(tensors[i].at);
    }
    void* const scratch = reinterpret_cast<void*>(workspace);
    Description pack{api_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR};
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids.data(), n)
        .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, places.data(), n)
        .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, scratch);
    if (!pack.finalize() ||
        api_.execute(handle_, plan.plan.raw(), pack.raw()) != CUDNN_STATUS_SUCCESS) {
      throw GpuError(name_ + " does not run its attention");
    }
  }

  const Api& api_;
  cudnnHandle_t handle_;
  GpuShape shape_;
  std::string name_;
  float scale_;
  Plan forward_;
  Plan backward_;
};

const Api* opened(const std::vector<std::string>& names) {
  static const Api* const api = [&]() -> const Api* {
    static Api found;
    for (const auto& name : names) {
      if (found.open(name)) return &found;
    }
    return nullptr;
  }();
  return api;
}

}  // namespace

std::unique_ptr<FusedAttention> FusedAttention::open(Gpu& gpu, const GpuShape& shape,
                                                     std::string& why) {
  const auto* api = opened(gpu.libraries().attention);
  if (api == nullptr) {
    why = "no cuDNN 9: put libcudnn.so.9 where the loader finds it, or name it in PLANNER_CUDNN";
    return nullptr;
  }
  cudnnHandle_t handle = nullptr;
  if (api->create(&handle) != CUDNN_STATUS_SUCCESS) {
    why = "cuDNN does not start";
    return nullptr;
  }
  auto attention = std::make_unique<Cudnn>(*api, handle, shape);
  if (api->set_stream(handle, static_cast<cudaStream_t>(gpu.queue())) != CUDNN_STATUS_SUCCESS ||
      !attention->plan()) {
    why = attention->name() + " has no kernel for it";
    return nullptr;
  }
  return attention;
}

}  // namespace pretrain::hardware

#endif
