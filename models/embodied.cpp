#include "models/embodied.hpp"

#include <cassert>

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

DeviceMass card_with_host(DeviceMass card, Mass host, Devices devices_per_server) {
  assert(devices_per_server > Devices{});
  return card + host / devices_per_server;
}

}  // namespace pretrain::models
