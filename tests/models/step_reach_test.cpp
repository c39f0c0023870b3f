#include "models/step_reach.hpp"

#include <gtest/gtest.h>

#include "tests/support.hpp"

namespace pretrain::models {
namespace {

const std::string kHeader = "runs,quantity,low,low_run,high,high_run,rows\n";

TEST(StepReach, TellsWhatLiesBeyond) {
  const auto reach = StepReach::read(kHeader +
                                         "dense_gpu,devices,8,a,1024,b,20\n"
                                         "dense_gpu,tp,1,a,8,b,20\n",
                                     "r.csv");
  ReachPoint run{};
  const auto set = [&](ReachOf quantity, double value) {
    run[static_cast<std::size_t>(quantity)] = value;
  };
  set(ReachOf::devices, 1024);
  set(ReachOf::tp, 8);
  EXPECT_TRUE(reach.beyond(RunClass::dense_gpu, run).empty());
  set(ReachOf::devices, 1280);  // a quarter more
  EXPECT_TRUE(reach.beyond(RunClass::dense_gpu, run).empty());
  set(ReachOf::devices, 1281);
  set(ReachOf::tp, 16);
  EXPECT_EQ(reach.beyond(RunClass::dense_gpu, run), (std::vector{ReachOf::devices, ReachOf::tp}));
  set(ReachOf::devices, 4);
  EXPECT_EQ(reach.beyond(RunClass::dense_gpu, run).size(), 2U);
  // Where nothing was measured there is no range to leave.
  EXPECT_TRUE(reach.beyond(RunClass::moe, run).empty());
}

TEST(StepReach, BadTablesAreRefused) {
  const auto problem = [](const std::string& rows) {
    return problem_of([&] { StepReach::read(kHeader + rows, "r.csv"); }).what;
  };
  EXPECT_EQ(problem("dense,tp,1,a,8,b,2\n"), "'dense' is no class of runs");
  EXPECT_EQ(problem("moe,depth,1,a,8,b,2\n"), "'depth' is no quantity");
  EXPECT_EQ(problem("moe,tp,1,a,8,b,2\nmoe,tp,1,a,8,b,2\n"), "'tp' of moe stands twice");
  EXPECT_NE(problem("moe,tp,8,a,1,b,2\n"), "");
}

}  // namespace
}  // namespace pretrain::models
