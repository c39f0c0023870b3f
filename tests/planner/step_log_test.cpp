#include "planner/step_log.hpp"

#include <gtest/gtest.h>

#include "tests/support.hpp"

namespace pretrain::planner {
namespace {

TEST(StepLog, ReadsWhatFrameworksPrint) {
  struct Case {
    const char* line;
    double step;
    std::optional<double> total;
    std::optional<double> seconds;
  };
  const Case cases[] = {
      {" [2024-10-25 03:09:01] iteration       40/   40000 | consumed samples:         2560 | "
       "elapsed time per iteration (ms): 628.7 | learning rate: 2.400000E-05 | lm loss: 1.09E+01 |",
       40, 40000, 0.6287},
      {" [default7]: iteration    12695/  115311 | consumed samples:      9841584 | elapsed time "
       "per "
       "iteration (s): 105.22 | learning rate: 5.969E-05 |",
       12695, 115311, 105.22},
      {"[rank0]:[titan] 2025-06-04 08:51:58,557 - root - INFO - \x1b[31mstep: 10  \x1b[32mloss: "
       "10.7069  \x1b[38;2;54;234;195mmemory: 30.99GiB(32.62%)  \x1b[34mtps: 7,034\x1b[39m",
       10,
       {},
       {}},
      {" 12%|███   | 50/409 [04:24<30:53, 5.16s/it]", 50, 409, {}},
      {"Epoch 0:  10%|█         | 5/50 [00:01<00:10,  4.20it/s, v_num=0]", 5, 50, {}},
      {"iter 1200: loss 3.4567, time 123.40ms, mfu 30.10%", 1200, {}, 0.1234},
      {"[2024-01-01 00:00:00,000] [INFO] [logging.py:96:log_dist] [Rank 0] step=1,010, skipped=0, "
       "lr=[0.001]",
       1010,
       {},
       {}},
  };
  for (const auto& one : cases) {
    const auto found = StepReader{}.read(one.line);
    ASSERT_TRUE(found) << one.line;
    EXPECT_EQ(found->step, one.step) << one.line;
    EXPECT_EQ(found->total, one.total) << one.line;
    EXPECT_EQ(found->seconds.has_value(), one.seconds.has_value()) << one.line;
    if (one.seconds) {
      EXPECT_NEAR(found->seconds.value_or(0), *one.seconds, 1e-9) << one.line;
    }
  }
}

TEST(StepLog, OtherLinesAreNone) {
  for (const char* line :
       {"", "loss 3.2", "step", "step: x loss: 3", "iteration 10 of 20", "step=5",
        "Loading weights: 100%|###| 339/339 [00:03<00:00, 92.28it/s]", "Map:  10%|# | 1/10 [00:01]",
        "validate step: 10  loss: 5.0", "iter 5: loading", "50% of 3/4 done", "\x1b[31m", "\x1b[",
        "iteration      /    100 | elapsed time per iteration (ms): 5"}) {
    EXPECT_FALSE(StepReader{}.read(line)) << line;
  }
}

TEST(StepLog, StaysWithTheFirstFramework) {
  StepReader reader;
  EXPECT_TRUE(reader.read("iter 0: loss 10.9, time 900.00ms, mfu -100.00%"));
  EXPECT_FALSE(reader.read("step: 10  loss: 5.0"));
  EXPECT_TRUE(reader.read("iter 1: loss 9.9, time 100.00ms, mfu 20.00%"));
}

TEST(StepLog, RegularExpressionsNumberOrCount) {
  auto numbered = StepReader::with_regex("batch (\\d+) done");
  EXPECT_EQ(numbered.read("epoch 1 batch 17 done")->step, 17);
  EXPECT_FALSE(numbered.read("batch done"));
  auto counted = StepReader::with_regex("^tick$");
  EXPECT_EQ(counted.read("tick")->step, 1);
  EXPECT_EQ(counted.read("tick")->step, 2);
  // Of a line without end the beginning is read.
  EXPECT_FALSE(counted.read(std::string(1000000, 'a')));
  const auto problem = problem_of([] { StepReader::with_regex("step ("); });
  EXPECT_EQ(problem.what, "'step (' is no regular expression");
}

}  // namespace
}  // namespace pretrain::planner
