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
  const double most = std::max(x, y);
  if (!(most > 0)) return most;
  // (1 + r^3)^(1/3), of little r by its series: exact to 1e-10 and cheaper than a root.
  constexpr double kLittle = 0.1;
  const double r = std::min(x, y) / most;
  const double r3 = r * r * r;
  return most * (r < kLittle ? 1 + r3 / 3 * (1 - r3 / 3) : std::cbrt(1 + r3));
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
