#include "validation/plan_audit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "planner/run_table.hpp"

namespace pretrain::validation {
namespace {

TEST(RankCorrelation, IsThatOfTheRanks) {
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {10, 20, 30, 400}), 1);
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {4, 3, 2, 1}), -1);
  // 1 - 6 x (1 + 1 + 0 + 0) / (4 x 15)
  EXPECT_DOUBLE_EQ(rank_correlation({1, 2, 3, 4}, {2, 1, 3, 4}), 0.8);
}

TEST(RankCorrelation, GivesTiesTheirMeanRank) {
  // Ranks 0.5 0.5 2 3 against 0 1 2 3: 4.5 / sqrt(4.5 x 5).
  EXPECT_NEAR(rank_correlation({1, 1, 2, 3}, {1, 2, 3, 4}), 4.5 / std::sqrt(4.5 * 5), 1e-12);
  EXPECT_EQ(rank_correlation({1, 1, 1}, {1, 2, 3}), 0);
  EXPECT_EQ(rank_correlation({}, {}), 0);
}

/// Plans of a GPT-3 on 64 devices as a table reports them, and one on 128.
Cases some_plans(const planner::Catalogue& catalogue, const Split& split) {
  std::istringstream in{
      "id,architecture,device,devices,seq_len,global_batch_seqs,micro_batch_seqs,tp,pp,dp,"
      "framework_family,reported_iteration_s,reported_memory_gib,memory_kind\n"
      "slow,gpt3-5b,a100-sxm-80,64,2048,512,1,8,1,8,megatron,9,,\n"
      "fast,gpt3-5b,a100-sxm-80,64,2048,512,1,2,1,32,megatron,7,20,allocated\n"
      "deep,gpt3-5b,a100-sxm-80,64,2048,512,1,1,8,8,megatron,8,,\n"
      "more,gpt3-5b,a100-sxm-80,128,2048,512,1,8,1,16,megatron,5,,\n"
      "burst,gpt3-175b,a100-sxm-80,64,2048,512,1,8,1,8,megatron,,,oom\n"};
  Cases cases{catalogue, split, {}};
  cases.begin_table("some");
  planner::read_run_table(in, "some.csv", 1, cases);
  return cases;
}

TEST(PlanAudit, GroupsPlansOfOneRunAndTellsWhatThePickedOneTakesMore) {
  const planner::Catalogue catalogue;
  const auto split = shipped_split();
  const auto cases = some_plans(catalogue, split);
  std::vector<Predictions> predictions;
  for (const auto& c : cases.cases()) {
    // As if the deep one were the fastest, and then the slow one.
    predictions.emplace_back();
    predictions.back()[0] = c.id == "deep" ? 3 : c.id == "slow" ? 2 : 1;
  }
  const auto audit = audit_plans(cases, predictions);
  ASSERT_EQ(audit.groups.size(), 1U);
  const auto& group = audit.groups.front();
  EXPECT_EQ(group.plans, 3U);
  EXPECT_EQ(group.devices, 64);
  EXPECT_EQ(group.nodes, 8);
  EXPECT_EQ(group.picked, "deep");
  EXPECT_EQ(group.fastest, "fast");
  EXPECT_NEAR(group.regret, 8.0 / 7 - 1, 1e-12);
  EXPECT_NEAR(group.by_chance, (9.0 / 7 + 1 + 8.0 / 7) / 3 - 1, 1e-12);
  // Ranks of slow, fast, deep: predicted 1 0 2, measured 0 2 1.
  EXPECT_NEAR(group.spearman, -0.5, 1e-12);
  ASSERT_GE(audit.scores.size(), 1U);
  EXPECT_EQ(audit.scores.front().what, "all");
}

TEST(PlanAudit, JudgesWhatRanAndWhatRanOutOfMemory) {
  const planner::Catalogue catalogue;
  const auto split = shipped_split();
  const auto cases = some_plans(catalogue, split);
  const auto audit = audit_plans(cases, std::vector<Predictions>(cases.cases().size()));
  EXPECT_EQ(audit.fit.ran, 4U);
  EXPECT_EQ(audit.fit.refused, 0U);
  EXPECT_EQ(audit.fit.failed, 1U);
  EXPECT_EQ(audit.fit.let_through, 0U);
  EXPECT_EQ(audit.fit.peaks, 1U);
  EXPECT_TRUE(audit.misjudged.empty());
  EXPECT_TRUE(audit.groups.empty());
}

/// What the README promises of choosing.
TEST(PlanAudit, ChoosesWellAmongPublishedPlans) {
  const planner::Catalogue catalogue;
  const auto split = shipped_split();
  Cases cases{catalogue, split, {}};
  for (const auto& [name, text] : shipped_cases()) {
    const bool sweep = name.find("vtrain") != std::string_view::npos;
    cases.begin_table(sweep ? "vtrain" : "other");
    std::istringstream in{std::string{text}};
    planner::read_run_table(in, std::string{name}, 1, cases);
  }
  const auto board = evaluate(cases.cases(), {}, SplitMode::none, catalogue.step_constant_table(),
                              catalogue.step_spread(), 0.9);
  const auto audit = audit_plans(cases, board.throughput);
  const auto score = std::find_if(audit.scores.begin(), audit.scores.end(),
                                  [](const auto& s) { return s.what == "table vtrain"; });
  ASSERT_NE(score, audit.scores.end());
  EXPECT_GE(score->groups, 100U);
  EXPECT_LT(score->median_regret, 0.01);
  EXPECT_LT(score->worst_regret, 0.3);
  EXPECT_GT(score->mean_spearman, 0.9);
  EXPECT_LT(static_cast<double>(audit.fit.refused), 0.01 * static_cast<double>(audit.fit.ran));
}

}  // namespace
}  // namespace pretrain::validation
