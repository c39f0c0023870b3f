#include "planner/best_plan.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "planner/explain.hpp"
#include "planner/plan_row.hpp"
#include "tests/planner/rows.hpp"
#include "tests/support.hpp"

namespace pretrain::planner {
namespace {

const std::string kHeader =
    "type,params_b,active_params_b,tokens_b,device,devices,seq_len,global_batch_seqs,"
    "framework_family,phase,teacher_params_b";
const EstimateOptions kBest{.plan = PlanMode::best};

/// An estimate in the fastest plan.
struct InBestPlan {
  InBestPlan(const RunRow& row, const BestPlans& plans)
      : used{&estimate_row(row, shipped_catalogue(), kBest, &plans, room, result)} {}
  double days() const { return Predicted{result}[Key::training_days].value_or(0); }
  bool searched() const { return result.scenario.options.searched.any(); }
  PlanRoom room;
  Result result;
  const RunRow* used;
};

double days_of_search(const OneRun& run, const std::string& family) {
  RunRow row = run.row();
  set_cell(row, Col::framework_family, family);
  PlanSearchOptions options;
  options.others = false;
  const auto found = search_plans(row, {}, options, shipped_catalogue());
  return found.best.empty() ? HUGE_VAL : found.best.front().figures.days;
}

TEST(BestPlan, IsThatOfTheFasterFramework) {
  const BestPlans plans{shipped_catalogue()};
  for (const char* cells :
       {"dense,30,,600,A100,1024,2048,2048,,,", "dense,100,,2000,A100,1024,,,,,",
        "dense,8,,600,H100,256,8192,512,,,", "moe,47,13,1000,H100,512,4096,1024,,,",
        "dense,175,,300,A100,1024,2048,1536,,,",
        // Of a batch that is not stated, and no powers of two.
        "dense,7,,1000,H100,24,4096,,,,", "dense,30,,1000,A100,384,2048,,,,",
        "dense,70,,1000,H100,3072,1000,,,,", "dense,8.5,,1000,H800,6144,,,,,",
        // With a teacher beside.
        "dense,3,,100,H100,64,4096,,,distill,70"}) {
    SCOPED_TRACE(cells);
    const OneRun run{joined(kHeader, cells), kBest};
    ASSERT_TRUE(run.ok());
    const InBestPlan best{run.row(), plans};
    ASSERT_TRUE(best.result.ok);
    const double megatron = days_of_search(run, "megatron");
    const double fsdp = days_of_search(run, "fsdp_torch");
    const double usual = run[Key::training_days];
    expect_near(best.days(), std::min({megatron, fsdp, usual}), 1e-6);
    if (best.searched()) {
      EXPECT_EQ(best.used->text(Col::framework_family),
                megatron <= fsdp ? "megatron" : "fsdp_torch");
    }
  }
}

TEST(BestPlan, IsNeverSlowerThanTheUsualOnes) {
  const BestPlans plans{shipped_catalogue()};
  std::size_t searched = 0;
  std::size_t compared = 0;
  for (const char* size : {"dense,1,", "dense,13,", "moe,47,13", "dense,175,", "moe,1000,60"}) {
    for (const char* device : {"A100", "H100", "B200", "MI300X", "TPU v5p", "V100"}) {
      for (const char* devices : {"8", "100", "512", "1500"}) {  // also such as nothing divides
        const auto cells = fmt::format("{},1000,{},{},4096,,,,", size, device, devices);
        SCOPED_TRACE(cells);
        const OneRun usual{joined(kHeader, cells), kBest};
        const InBestPlan best{usual.row(), plans};
        ASSERT_EQ(best.result.ok, usual.ok());
        if (best.searched()) ++searched;
        if (usual.result().status() != Status::ok) continue;
        ++compared;
        EXPECT_EQ(best.result.status(), Status::ok);
        EXPECT_LE(best.days(), usual[Key::training_days] * (1 + 1e-12));
      }
    }
  }
  EXPECT_GE(compared, 80U);
  EXPECT_GE(searched, 20U);
}

TEST(BestPlan, IsNotTheRowsOwn) {
  const BestPlans plans{shipped_catalogue()};
  const OneRun run{joined(kHeader, "dense,8,,600,H100,256,8192,512,,,"), kBest};
  const InBestPlan best{run.row(), plans};
  ASSERT_TRUE(best.searched());
  std::size_t told = 0;
  for (const auto& input : inputs_of(best.result)) {
    if (!of_memory(input.column)) continue;
    ++told;
    EXPECT_NE(input.basis, Basis::given) << input.column;
    EXPECT_NE(input.origin, nullptr) << input.column;
  }
  EXPECT_GE(told, 6U);
  // But what it states stays so, and what it does not is told as the search's.
  const OneRun stated{joined(kHeader, "dense,8,,600,H100,256,8192,,fsdp_torch,,"), kBest};
  const InBestPlan in_fsdp{stated.row(), plans};
  ASSERT_TRUE(in_fsdp.searched());
  bool family = false;
  bool batch = false;
  for (const auto& input : inputs_of(in_fsdp.result)) {
    if (input.column == "framework_family") {
      family = true;
      EXPECT_EQ(input.basis, Basis::given);
    }
    if (input.column == "global_batch_seqs") {
      batch = true;
      EXPECT_EQ(input.basis, Basis::model);
    }
  }
  EXPECT_TRUE(family && batch);
}

TEST(BestPlan, DoesNotDependOnTheRowsBefore) {
  const std::string header = "params_b,tokens_b,device,devices,global_batch_seqs,seq_len";
  const OneRun blank{joined(header, "8,,H100,256,1024,4096"), kBest};
  const OneRun known{joined(header, "8,2000,H100,256,1024,4096"), kBest};
  const BestPlans after{shipped_catalogue()};
  EXPECT_FALSE(after.of(blank.row(), kBest));
  const InBestPlan second{known.row(), after};
  const BestPlans fresh{shipped_catalogue()};
  const InBestPlan first{known.row(), fresh};
  EXPECT_EQ(second.days(), first.days());
}

TEST(BestPlan, DoesNotDependOnTheTokensOrThePlace) {
  const BestPlans plans{shipped_catalogue()};
  const std::string header = "params_b,tokens_b,device,devices,region,pue";
  const OneRun one{joined(header, "30,600,A100,1024,USA,1.1")};
  const OneRun other{joined(header, "30,6000,A100,1024,FRA,1.3")};
  const auto known = plans.of(one.row(), kBest);
  const auto from_memory = plans.of(other.row(), kBest);
  const auto fresh = BestPlans{shipped_catalogue()}.of(other.row(), kBest);
  ASSERT_TRUE(known && from_memory && fresh);
  for (const auto col : kPlanColumns) {
    for (const auto* planned : {&*from_memory, &*fresh}) {
      ASSERT_EQ(planned->row.has(col), known->row.has(col));
      if (column_of(col).numeric()) {
        EXPECT_EQ(planned->row.number(col), known->row.number(col));
      } else {
        EXPECT_EQ(planned->row.text(col), known->row.text(col));
      }
    }
  }
}

TEST(BestPlan, NothingIsSearchedWhereNothingIsOpen) {
  const BestPlans plans{shipped_catalogue()};
  const std::string header = "params_b,tokens_b,device,devices,mfu,days";
  for (const char* cells : {"30,600,A100,1024,0.4,",  // speed is stated
                            "30,,A100,1024,,20",      // time is
                            "30,600,A100,,,",         // devices are not known
                            "30,600,no-such,64,,",    // nor this one
                            "300,600,A100,1,,"}) {    // nothing fits
    const OneRun run{joined(header, cells), kBest};
    EXPECT_FALSE(plans.of(run.row(), kBest)) << cells;
    // The estimate is as it was.
    const InBestPlan best{run.row(), plans};
    EXPECT_EQ(best.used, &run.row()) << cells;
    EXPECT_EQ(best.result.ok, run.ok()) << cells;
    if (run.ok()) {
      EXPECT_EQ(Predicted{best.result}[Key::training_days], run.predicted()[Key::training_days]);
    }
  }
}

}  // namespace
}  // namespace pretrain::planner
