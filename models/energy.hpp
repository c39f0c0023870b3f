#pragma once

#include "models/core/units.hpp"

namespace pretrain::models {

/// Average draw of an accelerator in training as a share of its limit.
///
/// @eq      power.device.load
/// @derived measured draw over TDP of a device of the same kind (defaults.csv)
DevicePower device_draw(double load, DevicePower tdp);

/// Draw of the accelerator alone when only the draw with its share of the host is known.
///
/// @eq      power.device.share
/// @derived power.node.over_device solved for the device
DevicePower device_share_of_node(DevicePower node, double node_over_device);

/// Draw per accelerator with its share of host CPU, memory, network card, fans and power supply.
///
/// @eq      power.node.over_device
/// @derived measured node power over measured device power (defaults.csv)
DevicePower node_draw(DevicePower device, double node_over_device);

/// The same from the rating of the server.
///
/// @eq      power.node.rating
/// @source  newkirk-2025, abstract   a training node draws 0.76 of its rating
/// @domain  devices_per_server > 0
DevicePower node_draw_of_rating(Power rating, Devices devices_per_server, double load);

/// A measured draw at another power limit.
///
/// @eq      power.scaled
/// @derived draw proportional to the limit
/// @domain  measured_limit > 0
DevicePower draw_at_limit(DevicePower measured, DevicePower limit, DevicePower measured_limit);

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
