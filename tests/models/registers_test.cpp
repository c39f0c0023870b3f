#include "models/registers.hpp"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

#include "tests/support.hpp"

namespace pretrain::models {
namespace {

EquationRegister shipped_equations() {
  return EquationRegister::read(shipped(embedded_files(), "equations.csv"), "equations.csv");
}

SourceRegister shipped_sources() {
  return SourceRegister::read(shipped(embedded_files(), "sources.csv"), "sources.csv");
}

TEST(Registers, ShippedTablesAreValid) {
  EXPECT_GE(shipped_equations().all().size(), 25U);
  EXPECT_GE(shipped_sources().all().size(), 100U);
}

TEST(Registers, IdsAndKeysAreUnique) {
  const auto equations = shipped_equations();
  std::set<std::string_view> ids;
  for (const auto& equation : equations.all()) {
    EXPECT_TRUE(ids.insert(equation.id).second) << equation.id;
    EXPECT_EQ(&equations.find(equation.id), &equation);
  }
  const auto sources = shipped_sources();
  std::set<std::string_view> keys;
  for (const auto& source : sources.all()) {
    EXPECT_TRUE(keys.insert(source.key).second) << source.key;
    EXPECT_EQ(sources.find(source.key), &source);
  }
}

TEST(Registers, EverySourceOfAnEquationIsRegistered) {
  const auto equations = shipped_equations();
  const auto sources = shipped_sources();
  for (const auto& equation : equations.all()) {
    for (const auto key : keys_of(equation.source)) {
      EXPECT_NE(sources.find(key), nullptr) << equation.id << " cites " << key;
    }
    const bool own = equation.status == "derived" || equation.status == "assumption";
    EXPECT_TRUE(own || !equation.source.empty()) << equation.id << " needs a source";
    EXPECT_TRUE(equation.source.empty() || !equation.locator.empty())
        << equation.id << " needs a locator";
  }
}

TEST(Registers, UnknownIdIsABug) {
  EXPECT_THROW(shipped_equations().find("flops.7nd"), std::logic_error);
  EXPECT_THROW(shipped_equations().find(""), std::logic_error);
}

TEST(Registers, UnknownStatusIsRefused) {
  constexpr std::string_view kText =
      "id,quantity,formula,source,locator,status,header,test\n"
      "a,b,c,d,e,guessed,f,g\n";
  EXPECT_EQ(diagnostic_of([&] { EquationRegister::read(kText, "equations.csv"); }),
            "equations.csv:2:11: error: status 'guessed' is not known\n"
            "  help: one of: verbatim, derived, fitted, assumption");
}

TEST(Registers, CitationNamesTitleAndAddress) {
  const auto sources = SourceRegister::read(
      "key,title,authors,year,url,licence,retrieved\n"
      "one,First,A,2020,https://example.org/1,,\n"
      "two,Second,B,2021,,,\n",
      "sources.csv");
  EXPECT_EQ(sources.citation("one; two"), "First (https://example.org/1); Second");
  EXPECT_EQ(sources.citation("two;gone;"), "Second; gone");
  EXPECT_EQ(sources.citation(""), "");
  EXPECT_EQ(sources.find("gone"), nullptr);
}

}  // namespace
}  // namespace pretrain::models
