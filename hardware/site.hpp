#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/core/known.hpp"
#include "models/core/table.hpp"

namespace pretrain::hardware {

/// A property of a site that is known by region, by provider or as an average of the industry.
struct SiteValue {
  double value{};
  std::optional<double> year;
  Origin origin;
};

/// A table keyed by provider and region, with blanks that mean "all others": pue.csv, offsets.csv.
class SiteTable {
 public:
  static SiteTable read(std::string_view text, std::string file, std::string_view column,
                        double low, double high);
  /// The region's row, else the provider's, else the row without either; null when there is none.
  /// Of a year: the first of them that has it; else, and without a year, the row without one, or
  /// the newest.
  const SiteValue* find(std::string_view provider, std::string_view region,
                        std::optional<double> year = {}) const;

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  /// Of a place: first without a year, then from the newest.
  std::map<std::pair<std::string_view, std::string_view>, std::vector<SiteValue>> values_;
};

/// Power usage effectiveness: facility energy over IT energy.
SiteTable read_pue(std::string_view text, std::string file);
/// Share of emissions that a provider says it compensates, 0 to 1.
SiteTable read_offsets(std::string_view text, std::string file);

}  // namespace pretrain::hardware
