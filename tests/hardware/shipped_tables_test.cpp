#include <gtest/gtest.h>

#include <set>

#include "models/core/table.hpp"
#include "models/registers.hpp"
#include "tests/support.hpp"

namespace pretrain::hardware {
namespace {

TEST(ShippedTables, AllAreThere) {
  std::set<std::string_view> names;
  for (const auto& file : embedded_files()) names.insert(file.name);
  EXPECT_EQ(names, (std::set<std::string_view>{"defaults.csv", "devices.csv", "embodied.csv",
                                               "embodied_llmcarbon.csv", "fab.csv", "grid.csv",
                                               "grid_mlco2_2019.csv", "hosts.csv", "loads.csv",
                                               "offsets.csv", "pue.csv"}));
}

TEST(ShippedTables, EverySourceIsRegistered) {
  const auto sources =
      models::SourceRegister::read(shipped(models::embedded_files(), "sources.csv"), "sources.csv");
  for (const auto& file : embedded_files()) {
    const auto table = Table::read(file.text(), std::string{file.name}, {"source", "checked"});
    for (std::size_t row = 0; row < table.size(); ++row) {
      const auto keys = keys_of(table.required_text(row, "source"));
      EXPECT_FALSE(keys.empty()) << file.name << " row " << row;
      for (const auto key : keys) {
        EXPECT_NE(sources.find(key), nullptr) << file.name << " row " << row << " cites " << key;
      }
      table.choice(row, "checked", {"read", "unverified"});
    }
  }
}

}  // namespace
}  // namespace pretrain::hardware
