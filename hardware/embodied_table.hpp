#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/core/known.hpp"
#include "models/core/table.hpp"
#include "models/core/units.hpp"

namespace pretrain::hardware {

/// Boundary of a footprint; rows of different scopes are never mixed.
enum class EmbodiedScope {
  card,              ///< one accelerator as delivered, no host
  host,              ///< one server without its accelerators
  device_with_host,  ///< one accelerator with its share of the host
};

/// Footprint of one item, one row of embodied.csv.
struct Footprint {
  std::string_view item;
  EmbodiedScope scope{};
  Mass low;
  Mass mid;
  Mass high;
  std::string_view boundary;
  Origin origin;
};

/// Vendor and life-cycle-assessment footprints.
class EmbodiedTable {
 public:
  static EmbodiedTable read(std::string_view text, std::string file);
  /// Null when there is none.
  const Footprint* find(std::string_view item, EmbodiedScope scope) const;
  const std::vector<Footprint>& all() const { return footprints_; }

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::vector<Footprint> footprints_;
  std::array<std::unordered_map<std::string_view, std::size_t>, 3> by_item_;  ///< by scope
};

/// LLMCarbon's own table: chips of a server and the die of an accelerator.
class LlmcarbonEmbodiedTable {
 public:
  static LlmcarbonEmbodiedTable read(std::string_view text, std::string file);
  struct Chip {
    std::string_view item;
    Mass mass;
    Origin origin;
  };
  /// Chips of one server of eight devices.
  const std::vector<Chip>& server() const { return server_; }
  /// The die of a device; null when LLMCarbon has none.
  const Chip* find(std::string_view device_id) const;

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::vector<Chip> server_;
  std::vector<Chip> devices_;
};

}  // namespace pretrain::hardware
