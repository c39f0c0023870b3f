#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "models/parameters.hpp"
#include "models/training_compute.hpp"
#include "planner/estimate.hpp"

namespace pretrain::cli {

/// Parameters by component, in the order of output.
std::array<std::pair<std::string_view, double>, 11> parameter_parts(const models::Parameters& p);

/// Forward work of one component.
struct WorkPart {
  std::string_view name;
  double forward = 0;      ///< FLOP
  bool in_blocks = false;  ///< computed again when every block is
  bool weights = true;     ///< a product with weights, for which frozen ones save a third
  bool core = false;       ///< what selective recomputation computes again
};
std::array<WorkPart, 11> work_parts(const models::TokenWork& work,
                                    models::FlopConvention convention);

nlohmann::ordered_json json_parameters(const models::Architecture& architecture);
/// Forward, backward and recomputed FLOPs of a token by component.
nlohmann::ordered_json json_token_work(const models::TokenWork& work,
                                       models::FlopConvention convention,
                                       const models::TrainingMode& mode);
/// Training FLOPs in each convention, times `tokens`.
nlohmann::ordered_json json_conventions(const models::TokenWork& work, double active_params,
                                        const models::TrainingMode& mode, double tokens);

/// Memory of the stage that needs most, in GiB, and the plan that it is of.
nlohmann::ordered_json json_memory(const planner::Fit& fit);

/// Work and memory of a run by component; empty where only 6 N D is known.
nlohmann::ordered_json json_breakdown(const planner::Result& result);

}  // namespace pretrain::cli
