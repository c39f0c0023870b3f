#pragma once

#include <cstdint>
#include <string_view>

#include "models/architecture.hpp"
#include "models/core/units.hpp"
#include "models/recipe.hpp"

namespace pretrain::models {

/// What published FLOP rates count. They differ by 4 to 70%: never compare across them.
enum class FlopConvention : std::uint8_t {
  six_nd,        ///< 6 per parameter that a token meets, nothing for attention scores
  model_causal,  ///< matrix products, attention over what the mask leaves
  model_full,    ///< matrix products, attention as if nothing was masked
  hardware,      ///< model_full with the recomputed forward pass counted again
};

/// The word of the run table: 6nd, model_causal_attention, ...
std::string_view name_of(FlopConvention convention);

/// Which part of the backward pass is needed.
enum class Phase : std::uint8_t {
  pretrain,  ///< all weights are trained; fine-tuning of all weights is the same work
  frozen,    ///< LoRA and frozen parts: most weights have no gradient
  distill,   ///< all weights are trained; a teacher runs forward beside
};

/// Forward FLOPs of one token by component, a multiplication and an addition each. Averages over
/// the positions of a sequence.
struct TokenWork {
  double projections = 0;       ///< of queries, keys, values and output; of state-space mixers
  double attention_full = 0;    ///< scores and weighted sum, nothing masked
  double attention_causal = 0;  ///< the same, only what the mask leaves
  double state_space = 0;       ///< convolution and scan of state-space mixers
  double ffn = 0;
  double routed_experts = 0;  ///< those that a token meets
  double expert_latent = 0;   ///< to the width in which they work, and back
  double shared_experts = 0;
  double router = 0;
  double embedding = 0;  ///< of patches, or widening a narrow embedding; a look-up is no work
  double logits = 0;
  double mtp = 0;  ///< modules for multi-token prediction, their logits included

  /// Matrix products with weights of the blocks.
  double blocks() const {
    return projections + ffn + routed_experts + expert_latent + shared_experts + router;
  }
  /// Everything but the attention core and the scan.
  double linear() const { return blocks() + embedding + logits + mtp; }
};

/// Forward work of one token.
///
/// @eq      flops.linear   flops.attention.full   flops.attention.causal
/// @source  narayanan-2021, Appendix; chowdhery-2022, Appendix B
///          2 per weight of a matrix product, head in, embedding out; scores and weighted sum
///          2 l c n_q (d + d_v) over a context of c tokens: s in full, s / 2 under a causal mask; a
///          window w below s leaves w (1 - w / 2s), chunks of w leave w / 2. Of a hybrid only the
///          blocks with softmax attention have scores, the others flops.state_space
/// @assumes as published counts do (hoffmann-2022, Appendix F): no scores of relative positions
/// @domain  seq_len > 0. Of an encoder-decoder each token runs through one of the stacks: the mean
///          of both is taken, with as many tokens in each
TokenWork token_work(const Architecture& architecture, double seq_len);

/// Softmax attentions that a token runs through: of an encoder-decoder those of one stack, with
/// cross-attention; of a hybrid the blocks that have it; with those of modules for multi-token
/// prediction.
double attention_layers(const Architecture& architecture);

/// What a phase changes.
struct TrainingMode {
  Phase phase = Phase::pretrain;
  Recompute recompute = Recompute::none;
  double trainable_params = 0;  ///< frozen: weights with a gradient that a token meets
  double teacher_params = 0;    ///< distill: parameters of the teacher that a token meets
};

/// Training FLOPs of one token, forward and backward.
///
/// @eq      flops.token   flops.token.frozen   flops.token.distill   flops.token.hardware
/// @eq      flops.mixers
/// @source  narayanan-2021, Appendix; korthikanti-2022, Appendix A; hu-2021
///          forward once, backward twice of it; weights without gradient once (about 4 N instead
///          of 6 N); hardware FLOPs count the recomputed part of the forward pass again; a teacher
///          adds 2 N_t
/// @domain  convention is not six_nd
double training_flop_per_token(const TokenWork& work, FlopConvention convention,
                               const TrainingMode& mode);

/// The same without an architecture.
///
/// @eq      flops.6nd   flops.6nd.frozen   flops.6nd.distill
/// @source  kaplan-2020, Sec. 2.1   6 N per token; 4 N with frozen weights, 2 N_t for a teacher
double training_flop_per_token(double active_params, const TrainingMode& mode);

/// Compute of the whole training run.
///
/// @eq      flops.training
/// @derived flops.token times the tokens
Flop training_compute(double flop_per_token, double tokens);

/// Tokens that a given compute trains on.
///
/// @eq      tokens.reached
/// @derived flops.training solved for D
/// @domain  flop_per_token > 0
double tokens_reached(Flop compute, double flop_per_token);

}  // namespace pretrain::models
