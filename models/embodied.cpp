#include "models/embodied.hpp"

#include <cassert>
#include <cmath>

namespace pretrain::models {

Mass llmcarbon_embodied(Mass hardware, Time duration, Time lifetime) {
  assert(lifetime > Time{});
  return duration / lifetime * hardware;
}

Mass amortized_embodied(DeviceMass per_device, DeviceTime booked, Time lifetime,
                        double utilization) {
  assert(lifetime > Time{} && utilization > 0.0 && utilization <= 1.0);
  return per_device * booked / lifetime / utilization;
}

double carbon_per_cm2(const FabProcess& p, CarbonIntensity fab, double yield) {
  assert(yield > 0 && yield <= 1);
  const double energy = fab.in(kilogram / kilowatt_hour) * p.kwh_per_cm2;
  return (energy + p.gas_kg_per_cm2 + p.material_kg_per_cm2) / yield;
}

double murphy_yield(Area die, double defects_per_cm2) {
  const double expected = die.in(cm2)*defects_per_cm2;
  if (expected <= 0) return 1;
  const double root = -std::expm1(-expected) / expected;
  return root * root;
}

Mass chips_carbon(Area dies, double kg_per_cm2, double memory_gb, double kg_per_gb, double packages,
                  Mass package) {
  return (dies.in(cm2)*kg_per_cm2 + memory_gb * kg_per_gb) * kilogram + packages * package;
}

Mass card_of_chips(Mass chips, double ratio) { return ratio * chips; }

DeviceMass card_with_host(DeviceMass card, Mass host, Devices devices_per_server) {
  assert(devices_per_server > Devices{});
  return card + host / devices_per_server;
}

}  // namespace pretrain::models
