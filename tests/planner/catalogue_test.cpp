#include "planner/catalogue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "hardware/defaults.hpp"
#include "tests/planner/rows.hpp"
#include "tests/support.hpp"

namespace pretrain::planner {
namespace {

std::string pue_table() { return std::string{shipped(hardware::embedded_files(), "pue.csv")}; }

TEST(Catalogue, HashNamesTheTables) {
  const auto hash = shipped_catalogue().hash();
  EXPECT_EQ(hash.size(), 16U);
  EXPECT_TRUE(std::all_of(hash.begin(), hash.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  })) << hash;
  EXPECT_EQ(Catalogue{}.hash(), hash);

  // Every table counts, by each of its bytes; a replacement equal to the original changes nothing.
  std::set<std::string> hashes{hash};
  for (const auto name : Catalogue::table_names()) {
    const bool ours =
        std::string_view{
            "equations.csv sources.csv architectures.csv families.csv "
            "distillation_laws.csv scaling_laws.csv step_constants.csv step_reach.csv "
            "step_spread.csv"}
            .find(name) != std::string_view::npos;
    std::string text{shipped(ours ? models::embedded_files() : hardware::embedded_files(), name)};
    const Catalogue same{{{std::string{name}, text}}, "data"};
    EXPECT_EQ(same.hash(), hash) << name;
    text.back() = text.back() == '\n' ? ' ' : '\n';
    const Catalogue other{{{std::string{name}, text}}, "data"};
    EXPECT_TRUE(hashes.insert(other.hash()).second) << name;
  }
}

TEST(Catalogue, ReplacedTableIsUsed) {
  auto text = pue_table();
  const auto at = text.find(",,1.54");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 6, ",,2.00");
  const Catalogue other{{{"pue.csv", text}}, "data"};
  const std::string run = "device,device_hours\nH100,1000\n";
  const OneRun before{run};
  const OneRun after{run, {}, other};
  EXPECT_NEAR(after[Key::facility_energy_mwh] / before[Key::facility_energy_mwh], 2.0 / 1.54,
              1e-12);
  EXPECT_DOUBLE_EQ(after[Key::node_energy_mwh], before[Key::node_energy_mwh]);
}

TEST(Catalogue, WrongReplacedTableHasAPlace) {
  auto text = pue_table();
  const auto at = text.find("aws,,1.135");
  ASSERT_NE(at, std::string::npos);
  const auto line = std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  text.replace(at, 10, "aws,,0.135");
  const Catalogue wrong{{{"pue.csv", text}}, "my/data"};
  const auto problem = problem_of([&] { wrong.pue(); });
  EXPECT_EQ(problem.where.file, "my/data/pue.csv");
  EXPECT_EQ(problem.where.line, static_cast<std::size_t>(line) + 1);
  EXPECT_EQ(problem.where.column, 6U);
  EXPECT_NE(problem.what.find("0.135"), std::string::npos) << problem.what;
  EXPECT_FALSE(problem.help.empty());
  // Told again at the next use, not remembered as an empty table.
  EXPECT_THROW(wrong.pue(), InputError);

  const Catalogue empty{{{"devices.csv", ""}}, "my/data"};
  EXPECT_EQ(problem_of([&] { empty.devices(); }).where.file, "my/data/devices.csv");
  const Catalogue headless{{{"grid.csv", "region,intensity\nx,1\n"}}, "my/data"};
  EXPECT_NE(diagnostic_of([&] { headless.grid(Grid::current); }).find("my/data/grid.csv:1"),
            std::string::npos);
}

TEST(Catalogue, TablesAreReadOnceByWhicheverThreadComesFirst) {
  const Catalogue catalogue;
  std::vector<const void*> seen(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    threads.emplace_back([&, i] {
      seen[i] = &catalogue.devices();
      catalogue.grid(Grid::current);
      catalogue.grid(Grid::mlco2_2019);
      catalogue.architectures();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(std::set<const void*>(seen.begin(), seen.end()).size(), 1U);
  EXPECT_NE(&catalogue.grid(Grid::current), &catalogue.grid(Grid::mlco2_2019));
}

}  // namespace
}  // namespace pretrain::planner
