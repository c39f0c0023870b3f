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
  result.development_share = get("development_share", 0, 0.999);
  result.trial_share = get("trial_share", 0, 1e3);
  result.checkpoint_bytes_per_param = get("checkpoint_bytes_per_param", 0, 64);
  result.checkpoints_kept = get("checkpoints_kept", 0, 1e7);
  result.text_bytes_per_token = get("text_bytes_per_token", 0, 64);
  result.storage_years = get("storage_years", 0, 100);
  result.storage_copies = get("storage_copies", 1, 10);
  result.storage_w_per_tb = get("storage_w_per_tb", 0, 100);
  result.storage_kg_per_tb = get("storage_kg_per_tb", 0, 1e4);
  result.storage_life_years = get("storage_life_years", 0.1, 50);
  result.building_kg_per_kw = get("building_kg_per_kw", 0, 1e5);
  result.building_years = get("building_years", 1, 200);
  result.prompt_tokens = get("prompt_tokens", 0, 1e8);
  result.output_tokens = get("output_tokens", 1, 1e8);
  result.serving_batch = get("serving_batch", 1, 1e6);
  result.prefill_utilization = get("prefill_utilization", 0.01, 1);
  result.decode_utilization = get("decode_utilization", 0.01, 1);
  result.serving_busy = get("serving_busy", 0.001, 1);
  return result;
}

}  // namespace pretrain::hardware
