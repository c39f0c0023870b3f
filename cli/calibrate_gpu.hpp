#pragma once

#include <optional>
#include <string>

#include "hardware/kernels/gpu.hpp"
#include "planner/catalogue.hpp"
#include "planner/profile.hpp"
#include "validation/gpu_calibration.hpp"

namespace pretrain::cli {

/// Blocks of an architecture, of a step of several sequence lengths. Throws InputError where its
/// blocks are no plain attention and feed-forward.
std::vector<hardware::GpuShape> gpu_shapes_of(const std::string& architecture,
                                              const planner::Catalogue& catalogue);

/// What a GPU reached, as tables for people.
std::string gpu_text(const hardware::GpuRates& rates, double peak_tflops, double peak_fp8_tflops);
/// What that says of the predictions.
std::string found_text(const validation::GpuCalibration& found);

/// The measured GPU as a profile without a name.
planner::Profile profile_of_gpu(const hardware::GpuRates& rates,
                                const validation::GpuCalibration& found,
                                const hardware::Device& device,
                                const planner::Catalogue& catalogue);

}  // namespace pretrain::cli
