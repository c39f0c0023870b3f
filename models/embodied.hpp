#pragma once

#include "models/core/units.hpp"

namespace pretrain::models {

/// Embodied carbon of the hardware that a run occupies, LLMCarbon's way: the footprint of all
/// chips, shared over a calendar lifetime without idle time.
///
/// @eq      embodied.llmcarbon
/// @source  mlcarbon-code, embodied.py   sum(unit x CPA x num) x execution_time / lifespan
/// @domain  lifetime > 0
Mass llmcarbon_embodied(Mass hardware, Time duration, Time lifetime);

/// Share of a device's footprint that falls to the booked time, idle time spread over the used.
///
/// @eq      embodied.amortized
/// @source  gupta-2022   T / LT x E_CF; utilization as in luccioni-2022, Sec. 4.1
/// @domain  lifetime > 0; utilization in (0, 1], the share of the lifetime that is used
Mass amortized_embodied(DeviceMass per_device, DeviceTime booked, Time lifetime,
                        double utilization);

/// Footprint per accelerator with its share of a server: the boundaries of the two (an accelerator
/// as delivered, a server without accelerators) do not overlap.
///
/// @eq      embodied.server
/// @derived card + host / devices per server
/// @domain  devices_per_server > 0
DeviceMass card_with_host(DeviceMass card, Mass host, Devices devices_per_server);

}  // namespace pretrain::models
