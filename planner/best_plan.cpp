#include "planner/best_plan.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "models/core/input_error.hpp"
#include "planner/plan_row.hpp"
#include "planner/predicted.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::planner {

namespace {

/// What people train with on GPUs, and what the time of a step knows.
constexpr std::array kFrameworks{"megatron", "fsdp_torch"};

/// What the fastest plan does not depend on: names, how long it is trained, as its time goes with
/// the tokens, and where.
constexpr std::array kAside{Col::id,
                            Col::name,
                            Col::notes,
                            Col::tokens_b,
                            Col::region,
                            Col::pue,
                            Col::pue_low,
                            Col::pue_high,
                            Col::intensity_kg_per_kwh,
                            Col::intensity_low_kg_per_kwh,
                            Col::intensity_high_kg_per_kwh,
                            Col::market_intensity_kg_per_kwh};

/// Everything else, to be found again by.
std::string what_counts(const RunRow& row) {
  static const std::vector<Col> columns = [] {
    std::vector<Col> list;
    for (std::size_t i = 0; i < kColumns; ++i) {
      const auto col = static_cast<Col>(i);
      if (std::find(kAside.begin(), kAside.end(), col) == kAside.end()) list.push_back(col);
    }
    return list;
  }();
  std::string text;
  RunWriter{columns}.row(text, row);
  return text;
}

}  // namespace

std::shared_ptr<const FoundPlan> BestPlans::find(const RunRow& row,
                                                 const EstimateOptions& options) const {
  PlanSearchOptions search;
  search.objective = Objective::time;
  search.estimate = options;
  search.estimate.plan = PlanMode::stated;  // a search looks at plans itself
  search.estimate.interval = 0;
  search.estimate.draws = nullptr;
  search.most_told = 1;
  search.others = false;
  std::shared_ptr<const FoundPlan> best;
  const auto consider = [&](const RunRow& with) {
    try {
      const auto found = search_plans(with, PlanSpace{}, search, catalogue_);
      if (found.best.empty()) return;
      const auto& one = found.best.front();
      if (best && best->figures.days <= one.figures.days) return;
      best = std::make_shared<const FoundPlan>(one);
    } catch (const InputError&) {
      // The estimate of the row says what is wrong with it.
    }
  };
  const auto match = catalogue_.devices().find(row.text(Col::device));
  const bool gpu = match.device != nullptr && match.device->kind == "gpu";
  if (row.has(Col::framework_family) || !gpu) {
    consider(row);
    return best;
  }
  for (const auto* framework : kFrameworks) {
    RunRow with = row;
    set_cell(with, Col::framework_family, framework);
    consider(with);
  }
  return best;
}

std::optional<PlannedRow> BestPlans::of(const RunRow& row, const EstimateOptions& options) const {
  if (states_measured(row) || !row.has(Col::devices) || !row.has(Col::tokens_b)) {
    return std::nullopt;
  }
  const std::string key = what_counts(row);
  std::shared_ptr<const FoundPlan> plan;
  bool known = false;
  {
    const std::lock_guard lock{mutex_};
    if (const auto at = known_.find(key); at != known_.end()) {
      plan = at->second;
      known = true;
    }
  }
  if (!known) {
    plan = find(row, options);
    constexpr std::size_t kMostKnown = std::size_t{1} << 14;  // streams stay in bounded memory
    const std::lock_guard lock{mutex_};
    if (known_.size() < kMostKnown) known_.emplace(key, plan);
  }
  if (plan == nullptr) return std::nullopt;
  std::optional<PlannedRow> planned{std::in_place, row};
  planned->searched = set_plan(planned->row, *plan, planned->texts);
  return planned;
}

const RunRow& estimate_row(const RunRow& row, const Catalogue& catalogue,
                           const EstimateOptions& options, const BestPlans* plans, PlanRoom& room,
                           Result& result) {
  estimate_row(row, catalogue, options, result);
  if (plans == nullptr || !result.ok) return row;
  room.planned = plans->of(row, options);
  if (!room.planned) return row;
  auto planned = options;
  planned.plan = PlanMode::stated;
  planned.searched = room.planned->searched;
  auto& other = room.other;
  estimate_row(room.planned->row, catalogue, planned, other);
  if (other.status() != Status::ok) return row;
  const auto days = [](const Result& r) { return Predicted{r}[Key::training_days]; };
  const auto as_it_is = days(result);
  const auto searched = days(other);
  if (!searched) return row;
  if (result.status() == Status::ok && as_it_is && *as_it_is < *searched) return row;
  std::swap(result, other);
  return room.planned->row;
}

}  // namespace pretrain::planner
