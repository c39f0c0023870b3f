#include "models/architecture_spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "models/core/whole.hpp"
#include "models/parameters.hpp"

namespace pretrain::models {

namespace {

/// Beyond any model that could be trained: a slip.
constexpr double kMostParams = 1e17;

// Usual values where nothing is said, of published decoders.
constexpr double kUsualHeadDim = 128;
constexpr double kUsualKvHeads = 8;
constexpr double kUsualFfnOverHidden = 4;
constexpr double kUsualVocab = 50304;   // the GPT-2 vocabulary, padded
constexpr double kUsualContext = 2048;  // learned positions of the GPT-3 generation
constexpr double kUsualPatch = 16;
constexpr double kUsualImage = 224;
constexpr double kUsualChannels = 3;
constexpr double kUsualConv = 4;  // taps, of Mamba and of all hybrids since

ModelType type_of(std::string_view word) {
  if (word == "moe") return ModelType::moe;
  if (word == "encoder") return ModelType::encoder;
  if (word == "encoder_decoder") return ModelType::encoder_decoder;
  if (word == "vision") return ModelType::vision;
  return ModelType::dense;
}

bool described(std::string_view word) {
  return word == "dense" || word == "moe" || word == "encoder" || word == "encoder_decoder" ||
         word == "vision";
}

/// Heads of the first usual width that divides the hidden one.
double usual_heads(double hidden) {
  for (const double width : {kUsualHeadDim, 64.0, 80.0, 96.0, 100.0, 112.0, 160.0, 32.0}) {
    if (hidden >= width && divides(width, hidden)) return hidden / width;
  }
  return 1;
}

/// Fills the blanks of one specification.
class Completer {
 public:
  Completer(const ArchitectureSpec& spec, StatedParams stated, Completion& out)
      : spec_{spec}, stated_{stated}, out_{out}, a_{out.architecture} {}

  void run() {
    std::string_view type = spec_.type;
    if (type.empty()) type = value(Field::experts).value_or(0) > 1 ? "moe" : "dense";
    if (!described(type)) {
      beyond(fmt::format("type '{}' has no count of parameters and work here", type));
      return;
    }
    a_.type = type_of(type);
    if (spec_.hybrid || unknown_blocks()) {
      beyond("a hybrid of attention and other layers: its dimensions do not give its count");
      return;
    }
    if (!spec_.plain) {
      beyond("its blocks are not those of a plain transformer");
      return;
    }
    check_routing();
    if (out_.state == Completion::State::wrong) return;
    a_.details = spec_.details;
    if (!spec_.has_details) a_.details = usual_details();
    stack();
    if (out_.state == Completion::State::wrong) return;
    experts();
    if (out_.state == Completion::State::wrong) return;
    state_space();
    if (out_.state == Completion::State::wrong) return;
    embedding();
    if (out_.state == Completion::State::wrong) return;
    if (out_.missing.any()) {
      out_.state = Completion::State::missing;
      return;
    }
    attention();
    feed_forward();
    if (out_.state == Completion::State::wrong) return;
    choose_open_flags();
    const double count = parameters(a_).total();
    if (!(std::isfinite(count) && count >= 1 && count <= kMostParams)) {
      wrong(Field::hidden, fmt::format("these dimensions make {:.3g} parameters", count),
            "no model has so many or so few: is one of the dimensions in another unit?");
      return;
    }
    out_.state = out_.assumed.any() ? Completion::State::assumed : Completion::State::whole;
  }

 private:
  std::optional<double> value(Field field) const {
    const auto& cell = spec_[field];
    return cell ? std::optional{*cell} : std::nullopt;
  }
  double required(Field field) {
    const auto& cell = spec_[field];
    if (!cell) out_.missing.set(static_cast<std::size_t>(field));
    return *cell;
  }
  double usual(Field field, double fallback) {
    const auto& cell = spec_[field];
    if (cell) return *cell;
    out_.assumed.set(static_cast<std::size_t>(field));
    return fallback;
  }
  /// A blank that most models of its time leave at this value: taken, unless a stated count shows
  /// otherwise.
  void guessed(Field field) {
    // The configurations of a known family leave out what has its usual value.
    if (!spec_[field] && spec_.family == nullptr) {
      out_.guessed.set(static_cast<std::size_t>(field));
    }
  }
  void wrong(Field field, std::string what, std::string help) {
    if (out_.state == Completion::State::wrong) return;
    out_.state = Completion::State::wrong;
    out_.field = field;
    out_.what = std::move(what);
    out_.help = std::move(help);
  }
  void beyond(std::string what) {
    out_.state = Completion::State::beyond;
    out_.what = std::move(what);
  }

  /// Whether blocks without attention are there of which nothing is said, or not what they are.
  bool unknown_blocks() const {
    const bool named = spec_.family != nullptr && spec_.family->state_space != StateSpace::none;
    if (value(Field::ssm_layers).value_or(0) > 0) return !named;
    const auto attending = value(Field::attention_layers);
    return attending && *attending > 0 && *attending != value(Field::layers).value_or(*attending);
  }

  Details usual_details() const {
    Details details;
    if (a_.type == ModelType::encoder || a_.type == ModelType::vision) {
      details.norm = Norm::layer;
      details.qkv_bias = details.attention_bias = details.ffn_bias = true;
      details.positions = Positions::learned;
    }
    return details;
  }

  void stack() {
    a_.layers = required(Field::layers);
    a_.hidden = required(Field::hidden);
    a_.mtp_layers = value(Field::mtp_layers).value_or(0);
    const auto decoder = value(Field::decoder_layers);
    if (a_.type == ModelType::encoder_decoder) {
      a_.decoder_layers = decoder.value_or(std::floor(a_.layers / 2));
    } else if (decoder && *decoder > 0 && a_.type == ModelType::moe) {
      a_.type = ModelType::encoder_decoder;
      a_.decoder_layers = *decoder;
    }
    if (decoder && *decoder > 0 && a_.decoder_layers == 0) {
      wrong(Field::decoder_layers, fmt::format("{:g} decoder layers, but one stack", *decoder),
            "give type encoder_decoder, or leave decoder_layers blank");
    }
    if (a_.decoder_layers > a_.layers) {
      wrong(Field::decoder_layers,
            fmt::format("{:g} decoder layers of {:g} in all", a_.decoder_layers, a_.layers),
            "layers counts both stacks");
    }
  }

  void experts() {
    const bool routed = spec_.type == "moe" || value(Field::experts).value_or(0) > 1;
    if (!routed) return;
    if (a_.type == ModelType::dense) {
      wrong(Field::experts, fmt::format("{:g} experts in a dense model", *spec_[Field::experts]),
            "give type moe, or leave experts blank");
      return;
    }
    a_.experts = required(Field::experts);
    a_.experts_per_token = required(Field::experts_per_token);
    if (const auto stated = value(Field::moe_layers)) {
      a_.moe_layers = *stated;
    } else {
      count_layers_with_experts();
      if (out_.state == Completion::State::wrong) return;
    }
    a_.expert_latent = value(Field::expert_latent).value_or(0);
    a_.expert_ffn_hidden =
        value(Field::expert_ffn_hidden).value_or(value(Field::ffn_hidden).value_or(0));
    if (a_.expert_ffn_hidden == 0) {
      out_.missing.set(static_cast<std::size_t>(Field::expert_ffn_hidden));
    }
    a_.shared_ffn_hidden =
        value(Field::shared_ffn_hidden)
            .value_or(value(Field::shared_experts).value_or(0) * a_.expert_ffn_hidden);
    if (!spec_[Field::moe_layers]) {
      guessed(Field::leading_dense_layers);
      guessed(Field::moe_layer_period);
    }
    if (!spec_[Field::shared_ffn_hidden]) guessed(Field::shared_experts);
  }

  void count_layers_with_experts() {
    const double leading = value(Field::leading_dense_layers).value_or(0);
    if (leading > a_.layers) {
      wrong(Field::leading_dense_layers,
            fmt::format("{:g} leading dense layers of {:g} in all", leading, a_.layers),
            "leading_dense_layers counts the first layers without experts");
      return;
    }
    const double period = value(Field::moe_layer_period).value_or(1);
    a_.moe_layers = std::floor((a_.layers - leading) / period);
    if (a_.layers > leading && a_.moe_layers < 1) {
      wrong(Field::moe_layer_period,
            fmt::format("experts in every {:g}th of {:g} layers: none has any", period,
                        a_.layers - leading),
            "moe_layer_period 2 means experts in every second layer");
    }
  }

  /// Which blocks have which parts, and the mixer of those without attention.
  void state_space() {
    if (!spec_[Field::layers]) return;
    const double layers = a_.layers;
    a_.ssm_layers = value(Field::ssm_layers).value_or(0);
    const auto stated = value(Field::attention_layers);
    const bool counts = stated && (*stated > 0 || a_.ssm_layers > 0);
    const double attending = counts ? *stated : layers - a_.ssm_layers;
    const double feeding =
        a_.moe_layers + value(Field::ffn_layers).value_or(layers - a_.moe_layers);
    const double mixing = attending + a_.ssm_layers;
    if (attending < 0 || mixing > layers) {
      wrong(Field::layers,
            fmt::format("{:g} layers with attention and {:g} with a state of {:g} in all",
                        std::max(0.0, attending), a_.ssm_layers, layers),
            "a block has one mixer: attention_layers and ssm_layers are at most layers");
      return;
    }
    if (a_.moe_layers > layers || feeding > layers) {
      wrong(
          spec_[Field::ffn_layers] ? Field::ffn_layers : Field::moe_layers,
          fmt::format("{:g} layers with experts and {:g} with a dense feed-forward of {:g} in all",
                      a_.moe_layers, std::max(0.0, feeding - a_.moe_layers), layers),
          "a block has one of them: moe_layers and ffn_layers are at most layers");
      return;
    }
    if (mixing + feeding < layers) {
      wrong(Field::layers,
            fmt::format("{:g} layers, but parts of {:g} only", layers, mixing + feeding),
            "each block is counted in attention_layers, ssm_layers, moe_layers or ffn_layers");
      return;
    }
    a_.ffn_only_layers = layers - mixing;
    a_.mixer_only_layers = layers - feeding;
    if (a_.hybrid() && a_.decoder_layers > 0) {
      wrong(Field::ssm_layers, "a hybrid with two stacks",
            "hybrids are decoders: leave decoder_layers blank");
      return;
    }
    if (a_.ssm_layers <= 0) return;
    a_.state_space = spec_.family->state_space;
    a_.ssm_inner = required(Field::ssm_inner);
    a_.ssm_state = required(Field::ssm_state);
    a_.ssm_conv = value(Field::ssm_conv).value_or(kUsualConv);
    if (a_.state_space == StateSpace::mamba1) return;
    a_.ssm_heads = required(Field::ssm_heads);
    a_.ssm_groups = required(Field::ssm_groups);
    if (out_.missing.any()) return;
    if (!divides(a_.ssm_heads, a_.ssm_inner) || !divides(a_.ssm_groups, a_.ssm_heads)) {
      wrong(Field::ssm_heads,
            fmt::format("{:g} heads and {:g} groups of a mixer {:g} wide", a_.ssm_heads,
                        a_.ssm_groups, a_.ssm_inner),
            "ssm_heads divides ssm_inner, and ssm_groups divides ssm_heads");
    }
  }

  void check_routing() {
    const auto& chosen = spec_[Field::experts_per_token];
    const auto& experts = spec_[Field::experts];
    if (chosen && experts && (*chosen > *experts || *chosen < 1)) {
      wrong(Field::experts_per_token,
            fmt::format("{:g} experts per token of {:g} experts", *chosen, *experts),
            "a token meets some of the routed experts of a layer, never more than there are");
    }
  }

  void embedding() {
    if (a_.type == ModelType::vision) {
      const double patch = usual(Field::patch_size, kUsualPatch);
      const double image = usual(Field::image_size, kUsualImage);
      const double across = std::floor(image / patch);
      if (across < 1) {
        wrong(Field::patch_size,
              fmt::format("patches of {:g} pixels in images of {:g}", patch, image),
              "an image holds at least one patch");
        return;
      }
      a_.patch_values = patch * patch * value(Field::channels).value_or(kUsualChannels);
      a_.classes = value(Field::classes).value_or(0);
      if (a_.details.positions == Positions::learned) {
        a_.details.position_count = across * across + 1;  // and the class token
      }
      return;
    }
    a_.vocab = usual(Field::vocab, kUsualVocab);
    const auto width = value(Field::embedding_width);
    if (width && *width != a_.hidden) a_.embedding_width = *width;
    if (a_.details.positions == Positions::learned) {
      const double extra = spec_.family != nullptr ? spec_.family->position_extra : 0;
      a_.details.position_count = usual(Field::context, kUsualContext) + extra;
    }
  }

  void attention() {
    a_.heads = usual(Field::heads, usual_heads(a_.hidden));
    a_.kv_lora_rank = value(Field::kv_lora_rank).value_or(0);
    a_.q_lora_rank = value(Field::q_lora_rank).value_or(0);
    a_.rope_head_dim = a_.latent() ? value(Field::qk_rope_head_dim).value_or(0) : 0;
    a_.kv_heads = a_.latent() ? a_.heads : value(Field::kv_heads).value_or(a_.heads);
    if (!a_.latent()) guessed(Field::kv_heads);
    if (a_.latent()) guessed(Field::qk_rope_head_dim);
    guessed(Field::head_dim);
    if (a_.kv_heads > a_.heads || !divides(a_.kv_heads, a_.heads)) {
      wrong(Field::kv_heads,
            fmt::format("{:g} key-value heads do not divide {:g} heads", a_.kv_heads, a_.heads),
            "each key-value head serves the same number of query heads");
      return;
    }
    if (const auto width = value(Field::head_dim)) {
      a_.head_dim = *width;
    } else if (divides(a_.heads, a_.hidden)) {
      a_.head_dim = a_.hidden / a_.heads;
    } else {
      wrong(Field::heads,
            fmt::format("{:g} heads do not divide the hidden width of {:g}", a_.heads, a_.hidden),
            "give head_dim where it is not hidden / heads");
      return;
    }
    a_.v_head_dim = a_.latent() ? value(Field::v_head_dim).value_or(a_.head_dim) : a_.head_dim;
    if (const auto window = value(Field::sliding_window)) {
      a_.window = *window;
      a_.window_share = value(Field::window_layer_share).value_or(1);
    }
  }

  void feed_forward() {
    if (a_.dense_layers() <= 0) return;
    const double ratio = spec_.family != nullptr && spec_.family->ffn_over_hidden
                             ? *spec_.family->ffn_over_hidden
                             : kUsualFfnOverHidden;
    const bool by_family = spec_.family != nullptr && spec_.family->ffn_over_hidden;
    const auto width = value(Field::ffn_hidden);
    if (width) {
      a_.ffn_hidden = *width;
    } else if (by_family) {
      a_.ffn_hidden = ratio * a_.hidden;
    } else if (a_.moe_layers > 0) {
      // As wide as what a token meets in a layer with experts.
      a_.ffn_hidden = usual(Field::ffn_hidden,
                            a_.experts_per_token * a_.expert_ffn_hidden + a_.shared_ffn_hidden);
    } else {
      a_.ffn_hidden = usual(Field::ffn_hidden, ratio * a_.hidden);
    }
  }

  /// Gated or not, tied or not, how many key-value heads: where it is not said, the reading that
  /// meets the stated count.
  void choose_open_flags() {
    const auto flag = [&](Field field, std::optional<bool> of_family) -> std::optional<bool> {
      if (const auto stated = value(field)) return *stated != 0;
      return of_family;
    };
    const Family* family = spec_.family;
    const auto gated =
        flag(Field::gated_ffn, family != nullptr ? family->gated : std::optional<bool>{});
    auto tied =
        flag(Field::tie_embeddings, family != nullptr ? family->tied : std::optional<bool>{});
    if (a_.type == ModelType::encoder || a_.type == ModelType::vision) tied = true;
    // Without a stated count: four times the hidden width means two matrices.
    a_.gated = gated.value_or(a_.moe_layers > 0 || a_.ffn_hidden < kUsualFfnOverHidden * a_.hidden);
    a_.tied = tied.value_or(false);
    const bool kv_known = a_.latent() || static_cast<bool>(spec_[Field::kv_heads]);
    if (gated && tied && (kv_known || !stated_.total)) return;
    if (!stated_.total) {
      if (!gated) out_.assumed.set(static_cast<std::size_t>(Field::gated_ffn));
      if (!tied) out_.assumed.set(static_cast<std::size_t>(Field::tie_embeddings));
      return;
    }
    Architecture best = a_;
    double least = 0;
    bool first = true;
    for (const bool is_gated : {false, true}) {
      for (const bool is_tied : {false, true}) {
        if ((gated && is_gated != *gated) || (tied && is_tied != *tied)) continue;
        for (const double kv_heads : {a_.kv_heads, kUsualKvHeads}) {
          if (kv_heads != a_.kv_heads && (kv_known || !divides(kv_heads, a_.heads))) continue;
          Architecture candidate = a_;
          candidate.gated = is_gated;
          candidate.tied = is_tied;
          candidate.kv_heads = kv_heads;
          const double off = std::abs(std::log(parameters(candidate).total() / *stated_.total));
          if (first || off < least) {
            best = candidate;
            least = off;
            first = false;
          }
        }
      }
    }
    a_ = best;
  }

  const ArchitectureSpec& spec_;
  StatedParams stated_;
  Completion& out_;
  Architecture& a_;
};

}  // namespace

const std::array<FieldInfo, kFields> kFieldInfo{{
#define FIELD(name, low, high) {#name, low, high},
#include "models/architecture_fields.def"
#undef FIELD
}};

void ArchitectureSpec::fill_from(const ArchitectureSpec& other) {
  plain = plain && other.plain;
  hybrid = hybrid || other.hybrid;
  if (type.empty()) {
    type = other.type;
    type_basis = other.type_basis;
  }
  if (family == nullptr) family = other.family;
  if (!has_details && other.has_details) {
    details = other.details;
    has_details = true;
  }
  for (std::size_t i = 0; i < kFields; ++i) {
    if (!cells[i]) cells[i] = other.cells[i];
  }
}

Completion complete(const ArchitectureSpec& spec, StatedParams stated) {
  Completion result;
  Completer{spec, stated, result}.run();
  return result;
}

Architecture usual_shape(double params) {
  constexpr double kAspect = 128;    // hidden / layers of Llama 3 8B, 70B, 405B: 128, 102, 130
  constexpr double kVocab = 128256;  // Llama 3
  constexpr double kPerBlock = 12;   // of h^2
  constexpr double kSmall = 3e9;     // below, the head is the embedding and the vocabulary small
  Architecture a;
  a.tied = params < kSmall;
  a.gated = true;
  a.vocab = a.tied ? kUsualVocab : kVocab;
  const double embeddings = a.tied ? 1 : 2;
  // The hidden width whose usual stack and embedding meet the count, by bisection.
  double low = 64;
  double high = 1e6;
  for (int i = 0; i < 60; ++i) {
    const double h = 0.5 * (low + high);
    const double count = kPerBlock * h * h * std::max(1.0, h / kAspect) + embeddings * a.vocab * h;
    (count < params ? low : high) = h;
  }
  a.head_dim = low < 16 * kUsualHeadDim ? kUsualHeadDim / 2 : kUsualHeadDim;
  // Whole key-value groups, which tensor parallelism divides.
  a.heads = low < kUsualKvHeads * a.head_dim
                ? std::max(1.0, std::round(low / a.head_dim))
                : kUsualKvHeads * std::round(low / (kUsualKvHeads * a.head_dim));
  a.hidden = a.heads * a.head_dim;
  a.v_head_dim = a.head_dim;
  a.kv_heads = divides(kUsualKvHeads, a.heads) ? kUsualKvHeads : a.heads;
  a.layers = std::max(1.0, std::round(a.hidden / kAspect));
  // What is left after attention and embedding is the feed-forward layers'.
  a.ffn_hidden = 0;
  const double rest = params - parameters(a).total();
  a.ffn_hidden = std::max(a.head_dim, std::round(rest / (a.layers * 3 * a.hidden)));
  return a;
}

}  // namespace pretrain::models
