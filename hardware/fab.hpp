#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/core/known.hpp"
#include "models/core/table.hpp"
#include "models/embodied.hpp"

namespace pretrain::hardware {

/// A process node of fab.csv.
struct FabNode {
  models::FabProcess process;
  double low = 0;  ///< kg for each cm2, without yield loss
  Origin origin;
};

/// A number of fab.csv with its range.
struct FabItem {
  double low = 0;
  double mid = 0;
  double high = 0;
  Origin origin;
};

/// What making chips emits.
class FabTable {
 public:
  enum Item : std::uint8_t {
    fab_grid,
    yield,
    defects,
    package,
    memory,
    dram,
    cpu,
    ssd,
    card_over_chips,
  };
  static constexpr std::size_t kItems = card_over_chips + 1;

  static FabTable read(std::string_view text, std::string file);
  /// Of a node as data sheets write it, of several (N5/N6) the first; null when it is not known.
  const FabNode* find(std::string_view process_node) const;
  const FabItem& operator[](Item item) const { return items_[item]; }

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::vector<FabNode> nodes_;
  std::array<FabItem, kItems> items_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
};

}  // namespace pretrain::hardware
