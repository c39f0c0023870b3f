#pragma once

#include <string>

#include "hardware/sensors/sensor.hpp"

namespace pretrain::hardware {

/// Adds the packages and memories of the CPUs as Linux tells their energy (powercap, RAPL), or the
/// reason that it does not. A platform domain is taken only where there are no packages; the second
/// way to the same package (MMIO) and mirrored dies count once. `root`: /sys/class/powercap.
void find_cpus(const std::string& root, Sensors& sensors);

/// PLANNER_POWERCAP, else /sys/class/powercap.
std::string powercap_of_environment();

}  // namespace pretrain::hardware
