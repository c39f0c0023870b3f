#include "models/energy.hpp"

#include <cassert>

namespace pretrain::models {

Energy energy_used(DevicePower power, DeviceTime booked) { return power * booked; }

Energy facility_energy(Energy node, double pue) {
  assert(pue >= 1.0);
  return pue * node;
}

}  // namespace pretrain::models
