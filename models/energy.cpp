#include "models/energy.hpp"

#include <cassert>

namespace pretrain::models {

DevicePower device_draw(double load, DevicePower tdp) { return load * tdp; }

DevicePower device_share_of_node(DevicePower node, double node_over_device) {
  assert(node_over_device >= 1.0);
  return node / node_over_device;
}

DevicePower node_draw(DevicePower device, double node_over_device) {
  assert(node_over_device >= 1.0);
  return node_over_device * device;
}

DevicePower node_draw_of_rating(Power rating, Devices devices_per_server, double load) {
  assert(devices_per_server > Devices{});
  return load * (rating / devices_per_server);
}

DevicePower draw_at_limit(DevicePower measured, DevicePower limit, DevicePower measured_limit) {
  assert(measured_limit > DevicePower{});
  return (limit / measured_limit) * measured;
}

Energy energy_used(DevicePower power, DeviceTime booked) { return power * booked; }

Energy facility_energy(Energy node, double pue) {
  assert(pue >= 1.0);
  return pue * node;
}

}  // namespace pretrain::models
