#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "hardware/sensors/sensor.hpp"

namespace pretrain::hardware {

/// Which GPUs are meant.
struct GpuChoice {
  std::string library = "libnvidia-ml.so.1";
  /// CUDA_VISIBLE_DEVICES: numbers, UUIDs or their beginnings, MIG instances; absent: all.
  std::optional<std::string> visible = {};
  bool pci_order = false;             ///< CUDA_DEVICE_ORDER=PCI_BUS_ID: numbers are those of NVML
  std::optional<unsigned> only = {};  ///< of those, this one: a process per device
  /// Whether a process is one of ours; others make a device contended.
  std::function<bool(unsigned pid)> ours = {};
};

/// As the environment says: CUDA_VISIBLE_DEVICES, CUDA_DEVICE_ORDER, LOCAL_RANK, and
/// PLANNER_NVML in place of the library.
GpuChoice gpus_of_environment();

/// Adds the GPUs that are chosen, or the reason that there are none.
void find_gpus(const GpuChoice& choice, Sensors& sensors);

/// "power limit, temperature": reasons of the driver for lower clocks; empty: none that matters.
std::string throttle_text(std::uint64_t reasons);

}  // namespace pretrain::hardware
