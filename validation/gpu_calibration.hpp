#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hardware/kernels/gpu.hpp"
#include "models/step_constants.hpp"
#include "planner/catalogue.hpp"

namespace pretrain::validation {

/// A time that was measured, beside what is said of it.
struct GpuFinding {
  std::string what;
  std::string group;    ///< "4096 wide", "large products", "memory"
  double measured = 0;  ///< s
  double before = 0;    ///< over measured: by what was known
  double after = 0;     ///< told from the other groups
};

/// What a measured GPU says of the constants of its generation. Constants of software are not
/// learnt from it: its kernels are ours, its products and its attention those of everybody.
struct GpuCalibration {
  std::string generation;
  models::StepConstantTable constants;
  std::vector<GpuFinding> findings;
  std::vector<std::string> learnt;
  double before_median = 0;
  double after_median = 0;
  std::size_t groups = 0;
};

/// Of the power of a device: shares as loads.csv has them.
struct GpuLevels {
  double idle_w = 0;
  double most_w = 0;
  double limit_w = 0;
  std::optional<double> traffic;
  std::optional<double> wait;
};

/// The measured blocks as a run table, a row for each, and one for what else was measured.
std::string run_table_of(const hardware::GpuRates& rates, const std::string& device);

/// `device`: as the catalogue names it. Throws InputError where a shape is none.
GpuCalibration calibrate(const hardware::GpuRates& rates, const std::string& device,
                         const planner::Catalogue& catalogue);

/// Absent where the power was not told.
std::optional<GpuLevels> levels_of(const hardware::GpuRates& rates, double sheet_limit_w);

}  // namespace pretrain::validation
