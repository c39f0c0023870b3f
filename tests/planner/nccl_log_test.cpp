#include "planner/nccl_log.hpp"

#include <gtest/gtest.h>

#include "tests/support.hpp"

namespace pretrain::planner {
namespace {

const std::string kModern =
    "# nccl-tests version 2.18.3 nccl-headers=22809 nccl-library=22809\n"
    "# Collective test starting: all_gather_perf\n"
    "# nThread 1 nGpus 1 minBytes 1073741824 maxBytes 4294967296 step: 2(factor)\n"
    "#\n# Using devices\n"
    "#  Rank  0 Group  0 Pid 548419 on node-a device  0 [000f:01:00] NVIDIA H100 80GB HBM3\n"
    "#  Rank  1 Group  0 Pid 546336 on node-b device  0 [000f:01:00] NVIDIA H100 80GB HBM3\n"
    "#\n"
    "#                                                     out-of-place            in-place\n"
    "#       size         count      type   redop    root     time   algbw   busbw  #wrong     time"
    "   algbw   busbw  #wrong\n"
    "#        (B)    (elements)                               (us)  (GB/s)  (GB/s)\n"
    "     1048576        131072     float    none      -1     90.0   11.60    5.80       0     90.0"
    "   11.60    5.80       0\n"
    "  1073741824     134217728     float    none      -1  27211.0   39.46   19.73       0  25806.7"
    "   41.61   20.80       0\n"
    "  4294967296     536870912     float    none      -1  27211.0   40.46   20.27     N/A  25806.7"
    "   41.61   20.80     N/A\n"
    "# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 21.4033\n";

TEST(NcclLog, ModernOutputIsRead) {
  ASSERT_TRUE(is_nccl_log(kModern));
  const auto log = read_nccl_log(kModern, "out.txt");
  EXPECT_EQ(log.operation, "all_gather");
  EXPECT_EQ(log.ranks, 2U);
  EXPECT_EQ(log.hosts, 2U);
  EXPECT_EQ(log.device, "NVIDIA H100 80GB HBM3");
  ASSERT_EQ(log.rows.size(), 3U);
  EXPECT_DOUBLE_EQ(log.rows[1].bus_gb_per_s, 19.73);
  EXPECT_DOUBLE_EQ(*log.bandwidth(), (19.73 + 20.27) / 2);  // the small one is latency
}

TEST(NcclLog, OlderTablesHaveOtherColumns) {
  const auto log = read_nccl_log(
      "# nThread 1 nGpus 1 minBytes 4 maxBytes 2147483648 step: 2(factor)\n"
      "#   Rank  0 Pid     33 on worker-0 device  0 [0x27] NVIDIA A100-SXM4-80GB\n"
      "#       size         count      type   redop     time   algbw   busbw  error     time\n"
      "           8             2     float     sum    57.89    0.00    0.00  5e-07    57.63\n"
      "   536870912     134217728     float     sum    4000    134.2   234.9  5e-07    4001\n",
      "logs/all_reduce_perf.txt");
  EXPECT_EQ(log.operation, "all_reduce");
  EXPECT_EQ(log.device, "NVIDIA A100-SXM4-80GB");
  EXPECT_DOUBLE_EQ(*log.bandwidth(), 234.9);
}

TEST(NcclLog, WhatIsNoTableIsTold) {
  EXPECT_FALSE(is_nccl_log("step: 1 loss: 2"));
  EXPECT_EQ(problem_of([] { read_nccl_log("algbw busbw\n", "x.txt"); }).what,
            "no table of nccl-tests");
  const auto problem =
      problem_of([] { read_nccl_log("# size count busbw\n 1024 1 fast\n", "x.txt"); });
  EXPECT_EQ(problem.what, "'fast' is no bandwidth");
  EXPECT_EQ(problem.where.line, 2U);
  // Small messages tell latency, not bandwidth.
  EXPECT_FALSE(read_nccl_log("# size count busbw\n 1024 1 2.5\n", "x.txt").bandwidth());
}

}  // namespace
}  // namespace pretrain::planner
