#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/recipe.hpp"
#include "planner/step_question.hpp"

namespace pretrain::planner {

/// What a search may choose from. An empty list means the usual values, which depend on the number
/// of devices and the architecture.
struct PlanSpace {
  std::vector<std::string> devices = {};  ///< names; empty: that of the run
  std::vector<double> counts = {};        ///< of devices; empty: that of the run
  std::vector<std::string> formats = {};  ///< dtypes; empty: that of the run
  std::vector<double> power_caps = {};    ///< shares of the device's limit; empty: all of it
  std::vector<double> batches = {};       ///< sequences of a step; empty: that of the run
  std::vector<double> tp = {};
  std::vector<double> pp = {};
  std::vector<double> cp = {};
  std::vector<double> ep = {};
  std::vector<double> interleave = {};
  std::vector<double> micro_batch = {};
  std::vector<models::Recompute> recompute = {};
  std::vector<models::Sharding> sharding = {};
  std::vector<bool> sequence_parallel = {};
  std::vector<bool> overlap = {};         ///< of gradients; empty: yes
  std::vector<bool> scatter_gather = {};  ///< of messages between stages; empty: yes
  std::vector<NearGroups> near = {};      ///< groups within a domain; empty: all, as far as it goes
  std::vector<std::string> regions = {};  ///< empty: that of the run
};

enum class Objective : std::uint8_t { time, energy, carbon, cost };
inline constexpr std::size_t kObjectives = 4;
std::string_view name_of(Objective objective);

/// What must hold; absent: no limit.
struct PlanLimits {
  std::optional<double> days = {};
  std::optional<double> energy_mwh = {};  ///< of the facility
  std::optional<double> tco2e = {};       ///< operational and embodied
  std::optional<double> cost = {};
};

/// "512,1024", "512..8192" (doubling) and "512..8192:512", in parts. Throws InputError that names
/// `key`.
std::vector<double> parse_numbers(std::string_view key, const std::vector<std::string>& parts);

/// Takes the values of one dimension: device, devices, precision, power_cap, global_batch, tp, pp,
/// cp, ep, interleave, micro_batch, recompute, sharding, sequence_parallel, overlap_gradients,
/// scatter_gather, near_groups, regions.
void set_in_space(PlanSpace& space, std::string_view key, const std::vector<std::string>& parts);

/// A space from a YAML map of lists. Throws InputError with the place of what is wrong.
PlanSpace read_plan_space(std::string_view text, const std::string& file);

}  // namespace pretrain::planner
