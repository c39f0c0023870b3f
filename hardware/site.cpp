#include "hardware/site.hpp"

#include <fmt/format.h>

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
    const SiteValue value{table.required_number(row, column, low, high),
                          table.origin(row, result.places_.back())};
    if (!result.values_.try_emplace({provider, region}, value).second) {
      table.fail(row, "region", "this provider and region stand twice", "keep one of the rows");
    }
  }
  return result;
}

const SiteValue* SiteTable::find(std::string_view provider, std::string_view region) const {
  using Key = std::pair<std::string_view, std::string_view>;
  for (const Key& key : {Key{provider, region}, Key{provider, ""}, Key{"", ""}}) {
    if (const auto found = values_.find(key); found != values_.end()) return &found->second;
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
