#include "validation/evaluation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <sstream>

#include "models/training_compute.hpp"
#include "tests/planner/rows.hpp"

namespace pretrain::validation {
namespace {

using planner::Key;
using planner::shipped_catalogue;

const Split& frozen() {
  static const Split split = shipped_split();
  return split;
}

/// The rows of a run table in CSV, judged.
Cases cases_of(const std::string& csv, planner::Taken taken = planner::Taken::nothing) {
  planner::EstimateOptions options;
  options.taken = taken;
  Cases cases{shipped_catalogue(), frozen(), options};
  cases.begin_table("test");
  std::istringstream in{csv};
  planner::read_run_table(in, "test.csv", 1, cases);
  return cases;
}

const Measured* find(const Case& c, Key key) {
  for (const auto& measured : c.measured) {
    if (measured.key == key) return &measured;
  }
  return nullptr;
}

const Cases& shipped() {
  static const Cases cases = [] {
    Cases all{shipped_catalogue(), frozen(), {}};
    for (const auto& [name, text] : shipped_cases()) {
      std::istringstream in{std::string{text}};
      all.begin_table(std::string{name});
      planner::read_run_table(in, std::string{name}, 1, all);
    }
    return all;
  }();
  return cases;
}

Scoreboard scores(const std::vector<Case>& scored, const std::vector<Case>& pool, SplitMode mode) {
  const auto& catalogue = shipped_catalogue();
  return evaluate(scored, pool, mode, catalogue.step_constant_table(), catalogue.step_spread(),
                  0.9);
}

TEST(Evaluation, NoRowOfTheCasesIsDroppedSilently) {
  std::size_t rows = 0;
  std::set<std::string> ids;
  for (const auto& [name, text] : shipped_cases()) {
    std::istringstream in{std::string{text}};
    planner::for_each_row(in, std::string{name}, [&](const planner::RunRow& row) {
      ++rows;
      ids.emplace(row.text(planner::Col::id));
    });
  }
  EXPECT_GT(rows, 2100U);
  EXPECT_EQ(ids.size(), rows) << "an id stands in two tables";
  EXPECT_EQ(shipped().cases().size() + shipped().skipped().size(), rows);
  for (const auto& skipped : shipped().skipped()) {
    EXPECT_FALSE(skipped.reason.empty()) << skipped.id;
    EXPECT_TRUE(ids.contains(skipped.id)) << skipped.id;
  }
}

TEST(Evaluation, PredictionsAreBlindToWhatWasMeasured) {
  const std::string header =
      "id,architecture,device,devices,seq_len,global_batch_seqs,tokens_b,mfu,achieved_tflops,"
      "system_power_w,goodput,reported_iteration_s,reported_days,reported_energy_mwh,energy_"
      "scope\n";
  const std::string plan = "a,llama-3.1-8b,h100-sxm,64,8192,128,1000,";
  const auto honest = cases_of(header + plan + ",,,,3.5,20,100,node\n");
  const auto told = cases_of(header + plan + "0.9,890,2000,0.5,0.1,1,5000,node\n");
  ASSERT_EQ(honest.cases().size(), 1U);
  ASSERT_EQ(told.cases().size(), 1U);
  const auto& a = honest.cases().front();
  const auto& b = told.cases().front();
  ASSERT_EQ(a.measured.size(), b.measured.size());
  EXPECT_GE(a.measured.size(), 4U);
  for (std::size_t i = 0; i < a.measured.size(); ++i) {
    EXPECT_DOUBLE_EQ(a.measured[i].predicted, b.measured[i].predicted)
        << info_of(a.measured[i].key).name;
    EXPECT_NE(a.measured[i].reported, b.measured[i].reported);
  }
}

TEST(Evaluation, EveryThroughputIsBroughtToTokensInItsOwnConvention) {
  // One run, stated in six ways.
  constexpr double kTokens = 9000;
  constexpr double kSeq = 8192;
  const planner::OneRun run{
      "id,architecture,device,devices,seq_len\nx,llama-3.1-8b,h100-sxm,64,8192\n"};
  const auto work = models::token_work(run.scenario().architecture, kSeq);
  const double peak = (*run.scenario().peak).in(teraflops / device);
  const auto flop = [&](models::FlopConvention convention) {
    models::TrainingMode mode;
    mode.recompute = models::Recompute::full;
    return convention == models::FlopConvention::six_nd
               ? models::training_flop_per_token(*run.scenario().active_params, mode)
               : models::training_flop_per_token(work, convention, mode);
  };
  std::string csv =
      "id,architecture,device,devices,seq_len,global_batch_seqs,recompute,"
      "reported_flop_convention,reported_tokens_per_s_per_device,reported_iteration_s,"
      "reported_tflops_per_device,reported_mfu\n";
  const std::string plan = ",llama-3.1-8b,h100-sxm,64,8192,128,full,";
  csv += "tokens" + plan + "," + std::to_string(kTokens) + ",,,\n";
  csv += "iteration" + plan + ",," + std::to_string(kSeq * 128 / (kTokens * 64)) + ",,\n";
  for (const auto convention :
       {models::FlopConvention::six_nd, models::FlopConvention::model_causal,
        models::FlopConvention::model_full, models::FlopConvention::hardware}) {
    const std::string name{name_of(convention)};
    const double tflops = kTokens * flop(convention) / 1e12;
    csv += "tflops_" + name + plan + name + ",,," + std::to_string(tflops) + ",\n";
    csv += "mfu_" + name + plan + name + ",,,," + std::to_string(tflops / peak) + "\n";
  }
  const auto cases = cases_of(csv);
  ASSERT_EQ(cases.cases().size(), 10U);
  const double predicted = cases.cases().front().throughput->predicted;
  for (const auto& c : cases.cases()) {
    ASSERT_TRUE(c.throughput) << c.id;
    EXPECT_NEAR(c.throughput->reported / kTokens, 1.0, 1e-5) << c.id;
    EXPECT_NEAR(c.throughput->predicted / predicted, 1.0, 1e-12) << c.id;
    for (const auto& measured : c.measured) {
      // The same error, or its inverse, in whatever way it is told.
      const double ratio = std::pow(measured.predicted / measured.reported, measured.rate_power);
      EXPECT_NEAR(ratio / (predicted / kTokens), 1.0, 1e-5)
          << c.id << " " << info_of(measured.key).name;
    }
  }
}

TEST(Evaluation, WhatCannotBeScoredSaysWhy) {
  const auto cases = cases_of(
      "id,params_b,device,devices,tokens_b,quality,reported_days,reported_mfu,"
      "reported_flop_convention\n"
      "context,7,h100-sxm,64,1000,context,5,,\n"
      "nothing,7,h100-sxm,64,1000,core,,,\n"
      "unknown,7,h1000,64,1000,core,5,,\n"
      "attention,7,h100-sxm,64,1000,core,,0.4,model_causal_attention\n"
      "good,7,h100-sxm,64,1000,core,5,,\n");
  ASSERT_EQ(cases.cases().size(), 1U);
  EXPECT_EQ(cases.cases().front().id, "good");
  std::map<std::string, std::string> reasons;
  for (const auto& skipped : cases.skipped()) reasons[skipped.id] = skipped.reason;
  EXPECT_EQ(reasons["context"], "quality is context: not meant to be scored against");
  EXPECT_EQ(reasons["nothing"], "nothing was reported that is predicted");
  EXPECT_EQ(reasons["unknown"], "unknown device 'h1000'");
  EXPECT_NE(reasons["attention"].find("count attention"), std::string::npos);
}

TEST(Evaluation, GivenHoursScorePowerApart) {
  const std::string csv =
      "id,params_b,device,devices,tokens_b,reported_device_hours,reported_energy_mwh,energy_scope\n"
      "a,7,h100-sxm,64,1000,50000,31.05,device\n";
  const auto blind = cases_of(csv);
  const auto given = cases_of(csv, planner::Taken::hours);
  const auto* alone = find(given.cases().front(), Key::device_energy_mwh);
  const auto* together = find(blind.cases().front(), Key::device_energy_mwh);
  ASSERT_TRUE(alone != nullptr && together != nullptr);
  // About 621 W, the measured draw of an H100 in training.
  EXPECT_NEAR(alone->predicted, 621.0 * 50000 / 1e6, 2);
  EXPECT_EQ(alone->rate_power, 0);
  EXPECT_EQ(together->rate_power, -1);
  EXPECT_NE(alone->predicted, together->predicted);
}

TEST(Evaluation, AnErrorIsScoredAsItIs) {
  const auto cases = cases_of(
      "id,params_b,device,devices,seq_len,global_batch_seqs,reported_tokens_per_s_per_device\n"
      "a,7,h100-sxm,8,4096,64,1000\nb,7,h100-sxm,8,4096,64,100000\n");
  const auto board = scores(cases.cases(), {}, SplitMode::none);
  const auto* score = board.find(Predictor::planner, Key::tokens_per_s_per_device, "all");
  ASSERT_NE(score, nullptr);
  EXPECT_EQ(score->summary.n, 2U);
  const double rate = cases.cases().front().throughput->predicted;
  EXPECT_NEAR(*score->summary.median_abs_error,
              0.5 * (rate / 1000 - 1 + std::abs(rate / 100000 - 1)), 1e-9);
  EXPECT_NEAR(*score->summary.bias, rate / 1e4 - 1, 1e-9);
  EXPECT_NEAR(*score->q90_abs_log_error, std::max(std::log(rate / 1000), -std::log(rate / 1e5)),
              1e-9);
  const auto* sixpd = board.find(Predictor::llmcarbon_6pd, Key::tokens_per_s_per_device, "all");
  const auto* eightpd = board.find(Predictor::llmcarbon_8pd, Key::tokens_per_s_per_device, "all");
  ASSERT_TRUE(sixpd != nullptr && eightpd != nullptr);
  EXPECT_NEAR((*sixpd->summary.bias + 1) / (*eightpd->summary.bias + 1), 8.0 / 6.0, 1e-9);
}

/// Rows of one model each, at a utilization that goes with the model.
std::string rows_of(const std::vector<std::pair<std::string, double>>& models) {
  std::string csv =
      "id,name,params_b,device,devices,seq_len,reported_tokens_per_s_per_device,quality,"
      "source_url\n";
  for (std::size_t i = 0; i < models.size(); ++i) {
    csv += "r" + std::to_string(i) + "," + models[i].first + ",7,h100-sxm,8,4096," +
           std::to_string(models[i].second * 989.4e12 / (6 * 7e9)) + ",core,https://example.org/" +
           std::to_string(i) + "\n";
  }
  return csv;
}

TEST(Evaluation, NothingOfItsOwnModelTeachesAHeldOutRow) {
  // Four models at 40% and one at 4%: held out, the odd one is told from the others alone.
  std::vector<std::pair<std::string, double>> models{
      {"one", 0.4}, {"two", 0.4}, {"three", 0.4}, {"four", 0.4}};
  for (int i = 0; i < 6; ++i) models.emplace_back("odd", 0.04);
  const auto cases = cases_of(rows_of(models));
  const auto odd = [&](SplitMode mode) {
    return scores(cases.cases(), {}, mode)
        .throughput.back()[static_cast<std::size_t>(Predictor::generation_median)];
  };
  const double at_peak = cases.cases().back().tokens_at_peak;
  EXPECT_NEAR(*odd(SplitMode::grouped) / at_peak, 0.4, 1e-3);

  // Without a split it has taught itself: the median of the two models lies between them.
  const auto two = cases_of(rows_of({{"one", 0.4}, {"odd", 0.04}}));
  const auto told = scores(two.cases(), {}, SplitMode::none)
                        .throughput.back()[static_cast<std::size_t>(Predictor::generation_median)];
  EXPECT_LT(*told / at_peak, 0.3);
}

TEST(Evaluation, ASourceIsLeftOutAsAWhole) {
  std::string csv =
      "id,name,params_b,device,devices,seq_len,reported_tokens_per_s_per_device,quality,"
      "source_url\n";
  // Three sources; the models of the third are all odd.
  const std::array kSources{"https://github.com/a/a", "https://github.com/b/b",
                            "https://github.com/c/c"};
  for (int i = 0; i < 12; ++i) {
    const double mfu = i % 3 == 2 ? 0.1 : 0.4;
    csv += "s" + std::to_string(i) + ",model" + std::to_string(i) + ",7,h100-sxm,8,4096," +
           std::to_string(mfu * 989.4e12 / (6 * 7e9)) + ",core," +
           kSources[static_cast<std::size_t>(i % 3)] + "\n";
  }
  const auto cases = cases_of(csv);
  // A pool of other sources, so that none of the three is a sweep.
  auto pool = cases_of(rows_of({{"p1", 0.4},
                                {"p2", 0.4},
                                {"p3", 0.4},
                                {"p4", 0.4},
                                {"p5", 0.4},
                                {"p6", 0.4},
                                {"p7", 0.4},
                                {"p8", 0.4}}));
  const auto board = scores(cases.cases(), pool.cases(), SplitMode::leave_source_out);
  const auto median = static_cast<std::size_t>(Predictor::generation_median);
  for (std::size_t i = 0; i < cases.cases().size(); ++i) {
    const double at_peak = cases.cases()[i].tokens_at_peak;
    ASSERT_TRUE(board.throughput[i][median]);
    if (i % 3 == 2) {
      EXPECT_NEAR(*board.throughput[i][median] / at_peak, 0.4, 1e-3) << i;
    }
  }
}

TEST(Evaluation, ASweepTeachesOnlyAboutItself) {
  // Most rows come from one slow sweep: the others are not told from it.
  std::string csv =
      "id,name,params_b,device,devices,seq_len,reported_tokens_per_s_per_device,quality,"
      "source_url\n";
  const auto row = [&](int i, double mfu, const std::string& source) {
    csv += "w" + std::to_string(i) + ",model" + std::to_string(i) + ",7,h100-sxm,8,4096," +
           std::to_string(mfu * 989.4e12 / (6 * 7e9)) + ",core,https://github.com/" + source + "\n";
  };
  for (int i = 0; i < 20; ++i) row(i, 0.05, "slow/sweep");
  for (int i = 20; i < 26; ++i) row(i, 0.5, "o" + std::to_string(i) + "/r");
  const auto cases = cases_of(csv);
  const auto board = scores(cases.cases(), {}, SplitMode::none);
  const auto median = static_cast<std::size_t>(Predictor::generation_median);
  EXPECT_NEAR(*board.throughput.back()[median] / cases.cases().back().tokens_at_peak, 0.5, 1e-3);
  EXPECT_NEAR(*board.throughput.front()[median] / cases.cases().front().tokens_at_peak, 0.05, 1e-3);
}

TEST(Evaluation, BaselinesStandBesideThePlannerOnTheShippedCases) {
  const auto board = scores(shipped().cases(), shipped().cases(), SplitMode::grouped);
  for (std::size_t p = 0; p < kPredictors; ++p) {
    const auto predictor = static_cast<Predictor>(p);
    const auto* score = board.find(predictor, Key::tokens_per_s_per_device, "all");
    ASSERT_NE(score, nullptr) << name_of(predictor);
    EXPECT_GT(score->summary.n, 2000U) << name_of(predictor);
    EXPECT_TRUE(std::isfinite(*score->summary.mean_abs_log_error));
  }
  for (const auto& score : board.scores) {
    EXPECT_GT(score.summary.n, 0U);
    for (const auto& value :
         {score.summary.median_abs_error, score.summary.bias, score.q90_abs_log_error}) {
      if (value) {
        EXPECT_TRUE(std::isfinite(*value)) << score.group;
      }
    }
  }
}

TEST(Evaluation, TheFrozenSplitWinsOverTheFunctions) {
  const auto cases = cases_of(
      "id,name,params_b,device,devices,tokens_b,reported_days\n"
      "foundry-004,some other name,30,h100-sxm,8,1000,5\nnew-row,MPT 30b,30,h100-sxm,8,1000,5\n");
  ASSERT_EQ(cases.cases().size(), 2U);
  EXPECT_EQ(cases.cases()[0].group, "mpt30b@h100sxm");
  EXPECT_EQ(cases.cases()[1].group, "mpt30b@h100sxm");
  EXPECT_EQ(cases.cases()[0].fold, cases.cases()[1].fold);
  EXPECT_EQ(cases.cases()[0].source, "mosaicml/llm-foundry");
}

}  // namespace
}  // namespace pretrain::validation
