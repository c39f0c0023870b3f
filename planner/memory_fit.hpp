#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "planner/estimate.hpp"

namespace pretrain::planner {

/// What is the same for all plans of a run, found once.
struct PlanBasis {
  models::MemoryBasis memory;
  std::optional<StepQuestion> step;  ///< without a plan; absent: the time is not known
};

/// Absent where architecture, sequence or device are not known. The scenario must outlive it.
std::optional<PlanBasis> plan_basis(const Scenario& scenario, const Work& work);

/// The plan on so many devices, and its memory. What the row leaves open is filled from the
/// cheapest in time to the smallest in memory. Without any degree: the first that fits of all
/// devices sharing all state, then tensor parallelism in a node, then pipeline stages, in powers of
/// two. Replicas have a sequence each: more devices than that divide them by context parallelism.
Fit memory_fit(const Scenario& scenario, const PlanBasis& basis, const Known<Devices>& devices,
               const models::StepConstants& constants, Warnings& warnings);

/// The plan as stated, with so many devices for what it leaves open.
models::MemoryPlan stated_plan(const Scenario& scenario, double devices);

/// What is asked of the memory of a plan, with what the row leaves open left open.
models::FitQuestion fit_question(const Scenario& scenario, const models::MemoryPlan& plan);

/// Degrees of tensor parallelism: powers of two within a node that divide the heads, where those
/// are known.
std::vector<double> tensor_degrees(const Scenario& scenario, double devices);

/// "needs 263 GiB of 78 usable on h100-sxm: ...", for a run that does not fit.
std::string misfit(const Scenario& scenario, const Fit& fit);

/// What would make it fit: the first changes that do, alone, else together, else on more devices.
std::string misfit_remedy(const Scenario& scenario, const Fit& fit);

/// The words of the run table.
std::string_view name_of(models::Recompute recompute);
std::string_view name_of(models::Sharding sharding);

/// What the allocator holds: without what the context of the process takes.
Bytes reserved_memory(const Scenario& scenario, const models::FitVerdict& verdict);

}  // namespace pretrain::planner
