#include "models/architecture.hpp"

#include <gtest/gtest.h>

#include <utility>

#include "models/parameters.hpp"
#include "models/registers.hpp"
#include "tests/support.hpp"

namespace pretrain::models {
namespace {

ArchitectureCatalogue shipped_architectures() {
  return ArchitectureCatalogue::read(shipped(embedded_files(), "architectures.csv"),
                                     "architectures.csv");
}

TEST(Architecture, ShippedTableIsValid) {
  const auto catalogue = shipped_architectures();
  EXPECT_GE(catalogue.all().size(), 50U);
  EXPECT_EQ(catalogue.names().size(), catalogue.all().size());
  for (const auto& architecture : catalogue.all()) {
    EXPECT_EQ(catalogue.find(architecture.name), &architecture)
        << architecture.name << " is named twice";
    if (architecture.active_params_b && architecture.params_b) {
      EXPECT_LE(*architecture.active_params_b, *architecture.params_b) << architecture.name;
    }
  }
}

TEST(Architecture, EverySourceIsRegistered) {
  const auto sources =
      SourceRegister::read(shipped(embedded_files(), "sources.csv"), "sources.csv");
  const auto catalogue = shipped_architectures();
  for (const auto& architecture : catalogue.all()) {
    for (const auto key : keys_of(architecture.origin.source)) {
      EXPECT_NE(sources.find(key), nullptr) << architecture.name << " cites " << key;
    }
  }
}

TEST(Architecture, FindIgnoresCaseAndPunctuation) {
  const auto catalogue = shipped_architectures();
  const Architecture* gpt3 = catalogue.find("gpt3-175b");
  ASSERT_NE(gpt3, nullptr);
  EXPECT_EQ(catalogue.find("GPT3-175B"), gpt3);
  EXPECT_EQ(catalogue.find("gpt-3 175b"), gpt3);
  EXPECT_EQ(catalogue.find("GPT_3_175B"), gpt3);
  EXPECT_EQ(catalogue.find("gpt3-176b"), nullptr);
  EXPECT_EQ(catalogue.find(""), nullptr);
}

TEST(Architecture, DecimalPointsCount) {
  const auto catalogue = shipped_architectures();
  ASSERT_NE(catalogue.find("opt-13b"), nullptr);
  EXPECT_NEAR(catalogue.find("OPT 13B")->params_b.value(), 13, 0.5);
  EXPECT_NEAR(catalogue.find("OPT 1.3B")->params_b.value(), 1.3, 0.05);
  EXPECT_EQ(catalogue.find("Llama 3.1 8B"), catalogue.find("llama-3.1-8b"));
}

TEST(Architecture, ANameStandsOnce) {
  EXPECT_EQ(diagnostic_of([] {
              ArchitectureCatalogue::read(
                  "name,type,layers,hidden,params_b,active_params_b,source,checked\n"
                  "my-1b,dense,,,1,,s,read\nMY_1B,dense,,,1,,s,read\n",
                  "mine.csv");
            }),
            "mine.csv:3:1: error: 'MY_1B' stands twice\n"
            "  help: a name is one architecture, whatever its case and punctuation");
}

TEST(Architecture, Gpt3HasItsParameters) {
  const auto catalogue = shipped_architectures();
  const Architecture* gpt3 = catalogue.find("gpt3-175b");
  ASSERT_NE(gpt3, nullptr);
  EXPECT_EQ(gpt3->type, "dense");
  EXPECT_NEAR(gpt3->params_b.value(), 175, 1);
  EXPECT_NEAR(
      llmcarbon_dense_params(gpt3->layers.value(), gpt3->hidden.value(), gpt3->vocab.value()) /
          (gpt3->params_b.value() * 1e9),
      1.0, 0.01);
  EXPECT_EQ(gpt3->origin.place, "architectures.csv gpt3-175b");
}

TEST(Architecture, KeepsItsTextWhenMoved) {
  auto catalogue = shipped_architectures();
  const auto moved = std::move(catalogue);
  ASSERT_NE(moved.find("gpt3-175b"), nullptr);
  EXPECT_EQ(moved.find("gpt3-175b")->name, "gpt3-175b");
}

}  // namespace
}  // namespace pretrain::models
