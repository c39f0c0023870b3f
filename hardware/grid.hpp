#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/core/known.hpp"
#include "models/core/table.hpp"
#include "models/core/text.hpp"
#include "models/core/units.hpp"

namespace pretrain::hardware {

/// Carbon intensity of a region's electricity, one row of a grid table.
struct GridRegion {
  std::string_view provider;  ///< country, gcp, aws, azure or egrid
  std::string_view region;    ///< ISO3 code, cloud region or eGRID subregion
  std::string_view location;
  std::string_view country;  ///< ISO3
  CarbonIntensity intensity;
  std::optional<double> year;
  std::string_view basis;       ///< average or marginal
  std::string_view scope;       ///< direct or lifecycle; empty when the source mixes them
  std::string_view accounting;  ///< location or market
  std::optional<double> carbon_free_share;
  Origin origin;
};

/// Regions of one grid table. A code is matched exactly but for case (us-east1 and us-east-1 are
/// two places); failing that, a name or alias is matched without case and punctuation.
class GridTable {
 public:
  static GridTable read(std::string_view text, std::string file);
  /// Null when nothing has that name. Does not allocate.
  const GridRegion* find(std::string_view name) const;
  std::vector<std::string_view> names() const;
  const std::vector<GridRegion>& all() const { return regions_; }

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::vector<GridRegion> regions_;
  std::vector<std::string_view> aliases_;
  std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> by_code_;
  std::unordered_map<std::string, std::size_t, TextHash, std::equal_to<>> by_alias_;
};

}  // namespace pretrain::hardware
