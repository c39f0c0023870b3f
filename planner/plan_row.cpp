#include "planner/plan_row.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "models/core/input_error.hpp"
#include "planner/memory_fit.hpp"

namespace pretrain::planner {

namespace {

/// What a run is measured by, that makes no plan better than another.
constexpr std::array kMeasuredColumns{Col::days, Col::device_hours, Col::mfu, Col::achieved_tflops,
                                      Col::system_power_w};

}  // namespace

void set_cell(RunRow& row, Col col, std::string_view cell) {
  std::string what;
  std::string help;
  row.set(col, cell, 0, 0, what, help);
  if (!what.empty()) {
    throw InputError({std::string{column_of(col).name}, 0, 0}, std::move(what), std::move(help));
  }
}

void clear_plan(RunRow& row) {
  for (const auto col : kPlanColumns) row.unset(col);
  for (const auto col : kMeasuredColumns) row.unset(col);
}

bool states_measured(const RunRow& row) {
  return std::any_of(kMeasuredColumns.begin(), kMeasuredColumns.end(),
                     [&](Col col) { return row.has(col); });
}

void clear_measured(RunRow& row) {
  for (const auto col : kMeasuredColumns) row.unset(col);
}

RunRow row_of_plan(const RunRow& row, const FoundPlan& p, std::vector<std::string>& texts) {
  RunRow copy = row;
  clear_plan(copy);
  texts.reserve(texts.size() + 24);
  const auto set = [&](Col col, std::string text) {
    texts.push_back(std::move(text));
    set_cell(copy, col, texts.back());
  };
  const auto number = [&](Col col, double value) { set(col, fmt::format("{}", value)); };
  if (!p.device.empty()) set(Col::device, p.device);
  if (!p.format.empty()) set(Col::dtype, p.format);
  if (p.limit_w > 0) number(Col::device_tdp_w, p.limit_w);
  number(Col::devices, p.devices);
  number(Col::global_batch_seqs, p.batch);
  number(Col::tp, p.tp);
  number(Col::pp, p.pp);
  number(Col::dp, p.dp);
  number(Col::cp, p.cp);
  number(Col::ep, p.ep);
  number(Col::interleave, p.interleave);
  number(Col::micro_batch_seqs, p.micro_batch);
  set(Col::recompute, std::string{name_of(p.recompute)});
  set(Col::sharding, std::string{name_of(p.sharding)});
  if (p.tp > 1) set(Col::sequence_parallel, p.sequence_parallel ? "true" : "false");
  // Else an estimate may take smaller ones to make it fit.
  if (p.state.weight > 0 && !row.has(Col::gradient_bytes) && !row.has(Col::optimizer_bytes)) {
    number(Col::gradient_bytes, p.state.gradient);
    number(Col::optimizer_bytes, p.state.optimizer);
  }
  if (p.edges_as_layers) set(Col::edges_as_layers, "true");
  if (!p.overlap) set(Col::overlap_gradients, "false");
  if (!p.scatter_gather) set(Col::scatter_gather, "false");
  if (p.near != NearGroups{}) set(Col::near_groups, name_of(p.near));
  if (!row.has(Col::framework_family)) set(Col::framework_family, p.family);
  if (!p.region.empty() && p.region != row.text(Col::region)) {
    set(Col::region, p.region);
    copy.unset(Col::intensity_kg_per_kwh);
    copy.unset(Col::pue);
  }
  return copy;
}

}  // namespace pretrain::planner
