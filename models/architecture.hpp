#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pretrain::models {

/// What is trained, and so which formula counts it.
enum class ModelType : std::uint8_t {
  dense,            ///< decoder
  moe,              ///< decoder with routed experts
  encoder,          ///< no causal mask
  encoder_decoder,  ///< the decoder's blocks also attend to the encoder
  vision,           ///< encoder over the patches of an image
};

/// Parameters of a norm of width w: none 0, rms and layer without bias w, layer 2 w.
enum class Norm : std::uint8_t { none, rms, layer };

/// A norm on queries and keys: of one head, shared by all; or over the whole width.
enum class QkNorm : std::uint8_t { none, head, width };

/// What positions add: nothing (rotary, ALiBi, sinusoidal), a learned vector each, a learned bias
/// per bucket and head (T5), or a projection of relative positions (Transformer-XL).
enum class Positions : std::uint8_t { none, learned, bias, transformer_xl };

/// What mixes tokens where it is not softmax attention: a state that each token changes and reads.
enum class StateSpace : std::uint8_t {
  none,
  mamba1,                ///< selective scan, a state for each channel (Jamba)
  mamba2,                ///< structured state-space duality: matrix products over chunks
  gated_delta_net,       ///< linear attention, delta rule, one decay for a head (Qwen3-Next)
  kimi_delta_attention,  ///< the same with a decay for each channel of the keys (Kimi Linear)
};

/// The small parts: of the count less than a percent, of the work nothing. Set by the family.
struct Details {
  Norm norm = Norm::rms;
  /// Of width hidden; those of cross-attention come on top. A block of one part has half of them.
  double norms_per_layer = 2;
  double final_norms = 1;  ///< after a stack (each of both in an encoder-decoder)
  double embedding_norms = 0;
  QkNorm qk_norm = QkNorm::none;
  bool qkv_bias = false;
  bool attention_bias = false;  ///< of the output projection
  bool ffn_bias = false;
  bool router_bias = false;
  bool expert_bias = false;
  bool head_bias = false;
  bool shared_expert_gate = false;  ///< a vector that weighs the shared expert
  bool attention_sinks = false;     ///< one number per head
  bool attention_gate = false;      ///< a projection as wide as the output weighs it
  bool mtp_shared = false;          ///< modules for multi-token prediction are one, run again
  bool chunked_window = false;      ///< attention within chunks, not the last tokens
  Positions positions = Positions::none;
  double position_count = 0;  ///< learned: positions; bias: buckets
  double token_types = 0;     ///< segment embeddings
  bool pooler = false;        ///< hidden x hidden over the first token
  /// The publisher's active count leaves out the input embedding, of which a token meets one row.
  bool lookup_inactive = false;
};

/// A complete description of a transformer: every dimension that its parameters, its work and its
/// memory need. Counts and widths; what does not apply is 0. Valid when made by complete().
struct Architecture {
  ModelType type = ModelType::dense;
  double layers = 0;      ///< blocks; both stacks of an encoder-decoder
  double ssm_layers = 0;  ///< blocks with a state-space mixer instead of softmax attention
  /// Blocks with one part only. Most stacks have none; Nemotron-H has no others.
  double mixer_only_layers = 0;
  double ffn_only_layers = 0;
  double decoder_layers = 0;  ///< encoder-decoder: those with cross-attention
  double hidden = 0;

  double heads = 0;
  double kv_heads = 0;
  double head_dim = 0;       ///< of queries and keys; latent attention: their part without rotation
  double v_head_dim = 0;     ///< of values
  double rope_head_dim = 0;  ///< latent attention: the rotated part, one for all key heads
  double q_lora_rank = 0;    ///< latent attention: 0 is no compression of queries
  double kv_lora_rank = 0;   ///< above 0: latent attention (MLA)
  double window = 0;         ///< tokens; 0: none
  double window_share = 0;   ///< share of the layers that have it

  double ffn_hidden = 0;  ///< of a dense block
  bool gated = false;     ///< three matrices instead of two
  double moe_layers = 0;  ///< blocks with experts instead
  double experts = 0;
  double experts_per_token = 0;
  double expert_ffn_hidden = 0;
  double shared_ffn_hidden = 0;  ///< width of what every token meets beside its experts
  double expert_latent = 0;      ///< width in which routed experts work (latent MoE); 0: hidden

  StateSpace state_space = StateSpace::none;
  double ssm_inner = 0;   ///< width of the mixer: values of all heads (Mamba: d_inner)
  double ssm_heads = 0;   ///< Mamba-1: 0
  double ssm_state = 0;   ///< of a channel: N of Mamba, width of a key of linear attention
  double ssm_groups = 0;  ///< sets of B and C of Mamba, key heads of linear attention
  double ssm_conv = 0;    ///< taps of the convolution before the scan

  double vocab = 0;
  bool tied = false;
  double embedding_width = 0;  ///< 0: hidden; else a projection leads from it to hidden
  double mtp_layers = 0;       ///< modules for multi-token prediction: no part of the model's total
  double patch_values = 0;     ///< vision: numbers of one patch
  double classes = 0;          ///< vision: of the classifier, 0: none
  Details details;

  bool latent() const { return kv_lora_rank > 0; }
  bool causal() const { return type == ModelType::dense || type == ModelType::moe; }
  /// Modules for multi-token prediction that have weights of their own.
  double mtp_modules() const { return details.mtp_shared && mtp_layers > 1 ? 1 : mtp_layers; }
  bool hybrid() const { return ssm_layers > 0 || mixer_only_layers > 0 || ffn_only_layers > 0; }
  /// Blocks with softmax attention.
  double attention_blocks() const { return layers - ssm_layers - ffn_only_layers; }
  /// Blocks with a dense feed-forward layer.
  double dense_layers() const { return layers - moe_layers - mixer_only_layers; }
  /// Width of what is sent to routed experts and comes back.
  double expert_width() const { return expert_latent > 0 ? expert_latent : hidden; }
  double ffn_matrices() const { return gated ? 3 : 2; }
  /// Width of the queries and keys of all heads.
  double query_width() const { return heads * (head_dim + rope_head_dim); }
  /// Width of what attention gives back.
  double value_width() const { return heads * v_head_dim; }
};

enum class Mixer : std::uint8_t { none, attention, state_space };
enum class FeedForward : std::uint8_t { none, dense, experts };

/// Blocks that are built alike.
struct BlockKind {
  Mixer mixer = Mixer::attention;
  FeedForward ffn = FeedForward::dense;
  double count = 0;
};

/// The blocks of a stack by kind, those with dense layers first. Which mixer stands before which
/// feed-forward layer is not known of every hybrid: sums over the blocks do not depend on it.
class BlockKinds {
 public:
  static constexpr std::size_t kMost = 6;
  const BlockKind* begin() const { return kinds_.data(); }
  const BlockKind* end() const { return kinds_.data() + size_; }
  std::size_t size() const { return size_; }
  const BlockKind& operator[](std::size_t i) const { return kinds_[i]; }
  void add(const BlockKind& kind) { kinds_[size_++] = kind; }

 private:
  std::array<BlockKind, kMost> kinds_{};
  std::size_t size_ = 0;
};

BlockKinds block_kinds(const Architecture& architecture);

/// The word of the run table.
std::string_view name_of(ModelType type);
/// For people.
std::string_view name_of(StateSpace mixer);

}  // namespace pretrain::models
