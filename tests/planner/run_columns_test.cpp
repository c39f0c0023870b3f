#include "planner/run_columns.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string_view>
#include <utility>

#include "models/core/text.hpp"
#include "planner/run_table.hpp"

namespace pretrain::planner {
namespace {

TEST(RunColumns, NamesAreUniqueAndComplete) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < kColumns; ++i) {
    const Column& column = kRunColumns[i];
    // Names are found without regard to case, so they must differ in more than case.
    EXPECT_TRUE(names.insert(lowered(column.name)).second) << column.name << " stands twice";
    EXPECT_FALSE(column.meaning.empty()) << column.name;
    EXPECT_EQ(find_column(column.name), static_cast<Col>(i)) << column.name;
    EXPECT_FALSE(find_llmcarbon_column(column.name)) << column.name << " has two meanings";
    if (column.numeric()) {
      EXPECT_LT(column.low, column.high) << column.name;
      EXPECT_FALSE(column.help.empty()) << column.name << " has no help for a number out of range";
    }
    if (column.kind == Kind::choice) {
      EXPECT_FALSE(column.choices.empty()) << column.name;
    }
  }
  EXPECT_EQ(column_of(Col::id).name, "id");
  EXPECT_EQ(column_of(Col::notes).name, "notes");
  EXPECT_FALSE(find_column("Devices")) << "the exact lookup ignores case";
  EXPECT_FALSE(find_column(""));
  EXPECT_FALSE(find_llmcarbon_column(""));
}

TEST(RunColumns, LlmcarbonNamesMap) {
  const std::pair<std::string_view, Col> kHeader[] = {
      {"name", Col::name},
      {"type", Col::type},
      {"parameter # (B)", Col::params_b},
      {"base model param. # (B)", Col::active_params_b},
      {"token # (B)", Col::tokens_b},
      {"CO2eq/KWh", Col::intensity_kg_per_kwh},
      {"PUE", Col::pue},
      {"computing device", Col::device},
      {"device TPD (W)", Col::device_tdp_w},
      {"avg. system power (W)", Col::system_power_w},
      {"peak TFLOPs/s", Col::peak_tflops},
      {"achieved TFLOPs/s", Col::achieved_tflops},
      {"hardware efficiency", Col::mfu},
      {"device #", Col::devices},
      {"total zettaFLOPs", Col::total_zettaflops},
      {"training days", Col::reported_days},
      {"actual tCO2eq", Col::reported_tco2e_operational},
      {"energy MWh", Col::reported_energy_mwh},
  };
  for (const auto& [name, col] : kHeader) {
    EXPECT_EQ(recognize_column(name), col) << name;
    std::string shouted{name};
    for (char& c : shouted) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    EXPECT_EQ(recognize_column(shouted), col) << shouted;
  }
  EXPECT_EQ(recognize_column("PUE"), Col::pue);
}

TEST(RunColumns, WhatIsMeasuredIsMarked) {
  // These, and no others, are ignored when predicting blind.
  const std::set<Col> kMeasured{Col::mfu, Col::achieved_tflops, Col::system_power_w, Col::goodput};
  for (std::size_t i = 0; i < kColumns; ++i) {
    const bool measured = kMeasured.contains(static_cast<Col>(i));
    EXPECT_EQ(kRunColumns[i].role == Role::measured, measured) << kRunColumns[i].name;
    if (kRunColumns[i].name.starts_with("reported_")) {
      EXPECT_EQ(kRunColumns[i].role, Role::reported) << kRunColumns[i].name;
    }
  }
}

}  // namespace
}  // namespace pretrain::planner
