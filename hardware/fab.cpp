#include "hardware/fab.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>
#include <utility>

#include "models/core/input_error.hpp"
#include "models/core/text.hpp"

namespace pretrain::hardware {

namespace {
constexpr std::array<std::string_view, FabTable::kItems> kNames{
    "fab_grid", "yield", "defects", "package", "memory", "dram", "cpu", "ssd", "card_over_chips"};
constexpr double kMost = 1e4;
}  // namespace

FabTable FabTable::read(std::string_view text, std::string file) {
  FabTable result;
  result.tables_.push_back(
      Table::read(text, std::move(file),
                  {"item", "names", "epa_kwh_per_cm2", "gpa_kg_per_cm2", "mpa_kg_per_cm2", "kg_low",
                   "kg", "kg_high", "source", "locator", "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  std::bitset<kItems> seen;
  for (std::size_t row = 0; row < table.size(); ++row) {
    const auto item = table.required_text(row, "item");
    const auto names = split(table.text(row, "names"), ';');
    const bool logic = item == "logic";
    if (logic && names.empty()) {
      table.fail(row, "names", "a process node without a name", "5nm;N5 and so on");
    }
    result.places_.push_back(fmt::format("{} {}", table.file(), logic ? names.front() : item));
    const auto origin = table.origin(row, result.places_.back());
    const double low = table.required_number(row, "kg_low", 0, kMost);
    if (logic) {
      for (const auto name : names) {
        if (!result.by_name_.try_emplace(name, result.nodes_.size()).second) {
          table.fail(row, "names", fmt::format("'{}' stands twice", name),
                     "a name is of one process node");
        }
      }
      result.nodes_.push_back({{table.required_number(row, "epa_kwh_per_cm2", 0, kMost),
                                table.required_number(row, "gpa_kg_per_cm2", 0, kMost),
                                table.required_number(row, "mpa_kg_per_cm2", 0, kMost)},
                               low,
                               origin});
      continue;
    }
    const auto found = std::find(kNames.begin(), kNames.end(), item);
    if (found == kNames.end()) {
      table.fail(row, "item", fmt::format("'{}' is no item of this table", item),
                 "logic, or " + fmt::format("{}", fmt::join(kNames, ", ")));
    }
    const auto at = static_cast<std::size_t>(found - kNames.begin());
    const double high = table.required_number(row, "kg_high", low, kMost);
    result.items_[at] = {low, table.required_number(row, "kg", low, high), high, origin};
    seen.set(at);
  }
  for (std::size_t i = 0; i < kItems; ++i) {
    if (!seen[i]) {
      throw InputError({table.file(), 0, 0}, fmt::format("'{}' is missing", kNames[i]),
                       "add a row with this item");
    }
  }
  return result;
}

const FabNode* FabTable::find(std::string_view process_node) const {
  const auto first = process_node.substr(0, process_node.find_first_of("/ "));
  for (const auto name : {process_node, first}) {
    if (const auto found = by_name_.find(name); found != by_name_.end()) {
      return &nodes_[found->second];
    }
  }
  return nullptr;
}

}  // namespace pretrain::hardware
