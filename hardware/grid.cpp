#include "hardware/grid.hpp"

#include <fmt/format.h>

#include <utility>

#include "models/core/text.hpp"

namespace pretrain::hardware {

GridTable GridTable::read(std::string_view text, std::string file) {
  GridTable result;
  result.tables_.push_back(Table::read(
      text, std::move(file),
      {"provider", "region", "location", "country", "aliases", "intensity_g_per_kwh", "year",
       "basis", "scope", "accounting", "carbon_free_share", "source", "locator", "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  result.regions_.reserve(table.size());
  for (std::size_t row = 0; row < table.size(); ++row) {
    GridRegion r;
    r.provider = table.choice(row, "provider", {"country", "gcp", "aws", "azure", "egrid"});
    r.region = table.required_text(row, "region");
    r.location = table.text(row, "location");
    r.country = table.text(row, "country");
    r.intensity = table.required_number(row, "intensity_g_per_kwh", 0, 3000) * gram / kilowatt_hour;
    r.year = table.number(row, "year", 1990, 2100);
    r.basis = table.choice(row, "basis", {"average", "marginal"});
    r.scope = table.choice(row, "scope", {"direct", "lifecycle", ""});
    r.accounting = table.choice(row, "accounting", {"location", "market"});
    r.carbon_free_share = table.number(row, "carbon_free_share", 0, 1);
    result.places_.push_back(fmt::format(
        "{} {}/{} ({}{}, {}, {})", table.file(), r.provider, r.region,
        r.year ? fmt::format("{:.0f}, ", *r.year) : std::string{}, r.basis,
        r.scope.empty() ? std::string_view{"scope not stated"} : r.scope, r.accounting));
    r.origin = table.origin(row, result.places_.back());
    if (!result.by_code_.try_emplace(lowered(r.region), row).second) {
      table.fail(row, "region", fmt::format("region '{}' stands twice", r.region),
                 "a code names one region");
    }
    result.regions_.push_back(r);
    const auto add = [&](std::string_view alias) {
      if (alias.empty()) return;
      const auto [entry, inserted] = result.by_alias_.try_emplace(normalized(alias), row);
      if (!inserted && entry->second != row) {
        table.fail(row, "aliases", fmt::format("'{}' names two regions", alias),
                   "an alias names one region");
      }
      result.aliases_.push_back(alias);
    };
    for (const auto alias : split(table.text(row, "aliases"), ';')) add(alias);
    if (r.provider == "country") add(r.location);
  }
  return result;
}

const GridRegion* GridTable::find(std::string_view name) const {
  char buffer[64];
  const auto code = by_code_.find(lowered_into(name, buffer, sizeof buffer));
  if (code != by_code_.end()) return &regions_[code->second];
  const auto alias = by_alias_.find(normalized_into(name, buffer, sizeof buffer));
  return alias == by_alias_.end() ? nullptr : &regions_[alias->second];
}

std::vector<std::string_view> GridTable::names() const {
  std::vector<std::string_view> result;
  for (const auto& r : regions_) result.push_back(r.region);
  result.insert(result.end(), aliases_.begin(), aliases_.end());
  return result;
}

}  // namespace pretrain::hardware
