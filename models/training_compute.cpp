#include "models/training_compute.hpp"

#include <algorithm>
#include <cassert>

#include "models/state_space.hpp"

namespace pretrain::models {

namespace {

constexpr double kPerWeight = 2;  // a multiplication and an addition

/// Weights of the projections of one attention.
double projection_weights(const Architecture& a) {
  const double output = (a.details.attention_gate ? 2 : 1) * a.value_width() * a.hidden;
  if (a.latent()) {
    const double query = a.q_lora_rank > 0 ? a.q_lora_rank * (a.hidden + a.query_width())
                                           : a.hidden * a.query_width();
    return query + a.hidden * (a.kv_lora_rank + a.rope_head_dim) +
           a.kv_lora_rank * a.heads * (a.head_dim + a.v_head_dim) + output;
  }
  return a.hidden * (a.query_width() + a.kv_heads * (a.head_dim + a.v_head_dim)) + output;
}

/// Weights of the projections of one state-space mixer.
double state_space_weights(const Architecture& a) {
  double weights = 0;
  for (const auto& projection : state_space_projections(a)) weights += projection.weights();
  return weights;
}

/// Mean context of a token, in tokens; `causal`: only what the mask leaves.
double mean_context(const Architecture& a, double seq_len, bool causal) {
  const double open = causal ? seq_len / 2 : seq_len;
  if (a.window <= 0 || a.window >= seq_len) return open;
  const double sliding =
      a.details.chunked_window ? a.window / 2 : a.window * (1 - a.window / (2 * seq_len));
  const double narrow = causal ? sliding : a.window;
  return a.window_share * narrow + (1 - a.window_share) * open;
}

}  // namespace

std::string_view name_of(FlopConvention convention) {
  switch (convention) {
    case FlopConvention::six_nd:
      return "6nd";
    case FlopConvention::model_causal:
      return "model_causal_attention";
    case FlopConvention::model_full:
      return "model_full_attention";
    case FlopConvention::hardware:
      return "hardware";
  }
  return "6nd";
}

double attention_layers(const Architecture& a) {
  // A token of an encoder-decoder runs through one of two stacks; the decoder attends twice.
  if (a.decoder_layers > 0) return a.layers / 2 + a.decoder_layers / 2;
  return a.attention_blocks() + a.mtp_layers;
}

TokenWork token_work(const Architecture& a, double seq_len) {
  TokenWork work;
  const double weights = projection_weights(a);
  const double scores = kPerWeight * (a.query_width() + a.value_width());
  const double full = scores * mean_context(a, seq_len, false);
  const double causal = scores * mean_context(a, seq_len, true);
  // A token of an encoder-decoder runs through one of the two stacks.
  const double decoder = a.decoder_layers / 2;
  const double encoder = a.decoder_layers > 0 ? (a.layers - a.decoder_layers) / 2 : 0;
  const double share = a.decoder_layers > 0 ? (decoder + encoder) / a.layers : 1;
  const double layers = share * a.attention_blocks();
  const double masked = a.causal() ? layers : decoder;

  // Cross-attention: queries and output of the decoder's token, keys and values of the encoder's.
  work.projections = kPerWeight * weights * (layers + decoder);
  work.attention_full = full * (layers + decoder);
  work.attention_causal = causal * masked + full * (layers - masked + decoder);
  work.ffn = kPerWeight * share * a.dense_layers() * a.ffn_matrices() * a.hidden * a.ffn_hidden;
  if (a.ssm_layers > 0) {
    work.projections += kPerWeight * a.ssm_layers * state_space_weights(a);
    work.state_space = a.ssm_layers * state_space_work(a).total();
  }
  const double expert_layers = kPerWeight * share * a.moe_layers * a.hidden;
  work.routed_experts = kPerWeight * share * a.moe_layers * a.expert_width() * a.ffn_matrices() *
                        a.experts_per_token * a.expert_ffn_hidden;
  work.expert_latent = expert_layers * 2 * a.expert_latent;
  work.shared_experts = expert_layers * a.ffn_matrices() * a.shared_ffn_hidden;
  work.router = expert_layers * a.experts;
  if (a.type == ModelType::vision) {
    work.embedding = kPerWeight * a.patch_values * a.hidden;
    return work;
  }
  // An encoder-decoder has logits on the decoder's side only; masked language models on all.
  const double output = a.type == ModelType::encoder_decoder ? 0.5 : 1;
  const double width = a.embedding_width > 0 ? a.embedding_width : a.hidden;
  const double widening = width != a.hidden ? width * a.hidden : 0;
  work.logits = kPerWeight * output * (a.vocab * width + widening);
  work.embedding = kPerWeight * widening;
  if (a.mtp_layers > 0 && a.layers > 0) {
    const double ffn = a.moe_layers > 0
                           ? a.ffn_matrices() * (a.experts_per_token * a.expert_ffn_hidden *
                                                     a.expert_width() / a.hidden +
                                                 a.shared_ffn_hidden) +
                                 2 * a.expert_latent + a.experts
                           : a.ffn_matrices() * a.ffn_hidden;
    const double module = weights + a.hidden * ffn + 2 * a.hidden * a.hidden + a.vocab * a.hidden;
    work.mtp = a.mtp_layers * kPerWeight * module;
    work.attention_full += a.mtp_layers * full;
    work.attention_causal += a.mtp_layers * causal;
  }
  return work;
}

double training_flop_per_token(const TokenWork& work, FlopConvention convention,
                               const TrainingMode& mode) {
  assert(convention != FlopConvention::six_nd);
  const double core =
      convention == FlopConvention::model_causal ? work.attention_causal : work.attention_full;
  // Scores and scan have no weights: their backward pass is whole whatever is frozen.
  double flop = 3 * (core + work.state_space);
  if (mode.phase == Phase::frozen) {
    // Gradients of weights are at most those of all weights that the token met.
    flop += 2 * work.linear() + std::min(work.linear(), kPerWeight * mode.trainable_params);
  } else {
    flop += 3 * work.linear();
  }
  if (mode.phase == Phase::distill) flop += kPerWeight * mode.teacher_params;
  if (convention == FlopConvention::hardware) {
    if (mode.recompute == Recompute::full) flop += work.blocks() + core + work.state_space;
    if (mode.recompute == Recompute::selective) flop += core;
  }
  return flop;
}

double training_flop_per_token(double active_params, const TrainingMode& mode) {
  switch (mode.phase) {
    case Phase::pretrain:
      return 6 * active_params;
    case Phase::frozen:
      return 4 * active_params + kPerWeight * std::min(active_params, mode.trainable_params);
    case Phase::distill:
      return 6 * active_params + kPerWeight * mode.teacher_params;
  }
  return 6 * active_params;
}

Flop training_compute(double flop_per_token, double tokens) {
  assert(flop_per_token >= 0 && tokens >= 0);
  return flop_per_token * tokens * flop;
}

double tokens_reached(Flop compute, double flop_per_token) {
  assert(flop_per_token > 0);
  return compute.in(flop) / flop_per_token;
}

}  // namespace pretrain::models
