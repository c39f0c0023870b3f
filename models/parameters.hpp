#pragma once

namespace pretrain::models {

/// Parameters of a dense decoder, LLMCarbon's approximation: biases, norms, grouped-query
/// attention and gated feed-forward layers are not in it.
///
/// @eq      params.llmcarbon.dense
/// @source  llmcarbon-2024   P = 12 l h^2 + V h
/// @domain  layers, hidden > 0; vocab >= 0
/// @returns count
double llmcarbon_dense_params(double layers, double hidden, double vocab);

/// Parameters of a mixture-of-experts decoder, LLMCarbon's approximation; `moe_share` is the share
/// rho of layers with experts (1/2 in its code).
///
/// @eq      params.llmcarbon.moe
/// @source  llmcarbon-2024   P = (1 - rho) 12 l h^2 + rho l (4 h^2 + 8 h^2 N_e)
/// @domain  layers, hidden, experts > 0; moe_share in [0, 1]
/// @returns count
double llmcarbon_moe_params(double layers, double hidden, double experts, double moe_share);

}  // namespace pretrain::models
