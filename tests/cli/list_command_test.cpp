#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

/// The column of a JSON list; blanks are NaN.
std::vector<double> numbers(const Json& list, const char* key) {
  std::vector<double> values;
  for (const auto& row : list) {
    values.push_back(row.value(key, std::numeric_limits<double>::quiet_NaN()));
  }
  return values;
}

TEST(ListCommand, EfficiencyOfADeviceIsPeakOverLimit) {
  const Program planner;
  const auto devices = planner({"list", "devices", "--format", "json"}).json();
  EXPECT_GT(devices.size(), 50U);
  std::size_t checked = 0;
  for (const auto& d : devices) {
    // The format that people train in: bf16, else fp16 unless fp32 is faster, else fp32.
    const double half = d.value("fp16_tflops", 0.0);
    const double single = d.value("fp32_tflops", 0.0);
    const double peak = d.value("bf16_tflops", half >= single ? half : single);
    const bool known = peak > 0 && d.contains("tdp_w");
    ASSERT_EQ(d.contains("gflops_per_w"), known) << d["id"];
    if (!known) continue;
    EXPECT_NEAR(d["gflops_per_w"].get<double>(), 1000 * peak / d["tdp_w"].get<double>(), 1e-9)
        << d["id"];
    ++checked;
  }
  EXPECT_GT(checked, 50U);
  const auto h100 = std::find_if(devices.begin(), devices.end(),
                                 [](const Json& d) { return d["id"] == "h100-sxm"; });
  ASSERT_NE(h100, devices.end());
  EXPECT_NEAR((*h100)["gflops_per_w"].get<double>(), 989.4 / 0.7, 1e-9);
}

TEST(ListCommand, SortsBothWaysWithBlanksLast) {
  const Program planner;
  for (const char* key : {"gflops_per_w", "embodied_kg", "memory_gb"}) {
    for (const bool down : {false, true}) {
      const auto ran = planner(
          {"list", "devices", "--format", "json", "--sort", (down ? "-" : "") + std::string{key}});
      ASSERT_EQ(ran.status, 0) << ran.err;
      const auto values = numbers(ran.json(), key);
      const auto blank =
          std::find_if(values.begin(), values.end(), [](double v) { return std::isnan(v); });
      EXPECT_TRUE(std::all_of(blank, values.end(), [](double v) { return std::isnan(v); })) << key;
      EXPECT_TRUE(down ? std::is_sorted(values.begin(), blank, std::greater<>{})
                       : std::is_sorted(values.begin(), blank))
          << key << down;
      EXPECT_GT(blank - values.begin(), 5) << key;
    }
  }
  const auto regions = planner({"list", "regions", "--sort", "-g_per_kwh", "--format", "json"});
  const auto intensities = numbers(regions.json(), "g_per_kwh");
  EXPECT_TRUE(std::is_sorted(intensities.begin(), intensities.end(), std::greater<>{}));
}

TEST(ListCommand, FormatsHoldTheSameRows) {
  const Program planner;
  for (const char* what : {"devices", "regions", "architectures"}) {
    const auto json = planner({"list", what, "--format", "json"}).json();
    const CsvAnswer csv{planner({"list", what, "--format", "csv"}).out};
    const auto table = planner({"list", what});
    const auto markdown = planner({"list", what, "--format", "markdown"});
    EXPECT_EQ(table.status, 0);
    EXPECT_EQ(table.err, "");
    ASSERT_EQ(csv.rows.size(), json.size()) << what;
    EXPECT_EQ(count_of(table.out, "\n"), json.size() + 1) << what;
    EXPECT_EQ(count_of(markdown.out, "\n"), json.size() + 2) << what;
    for (std::size_t i = 0; i < json.size(); ++i) {
      for (const auto& [key, value] : json[i].items()) {
        const auto& cell = csv.rows[i].at(key);
        if (value.is_string()) {
          EXPECT_EQ(cell, value.get<std::string>()) << what << key;
        } else {
          EXPECT_EQ(std::stod(cell), value.get<double>()) << what << key;
        }
      }
    }
    EXPECT_EQ(planner({"list", what, "-o", "list.txt"}).out, "");
    EXPECT_EQ(file_text(planner.path("list.txt")), table.out);
  }
  EXPECT_NE(planner({"list", "regions", "--grid", "mlco2-2019"}).out,
            planner({"list", "regions"}).out);
}

TEST(ListCommand, WhatIsUnknownIsRefused) {
  const Program planner;
  const auto ran = planner({"list", "devices", "--sort", "speed"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_CONTAINS(ran.err, "--sort: error: no column 'speed'");
  EXPECT_CONTAINS(ran.err, "  help: one of: id, vendor");
  EXPECT_CONTAINS(ran.err, "gflops_per_w");
  EXPECT_EQ(planner({"list", "devices", "--format", "jsonl"}).status, 2);
  const auto runs = planner({"list", "runs"});
  EXPECT_EQ(runs.status, 2);
  EXPECT_CONTAINS(runs.err, "there is no such store");
  EXPECT_CONTAINS(runs.err, "  help: ");
}

TEST(ListCommand, SavedRunsAreSearched) {
  const Program planner;
  planner.write("runs.csv",
                "name,params_b,tokens_b,device,devices,region\n"
                "tiny,0.1,2,a100-sxm-80,1,SE\nsmall,1,20,a100-sxm-80,8,SE\n"
                "large,70,1400,h100-sxm,512,PL\nno place,7,100,h100-sxm,64,\n");
  EXPECT_EQ(planner({"estimate", "runs.csv", "--save"}).status, 0);
  const auto names = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"list", "runs", "--format", "csv"});
    std::set<std::string> found;
    for (const auto& row : CsvAnswer{planner.run(more).out}.rows) found.insert(row.at("name"));
    return found;
  };
  using Names = std::set<std::string>;
  EXPECT_EQ(names({}).size(), 4U);
  EXPECT_EQ(names({"--max-tco2e", "0.1"}), (Names{"small", "tiny"}));
  EXPECT_EQ(names({"--min-tco2e", "100"}), Names{"large"});
  EXPECT_EQ(names({"--name", "LAR"}), Names{"large"});
  EXPECT_EQ(names({"--max-days", "0.2", "--name", "tiny"}).size(), 1U);
  const auto wrong = planner({"list", "devices", "--max-tco2e", "1"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_CONTAINS(wrong.err, "limits are those of saved runs");
}

}  // namespace
}  // namespace pretrain::cli
