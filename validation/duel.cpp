#include "validation/duel.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <vector>

namespace pretrain::validation {

std::optional<Difference> paired_bootstrap(std::span<const Paired> pairs, std::uint64_t seed) {
  struct Group {
    double sum = 0;
    double n = 0;
  };
  std::map<std::string_view, Group> by_name;
  for (const auto& pair : pairs) {
    const double difference = pair.ours - pair.theirs;
    if (!std::isfinite(difference)) continue;
    auto& group = by_name[pair.group];
    group.sum += difference;
    ++group.n;
  }
  if (by_name.size() < 2) return std::nullopt;
  std::vector<Group> groups;
  Group all;
  for (const auto& [name, group] : by_name) {
    groups.push_back(group);
    all.sum += group.sum;
    all.n += group.n;
  }
  constexpr std::size_t kDraws = 4000;
  constexpr double kTail = 0.025;
  std::mt19937_64 random{seed};
  std::vector<double> means;
  means.reserve(kDraws);
  for (std::size_t draw = 0; draw < kDraws; ++draw) {
    Group drawn;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      // The same on every machine, unlike a distribution of the library.
      const auto& group = groups[random() % groups.size()];
      drawn.sum += group.sum;
      drawn.n += group.n;
    }
    means.push_back(drawn.sum / drawn.n);
  }
  std::sort(means.begin(), means.end());
  const auto at = [&](double share) {
    return means[static_cast<std::size_t>(share * static_cast<double>(kDraws - 1))];
  };
  return Difference{all.sum / all.n, at(kTail), at(1 - kTail)};
}

ShareInterval wilson(double share, double n) {
  constexpr double kZ = 1.959964;
  const double z2 = kZ * kZ / n;
  const double center = (share + z2 / 2) / (1 + z2);
  const double half = kZ / (1 + z2) * std::sqrt(share * (1 - share) / n + z2 / (4 * n));
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

}  // namespace pretrain::validation
