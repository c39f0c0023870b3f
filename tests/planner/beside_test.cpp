#include "planner/beside.hpp"

#include <gtest/gtest.h>

#include <sstream>

#include "tests/planner/rows.hpp"

namespace pretrain::planner {
namespace {

std::vector<Line> lines_of(const OneRun& run) {
  return lines_beside(run.row(), run.result(), shipped_catalogue());
}

const Line* find(const std::vector<Line>& lines, std::string_view name) {
  for (const auto& line : lines) {
    if (line.result_name == name) return &line;
  }
  return nullptr;
}

double value(const OneRun& run, std::string_view name) {
  const auto lines = lines_of(run);
  const auto* line = find(lines, name);
  if (line == nullptr) {
    ADD_FAILURE() << "no line " << name;
    return 0;
  }
  return line->result;
}

const std::string kRun = "architecture,tokens_b,device,devices,region";
const std::string kCells = "llama-2-7b,2000,H100,128,us-central1";

OneRun run(const std::string& columns = "", const std::string& cells = "", Asked asked = {}) {
  return OneRun{joined(kRun + columns, kCells + cells), {.asked = asked}};
}

TEST(Beside, NothingIsToldThatWasNotAsked) {
  for (const auto& line : lines_of(run())) EXPECT_FALSE(line.asked) << line.result_name;
}

TEST(Beside, AccountingStandsBesideTheTotals) {
  const auto plain = run();
  const auto both =
      run(",market_intensity_kg_per_kwh,carbon_free_share,offset_share", ",0.1,0.9,0.5");
  EXPECT_EQ(both[Key::operational_tco2e], plain[Key::operational_tco2e]);
  expect_near(value(both, "market_tco2e"), 0.1 * both[Key::facility_energy_mwh]);
  expect_near(value(both, "unmatched_tco2e"), 0.1 * both[Key::operational_tco2e]);
  expect_near(value(both, "offset_tco2e"), 0.5 * both[Key::operational_tco2e]);
  // The region's own share where the row has none.
  EXPECT_GT(value(plain, "unmatched_tco2e"), 0);
  EXPECT_LT(value(plain, "unmatched_tco2e"), plain[Key::operational_tco2e]);
}

TEST(Beside, ExperimentsAreAMultipleOfTheRun) {
  const auto half = run(",development_share", ",0.5");
  expect_near(value(half, "experiments_energy_mwh"), half[Key::facility_energy_mwh]);
  expect_near(value(half, "experiments_tco2e"), half[Key::operational_tco2e]);
  expect_near(value(half, "experiments_embodied_tco2e"), half[Key::embodied_tco2e]);
  // A grid of a hundred against thirty at random.
  const auto grid = run(",trials,trial_share", ",100,0.02");
  const auto random = run(",trials,trial_share", ",30,0.02");
  expect_near(value(grid, "experiments_energy_mwh"), 2 * grid[Key::facility_energy_mwh]);
  expect_near(value(random, "experiments_energy_mwh"), 0.6 * grid[Key::facility_energy_mwh]);
  // By default with the range of published projects.
  const auto usual = run("", "", {.experiments = true});
  const auto lines = lines_of(usual);
  const auto& line = *find(lines, "experiments_energy_mwh");
  ASSERT_TRUE(line.low && line.high && line.share);
  EXPECT_NEAR(*line.low / usual[Key::facility_energy_mwh], 0.33 / 0.67, 1e-9);
  EXPECT_NEAR(*line.high / usual[Key::facility_energy_mwh], 9, 1e-9);
}

TEST(Beside, StorageGrowsWithWhatIsKept) {
  const auto one = run(",checkpoints_kept,storage_years", ",1,1");
  const auto many = run(",checkpoints_kept,storage_years", ",154,10");
  EXPECT_NEAR(value(one, "stored_tb"), (6.738e9 * 13.1 + 2e12 * 4.3) / 1e12, 0.001);
  EXPECT_GT(value(many, "storage_energy_mwh"), 10 * value(one, "storage_energy_mwh"));
  EXPECT_GT(value(many, "storage_embodied_tco2e"), 10 * value(one, "storage_embodied_tco2e"));
  EXPECT_LT(value(many, "storage_energy_mwh"), 0.1 * many[Key::facility_energy_mwh]);
}

TEST(Beside, ServingBreaksEven) {
  const auto served = run(",generated_tokens_b", ",1000");
  const double joules = value(served, "inference_j_per_token");
  expect_near(value(served, "inference_energy_mwh"), joules * 1e12 / 3.6e9);
  expect_near(value(served, "inference_break_even_tokens_b"),
              served[Key::facility_energy_mwh] * 3.6e9 / joules / 1e9);
  expect_near(value(served, "inference_tco2e") / value(served, "inference_energy_mwh"),
              served[Key::operational_tco2e] / served[Key::facility_energy_mwh]);
  // A request alone reads all weights for itself.
  EXPECT_GT(value(run(",serving_batch", ",1"), "inference_j_per_token"), 15 * joules);
  EXPECT_GT(value(run(",prompt_tokens", ",8192"), "inference_j_per_token"), joules);
}

TEST(Beside, CostNeedsAPrice) {
  const auto own = run(",price_per_device_hour,price_per_kwh", ",2.5,0.1");
  expect_near(value(own, "cost_of_device_hours"), 2.5 * own[Key::device_hours]);
  expect_near(value(own, "cost_of_electricity"), 100 * own[Key::facility_energy_mwh]);
  const auto all = run("", "", {.price_per_device_hour = 2.5});
  expect_near(value(all, "cost_of_device_hours"), 2.5 * all[Key::device_hours]);
  // A price of its own wins.
  const auto free = run(",price_per_device_hour", ",0", {.price_per_device_hour = 2.5});
  EXPECT_EQ(value(free, "cost_of_device_hours"), 0);
}

TEST(Beside, BuildingsAreCountedOnce) {
  const auto gpu = lines_of(run());
  EXPECT_NE(find(gpu, "building_tco2e"), nullptr);
  const auto tpu = lines_of(OneRun{joined("device,device_hours", "tpu-v4,1000")});
  EXPECT_EQ(find(tpu, "building_tco2e"), nullptr) << "it is in the footprint of a TPU";
}

TEST(Beside, NothingIsNotANumber) {
  // Rows that know little have fewer lines, and never a strange one.
  for (const char* csv :
       {"device,device_hours\nV100,10\n", "architecture,device\nllama-2-7b,A100\n",
        "params_b,device,devices,tokens_b,intensity_kg_per_kwh\n7,H100,8,10,0\n",
        "architecture,device,devices,tokens_b\nvit-base-16,V100,8,1\n",
        "type,params_b,active_params_b,device,devices,tokens_b\nmoe,46.7,12.9,H100,64,100\n",
        "architecture,device,devices,tokens_b\ndeepseek-v3,H800,2048,14800\n"}) {
    const OneRun one{csv, {.asked = {true, true, true, std::optional{1.0}, std::optional{1.0}}}};
    ASSERT_TRUE(one.ok()) << csv;
    for (const auto& line : lines_of(one)) {
      EXPECT_TRUE(std::isfinite(line.result)) << csv << line.result_name;
      EXPECT_GE(line.result, 0) << csv << line.result_name;
    }
  }
}

}  // namespace
}  // namespace pretrain::planner
