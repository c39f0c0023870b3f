#pragma once

#include "models/core/units.hpp"

namespace pretrain::models {

/// Energy of the accelerators alone, or of the nodes, depending on the power put in.
///
/// @eq      energy.device   energy.node
/// @source  patterson-2021, Sec. 2.5   KWh = hours x processors x average power / 1000
Energy energy_used(DevicePower power, DeviceTime booked);

/// Energy at the meter of the site.
///
/// @eq      energy.facility
/// @source  patterson-2021, Sec. 2.5   ... x PUE
/// @domain  pue >= 1
Energy facility_energy(Energy node, double pue);

}  // namespace pretrain::models
