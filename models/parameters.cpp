#include "models/parameters.hpp"

#include <cassert>

namespace pretrain::models {

double llmcarbon_dense_params(double layers, double hidden, double vocab) {
  assert(layers > 0.0 && hidden > 0.0 && vocab >= 0.0);
  return 12.0 * layers * hidden * hidden + vocab * hidden;
}

double llmcarbon_moe_params(double layers, double hidden, double experts, double moe_share) {
  assert(layers > 0.0 && hidden > 0.0 && experts > 0.0 && moe_share >= 0.0 && moe_share <= 1.0);
  const double h2 = hidden * hidden;
  return (1.0 - moe_share) * 12.0 * layers * h2 +
         moe_share * layers * (4.0 * h2 + 8.0 * h2 * experts);
}

}  // namespace pretrain::models
