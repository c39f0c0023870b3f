#include "models/collectives.hpp"

#include <algorithm>
#include <cmath>

namespace pretrain::models {

namespace {

constexpr double kLatency = 10e-6;  // s, of one hop with its kernel

}  // namespace

double rate_among(double devices, const Links& links) {
  // Devices without links to each other go through the network.
  if (links.near <= 0) return links.far;
  if (links.wired <= devices) return links.near;
  return links.near * std::max(1.0, devices - 1) / (links.wired - 1);
}

double larger(double x, double y) {
  // Exact where there is nothing to join.
  return x == 0 || y == 0 ? x + y : std::cbrt(x * x * x + y * y * y);
}

Group group_of(double ranks, double stride, double domain) {
  return {ranks, std::clamp(domain / stride, 1.0, ranks)};
}

double gather_time(double bytes, const Group& g, const Links& links) {
  if (g.ranks <= 1) return 0;
  const bool leaves = g.near < g.ranks;
  const double passed = (g.ranks - 1) / g.ranks * bytes;
  const double inside = rate_among(g.near, links);
  const double near = g.near > 1 && inside > 0 ? passed / inside : 0;
  const double far = leaves && links.far > 0 ? passed / g.near / links.far : 0;
  const double hops = std::log2(g.near) + (leaves ? 2 * std::log2(g.domains()) : 0);
  return larger(near, far) + kLatency * hops;
}

double exchange_time(double bytes, double copies, const Group& g, const Links& links) {
  if (g.ranks <= 1) return 0;
  const double domains = g.domains();
  const double inside = rate_among(g.near, links);
  const double near = inside > 0 ? bytes * (g.near - 1) / g.ranks / inside : 0;
  double far = 0;
  if (domains > 1 && links.far > 0) {
    const double visited = domains * (1 - std::pow(1 - 1 / domains, copies));
    far = bytes * (1 - 1 / domains) * visited / copies / links.far;
  }
  return near + far + kLatency * std::log2(g.ranks);
}

}  // namespace pretrain::models
