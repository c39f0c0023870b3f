#include "planner/plan_space.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <string_view>

#include "models/core/input_error.hpp"
#include "models/core/number.hpp"
#include "models/core/text.hpp"
#include "planner/memory_fit.hpp"

namespace pretrain::planner {

namespace {

constexpr double kMostValues = 100000;

[[noreturn]] void refuse(std::string_view key, std::string what, std::string help) {
  throw InputError({std::string{key}, 0, 0}, std::move(what), std::move(help));
}

double number_of(std::string_view key, std::string_view text) {
  const auto parsed = parse_count(text);
  if (!parsed.ok()) {
    refuse(key, parsed.what, "numbers and ranges: 512,1024, 512..8192 (doubling), 512..8192:512");
  }
  if (!(parsed.value > 0)) refuse(key, fmt::format("'{}' is not above 0", text), "give more");
  return parsed.value;
}

}  // namespace

std::vector<double> parse_numbers(std::string_view key, const std::vector<std::string>& parts) {
  std::vector<double> values;
  for (const std::string_view part : parts) {
    const auto dots = part.find("..");
    if (dots == std::string_view::npos) {
      values.push_back(number_of(key, part));
      continue;
    }
    const auto colon = part.find(':', dots);
    const double first = number_of(key, part.substr(0, dots));
    const double last = number_of(
        key, part.substr(dots + 2, colon == std::string_view::npos ? colon : colon - dots - 2));
    const double step =
        colon == std::string_view::npos ? 0 : number_of(key, part.substr(colon + 1));
    if (first > last) {
      refuse(key, fmt::format("the range '{}' ends before it begins", part),
             fmt::format("write {:g}..{:g}", last, first));
    }
    if (step > 0 && (last - first) / step > kMostValues) {
      refuse(key, fmt::format("the range '{}' has too many values", part), "take larger steps");
    }
    constexpr double kSlack = 1e-9;
    for (double x = first; x <= last * (1 + kSlack); x = step > 0 ? x + step : 2 * x) {
      values.push_back(x);
    }
  }
  return values;
}

models::Recompute parse_recompute(std::string_view key, std::string_view word) {
  for (const auto value :
       {models::Recompute::none, models::Recompute::selective, models::Recompute::full}) {
    if (name_of(value) == word) return value;
  }
  refuse(key, fmt::format("'{}' is no way to recompute", word), "none, selective or full");
}

models::Sharding parse_sharding(std::string_view key, std::string_view word) {
  for (const auto value : {models::Sharding::none, models::Sharding::zero1, models::Sharding::zero2,
                           models::Sharding::zero3}) {
    if (name_of(value) == word) return value;
  }
  refuse(key, fmt::format("'{}' is no way to share state", word), "none, zero1, zero2 or zero3");
}

bool parse_flag(std::string_view key, std::string_view word) {
  if (word == "true") return true;
  if (word == "false") return false;
  refuse(key, fmt::format("'{}' is neither true nor false", word), "true, false or both");
}

NearGroups parse_near(std::string_view key, std::string_view word) {
  const auto near = near_groups(word);
  if (name_of(near) != word) {
    refuse(key, fmt::format("'{}' names no groups", word),
           "tp_dp_pp, tp_pp, tp_dp, dp_pp, tp, dp, pp or none");
  }
  return near;
}

void set_in_space(PlanSpace& space, std::string_view key, const std::vector<std::string>& parts) {
  if (parts.empty()) refuse(key, "an empty list", "leave it out for the usual values");
  const auto numbers = [&] { return parse_numbers(key, parts); };
  const auto whole = [&] {
    auto values = numbers();
    for (const double x : values) {
      if (x != std::floor(x)) refuse(key, fmt::format("{:g} is not a whole number", x), "round it");
    }
    return values;
  };
  if (key == "device") {
    space.devices = parts;
  } else if (key == "devices") {
    space.counts = whole();
  } else if (key == "precision") {
    space.formats = parts;
  } else if (key == "power_cap") {
    space.power_caps = numbers();
    for (const double x : space.power_caps) {
      if (x > 1) refuse(key, fmt::format("{:g} is above the limit", x), "a share of it: 0.8");
    }
  } else if (key == "global_batch") {
    space.batches = whole();
  } else if (key == "tp") {
    space.tp = whole();
  } else if (key == "pp") {
    space.pp = whole();
  } else if (key == "cp") {
    space.cp = whole();
  } else if (key == "ep") {
    space.ep = whole();
  } else if (key == "interleave") {
    space.interleave = whole();
  } else if (key == "micro_batch") {
    space.micro_batch = whole();
  } else if (key == "recompute") {
    for (const auto& word : parts) space.recompute.push_back(parse_recompute(key, word));
  } else if (key == "sharding") {
    for (const auto& word : parts) space.sharding.push_back(parse_sharding(key, word));
  } else if (key == "sequence_parallel") {
    for (const auto& word : parts) space.sequence_parallel.push_back(parse_flag(key, word));
  } else if (key == "overlap_gradients") {
    for (const auto& word : parts) space.overlap.push_back(parse_flag(key, word));
  } else if (key == "scatter_gather") {
    for (const auto& word : parts) space.scatter_gather.push_back(parse_flag(key, word));
  } else if (key == "near_groups") {
    for (const auto& word : parts) space.near.push_back(parse_near(key, word));
  } else if (key == "regions") {
    space.regions = parts;
  } else {
    refuse(
        key, "no part of a space",
        "device, devices, precision, power_cap, global_batch, tp, pp, cp, ep, interleave, "
        "micro_batch, recompute, sharding, sequence_parallel, overlap_gradients, scatter_gather, "
        "near_groups or regions");
  }
}

PlanSpace read_plan_space(std::string_view text, const std::string& file) {
  YAML::Node root;
  try {
    root = YAML::Load(std::string{text});
  } catch (const YAML::ParserException& error) {
    throw InputError({file, static_cast<std::size_t>(error.mark.line) + 1,
                      static_cast<std::size_t>(error.mark.column) + 1},
                     error.msg, "a map of lists: tp: [1, 2, 4, 8]");
  }
  if (!root.IsMap()) {
    throw InputError({file, 1, 1}, "not a map", "a map of lists: tp: [1, 2, 4, 8]");
  }
  PlanSpace space;
  for (const auto& entry : root) {
    const auto mark = entry.first.Mark();
    const Location place{file, static_cast<std::size_t>(mark.line) + 1,
                         static_cast<std::size_t>(mark.column) + 1};
    std::vector<std::string> parts;
    try {
      if (entry.second.IsSequence()) {
        for (const auto& item : entry.second) parts.push_back(item.as<std::string>());
      } else {
        for (const auto part : split(entry.second.as<std::string>(), ',')) parts.emplace_back(part);
      }
      set_in_space(space, entry.first.as<std::string>(), parts);
    } catch (const YAML::Exception&) {
      throw InputError(place, "neither a list nor a value", "a map of lists: tp: [1, 2, 4, 8]");
    } catch (const InputError& error) {
      const auto& problem = error.problems().front();
      throw InputError(place, problem.where.file + ": " + problem.what, problem.help);
    }
  }
  return space;
}

std::string_view name_of(Objective objective) {
  switch (objective) {
    case Objective::time:
      return "time";
    case Objective::energy:
      return "energy";
    case Objective::carbon:
      return "carbon";
    case Objective::cost:
      return "cost";
  }
  return "time";
}

}  // namespace pretrain::planner
