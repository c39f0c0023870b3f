#pragma once

#include "models/core/units.hpp"
#include "models/goodput.hpp"
#include "models/step_time.hpp"

namespace pretrain::models {

/// What an accelerator draws in each kind of work, as shares of the way from idle to the most that
/// it sustains.
struct LoadLevels {
  double products = 1;  ///< matrix products as fast as they get
  double slow = 1;      ///< kernels that compute, but leave matrix units idle
  double traffic = 1;   ///< moving bytes in its own memory
  double exchange = 1;  ///< collectives that nothing hides
  double wait = 0;      ///< for other devices, the host, or a restart
};

/// Shares of time by kind of work; together 1.
struct LoadShares {
  double products = 0;  ///< work done, in units of what the matrix units reach
  double slow = 0;
  double traffic = 0;
  double exchange = 0;
  double wait = 0;
};

/// Part of a step in which kernels compute.
Time computing(const StepTime& step);

/// Of a step. Kernels that compute and reach a share `pace` of the ceiling of matrix products count
/// as products for that share of their time, and as slow for the rest.
///
/// @eq      power.shares
/// @derived each part of the step by what it keeps busy
/// @domain  pace in [0, 1]
LoadShares load_shares(const StepTime& step, double pace);

/// Of training whose rate is known and nothing else: the rest is divided as in the usual step.
///
/// @eq      power.shares.usual
/// @domain  pace in [0, 1]: utilization over the ceiling of matrix products
LoadShares usual_load_shares(double pace);

/// Of booked time: work that is done again draws as the first time, what waits for checkpoints and
/// restarts waits.
///
/// @eq      power.shares.booked
LoadShares booked_shares(const LoadShares& working, const Goodput& goodput);

/// Share of the way from idle to the most.
///
/// @eq      power.load
double load(const LoadShares& shares, const LoadLevels& levels);

/// Average draw of an accelerator.
///
/// @eq      power.device.load
/// @derived mean over time; the limit holds what would draw more
/// @domain  0 <= idle <= most; load in [0, 1]
DevicePower device_draw(DevicePower idle, DevicePower most, double load);

/// The rest of a server.
struct HostDraw {
  Power components;              ///< CPUs, memory, network cards, switches of the board, storage
  Devices devices;               ///< that share them
  double fan_share = 0;          ///< of what they cool
  double supply_efficiency = 1;  ///< of the power supplies, (0, 1]
};

/// Draw per accelerator with its share of the server.
///
/// @eq      power.node
/// @derived (device + host / devices) (1 + fans) / efficiency
DevicePower node_draw(DevicePower device, const HostDraw& host);

/// The accelerator alone, where the draw with its share of the server is known.
///
/// @eq      power.device.share
/// @derived power.node solved for the device
DevicePower device_share_of_node(DevicePower node, const HostDraw& host);

}  // namespace pretrain::models
