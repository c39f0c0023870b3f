#include <cmath>
#include <map>
#include <set>

#include "tests/cli/json_schema.hpp"
#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

const std::string kRuns =
    "id,name,params_b,device,devices,seq_len,global_batch_seqs,reported_tokens_per_s_per_device,"
    "quality\n"
    "a,model a,7,h100-sxm,8,4096,64,10000,core\n"
    "b,model b,13,h100-sxm,8,4096,64,5000,core\n"
    "c,model c,70,a100-sxm-80,64,4096,64,400,ok\n"
    "d,no numbers,70,a100-sxm-80,64,4096,64,,ok\n";

TEST(ValidateCommand, MeetsTheContract) {
  Program planner;
  planner.write("runs.csv", kRuns);
  const auto ran = planner.run({"validate", "runs.csv", "--format", "json"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.err, "");
  const auto document = ran.json();
  const JsonSchema contract{Json::parse(file_text(source("tests/estimate.schema.json")))};
  for (const auto& fault : contract.faults(document)) ADD_FAILURE() << fault;
  EXPECT_EQ(document["runs"].size(), 4U);
  ASSERT_EQ(document["skipped"].size(), 1U);
  EXPECT_EQ(document["skipped"][0]["id"], "d");
  std::set<std::string> predictors;
  for (const auto& score : document["summary"]) {
    EXPECT_EQ(score["split"], "grouped");
    if (score["quantity"] == "tokens_per_s_per_device" && score["group"] == "all") {
      predictors.insert(score["predictor"]);
      EXPECT_EQ(score["n"], 3);
    }
  }
  EXPECT_EQ(predictors, (std::set<std::string>{"planner", "llmcarbon_6pd", "llmcarbon_8pd",
                                               "generation_median", "knn5", "ridge"}));
  // The planner's rows are those of estimate --blind.
  const auto estimated = planner.run({"estimate", "runs.csv", "--blind", "--format", "json"});
  EXPECT_EQ(document["runs"], estimated.json()["runs"]);
}

TEST(ValidateCommand, WithoutFilesItScoresTheCasesThatShip) {
  const Program planner;
  const auto ran = planner.run({"validate"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_CONTAINS(ran.out, "runs scored, blind");
  for (const char* word : {"planner", "llmcarbon_6pd", "ridge", "Median error by type",
                           "Median error by generation", "Not scored:"}) {
    EXPECT_CONTAINS(ran.out, word);
  }
}

TEST(ValidateCommand, TheThresholdSetsTheExitStatus) {
  Program planner;
  planner.write("runs.csv", kRuns);
  EXPECT_EQ(planner.run({"validate", "runs.csv", "--fail-above", "median=100"}).status, 0);
  const auto over = planner.run({"validate", "runs.csv", "--fail-above", "median=0.0001"});
  EXPECT_EQ(over.status, 1);
  EXPECT_CONTAINS(over.err, "over the threshold: median is ");
  EXPECT_FALSE(over.out.empty());
  const auto group = planner.run({"validate", "runs.csv", "--fail-above",
                                  "median=0.0001@quality=ok", "--fail-above", "mean_log=100"});
  EXPECT_EQ(group.status, 1);
  EXPECT_CONTAINS(group.err, "quality=ok");
  for (const char* metric : {"mean_log=0", "q90_log=0", "group_log=0", "bias=0"}) {
    EXPECT_EQ(planner.run({"validate", "runs.csv", "--fail-above", metric}).status, 1) << metric;
  }
}

TEST(ValidateCommand, WrongThresholdsAreExplained) {
  Program planner;
  planner.write("runs.csv", kRuns);
  const std::map<std::string, std::string> wrong{{"median", "has no limit"},
                                                 {"medium=0.1", "no metric 'medium'"},
                                                 {"median=x", "'x' is not a limit"},
                                                 {"median=-1", "'-1' is not a limit"},
                                                 {"median=0.1@type=moe", "nothing to judge"}};
  for (const auto& [text, part] : wrong) {
    const auto ran = planner.run({"validate", "runs.csv", "--fail-above", text});
    EXPECT_EQ(ran.status, 2) << text;
    EXPECT_CONTAINS(ran.err, part);
    EXPECT_CONTAINS(ran.err, "help:");
  }
}

TEST(ValidateCommand, EveryFormatTellsTheSame) {
  Program planner;
  planner.write("runs.csv", kRuns);
  const auto json = planner.run({"validate", "runs.csv", "--format", "json"}).json();
  const auto csv = planner.run({"validate", "runs.csv", "--format", "csv"});
  EXPECT_EQ(count_of(csv.out, "\n"), json["summary"].size() + 1);
  EXPECT_TRUE(csv.out.starts_with("predictor,split,quantity,group,n,median_abs_error,"));
  const auto lines = planner.run({"validate", "runs.csv", "--format", "jsonl"});
  EXPECT_EQ(count_of(lines.out, "\n"), json["summary"].size());
  const auto markdown = planner.run({"validate", "runs.csv", "--format", "markdown"});
  EXPECT_CONTAINS(markdown.out, "| planner | 3 |");
}

TEST(ValidateCommand, TheReportHoldsEverything) {
  Program planner;
  planner.write("runs.csv", kRuns);
  const auto ran = planner.run({"validate", "runs.csv", "--report", "report.md"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  const auto report = file_text(planner.path("report.md"));
  for (const char* part : {"# Predictions against published runs", "## tokens_per_s_per_device",
                           "## Worst predictions of throughput", "## Not scored: 1 runs",
                           "| d | nothing was reported that is predicted |"}) {
    EXPECT_CONTAINS(report, part);
  }
}

TEST(ValidateCommand, SplitsAreNamedInTheAnswer) {
  Program planner;
  planner.write("runs.csv", kRuns);
  for (const auto& [option, word] : std::map<std::string, std::string>{
           {"none", "none"}, {"grouped", "grouped"}, {"leave-source-out", "leave_source_out"}}) {
    const auto ran = planner.run({"validate", "runs.csv", "--split", option, "--format", "json"});
    EXPECT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.json()["summary"][0]["split"], word);
  }
  EXPECT_EQ(planner.run({"validate", "runs.csv", "--split", "random"}).status, 2);
}

TEST(ValidateCommand, OneRunByItsName) {
  Program planner;
  planner.write("runs.csv", kRuns);
  const auto ran = planner.run({"validate", "runs.csv", "--where", "model b", "--format", "csv"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_CONTAINS(ran.out, "planner,grouped,tokens_per_s_per_device,all,1,");
  const auto none = planner.run({"validate", "runs.csv", "--where", "model z"});
  EXPECT_EQ(none.status, 2);
  EXPECT_CONTAINS(none.err, "no run 'model z'");
}

TEST(ValidateCommand, EachTableHasItsOwnFolder) {
  Program planner;
  const auto config = [](int layers) {
    return R"({"model_type": "llama", "hidden_size": 1024, "num_attention_heads": 8,
 "intermediate_size": 4096, "vocab_size": 32000, "num_hidden_layers": )" +
           std::to_string(layers) + "}";
  };
  for (const auto& [folder, layers] : std::map<std::string, int>{{"a", 4}, {"b", 40}}) {
    fs::create_directory(planner.path(folder));
    planner.write(folder + "/config.json", config(layers));
    planner.write(folder + "/t.csv", "id,architecture,device,devices,reported_mfu\n" + folder +
                                         ",./config.json,H100,8,0.4\n");
  }
  const auto both = planner.run({"validate", "a/t.csv", "b/t.csv", "--format", "json"}).json();
  ASSERT_EQ(both["runs"].size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string file = i == 0 ? "a/t.csv" : "b/t.csv";
    const auto alone = planner.run({"estimate", file, "--blind", "--format", "json"}).json();
    EXPECT_EQ(both["runs"][i], alone["runs"][0]) << file;
  }
  EXPECT_NE(both["runs"][0]["predicted"]["total_params"],
            both["runs"][1]["predicted"]["total_params"]);
}

TEST(ValidateCommand, WhatIsGivenIsNotScored) {
  Program planner;
  planner.write("runs.csv",
                "id,params_b,device,devices,tokens_b,reported_device_hours,reported_energy_mwh,"
                "energy_scope,reported_device_power_w,reported_mfu\n"
                "a,7,h100-sxm,64,1000,50000,30,device,600,0.4\n"
                "b,7,h100-sxm,64,1000,,30,device,,0.4\n");
  const auto quantities = [&](const std::string& given) {
    const auto json =
        planner.run({"validate", "runs.csv", "--given", given, "--format", "json"}).json();
    std::set<std::string> found;
    for (const auto& score : json["summary"]) {
      EXPECT_EQ(score["n"], 1);
      found.insert(score["quantity"]);
    }
    EXPECT_EQ(json["skipped"].size(), 1U) << "the row without what is given";
    return found;
  };
  EXPECT_EQ(quantities("hours"), (std::set<std::string>{"device_energy_mwh", "device_power_w"}));
  EXPECT_EQ(quantities("power"), (std::set<std::string>{"device_energy_mwh", "device_hours"}));
}

TEST(ValidateCommand, RepeatedIdsAndSkippedRowsAreTold) {
  Program planner;
  planner.write("runs.csv", kRuns + "a,again,7,h100-sxm,8,4096,64,9000,core\n");
  const auto twice = planner.run({"validate", "runs.csv"});
  EXPECT_EQ(twice.status, 0);
  EXPECT_CONTAINS(twice.err, "1 rows have the id of another, 'a' first");
  const auto skipped = planner.run({"validate", "runs.csv", "--where", "d"});
  EXPECT_EQ(skipped.status, 2);
  EXPECT_CONTAINS(skipped.err, "'d' is not scored: nothing was reported that is predicted");
}

TEST(ValidateCommand, ReportIsAPageWithCharts) {
  const Program planner;
  const auto ran = planner({"validate", "--report", "scores.html", "--format", "json"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  const auto page = file_text(planner.path("scores.html"));
  EXPECT_LT(page.size(), 2U << 20);
  for (const char* id : {"scatter", "by-kind", "by-device", "by-family", "coverage"}) {
    EXPECT_CONTAINS(page, "class=\"chart\" id=\"" + std::string{id} + "\" role=\"img\"");
  }
  EXPECT_CONTAINS(page, "Worst predictions of throughput");
  EXPECT_CONTAINS(page, "its source leaves something open");
  const std::string mark = "<script type=\"application/json\" id=\"charts\">";
  const auto from = page.find(mark);
  if (from == std::string::npos) GTEST_SKIP() << "built without charts";
  const auto charts = Json::parse(
      page.substr(from + mark.size(), page.find("</script>", from) - from - mark.size()));
  // As many points as throughputs are scored, and the coverage that the summary has.
  std::size_t points = 0;
  for (const auto& series : charts["scatter"]["series"]) {
    if (series["type"] == "scatter") points += series["data"].size();
  }
  const auto summary = ran.json()["summary"];
  for (const auto& score : summary) {
    if (score["predictor"] != "planner" || score["quantity"] != "tokens_per_s_per_device" ||
        score["group"] != "all") {
      continue;
    }
    EXPECT_EQ(points, score["n"].get<std::size_t>());
    for (const auto& level : charts["coverage"]["series"][0]["data"]) {
      if (level["value"][0] == 90.0) {
        EXPECT_NEAR(level["value"][1].get<double>(), 100 * score["coverage"].get<double>(), 1);
      }
    }
  }
}

}  // namespace
}  // namespace pretrain::cli
