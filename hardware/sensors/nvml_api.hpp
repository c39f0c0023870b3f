#pragma once

#include <memory>
#include <string>

namespace pretrain::hardware {

// What is used of NVIDIA's management library, as its reference documents it (docs.nvidia.com,
// "NVML API Reference Guide"). Nothing of it is needed to build: it is opened at run time.

struct NvmlDevice;
using NvmlHandle = NvmlDevice*;

enum NvmlCode : int {
  kNvmlSuccess = 0,
  kNvmlNotSupported = 3,
  kNvmlNoPermission = 4,
  kNvmlNotFound = 6,
  kNvmlDriverNotLoaded = 9,
  kNvmlGpuIsLost = 15,
  kNvmlResetRequired = 16,
};

/// A process that computes on a device.
struct NvmlProcess {
  unsigned pid;
  unsigned long long memory;
  unsigned gpu_instance;
  unsigned compute_instance;
};

/// A question and its answer, with a return code of its own.
struct NvmlField {
  unsigned field;
  unsigned scope;
  long long timestamp;
  long long latency_us;
  int type;
  int code;
  union {
    double d;
    unsigned u;
    unsigned long ul;
    unsigned long long ull;
    long long ll;
  } value;
};
inline constexpr unsigned kNvmlPowerInstant = 186;  // mW
inline constexpr unsigned kNvmlScopeDevice = 0;
inline constexpr unsigned kNvmlScopeModule = 1;
inline constexpr unsigned kNvmlClockSm = 1;
inline constexpr unsigned kNvmlTemperatureGpu = 0;

/// The functions of the library; those that an older one lacks are null.
struct NvmlApi {
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  const char* (*error_string)(int) = nullptr;
  int (*driver_version)(char*, unsigned) = nullptr;
  int (*count)(unsigned*) = nullptr;
  int (*by_index)(unsigned, NvmlHandle*) = nullptr;
  int (*by_uuid)(const char*, NvmlHandle*) = nullptr;
  int (*parent_of_mig)(NvmlHandle, NvmlHandle*) = nullptr;
  int (*name)(NvmlHandle, char*, unsigned) = nullptr;
  int (*uuid)(NvmlHandle, char*, unsigned) = nullptr;
  int (*energy)(NvmlHandle, unsigned long long*) = nullptr;  ///< mJ since the driver was loaded
  int (*power)(NvmlHandle, unsigned*) = nullptr;             ///< mW
  int (*power_limit)(NvmlHandle, unsigned*) = nullptr;       ///< mW, enforced
  int (*fields)(NvmlHandle, int, NvmlField*) = nullptr;
  int (*clock)(NvmlHandle, unsigned, unsigned*) = nullptr;        ///< MHz
  int (*temperature)(NvmlHandle, unsigned, unsigned*) = nullptr;  ///< degrees Celsius
  int (*throttle_reasons)(NvmlHandle, unsigned long long*) = nullptr;
  int (*mig_mode)(NvmlHandle, unsigned*, unsigned*) = nullptr;
  int (*processes)(NvmlHandle, unsigned*, NvmlProcess*) = nullptr;

  ~NvmlApi();
  NvmlApi() = default;
  NvmlApi(const NvmlApi&) = delete;
  NvmlApi& operator=(const NvmlApi&) = delete;

  std::string text_of(int code) const;

  /// Opens `library` (libnvidia-ml.so.1) and starts it; null with the reason in `why`.
  static std::shared_ptr<const NvmlApi> open(const std::string& library, std::string& why);

 private:
  void* handle_ = nullptr;
  bool started_ = false;
};

}  // namespace pretrain::hardware
