#include <cmath>

#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

const std::string kRun =
    "name,architecture,tokens_b,seq_len,global_batch_seqs,device,devices,dtype,region\n"
    "small,llama-3.1-8b,1000,8192,512,h100-sxm,256,bf16,FRA\n";

/// The program with the run in run.csv.
class PlanCommand : public testing::Test {
 protected:
  PlanCommand() { planner.write("run.csv", kRun); }
  Ran plan(std::vector<std::string> more) const {
    more.insert(more.begin(), {"plan", "run.csv"});
    return planner.run(more);
  }
  Program planner;
};

TEST_F(PlanCommand, TellsPlanStepKnobsAndLaunch) {
  const auto ran = plan({});
  EXPECT_EQ(ran.status, 0) << ran.err;
  for (const char* part : {"best: time", "Where the step goes", "One knob moved",
                           "Megatron-LM: ", "No plan of the space is better."}) {
    EXPECT_CONTAINS(ran.out, part);
  }
}

TEST_F(PlanCommand, TheWinnerIsWhatEstimateSaysOfIt) {
  const auto document = plan({"--format", "json", "--objective", "carbon"}).json();
  EXPECT_TRUE(document["proven"].get<bool>());
  const auto& best = document["plans"][0];
  const auto& predicted = document["run"]["predicted"];
  for (const char* key : {"training_days", "facility_energy_mwh"}) {
    const double value = predicted[key]["value"].get<double>();
    EXPECT_NEAR(best[key].get<double>(), value, 1e-9 * value) << key;
  }
  EXPECT_LE(best["total_tco2e"].get<double>(),
            document["best_for"]["time"]["total_tco2e"].get<double>());
}

TEST_F(PlanCommand, SearchIsWhatAnExhaustiveOneFinds) {
  const auto pruned = plan({"--format", "json"}).json();
  const auto all = plan({"--format", "json", "--exhaustive"}).json();
  EXPECT_EQ(pruned["plans"], all["plans"]);
  EXPECT_EQ(pruned["best_for"], all["best_for"]);
  EXPECT_EQ(all["counts"]["bounded"], 0);
}

TEST_F(PlanCommand, FlagsAndFileStateTheSameSpace) {
  planner.write("space.yaml", "tp: [2, 4]\nrecompute: [none, full]\ndevices: 128..256\n");
  const auto file = plan({"--format", "json", "--space", "space.yaml"}).json();
  const auto flags =
      plan({"--format", "json", "--tp", "2,4", "--recompute", "none,full", "--devices", "128..256"})
          .json();
  EXPECT_EQ(file["plans"], flags["plans"]);
  EXPECT_EQ(file["counts"]["space"], flags["counts"]["space"]);
}

TEST_F(PlanCommand, RegionsAreRankedWithTheirSources) {
  const auto ran = plan({"--objective", "carbon", "--regions", "POL,FRA,SWE"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  const auto sweden = ran.out.find("\nSWE ");
  const auto france = ran.out.find("\nFRA ");
  const auto poland = ran.out.find("\nPOL ");
  EXPECT_TRUE(sweden < france && france < poland && poland != std::string::npos) << ran.out;
  EXPECT_CONTAINS(ran.out, "Licence of the intensity");
}

TEST_F(PlanCommand, FrontHasNoPlanThatIsWorseInAll) {
  const auto front =
      plan({"--format", "json", "--pareto", "time,energy", "--devices", "64..512"}).json()["plans"];
  ASSERT_GE(front.size(), 2U);
  for (std::size_t i = 1; i < front.size(); ++i) {
    EXPECT_GT(front[i]["training_days"], front[i - 1]["training_days"]);
    EXPECT_LT(front[i]["facility_energy_mwh"], front[i - 1]["facility_energy_mwh"]);
  }
}

TEST_F(PlanCommand, WhatCannotHoldSaysWhatBinds) {
  struct Case {
    std::vector<std::string> options;
    int status;
    const char* what;
    const char* help;
  };
  const std::vector<Case> cases{
      {{"--deadline", "1h"},
       1,
       "the deadline binds: the best plan of the space is at ",
       "raise --deadline"},
      {{"--max-tco2e", "0.1"}, 1, "the limit of carbon binds", "raise --max-tco2e"},
      {{"--device", "v100-sxm2-16", "--devices", "4", "--precision", "fp16"},
       1,
       "memory binds",
       "a device with more memory"},
      {{"--devices", "251"},
       1,
       "no plan of the space divides 251 devices",
       "devices can be divided"},
      {{"--pp", "64"}, 1, "64 stages are more than the 32 layers", "no more stages than layers"},
      {{"--tp", "7"}, 1, "no tensor parallel degree of the space divides the 32 heads", "--tp"},
      {{"--devices", "0"}, 2, "'0' is not above 0", ""},
      {{"--device", "h1000"}, 2, "unknown device 'h1000'", "did you mean"},
      {{"--regions", "FRANCIA"}, 2, "unknown region 'FRANCIA'", "did you mean"},
      {{"--near-groups", "tp_xp"}, 2, "'tp_xp' names no groups", "tp_dp_pp"},
      {{"--objective", "cost"}, 2, "cost cannot be computed", "--price-per-device-hour"},
      {{"--objective", "time", "--pareto", "time,energy"}, 2, "excludes", ""},
      {{"--deadline", "soon"}, 2, "'soon' is no duration", "30d"},
  };
  for (const auto& one : cases) {
    const auto ran = plan(one.options);
    EXPECT_EQ(ran.status, one.status) << one.what << "\n" << ran.err;
    EXPECT_CONTAINS(ran.err, one.what);
    EXPECT_CONTAINS(ran.err, one.help);
  }
}

}  // namespace
}  // namespace pretrain::cli
