#pragma once

#include "models/core/units.hpp"

namespace pretrain::models {

/// Rate of model FLOPs of one device. LLMCarbon divides model FLOPs by a rate that counts
/// recomputation too, with the HFU in place of the MFU.
///
/// @eq      rate.device   rate.llmcarbon
/// @source  chowdhery-2022, App. B   MFU = observed / peak, solved for the observed
DeviceRate device_rate(double mfu, DeviceRate peak);

/// Tokens per second and device while the run makes progress (lost time is not in it).
///
/// @eq      rate.tokens
/// @derived rate.device over the FLOPs of a token
/// @domain  flop_per_token > 0
double tokens_per_second_per_device(DeviceRate rate, double flop_per_token);

/// Duration of one optimizer step.
///
/// @eq      time.iteration
/// @derived tokens of a step over the rate of all devices
/// @domain  rate, devices > 0
Time iteration_time(double tokens_per_step, double tokens_per_second_per_device, Devices devices);

/// Wall time of the run.
///
/// @eq      time.training
/// @source  mlcarbon-code, model.py training_co2eq   t = FLOP / (n x peak x eff); goodput added
/// @domain  rate, devices > 0; goodput in (0, 1], the useful share of booked time
Time training_time(Flop compute, DeviceRate rate, Devices devices, double goodput);

/// Accelerator hours of a run.
///
/// @eq      time.device_hours
/// @derived devices x duration
DeviceTime booked_time(Devices devices, Time duration);

/// Duration and average number of devices of stated accelerator hours.
///
/// @eq      time.booked   devices.booked
/// @derived time.device_hours solved for the other
/// @domain  devices, duration > 0
Time booked_days(DeviceTime booked, Devices devices);
Devices booked_devices(DeviceTime booked, Time duration);

/// Compute done in a given booked time.
///
/// @eq      flops.booked
/// @derived time.training solved for the compute
Flop compute_done(DeviceRate rate, DeviceTime booked, double goodput);

/// Devices that finish in the given time, rounded up to whole devices. Where the rate is that of a
/// plan for so many, fewer may not reach it: then the planner looks for the fewest that do.
///
/// @eq      devices.needed
/// @derived time.training solved for n, rounded up
/// @domain  rate, duration, goodput > 0
Devices devices_needed(Flop compute, DeviceRate rate, Time duration, double goodput);

}  // namespace pretrain::models
