#include "hardware/site.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace pretrain::hardware {

SiteTable SiteTable::read(std::string_view text, std::string file, std::string_view column,
                          double low, double high) {
  SiteTable result;
  result.tables_.push_back(Table::read(
      text, std::move(file), {"provider", "region", column, "source", "locator", "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  for (std::size_t row = 0; row < table.size(); ++row) {
    const auto provider = table.text(row, "provider");
    const auto region = table.text(row, "region");
    result.places_.push_back(provider.empty() ? fmt::format("{} industry", table.file())
                             : region.empty()
                                 ? fmt::format("{} {}", table.file(), provider)
                                 : fmt::format("{} {}/{}", table.file(), provider, region));
    const auto year = table.number(row, "year", 1990, 2100);
    if (year) result.places_.back() += fmt::format(" {:.0f}", *year);
    const SiteValue value{table.required_number(row, column, low, high), year,
                          table.origin(row, result.places_.back())};
    auto& values = result.values_[{provider, region}];
    const auto newer = [](const SiteValue& a, const SiteValue& b) {
      return !a.year ? b.year.has_value() : b.year && *a.year > *b.year;
    };
    const auto at = std::lower_bound(values.begin(), values.end(), value, newer);
    if (at != values.end() && at->year == value.year) {
      table.fail(row, "region", "this provider and region stand twice", "keep one of the rows");
    }
    values.insert(at, value);
  }
  return result;
}

const SiteValue* SiteTable::find(std::string_view provider, std::string_view region,
                                 std::optional<double> year) const {
  using Key = std::pair<std::string_view, std::string_view>;
  const std::array<Key, 3> keys{Key{provider, region}, Key{provider, ""}, Key{"", ""}};
  if (year) {
    for (const Key& key : keys) {
      const auto found = values_.find(key);
      if (found == values_.end()) continue;
      for (const auto& value : found->second) {
        if (value.year == year) return &value;
      }
      if (!key.first.empty()) continue;
      // The nearest of the industry, where no provider is known.
      if (!provider.empty()) break;
      const auto nearest =
          std::min_element(found->second.begin(), found->second.end(), [&](auto& a, auto& b) {
            const auto away = [&](const SiteValue& v) {
              return v.year ? std::abs(*v.year - *year) : 1e3;
            };
            return away(a) < away(b);
          });
      return &*nearest;
    }
  }
  for (const Key& key : keys) {
    if (const auto found = values_.find(key); found != values_.end()) return &found->second.front();
  }
  return nullptr;
}

SiteTable read_pue(std::string_view text, std::string file) {
  return SiteTable::read(text, std::move(file), "pue", 1, 3);
}

SiteTable read_offsets(std::string_view text, std::string file) {
  return SiteTable::read(text, std::move(file), "offset_share", 0, 1);
}

}  // namespace pretrain::hardware
