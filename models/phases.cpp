#include "models/phases.hpp"

#include <cassert>

namespace pretrain::models {

namespace {
constexpr Bytes kTerabyte = 1e12 * byte;
constexpr auto kKilowatt = 1e3 * watt;
}  // namespace

double development_factor(double share) {
  assert(share >= 0 && share < 1);
  return share / (1 - share);
}

double trials_factor(double trials, double share) { return trials * share; }

Bytes stored_bytes(const Stored& s) {
  return (s.params * s.bytes_per_param * s.checkpoints + s.tokens * s.bytes_per_token) * byte;
}

Energy storage_energy(Bytes bytes, double copies, double watts_per_terabyte, Time kept) {
  return bytes / kTerabyte * copies * watts_per_terabyte * watt * kept;
}

Mass storage_embodied(Bytes bytes, double copies, double kg_per_terabyte, Time kept,
                      Time lifetime) {
  assert(lifetime > Time{});
  return bytes / kTerabyte * copies * kg_per_terabyte * (kept / lifetime) * kilogram;
}

Mass building_share(Energy node, double kg_per_kilowatt, Time lifetime) {
  assert(lifetime > Time{});
  return node / (kKilowatt * lifetime) * kg_per_kilowatt * kilogram;
}

double cost_of_hours(DeviceTime booked, double price_per_hour) {
  return booked.in(hour * device) * price_per_hour;
}

double cost_of_energy(Energy facility, double price_per_kilowatt_hour) {
  return facility.in(kilowatt_hour)*price_per_kilowatt_hour;
}

}  // namespace pretrain::models
