#include "models/parameters.hpp"

#include "models/state_space.hpp"

namespace pretrain::models {

namespace {

/// Parameters of one norm over `width`.
double norm_of(Norm norm, double width) {
  switch (norm) {
    case Norm::none:
      return 0;
    case Norm::rms:
      return width;
    case Norm::layer:
      return 2 * width;
  }
  return 0;
}

double latent_attention(const Architecture& a) {
  const double queries = a.query_width();
  const double query = a.q_lora_rank > 0
                           ? a.hidden * a.q_lora_rank + a.q_lora_rank + a.q_lora_rank * queries
                           : a.hidden * queries;
  const double compressed = a.hidden * (a.kv_lora_rank + a.rope_head_dim) + a.kv_lora_rank;
  const double expanded = a.kv_lora_rank * a.heads * (a.head_dim + a.v_head_dim);
  return query + compressed + expanded + a.value_width() * a.hidden;
}

double attention(const Architecture& a) {
  const auto& d = a.details;
  double count = 0;
  if (a.latent()) {
    count = latent_attention(a);
  } else {
    const double queries = a.query_width();
    const double keys_values = a.kv_heads * (a.head_dim + a.v_head_dim);
    count = a.hidden * (queries + keys_values) + a.value_width() * a.hidden;
    if (d.qkv_bias) count += queries + keys_values;
    if (d.positions == Positions::transformer_xl) count += a.hidden * queries;
  }
  if (d.attention_bias) count += a.hidden;
  if (d.qk_norm == QkNorm::head) count += 2 * norm_of(d.norm, a.head_dim);
  if (d.qk_norm == QkNorm::width) {
    count += norm_of(d.norm, a.heads * a.head_dim) + norm_of(d.norm, a.kv_heads * a.head_dim);
  }
  if (d.attention_sinks) count += a.heads;
  if (d.attention_gate) count += a.hidden * a.value_width();
  return count;
}

/// A feed-forward layer of width `ffn` between vectors of `width`.
double feed_forward(const Architecture& a, double width, double ffn, bool bias) {
  const double matrices = a.ffn_matrices() * width * ffn;
  return bias ? matrices + (a.ffn_matrices() - 1) * ffn + width : matrices;
}

double pooled_head(const Architecture& a) {
  double count = a.details.pooler ? a.hidden * a.hidden + a.hidden : 0;
  if (a.classes > 0) count += a.classes * a.hidden + a.classes;
  return count;
}

}  // namespace

BlockParameters block_parameters(const Architecture& a, const BlockKind& kind, bool cross) {
  const auto& d = a.details;
  BlockParameters block;
  const double sublayers = cross ? 2 : 1;
  if (kind.mixer == Mixer::attention) block.attention = sublayers * attention(a);
  if (kind.mixer == Mixer::state_space) block.state_space = state_space_parameters(a);
  // A block of one part has the norms of that part.
  const bool whole = kind.mixer != Mixer::none && kind.ffn != FeedForward::none;
  const double norms = whole ? d.norms_per_layer : d.norms_per_layer / 2;
  block.norms = (norms + (cross ? 1 : 0)) * norm_of(d.norm, a.hidden);
  if (kind.ffn == FeedForward::dense) {
    block.ffn = feed_forward(a, a.hidden, a.ffn_hidden, d.ffn_bias);
  }
  if (kind.ffn != FeedForward::experts) return block;
  block.router = a.hidden * a.experts + (d.router_bias ? a.experts : 0);
  block.routed_experts =
      a.experts * feed_forward(a, a.expert_width(), a.expert_ffn_hidden, d.expert_bias);
  block.expert_latent = 2 * a.hidden * a.expert_latent;
  if (a.shared_ffn_hidden > 0) {
    block.shared_experts = feed_forward(a, a.hidden, a.shared_ffn_hidden, d.expert_bias) +
                           (d.shared_expert_gate ? a.hidden : 0);
  }
  return block;
}

BlockParameters block_parameters(const Architecture& a, bool experts, bool cross) {
  return block_parameters(
      a, {Mixer::attention, experts ? FeedForward::experts : FeedForward::dense, 1}, cross);
}

Parameters parameters(const Architecture& a) {
  const auto& d = a.details;
  Parameters p;
  const auto add = [&](const BlockParameters& block, double times) {
    p.attention += times * block.attention;
    p.state_space += times * block.state_space;
    p.ffn += times * block.ffn;
    p.routed_experts += times * block.routed_experts;
    p.expert_latent += times * block.expert_latent;
    p.shared_experts += times * block.shared_experts;
    p.router += times * block.router;
    p.norms += times * block.norms;
  };
  const double stacks = a.decoder_layers > 0 ? 2 : 1;
  // Experts are spread evenly over the two stacks.
  const double cross_share = a.decoder_layers / a.layers;
  for (const auto& kind : block_kinds(a)) {
    add(block_parameters(a, kind, false), kind.count * (1 - cross_share));
    if (cross_share > 0) add(block_parameters(a, kind, true), kind.count * cross_share);
  }
  const bool generates = a.causal() || a.type == ModelType::encoder_decoder;
  const double width = a.embedding_width > 0 ? a.embedding_width : a.hidden;
  // Encoders with a narrow embedding widen it after its norm, language models before positions.
  const double early = generates ? a.hidden : width;
  p.norms += d.final_norms * stacks * norm_of(d.norm, a.hidden) +
             d.embedding_norms * norm_of(d.norm, early);

  if (a.type == ModelType::vision) {
    p.embedding = a.patch_values * a.hidden + a.hidden;
  } else {
    p.embedding = a.vocab * width;
    // Into the blocks; a language model's goes out again, an encoder's has a bias.
    if (width != a.hidden) {
      p.embedding += generates ? 2 * width * a.hidden : width * a.hidden + a.hidden;
    }
  }
  if (d.positions == Positions::learned) p.positions = d.position_count * early;
  if (d.positions == Positions::bias) p.positions = stacks * d.position_count * a.heads;
  if (d.positions == Positions::transformer_xl) p.positions = 2 * a.layers * a.query_width();
  p.positions += d.token_types * early;
  if (a.type == ModelType::vision && d.positions == Positions::learned) {
    p.positions += a.hidden;  // the class token
  }
  p.head = pooled_head(a);
  if (generates && !a.tied) p.head += a.vocab * width;
  if (generates && d.head_bias) p.head += a.vocab;

  if (a.experts > 0) p.inactive = p.routed_experts * (1 - a.experts_per_token / a.experts);
  if (d.lookup_inactive && !a.tied) p.inactive += p.embedding;
  return p;
}

double mtp_parameters(const Architecture& a) {
  constexpr double kNorms = 3;  // of the embedding, of the hidden state, before the shared head
  const auto block = block_parameters(a, a.moe_layers > 0, false);
  return block.total() + 2 * a.hidden * a.hidden + kNorms * norm_of(a.details.norm, a.hidden);
}

double llmcarbon_dense_params(double layers, double hidden, double vocab) {
  return 12.0 * layers * hidden * hidden + vocab * hidden;
}

double llmcarbon_moe_params(double layers, double hidden, double experts, double moe_share) {
  const double square = layers * hidden * hidden;
  return (1.0 - moe_share) * 12.0 * square + moe_share * (4.0 * square + 8.0 * square * experts);
}

}  // namespace pretrain::models
