#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/core/known.hpp"
#include "models/core/table.hpp"
#include "models/core/units.hpp"
#include "models/uncertainty.hpp"

namespace pretrain::hardware {

/// A measured average draw in training, one row of power.csv.
struct MeasuredPower {
  DevicePower average;
  std::optional<models::Spread> spread;  ///< by the range seen; absent where only one run is known
  std::string_view runs;  ///< ids of the published runs that it was measured on, by ';'
  Origin origin;
};

/// Measured draws by device and scope.
class PowerTable {
 public:
  enum class Scope { device, node };
  static PowerTable read(std::string_view text, std::string file);
  /// Null when that device was not measured in that scope.
  const MeasuredPower* find(std::string_view device_id, Scope scope) const;

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::unordered_map<std::string_view, MeasuredPower> device_;
  std::unordered_map<std::string_view, MeasuredPower> node_;
};

}  // namespace pretrain::hardware
