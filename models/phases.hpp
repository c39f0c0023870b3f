#pragma once

#include "models/core/units.hpp"

// What surrounds the training run itself: experiments before it, what is stored, what it costs.

namespace pretrain::models {

/// Energy, hours or carbon of development for each unit of the final run.
///
/// @eq      phases.development   phases.embodied
/// @derived development is a share d of all compute, the run the rest: d / (1 - d)
/// @domain  share in [0, 1)
double development_factor(double share);

/// The same of a search of hyperparameters: as many runs, each with a share of the final run's
/// work.
///
/// @eq      phases.trials
/// @domain  trials >= 0, share >= 0
double trials_factor(double trials, double share);

/// What is kept: checkpoints with the state of the optimizer, and the text of the tokens.
struct Stored {
  double params = 0;
  double bytes_per_param = 0;
  double checkpoints = 0;
  double tokens = 0;
  double bytes_per_token = 0;
};

/// @eq      phases.stored
Bytes stored_bytes(const Stored& stored);

/// Energy of drives that hold so many bytes, in `copies`.
///
/// @eq      phases.storage.energy
/// @source  cloud-carbon-footprint, Methodology, storage   watt-hours for each terabyte and hour
Energy storage_energy(Bytes bytes, double copies, double watts_per_terabyte, Time kept);

/// Share of their drives' footprint.
///
/// @eq      phases.storage.embodied
/// @derived footprint of the drives x time kept / their life
/// @domain  lifetime > 0
Mass storage_embodied(Bytes bytes, double copies, double kg_per_terabyte, Time kept, Time lifetime);

/// Share of the building and its power and cooling plant that falls to a draw over a time.
///
/// @eq      embodied.building
/// @derived kg for each kW of IT x kW x time / life of the building
/// @domain  lifetime > 0
Mass building_share(Energy node, double kg_per_kilowatt, Time lifetime);

/// In the currency of the price.
///
/// @eq      cost.hours
double cost_of_hours(DeviceTime booked, double price_per_hour);

/// @eq      cost.energy
double cost_of_energy(Energy facility, double price_per_kilowatt_hour);

}  // namespace pretrain::models
