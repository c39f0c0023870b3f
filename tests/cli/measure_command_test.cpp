#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

/// The program with simulated sensors.
class MeasureCommand : public testing::Test {
 protected:
  MeasureCommand() {
    planner.environment["PLANNER_POWERCAP"] = planner.path("powercap").string();
    no_gpu();
  }
  void no_gpu() { planner.environment["PLANNER_NVML"] = "libnothing.so"; }
  void gpus(const std::string& words) {
    planner.environment["PLANNER_NVML"] = PRETRAIN_SIM_NVML;
    planner.environment["NVML_SIM"] = words;
    planner.environment["XDG_RUNTIME_DIR"] = planner.folder();
  }

  Ran measure(std::vector<std::string> options, std::vector<std::string> command) const {
    options.insert(options.begin(), {"measure", "--output", "m.jsonl"});
    options.emplace_back("--");
    options.insert(options.end(), command.begin(), command.end());
    fs::remove(planner.path("m.jsonl"));
    return planner.run(options);
  }
  static std::vector<std::string> shell(const std::string& script) { return {"sh", "-c", script}; }
  std::vector<Json> lines() const {
    std::vector<Json> all;
    std::istringstream in{file_text(planner.path("m.jsonl"))};
    for (std::string line; std::getline(in, line);) all.push_back(Json::parse(line));
    return all;
  }

  Program planner;
};

TEST_F(MeasureCommand, WithoutSensorsItRunsAndSaysWhatIsAbsent) {
  const auto ran = measure({}, {"sleep", "0.2"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_CONTAINS(ran.err, "GPU: no NVIDIA driver (libnothing.so is not there)");
  EXPECT_CONTAINS(ran.err, "CPU: no energy counters in");
  EXPECT_CONTAINS(ran.err, "No energy was measured.");
  const auto last = lines().back();
  EXPECT_EQ(last["event"], "end");
  EXPECT_FALSE(last.contains("energy_j"));
  // On a busy machine it takes longer.
  EXPECT_GT(last["seconds"].get<double>(), 0.19);
  EXPECT_LT(last["seconds"].get<double>(), 10);
}

TEST_F(MeasureCommand, OutputAndStatusAreThoseOfTheCommand) {
  const auto ran = measure({"-q"}, shell("printf 'one\\ntwo'; echo three >&2; exit 7"));
  EXPECT_EQ(ran.status, 7);
  EXPECT_EQ(ran.out, "one\ntwo");
  EXPECT_EQ(ran.err, "three\n");
  EXPECT_EQ(lines().back()["exit_code"], 7);
  EXPECT_EQ(measure({}, shell("kill -9 $$")).status, 128 + 9);
  // Many lines, and one without end.
  const auto much = measure({"-q"}, shell("seq 1 100000; head -c 3000000 /dev/zero"));
  EXPECT_EQ(much.out.size(), 588895U + 3000000U);
}

TEST_F(MeasureCommand, WhatCannotBeStartedIsToldAsAShellDoes) {
  const auto none = measure({}, {"no-such-command"});
  EXPECT_EQ(none.status, 127);
  EXPECT_CONTAINS(none.err, "no-such-command: error: no such command");
  EXPECT_FALSE(fs::exists(planner.path("m.jsonl")));
  planner.write("plain.sh", "echo hi\n");
  const auto plain = measure({}, {"./plain.sh"});
  EXPECT_EQ(plain.status, 126);
  EXPECT_CONTAINS(plain.err, "no permission to run it");
  EXPECT_EQ(planner({"measure"}).status, 2);
  EXPECT_CONTAINS(planner({"measure"}).err, "write it after two dashes");
  EXPECT_CONTAINS(planner({"measure", "python", "train.py", "--lr", "3"}).err,
                  "write the command after two dashes");
}

TEST_F(MeasureCommand, EightOf300WattAreAllCounted) {
  gpus("devices=8 watts=300");
  const auto ran =
      measure({"--period", "0.05", "--intensity", "0.4", "--pue", "1.2"}, {"sleep", "1"});
  EXPECT_EQ(ran.status, 0);
  const auto last = lines().back();
  const double seconds = last["sources"][0]["covered_s"].get<double>();
  EXPECT_NEAR(last["energy_j"].get<double>(), 2400 * seconds, 0.02 * 2400 * seconds);
  EXPECT_NEAR(seconds, last["seconds"].get<double>(), 0.3);
  EXPECT_EQ(last["sources"].size(), 8U);
  EXPECT_CONTAINS(ran.err, "held back by power limit");
  EXPECT_CONTAINS(ran.err, "at the meter");
  EXPECT_CONTAINS(ran.err, "kg CO2e at 0.400 kg/kWh");
}

TEST_F(MeasureCommand, ARankMeasuresItsOwnDevice) {
  gpus("devices=4");
  planner.environment["RANK"] = "6";
  planner.environment["WORLD_SIZE"] = "8";
  planner.environment["LOCAL_RANK"] = "2";
  EXPECT_EQ(measure({}, {"true"}).status, 0);
  fs::rename(planner.path("m-rank6.jsonl"), planner.path("m.jsonl"));
  const auto last = lines().back();
  ASSERT_EQ(last["sources"].size(), 1U);
  EXPECT_EQ(last["sources"][0]["id"], "gpu2");
  EXPECT_EQ(last["rank"], 6);
}

constexpr const char* kTrain =
    "for i in $(seq 1 40); do sleep 0.01; echo \" iteration  $i/  40 | elapsed time per iteration "
    "(ms): 10.0 | lm loss: 1.0 |\"; done";

TEST_F(MeasureCommand, StepsTellTheEndBeforeItIsThere) {
  gpus("watts=500");
  const auto ran = measure(
      {"--period", "0.02", "--tokens-per-step", "1000", "--write-every", "0.1"}, shell(kTrain));
  EXPECT_EQ(ran.status, 0);
  const auto all = lines();
  EXPECT_GE(all.size(), 4U);
  const auto& last = all.back();
  EXPECT_EQ(last["steps"], 40);
  EXPECT_EQ(last["total_steps"], 40);
  const double step = last["step_s"].get<double>();
  EXPECT_GT(step, 0.009);
  EXPECT_NEAR(last["step_j"].get<double>(), 500 * step, 0.5 * 500 * step);
  EXPECT_DOUBLE_EQ(last["forecast"]["seconds"]["low"].get<double>(),
                   last["forecast"]["seconds"]["high"].get<double>());
  EXPECT_CONTAINS(ran.err, "whole run [s]");
  EXPECT_CONTAINS(ran.err, "First told after 12 steps");
  EXPECT_CONTAINS(ran.err, "J a token");
}

TEST_F(MeasureCommand, PredictionOfTheArchitectureStandsBeside) {
  gpus("watts=500");
  planner.write("run.csv",
                "name,architecture,tokens_b,seq_len,global_batch_seqs,device,devices,dtype\n"
                "small,gpt2-small,0.01,1024,16,h100-sxm,1,bf16\n");
  const auto ran = measure({"--table", "run.csv", "--period", "0.02"}, shell(kTrain));
  EXPECT_EQ(ran.status, 0) << ran.err;
  for (const char* part : {"From the architecture", "step [s]", "power of a device [W]", "MFU",
                           "device energy of a token [J]"}) {
    EXPECT_CONTAINS(ran.err, part);
  }
  const auto bad = measure({"--table", "run.csv", "--where", "large"}, {"true"});
  EXPECT_EQ(bad.status, 2);
  EXPECT_CONTAINS(bad.err, "no run 'large'");
}

TEST_F(MeasureCommand, ARegexThatNeverMatchesIsTold) {
  const auto ran = measure({"--step-regex", "batch (\\d+)"}, {"echo", "step 1"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_CONTAINS(ran.err, "warning: --step-regex 'batch (\\d+)' matched no line");
  const auto bad = measure({"--step-regex", "batch ("}, {"true"});
  EXPECT_EQ(bad.status, 2);
  EXPECT_CONTAINS(bad.err, "is no regular expression");
}

TEST_F(MeasureCommand, SignalsArePassedOn) {
  const auto ran = measure(
      {}, shell("trap 'echo got it; exit 9' TERM; kill -TERM $PPID; sleep 5 & wait; echo no"));
  EXPECT_EQ(ran.status, 9);
  EXPECT_EQ(ran.out, "got it\n");
  EXPECT_EQ(lines().back()["exit_code"], 9);
}

TEST_F(MeasureCommand, NothingIsLostWhenItIsKilled) {
  gpus("watts=100");
  const auto ran = measure({"--period", "0.02", "--write-every", "0.1"},
                           shell("sleep 0.6; kill -9 $PPID; sleep 0.1"));
  EXPECT_EQ(ran.status, 128 + 9);
  const auto all = lines();
  EXPECT_EQ(all.back()["event"], "interval");
  EXPECT_GT(all.back()["seconds"].get<double>(), 0.35);
  EXPECT_GT(all.back()["energy_j"].get<double>(), 30);
  const auto merged = planner({"measure", "merge", "m.jsonl"});
  EXPECT_EQ(merged.status, 0);
  EXPECT_CONTAINS(merged.err, "1 of 1 files have no end");
}

TEST_F(MeasureCommand, AFullDiskDoesNotEndTheRun) {
  // No file may grow: as if the disk were full.
  const std::string program = PRETRAIN_BINARY;
  const auto ran = measure({"-q"}, {"true"});  // makes sure that the usual way works
  EXPECT_EQ(ran.status, 0);
  const auto full = measure({"-q"}, shell("ulimit -f 0; " + program +
                                          " measure -q -o full.jsonl -- sh -c 'exit 5' 2>&1 | "
                                          "cat; true"));
  EXPECT_CONTAINS(full.out, "full.jsonl: cannot be written");
  EXPECT_CONTAINS(full.out, "the run goes on");
}

TEST_F(MeasureCommand, TwoAtOnceOnADeviceAreTold) {
  gpus("watts=100");
  const std::string program = PRETRAIN_BINARY;
  const auto ran = measure({"-q"}, {program, "measure", "-o", "inner.jsonl", "--", "true"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_CONTAINS(ran.err, "gpu0 is being measured already");
  EXPECT_EQ(measure({}, {"true"}).err.find("already"), std::string::npos);
}

TEST_F(MeasureCommand, FilesOfOtherToolsAreWritten) {
  gpus("devices=2 watts=300");
  planner.environment["PLANNER_POWERCAP"] = planner.path("none").string();
  for (int i = 0; i < 2; ++i) {
    const auto ran =
        measure({"--name", "a \"b\", c", "--region", "FRA", "--emissions-csv", "e.csv", "--card",
                 "card.md", "--boamps", "b.json", "--prometheus", "p.prom", "--period", "0.05"},
                {"sleep", "0.4"});
    ASSERT_EQ(ran.status, 0) << ran.err;
  }
  const auto energy = lines().back()["energy_j"].get<double>() / 3.6e6;
  // Two rows under one header, with as many cells.
  const auto csv = file_text(planner.path("e.csv"));
  EXPECT_EQ(count_of(csv, "\n"), 3U);
  EXPECT_EQ(count_of(csv, "timestamp,project_name,run_id"), 1U);
  EXPECT_EQ(count_of(csv, "\"a \"\"b\"\", c\""), 2U);
  EXPECT_CONTAINS(csv, "2 x NVIDIA Simulated");
  EXPECT_CONTAINS(csv, fmt::format(",{},", energy));
  EXPECT_CONTAINS(csv, ",France,FRA,");
  const auto card = file_text(planner.path("card.md"));
  EXPECT_CONTAINS(card, fmt::format("  emissions: {:.6g}\n", energy * 56.039));  // g
  EXPECT_CONTAINS(card, "geographical_location: France");
  const auto report = Json::parse(file_text(planner.path("b.json")));
  EXPECT_DOUBLE_EQ(report["measures"][0]["powerConsumption"].get<double>(), energy);
  for (const char* key : {"task", "measures", "infrastructure"}) EXPECT_TRUE(report.contains(key));
  const auto metrics = file_text(planner.path("p.prom"));
  EXPECT_CONTAINS(metrics, "# TYPE planner_energy_joules_total counter");
  EXPECT_CONTAINS(metrics, "planner_energy_joules_total{run=\"a \\\"b\\\", c\",source=\"gpu1\"");

  planner.write("other.csv", "timestamp,emissions\n");
  const auto other = measure({"--emissions-csv", "other.csv", "-q"}, {"true"});
  EXPECT_EQ(other.status, 0);
  EXPECT_CONTAINS(other.err, "other.csv:1: error: has other columns");
  EXPECT_EQ(file_text(planner.path("other.csv")), "timestamp,emissions\n");
  const auto card_only = measure({"--card", "no.md", "-q"}, {"true"});
  EXPECT_CONTAINS(card_only.err, "give --region or --intensity");
  EXPECT_FALSE(fs::exists(planner.path("no.md")));
}

TEST_F(MeasureCommand, RanksAreMerged) {
  gpus("devices=2 watts=200");
  planner.environment["WORLD_SIZE"] = "2";
  for (const char* rank : {"0", "1"}) {
    planner.environment["RANK"] = rank;
    planner.environment["LOCAL_RANK"] = rank;
    ASSERT_EQ(measure({"--period", "0.05"}, {"sleep", "0.3"}).status, 0);
  }
  const auto ran =
      planner({"measure", "merge", "m-rank0.jsonl", "m-rank1.jsonl", "--boamps", "b.json"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_CONTAINS(ran.out, "2 ranks");
  EXPECT_CONTAINS(ran.out, "0.gpu0 NVIDIA Simulated");
  EXPECT_CONTAINS(ran.out, "1.gpu1 NVIDIA Simulated");
  const auto report = Json::parse(file_text(planner.path("b.json")));
  const double kwh = report["measures"][0]["powerConsumption"].get<double>();
  EXPECT_GT(kwh * 3.6e6, 2 * 200 * 0.29);
  EXPECT_LT(kwh * 3.6e6, 2 * 200 * 5);
  // The same file twice is the same device once.
  const auto twice = planner({"measure", "merge", "m-rank0.jsonl", "m-rank0.jsonl"});
  EXPECT_EQ(count_of(twice.out, "NVIDIA Simulated"), 1U);
  planner.write("x.jsonl", "{\"a\": 1}\n");
  EXPECT_EQ(planner({"measure", "merge", "x.jsonl"}).status, 2);
  EXPECT_EQ(planner({"measure", "merge", "no.jsonl"}).status, 2);
}

TEST_F(MeasureCommand, AFileThatIsThereIsNotOverwritten) {
  planner.write("m2.jsonl", "mine\n");
  const auto ran = planner({"measure", "-o", "m2.jsonl", "--", "true"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_CONTAINS(ran.err, "is there already");
  EXPECT_EQ(file_text(planner.path("m2.jsonl")), "mine\n");
}

}  // namespace
}  // namespace pretrain::cli
