#include "hardware/power.hpp"

#include <fmt/format.h>

#include <utility>

namespace pretrain::hardware {

PowerTable PowerTable::read(std::string_view text, std::string file) {
  PowerTable result;
  result.tables_.push_back(Table::read(
      text, std::move(file),
      {"device", "scope", "average_w", "low_w", "high_w", "source", "locator", "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  for (std::size_t row = 0; row < table.size(); ++row) {
    const auto id = table.required_text(row, "device");
    const auto scope = table.choice(row, "scope", {"device", "node"});
    result.places_.push_back(fmt::format("{} {} {}", table.file(), id, scope));
    constexpr double kMost = 1e6;
    const double average = table.required_number(row, "average_w", 1, kMost);
    const auto low = table.number(row, "low_w", 1, average);
    const auto high = table.number(row, "high_w", average, kMost);
    std::optional<models::Spread> spread;
    if (low && high) spread = models::spread_of(*low, average, *high);
    const MeasuredPower measured{average * watt / device, spread, table.text(row, "runs"),
                                 table.origin(row, result.places_.back())};
    auto& map = scope == "device" ? result.device_ : result.node_;
    if (!map.try_emplace(id, measured).second) {
      table.fail(row, "device", fmt::format("{} stands twice in scope {}", id, scope),
                 "keep one row for a device and scope");
    }
  }
  return result;
}

const MeasuredPower* PowerTable::find(std::string_view device_id, Scope scope) const {
  const auto& map = scope == Scope::device ? device_ : node_;
  const auto found = map.find(device_id);
  return found == map.end() ? nullptr : &found->second;
}

}  // namespace pretrain::hardware
