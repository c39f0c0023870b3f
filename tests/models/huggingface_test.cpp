#include "models/huggingface.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/table.hpp"
#include "models/parameters.hpp"
#include "tests/support.hpp"

namespace pretrain::models {
namespace {

using namespace std::string_literals;

const FamilyCatalogue& families() {
  static const auto catalogue =
      FamilyCatalogue::read(shipped(embedded_files(), "families.csv"), "families.csv");
  return catalogue;
}

HuggingFaceConfig config_of(std::string_view text) {
  static const Origin origin{.place = "config.json", .source = {}, .locator = {}};
  return read_huggingface(text, "config.json", families(), &origin);
}

std::string refusal(std::string_view text) {
  return diagnostic_of([&] { config_of(text); });
}

Architecture architecture_of(std::string_view text) {
  const auto config = config_of(text);
  const auto completion = complete(config.spec, {});
  EXPECT_TRUE(completion.usable()) << completion.what;
  return completion.architecture;
}

double total_of(std::string_view text) { return parameters(architecture_of(text)).total(); }

using Warnings = std::vector<std::string>;

/// A text with one place changed.
std::string changed(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

const std::string kLlama = R"({
  "model_type": "llama",
  "num_hidden_layers": 2,
  "hidden_size": 64,
  "num_attention_heads": 4,
  "num_key_value_heads": 2,
  "intermediate_size": 128,
  "vocab_size": 100
}
)";

const std::string kMixtral = R"({
  "model_type": "mixtral",
  "num_hidden_layers": 4,
  "hidden_size": 64,
  "num_attention_heads": 4,
  "num_key_value_heads": 2,
  "intermediate_size": 128,
  "num_local_experts": 8,
  "num_experts_per_tok": 2,
  "vocab_size": 100
}
)";

const std::string kDeepSeek = R"({
  "model_type": "deepseek_v3",
  "num_hidden_layers": 4,
  "hidden_size": 64,
  "num_attention_heads": 4,
  "intermediate_size": 128,
  "moe_intermediate_size": 32,
  "n_routed_experts": 16,
  "n_shared_experts": 2,
  "num_experts_per_tok": 2,
  "first_k_dense_replace": 1,
  "kv_lora_rank": 16,
  "q_lora_rank": 24,
  "qk_nope_head_dim": 12,
  "qk_rope_head_dim": 8,
  "v_head_dim": 20,
  "num_nextn_predict_layers": 1,
  "vocab_size": 100
}
)";

const std::string kFalcon = R"({
  "model_type": "falcon",
  "num_hidden_layers": 2,
  "hidden_size": 64,
  "num_attention_heads": 8,
  "multi_query": true,
  "vocab_size": 100
}
)";

const std::string kT5 = R"({
  "model_type": "t5",
  "d_model": 64,
  "d_kv": 16,
  "d_ff": 128,
  "num_layers": 3,
  "num_heads": 8,
  "vocab_size": 100
}
)";

/// A line before the last: `with(kLlama, "\"head_dim\": 16")`.
std::string with(std::string text, const std::string& field) {
  return changed(std::move(text), "\n}\n", ",\n  " + field + "\n}\n");
}

// ---- published configurations

/// The table of published configurations: see its first lines.
const Table& published() {
  static const std::string text = [] {
    std::ifstream in{PRETRAIN_SOURCE_DIR "/tests/models/configs.csv", std::ios::binary};
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }();
  static const auto table =
      Table::read(text, "configs.csv",
                  {"name", "model_type", "keys", "published_total", "total_basis", "source"});
  return table;
}

/// As JSON writes it; a text stands without quotes in the table.
std::string json_value(std::string_view value) {
  if (value.starts_with('[')) {
    std::string list;
    for (const auto item : split(value.substr(1, value.size() - 2), ',')) {
      list += (list.empty() ? "" : ", ") + json_value(item);
    }
    return "[" + list + "]";
  }
  const bool bare = value == "null" || value == "true" || value == "false" ||
                    value.find_first_not_of("0123456789.eE+-") == std::string_view::npos;
  return bare ? std::string{value} : '"' + std::string{value} + '"';
}

/// The configuration of a row: fields of one object stand side by side.
std::string rebuilt(std::size_t row) {
  std::string json = "{\"model_type\": " + json_value(published().text(row, "model_type"));
  std::string_view open;
  for (const auto field : split(published().text(row, "keys"), ';')) {
    const auto equals = field.find('=');
    const auto path = field.substr(0, equals);
    const auto dot = path.find('.');
    const auto object = dot == std::string_view::npos ? std::string_view{} : path.substr(0, dot);
    bool first = false;
    if (object != open) {
      if (!open.empty()) json += '}';
      if (!object.empty()) json += ",\n\"" + std::string{object} + "\": {";
      first = !object.empty();
      open = object;
    }
    if (!first) json += ",\n";
    json += '"' + std::string{dot == std::string_view::npos ? path : path.substr(dot + 1)} +
            "\": " + json_value(field.substr(equals + 1));
  }
  return json + (open.empty() ? "}" : "}}");
}

TEST(HuggingFace, TableOfPublishedConfigurationsIsBroad) {
  std::set<std::string_view> names;
  std::set<std::string_view> types;
  for (std::size_t row = 0; row < published().size(); ++row) {
    EXPECT_TRUE(names.insert(published().required_text(row, "name")).second) << row;
    types.insert(published().required_text(row, "model_type"));
    published().required_text(row, "total_basis");
    published().required_text(row, "source");
  }
  EXPECT_GE(names.size(), 45U);
  EXPECT_GE(types.size(), 25U);
}

TEST(HuggingFace, MeetsPublishedTotals) {
  for (std::size_t row = 0; row < published().size(); ++row) {
    EXPECT_EQ(total_of(rebuilt(row)), published().required_number(row, "published_total", 1, 1e14))
        << published().text(row, "name");
  }
}

TEST(HuggingFace, MeetsPublishedActiveCounts) {
  std::size_t sparse = 0;
  for (std::size_t row = 0; row < published().size(); ++row) {
    const auto p = parameters(architecture_of(rebuilt(row)));
    const auto active = published().number(row, "published_active", 1, 1e14);
    EXPECT_EQ(p.active(), active.value_or(p.total())) << published().text(row, "name");
    if (active) ++sparse;
  }
  EXPECT_GE(sparse, 10U);
}

TEST(HuggingFace, KnownFamiliesNeedNoAssumption) {
  for (std::size_t row = 0; row < published().size(); ++row) {
    const auto name = published().text(row, "name");
    const auto config = config_of(rebuilt(row));
    EXPECT_TRUE(config.known_family) << name;
    EXPECT_EQ(complete(config.spec, {}).state, Completion::State::whole) << name;
    const bool other_tower = published().text(row, "keys").starts_with("text_config.");
    if (!other_tower) {
      EXPECT_EQ(config.model_type, published().text(row, "model_type"));
    }
    EXPECT_EQ(config.warnings,
              other_tower ? Warnings{"only the language model ('text_config') is counted, no "
                                     "other tower"}
                          : Warnings{})
        << name;
  }
}

// ---- families

TEST(HuggingFace, AliasesAreTheFamily) {
  for (const auto alias : {"LLAMA", "smollm", "TinyLlama"}) {
    const auto config = config_of(changed(kLlama, "\"llama\"", '"' + std::string{alias} + '"'));
    EXPECT_TRUE(config.known_family) << alias;
    EXPECT_EQ(config.model_type, alias);
    EXPECT_EQ(config.spec.family->name, "llama");
  }
}

TEST(HuggingFace, AnUnknownFamilyIsAGenericDecoder) {
  const auto config =
      config_of(with(changed(kLlama, "\"llama\"", "\"lamma\""), R"("hidden_act": "silu")"));
  EXPECT_FALSE(config.known_family);
  EXPECT_EQ(config.model_type, "lamma");
  EXPECT_EQ(config.warnings,
            (Warnings{"unknown model_type 'lamma': read as a generic decoder (nearest known: "
                      "'gemma', 'jamba' or 'llama')",
                      "'hidden_act' is silu: three feed-forward matrices are assumed",
                      "usual values taken for 'tie_embeddings'"}));
  // RMS norms, no biases, an untied head: what a llama has.
  EXPECT_EQ(parameters(complete(config.spec, {}).architecture).total(), total_of(kLlama));
}

TEST(HuggingFace, AnUnknownFamilyWithoutGateHasTwoMatrices) {
  const auto text =
      with(changed(kLlama, "\"llama\"", "\"lamma\""), R"("activation_function": "gelu_new")");
  EXPECT_FALSE(architecture_of(text).gated);
  EXPECT_EQ(config_of(text).warnings.at(1),
            "'activation_function' is gelu_new: two feed-forward matrices are assumed");
}

TEST(HuggingFace, AnUnknownFamilyWithExpertsIsSparse) {
  const auto a = architecture_of(changed(kMixtral, "\"mixtral\"", "\"mixed\""));
  EXPECT_EQ(a.type, ModelType::moe);
  EXPECT_EQ(a.moe_layers, 4);
  EXPECT_EQ(a.expert_ffn_hidden, 128);
}

TEST(HuggingFace, WithoutModelTypeTheClassNamesTheFamily) {
  const auto unnamed =
      changed(kLlama, R"("model_type": "llama")", R"("architectures": ["LlamaForCausalLM"])");
  EXPECT_TRUE(config_of(unnamed).known_family);
  EXPECT_EQ(total_of(unnamed), total_of(kLlama));
  for (const auto& [name, family] : {std::pair{"XLMRobertaForMaskedLM", "roberta"},
                                     {"GPT2LMHeadModel", "gpt2"},
                                     {"BertModel", "bert"},
                                     {"Qwen3MoeForCausalLM", "qwen3_moe"}}) {
    const auto text = "{\"architectures\": [\"" + std::string{name} +
                      "\"], \"num_hidden_layers\": 2, \"hidden_size\": 64, "
                      "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, "
                      "\"intermediate_size\": 128}";
    const auto config = config_of(text);
    ASSERT_NE(config.spec.family, nullptr) << name;
    EXPECT_EQ(config.spec.family->name, family);
  }
}

TEST(HuggingFace, WithoutModelTypeAndClassItIsAGenericDecoder) {
  const auto config = config_of(changed(kLlama, R"("model_type": "llama")", R"("x": 1)"));
  EXPECT_FALSE(config.known_family);
  EXPECT_EQ(config.model_type, "");
  EXPECT_EQ(config.warnings.at(0), "no model_type: read as a generic decoder");
}

TEST(HuggingFace, BiasesFollowTheConfiguration) {
  const double plain = total_of(kLlama);
  // Of queries (64), keys and values (32 each) and output (64), twice.
  EXPECT_EQ(total_of(with(kLlama, R"("attention_bias": true)")) - plain, 2 * (64 + 32 + 32 + 64));
  EXPECT_EQ(total_of(with(kLlama, R"("mlp_bias": true)")) - plain, 2 * (128 + 128 + 64));
  EXPECT_EQ(total_of(with(kLlama, R"("attention_bias": false, "mlp_bias": false)")), plain);
}

TEST(HuggingFace, TheHeadFollowsTheConfiguration) {
  EXPECT_EQ(total_of(kLlama) - total_of(with(kLlama, R"("tie_word_embeddings": true)")), 6400);
  EXPECT_EQ(total_of(with(kLlama, R"("tie_word_embeddings": false)")), total_of(kLlama));
}

TEST(HuggingFace, NullIsAsIfItWereNotThere) {
  EXPECT_EQ(total_of(with(kLlama, R"("head_dim": null, "attention_bias": null)")),
            total_of(kLlama));
  EXPECT_EQ(architecture_of(changed(kLlama, "heads\": 2", "heads\": null")).kv_heads, 4);
  EXPECT_EQ(architecture_of(with(kDeepSeek, R"("q_lora": null)")).q_lora_rank, 24);
  EXPECT_EQ(architecture_of(changed(kDeepSeek, "\"q_lora_rank\": 24", "\"q_lora_rank\": null"))
                .q_lora_rank,
            0);
}

TEST(HuggingFace, LatentAttentionKeepsItsParts) {
  const auto a = architecture_of(kDeepSeek);
  EXPECT_TRUE(a.latent());
  EXPECT_EQ(a.head_dim, 12);
  EXPECT_EQ(a.rope_head_dim, 8);
  EXPECT_EQ(a.v_head_dim, 20);
  EXPECT_EQ(a.shared_ffn_hidden, 64);
  EXPECT_EQ(a.moe_layers, 3);
  EXPECT_EQ(a.mtp_layers, 1);
  EXPECT_TRUE(a.details.router_bias);
}

TEST(HuggingFace, FalconHasOneKeyValueHeadUnlessItIsNew) {
  EXPECT_EQ(architecture_of(kFalcon).kv_heads, 1);
  EXPECT_EQ(architecture_of(kFalcon).details.norms_per_layer, 1);
  // The number of a file without new blocks is not used.
  EXPECT_EQ(architecture_of(with(kFalcon, R"("num_kv_heads": 8)")).kv_heads, 1);
  const auto newer = with(kFalcon, R"("num_kv_heads": 2, "new_decoder_architecture": true)");
  EXPECT_EQ(architecture_of(newer).kv_heads, 2);
  EXPECT_EQ(architecture_of(newer).details.norms_per_layer, 2);
  EXPECT_EQ(architecture_of(with(newer, R"("num_ln_in_parallel_attn": 1)")).details.norms_per_layer,
            1);
  // Neither: as many as heads.
  EXPECT_EQ(architecture_of(changed(kFalcon, "true", "false")).kv_heads, 8);
  EXPECT_EQ(architecture_of(with(kFalcon, R"("parallel_attn": false)")).details.norms_per_layer, 2);
  EXPECT_EQ(total_of(with(kFalcon, R"("bias": true)")) - total_of(kFalcon),
            2 * (64 + 8 + 8 + 64 + 256 + 64));
}

TEST(HuggingFace, AnEncoderDecoderHasAsManyDecoderLayersUnlessItSaysSo) {
  const auto a = architecture_of(kT5);
  EXPECT_EQ(a.type, ModelType::encoder_decoder);
  EXPECT_EQ(a.layers, 6);
  EXPECT_EQ(a.decoder_layers, 3);
  EXPECT_EQ(a.head_dim, 16);
  EXPECT_FALSE(a.gated);
  EXPECT_TRUE(a.tied);
  const auto uneven = architecture_of(with(kT5, R"("num_decoder_layers": 1)"));
  EXPECT_EQ(uneven.layers, 4);
  EXPECT_EQ(uneven.decoder_layers, 1);
  EXPECT_TRUE(architecture_of(with(kT5, R"("feed_forward_proj": "gated-gelu")")).gated);
  EXPECT_FALSE(architecture_of(with(kT5, R"("feed_forward_proj": "relu")")).gated);
}

TEST(HuggingFace, NestedLanguageModelsAreCountedAlone) {
  const std::string nested = R"({
  "model_type": "newcomer_vl",
  "text_config": {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 100
  },
  "vision_config": {"hidden_size": 32, "num_hidden_layers": 9}
}
)";
  const auto config = config_of(nested);
  EXPECT_EQ(config.model_type, "llama");
  EXPECT_EQ(config.warnings,
            Warnings{"only the language model ('text_config') is counted, no other tower"});
  EXPECT_EQ(total_of(nested), total_of(kLlama));
  // The place of what is wrong is that of the inner field.
  EXPECT_EQ(refusal(changed(nested, "\"hidden_size\": 64", "\"hidden_size\": 66")),
            "config.json:7:5: error: 4 heads do not divide the hidden width of 66\n"
            "  help: give head_dim where it is not hidden / heads");
  // Deeper still, and by other names.
  EXPECT_EQ(total_of(changed(
                changed(nested, "\"text_config\": {", "\"thinker_config\": {\"text_config\": {"),
                "100\n  }", "100\n  }}")),
            total_of(kLlama));
  EXPECT_EQ(total_of(changed(nested, "text_config", "llm_config")), total_of(kLlama));
}

TEST(HuggingFace, AListPerLayerIsItsMean) {
  const auto same =
      changed(kLlama, "\"intermediate_size\": 128", "\"intermediate_size\": [128, 128]");
  EXPECT_EQ(config_of(same).warnings, Warnings{});
  EXPECT_EQ(total_of(same), total_of(kLlama));
  const auto other =
      changed(kLlama, "\"intermediate_size\": 128", "\"intermediate_size\": [96, 160]");
  EXPECT_EQ(config_of(other).warnings,
            Warnings{"'intermediate_size' differs from layer to layer: the mean 128 is taken"});
  EXPECT_EQ(total_of(other), total_of(kLlama));
  EXPECT_EQ(refusal(changed(kLlama, "\"intermediate_size\": 128", "\"intermediate_size\": [0, 0]")),
            "config.json:7:3: error: 'intermediate_size' is 0\n"
            "  help: intermediate_size lies between 1 and 1e+07");
}

TEST(HuggingFace, WindowsFollowTheirPattern) {
  const auto window = [](const std::string& text) {
    const auto a = architecture_of(text);
    return std::pair{a.window, a.window_share};
  };
  const std::pair none{0.0, 0.0};
  const std::string llama = changed(kLlama, "layers\": 2", "layers\": 12");
  EXPECT_EQ(window(llama), none);
  EXPECT_EQ(window(with(llama, R"("sliding_window": 32)")), std::pair(32.0, 1.0));
  EXPECT_EQ(window(with(llama, R"("sliding_window": null)")), none);
  EXPECT_EQ(window(with(llama, R"("sliding_window": 0)")), none);
  EXPECT_EQ(window(with(llama, R"("sliding_window": 32, "use_sliding_window": false)")), none);
  EXPECT_EQ(window(with(llama, R"("sliding_window": 32, "sliding_window_pattern": 6)")),
            std::pair(32.0, 10.0 / 12));
  EXPECT_EQ(window(with(llama, R"("sliding_window": 32, "use_sliding_window": true,
  "max_window_layers": 9)")),
            std::pair(32.0, 0.25));
  EXPECT_EQ(window(with(llama, R"("sliding_window": 32, "use_sliding_window": true,
  "max_window_layers": 12)")),
            none);
  EXPECT_EQ(window(with(llama, R"("sliding_window": 32,
  "layer_types": ["sliding_attention", "sliding_attention", "full_attention"])")),
            std::pair(32.0, 2.0 / 3));
  EXPECT_EQ(window(with(llama, R"("sliding_window": 32, "layer_types": ["full_attention"])")),
            none);
  EXPECT_EQ(window(with(llama, R"("attention_chunk_size": 64)")), std::pair(64.0, 1.0));

  const auto family = [&](const std::string& name) {
    return window(with(changed(llama, "\"llama\"", '"' + name + '"'),
                       R"("sliding_window": 32, "head_dim": 16)"));
  };
  EXPECT_EQ(family("gemma2"), std::pair(32.0, 0.5));
  EXPECT_EQ(family("gemma3_text"), std::pair(32.0, 10.0 / 12));
  EXPECT_EQ(family("mistral"), std::pair(32.0, 1.0));
}

TEST(HuggingFace, QwenHasNoWindowUnlessItIsSwitchedOn) {
  for (const auto family : {"qwen2", "qwen3", "qwen2_moe", "qwen3_moe"}) {
    const auto text = with(changed(kLlama, "\"llama\"", '"' + std::string{family} + '"'),
                           R"("sliding_window": 32)");
    EXPECT_EQ(architecture_of(text).window, 0) << family;
  }
}

TEST(HuggingFace, LayersWithExpertsFollowTheirList) {
  const auto sparse_layers = [](const std::string& field) {
    return architecture_of(with(kMixtral, field)).moe_layers;
  };
  EXPECT_EQ(architecture_of(kMixtral).moe_layers, 4);
  EXPECT_EQ(sparse_layers(R"("mlp_only_layers": [])"), 4);
  EXPECT_EQ(sparse_layers(R"("mlp_only_layers": [0, 2, 3])"), 1);
  EXPECT_EQ(sparse_layers(R"("moe_layers": [1, 3])"), 2);
  EXPECT_EQ(sparse_layers(R"("moe_layer_freq": [0, 1, 1, 1])"), 3);
  EXPECT_EQ(sparse_layers(R"("moe_layer_freq": 1)"), 4);
  EXPECT_EQ(sparse_layers(R"("decoder_sparse_step": 2)"), 2);
  EXPECT_EQ(sparse_layers(R"("first_k_dense_replace": 3)"), 1);
  EXPECT_EQ(sparse_layers(R"("first_k_dense_replace": 4)"), 0);
}

TEST(HuggingFace, OneExpertIsADenseModel) {
  for (const auto count : {"0", "1"}) {
    const auto a =
        architecture_of(changed(kMixtral, "experts\": 8", "experts\": " + std::string{count}));
    EXPECT_EQ(a.type, ModelType::dense) << count;
    EXPECT_EQ(a.experts, 0);
    EXPECT_EQ(a.ffn_hidden, 128);
  }
}

TEST(HuggingFace, ExpertsMakeADenseFamilySparse) {
  const auto a =
      architecture_of(with(kLlama, R"("num_local_experts": 4, "num_experts_per_tok": 1)"));
  EXPECT_EQ(a.type, ModelType::moe);
  EXPECT_EQ(a.moe_layers, 2);
}

TEST(HuggingFace, AClassifierOfImagesHasItsHead) {
  const std::string vit = R"({
  "model_type": "vit",
  "architectures": ["ViTForImageClassification"],
  "num_hidden_layers": 2,
  "hidden_size": 64,
  "num_attention_heads": 4,
  "intermediate_size": 128,
  "image_size": 32,
  "patch_size": 16,
  "id2label": {"0": "a", "1": "b", "2": "c"}
}
)";
  const auto a = architecture_of(vit);
  EXPECT_EQ(a.type, ModelType::vision);
  EXPECT_EQ(a.patch_values, 768);
  EXPECT_EQ(a.classes, 3);
  EXPECT_EQ(architecture_of(with(vit, R"("num_labels": 10)")).classes, 10);
  // Without its head it has a pooler.
  const auto backbone = architecture_of(changed(vit, "ViTForImageClassification", "ViTModel"));
  EXPECT_EQ(backbone.classes, 0);
  EXPECT_TRUE(backbone.details.pooler);
  EXPECT_FALSE(a.details.pooler);
}

TEST(HuggingFace, ElectraEmbedsInItsOwnWidth) {
  // 12 layers of 256, an embedding of 128: 13,672,192 parameters without a head, of which the
  // embeddings of tokens, positions and segments and their norm are 128 wide.
  EXPECT_EQ(total_of(R"({"model_type": "electra", "embedding_size": 128, "hidden_size": 256,
    "intermediate_size": 1024, "max_position_embeddings": 512, "num_attention_heads": 4,
    "num_hidden_layers": 12, "type_vocab_size": 2, "vocab_size": 32000})"),
            13'672'192);
}

// ---- what is wrong

TEST(HuggingFace, WhatIsMissingIsNamed) {
  EXPECT_EQ(refusal(R"({"model_type": "llama", "hidden_size": 64})"),
            "config.json:1:1: error: 'num_hidden_layers' is missing\n"
            "  help: is this the config.json of the whole model?");
  EXPECT_EQ(refusal(R"({"model_type": "llama"})"),
            "config.json:1:1: error: 'num_hidden_layers' and 'hidden_size' are missing\n"
            "  help: is this the config.json of the whole model?");
  EXPECT_EQ(refusal(changed(kMixtral, "  \"num_experts_per_tok\": 2,\n", "")),
            "config.json:1:1: error: 'num_experts_per_tok' is missing\n"
            "  help: is this the config.json of the whole model?");
  const auto no_model =
      "config.json:1:1: error: no model: neither model_type nor dimensions\n"
      "  help: give the config.json of a model, with hidden_size and "
      "num_hidden_layers"s;
  EXPECT_EQ(refusal("{}"), no_model);
  EXPECT_EQ(refusal(R"({"do_lower_case": true, "model_max_length": 512})"), no_model);
  EXPECT_EQ(refusal(R"({"config": {"model_type": "llama"}})"), no_model);
}

TEST(HuggingFace, AnUnknownFamilyNeedsItsHeadsAndItsFeedForwardWidth) {
  EXPECT_EQ(refusal(R"({"model_type": "lamma", "num_hidden_layers": 2, "hidden_size": 64})"),
            "config.json:1:1: error: unknown model_type 'lamma', and 'num_attention_heads' and "
            "'intermediate_size' are missing\n"
            "  help: a generic decoder needs them; else describe the model in a YAML file, or give "
            "params_b");
}

TEST(HuggingFace, HeadsDivideTheWidthUnlessTheirWidthIsGiven) {
  const auto odd = changed(kLlama, "\"hidden_size\": 64", "\"hidden_size\": 66");
  EXPECT_EQ(refusal(odd),
            "config.json:5:3: error: 4 heads do not divide the hidden width of 66\n"
            "  help: give head_dim where it is not hidden / heads");
  EXPECT_EQ(architecture_of(with(odd, R"("head_dim": 16)")).head_dim, 16);
}

TEST(HuggingFace, KeyValueHeadsDivideTheHeads) {
  const std::string help = "  help: each key-value head serves the same number of query heads";
  EXPECT_EQ(refusal(changed(kLlama, "heads\": 2", "heads\": 3")),
            "config.json:6:3: error: 3 key-value heads do not divide 4 heads\n" + help);
  EXPECT_EQ(refusal(changed(kLlama, "heads\": 2", "heads\": 8")),
            "config.json:6:3: error: 8 key-value heads do not divide 4 heads\n" + help);
}

TEST(HuggingFace, ATokenMeetsNoMoreExpertsThanThereAre) {
  EXPECT_EQ(refusal(changed(kMixtral, "tok\": 2", "tok\": 9")),
            "config.json:9:3: error: 9 experts per token of 8 experts\n"
            "  help: a token meets some of the routed experts of a layer, never more than there "
            "are");
}

TEST(HuggingFace, ATokenMeetsAnExpert) {
  EXPECT_EQ(problem_of([] { config_of(changed(kMixtral, "tok\": 2", "tok\": 0")); }).where.line,
            9U);
}

TEST(HuggingFace, ListsOfLayersFitTheLayers) {
  for (const auto field :
       {R"("moe_layers": [0, 1, 2, 3, 4])", R"("moe_layer_freq": [0, 0, 0, 0, 0])"}) {
    EXPECT_THROW(config_of(with(kMixtral, field)), InputError) << field;
  }
}

TEST(HuggingFace, LongListsOfLayersAreReadQuickly) {
  std::string list = R"("mlp_only_layers": [0)";
  for (int i = 1; i < 50000; ++i) list += ",200000";
  const auto start = std::chrono::steady_clock::now();
  config_of(with(changed(kMixtral, "layers\": 4", "layers\": 100000"), list + "]"));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), 0.5);
}

TEST(HuggingFace, AHybridIsNotCountedAsATransformer) {
  const auto config = config_of(with(changed(kMixtral, "\"mixtral\"", "\"zamba2\""),
                                     R"("attn_layer_period": 8, "mamba_d_state": 16)"));
  EXPECT_TRUE(config.spec.hybrid);
  EXPECT_FALSE(complete(config.spec, {}).usable());
  EXPECT_FALSE(config.warnings.empty());
}

TEST(HuggingFace, AHybridOfAKnownFamilySaysItsBlocks) {
  // Of a family that is known, but with nothing said of its blocks.
  const auto silent = config_of(changed(kMixtral, "\"mixtral\"", "\"jamba\""));
  EXPECT_TRUE(silent.spec.hybrid);
  EXPECT_EQ(silent.warnings.front(),
            "jamba has blocks without attention: give params_b (and active_params_b)");

  const std::string nemotron = R"({
  "model_type": "nemotron_h",
  "num_hidden_layers": 5,
  "hidden_size": 64,
  "num_attention_heads": 4,
  "intermediate_size": 256,
  "hybrid_override_pattern": "M-M*-",
  "mamba_num_heads": 8,
  "mamba_head_dim": 16,
  "ssm_state_size": 32,
  "n_groups": 2,
  "conv_kernel": 4,
  "vocab_size": 100
}
)";
  const auto a = architecture_of(nemotron);
  EXPECT_EQ(a.ssm_layers, 2);
  EXPECT_EQ(a.attention_blocks(), 1);
  EXPECT_EQ(a.dense_layers(), 2);
  EXPECT_EQ(a.ssm_inner, 128);
  EXPECT_EQ(a.state_space, StateSpace::mamba2);
  const auto listed =
      changed(nemotron, R"("hybrid_override_pattern": "M-M*-")",
              R"("layers_block_type": ["mamba", "mlp", "mamba", "attention", "mlp"])");
  EXPECT_EQ(total_of(listed), total_of(nemotron));
  EXPECT_EQ(refusal(changed(nemotron, "M-M*-", "M-M*X")),
            "config.json:7:3: error: block 5 of 'hybrid_override_pattern' is of no known kind\n"
            "  help: M or mamba, * or attention, - or mlp, E or moe");
  EXPECT_EQ(refusal(changed(nemotron, "M-M*-", "M-M*")),
            "config.json:7:3: error: 'hybrid_override_pattern' has 4 of 5 layers\n"
            "  help: it and num_hidden_layers contradict each other");
}

TEST(HuggingFace, MixersAreCountedByTypePeriodOrList) {
  const std::string qwen = R"({
  "model_type": "qwen3_next",
  "num_hidden_layers": 4,
  "hidden_size": 64,
  "num_attention_heads": 4,
  "intermediate_size": 256,
  "full_attention_interval": 4,
  "linear_num_key_heads": 2,
  "linear_num_value_heads": 4,
  "linear_key_head_dim": 16,
  "linear_value_head_dim": 32,
  "vocab_size": 100
}
)";
  const auto a = architecture_of(qwen);
  EXPECT_EQ(a.ssm_layers, 3);
  EXPECT_EQ(a.attention_blocks(), 1);
  EXPECT_EQ(a.dense_layers(), 4);
  EXPECT_EQ(a.ssm_inner, 128);
  EXPECT_EQ(a.ssm_groups, 2);
  EXPECT_TRUE(a.details.attention_gate);
  const auto typed = [&](const std::string& types) {
    return with(qwen, "\"layer_types\": [" + types + "]");
  };
  EXPECT_EQ(architecture_of(typed(R"("linear_attention", "full_attention", "full_attention",
    "full_attention")"))
                .ssm_layers,
            1);
  EXPECT_THROW(config_of(typed(R"("linear_attention", "full_attention")")), InputError);
  EXPECT_FALSE(architecture_of(with(qwen, R"("attn_output_gate": false)")).details.attention_gate);

  // Jamba: attention and experts by period and offset.
  const std::string jamba = R"({
  "model_type": "jamba",
  "num_hidden_layers": 10,
  "hidden_size": 64,
  "num_attention_heads": 4,
  "intermediate_size": 256,
  "attn_layer_period": 4,
  "attn_layer_offset": 1,
  "expert_layer_period": 3,
  "expert_layer_offset": 2,
  "num_experts": 8,
  "num_experts_per_tok": 2,
  "mamba_expand": 2,
  "mamba_d_state": 16,
  "mamba_d_conv": 4,
  "vocab_size": 100
}
)";
  const auto b = architecture_of(jamba);
  EXPECT_EQ(b.attention_blocks(), 3);  // 1, 5, 9
  EXPECT_EQ(b.moe_layers, 3);          // 2, 5, 8
  EXPECT_EQ(b.dense_layers(), 7);
  EXPECT_EQ(b.ssm_inner, 128);
}

TEST(HuggingFace, DimensionsLieInTheirRange) {
  EXPECT_EQ(refusal(changed(kLlama, "layers\": 2", "layers\": 0")),
            "config.json:3:3: error: 'num_hidden_layers' is 0\n"
            "  help: num_hidden_layers lies between 1 and 100000");
  EXPECT_EQ(refusal(changed(kLlama, "layers\": 2", "layers\": -2")),
            "config.json:3:3: error: 'num_hidden_layers' is -2\n"
            "  help: num_hidden_layers lies between 1 and 100000");
  EXPECT_EQ(refusal(changed(kLlama, "\"hidden_size\": 64", "\"hidden_size\": 1e8")),
            "config.json:4:3: error: 'hidden_size' is 1e+08\n"
            "  help: hidden_size lies between 1 and 1e+07");
  EXPECT_EQ(refusal(changed(kLlama, "heads\": 2", "heads\": 0")),
            "config.json:6:3: error: 'num_key_value_heads' is 0\n"
            "  help: num_key_value_heads lies between 1 and 100000");
}

TEST(HuggingFace, DimensionsAreWholeNumbers) {
  EXPECT_EQ(refusal(changed(kLlama, "\"hidden_size\": 64", "\"hidden_size\": 64.5")),
            "config.json:4:3: error: 'hidden_size' is 64.5, not a whole number\n"
            "  help: dimensions are whole numbers");
  EXPECT_EQ(total_of(changed(kLlama, "\"hidden_size\": 64", "\"hidden_size\": 64.0")),
            total_of(kLlama));
}

/// What is read beside the dimensions is held to the same rules.
TEST(HuggingFace, SmallFieldsLieInTheirRange) {
  const std::string mpt = R"({"model_type": "mpt", "d_model": 64, "n_heads": 4, "n_layers": 2,
"vocab_size": 100
}
)";
  const std::string llama4 = changed(kMixtral, "\"mixtral\"", "\"llama4_text\"");
  const std::string bert = changed(kLlama, "\"llama\"", "\"bert\"");
  const std::string vit = with(changed(kLlama, "\"llama\"", "\"vit\""),
                               R"("architectures": ["ViTForImageClassification"])");
  const std::string qwen = with(changed(kLlama, "\"llama\"", "\"qwen2\""),
                                R"("sliding_window": 32, "use_sliding_window": true)");
  for (const auto& text :
       {with(mpt, R"("expansion_ratio": -4)"), with(mpt, R"("expansion_ratio": 1e300)"),
        with(mpt, R"("expansion_ratio": 0)"),
        with(changed(mpt, "\"mpt\"", "\"x\""), R"("mlp_ratio": -1)"),
        with(llama4, R"("intermediate_size_mlp": -5)"),
        with(llama4, R"("intermediate_size_mlp": 100.5)"), with(kT5, R"("num_decoder_layers": -1)"),
        with(kT5, R"("num_decoder_layers": 1.5)"), with(kT5, R"("num_decoder_layers": 1e300)"),
        with(kT5, R"("relative_attention_num_buckets": -32)"),
        with(bert, R"("type_vocab_size": -2)"), with(vit, R"("num_labels": -3)"),
        with(vit, R"("num_labels": 1e300)"),
        changed(kDeepSeek, "\"qk_nope_head_dim\": 12", "\"qk_nope_head_dim\": -12"),
        changed(kDeepSeek, "\"qk_nope_head_dim\": 12", "\"qk_nope_head_dim\": 0.5"),
        with(kFalcon, R"("new_decoder_architecture": true, "num_kv_heads": 2,
  "num_ln_in_parallel_attn": -7)"),
        with(qwen, R"("max_window_layers": -100)")}) {
    EXPECT_THROW(config_of(text), InputError) << text;
  }
}

TEST(HuggingFace, NumbersStandWithoutQuotes) {
  EXPECT_EQ(refusal(changed(kLlama, "\"hidden_size\": 64", "\"hidden_size\": \"64\"")),
            "config.json:4:3: error: 'hidden_size' is '64', not a number\n"
            "  help: write a number without quotes");
  EXPECT_EQ(refusal(changed(kLlama, "\"hidden_size\": 64", "\"hidden_size\": true")),
            "config.json:4:3: error: 'hidden_size' is true, not a number\n"
            "  help: write a number without quotes");
  EXPECT_EQ(refusal(with(kLlama, R"("sliding_window": [8])")),
            "config.json:9:3: error: 'sliding_window' is a list, not a number\n"
            "  help: write a number without quotes");
  EXPECT_EQ(refusal(with(kLlama, R"("tie_word_embeddings": "true")")),
            "config.json:9:3: error: 'tie_word_embeddings' is 'true', not true or false\n"
            "  help: write true or false without quotes");
  EXPECT_EQ(refusal(with(kLlama, R"("mlp_bias": 1)")),
            "config.json:9:3: error: 'mlp_bias' is 1, not true or false\n"
            "  help: write true or false without quotes");
}

TEST(HuggingFace, AKeyStandsOnce) {
  EXPECT_EQ(refusal(with(kLlama, R"("hidden_size": 64)")),
            "config.json:9:3: error: 'hidden_size' stands twice\n  help: keep one of the two");
}

TEST(HuggingFace, WhatIsNoConfigurationIsRefused) {
  EXPECT_EQ(refusal(""),
            "config.json: error: the file is empty\n  help: give the config.json of a model");
  EXPECT_EQ(refusal("[1]"),
            "config.json:1:1: error: a list, not an object\n"
            "  help: give a config.json: it begins with '{'");
  EXPECT_EQ(refusal("42"),
            "config.json:1:1: error: a single value, not an object\n"
            "  help: give a config.json: it begins with '{'");
  EXPECT_EQ(refusal(std::string_view{kLlama}.substr(0, 60)),
            "config.json:4:8: error: the file ends in the middle of a value\n"
            "  help: is the copy complete?");
  EXPECT_EQ(refusal(changed(kLlama, "\"hidden_size\": 64", "\"hidden_size\": 1e999")),
            "config.json:4:22: error: a number that is too large\n"
            "  help: sizes of models are below 1e9");
  EXPECT_EQ(problem_of([] { config_of(changed(kLlama, "llama", "ll\0ma"s)); }).where.line, 2U);
  EXPECT_EQ(problem_of([] { config_of(changed(kLlama, "llama", "ll\xE9ma")); }).what,
            "byte 0xE9 is not valid UTF-8");
}

TEST(HuggingFace, AnyPrefixIsAnError) {
  for (std::size_t size = 0; size + 2 < kDeepSeek.size(); ++size) {
    EXPECT_THROW(config_of(std::string_view{kDeepSeek}.substr(0, size)), InputError) << size;
  }
}

TEST(HuggingFace, EndlessInputIsRefusedQuickly) {
  const auto start = std::chrono::steady_clock::now();
  std::string large = "{\"model_type\": \"llama\"";
  large.resize(std::size_t{17} << 20, ' ');
  EXPECT_EQ(problem_of([&] { config_of(large); }).what, "larger than 16 MiB");
  std::string deep;
  for (int i = 0; i < 100000; ++i) deep += "{\"a\":";
  EXPECT_EQ(problem_of([&] { config_of(deep); }).what, "nested more than 32 deep");
  EXPECT_EQ(problem_of([&] { config_of(std::string(100000, '[')); }).what, "a list, not an object");
  EXPECT_EQ(
      problem_of([] { config_of("{\"" + std::string(std::size_t{1} << 20, 'k') + "\": 1}"); }).what,
      "a key of 1048576 bytes");
  // As much as is allowed, of fields that mean nothing.
  std::string wide = kLlama.substr(0, kLlama.size() - 3);
  for (int i = 0; i < 99000; ++i) wide += ",\n\"k" + std::to_string(i) + "\": 1";
  EXPECT_EQ(total_of(wide + "\n}"), total_of(kLlama));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), 5);
}

TEST(HuggingFace, LongNamesAreShortened) {
  const auto config = config_of(changed(kLlama, "llama", std::string(100000, 'x')));
  EXPECT_LT(config.warnings.at(0).size(), 250U);
  const auto problem = problem_of([] {
    config_of(changed(kLlama, "\"hidden_size\": 64",
                      "\"hidden_size\": \"" + std::string(100000, '6') + '"'));
  });
  EXPECT_LT(problem.what.size(), 250U);
}

TEST(HuggingFace, TellsAConfigurationFromARunTable) {
  EXPECT_TRUE(looks_like_huggingface("{\"model_type\""));
  EXPECT_TRUE(looks_like_huggingface("  \t{"));
  EXPECT_FALSE(looks_like_huggingface(""));
  EXPECT_FALSE(looks_like_huggingface("name,params_b"));
  EXPECT_FALSE(looks_like_huggingface("- name: x"));
  EXPECT_FALSE(looks_like_huggingface("[1]"));
}

TEST(HuggingFace, TellsAConfigurationBehindAMarkOrABlankLine) {
  EXPECT_TRUE(looks_like_huggingface("\xEF\xBB\xBF{"));
  EXPECT_TRUE(looks_like_huggingface("\r\n{"));
}

}  // namespace
}  // namespace pretrain::models
