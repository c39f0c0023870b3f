#pragma once

#include "models/architecture.hpp"

// Architectures that several tests build by hand, apart from the catalogue.

namespace pretrain::models {

/// Feed-forward layer four times as wide, full attention, the head is the embedding.
inline Architecture gpt(double layers, double hidden, double heads, double vocab) {
  Architecture a;
  a.layers = layers;
  a.hidden = hidden;
  a.heads = a.kv_heads = heads;
  a.head_dim = a.v_head_dim = hidden / heads;
  a.ffn_hidden = 4 * hidden;
  a.vocab = vocab;
  a.tied = true;
  return a;
}

inline Architecture mixtral_8x7b() {
  Architecture a;
  a.type = ModelType::moe;
  a.layers = a.moe_layers = 32;
  a.hidden = 4096;
  a.heads = 32;
  a.kv_heads = 8;
  a.head_dim = a.v_head_dim = 128;
  a.gated = true;
  a.experts = 8;
  a.experts_per_token = 2;
  a.expert_ffn_hidden = 14336;
  a.vocab = 32000;
  return a;
}

inline Architecture deepseek_v3(double layers = 61, double dense_layers = 3) {
  Architecture a;
  a.type = ModelType::moe;
  a.layers = layers;
  a.moe_layers = layers - dense_layers;
  a.hidden = 7168;
  a.heads = a.kv_heads = 128;
  a.head_dim = a.v_head_dim = 128;
  a.rope_head_dim = 64;
  a.q_lora_rank = 1536;
  a.kv_lora_rank = 512;
  a.ffn_hidden = 18432;
  a.gated = true;
  a.experts = 256;
  a.experts_per_token = 8;
  a.expert_ffn_hidden = 2048;
  a.shared_ffn_hidden = 2048;
  a.vocab = 129280;
  return a;
}

/// 52 blocks, each of one part: 23 of Mamba-2, 6 of attention, 23 of experts.
inline Architecture nemotron_3_nano() {
  Architecture a;
  a.type = ModelType::moe;
  a.layers = 52;
  a.ssm_layers = 23;
  a.moe_layers = a.ffn_only_layers = 23;
  a.mixer_only_layers = 29;
  a.hidden = 2688;
  a.heads = 32;
  a.kv_heads = 2;
  a.head_dim = a.v_head_dim = 128;
  a.experts = 128;
  a.experts_per_token = 6;
  a.expert_ffn_hidden = 1856;
  a.shared_ffn_hidden = 3712;
  a.state_space = StateSpace::mamba2;
  a.ssm_inner = 4096;
  a.ssm_heads = 64;
  a.ssm_state = 128;
  a.ssm_groups = 8;
  a.ssm_conv = 4;
  a.vocab = 131072;
  a.details.router_bias = true;
  return a;
}

}  // namespace pretrain::models
