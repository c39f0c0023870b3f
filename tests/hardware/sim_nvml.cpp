// A library with NVIDIA's functions and no devices: what it answers is said by NVML_SIM, words of
// the form name=value. Loaded by the tests as the real one would be.
//   devices=8        how many
//   watts=300        draw of each
//   delay_ms=10      for each answer
//   no_counter=1     older than Volta
//   reset_at=T       the driver is loaded anew at this time of the steady clock, in s: the counter
//                    begins at 0
//   lost_at=T        the last device is lost then
//   no_power=1       nor is its power told
//   mig=1            MIG is on; MIG-<index> is an instance
//   module=1         GH200
//   busy=PID         a process computes on all of them
//   refuse=1         no permission
//   cuda=1           the device is that of the simulated CUDA driver

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "hardware/sensors/nvml_api.hpp"

namespace {

using namespace pretrain::hardware;
using Clock = std::chrono::steady_clock;

/// Without a copy: what it takes must not count as that of the program that asks.
double option(std::string_view name, double otherwise) {
  const char* text = std::getenv("NVML_SIM");
  if (text == nullptr) return otherwise;
  const std::string_view words{text};
  for (auto at = words.find(name); at != std::string_view::npos; at = words.find(name, at + 1)) {
    const auto end = at + name.size();
    if ((at == 0 || words[at - 1] == ' ') && end < words.size() && words[end] == '=') {
      return std::strtod(text + end + 1, nullptr);
    }
  }
  return otherwise;
}

double seconds() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

void wait() {
  if (const double ms = option("delay_ms", 0); ms > 0) {
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>{ms});
  }
}

unsigned index_of(NvmlHandle device) {
  return static_cast<unsigned>(reinterpret_cast<std::uintptr_t>(device)) % 1000 - 1;
}
NvmlHandle handle_of(unsigned index) {
  return reinterpret_cast<NvmlHandle>(static_cast<std::uintptr_t>(index) + 1);
}

/// What every question of a device begins with.
int asked(NvmlHandle device) {
  wait();
  const double lost = option("lost_at", -1);
  const auto last = static_cast<unsigned>(option("devices", 1)) - 1;
  return lost >= 0 && seconds() >= lost && index_of(device) == last ? kNvmlGpuIsLost : kNvmlSuccess;
}

int copy(const std::string& from, char* to, unsigned size) {
  std::strncpy(to, from.c_str(), size - 1);
  to[size - 1] = 0;
  return kNvmlSuccess;
}

}  // namespace

extern "C" {

int nvmlInit_v2() { return option("refuse", 0) > 0 ? kNvmlNoPermission : kNvmlSuccess; }
int nvmlShutdown() { return kNvmlSuccess; }
const char* nvmlErrorString(int code) {
  return code == kNvmlGpuIsLost ? "GPU is lost" : "simulated";
}
int nvmlSystemGetDriverVersion(char* text, unsigned size) { return copy("580.00.sim", text, size); }

int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = static_cast<unsigned>(option("devices", 1));
  return kNvmlSuccess;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, NvmlHandle* device) {
  *device = handle_of(index);
  return kNvmlSuccess;
}
int nvmlDeviceGetHandleByUUID(const char* uuid, NvmlHandle* device) {
  if (std::strncmp(uuid, "MIG-", 4) != 0) return kNvmlNotFound;
  *device = handle_of(1000 + static_cast<unsigned>(std::atoi(uuid + 4)));
  return kNvmlSuccess;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(NvmlHandle instance, NvmlHandle* device) {
  *device = handle_of(index_of(instance));
  return kNvmlSuccess;
}
int nvmlDeviceGetName(NvmlHandle, char* text, unsigned size) {
  return copy(option("module", 0) > 0 ? "NVIDIA GH200 480GB" : "NVIDIA Simulated", text, size);
}
int nvmlDeviceGetUUID(NvmlHandle device, char* text, unsigned size) {
  // That of the simulated driver.
  if (option("cuda", 0) > 0) return copy("GPU-00010203-0405-0607-0809-0a0b0c0d0e0f", text, size);
  return copy("GPU-0000000" + std::to_string(index_of(device)) + "-sim", text, size);
}

int nvmlDeviceGetTotalEnergyConsumption(NvmlHandle device, unsigned long long* mj) {
  if (const int code = asked(device); code != kNvmlSuccess) return code;
  if (option("no_counter", 0) > 0) return kNvmlNotSupported;
  const double reset = option("reset_at", -1);
  const double since = reset >= 0 && seconds() >= reset ? seconds() - reset : seconds();
  *mj = static_cast<unsigned long long>(1e3 * option("watts", 300) * since);
  return kNvmlSuccess;
}
int nvmlDeviceGetPowerUsage(NvmlHandle device, unsigned* mw) {
  if (const int code = asked(device); code != kNvmlSuccess) return code;
  if (option("no_power", 0) > 0) return kNvmlNotSupported;
  *mw = static_cast<unsigned>(1e3 * option("watts", 300));
  return kNvmlSuccess;
}
int nvmlDeviceGetEnforcedPowerLimit(NvmlHandle, unsigned* mw) {
  *mw = 700000;
  return kNvmlSuccess;
}
int nvmlDeviceGetFieldValues(NvmlHandle device, int count, NvmlField* fields) {
  if (const int code = asked(device); code != kNvmlSuccess) return code;
  for (int i = 0; i < count; ++i) {
    fields[i].code = option("no_power", 0) > 0 ? kNvmlNotSupported : kNvmlSuccess;
    fields[i].value.u = static_cast<unsigned>(1e3 * option("watts", 300));
  }
  return kNvmlSuccess;
}
int nvmlDeviceGetClockInfo(NvmlHandle, unsigned, unsigned* mhz) {
  *mhz = 1755;
  return kNvmlSuccess;
}
int nvmlDeviceGetTemperature(NvmlHandle, unsigned, unsigned* celsius) {
  *celsius = 61;
  return kNvmlSuccess;
}
int nvmlDeviceGetCurrentClocksEventReasons(NvmlHandle, unsigned long long* reasons) {
  *reasons = 0x4;
  return kNvmlSuccess;
}
int nvmlDeviceGetMigMode(NvmlHandle, unsigned* current, unsigned* pending) {
  *current = *pending = option("mig", 0) > 0 ? 1 : 0;
  return kNvmlSuccess;
}
int nvmlDeviceGetComputeRunningProcesses_v3(NvmlHandle, unsigned* count, NvmlProcess* processes) {
  const auto pid = static_cast<unsigned>(option("busy", 0));
  if (pid == 0) {
    *count = 0;
  } else {
    *count = 1;
    processes[0] = {pid, 0, 0, 0};
  }
  return kNvmlSuccess;
}

}  // extern "C"
