#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/architecture.hpp"
#include "models/core/known.hpp"
#include "models/core/table.hpp"

namespace pretrain::models {

/// A model family, one row of families.csv: what its configurations leave unsaid. Named like the
/// `model_type` of its config.json.
struct Family {
  std::string_view name;
  std::string_view type;                  ///< the word of the run table
  std::optional<bool> gated;              ///< blank: the configuration says it
  std::optional<bool> tied;               ///< where the configuration does not say it
  std::optional<double> ffn_over_hidden;  ///< width of the feed-forward layer where it is not said
  // Values that a configuration of the family may leave out.
  std::optional<double> heads;
  std::optional<double> kv_heads;
  std::optional<double> head_dim;
  std::optional<double> vocab;
  double position_extra = 0;                  ///< learned positions beyond the context
  StateSpace state_space = StateSpace::none;  ///< what its hybrids have in place of attention
  Details details;
  Origin origin;
};

/// The known families by name or alias.
class FamilyCatalogue {
 public:
  static FamilyCatalogue read(std::string_view text, std::string file);
  /// Null when there is none of that name.
  const Family* find(std::string_view name) const;
  std::vector<std::string_view> names() const;

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::vector<Family> families_;
  std::vector<std::pair<std::string, std::size_t>> keys_;
};

}  // namespace pretrain::models
