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

  // Beside the run itself.
  Default development_share;
  Default trial_share;
  Default checkpoint_bytes_per_param;
  Default checkpoints_kept;
  Default text_bytes_per_token;
  Default storage_years;
  Default storage_copies;
  Default storage_w_per_tb;
  Default storage_kg_per_tb;
  Default storage_life_years;
  Default building_kg_per_kw;
  Default building_years;
  Default prompt_tokens;
  Default output_tokens;
  Default serving_batch;
  Default prefill_utilization;
  Default decode_utilization;
  Default serving_busy;

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
};

}  // namespace pretrain::hardware
