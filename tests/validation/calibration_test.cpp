#include "validation/calibration.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "planner/run_table.hpp"
#include "tests/planner/rows.hpp"
#include "validation/step_fit.hpp"

namespace pretrain::validation {
namespace {

/// Runs of three models in several plans, each as slow as `times` says against the prediction.
Cases runs(const planner::Catalogue& catalogue, const Split& split,
           const std::vector<double>& times) {
  std::string text =
      "id,architecture,device,devices,seq_len,global_batch_seqs,micro_batch_seqs,tp,pp,dp,"
      "framework_family,dtype,reported_tokens_per_s_per_device\n";
  const char* const models[] = {"llama-2-7b", "llama-2-13b", "gpt3-20b"};
  struct Plan {
    int tp;
    int pp;
  };
  const Plan plans[] = {{1, 1}, {2, 1}, {4, 1}, {4, 2}};
  const auto table = [&](double rate, std::size_t i, const char* model, const Plan& plan) {
    return fmt::format("r{},{},h100-sxm,64,4096,512,1,{},{},{},megatron,bf16,{}\n", i, model,
                       plan.tp, plan.pp, 64 / plan.tp / plan.pp, rate);
  };
  std::size_t i = 0;
  for (const char* model : models) {
    for (const auto& plan : plans) {
      if (i == times.size()) break;
      // What is predicted for it, first.
      Cases one{catalogue, split, {}};
      std::istringstream in{text.substr(0, text.find('\n') + 1) + table(1, i, model, plan)};
      planner::read_run_table(in, "one.csv", 1, one);
      text += table(one.cases().at(0).planner_rate / times[i], i, model, plan);
      ++i;
    }
  }
  Cases cases{catalogue, split, {}};
  cases.begin_table("own");
  std::istringstream in{text};
  planner::read_run_table(in, "own.csv", 1, cases);
  return cases;
}

double cluster_of(const Calibration& c) { return c.constants.values().cluster; }

TEST(Calibration, AClusterThatIsSlowerIsLearnt) {
  const auto& catalogue = planner::shipped_catalogue();
  const auto split = shipped_split();
  const auto cases = runs(catalogue, split, std::vector<double>(12, 1.25));
  const auto parts = calibration_parts(cases.cases());
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].device, "hopper");
  EXPECT_EQ(parts[0].family, "megatron");
  const auto found = calibrate(parts[0], catalogue.step_constant_table(), catalogue.step_spread());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->score.rows, 12U);
  EXPECT_EQ(found->score.groups, 3U);
  EXPECT_NEAR(found->score.before_median, 0.2, 1e-6);  // 1 / 1.25 - 1
  EXPECT_LT(found->score.after_median, 0.03);
  EXPECT_GT(cluster_of(*found), 1.1);
  EXPECT_LT(found->half_width_90, catalogue.step_spread().width(found->run_class, false, false));
  // The rows say nothing of what they do not have.
  EXPECT_NE(std::find(found->not_told.begin(), found->not_told.end(), "expert parallelism"),
            found->not_told.end());
  EXPECT_EQ(std::find(found->not_told.begin(), found->not_told.end(), "pipelines"),
            found->not_told.end());
  EXPECT_FALSE(found->draw);
}

TEST(Calibration, RowsThatAreAsPredictedChangeNothing) {
  const auto& catalogue = planner::shipped_catalogue();
  const auto split = shipped_split();
  const auto cases = runs(catalogue, split, std::vector<double>(12, 1));
  const auto found = calibrate(calibration_parts(cases.cases()).at(0),
                               catalogue.step_constant_table(), catalogue.step_spread());
  ASSERT_TRUE(found);
  const auto shipped = catalogue.step_constant_table();
  for (std::size_t i = 0; i < shipped.rows.size(); ++i) {
    EXPECT_NEAR(std::log(found->constants.rows[i].value / shipped.rows[i].value), 0, 1e-3)
        << shipped.rows[i].name;
    EXPECT_LE(found->constants.rows[i].sd, 1.001 * shipped.rows[i].sd) << shipped.rows[i].name;
  }
}

TEST(Calibration, OneOutlierDoesNotRule) {
  const auto& catalogue = planner::shipped_catalogue();
  const auto split = shipped_split();
  auto times = std::vector<double>(12, 1.2);
  times[5] = 8;  // somebody's debugger was on
  const auto cases = runs(catalogue, split, times);
  const auto found = calibrate(calibration_parts(cases.cases()).at(0),
                               catalogue.step_constant_table(), catalogue.step_spread());
  ASSERT_TRUE(found);
  EXPECT_LT(found->score.after_median, 0.06);
}

TEST(Calibration, TwoRowsAreTooFew) {
  const auto& catalogue = planner::shipped_catalogue();
  const auto split = shipped_split();
  const auto cases = runs(catalogue, split, {1.1, 1.1});
  EXPECT_FALSE(calibrate(calibration_parts(cases.cases()).at(0), catalogue.step_constant_table(),
                         catalogue.step_spread()));
}

TEST(Calibration, CorrelationsOfThePriorAreKept) {
  // Two constants of which only the product is known: a row that moves it moves both, one way.
  const auto& catalogue = planner::shipped_catalogue();
  auto table = as_prior(catalogue.step_constant_table());
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    EXPECT_EQ(table.rows[i].prior, table.rows[i].value);
    EXPECT_EQ(table.rows[i].prior_sd, table.rows[i].sd);
  }
  const auto split = shipped_split();
  const auto cases = runs(catalogue, split, std::vector<double>(4, 1));
  std::vector<StepLesson> none;
  StepFitter fitter{none, table, {.without = nullptr, .correlated = true, .source_spread = 0.1}};
  // Without a lesson the posterior is the prior, correlations and all.
  const auto same = fitter.table({});
  for (std::size_t j = 0; j < table.rows.size(); ++j) {
    EXPECT_NEAR(same.rows[j].sd, table.rows[j].sd, 0.05 * table.rows[j].sd + 1e-9)
        << table.rows[j].name;
    for (std::size_t i = 0; i < j; ++i) {
      EXPECT_NEAR(same.rows[j].correlations[i], table.rows[j].correlations[i], 0.05)
          << table.rows[i].name << " " << table.rows[j].name;
    }
  }
}

}  // namespace
}  // namespace pretrain::validation
