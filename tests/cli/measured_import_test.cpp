#include "cli/measured_import.hpp"

#include <sstream>

#include "planner/catalogue.hpp"
#include "tests/cli/program.hpp"
#include "tests/support.hpp"

namespace pretrain::cli {
namespace {

const hardware::DeviceCatalogue& devices() {
  static const planner::Catalogue catalogue;
  return catalogue.devices();
}

TEST(MeasuredImport, DriversNameDevicesInTheirOwnWay) {
  struct Case {
    const char* name;
    const char* id;
  };
  for (const auto& [name, id] :
       std::initializer_list<Case>{{"NVIDIA A100-SXM4-80GB", "a100-sxm-80"},
                                   {"NVIDIA A100-SXM4-40GB", "a100-sxm-40"},
                                   {"NVIDIA H100 80GB HBM3", "h100-sxm"},
                                   {"NVIDIA H200", "h200-sxm"},
                                   {"Tesla V100-SXM2-32GB", "v100-sxm2-32"},
                                   {"NVIDIA H100 PCIe", "h100-pcie"},
                                   {"", ""},
                                   {"NVIDIA Simulated", ""},
                                   {"something else", ""}}) {
    EXPECT_EQ(device_of_driver(name, devices()), id) << name;
  }
}

TEST(MeasuredImport, CodeCarbonIsReadByTheNamesOfItsColumns) {
  // Of version 3, with the PUE in the energies; of version 2, without utilization and water.
  const auto runs = import_measured(
      "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,"
      "gpu_power,ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,"
      "country_name,country_iso_code,gpu_count,gpu_model,pue\n"
      "2026-03-21T15:39:53,codedp,efd3a371,,3600,0.5,0.0001,180,2400,70,0.2,2.64,0.07,2.91,0,"
      "United States,USA,4,4 x NVIDIA H200,1.1\n"
      "2026-03-22T15:39:53,cpu only,aaaa,,7200,0.1,,,,,0.4,0,0.1,0.5,0,France,FRA,,,1.0\n",
      "emissions.csv", devices());
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].id, "efd3a371");
  EXPECT_EQ(runs[0].device, "h200-sxm");
  EXPECT_EQ(runs[0].devices, "4");
  EXPECT_EQ(runs[0].device_hours, "4");
  EXPECT_EQ(runs[0].energy_scope, "device_x_pue");
  EXPECT_DOUBLE_EQ(std::stod(runs[0].energy_mwh), 0.00264);
  EXPECT_DOUBLE_EQ(std::stod(runs[0].device_power_w), 600);  // without the PUE
  EXPECT_DOUBLE_EQ(std::stod(runs[0].tco2e), 0.0005);
  EXPECT_EQ(runs[1].device, "");
  EXPECT_EQ(runs[1].devices, "");
  EXPECT_DOUBLE_EQ(std::stod(runs[1].energy_mwh), 0.0005);
  EXPECT_EQ(runs[1].energy_scope, "");
}

TEST(MeasuredImport, CarbontrackerTellsMeasuredFromExtrapolated) {
  const auto runs = import_measured(
      "2022-11-14 15:43:37 - The following components were found: GPU with device(s) NVIDIA "
      "A100-SXM4-40GB. CPU with device(s) cpu:0.\n"
      "2022-11-14 15:43:37 - CarbonTracker: \nActual consumption for 1 epoch(s):\n"
      "\tTime:\t0:03:33\n\tEnergy:\t0.014018 kWh\n\tCO2eq:\t1.429803 g\n"
      "\tThis is equivalent to:\n\t0.011875 km travelled by car\n"
      "CarbonTracker: \nPredicted consumption for 1000 epoch(s):\n"
      "        Time:   1 day, 2:52:22\n        Energy: 0.038168 kWh\n        CO2eq:  nan g\n",
      "logs/10151_carbontracker_output.log", devices());
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[0].name, "10151_carbontracker_output");
  EXPECT_EQ(runs[0].device, "a100-sxm-40");
  EXPECT_DOUBLE_EQ(std::stod(runs[0].days), 213.0 / 86400);
  EXPECT_DOUBLE_EQ(std::stod(runs[0].energy_mwh), 1.4018e-5);
  EXPECT_DOUBLE_EQ(std::stod(runs[0].tco2e), 1.429803e-6);
  EXPECT_NE(runs[1].name.find("predicted"), std::string::npos);
  EXPECT_DOUBLE_EQ(std::stod(runs[1].days), (86400 + 2 * 3600 + 52 * 60 + 22) / 86400.0);
  EXPECT_EQ(runs[1].tco2e, "");  // nan is no number
}

TEST(MeasuredImport, ZeusHasJoulesAndNamesWithCommas) {
  const auto runs = import_measured(
      "start_time,window_name,elapsed_time,gpu0_energy,gpu1_energy\n"
      "1700000000.1,entire_training,10,3000,3600\n"
      "1700000001.1,epoch 1, again,5,1500,1800\n"
      "1700000002.1,broken\n",
      "zeus.csv", devices());
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_DOUBLE_EQ(std::stod(runs[0].energy_mwh), 6600 / 3.6e9);
  EXPECT_DOUBLE_EQ(std::stod(runs[0].device_power_w), 330);
  EXPECT_EQ(runs[1].name, "epoch 1, again");
  EXPECT_EQ(runs[1].devices, "2");
}

TEST(MeasuredImport, CardsHaveGrams) {
  const auto whole = import_measured(
      "---\nlicense: mit\nco2_eq_emissions:\n  emissions: \"1710\"\n  source: CodeCarbon\n"
      "  geographical_location: Singapore\n  hardware_used: 8 x NVIDIA A100-SXM4-40GB\n---\n# "
      "Card\n",
      "model/README.md", devices());
  ASSERT_EQ(whole.size(), 1U);
  EXPECT_DOUBLE_EQ(std::stod(whole[0].tco2e), 0.00171);
  EXPECT_EQ(whole[0].device, "a100-sxm-40");
  EXPECT_EQ(whole[0].devices, "8");
  const auto early =
      import_measured("co2_eq_emissions: 0.012147398577917884\n", "card.md", devices());
  EXPECT_DOUBLE_EQ(std::stod(early[0].tco2e), 0.012147398577917884e-6);
}

TEST(MeasuredImport, OtherFilesAreRefused) {
  EXPECT_EQ(problem_of([] { import_measured("a,b\n1,2\n", "x.csv", devices()); }).what,
            "no measurements that are known");
  EXPECT_EQ(problem_of([] { import_measured("", "x.csv", devices()); }).what,
            "no measurements that are known");
}

TEST(MeasuredImport, TheTableIsOneThatEstimateReads) {
  Program planner;
  planner.environment["PLANNER_NVML"] = PRETRAIN_SIM_NVML;
  planner.environment["NVML_SIM"] = "devices=2 watts=400";
  ASSERT_EQ(
      planner({"measure", "-q", "--period", "0.05", "-o", "m.jsonl", "--", "sleep", "0.3"}).status,
      0);
  planner.write("e.csv",
                "project_name,run_id,duration,emissions,energy_consumed,gpu_energy,gpu_count,"
                "gpu_model,country_iso_code\n\"a, b\",1,3600,0.5,3,2.5,4,4 x NVIDIA H200,USA\n");
  const auto ran = planner({"measure", "import", "m.jsonl", "e.csv", "-o", "runs.csv"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  const auto estimate = planner({"estimate", "runs.csv", "--format", "json"});
  const auto document = estimate.json();
  ASSERT_EQ(document["runs"].size(), 2U) << estimate.err;
  EXPECT_EQ(document["runs"][1]["name"], "a, b");
  EXPECT_CONTAINS(file_text(planner.path("runs.csv")), "planner measure");
  EXPECT_EQ(planner({"measure", "import", "runs.csv"}).status, 2);
}

}  // namespace
}  // namespace pretrain::cli
