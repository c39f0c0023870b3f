#include "hardware/power.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "models/core/text.hpp"

namespace pretrain::hardware {

namespace {

struct Quantity {
  std::string_view name;
  void (*set)(LoadFamily& family, double value, models::Spread spread);
};

constexpr std::array<Quantity, 10> kQuantities{{
    {"idle_share", [](LoadFamily& f, double v, models::Spread) { f.idle_share = v; }},
    {"most_share", [](LoadFamily& f, double v, models::Spread) { f.most_share = v; }},
    {"products", [](LoadFamily& f, double v, models::Spread) { f.levels.products = v; }},
    {"slow", [](LoadFamily& f, double v, models::Spread) { f.levels.slow = v; }},
    {"traffic", [](LoadFamily& f, double v, models::Spread) { f.levels.traffic = v; }},
    {"exchange", [](LoadFamily& f, double v, models::Spread) { f.levels.exchange = v; }},
    {"wait", [](LoadFamily& f, double v, models::Spread) { f.levels.wait = v; }},
    {"pace", [](LoadFamily& f, double v, models::Spread) { f.pace = v; }},
    {"known_step", [](LoadFamily& f, double, models::Spread s) { f.known_spread = s; }},
    {"unknown_step", [](LoadFamily& f, double, models::Spread s) { f.usual_spread = s; }},
}};

}  // namespace

LoadTable LoadTable::read(std::string_view text, std::string file) {
  LoadTable result;
  result.tables_.push_back(Table::read(
      text, std::move(file),
      {"kind", "generation", "quantity", "value", "low", "high", "source", "locator", "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  result.origins_.reserve(table.size());
  // From what holds for any device to what holds for one generation.
  for (int depth = 0; depth < 3; ++depth) {
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto kind = table.text(row, "kind");
      const auto generation = table.text(row, "generation");
      const int own = kind.empty() ? 0 : generation.empty() ? 1 : 2;
      if (own == 0 && !generation.empty()) {
        table.fail(row, "kind", "a generation without its kind", "say gpu, tpu, asic or cpu");
      }
      if (own != depth) continue;
      auto& families = result.families_;
      auto found = families.find({kind, generation});
      if (found == families.end()) {
        const auto parent = own == 2 && families.contains({kind, ""}) ? families.find({kind, ""})
                                                                      : families.find({"", ""});
        LoadFamily family;
        if (parent != families.end()) family = parent->second;
        found = families.emplace(std::pair{kind, generation}, family).first;
        result.places_.push_back(
            fmt::format("{} {}", table.file(),
                        generation.empty() ? (kind.empty() ? "any" : kind) : generation));
        result.origins_.push_back(table.origin(row, result.places_.back()));
        found->second.origin = &result.origins_.back();
      }
      const auto name = table.required_text(row, "quantity");
      const auto* quantity = std::find_if(kQuantities.begin(), kQuantities.end(),
                                          [&](const Quantity& q) { return q.name == name; });
      if (quantity == kQuantities.end()) {
        table.fail(
            row, "quantity", fmt::format("'{}' is no quantity of a load", name),
            "idle_share, most_share, products, slow, traffic, exchange, wait, pace, known_step or "
            "unknown_step");
      }
      const double value = table.required_number(row, "value", 0.001, 1);
      const auto low = table.number(row, "low", 0.001, value);
      const auto high = table.number(row, "high", value, 10);
      models::Spread spread;
      if (low && high) spread = models::spread_of(*low, value, *high);
      quantity->set(found->second, value, spread);
    }
  }
  if (!result.families_.contains({"", ""})) {
    throw InputError({table.file(), 0, 0}, "no rows that hold for any device",
                     "add rows with a blank kind");
  }
  for (const auto& [key, f] : result.families_) {
    if (f.idle_share >= f.most_share) {
      throw InputError(
          {table.file(), 0, 0},
          fmt::format("'{}' draws more idle than at most", key.first.empty()    ? "any device"
                                                           : key.second.empty() ? key.first
                                                                                : key.second),
          "idle_share lies below most_share");
    }
  }
  return result;
}

const LoadFamily& LoadTable::find(const Device* device) const {
  using Key = std::pair<std::string_view, std::string_view>;
  if (device != nullptr) {
    for (const Key& key : {Key{device->kind, device->generation}, Key{device->kind, ""}}) {
      if (const auto found = families_.find(key); found != families_.end()) return found->second;
    }
  }
  return families_.at({"", ""});
}

HostTable HostTable::read(std::string_view text, std::string file) {
  HostTable result;
  result.tables_.push_back(Table::read(
      text, std::move(file),
      {"host",    "devices",       "devices_per_server", "cpus",     "cpu_tdp_w",  "cpu_load",
       "dram_gb", "dram_w_per_gb", "network_w",          "switch_w", "storage_tb", "storage_w",
       "other_w", "fan_share",     "supply_efficiency",  "low",      "high",       "source",
       "locator", "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  constexpr double kMostWatts = 1e5;
  for (std::size_t row = 0; row < table.size(); ++row) {
    Host host;
    host.id = table.required_text(row, "host");
    const auto watts = [&](std::string_view column) {
      return table.required_number(row, column, 0, kMostWatts) * watt;
    };
    host.cpus = table.required_number(row, "cpus", 0, 64);
    host.cpu_limit = watts("cpu_tdp_w");
    const double cpu_load = table.required_number(row, "cpu_load", 0, 1.5);
    host.dram_gb = table.required_number(row, "dram_gb", 0, 1e6);
    const auto dram = host.dram_gb * watts("dram_w_per_gb");
    host.other = watts("network_w") + watts("switch_w") + watts("storage_w") + watts("other_w");
    host.storage_tb = table.required_number(row, "storage_tb", 0, 1e6);
    host.draw.devices = table.required_number(row, "devices_per_server", 1, 1e4) * device;
    host.draw.components = host.cpus * cpu_load * host.cpu_limit + dram + host.other;
    host.draw.fan_share = table.required_number(row, "fan_share", 0, 1);
    host.draw.supply_efficiency = table.required_number(row, "supply_efficiency", 0.5, 1);
    host.spread = models::spread_of(table.required_number(row, "low", 0.1, 1), 1,
                                    table.required_number(row, "high", 1, 10));
    result.places_.push_back(fmt::format("{} {}", table.file(), host.id));
    host.origin = table.origin(row, result.places_.back());
    for (const auto id : split(table.text(row, "devices"), ';')) {
      if (!result.by_device_.try_emplace(id, row).second) {
        table.fail(row, "devices", fmt::format("'{}' stands twice", id),
                   "a device has one usual server");
      }
    }
    result.hosts_.push_back(host);
  }
  return result;
}

const Host* HostTable::find(const Device* device) const {
  const auto of = [&](std::string_view key) -> const Host* {
    const auto found = by_device_.find(key);
    return found == by_device_.end() ? nullptr : &hosts_[found->second];
  };
  if (device == nullptr) return of("any server");
  if (const auto* host = of(device->id)) return host;
  constexpr auto kServer = 4.0 * pretrain::device;
  if (device->kind == "tpu") return of("any tpu");
  const bool server = device->devices_per_server && *device->devices_per_server >= kServer;
  return of(server ? "any server" : "any card");
}

}  // namespace pretrain::hardware
