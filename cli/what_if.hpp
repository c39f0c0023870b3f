#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/estimate_job.hpp"
#include "models/scaling_law.hpp"

namespace pretrain::cli {

/// Something that is done otherwise than in the first candidate.
struct Lever {
  std::string name;    ///< model, machine, mechanization, map; or of a model: fp8, sparse twin, ...
  std::string change;  ///< "h200-sxm instead of a100-sxm-80"
  ReportRow alone;
  std::optional<ReportRow> together;  ///< with all levers before it
  std::string note;
};

struct Levers {
  ReportRow base;             ///< as it is; predicted, where something of it was stated as measured
  std::vector<Lever> site;    ///< the four Ms (Patterson et al. 2021), in their order
  std::vector<Lever> models;  ///< of the model alone
  std::vector<std::string> left_out;
};

/// What levers pull to; blank: the stated defaults.
struct LeverTargets {
  std::string device;
  std::optional<double> pue;
  std::string region;
  std::string model;  ///< optimal, sparse or none
  std::optional<double> teacher_params;
  std::optional<double> teacher_tokens;  ///< that it was trained on; absent: 20 for a parameter
};

/// "device=H200", "pue=1.1", "region=SE", "model=sparse", "teacher=70e9", "teacher-tokens=15e12".
/// Throws InputError.
LeverTargets lever_targets(const std::vector<std::string>& words);

/// `row` of the first candidate, as `base` has it.
Levers pull_levers(const planner::RunRow& row, const ReportRow& base, const LeverTargets& targets,
                   const models::ScalingLaw& experts_law, const models::ScalingLaw& law,
                   const JobOptions& options, const planner::Catalogue& catalogue);

/// The name of a lever in plain words: "mechanization (PUE)".
std::string lever_words(const std::string& name);

/// The same run on another grid; the building, and so its PUE, is as it was.
ReportRow in_region(const planner::RunRow& row, const ReportRow& base, const std::string& region,
                    const JobOptions& options, const planner::Catalogue& catalogue);

}  // namespace pretrain::cli
