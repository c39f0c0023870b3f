#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hardware/device.hpp"

namespace pretrain::cli {

/// A run that another tool has measured, in the cells of a run table; what it does not say is
/// blank.
struct ImportedRun {
  std::string id;
  std::string name;
  std::string device;
  std::string devices;
  std::string region;
  std::string pue;
  std::string days;
  std::string device_hours;
  std::string iteration_s;
  std::string tokens_per_s_per_device;
  std::string device_power_w;
  std::string energy_mwh;
  std::string energy_scope;
  std::string energy_basis;
  std::string tco2e;
  std::string source;
  std::string notes;
};

/// The runs of a file of `planner measure`, CodeCarbon (emissions.csv), carbontracker (its logs),
/// Zeus (the CSV of its monitor) or a Hugging Face model card. Throws InputError where it is none
/// of them.
std::vector<ImportedRun> import_measured(const std::string& text, const std::string& file,
                                         const hardware::DeviceCatalogue& devices);

/// A run table of them, as CSV.
std::string run_table_of(const std::vector<ImportedRun>& runs);

/// The device of the catalogue that a driver means: "NVIDIA A100-SXM4-80GB" is a100-sxm-80; empty
/// where there is none.
std::string device_of_driver(std::string_view name, const hardware::DeviceCatalogue& devices);

}  // namespace pretrain::cli
