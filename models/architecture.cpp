#include "models/architecture.hpp"

#include <algorithm>
#include <utility>

#include "models/core/text.hpp"

namespace pretrain::models {

namespace {

/// The normalized name, with its decimal points: opt-1.3b is not opt-13b.
std::string key_of(std::string_view name) {
  const auto digit = [&](std::size_t i) {
    return i < name.size() && name[i] >= '0' && name[i] <= '9';
  };
  std::string key;
  std::size_t start = 0;
  for (std::size_t i = 1; i < name.size(); ++i) {
    if (name[i] != '.' || !digit(i - 1) || !digit(i + 1)) continue;
    key += normalized(name.substr(start, i - start)) + '.';
    start = i + 1;
  }
  return key + normalized(name.substr(start));
}

}  // namespace

ArchitectureCatalogue ArchitectureCatalogue::read(std::string_view text, std::string file) {
  ArchitectureCatalogue result;
  result.tables_.push_back(Table::read(
      text, std::move(file),
      {"name", "type", "layers", "hidden", "params_b", "active_params_b", "source", "checked"}));
  const Table& table = result.tables_.front();
  result.places_.reserve(table.size());
  for (std::size_t row = 0; row < table.size(); ++row) {
    const auto name = table.required_text(row, "name");
    const auto count = [&](std::string_view column) { return table.number(row, column, 0, 1e7); };
    result.places_.push_back(table.file() + " " + std::string{name});
    result.keys_.push_back(key_of(name));
    if (std::find(result.keys_.begin(), result.keys_.end() - 1, result.keys_.back()) !=
        result.keys_.end() - 1) {
      table.fail(row, "name", "'" + std::string{name} + "' stands twice",
                 "a name is one architecture, whatever its case and punctuation");
    }
    result.architectures_.push_back(
        {.name = name,
         .type = table.required_text(row, "type"),
         .layers = count("layers"),
         .hidden = count("hidden"),
         .heads = count("heads"),
         .kv_heads = count("kv_heads"),
         .vocab = count("vocab"),
         .experts = count("experts"),
         .experts_per_token = count("experts_per_token"),
         .context = table.number(row, "context", 1, 1e9),
         .params_b = table.number(row, "params_b", 1e-6, 1e5),
         .active_params_b = table.number(row, "active_params_b", 1e-6, 1e5),
         .origin = table.origin(row, result.places_.back())});
  }
  return result;
}

const Architecture* ArchitectureCatalogue::find(std::string_view name) const {
  const auto key = key_of(name);
  const auto found = std::find(keys_.begin(), keys_.end(), key);
  if (found == keys_.end()) return nullptr;
  return &architectures_[static_cast<std::size_t>(found - keys_.begin())];
}

std::vector<std::string_view> ArchitectureCatalogue::names() const {
  std::vector<std::string_view> result;
  for (const auto& architecture : architectures_) result.push_back(architecture.name);
  return result;
}

}  // namespace pretrain::models
