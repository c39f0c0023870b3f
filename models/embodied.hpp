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

/// What making a chip takes, for each unit of its area.
struct FabProcess {
  double kwh_per_cm2 = 0;          ///< EPA
  double gas_kg_per_cm2 = 0;       ///< GPA, direct emissions
  double material_kg_per_cm2 = 0;  ///< MPA
};

/// Carbon for each area of good dies, CPA.
///
/// @eq      embodied.act.area
/// @source  gupta-2022, equation 5   CPA = (CI_fab EPA + GPA + MPA) / Y
/// @domain  yield in (0, 1]
double carbon_per_cm2(const FabProcess& process, CarbonIntensity fab, double yield);

/// Share of dies without a defect, by the area of a die.
///
/// @eq      embodied.act.yield
/// @source  murphy-1964   ((1 - exp(-A D)) / (A D))^2
/// @domain  area >= 0, defects >= 0
double murphy_yield(Area die, double defects_per_cm2);

/// Dies, memory and packages of an accelerator; no board, cooling or casing.
///
/// @eq      embodied.act.chips
/// @source  gupta-2022, equations 3 to 8   A CPA + memory + packages
Mass chips_carbon(Area dies, double kg_per_cm2, double memory_gb, double kg_per_gb, double packages,
                  Mass package);

/// A card as delivered, for devices whose footprint nobody published: so many times its chips.
///
/// @eq      embodied.guess
/// @derived ratio of published footprints to those of their chips (fab.csv)
Mass card_of_chips(Mass chips, double ratio);

/// Footprint per accelerator with its share of a server: the boundaries of the two (an accelerator
/// as delivered, a server without accelerators) do not overlap.
///
/// @eq      embodied.server   embodied.act.server
/// @derived card + host / devices per server
/// @domain  devices_per_server > 0
DeviceMass card_with_host(DeviceMass card, Mass host, Devices devices_per_server);

}  // namespace pretrain::models
