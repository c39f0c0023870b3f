#include "models/step_reach.hpp"

#include <fmt/format.h>

#include <limits>
#include <optional>
#include <utility>

#include "models/core/table.hpp"

namespace pretrain::models {

namespace {

struct Named {
  std::string_view name;
  std::string_view words;
};

constexpr std::array<Named, kReachQuantities> kNames{
    {{"params", "parameters"},
     {"devices", "devices"},
     {"seq_len", "tokens of a sequence"},
     {"micro_batch_tokens", "tokens of a micro-batch"},
     {"tp", "tp"},
     {"pp", "pp"},
     {"cp", "cp"},
     {"ep", "ep"},
     {"interleave", "interleave"}}};

std::optional<RunClass> class_named(std::string_view name) {
  for (std::size_t i = 0; i < kRunClasses; ++i) {
    if (name_of(static_cast<RunClass>(i)) == name) return static_cast<RunClass>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view name_of(ReachOf quantity) {
  return kNames[static_cast<std::size_t>(quantity)].name;
}
std::string_view words_of(ReachOf quantity) {
  return kNames[static_cast<std::size_t>(quantity)].words;
}

StepReach StepReach::read(std::string_view text, std::string file) {
  const auto table = Table::read(
      text, std::move(file), {"runs", "quantity", "low", "low_run", "high", "high_run", "rows"});
  StepReach reach;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto runs = table.required_text(i, "runs");
    const auto run_class = class_named(runs);
    if (!run_class) {
      table.fail(i, "runs", fmt::format("'{}' is no class of runs", runs),
                 "dense_gpu, dense_tpu, moe or other");
    }
    const auto quantity = table.required_text(i, "quantity");
    std::size_t q = 0;
    while (q < kReachQuantities && kNames[q].name != quantity) ++q;
    if (q == kReachQuantities) {
      table.fail(i, "quantity", fmt::format("'{}' is no quantity", quantity),
                 "params, devices, seq_len, micro_batch_tokens, tp, pp, cp, ep or interleave");
    }
    auto& range = reach.of_class[static_cast<std::size_t>(*run_class)][q];
    if (range.rows > 0) {
      table.fail(i, "quantity", fmt::format("'{}' of {} stands twice", quantity, runs),
                 "one row each");
    }
    constexpr double kMost = std::numeric_limits<double>::max();
    range.low = table.required_number(i, "low", 0, kMost);
    range.high = table.required_number(i, "high", range.low, kMost);
    range.low_run = table.required_text(i, "low_run");
    range.high_run = table.required_text(i, "high_run");
    range.rows = static_cast<std::size_t>(table.required_number(i, "rows", 1, kMost));
  }
  return reach;
}

std::vector<ReachOf> StepReach::beyond(RunClass run_class, const ReachPoint& run) const {
  constexpr double kNear = 1.25;
  std::vector<ReachOf> found;
  for (std::size_t i = 0; i < kReachQuantities; ++i) {
    const auto quantity = static_cast<ReachOf>(i);
    const auto& range = of(run_class, quantity);
    if (range.rows == 0 || !(run[i] > 0)) continue;
    if (run[i] > kNear * range.high || run[i] * kNear < range.low) found.push_back(quantity);
  }
  return found;
}

}  // namespace pretrain::models
