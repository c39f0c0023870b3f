#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/core/known.hpp"
#include "models/core/table.hpp"
#include "models/uncertainty.hpp"

namespace pretrain::hardware {

/// A stated default, one row of defaults.csv.
struct Default {
  double value{};
  models::Spread spread;  ///< by its range; none where the table has none
  Origin origin;
};

/// Everything that is assumed when nothing else is known, in one table with sources.
class Defaults {
 public:
  static Defaults read(std::string_view text, std::string file);

  Default lifetime_years;
  Default utilization;
  Default llmcarbon_lifetime_years;
  Default devices_per_node;
  Default seq_len;
  Default interruptions;  ///< per 1e6 device hours
  Default checkpoint_s;
  Default restart_min;
  Default productive_share;
  Default pue_unknown;
  Default pue_site;
  Default grid_year;

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
};

}  // namespace pretrain::hardware
