#include <cmath>

#include "tests/cli/json_schema.hpp"
#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

const std::vector<std::string> kTyped{"compare",   "--params",    "30B,100B", "--device", "A100",
                                      "--devices", "1024,2048",   "--days",   "30,60",    "--pue",
                                      "1.15",      "--intensity", "0.35"};

std::vector<std::string> typed(std::vector<std::string> more) {
  more.insert(more.begin(), kTyped.begin(), kTyped.end());
  return more;
}

void expect_near(double value, double wanted) {
  EXPECT_NEAR(value, wanted, 1e-12 * std::abs(wanted));
}

TEST(CompareCommand, EnergyAndCarbonFollowFromTheInputs) {
  const Program planner;
  const auto ran = planner.run(typed({"--format", "json"}));
  EXPECT_EQ(ran.status, 0) << ran.err;
  const auto document = ran.json();
  const JsonSchema contract{Json::parse(file_text(source("tests/estimate.schema.json")))};
  for (const auto& fault : contract.faults(document)) ADD_FAILURE() << fault;
  const auto& runs = document["runs"];
  ASSERT_EQ(runs.size(), 2U);
  const double kDevices[] = {1024, 2048};
  const double kDays[] = {30, 60};
  const double kParams[] = {30e9, 100e9};
  for (std::size_t i = 0; i < 2; ++i) {
    const auto in = [&](const char* column) {
      return runs[i]["inputs"][column]["value"].get<double>();
    };
    const auto out = [&](const char* key) {
      return runs[i]["predicted"][key]["value"].get<double>();
    };
    EXPECT_EQ(in("devices"), kDevices[i]);
    EXPECT_EQ(in("days"), kDays[i]);
    EXPECT_EQ(in("params_b") * 1e9, kParams[i]);
    EXPECT_EQ(in("pue"), 1.15);
    EXPECT_EQ(in("intensity_kg_per_kwh"), 0.35);
    EXPECT_EQ(runs[i]["inputs"]["tokens_b"]["basis"], "model");
    const double hours = kDevices[i] * kDays[i] * 24;
    expect_near(out("device_hours"), hours);
    expect_near(out("node_energy_mwh"), in("system_power_w") * hours / 1e6);
    expect_near(out("facility_energy_mwh"), in("system_power_w") * hours / 1e6 * 1.15);
    expect_near(out("operational_tco2e"), in("system_power_w") * hours / 1e6 * 1.15 * 0.35);
    expect_near(in("tokens_b") * 1e9, in("goodput") * in("mfu") * in("peak_tflops") * 1e12 * hours *
                                          3600 / (6 * kParams[i]));
    expect_near(out("training_flops"), 6 * kParams[i] * in("tokens_b") * 1e9);
  }
  const auto& ratios = document["compared_to_first"];
  ASSERT_EQ(ratios.size(), 1U);
  EXPECT_EQ(ratios[0]["name"], runs[1]["name"]);
  for (const char* key :
       {"training_flops", "facility_energy_mwh", "operational_tco2e", "embodied_tco2e"}) {
    expect_near(ratios[0]["ratios"][key].get<double>(),
                runs[1]["predicted"][key]["value"].get<double>() /
                    runs[0]["predicted"][key]["value"].get<double>());
  }
  // Four times the device hours; each model keeps its devices as busy as it does.
  EXPECT_NEAR(ratios[0]["ratios"]["facility_energy_mwh"].get<double>(), 4, 0.3);
  expect_near(ratios[0]["ratios"]["tokens"].get<double>(),
              runs[1]["inputs"]["tokens_b"]["value"].get<double>() /
                  runs[0]["inputs"]["tokens_b"]["value"].get<double>());
}

TEST(CompareCommand, FileAndTypedCandidatesAreOne) {
  const Program planner;
  planner.write("c.csv",
                "name,params_b,device,devices,days,pue,intensity_kg_per_kwh\n"
                "small,30,A100,1024,30,1.15,0.35\nlarge,100B,A100,2048,60d,1.15,0.35\n");
  const auto file = planner({"compare", "c.csv", "--format", "json"}).json();
  const auto words = planner.run(typed({"--format", "json"})).json();
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(file["runs"][i]["predicted"], words["runs"][i]["predicted"]);
    EXPECT_EQ(file["runs"][i]["inputs"], words["runs"][i]["inputs"]);
  }
  EXPECT_EQ(file["runs"][0]["name"], "small");
  EXPECT_EQ(file["compared_to_first"][0]["ratios"], words["compared_to_first"][0]["ratios"]);
  // Counts in all the ways that people type them.
  for (const char* params : {"30e9,100e9", "30000000000,0.1T", "30000M,100B"}) {
    auto arguments = typed({"--format", "json"});
    arguments[2] = params;
    EXPECT_EQ(planner.run(arguments).json()["runs"][1]["predicted"], words["runs"][1]["predicted"])
        << params;
  }
  // Estimate and compare say the same about a run.
  EXPECT_EQ(planner({"estimate", "c.csv", "--format", "json"}).json()["runs"], file["runs"]);
}

TEST(CompareCommand, FormatsForPeopleAndSheets) {
  const Program planner;
  const auto table = planner.run(kTyped);
  EXPECT_EQ(table.status, 0);
  EXPECT_CONTAINS(table.out, "30B 1024 devices");
  EXPECT_CONTAINS(table.out, "100B 2048 devices");
  EXPECT_CONTAINS(table.out, "facility_energy_mwh [MWh]");
  EXPECT_CONTAINS(table.out, "x4");
  EXPECT_CONTAINS(table.out, "Filled in");
  EXPECT_FALSE(contains(table.out, "\x1b"));
  const CsvAnswer csv{planner.run(typed({"--format", "csv"})).out};
  const auto json = planner.run(typed({"--format", "json"})).json()["runs"];
  bool found = false;
  for (const auto& row : csv.rows) {
    if (row.at("quantity") != "operational_tco2e") continue;
    found = true;
    for (const auto& run : json) {
      EXPECT_EQ(std::stod(row.at(run["name"])),
                run["predicted"]["operational_tco2e"]["value"].get<double>());
    }
  }
  EXPECT_TRUE(found);
  EXPECT_CONTAINS(planner.run(typed({"--format", "markdown"})).out,
                  "| total_params | 30B | 100B | x3.33 |");
  const auto jsonl = planner.run(typed({"--format", "jsonl"}));
  EXPECT_EQ(jsonl.status, 2);
  EXPECT_CONTAINS(jsonl.err, "use --format json");
  EXPECT_EQ(planner.run(typed({"-o", "out.txt"})).out, "");
  EXPECT_EQ(file_text(planner.path("out.txt")), table.out);
}

TEST(CompareCommand, WrongCandidatesAreRefused) {
  const Program planner;
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& part) {
    const auto ran = planner.run(arguments);
    EXPECT_EQ(ran.status, 2) << ran.err;
    EXPECT_EQ(ran.out, "") << part;
    EXPECT_CONTAINS(ran.err, part);
    EXPECT_CONTAINS(ran.err, "\n  help: ");
  };
  refused({"compare", "--params", "30B,100B", "--tokens", "1T,2T,3T", "--device", "A100"},
          "--params: error: 2 values, where another option has 3");
  refused({"compare", "--params", "30", "--device", "A100"}, "--params: error: 30 is very few");
  refused({"compare", "--params", "30X", "--device", "A100"}, "--params: error: '30X'");
  refused({"compare", "--params", "30B", "--device", "A100", "--pue", "0.9"},
          "pue 0.9 is too small");
  refused({"compare"}, "nothing to compare");
  const auto unknown = planner({"compare", "--params", "30B,100B", "--device", "A100,A1000"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_CONTAINS(unknown.err, "unknown device 'A1000'");
}

}  // namespace
}  // namespace pretrain::cli
