#include "hardware/device.hpp"

#include <fmt/format.h>

#include <utility>

#include "models/core/text.hpp"

namespace pretrain::hardware {

namespace {

constexpr std::array<std::string_view, kDtypes> kDtypeNames = {"fp64", "fp32", "tf32", "fp16",
                                                               "bf16", "fp8",  "int8", "fp4"};

template <class Unit>
auto in_unit(std::optional<double> number, Unit unit) -> std::optional<decltype(*number * unit)> {
  if (!number) return std::nullopt;
  return *number * unit;
}

}  // namespace

std::string_view name_of(Dtype dtype) { return kDtypeNames[static_cast<std::size_t>(dtype)]; }

std::optional<Dtype> dtype_of(std::string_view name) {
  if (name == "mxfp8") return Dtype::fp8;
  if (name == "nvfp4" || name == "mxfp4") return Dtype::fp4;
  for (std::size_t i = 0; i < kDtypes; ++i) {
    if (kDtypeNames[i] == name) return static_cast<Dtype>(i);
  }
  return std::nullopt;
}

Dtype training_dtype(const Device& device) {
  if (device.peak_of(Dtype::bf16)) return Dtype::bf16;
  const auto half = device.peak_of(Dtype::fp16);
  const auto single = device.peak_of(Dtype::fp32);
  if (half && (!single || *half >= *single)) return Dtype::fp16;
  return single ? Dtype::fp32 : Dtype::bf16;
}

DeviceCatalogue DeviceCatalogue::read(std::string_view text, std::string file) {
  DeviceCatalogue result;
  result.tables_.push_back(Table::read(text, std::move(file),
                                       {"id",
                                        "vendor",
                                        "name",
                                        "aliases",
                                        "kind",
                                        "generation",
                                        "tdp_w",
                                        "fp64_tflops",
                                        "fp32_tflops",
                                        "tf32_tflops",
                                        "fp16_tflops",
                                        "bf16_tflops",
                                        "fp8_tflops",
                                        "int8_tops",
                                        "fp4_tflops",
                                        "memory_gb",
                                        "memory_bandwidth_gb_per_s",
                                        "devices_per_server",
                                        "server_max_power_w",
                                        "source",
                                        "locator",
                                        "checked"}));
  const Table& table = result.tables_.front();
  constexpr std::array<std::string_view, kDtypes> kPeakColumns = {
      "fp64_tflops", "fp32_tflops", "tf32_tflops", "fp16_tflops",
      "bf16_tflops", "fp8_tflops",  "int8_tops",   "fp4_tflops"};
  result.places_.reserve(table.size());
  result.devices_.reserve(table.size());
  for (std::size_t row = 0; row < table.size(); ++row) {
    Device d;
    d.id = table.required_text(row, "id");
    d.vendor = table.text(row, "vendor");
    d.name = table.required_text(row, "name");
    d.kind = table.choice(row, "kind", {"gpu", "tpu", "asic", "cpu"});
    d.generation = table.text(row, "generation");
    d.year = table.number(row, "year", 1990, 2100);
    d.tdp = in_unit(table.number(row, "tdp_w", 1, 50000), watt / device);
    d.idle = in_unit(table.number(row, "idle_w", 0, 50000), watt / device);
    for (std::size_t i = 0; i < kDtypes; ++i) {
      d.peak[i] = in_unit(table.number(row, kPeakColumns[i], 1e-3, 1e6), teraflops / device);
    }
    d.process_node = table.text(row, "process_node");
    d.die_area = in_unit(table.number(row, "die_area_mm2", 1, 1e6), mm2);
    d.memory_gb = table.number(row, "memory_gb", 0.01, 1e6);
    d.memory_bandwidth_gb_per_s = table.number(row, "memory_bandwidth_gb_per_s", 0.1, 1e9);
    d.scaleup_gb_per_s = table.number(row, "scaleup_gb_per_s_per_direction", 0.1, 1e6);
    if (const auto joined = table.number(row, "scaleup_domain_devices", 1, 1e6)) {
      d.scaleup_domain = *joined * device;
    }
    d.scaleout_gbit_per_s = table.number(row, "scaleout_gbit_per_s_per_device", 0.01, 1e6);
    d.server = table.text(row, "server");
    d.devices_per_server = in_unit(table.number(row, "devices_per_server", 1, 1e5), device);
    d.server_max_power = in_unit(table.number(row, "server_max_power_w", 1, 1e8), watt);
    d.aliases = table.text(row, "aliases");
    result.places_.push_back(table.file() + " " + std::string{d.id});
    d.origin = table.origin(row, result.places_.back());
    result.devices_.push_back(d);
  }
  for (const auto& d : result.devices_) ++result.variants_of_chip_[chip_of(d.id)];
  for (std::size_t row = 0; row < table.size(); ++row) {
    const auto& d = result.devices_[row];
    if (!result.by_id_.try_emplace(std::string{d.id}, Entry{row, false}).second) {
      table.fail(row, "id", fmt::format("'{}' stands twice", d.id), "an id names one device");
    }
    for (const auto alias : split(d.aliases, ';')) {
      const auto [entry, inserted] =
          result.by_name_.try_emplace(normalized(alias), Entry{row, false});
      if (!inserted && entry->second.index != row) {
        table.fail(
            row, "aliases",
            fmt::format("'{}' also names {}", alias, result.devices_[entry->second.index].id),
            "an alias names one device");
      }
      const auto chip = result.variants_of_chip_.find(normalized(alias));
      entry->second.ambiguous = chip != result.variants_of_chip_.end() && chip->second > 1;
    }
  }
  for (std::size_t row = 0; row < table.size(); ++row) {
    result.by_name_.try_emplace(normalized(result.devices_[row].id), Entry{row, false});
  }
  return result;
}

DeviceMatch DeviceCatalogue::find(std::string_view name) const {
  if (const auto exact = by_id_.find(name); exact != by_id_.end()) {
    return {&devices_[exact->second.index], false};
  }
  char buffer[64];
  const auto found = by_name_.find(normalized_into(name, buffer, sizeof buffer));
  if (found == by_name_.end()) return {};
  return {&devices_[found->second.index], found->second.ambiguous};
}

std::string DeviceCatalogue::chip_of(std::string_view id) {
  // The first word of an id is the chip, the others are the variant: a100-sxm-80, tpu-v5e.
  return normalized(id.substr(0, id.find('-', id.starts_with("tpu-") ? 4 : 0)));
}

std::vector<std::string_view> DeviceCatalogue::variants(std::string_view name) const {
  const std::string key = normalized(name);
  std::vector<std::string_view> result;
  for (const auto& d : devices_) {
    if (chip_of(d.id) == key) result.push_back(d.id);
  }
  return result;
}

std::vector<std::string_view> DeviceCatalogue::names() const {
  std::vector<std::string_view> result;
  for (const auto& d : devices_) {
    result.push_back(d.id);
    for (const auto alias : split(d.aliases, ';')) result.push_back(alias);
  }
  return result;
}

}  // namespace pretrain::hardware
