#include "models/power.hpp"

#include <algorithm>
#include <cassert>

namespace pretrain::models {

namespace {

// Of the steps of 549 measured configurations of dense decoders on GPUs: kernels that compute leave
// a quarter of what they do idle, and the rest is divided in so many parts.
constexpr double kUsualSlow = 0.25;
constexpr double kUsualTraffic = 0.35;
constexpr double kUsualExchange = 0.35;
constexpr double kUsualWait = 0.3;

}  // namespace

Time computing(const StepTime& t) {
  return t.products + t.attention + t.head + t.recompute + t.teacher;
}

LoadShares load_shares(const StepTime& t, double pace) {
  assert(pace >= 0 && pace <= 1);
  const Time total = t.total();
  assert(total > Time{});
  const double compute = computing(t) / total;
  LoadShares s;
  s.products = pace * compute;
  s.slow = compute - s.products;
  s.exchange = (t.tp + t.cp + t.all_to_all + t.fsdp + t.dp + t.p2p + t.scale) / total;
  s.wait = (t.host + t.pipeline + t.step) / total;
  s.traffic = std::max(0.0, 1 - compute - s.exchange - s.wait);
  return s;
}

LoadShares usual_load_shares(double pace) {
  assert(pace >= 0 && pace <= 1);
  const double slow = std::min(1 - pace, kUsualSlow * pace);
  const double rest = 1 - pace - slow;
  return {pace, slow, kUsualTraffic * rest, kUsualExchange * rest, kUsualWait * rest};
}

LoadShares booked_shares(const LoadShares& working, const Goodput& g) {
  const double waits = g.checkpoints + g.restarts;
  LoadShares s = working;
  for (double* share : {&s.products, &s.slow, &s.traffic, &s.exchange, &s.wait})
    *share *= 1 - waits;
  s.wait += waits;
  return s;
}

double load(const LoadShares& s, const LoadLevels& l) {
  return std::clamp(s.products * l.products + s.slow * l.slow + s.traffic * l.traffic +
                        s.exchange * l.exchange + s.wait * l.wait,
                    0.0, 1.0);
}

DevicePower device_draw(DevicePower idle, DevicePower most, double load) {
  assert(idle <= most && load >= 0 && load <= 1);
  return idle + load * (most - idle);
}

DevicePower node_draw(DevicePower device, const HostDraw& host) {
  assert(host.devices > Devices{} && host.supply_efficiency > 0);
  return (1 + host.fan_share) / host.supply_efficiency * (device + host.components / host.devices);
}

DevicePower device_share_of_node(DevicePower node, const HostDraw& host) {
  assert(host.devices > Devices{});
  const DevicePower inside = host.supply_efficiency / (1 + host.fan_share) * node;
  return inside - host.components / host.devices;
}

}  // namespace pretrain::models
