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

namespace {

/// Sets cells of a row, and keeps their texts where they do not move.
class Cells {
 public:
  Cells(RunRow& row, std::deque<std::string>& texts) : row_{row}, texts_{texts} {}
  void text(Col col, std::string text) {
    texts_.push_back(std::move(text));
    set_cell(row_, col, texts_.back());
    filled.set(static_cast<std::size_t>(col));
  }
  void number(Col col, double value) { text(col, fmt::format("{}", value)); }

  std::bitset<kColumns> filled;

 private:
  RunRow& row_;
  std::deque<std::string>& texts_;
};

}  // namespace

std::bitset<kColumns> set_plan(RunRow& row, const FoundPlan& p, std::deque<std::string>& texts) {
  clear_plan(row);
  Cells cells{row, texts};
  cells.number(Col::tp, p.tp);
  cells.number(Col::pp, p.pp);
  cells.number(Col::dp, p.dp);
  cells.number(Col::cp, p.cp);
  cells.number(Col::ep, p.ep);
  cells.number(Col::interleave, p.interleave);
  cells.number(Col::micro_batch_seqs, p.micro_batch);
  cells.text(Col::recompute, std::string{name_of(p.recompute)});
  cells.text(Col::sharding, std::string{name_of(p.sharding)});
  if (p.tp > 1) cells.text(Col::sequence_parallel, p.sequence_parallel ? "true" : "false");
  // Else an estimate may take smaller ones to make it fit.
  if (p.state.weight > 0 && !row.has(Col::gradient_bytes) && !row.has(Col::optimizer_bytes)) {
    cells.number(Col::gradient_bytes, p.state.gradient);
    cells.number(Col::optimizer_bytes, p.state.optimizer);
  }
  if (p.edges_as_layers) cells.text(Col::edges_as_layers, "true");
  if (!p.overlap) cells.text(Col::overlap_gradients, "false");
  if (!p.scatter_gather) cells.text(Col::scatter_gather, "false");
  if (p.near != NearGroups{}) cells.text(Col::near_groups, name_of(p.near));
  if (!row.has(Col::framework_family)) cells.text(Col::framework_family, p.family);
  if (!row.has(Col::global_batch_seqs)) cells.number(Col::global_batch_seqs, p.batch);
  return cells.filled;
}

RunRow row_of_plan(const RunRow& row, const FoundPlan& p, std::deque<std::string>& texts) {
  RunRow copy = row;
  set_plan(copy, p, texts);
  Cells cells{copy, texts};
  if (!p.device.empty()) cells.text(Col::device, p.device);
  if (!p.format.empty()) cells.text(Col::dtype, p.format);
  if (p.limit_w > 0) cells.number(Col::device_tdp_w, p.limit_w);
  cells.number(Col::devices, p.devices);
  cells.number(Col::global_batch_seqs, p.batch);
  if (!p.region.empty() && p.region != row.text(Col::region)) {
    cells.text(Col::region, p.region);
    copy.unset(Col::intensity_kg_per_kwh);
    copy.unset(Col::pue);
  }
  return copy;
}

}  // namespace pretrain::planner
