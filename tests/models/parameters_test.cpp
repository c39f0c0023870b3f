#include "models/parameters.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

#include "models/architecture_catalogue.hpp"
#include "tests/support.hpp"

namespace pretrain::models {
namespace {

const ArchitectureCatalogue& shipped_architectures() {
  static const auto families =
      FamilyCatalogue::read(shipped(embedded_files(), "families.csv"), "families.csv");
  static const auto catalogue = ArchitectureCatalogue::read(
      shipped(embedded_files(), "architectures.csv"), "architectures.csv", families);
  return catalogue;
}

/// A shipped architecture, made whole without the help of its stated count.
Architecture architecture(std::string_view name) {
  const auto* published = shipped_architectures().find(name);
  if (published == nullptr) {
    ADD_FAILURE() << "no architecture " << name;
    return {};
  }
  const auto completion = complete(published->spec, {});
  EXPECT_EQ(completion.state, Completion::State::whole) << name;
  return completion.architecture;
}

struct Exact {
  std::string_view name;
  double count;
};

/// Counted tensor by tensor from the published configurations; many are printed on the pages of
/// the models as well.
constexpr Exact kTotals[] = {
    {"gpt2-small", 124'439'808},
    {"gpt2-medium", 354'823'168},
    {"gpt2-xl", 1'557'611'200},
    {"gpt3-175b", 174'604'259'328},
    {"opt-125m", 125'239'296},
    {"opt-1.3b", 1'315'758'080},
    {"opt-6.7b", 6'658'473'984},
    {"opt-13b", 12'853'473'280},
    {"opt-66b", 65'719'701'504},
    {"opt-175b", 174'604'468'224},
    {"bloom-7b1", 7'069'016'064},
    {"bloom-176b", 176'247'271'424},
    {"llama-2-7b", 6'738'415'616},
    {"llama-2-13b", 13'015'864'320},
    {"llama-2-70b", 68'976'648'192},
    {"llama-3.1-8b", 8'030'261'248},
    {"llama-3.1-70b", 70'553'706'496},
    {"llama-3.1-405b", 405'853'388'800},
    {"llama-3.2-1b", 1'235'814'400},
    {"mistral-7b", 7'241'732'096},
    {"tinyllama-1.1b", 1'100'048'384},
    {"mixtral-8x7b", 46'702'792'704},
    {"mixtral-8x22b", 140'630'071'296},
    {"qwen2.5-0.5b", 494'032'768},
    {"qwen2.5-1.5b", 1'543'714'304},
    {"qwen2.5-7b", 7'615'616'512},
    {"qwen2.5-32b", 32'763'876'352},
    {"qwen2.5-72b", 72'706'203'648},
    {"qwen3-0.6b", 596'049'920},
    {"qwen3-1.7b", 1'720'574'976},
    {"qwen3-8b", 8'190'735'360},
    {"qwen3-14b", 14'768'307'200},
    {"qwen3-30b-a3b", 30'532'122'624},
    {"qwen3-235b-a22b", 235'093'634'560},
    {"gemma-7b", 8'537'680'896},
    {"gemma-2-2b", 2'614'341'888},
    {"gemma-2-9b", 9'241'705'984},
    {"falcon-7b", 6'921'720'704},
    {"falcon-40b", 41'303'293'952},
    {"falcon-180b", 179'522'565'120},
    {"gpt-neox-20b", 20'554'567'680},
    {"pythia-1b", 1'011'781'632},
    {"pythia-6.9b", 6'857'302'016},
    {"olmo-1b", 1'176'764'416},
    {"olmo-7b", 6'888'095'744},
    {"olmo-2-7b", 7'298'617'344},
    {"olmoe-1b-7b", 6'919'161'856},
    {"phi-2", 2'779'683'840},
    {"phi-3-mini", 3'821'079'552},
    {"phi-4", 14'659'507'200},
    {"starcoderbase-15b", 15'517'456'384},
    {"starcoder2-3b", 3'030'371'328},
    {"starcoder2-15b", 15'957'889'024},
    {"granite-3.0-8b", 8'170'848'256},
    {"dbrx-132b", 131'596'523'520},
    {"gpt-oss-20b", 20'914'757'184},
    {"gpt-oss-120b", 116'829'156'672},
    {"deepseek-v3", 671'026'419'200},
    {"t5-small", 60'506'624},
    {"t5-11b", 11'307'321'344},
    {"bert-base", 109'482'240},
    {"bert-large", 335'141'888},
    {"distilbert-base", 66'362'880},
    {"vit-base-16", 86'567'656},
    {"vit-large-16", 304'326'632},
    {"vit-huge-14", 632'045'800},
};

/// Their tables differ in a small part.
constexpr Exact kNearTotals[] = {
    {"xlm-r-large", 560'142'482},     // with the head for masked tokens, here with the pooler
    {"gemma-3-27b", 27'009'346'304},  // 64 more entries of the vocabulary
};

TEST(Parameters, MeetPublishedTotals) {
  for (const auto& [name, count] : kTotals) {
    EXPECT_EQ(parameters(architecture(name)).total(), count) << name;
  }
  for (const auto& [name, count] : kNearTotals) {
    EXPECT_NEAR(parameters(architecture(name)).total() / count, 1, 0.001) << name;
  }
}

TEST(Parameters, MeetPublishedActiveCounts) {
  constexpr Exact kActive[] = {
      {"mixtral-8x7b", 12'879'925'248},
      {"mixtral-8x22b", 39'161'468'928},
      {"qwen3-30b-a3b", 3'353'032'704},
      {"qwen3-235b-a22b", 22'190'763'520},
      {"olmoe-1b-7b", 1'282'017'280},
      {"dbrx-132b", 36'469'708'800},
      // Without the input embedding, as their publishers count.
      {"deepseek-v3", 36'625'618'432},
      {"gpt-oss-20b", 3'608'307'264},
      {"gpt-oss-120b", 5'132'849'472},
  };
  for (const auto& [name, count] : kActive) {
    EXPECT_EQ(parameters(architecture(name)).active(), count) << name;
  }
  // Rounded by their publishers.
  constexpr Exact kRounded[] = {{"deepseek-v2", 21e9},      {"deepseek-v2-lite", 2.4e9},
                                {"kimi-k2", 32e9},          {"llama-4-scout", 17e9},
                                {"llama-4-maverick", 17e9}, {"qwen2-57b-a14b", 14e9}};
  for (const auto& [name, count] : kRounded) {
    EXPECT_NEAR(parameters(architecture(name)).active() / count, 1, 0.03) << name;
  }
}

TEST(Parameters, EveryShippedArchitectureMeetsItsStatedTotal) {
  std::size_t met = 0;
  for (const auto& published : shipped_architectures().all()) {
    const auto completion = complete(
        published.spec,
        {.total = published.params_b ? std::optional{*published.params_b * 1e9} : std::nullopt});
    if (!completion.usable() || !published.params_b) continue;
    const auto p = parameters(completion.architecture);
    EXPECT_NEAR(p.total() / (*published.params_b * 1e9), 1, 0.035) << published.name;
    EXPECT_LE(p.active(), p.total()) << published.name;
    EXPECT_GT(p.active(), 0) << published.name;
    ++met;
  }
  EXPECT_GE(met, 140U);
}

TEST(Parameters, BlocksAddUpToTheModel) {
  for (const auto& published : shipped_architectures().all()) {
    const auto completion = complete(published.spec, {});
    if (!completion.usable()) continue;
    const auto& a = completion.architecture;
    const auto p = parameters(a);
    BlockParameters sum;
    const auto add = [&](const BlockKind& kind, bool cross, double times) {
      if (times <= 0) return;
      const auto block = block_parameters(a, kind, cross);
      sum.attention += times * block.attention;
      sum.state_space += times * block.state_space;
      sum.expert_latent += times * block.expert_latent;
      sum.ffn += times * block.ffn;
      sum.routed_experts += times * block.routed_experts;
      sum.shared_experts += times * block.shared_experts;
      sum.router += times * block.router;
      sum.norms += times * block.norms;
    };
    const double cross = a.decoder_layers / a.layers;
    double blocks = 0;
    for (const auto& kind : block_kinds(a)) {
      add(kind, false, kind.count * (1 - cross));
      add(kind, true, kind.count * cross);
      blocks += kind.count;
    }
    EXPECT_EQ(blocks, a.layers) << published.name;
    EXPECT_DOUBLE_EQ(p.attention, sum.attention) << published.name;
    EXPECT_DOUBLE_EQ(p.state_space, sum.state_space) << published.name;
    EXPECT_DOUBLE_EQ(p.expert_latent, sum.expert_latent) << published.name;
    EXPECT_DOUBLE_EQ(p.ffn, sum.ffn) << published.name;
    EXPECT_DOUBLE_EQ(p.routed_experts, sum.routed_experts) << published.name;
    EXPECT_DOUBLE_EQ(p.shared_experts, sum.shared_experts) << published.name;
    EXPECT_DOUBLE_EQ(p.router, sum.router) << published.name;
    // After the last block come a few more.
    EXPECT_GE(p.norms, sum.norms) << published.name;
    EXPECT_LE(p.norms - sum.norms, 6 * a.hidden) << published.name;
    EXPECT_NEAR(p.total(), sum.total() + p.embedding + p.positions + p.head + (p.norms - sum.norms),
                1e-12 * p.total())
        << published.name;
  }
}

/// As their publishers print them: the sources stand in architectures.csv.
TEST(Parameters, HybridsMeetPublishedCounts) {
  constexpr double kSame = 0;  // dense: all parameters are active
  struct Published {
    std::string_view name;
    double total;
    double active;
  };
  constexpr Published kHybrids[] = {
      {"nemotron-3-nano", 31.6e9, 3.6e9},     // nemotron-3-nano-2025
      {"nemotron-3-super", 120.6e9, 12.7e9},  // nemotron, super3/pretrain.md
      {"nemotron-3-ultra", 550e9, 55e9},      // nemotron, the name of the model
      {"nemotron-h-8b", 8e9, kSame},          // nemotron-h-2025, names of the models
      {"nemotron-h-47b", 47e9, kSame},        //
      {"nemotron-h-56b", 56e9, kSame},        //
      {"qwen3.5-397b-a17b", 397e9, 17e9},     // names of the models
      {"qwen3.5-122b-a10b", 122e9, 10e9},     //
      {"qwen3.5-27b", 27e9, kSame},           //
      {"jamba-v0.1", 52e9, 12e9},             // jamba-2024
      {"jamba-1.5-mini", 52e9, 12e9},         // jamba-1.5-2024, abstract
      {"jamba-1.5-large", 398e9, 94e9},       //
  };
  for (const auto& [name, total, active] : kHybrids) {
    const auto p = parameters(architecture(name));
    EXPECT_NEAR(p.total() / total, 1, 0.03) << name;
    EXPECT_NEAR(p.active() / (active > 0 ? active : total), 1, 0.03) << name;
  }
  // Active counts of one digit, with or without the vocabulary: the nearest reading rounds to it.
  constexpr Published kOneDigit[] = {{"qwen3-next-80b-a3b", 80e9, 3e9},
                                     {"qwen3.5-35b-a3b", 35e9, 3e9},
                                     {"kimi-linear-48b-a3b", 48e9, 3e9},
                                     {"granite-4.0-h-tiny", 7e9, 1e9}};
  for (const auto& [name, total, active] : kOneDigit) {
    const auto a = architecture(name);
    const auto p = parameters(a);
    EXPECT_NEAR(p.total() / total, 1, 0.03) << name;
    const double vocabulary = p.head + (a.details.lookup_inactive ? 0 : p.embedding);
    EXPECT_LT(p.active() - vocabulary, active + 0.5e9) << name;
    EXPECT_GT(p.active(), active - 0.5e9) << name;
  }
}

TEST(Parameters, ComponentsOfALatentMixtureOfExperts) {
  const auto p = parameters(architecture("nemotron-3-super"));
  EXPECT_EQ(p.routed_experts, 40 * 512 * 2 * 1024.0 * 2688);
  EXPECT_EQ(p.expert_latent, 40 * 2 * 4096.0 * 1024);
  EXPECT_EQ(p.shared_experts, 40 * 2 * 4096.0 * 5376);
  EXPECT_EQ(p.router, 40 * (4096.0 * 512 + 512));
  EXPECT_EQ(p.attention, 8 * (2 * 4096.0 * 4096 + 2 * 4096.0 * 256));
  EXPECT_EQ(p.norms, 89 * 4096.0);
  EXPECT_EQ(p.ffn, 0);
}

TEST(Parameters, TheGateOfAttentionIsAsWideAsItsOutput) {
  // 12 attentions of Qwen3-Next: 16 heads of 256, twice for queries; 2 for keys and values.
  const auto p = parameters(architecture("qwen3-next-80b-a3b"));
  EXPECT_EQ(p.attention, 12 * (2048.0 * (2 * 4096 + 2 * 512) + 4096.0 * 2048 + 2 * 256));
}

TEST(Parameters, MultiTokenPredictionOfDeepSeekV3) {
  auto a = architecture("deepseek-v3");
  EXPECT_EQ(a.mtp_layers, 1);
  EXPECT_EQ(mtp_parameters(a), 11'610'068'224);
  EXPECT_EQ(parameters(a).total() + mtp_parameters(a), 682'636'487'424);
  // No part of the total.
  a.mtp_layers = 0;
  EXPECT_EQ(parameters(a).total(), 671'026'419'200);
}

TEST(Parameters, MultiTokenPredictionOfNemotronIsOneModule) {
  // Attention, latent experts, a projection of two states to one, and five norms.
  const auto a = architecture("nemotron-3-super");
  EXPECT_EQ(a.mtp_layers, 2);
  EXPECT_EQ(a.mtp_modules(), 1);
  EXPECT_EQ(mtp_parameters(a), 2 * 4096.0 * 4096 + 2 * 4096.0 * 256 + 512 * 2 * 1024.0 * 2688 +
                                   2 * 4096.0 * 1024 + 2 * 4096.0 * 5376 + 4096.0 * 512 + 512 +
                                   2 * 4096.0 * 4096 + 5 * 4096);
}

TEST(Parameters, ComponentsOfLlama) {
  const auto p = parameters(architecture("llama-3.1-8b"));
  EXPECT_EQ(p.embedding, 128256.0 * 4096);
  EXPECT_EQ(p.head, p.embedding);
  EXPECT_EQ(p.attention, 32 * (2 * 4096.0 * 4096 + 2 * 4096.0 * 1024));
  EXPECT_EQ(p.ffn, 32 * 3 * 4096.0 * 14336);
  EXPECT_EQ(p.norms, 65 * 4096.0);
  EXPECT_EQ(p.positions, 0);
  EXPECT_EQ(p.routed_experts + p.shared_experts + p.router + p.inactive, 0);
}

TEST(Parameters, ComponentsOfMixtral) {
  const auto p = parameters(architecture("mixtral-8x7b"));
  EXPECT_EQ(p.routed_experts, 32 * 8 * 3 * 4096.0 * 14336);
  EXPECT_EQ(p.router, 32 * 8 * 4096.0);
  EXPECT_EQ(p.ffn, 0);
  EXPECT_EQ(p.inactive, p.routed_experts * 6 / 8);
}

TEST(Parameters, CrossAttentionAddsProjectionsAndANorm) {
  const auto a = architecture("t5-small");
  const auto plain = block_parameters(a, false, false);
  const auto cross = block_parameters(a, false, true);
  EXPECT_EQ(cross.attention, 2 * plain.attention);
  EXPECT_EQ(cross.norms, plain.norms + 512);
  EXPECT_EQ(cross.ffn, plain.ffn);
}

TEST(Parameters, TheHeadIsTheEmbeddingWhereTied) {
  auto a = architecture("llama-3.1-8b");
  const double untied = parameters(a).total();
  a.tied = true;
  EXPECT_EQ(untied - parameters(a).total(), 128256.0 * 4096);
  EXPECT_EQ(parameters(a).head, 0);
}

TEST(Parameters, NarrowEmbeddingsAreProjectedInAndOut) {
  // opt-350m: 512 into 1024, and back to the head that is the embedding.
  auto a = architecture("opt-125m");
  const auto wide = parameters(a);
  a.embedding_width = 512;
  EXPECT_EQ(parameters(a).embedding, 50272.0 * 512 + 2 * 512.0 * 768);
  EXPECT_EQ(parameters(a).attention, wide.attention);
}

TEST(Parameters, WindowsAndContextAddNothing) {
  auto a = architecture("mistral-7b");
  const double with = parameters(a).total();
  a.window = 0;
  a.window_share = 0;
  EXPECT_EQ(parameters(a).total(), with);
}

TEST(Parameters, AllExpertsMetIsAllActive) {
  auto a = architecture("mixtral-8x7b");
  a.experts_per_token = a.experts;
  EXPECT_EQ(parameters(a).active(), parameters(a).total());
}

TEST(Parameters, DenseApproximationMeetsGpt3) {
  constexpr double kPublished = 174'604'259'328;  // exact count of the 96-layer model
  EXPECT_NEAR(llmcarbon_dense_params(96, 12288, 50257) / kPublished, 1.0, 0.001);
  EXPECT_DOUBLE_EQ(llmcarbon_dense_params(96, 12288, 50257), 174'563'733'504.0);
}

TEST(Parameters, DenseIsLinearInLayersAndVocabulary) {
  EXPECT_DOUBLE_EQ(llmcarbon_dense_params(64, 4096, 0), 2 * llmcarbon_dense_params(32, 4096, 0));
  EXPECT_DOUBLE_EQ(llmcarbon_dense_params(32, 4096, 1000) - llmcarbon_dense_params(32, 4096, 0),
                   1000.0 * 4096);
  EXPECT_DOUBLE_EQ(llmcarbon_dense_params(32, 8192, 0), 4 * llmcarbon_dense_params(32, 4096, 0));
}

TEST(Parameters, OneExpertIsTheDenseDecoder) {
  const double dense = llmcarbon_dense_params(24, 2048, 0);
  for (const double share : {0.0, 0.25, 0.5, 1.0}) {
    EXPECT_DOUBLE_EQ(llmcarbon_moe_params(24, 2048, 1, share), dense) << share;
  }
  EXPECT_DOUBLE_EQ(llmcarbon_moe_params(24, 2048, 64, 0), dense);
  // All layers with experts: 4 h^2 of attention and 8 h^2 for each expert.
  EXPECT_DOUBLE_EQ(llmcarbon_moe_params(24, 2048, 64, 1), 24.0 * 2048 * 2048 * (4 + 8 * 64));
}

TEST(Parameters, EachExpertAddsTheSame) {
  const double step =
      llmcarbon_moe_params(24, 2048, 9, 0.5) - llmcarbon_moe_params(24, 2048, 8, 0.5);
  EXPECT_DOUBLE_EQ(step, 0.5 * 24 * 8 * 2048.0 * 2048.0);
}

}  // namespace
}  // namespace pretrain::models
