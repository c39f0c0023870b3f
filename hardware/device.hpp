#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/core/known.hpp"
#include "models/core/table.hpp"
#include "models/core/text.hpp"
#include "models/core/units.hpp"

namespace pretrain::hardware {

/// Number formats whose dense peak a catalogue row may carry.
enum class Dtype : std::uint8_t { fp64, fp32, tf32, fp16, bf16, fp8, int8, fp4 };
inline constexpr std::size_t kDtypes = 8;
std::string_view name_of(Dtype dtype);
/// Also the scaled variants: mxfp8 is fp8, nvfp4 and mxfp4 are fp4.
std::optional<Dtype> dtype_of(std::string_view name);

/// An accelerator, one row of devices.csv. Peaks are dense (no sparsity).
struct Device {
  std::string_view id;
  std::string_view vendor;
  std::string_view name;
  std::string_view kind;  ///< gpu, tpu, asic, cpu
  std::string_view generation;
  std::optional<double> year;
  std::optional<DevicePower> tdp;
  std::optional<DevicePower> idle;
  std::array<std::optional<DeviceRate>, kDtypes> peak;
  std::string_view process_node;
  std::optional<Area> die_area;  ///< of all dies
  std::optional<double> memory_gb;
  std::optional<double> memory_bandwidth_gb_per_s;
  std::optional<double> scaleup_gb_per_s;     ///< NVLink, ICI: one direction
  std::optional<Devices> scaleup_domain;      ///< devices that it joins
  std::optional<double> scaleout_gbit_per_s;  ///< of one device
  std::string_view server;
  std::optional<Devices> devices_per_server;
  std::optional<Power> server_max_power;
  std::string_view aliases;
  Origin origin;

  std::optional<DeviceRate> peak_of(Dtype dtype) const {
    return peak[static_cast<std::size_t>(dtype)];
  }
};

/// The format that people train in on a device: bf16, else fp16, else fp32 (also where fp16 runs
/// at a fraction of the fp32 rate).
Dtype training_dtype(const Device& device);

/// A device found by a name.
struct DeviceMatch {
  const Device* device = nullptr;
  bool ambiguous = false;  ///< the name fits several variants; the stated default was taken
};

/// All accelerators. A name is first taken as an id, letter by letter; then, without case, spaces
/// and punctuation, as an alias (each given to one variant) or an id.
class DeviceCatalogue {
 public:
  static DeviceCatalogue read(std::string_view text, std::string file);

  /// `device` is null when nothing has that name. Does not allocate.
  DeviceMatch find(std::string_view name) const;
  /// The other variants that an ambiguous name could mean.
  std::vector<std::string_view> variants(std::string_view name) const;
  std::vector<std::string_view> names() const;
  const std::vector<Device>& all() const { return devices_; }

 private:
  struct Entry {
    std::size_t index{};
    bool ambiguous{};
  };
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::vector<Device> devices_;
  static std::string chip_of(std::string_view id);
  std::unordered_map<std::string, std::size_t> variants_of_chip_;
  std::unordered_map<std::string, Entry, TextHash, std::equal_to<>> by_id_;
  std::unordered_map<std::string, Entry, TextHash, std::equal_to<>> by_name_;
};

}  // namespace pretrain::hardware
