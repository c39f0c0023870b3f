#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/known.hpp"
#include "models/core/table.hpp"

namespace pretrain::models {

/// A published architecture, one row of architectures.csv. Counts; blank is unknown.
struct Architecture {
  std::string_view name;
  std::string_view type;  ///< dense, moe, encoder, encoder_decoder, vision, ...
  std::optional<double> layers;
  std::optional<double> hidden;
  std::optional<double> heads;
  std::optional<double> kv_heads;
  std::optional<double> vocab;
  std::optional<double> experts;
  std::optional<double> experts_per_token;
  std::optional<double> context;
  std::optional<double> params_b;         ///< published total, 1e9
  std::optional<double> active_params_b;  ///< published active count, 1e9
  Origin origin;
};

/// The shipped architectures by name; the names are matched without case and punctuation, decimal
/// points excepted (opt-1.3b is not opt-13b).
class ArchitectureCatalogue {
 public:
  static ArchitectureCatalogue read(std::string_view text, std::string file);
  /// Null when there is none of that name.
  const Architecture* find(std::string_view name) const;
  std::vector<std::string_view> names() const;
  const std::vector<Architecture>& all() const { return architectures_; }

 private:
  std::vector<Table> tables_;
  std::vector<std::string> places_;
  std::vector<std::string> keys_;
  std::vector<Architecture> architectures_;
};

}  // namespace pretrain::models
