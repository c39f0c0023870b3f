#pragma once

#include "models/architecture.hpp"

namespace pretrain::models {

/// Parameters of one block by component. Biases are counted with their matrix.
struct BlockParameters {
  double attention = 0;       ///< projections; with cross-attention in a decoder that has it
  double state_space = 0;     ///< the mixer of a hybrid's other blocks
  double ffn = 0;             ///< dense feed-forward
  double routed_experts = 0;  ///< all of them
  double expert_latent = 0;   ///< projections to the width in which they work, and back
  double shared_experts = 0;  ///< met by every token
  double router = 0;
  double norms = 0;

  double total() const {
    return attention + state_space + ffn + routed_experts + expert_latent + shared_experts +
           router + norms;
  }
};

/// Parameters of a model by component.
struct Parameters {
  double embedding = 0;  ///< of tokens, or of the patches of an image
  double positions = 0;  ///< learned positions and segments
  double attention = 0;
  double state_space = 0;  ///< mixers of a hybrid's blocks without attention
  double ffn = 0;
  double routed_experts = 0;
  double expert_latent = 0;  ///< projections to the width in which experts work, and back
  double shared_experts = 0;
  double router = 0;
  double norms = 0;
  double head = 0;      ///< output matrix where it is not the embedding; classifier; pooler
  double inactive = 0;  ///< those that a token does not meet

  double total() const {
    return embedding + positions + attention + state_space + ffn + routed_experts + expert_latent +
           shared_experts + router + norms + head;
  }
  /// What one token meets: of the routed experts the chosen ones.
  double active() const { return total() - inactive; }
};

/// Exact number of parameters.
///
/// @eq      params.exact   params.active
/// @source  vaswani-2017, shazeer-2020, ainslie-2023, deepseek-v2-2024
///          per block: attention h (n_q d) + h n_kv (d + d_v) + (n_q d_v) h, feed-forward
///          n_m h f, experts h E + E n_m h f_e; embedding V h, twice where it is not tied; hybrids:
///          params.state_space in place of attention; latent experts work on a width h_l instead of
///          h between two projections of h h_l
/// @returns counts; modules for multi-token prediction are not in them
Parameters parameters(const Architecture& architecture);

/// One block; `cross`: of a decoder that attends to an encoder.
///
/// @eq      params.block
/// @derived the summands of params.exact
BlockParameters block_parameters(const Architecture& architecture, const BlockKind& kind,
                                 bool cross);
/// One with attention; `experts`: with routed experts.
BlockParameters block_parameters(const Architecture& architecture, bool experts, bool cross);

/// One module for multi-token prediction: a block, a projection of two hidden states to one, and
/// three norms. The embedding and the head are shared with the model.
///
/// @eq      params.mtp
/// @source  deepseek-v3-2024, Sec. 2.2
double mtp_parameters(const Architecture& architecture);

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
