#include "hardware/defaults.hpp"

#include <fmt/format.h>

#include <utility>

namespace pretrain::hardware {

Defaults Defaults::read(std::string_view text, std::string file) {
  Defaults result;
  result.tables_.push_back(
      Table::read(text, std::move(file), {"key", "value", "source", "locator", "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  const auto get = [&](std::string_view key, double low, double high) -> Default {
    for (std::size_t row = 0; row < table.size(); ++row) {
      if (table.text(row, "key") != key) continue;
      result.places_.push_back(fmt::format("{} {}", table.file(), key));
      const double value = table.required_number(row, "value", low, high);
      models::Spread spread;
      const auto least = table.number(row, "low", low, value);
      const auto most = table.number(row, "high", value, high);
      if (least && most && *least > 0) spread = models::spread_of(*least, value, *most);
      return {value, spread, table.origin(row, result.places_.back())};
    }
    throw InputError({table.file(), 0, 0}, fmt::format("the default '{}' is missing", key),
                     "add a row with this key");
  };
  result.lifetime_years = get("lifetime_years", 0.1, 50);
  result.utilization = get("utilization", 0.01, 1);
  result.llmcarbon_lifetime_years = get("llmcarbon_lifetime_years", 0.1, 50);
  result.devices_per_node = get("devices_per_node", 1, 1e5);
  result.seq_len = get("seq_len", 1, 1e9);
  result.interruptions = get("interruptions_per_million_device_hours", 0.001, 1e6);
  result.checkpoint_s = get("checkpoint_s", 0, 86400);
  result.restart_min = get("restart_min", 0, 10080);
  result.productive_share = get("productive_share", 0.01, 1);
  constexpr double kFactor = 100;
  result.pue_unknown = get("pue_unknown", 1 / kFactor, kFactor);
  result.pue_site = get("pue_site", 1 / kFactor, kFactor);
  result.grid_year = get("grid_year", 1 / kFactor, kFactor);
  return result;
}

}  // namespace pretrain::hardware
