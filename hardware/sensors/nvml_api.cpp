#include "hardware/sensors/nvml_api.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <initializer_list>

namespace pretrain::hardware {

namespace {

/// The first of these names that the library has.
template <class Function>
void find(void* library, Function& function, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (void* found = dlsym(library, name); found != nullptr) {
      function = reinterpret_cast<Function>(found);
      return;
    }
  }
}

}  // namespace

NvmlApi::~NvmlApi() {
  if (started_ && shutdown != nullptr) shutdown();
  if (handle_ != nullptr) dlclose(handle_);
}

std::string NvmlApi::text_of(int code) const {
  const char* text = error_string != nullptr ? error_string(code) : nullptr;
  return text != nullptr ? text : fmt::format("NVML error {}", code);
}

std::shared_ptr<const NvmlApi> NvmlApi::open(const std::string& library, std::string& why) {
  auto api = std::make_shared<NvmlApi>();
  api->handle_ = dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (api->handle_ == nullptr) {
    why = fmt::format("no NVIDIA driver ({} is not there)", library);
    return nullptr;
  }
  void* lib = api->handle_;
  find(lib, api->init, {"nvmlInit_v2", "nvmlInit"});
  find(lib, api->shutdown, {"nvmlShutdown"});
  find(lib, api->error_string, {"nvmlErrorString"});
  find(lib, api->driver_version, {"nvmlSystemGetDriverVersion"});
  find(lib, api->count, {"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"});
  find(lib, api->by_index, {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"});
  find(lib, api->by_uuid, {"nvmlDeviceGetHandleByUUID"});
  find(lib, api->parent_of_mig, {"nvmlDeviceGetDeviceHandleFromMigDeviceHandle"});
  find(lib, api->name, {"nvmlDeviceGetName"});
  find(lib, api->uuid, {"nvmlDeviceGetUUID"});
  find(lib, api->energy, {"nvmlDeviceGetTotalEnergyConsumption"});
  find(lib, api->power, {"nvmlDeviceGetPowerUsage"});
  find(lib, api->power_limit, {"nvmlDeviceGetEnforcedPowerLimit"});
  find(lib, api->fields, {"nvmlDeviceGetFieldValues"});
  find(lib, api->clock, {"nvmlDeviceGetClockInfo"});
  find(lib, api->temperature, {"nvmlDeviceGetTemperature"});
  find(lib, api->throttle_reasons,
       {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"});
  find(lib, api->mig_mode, {"nvmlDeviceGetMigMode"});
  // Older versions of it have another structure.
  find(lib, api->processes, {"nvmlDeviceGetComputeRunningProcesses_v3"});
  if (api->init == nullptr || api->count == nullptr || api->by_index == nullptr) {
    why = fmt::format(
        "{} is no NVML: it lacks nvmlInit, nvmlDeviceGetCount or "
        "nvmlDeviceGetHandleByIndex",
        library);
    return nullptr;
  }
  if (const int code = api->init(); code != kNvmlSuccess) {
    why = code == kNvmlNoPermission
              ? "no permission for the NVIDIA driver: join the group that owns /dev/nvidiactl"
              : fmt::format("the NVIDIA driver does not answer: {}", api->text_of(code));
    return nullptr;
  }
  api->started_ = true;
  return api;
}

}  // namespace pretrain::hardware
