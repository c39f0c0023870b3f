#include "hardware/embodied_table.hpp"

#include <fmt/format.h>

#include <utility>

namespace pretrain::hardware {

EmbodiedTable EmbodiedTable::read(std::string_view text, std::string file) {
  EmbodiedTable result;
  result.tables_.push_back(Table::read(
      text, std::move(file),
      {"item", "scope", "kg_low", "kg", "kg_high", "boundary", "source", "locator", "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  for (std::size_t row = 0; row < table.size(); ++row) {
    const auto item = table.required_text(row, "item");
    const auto scope = table.choice(row, "scope", {"card", "host", "device_with_host"});
    result.places_.push_back(fmt::format("{} {} {}", table.file(), item, scope));
    const double low = table.required_number(row, "kg_low", 0, 1e6);
    const double mid = table.required_number(row, "kg", low, 1e6);
    const double high = table.required_number(row, "kg_high", mid, 1e6);
    result.footprints_.push_back({item,
                                  scope == "card"   ? EmbodiedScope::card
                                  : scope == "host" ? EmbodiedScope::host
                                                    : EmbodiedScope::device_with_host,
                                  low * kilogram, mid * kilogram, high * kilogram,
                                  table.required_text(row, "boundary"),
                                  table.origin(row, result.places_.back())});
    auto& items = result.by_item_[static_cast<std::size_t>(result.footprints_.back().scope)];
    if (!items.try_emplace(item, row).second) {
      table.fail(row, "item", fmt::format("{} stands twice in scope {}", item, scope),
                 "keep one row for an item and scope");
    }
  }
  return result;
}

const Footprint* EmbodiedTable::find(std::string_view item, EmbodiedScope scope) const {
  const auto& items = by_item_[static_cast<std::size_t>(scope)];
  const auto found = items.find(item);
  return found == items.end() ? nullptr : &footprints_[found->second];
}

LlmcarbonEmbodiedTable LlmcarbonEmbodiedTable::read(std::string_view text, std::string file) {
  LlmcarbonEmbodiedTable result;
  result.tables_.push_back(
      Table::read(text, std::move(file),
                  {"item", "quantity", "kg_per_unit", "per", "source", "locator", "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  for (std::size_t row = 0; row < table.size(); ++row) {
    const auto item = table.required_text(row, "item");
    result.places_.push_back(fmt::format("{} {}", table.file(), item));
    const Chip chip{item,
                    table.required_number(row, "quantity", 0, 1e7) *
                        table.required_number(row, "kg_per_unit", 0, 1e4) * kilogram,
                    table.origin(row, result.places_.back())};
    const bool per_server = table.choice(row, "per", {"server", "device"}) == "server";
    (per_server ? result.server_ : result.devices_).push_back(chip);
  }
  return result;
}

const LlmcarbonEmbodiedTable::Chip* LlmcarbonEmbodiedTable::find(std::string_view device_id) const {
  for (const auto& chip : devices_) {
    if (chip.item == device_id) return &chip;
  }
  return nullptr;
}

}  // namespace pretrain::hardware
