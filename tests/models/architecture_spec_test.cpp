#include "models/architecture_spec.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "models/parameters.hpp"
#include "tests/support.hpp"

namespace pretrain::models {
namespace {

const FamilyCatalogue& families() {
  static const auto catalogue =
      FamilyCatalogue::read(shipped(embedded_files(), "families.csv"), "families.csv");
  return catalogue;
}

using Cells = std::initializer_list<std::pair<Field, double>>;

ArchitectureSpec spec_of(Cells cells, std::string_view type = {}) {
  ArchitectureSpec spec;
  for (const auto& [field, value] : cells) spec[field] = given(value);
  spec.type = type;
  if (!type.empty()) spec.type_basis = Basis::given;
  return spec;
}

ArchitectureSpec family_spec(std::string_view family, Cells cells) {
  auto spec = spec_of(cells);
  spec.family = families().find(family);
  EXPECT_NE(spec.family, nullptr) << family;
  spec.type = spec.family->type;
  spec.details = spec.family->details;
  spec.has_details = true;
  return spec;
}

Completion completed(const ArchitectureSpec& spec) { return complete(spec, {}); }

std::vector<std::string> names_of(const std::bitset<kFields>& fields) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kFields; ++i) {
    if (fields[i]) names.emplace_back(kFieldInfo[i].name);
  }
  return names;
}

using Names = std::vector<std::string>;
using State = Completion::State;

/// A decoder whose flags are not known.
ArchitectureSpec open_flags() {
  return spec_of({{Field::layers, 32},
                  {Field::hidden, 4096},
                  {Field::heads, 32},
                  {Field::ffn_hidden, 11008},
                  {Field::vocab, 32000}});
}

// ---- the usual shape

TEST(ArchitectureSpec, UsualShapeMeetsTheCount) {
  for (double params = 1e8; params < 2e13; params *= 1.13) {
    const auto a = usual_shape(params);
    EXPECT_NEAR(parameters(a).total() / params, 1, 0.01) << params;
  }
  for (const double params : {1.1e9, 3e9, 7e9, 8.03e9, 70e9, 175e9, 405e9}) {
    EXPECT_NEAR(parameters(usual_shape(params)).total() / params, 1, 0.01) << params;
  }
}

TEST(ArchitectureSpec, UsualShapeIsOneThatCanBeBuilt) {
  for (double params = 1e6; params < 2e13; params *= 1.3) {
    const auto a = usual_shape(params);
    for (const double width : {a.layers, a.hidden, a.heads, a.kv_heads, a.head_dim, a.v_head_dim,
                               a.ffn_hidden, a.vocab}) {
      EXPECT_GE(width, 1) << params;
      EXPECT_EQ(width, std::floor(width)) << params;
    }
    EXPECT_EQ(a.hidden, a.heads * a.head_dim) << params;
    EXPECT_EQ(std::fmod(a.heads, a.kv_heads), 0) << params;
    EXPECT_EQ(a.type, ModelType::dense);
  }
}

TEST(ArchitectureSpec, UsualShapeIsNearLlama) {
  const auto small = usual_shape(8.03e9);
  EXPECT_NEAR(small.hidden / 4096, 1, 0.15);
  EXPECT_NEAR(small.layers / 32, 1, 0.15);
  const auto large = usual_shape(405.85e9);
  EXPECT_NEAR(large.hidden / 16384, 1, 0.15);
  EXPECT_NEAR(large.layers / 126, 1, 0.15);
}

// ---- completion

TEST(ArchitectureSpec, NothingIsMissingBothDimensions) {
  const auto completion = completed({});
  EXPECT_EQ(completion.state, State::missing);
  EXPECT_FALSE(completion.usable());
  EXPECT_EQ(names_of(completion.missing), (Names{"layers", "hidden"}));
  EXPECT_EQ(names_of(completed(spec_of({{Field::layers, 12}})).missing), Names{"hidden"});
}

TEST(ArchitectureSpec, UsualValuesAreNamed) {
  const auto completion = completed(spec_of({{Field::layers, 24}, {Field::hidden, 2048}}));
  ASSERT_EQ(completion.state, State::assumed);
  EXPECT_TRUE(completion.usable());
  EXPECT_EQ(names_of(completion.assumed),
            (Names{"heads", "ffn_hidden", "gated_ffn", "vocab", "tie_embeddings"}));
  const auto& a = completion.architecture;
  EXPECT_EQ(a.type, ModelType::dense);
  EXPECT_EQ(a.heads, 16);
  EXPECT_EQ(a.kv_heads, 16);
  EXPECT_EQ(a.head_dim, 128);
  EXPECT_EQ(a.v_head_dim, 128);
  EXPECT_EQ(a.ffn_hidden, 8192);
  EXPECT_EQ(a.vocab, 50304);
  EXPECT_FALSE(a.gated);  // four times the width: two matrices
  EXPECT_FALSE(a.tied);
}

TEST(ArchitectureSpec, UsualHeadsDivideTheWidth) {
  // 1600, 2880 and 4544 are the widths of published models, none a multiple of 128.
  for (const double hidden : {1600.0, 2880.0, 4544.0, 1000.0, 100.0, 1.0}) {
    const auto completion = completed(spec_of({{Field::layers, 24}, {Field::hidden, hidden}}));
    EXPECT_EQ(completion.state, State::assumed) << hidden << ": " << completion.what;
  }
}

TEST(ArchitectureSpec, EverythingGivenIsWhole) {
  auto spec = open_flags();
  spec[Field::gated_ffn] = given(1.0);
  spec[Field::tie_embeddings] = given(0.0);
  const auto completion = completed(spec);
  EXPECT_EQ(completion.state, State::whole);
  EXPECT_TRUE(completion.assumed.none());
  // Llama 2 7B.
  EXPECT_EQ(parameters(completion.architecture).total(), 6'738'415'616);
}

TEST(ArchitectureSpec, TheFamilyFillsWhatItKnows) {
  const auto gpt2 = completed(family_spec("gpt2", {{Field::layers, 12},
                                                   {Field::hidden, 768},
                                                   {Field::heads, 12},
                                                   {Field::vocab, 50257},
                                                   {Field::context, 1024}}));
  ASSERT_EQ(gpt2.state, State::whole);
  EXPECT_EQ(gpt2.architecture.ffn_hidden, 3072);
  EXPECT_TRUE(gpt2.architecture.tied);
  EXPECT_FALSE(gpt2.architecture.gated);
  EXPECT_EQ(parameters(gpt2.architecture).total(), 124'439'808);

  // Two learned positions more than the context.
  const auto opt = completed(family_spec("opt", {{Field::layers, 12},
                                                 {Field::hidden, 768},
                                                 {Field::heads, 12},
                                                 {Field::ffn_hidden, 3072},
                                                 {Field::vocab, 50272},
                                                 {Field::context, 2048}}));
  EXPECT_EQ(opt.architecture.details.position_count, 2050);
  EXPECT_EQ(parameters(opt.architecture).total(), 125'239'296);
}

TEST(ArchitectureSpec, CellsGoBeforeTheFamily) {
  auto spec = family_spec("gpt2", {{Field::layers, 12},
                                   {Field::hidden, 768},
                                   {Field::heads, 12},
                                   {Field::vocab, 50257},
                                   {Field::ffn_hidden, 1000},
                                   {Field::tie_embeddings, 0},
                                   {Field::gated_ffn, 1}});
  const auto& a = completed(spec).architecture;
  EXPECT_EQ(a.ffn_hidden, 1000);
  EXPECT_FALSE(a.tied);
  EXPECT_TRUE(a.gated);
}

TEST(ArchitectureSpec, FillFromKeepsWhatIsThere) {
  auto spec = spec_of({{Field::layers, 12}});
  auto other = family_spec("llama", {{Field::layers, 32}, {Field::hidden, 4096}});
  spec.fill_from(other);
  EXPECT_EQ(*spec[Field::layers], 12);
  EXPECT_EQ(*spec[Field::hidden], 4096);
  EXPECT_EQ(spec.type, "dense");
  EXPECT_EQ(spec.family, other.family);
  EXPECT_TRUE(spec.has_details);
  EXPECT_FALSE(spec[Field::heads]);

  // Blocks that are not known stay so.
  other.hybrid = true;
  spec.fill_from(other);
  EXPECT_TRUE(spec.hybrid);

  auto gpt2 = family_spec("gpt2", {});
  gpt2.fill_from(other);
  EXPECT_EQ(gpt2.family->name, "gpt2");
  EXPECT_EQ(gpt2.details.norm, Norm::layer);
}

TEST(ArchitectureSpec, TheStatedCountChoosesTheOpenFlags) {
  for (const bool gated : {false, true}) {
    for (const bool tied : {false, true}) {
      auto spec = open_flags();
      spec[Field::gated_ffn] = given(gated ? 1.0 : 0.0);
      spec[Field::tie_embeddings] = given(tied ? 1.0 : 0.0);
      // As rounded as publishers do.
      const double count = parameters(completed(spec).architecture).total();
      const double stated = std::round(count / 1e7) * 1e7;
      const auto completion = complete(open_flags(), {.total = stated});
      EXPECT_EQ(completion.state, State::whole);
      EXPECT_EQ(completion.architecture.gated, gated);
      EXPECT_EQ(completion.architecture.tied, tied);
    }
  }
}

TEST(ArchitectureSpec, TheStatedCountDoesNotOverruleAFlag) {
  auto spec = open_flags();
  spec[Field::gated_ffn] = given(0.0);
  const auto completion = complete(spec, {.total = 6.74e9});  // that of the gated model
  EXPECT_FALSE(completion.architecture.gated);
  const auto family = complete(family_spec("gpt2", {{Field::layers, 32},
                                                    {Field::hidden, 4096},
                                                    {Field::heads, 32},
                                                    {Field::ffn_hidden, 11008},
                                                    {Field::vocab, 32000}}),
                               {.total = 6.74e9});
  EXPECT_FALSE(family.architecture.gated);
  EXPECT_TRUE(family.architecture.tied);
}

TEST(ArchitectureSpec, WithoutAStatedCountTheWidthTellsTheGate) {
  EXPECT_TRUE(completed(open_flags()).architecture.gated);  // 2.7 times the width
  auto wide = open_flags();
  wide[Field::ffn_hidden] = given(16384.0);
  EXPECT_FALSE(completed(wide).architecture.gated);
  EXPECT_EQ(names_of(completed(wide).assumed), (Names{"gated_ffn", "tie_embeddings"}));
}

TEST(ArchitectureSpec, ExpertsMakeItSparse) {
  const auto completion = completed(spec_of({{Field::layers, 32},
                                             {Field::hidden, 4096},
                                             {Field::heads, 32},
                                             {Field::kv_heads, 8},
                                             {Field::ffn_hidden, 14336},
                                             {Field::experts, 8},
                                             {Field::experts_per_token, 2},
                                             {Field::vocab, 32000},
                                             {Field::tie_embeddings, 0},
                                             {Field::gated_ffn, 1}}));
  ASSERT_EQ(completion.state, State::whole) << completion.what;
  const auto& a = completion.architecture;
  EXPECT_EQ(a.type, ModelType::moe);
  EXPECT_EQ(a.moe_layers, 32);
  EXPECT_EQ(a.dense_layers(), 0);
  EXPECT_EQ(a.expert_ffn_hidden, 14336);
  EXPECT_EQ(parameters(a).total(), 46'702'792'704);
}

TEST(ArchitectureSpec, LayersWithExpertsFollowTheirPeriod) {
  const auto sparse = [](double leading, double period) {
    return completed(spec_of({{Field::layers, 61},
                              {Field::hidden, 1024},
                              {Field::experts, 8},
                              {Field::experts_per_token, 2},
                              {Field::expert_ffn_hidden, 512},
                              {Field::leading_dense_layers, leading},
                              {Field::moe_layer_period, period}}))
        .architecture.moe_layers;
  };
  EXPECT_EQ(sparse(0, 1), 61);
  EXPECT_EQ(sparse(3, 1), 58);
  EXPECT_EQ(sparse(0, 2), 30);
  EXPECT_EQ(sparse(3, 2), 29);
  EXPECT_EQ(sparse(61, 1), 0);
}

TEST(ArchitectureSpec, DenseBlocksBesideExpertsAreAsWideAsWhatATokenMeets) {
  const auto completion = completed(spec_of({{Field::layers, 24},
                                             {Field::hidden, 1024},
                                             {Field::experts, 8},
                                             {Field::experts_per_token, 2},
                                             {Field::expert_ffn_hidden, 512},
                                             {Field::shared_experts, 1},
                                             {Field::leading_dense_layers, 1}}));
  ASSERT_TRUE(completion.usable());
  EXPECT_EQ(completion.architecture.ffn_hidden, 3 * 512);
  EXPECT_EQ(completion.architecture.shared_ffn_hidden, 512);
  EXPECT_TRUE(completion.assumed[static_cast<std::size_t>(Field::ffn_hidden)]);
}

TEST(ArchitectureSpec, SharedWidthGoesBeforeTheirNumber) {
  const auto completion = completed(spec_of({{Field::layers, 24},
                                             {Field::hidden, 1024},
                                             {Field::experts, 8},
                                             {Field::experts_per_token, 2},
                                             {Field::expert_ffn_hidden, 512},
                                             {Field::shared_experts, 1},
                                             {Field::shared_ffn_hidden, 2048}}));
  EXPECT_EQ(completion.architecture.shared_ffn_hidden, 2048);
}

TEST(ArchitectureSpec, ASparseModelNeedsItsExperts) {
  EXPECT_EQ(
      names_of(completed(spec_of({{Field::layers, 24}, {Field::hidden, 1024}}, "moe")).missing),
      (Names{"experts", "experts_per_token", "expert_ffn_hidden"}));
  EXPECT_EQ(names_of(completed(spec_of({{Field::layers, 24},
                                        {Field::hidden, 1024},
                                        {Field::ffn_hidden, 512},
                                        {Field::experts, 8}}))
                         .missing),
            Names{"experts_per_token"});
}

TEST(ArchitectureSpec, LatentAttentionHasAHeadOfKeysForEachHead) {
  const auto completion = completed(spec_of({{Field::layers, 27},
                                             {Field::hidden, 2048},
                                             {Field::heads, 16},
                                             {Field::kv_heads, 1},
                                             {Field::head_dim, 128},
                                             {Field::kv_lora_rank, 512},
                                             {Field::qk_rope_head_dim, 64}}));
  const auto& a = completion.architecture;
  EXPECT_TRUE(a.latent());
  EXPECT_EQ(a.kv_heads, 16);
  EXPECT_EQ(a.v_head_dim, 128);
  EXPECT_EQ(a.query_width(), 16 * 192);
  EXPECT_EQ(a.q_lora_rank, 0);
  // Without a rank there is no rotated part of its own.
  const auto plain = completed(spec_of({{Field::layers, 27},
                                        {Field::hidden, 2048},
                                        {Field::qk_rope_head_dim, 64},
                                        {Field::v_head_dim, 32}}));
  EXPECT_EQ(plain.architecture.rope_head_dim, 0);
  EXPECT_EQ(plain.architecture.v_head_dim, plain.architecture.head_dim);
}

TEST(ArchitectureSpec, AnEncoderDecoderIsHalfDecoderUnlessItSaysSo) {
  const Cells cells{{Field::layers, 12}, {Field::hidden, 512}};
  EXPECT_EQ(completed(spec_of(cells, "encoder_decoder")).architecture.decoder_layers, 6);
  auto uneven = spec_of(cells, "encoder_decoder");
  uneven[Field::decoder_layers] = given(2.0);
  EXPECT_EQ(completed(uneven).architecture.decoder_layers, 2);
  // A dense decoder has no second stack.
  EXPECT_EQ(completed(spec_of(cells)).architecture.decoder_layers, 0);
}

TEST(ArchitectureSpec, ASparseModelWithADecoderHasTwoStacks) {
  const auto completion = completed(spec_of({{Field::layers, 48},
                                             {Field::decoder_layers, 24},
                                             {Field::hidden, 2048},
                                             {Field::experts, 128},
                                             {Field::experts_per_token, 2},
                                             {Field::ffn_hidden, 8192}},
                                            "moe"));
  EXPECT_EQ(completion.architecture.type, ModelType::encoder_decoder);
  EXPECT_EQ(completion.architecture.moe_layers, 48);
}

TEST(ArchitectureSpec, AnEncoderIsTiedAndHasItsUsualParts) {
  const auto completion = completed(spec_of({{Field::layers, 12},
                                             {Field::hidden, 768},
                                             {Field::heads, 12},
                                             {Field::ffn_hidden, 3072},
                                             {Field::vocab, 30522},
                                             {Field::context, 512},
                                             {Field::gated_ffn, 0}},
                                            "encoder"));
  EXPECT_EQ(completion.state, State::whole);
  EXPECT_TRUE(completion.architecture.tied);
  EXPECT_EQ(completion.architecture.details.norm, Norm::layer);
  EXPECT_TRUE(completion.architecture.details.ffn_bias);
}

TEST(ArchitectureSpec, AnImageIsCutIntoPatches) {
  const auto completion = completed(spec_of({{Field::layers, 12},
                                             {Field::hidden, 768},
                                             {Field::heads, 12},
                                             {Field::ffn_hidden, 3072},
                                             {Field::gated_ffn, 0},
                                             {Field::classes, 1000}},
                                            "vision"));
  ASSERT_EQ(completion.state, State::assumed);
  EXPECT_EQ(names_of(completion.assumed), (Names{"patch_size", "image_size"}));
  const auto& a = completion.architecture;
  EXPECT_EQ(a.patch_values, 768);
  EXPECT_EQ(a.vocab, 0);
  EXPECT_EQ(parameters(a).total(), 86'567'656);  // ViT-B/16
}

TEST(ArchitectureSpec, AWindowWithoutAShareIsThatOfAllLayers) {
  auto spec = open_flags();
  spec[Field::sliding_window] = given(4096.0);
  EXPECT_EQ(completed(spec).architecture.window, 4096);
  EXPECT_EQ(completed(spec).architecture.window_share, 1);
  spec[Field::window_layer_share] = given(0.5);
  EXPECT_EQ(completed(spec).architecture.window_share, 0.5);
  EXPECT_EQ(completed(open_flags()).architecture.window_share, 0);
}

TEST(ArchitectureSpec, TheWidthOfAnEmbeddingCountsWhereItDiffers) {
  auto spec = open_flags();
  spec[Field::embedding_width] = given(4096.0);
  EXPECT_EQ(completed(spec).architecture.embedding_width, 0);
  spec[Field::embedding_width] = given(512.0);
  EXPECT_EQ(completed(spec).architecture.embedding_width, 512);
}

// ---- contradictions

void expect_wrong(const ArchitectureSpec& spec, Field field, std::string_view what,
                  std::string_view help) {
  const auto completion = completed(spec);
  EXPECT_EQ(completion.state, State::wrong) << what;
  EXPECT_FALSE(completion.usable());
  EXPECT_EQ(completion.field, field) << what;
  EXPECT_EQ(completion.what, what);
  EXPECT_EQ(completion.help, help);
}

TEST(ArchitectureSpec, ContradictionsNameTheCell) {
  const auto changed = [](Field field, double value) {
    auto spec = open_flags();
    spec[field] = given(value);
    return spec;
  };
  expect_wrong(changed(Field::heads, 33), Field::heads,
               "33 heads do not divide the hidden width of 4096",
               "give head_dim where it is not hidden / heads");
  expect_wrong(changed(Field::kv_heads, 5), Field::kv_heads,
               "5 key-value heads do not divide 32 heads",
               "each key-value head serves the same number of query heads");
  expect_wrong(changed(Field::kv_heads, 64), Field::kv_heads,
               "64 key-value heads do not divide 32 heads",
               "each key-value head serves the same number of query heads");

  auto dense = open_flags();
  dense.type = "dense";
  dense[Field::experts] = given(8.0);
  expect_wrong(dense, Field::experts, "8 experts in a dense model",
               "give type moe, or leave experts blank");

  auto moe = open_flags();
  moe[Field::experts] = given(8.0);
  moe[Field::experts_per_token] = given(9.0);
  expect_wrong(moe, Field::experts_per_token, "9 experts per token of 8 experts",
               "a token meets some of the routed experts of a layer, never more than there are");
  moe[Field::experts_per_token] = given(2.0);
  moe[Field::leading_dense_layers] = given(33.0);
  expect_wrong(moe, Field::leading_dense_layers, "33 leading dense layers of 32 in all",
               "leading_dense_layers counts the first layers without experts");

  auto stacks = open_flags();
  stacks.type = "encoder_decoder";
  stacks[Field::decoder_layers] = given(33.0);
  expect_wrong(stacks, Field::decoder_layers, "33 decoder layers of 32 in all",
               "layers counts both stacks");
}

TEST(ArchitectureSpec, AHeadOfItsOwnWidthNeedsNoDivision) {
  auto spec = open_flags();
  spec[Field::heads] = given(33.0);
  spec[Field::head_dim] = given(128.0);
  EXPECT_TRUE(completed(spec).usable());
  EXPECT_EQ(completed(spec).architecture.query_width(), 33 * 128);
}

TEST(ArchitectureSpec, OneExpertInADenseModelIsNoContradiction) {
  auto spec = open_flags();
  spec.type = "dense";
  spec[Field::experts] = given(1.0);
  EXPECT_TRUE(completed(spec).usable());
}

TEST(ArchitectureSpec, OtherModelsAreBeyondTheFormulas) {
  const auto diffusion =
      completed(spec_of({{Field::layers, 24}, {Field::hidden, 1024}}, "diffusion"));
  EXPECT_EQ(diffusion.state, State::beyond);
  EXPECT_FALSE(diffusion.usable());
  EXPECT_EQ(diffusion.what, "type 'diffusion' has no count of parameters and work here");

  auto odd = open_flags();
  odd.plain = false;
  EXPECT_EQ(completed(odd).state, State::beyond);
  EXPECT_EQ(completed(odd).what, "its blocks are not those of a plain transformer");

  auto hybrid = open_flags();
  hybrid[Field::attention_layers] = given(4.0);
  EXPECT_EQ(completed(hybrid).state, State::beyond);
  EXPECT_EQ(completed(hybrid).what,
            "a hybrid of attention and other layers: its dimensions do not give its count");
  hybrid[Field::attention_layers] = given(32.0);
  EXPECT_TRUE(completed(hybrid).usable());
}

Family with_state(StateSpace state_space) {
  Family family;
  family.name = "mine";
  family.gated = true;
  family.tied = false;
  family.state_space = state_space;
  return family;
}

ArchitectureSpec hybrid_spec(const Family& family) {
  auto spec = spec_of({{Field::layers, 8},
                       {Field::hidden, 1024},
                       {Field::heads, 8},
                       {Field::ffn_hidden, 4096},
                       {Field::vocab, 1000},
                       {Field::ssm_layers, 6},
                       {Field::ssm_inner, 2048},
                       {Field::ssm_heads, 32},
                       {Field::ssm_state, 64},
                       {Field::ssm_groups, 8}},
                      "dense");
  spec.family = &family;
  spec.has_details = true;
  return spec;
}

TEST(ArchitectureSpec, BlocksOfAHybridAreMixersWithAFeedForward) {
  const auto family = with_state(StateSpace::mamba2);
  const auto completion = completed(hybrid_spec(family));
  ASSERT_TRUE(completion.usable()) << completion.what;
  const auto& a = completion.architecture;
  EXPECT_EQ(a.attention_blocks(), 2);
  EXPECT_EQ(a.dense_layers(), 8);
  EXPECT_EQ(a.mixer_only_layers + a.ffn_only_layers, 0);
  EXPECT_EQ(a.ssm_conv, 4);
  EXPECT_TRUE(a.hybrid());
}

TEST(ArchitectureSpec, OrOneOfBoth) {
  const auto family = with_state(StateSpace::mamba2);
  auto spec = hybrid_spec(family);
  spec[Field::ssm_layers] = given(3.0);
  spec[Field::attention_layers] = given(1.0);
  spec[Field::ffn_layers] = given(4.0);
  const auto completion = completed(spec);
  ASSERT_TRUE(completion.usable()) << completion.what;
  const auto& a = completion.architecture;
  EXPECT_EQ(a.attention_blocks(), 1);
  EXPECT_EQ(a.dense_layers(), 4);
  EXPECT_EQ(a.mixer_only_layers, 4);
  EXPECT_EQ(a.ffn_only_layers, 4);
}

TEST(ArchitectureSpec, BlocksOfAHybridAddUp) {
  const auto family = with_state(StateSpace::mamba2);
  auto spec = hybrid_spec(family);
  spec[Field::attention_layers] = given(3.0);
  expect_wrong(spec, Field::layers, "3 layers with attention and 6 with a state of 8 in all",
               "a block has one mixer: attention_layers and ssm_layers are at most layers");
  spec[Field::attention_layers] = given(2.0);
  spec[Field::ffn_layers] = given(9.0);
  expect_wrong(spec, Field::ffn_layers,
               "0 layers with experts and 9 with a dense feed-forward of 8 in all",
               "a block has one of them: moe_layers and ffn_layers are at most layers");
  spec[Field::ssm_layers] = given(1.0);
  spec[Field::ffn_layers] = given(2.0);
  expect_wrong(spec, Field::layers, "8 layers, but parts of 5 only",
               "each block is counted in attention_layers, ssm_layers, moe_layers or ffn_layers");
  spec = hybrid_spec(family);
  spec[Field::ssm_heads] = given(12.0);
  expect_wrong(spec, Field::ssm_heads, "12 heads and 8 groups of a mixer 2048 wide",
               "ssm_heads divides ssm_inner, and ssm_groups divides ssm_heads");
}

TEST(ArchitectureSpec, AMixerIsKnownByItsFamilyAndItsWidths) {
  const auto family = with_state(StateSpace::mamba2);
  auto spec = hybrid_spec(family);
  spec[Field::ssm_state] = {};
  EXPECT_EQ(completed(spec).state, State::missing);
  EXPECT_TRUE(completed(spec).missing[static_cast<std::size_t>(Field::ssm_state)]);
  const auto plain = with_state(StateSpace::none);
  EXPECT_EQ(completed(hybrid_spec(plain)).state, State::beyond);
  // A selective scan has no heads.
  const auto mamba1 = with_state(StateSpace::mamba1);
  spec = hybrid_spec(mamba1);
  spec[Field::ssm_heads] = spec[Field::ssm_groups] = {};
  EXPECT_TRUE(completed(spec).usable());
}

TEST(ArchitectureSpec, FieldsAreNamedLikeTheColumns) {
  EXPECT_EQ(info_of(Field::layers).name, "layers");
  EXPECT_EQ(info_of(Field::classes).name, "classes");
  for (const auto& info : kFieldInfo) EXPECT_LT(info.low, info.high) << info.name;
}

}  // namespace
}  // namespace pretrain::models
