#include "models/huggingface.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <set>

#include "models/core/text.hpp"
#include "models/core/whole.hpp"

namespace pretrain::models {

namespace {

using Names = std::initializer_list<std::string_view>;

/// The words that configurations use for one dimension; the first that is there counts.
struct Words {
  Field field;
  std::array<std::string_view, 8> keys;
};

constexpr std::array kWords{
    Words{Field::layers, {"num_hidden_layers", "n_layer", "n_layers", "num_layers"}},
    Words{Field::hidden, {"hidden_size", "n_embd", "d_model", "dim", "model_dim"}},
    Words{Field::heads,
          {"num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads"}},
    Words{Field::kv_heads,
          {"num_key_value_heads", "num_kv_heads", "n_head_kv", "n_kv_heads",
           "multi_query_group_num", "attn_config.kv_n_heads"}},
    Words{Field::head_dim, {"head_dim", "d_kv", "attention_head_dim", "kv_channels"}},
    Words{Field::ffn_hidden,
          {"intermediate_size", "ffn_dim", "n_inner", "d_ff", "ffn_hidden_size", "mlp_hidden_size",
           "hidden_dim"}},
    Words{Field::vocab, {"vocab_size", "padded_vocab_size", "n_vocab"}},
    Words{Field::experts,
          {"num_local_experts", "n_routed_experts", "num_experts", "moe_num_experts",
           "ffn_config.moe_num_experts"}},
    Words{Field::experts_per_token,
          {"num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "moe_k",
           "experts_per_token", "ffn_config.moe_top_k"}},
    Words{Field::expert_ffn_hidden,
          {"moe_intermediate_size", "expert_intermediate_size", "ffn_config.ffn_hidden_size"}},
    Words{Field::shared_experts,
          {"n_shared_experts", "num_shared_experts", "moe_num_shared_experts"}},
    Words{Field::shared_ffn_hidden,
          {"shared_expert_intermediate_size", "shared_intermediate_size",
           "moe_shared_expert_intermediate_size"}},
    Words{Field::leading_dense_layers, {"first_k_dense_replace", "moe_layer_start_index"}},
    Words{Field::moe_layer_period,
          {"decoder_sparse_step", "moe_layer_freq", "interleave_moe_layer_step",
           "moe_layer_interval"}},
    Words{Field::q_lora_rank, {"q_lora_rank"}},
    Words{Field::kv_lora_rank, {"kv_lora_rank"}},
    Words{Field::qk_rope_head_dim, {"qk_rope_head_dim"}},
    Words{Field::v_head_dim, {"v_head_dim"}},
    Words{
        Field::mtp_layers,
        {"num_nextn_predict_layers", "num_mtp_modules", "mtp_num_layers", "mtp_num_hidden_layers"}},
    Words{Field::expert_latent, {"moe_latent_size"}},
    Words{Field::ssm_heads,
          {"mamba_num_heads", "mamba_n_heads", "linear_num_value_heads",
           "linear_attn_config.num_heads"}},
    Words{
        Field::ssm_state,
        {"ssm_state_size", "mamba_d_state", "linear_key_head_dim", "linear_attn_config.head_dim"}},
    Words{Field::ssm_groups,
          {"n_groups", "mamba_n_groups", "linear_num_key_heads", "linear_attn_config.num_heads"}},
    Words{Field::ssm_conv,
          {"conv_kernel", "mamba_d_conv", "linear_conv_kernel_dim",
           "linear_attn_config.short_conv_kernel_size"}},
    Words{Field::context,
          {"max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len",
           "seq_length", "n_ctx", "model_max_length"}},
    Words{Field::patch_size, {"patch_size"}},
    Words{Field::image_size, {"image_size"}},
    Words{Field::channels, {"num_channels"}},
    Words{Field::embedding_width, {"word_embed_proj_dim", "embedding_size"}},
};

/// Objects that hold the language model of a model with several towers.
constexpr std::array<std::string_view, 4> kLanguageModels{"text_config", "llm_config",
                                                          "language_config", "thinker_config"};

class Reader {
 public:
  Reader(std::string_view text, std::string file, const FamilyCatalogue& families,
         const Origin* origin)
      : fields_{JsonFields::read(text, std::move(file))}, families_{families}, origin_{origin} {}

  HuggingFaceConfig read() {
    find_language_model();
    find_family();
    dimensions();
    feed_forward();
    details();
    windows();
    layers_with_experts();
    vision();
    blocks();
    find_hybrid();
    refuse_nonsense();
    return std::move(result_);
  }

 private:
  // ---- fields

  const JsonField* find(std::string_view key) const {
    return fields_.find(prefix_ + std::string{key});
  }
  [[noreturn]] void fail(const JsonField& field, std::string what, std::string help) const {
    throw InputError(fields_.locate(field), std::move(what), std::move(help));
  }
  static std::string shown(const JsonField& field) {
    const auto& value = field.value;
    if (const auto* number = std::get_if<double>(&value)) return fmt::format("{:g}", *number);
    if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
    if (const auto* text = std::get_if<std::string>(&value)) {
      return "'" + shortened(*text) + "'";
    }
    return "a list";
  }
  std::optional<double> number_of(const JsonField* field) const {
    if (field == nullptr) return {};
    const auto* number = std::get_if<double>(&field->value);
    if (number == nullptr) {
      fail(*field, fmt::format("'{}' is {}, not a number", field->path, shown(*field)),
           "write a number without quotes");
    }
    return *number;
  }
  /// A number within bounds, which refuse what no model has.
  std::optional<double> number(std::string_view key, double low, double high) const {
    const auto* field = find(key);
    const auto value = number_of(field);
    if (value && !(*value >= low && *value <= high)) {
      fail(*field, fmt::format("'{}' is {:g}", field->path, *value),
           fmt::format("{} lies between {:g} and {:g}", field->path, low, high));
    }
    return value;
  }
  /// The same for a whole number.
  std::optional<double> count(std::string_view key, double low, double high) const {
    const auto value = number(key, low, high);
    if (value && *value != std::floor(*value)) {
      fail(*find(key), fmt::format("'{}' is {:g}, not a whole number", find(key)->path, *value),
           "dimensions are whole numbers");
    }
    return value;
  }
  std::optional<bool> flag(std::string_view key) const {
    const auto* field = find(key);
    if (field == nullptr) return {};
    if (const auto* value = std::get_if<bool>(&field->value)) return *value;
    fail(*field, fmt::format("'{}' is {}, not true or false", field->path, shown(*field)),
         "write true or false without quotes");
  }
  std::string text(std::string_view key) const {
    const auto* field = find(key);
    if (field == nullptr) return {};
    const auto* value = std::get_if<std::string>(&field->value);
    return value != nullptr ? *value : std::string{};
  }
  const JsonField::List* list(std::string_view key) const {
    const auto* field = find(key);
    return field != nullptr ? std::get_if<JsonField::List>(&field->value) : nullptr;
  }
  bool has_any(Names keys) const {
    return std::any_of(keys.begin(), keys.end(),
                       [&](std::string_view key) { return find(key) != nullptr; });
  }

  Known<double>& cell(Field field) { return result_.spec[field]; }
  void set(Field field, double value) { cell(field) = known(value, Basis::given, origin_); }
  bool is(std::string_view family) const {
    return result_.spec.family != nullptr && result_.spec.family->name == family;
  }
  /// Whether the family says what its blocks without attention are.
  bool knows_blocks() const {
    return result_.spec.family != nullptr && result_.spec.family->state_space != StateSpace::none;
  }
  void warn(std::string text) { result_.warnings.push_back(std::move(text)); }

  // ---- steps

  void find_language_model() {
    if (fields_.find("hidden_size") != nullptr || fields_.find("d_model") != nullptr) return;
    for (const auto name : kLanguageModels) {
      if (!fields_.has(name)) continue;
      prefix_ = std::string{name} + ".";
      if (!fields_.has(prefix_ + "hidden_size") && fields_.has(prefix_ + "text_config")) {
        prefix_ += "text_config.";
      }
      warn(fmt::format("only the language model ('{}') is counted, no other tower", name));
      return;
    }
  }

  /// The family by the name of the class, "RobertaForMaskedLM", where it is a known one.
  std::string family_of_class() const {
    const auto* classes = list("architectures");
    if (classes == nullptr || classes->texts.empty()) return {};
    std::string_view name = classes->texts.front();
    for (const std::string_view ending : {"For", "LMHead", "Model"}) {
      const auto at = name.find(ending);
      if (at != std::string_view::npos && at > 0) name = name.substr(0, at);
    }
    return families_.find(name) != nullptr ? std::string{name} : std::string{};
  }

  void find_family() {
    result_.model_type = text("model_type");
    if (result_.model_type.empty() && !prefix_.empty()) {
      const auto* outer = fields_.find("model_type");
      if (outer != nullptr) {
        if (const auto* value = std::get_if<std::string>(&outer->value)) {
          result_.model_type = *value;
        }
      }
    }
    if (result_.model_type.empty()) result_.model_type = family_of_class();
    const auto* family = families_.find(result_.model_type);
    result_.known_family = family != nullptr;
    const bool dimensions = has_any({"num_hidden_layers", "n_layer", "n_layers", "num_layers"}) ||
                            has_any({"hidden_size", "n_embd", "d_model"});
    if (family == nullptr && !dimensions) {
      throw InputError({fields_.file(), 1, 1}, "no model: neither model_type nor dimensions",
                       "give the config.json of a model, with hidden_size and num_hidden_layers");
    }
    auto& spec = result_.spec;
    if (family == nullptr) {
      warn(result_.model_type.empty()
               ? std::string{"no model_type: read as a generic decoder"}
               : fmt::format("unknown model_type '{}': read as a generic decoder (nearest known: "
                             "{})",
                             shortened(result_.model_type),
                             quoted_list(nearest(families_.names(), result_.model_type, 3), "or")));
      return;
    }
    spec.family = family;
    spec.details = family->details;
    spec.has_details = true;
    spec.type = family->type;
    spec.type_basis = Basis::given;
  }

  void dimensions() {
    for (const auto& words : kWords) {
      const bool of_state = words.field == Field::ssm_heads || words.field == Field::ssm_state ||
                            words.field == Field::ssm_groups || words.field == Field::ssm_conv;
      if (of_state && !knows_blocks()) continue;
      for (const auto key : words.keys) {
        if (key.empty()) break;
        const auto* field = find(key);
        if (field == nullptr) continue;
        // Some configurations list a value for each layer, or 'auto'.
        if (std::holds_alternative<JsonField::List>(field->value) &&
            per_layer(words.field, *field)) {
          break;
        }
        take(words.field, *field);
        break;
      }
    }
    if (const auto* family = result_.spec.family; family != nullptr) {
      const auto leave_out = [&](Field field, const std::optional<double>& value) {
        if (!cell(field) && value) cell(field) = known(*value, Basis::catalogue, &family->origin);
      };
      leave_out(Field::heads, family->heads);
      leave_out(Field::kv_heads, family->kv_heads);
      leave_out(Field::head_dim, family->head_dim);
      leave_out(Field::vocab, family->vocab);
    }
    // The part of a head without rotation.
    if (cell(Field::kv_lora_rank)) {
      if (const auto* nope = find("qk_nope_head_dim")) take(Field::head_dim, *nope);
    }
    if (const auto* attention = find("multi_query");
        attention != nullptr && flag("multi_query").value_or(false)) {
      // Falcon's newer blocks have their own number of key-value heads.
      if (!flag("new_decoder_architecture").value_or(false)) set(Field::kv_heads, 1);
    } else if (is("falcon") && !flag("new_decoder_architecture").value_or(false)) {
      cell(Field::kv_heads) = cell(Field::heads);
    }
    if (const auto tied = flag("tie_word_embeddings")) {
      set(Field::tie_embeddings, *tied ? 1 : 0);
    } else if (const auto shared = flag("share_embeddings")) {
      set(Field::tie_embeddings, *shared ? 1 : 0);
    }
  }

  /// A list in place of a number: equal values are one value.
  bool per_layer(Field field, const JsonField& source) {
    const auto& list = std::get<JsonField::List>(source.value);
    const auto& values = list.numbers;
    if (values.empty() || values.size() != list.size) {
      fail(source, fmt::format("'{}' is a list without numbers", source.path),
           "write a number without brackets");
    }
    if (field == Field::moe_layer_period) {
      // One entry per layer, 1 where there are experts.
      return true;
    }
    double sum = 0;
    for (const double value : values) sum += value;
    const double mean = sum / static_cast<double>(values.size());
    if (std::any_of(values.begin(), values.end(), [&](double v) { return v != values.front(); })) {
      // Widths may be averaged; half a head cannot be.
      const bool width = field == Field::ffn_hidden || field == Field::expert_ffn_hidden;
      if (!width && mean != std::floor(mean)) {
        fail(source, fmt::format("'{}' differs from layer to layer", source.path),
             "one number for all layers is needed: describe the model in a YAML file, or give "
             "params_b");
      }
      warn(fmt::format("'{}' differs from layer to layer: the mean {:g} is taken", source.path,
                       mean));
    }
    check(field, source, mean);
    set(field, mean);
    return true;
  }

  void take(Field field, const JsonField& source) {
    const auto value = number_of(&source);
    check(field, source, *value);
    set(field, *value);
  }

  void check(Field field, const JsonField& source, double value) const {
    const auto& info = info_of(field);
    // Zero means none where none is possible.
    const bool optional_count = field == Field::experts || field == Field::experts_per_token ||
                                field == Field::expert_ffn_hidden ||
                                field == Field::sliding_window || field == Field::mtp_layers ||
                                field == Field::moe_layer_period;
    const double low = optional_count ? 0 : info.low;
    if (!(value >= low && value <= info.high)) {
      fail(source, fmt::format("'{}' is {:g}", source.path, value),
           fmt::format("{} lies between {:g} and {:g}", source.path, low, info.high));
    }
    if (value != std::floor(value) && std::holds_alternative<double>(source.value)) {
      fail(source, fmt::format("'{}' is {:g}, not a whole number", source.path, value),
           "dimensions are whole numbers");
    }
  }

  void feed_forward() {
    auto& spec = result_.spec;
    const auto experts = cell(Field::experts);
    if (experts && *experts <= 1) {
      for (const auto field : {Field::experts, Field::experts_per_token, Field::expert_ffn_hidden,
                               Field::shared_experts, Field::shared_ffn_hidden,
                               Field::leading_dense_layers, Field::moe_layer_period}) {
        cell(field) = {};
      }
      if (spec.type == "moe") spec.type = "dense";
    } else if (experts && (spec.type.empty() || spec.type == "dense")) {
      spec.type = "moe";
      spec.type_basis = Basis::given;
    } else if (!experts && spec.type == "moe") {
      spec.type = "dense";
    }
    if (cell(Field::moe_layer_period) && *cell(Field::moe_layer_period) == 0) {
      cell(Field::moe_layer_period) = {};
    }
    if (cell(Field::mtp_layers) && *cell(Field::mtp_layers) == 0) cell(Field::mtp_layers) = {};
    constexpr double kLeastRatio = 0.01;
    constexpr double kMostRatio = 100;
    if (const auto ratio = number("expansion_ratio", kLeastRatio, kMostRatio);
        ratio && cell(Field::hidden)) {
      set(Field::ffn_hidden, std::round(*ratio * *cell(Field::hidden)));
    } else if (const auto mlp = number("mlp_ratio", kLeastRatio, kMostRatio);
               mlp && cell(Field::hidden) && !cell(Field::ffn_hidden)) {
      set(Field::ffn_hidden, std::round(*mlp * *cell(Field::hidden)));
    }
    if (const auto* wide = find("intermediate_size_mlp");
        wide != nullptr && cell(Field::ffn_hidden)) {
      // Llama 4: intermediate_size is that of an expert.
      cell(Field::expert_ffn_hidden) = cell(Field::ffn_hidden);
      take(Field::ffn_hidden, *wide);
      if (!cell(Field::shared_experts)) set(Field::shared_experts, 1);
    }
    if (spec.family == nullptr || !spec.family->gated) gated_by_activation();
  }

  void gated_by_activation() {
    const auto projection = text("feed_forward_proj");
    if (!projection.empty()) {
      set(Field::gated_ffn, projection.rfind("gated", 0) == 0 ? 1 : 0);
      return;
    }
    if (result_.spec.type == "encoder_decoder") {
      set(Field::gated_ffn, 0);
      return;
    }
    for (const auto key :
         {"hidden_act", "activation_function", "hidden_activation", "activation"}) {
      const auto word = text(key);
      if (word.empty()) continue;
      const bool gated = word == "silu" || word == "swish" || word.find("glu") != std::string::npos;
      set(Field::gated_ffn, gated ? 1 : 0);
      if (!result_.known_family) {
        warn(fmt::format("'{}' is {}: {} feed-forward matrices are assumed", key, word,
                         gated ? "three" : "two"));
      }
      return;
    }
  }

  /// What a configuration can change of the family's small parts.
  void details() {
    auto& d = result_.spec.details;
    const auto& family = result_.spec.family;
    if (family == nullptr) {
      d = Details{};
      result_.spec.has_details = true;
      if (has_any({"layer_norm_epsilon", "layer_norm_eps", "layernorm_epsilon"})) {
        d.norm = Norm::layer;
      }
    }
    if (const auto bias = flag("attention_bias")) d.qkv_bias = d.attention_bias = *bias;
    if (const auto bias = flag("mlp_bias")) d.ffn_bias = *bias;
    if (const auto bias = flag("qkv_bias")) d.qkv_bias = *bias;
    if (const auto bias = flag("add_qkv_bias")) d.qkv_bias = *bias;
    if (const auto bias = flag("add_bias_linear")) d.ffn_bias = d.attention_bias = *bias;
    if (const auto bias = flag("use_qkv_bias")) d.qkv_bias = *bias;
    if (const auto gate = flag("attn_output_gate")) d.attention_gate = *gate;
    if (const auto norm = flag("use_qk_norm"); norm && !*norm) d.qk_norm = QkNorm::none;
    if (const auto norm = flag("qk_layernorm"); norm && *norm) d.qk_norm = QkNorm::head;
    if (is("falcon") || is("starcoder2") || is("nemotron") || is("opt") || is("mpt")) {
      for (const auto key : {"bias", "use_bias", "enable_bias"}) {
        if (const auto bias = flag(key)) d.qkv_bias = d.attention_bias = d.ffn_bias = *bias;
      }
      if (const auto none = flag("no_bias")) {
        d.qkv_bias = d.attention_bias = d.ffn_bias = !*none;
        // Without biases its norms have none either.
        if (*none && d.norm == Norm::layer) d.norm = Norm::rms;
      }
    }
    if (is("falcon")) {
      // One norm for attention and feed-forward side by side, two in the newer blocks.
      const bool newer = flag("new_decoder_architecture").value_or(false);
      d.norms_per_layer = newer ? count("num_ln_in_parallel_attn", 1, 2).value_or(2)
                                : (flag("parallel_attn").value_or(true) ? 1 : 2);
    }
    if (is("mpt") && flag("attn_config.alibi").value_or(false)) d.positions = Positions::none;
    if (flag("alibi").value_or(false)) d.positions = Positions::none;
    if (const auto types = count("type_vocab_size", 0, 1e6);
        types && family != nullptr && family->details.token_types > 0) {
      d.token_types = *types;
    }
    if (const auto buckets = count("relative_attention_num_buckets", 1, 1e6)) {
      d.position_count = *buckets;
    }
    if (is("t5") || is("mt5")) encoder_decoder();
    if (is("opt") && !flag("do_layer_norm_before").value_or(true)) d.final_norms = 0;
  }

  void encoder_decoder() {
    if (cell(Field::experts) && !cell(Field::experts_per_token)) {
      set(Field::experts_per_token, 1);  // Switch routes a token to one expert
    }
    constexpr double kMostLayers = 1e4;
    const auto layers = count("num_layers", 1, kMostLayers);
    if (!layers) return;
    const double decoder = count("num_decoder_layers", 0, kMostLayers).value_or(*layers);
    set(Field::layers, *layers + decoder);
    set(Field::decoder_layers, decoder);
  }

  void windows() {
    const auto* field = find("sliding_window");
    // Qwen's configurations state a window that is off unless they say otherwise.
    const bool qwen = is("qwen2") || is("qwen3") || is("qwen2_moe") || is("qwen3_moe");
    const bool used = flag("use_sliding_window").value_or(!qwen);
    const auto* chunk = find("attention_chunk_size");
    if (field == nullptr && chunk != nullptr) field = chunk;
    if (field == nullptr || !used) return;
    const auto width = number_of(field);
    check(Field::sliding_window, *field, *width);
    if (*width == 0) return;
    double share = 1;
    const auto layers = cell(Field::layers) ? *cell(Field::layers) : 0;
    if (const auto* types = list("layer_types"); types != nullptr && !types->texts.empty()) {
      const auto local = std::count_if(types->texts.begin(), types->texts.end(), [](const auto& t) {
        return t.find("sliding") != std::string::npos || t.find("chunked") != std::string::npos ||
               t.find("local") != std::string::npos;
      });
      share = static_cast<double>(local) / static_cast<double>(types->texts.size());
      if (static_cast<double>(types->texts.size()) != layers) {
        warn(fmt::format("'layer_types' lists {} of {:g} layers", types->texts.size(), layers));
      }
    } else if (const auto pattern = count("sliding_window_pattern", 1, 1e4);
               pattern && *pattern > 1) {
      // Every n-th layer sees all.
      share = layers > 0 ? (layers - std::floor(layers / *pattern)) / layers : 1 - 1 / *pattern;
    } else if (is("gemma2") || is("gpt_oss")) {
      share = 0.5;
    } else if (is("gemma3_text")) {
      share = layers > 0 ? (layers - std::floor(layers / 6)) / layers : 5.0 / 6.0;
    } else if (is("llama4_text")) {
      share = 0.75;
    } else if (const auto full = count("max_window_layers", 0, 1e5);
               full && layers > 0 && find("use_sliding_window") != nullptr) {
      share = std::max(0.0, layers - *full) / layers;
    }
    if (share == 0) return;
    set(Field::sliding_window, *width);
    set(Field::window_layer_share, share);
  }

  /// Which blocks have experts, where it is a list.
  void layers_with_experts() {
    if (!cell(Field::experts) || !cell(Field::layers)) return;
    const double layers = *cell(Field::layers);
    std::optional<double> dense;
    if (const auto* without = list("mlp_only_layers"); without != nullptr && without->size > 0) {
      // Every n-th layer has experts, but not those listed.
      const auto& period = cell(Field::moe_layer_period);
      const double step = period ? *period : 1;
      const std::set<double> listed{without->numbers.begin(), without->numbers.end()};
      double excepted = 0;
      for (const double i : listed) {
        if (i >= 0 && i < layers && divides(step, i + 1)) ++excepted;
      }
      dense = layers - std::floor(layers / step) + excepted;
    }
    for (const auto key : {"moe_layers", "moe_layers_idx"}) {
      const auto* with = list(key);
      if (with != nullptr && with->size > 0) dense = layers - static_cast<double>(with->size);
    }
    if (const auto* freq = list("moe_layer_freq"); freq != nullptr && !freq->numbers.empty()) {
      dense = static_cast<double>(std::count(freq->numbers.begin(), freq->numbers.end(), 0.0));
    }
    if (!dense) return;
    if (*dense < 0 || *dense > layers) {
      throw InputError({fields_.file(), 1, 1},
                       fmt::format("the lists of layers with and without experts do not fit {:g} "
                                   "layers",
                                   layers),
                       "they and num_hidden_layers contradict each other");
    }
    // However they are spread, their number is what counts.
    set(Field::leading_dense_layers, *dense);
    cell(Field::moe_layer_period) = {};
  }

  void vision() {
    if (result_.spec.type != "vision") return;
    if (const auto labels = count("num_labels", 0, 1e7)) {
      set(Field::classes, *labels);
    } else if (fields_.has(prefix_ + "id2label")) {
      const auto& all = fields_.all();
      const std::string path = prefix_ + "id2label.";
      set(Field::classes,
          static_cast<double>(std::count_if(all.begin(), all.end(), [&](const JsonField& f) {
            return f.path.rfind(path, 0) == 0;
          })));
    }
    if (const auto* names = list("architectures"); names != nullptr) {
      const bool classifier = std::any_of(
          names->texts.begin(), names->texts.end(),
          [](const std::string& name) { return name.find("Classification") != std::string::npos; });
      if (!classifier) cell(Field::classes) = {};
      result_.spec.details.pooler =
          std::any_of(names->texts.begin(), names->texts.end(),
                      [](const auto& name) { return name == "ViTModel"; });
    }
  }

  // ---- hybrids

  /// Which blocks of a hybrid have which parts, and how wide the mixers with a state are.
  void blocks() {
    if (!knows_blocks() || !cell(Field::layers)) return;
    const double layers = *cell(Field::layers);
    if (!(blocks_of_pattern(layers) || blocks_of_types(layers) || blocks_of_lists(layers) ||
          blocks_by_period(layers))) {
      return;
    }
    if (const auto period = count("expert_layer_period", 1, 1e4); period && cell(Field::experts)) {
      set(Field::moe_layers,
          every(*period, count("expert_layer_offset", 0, 1e4).value_or(0), layers));
    }
    constexpr double kWidest = 1e6;
    for (const auto key : {"mamba_head_dim", "mamba_d_head", "linear_value_head_dim",
                           "linear_attn_config.head_dim"}) {
      const auto width = count(key, 1, kWidest);
      if (width && cell(Field::ssm_heads)) {
        set(Field::ssm_inner, *width * *cell(Field::ssm_heads));
        return;
      }
    }
    const auto factor = number("mamba_expand", 0.01, 100);
    if (!factor || !cell(Field::hidden)) return;
    const double hidden = *cell(Field::hidden);
    set(Field::ssm_inner, std::round(*factor * hidden));
    const auto* rank = find("mamba_dt_rank");  // or 'auto'
    const auto* stated = rank != nullptr ? std::get_if<double>(&rank->value) : nullptr;
    if (stated != nullptr && *stated != std::ceil(hidden / 16)) {
      warn(fmt::format("'mamba_dt_rank' is {:g}: hidden / 16 is taken", *stated));
    }
  }

  /// Of `layers`, counted from 0, those that leave `offset` after division by `period`.
  static double every(double period, double offset, double layers) {
    return offset < layers ? std::floor((layers - 1 - offset) / period) + 1 : 0;
  }

  void set_mixers(double states, double layers) {
    set(Field::ssm_layers, states);
    set(Field::attention_layers, layers - states);
  }

  /// Nemotron-H: one letter or word for each block, which is a mixer or a feed-forward layer.
  bool blocks_of_pattern(double layers) {
    if (!is("nemotron_h")) return false;
    std::string pattern = text("hybrid_override_pattern");
    const auto* field = find("hybrid_override_pattern");
    if (const auto* words = list("layers_block_type"); pattern.empty() && words != nullptr) {
      field = find("layers_block_type");
      for (const auto& word : words->texts) {
        pattern += word == "mamba"       ? 'M'
                   : word == "attention" ? '*'
                   : word == "mlp"       ? '-'
                   : word == "moe"       ? 'E'
                                         : '?';
      }
    }
    if (pattern.empty()) return false;
    if (const auto odd = pattern.find_first_not_of("M*-E"); odd != std::string::npos) {
      fail(*field, fmt::format("block {} of '{}' is of no known kind", odd + 1, field->path),
           "M or mamba, * or attention, - or mlp, E or moe");
    }
    if (static_cast<double>(pattern.size()) != layers) {
      fail(*field, fmt::format("'{}' has {} of {:g} layers", field->path, pattern.size(), layers),
           "it and num_hidden_layers contradict each other");
    }
    const auto blocks = [&](char kind) {
      return static_cast<double>(std::count(pattern.begin(), pattern.end(), kind));
    };
    set(Field::ssm_layers, blocks('M'));
    set(Field::attention_layers, blocks('*'));
    set(Field::ffn_layers, blocks('-'));
    set(Field::moe_layers, blocks('E'));
    return true;
  }

  bool blocks_of_types(double layers) {
    const auto* types = list("layer_types");
    if (types == nullptr || types->texts.empty()) return false;
    if (static_cast<double>(types->texts.size()) != layers) {
      fail(*find("layer_types"),
           fmt::format("'layer_types' lists {} of {:g} layers", types->texts.size(), layers),
           "it and num_hidden_layers contradict each other");
    }
    double states = 0;
    for (const auto& type : types->texts) {
      if (type == "linear_attention" || type == "mamba") {
        ++states;
      } else if (type != "full_attention" && type != "attention") {
        return false;
      }
    }
    set_mixers(states, layers);
    return true;
  }

  bool blocks_of_lists(double layers) {
    const auto* states = list("linear_attn_config.kda_layers");
    if (states == nullptr || static_cast<double>(states->size) > layers) return false;
    set_mixers(static_cast<double>(states->size), layers);
    return true;
  }

  bool blocks_by_period(double layers) {
    double attending = 0;
    if (const auto interval = count("full_attention_interval", 1, 1e4)) {
      attending = std::floor(layers / *interval);
    } else if (const auto period = count("attn_layer_period", 1, 1e4)) {
      attending = every(*period, count("attn_layer_offset", 0, 1e4).value_or(0), layers);
    } else {
      return false;
    }
    set_mixers(layers - attending, layers);
    return true;
  }

  /// Blocks that are not known: their dimensions do not give the count.
  void find_hybrid() {
    if (cell(Field::ssm_layers) && cell(Field::ssm_inner)) return;
    bool hybrid = knows_blocks() ||
                  has_any({"attn_layer_period", "full_attention_interval", "mamba_d_state",
                           "ssm_state_size", "ssm_cfg", "state_size", "hybrid_override_pattern",
                           "lru_width", "mamba_num_heads", "linear_num_key_heads"});
    if (const auto* types = list("layer_types"); types != nullptr) {
      for (const auto& type : types->texts) {
        for (const std::string_view other : {"linear", "mamba", "recurrent", "conv", "rwkv"}) {
          hybrid = hybrid || type.find(other) != std::string::npos;
        }
      }
    }
    if (!hybrid) return;
    result_.spec.hybrid = true;
    warn(fmt::format("{} has blocks without attention: give params_b (and active_params_b)",
                     result_.model_type.empty() ? "this model" : result_.model_type));
  }

  /// Everything that can be said against the dimensions is said here, with its place.
  void refuse_nonsense() {
    const auto completion = complete(result_.spec, {});
    if (completion.state == Completion::State::wrong) {
      throw InputError(place_of(completion.field), completion.what, completion.help);
    }
    auto missing = completion.missing;
    if (!result_.known_family) {
      // The usual values are those of families that are known.
      for (const auto needed : {Field::heads, Field::ffn_hidden}) {
        const auto i = static_cast<std::size_t>(needed);
        if (completion.assumed[i]) missing.set(i);
      }
    }
    if (missing.any()) {
      std::vector<std::string> names;
      for (std::size_t i = 0; i < kFields; ++i) {
        if (!missing[i]) continue;
        const auto field = static_cast<Field>(i);
        std::string name{info_of(field).name};
        for (const auto& words : kWords) {
          if (words.field == field) name = words.keys.front();
        }
        names.push_back(std::move(name));
      }
      const std::string family =
          result_.known_family || result_.model_type.empty()
              ? std::string{}
              : fmt::format("unknown model_type '{}', and ", shortened(result_.model_type));
      throw InputError({fields_.file(), 1, 1},
                       fmt::format("{}{} {} missing", family, quoted_list(names, "and"),
                                   names.size() > 1 ? "are" : "is"),
                       result_.known_family
                           ? "is this the config.json of the whole model?"
                           : "a generic decoder needs them; else describe the model in a YAML "
                             "file, or give params_b");
    }
    if (!result_.known_family && completion.state == Completion::State::assumed) {
      std::vector<std::string> names;
      for (std::size_t i = 0; i < kFields; ++i) {
        if (completion.assumed[i]) names.emplace_back(kFieldInfo[i].name);
      }
      warn(fmt::format("usual values taken for {}", quoted_list(names, "and")));
    }
  }

  Location place_of(Field field) const {
    for (const auto& words : kWords) {
      if (words.field != field) continue;
      for (const auto key : words.keys) {
        if (key.empty()) break;
        if (const auto* found = find(key)) return fields_.locate(*found);
      }
    }
    return {fields_.file(), 1, 1};
  }

  JsonFields fields_;
  const FamilyCatalogue& families_;
  const Origin* origin_;
  std::string prefix_;
  HuggingFaceConfig result_;
};

}  // namespace

HuggingFaceConfig read_huggingface(std::string_view text, std::string file,
                                   const FamilyCatalogue& families, const Origin* origin) {
  return Reader{text, std::move(file), families, origin}.read();
}

bool looks_like_huggingface(std::string_view beginning) {
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (beginning.substr(0, kMark.size()) == kMark) beginning.remove_prefix(kMark.size());
  const auto start = beginning.find_first_not_of(" \t\r\n");
  return start != std::string_view::npos && beginning[start] == '{';
}

}  // namespace pretrain::models
