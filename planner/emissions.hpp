#pragma once

#include "planner/estimate.hpp"

namespace pretrain::planner {

/// Power, and energy and carbon where the hours are known; how far each may lie from the truth.
void find_emissions(const Scenario& scenario, const Catalogue& catalogue, Estimate& estimate,
                    Warnings& warnings);

/// Embodied carbon of the run over another duration than the predicted one: to compare with a
/// figure that was published for the reported days. Absent when it cannot be computed.
Known<Mass> embodied_over(const Scenario& scenario, const Estimate& estimate,
                          const Catalogue& catalogue, Time duration);

}  // namespace pretrain::planner
