#include "models/architecture.hpp"

#include <algorithm>
#include <utility>

#include "models/core/text.hpp"

namespace pretrain::models {

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
    result.keys_.push_back(normalized(name));
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
         .origin = {result.places_.back(), table.required_text(row, "source"),
                    table.text(row, "locator"),
                    table.choice(row, "checked", {"read", "unverified"}) == "read"}});
  }
  return result;
}

const Architecture* ArchitectureCatalogue::find(std::string_view name) const {
  const auto key = normalized(name);
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
