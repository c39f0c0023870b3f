#include "models/collectives.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace pretrain::models {
namespace {

constexpr Links kNode{450e9, 50e9};
constexpr Links kNearOnly{450e9, 0};
constexpr Links kFreeNear{1e30, 50e9};  ///< only the network takes time
constexpr double kLatency = 10e-6;      // s, of a hop
constexpr double kBytes = 1e9;

// Thakur 2005, Sec. 4: a ring passes (n - 1) / n of the bytes over each link.
TEST(Collectives, RingsPassWhatTheFormulaSays) {
  const Group node = group_of(8, 1, 8);
  EXPECT_NEAR(gather_time(kBytes, node, kNode), 7.0 / 8 * kBytes / 450e9 + 3 * kLatency, 1e-15);

  // One rank of each node: the network alone.
  const Group spread = group_of(16, 8, 8);
  EXPECT_NEAR(gather_time(kBytes, spread, kNode), 15.0 / 16 * kBytes / 50e9 + 8 * kLatency, 1e-15);

  // Eight rings, one through each network card: an eighth of the bytes over each.
  const Group cluster = group_of(64, 1, 8);
  const double near = 63.0 / 64 * kBytes / 450e9;
  const double far = 63.0 / 64 * kBytes / 8 / 50e9;
  EXPECT_NEAR(gather_time(kBytes, cluster, kNode), larger(near, far) + (3 + 6) * kLatency, 1e-15);
}

// nccl-tests, doc/PERFORMANCE.md: the bandwidth of an all-reduce, 2 (n - 1) / n S / t, does not
// depend on the ranks, so that it can be compared with that of the links.
TEST(Collectives, BusBandwidthDoesNotDependOnTheRanks) {
  for (const double ranks : {2.0, 4.0, 8.0}) {
    const double all_reduce = 2 * gather_time(1e12, group_of(ranks, 1, 8), kNode);
    EXPECT_NEAR(2 * (ranks - 1) / ranks * 1e12 / all_reduce / 450e9, 1, 1e-4) << ranks;
  }
}

TEST(Collectives, NothingIsSentByOneRank) {
  const Group alone = group_of(1, 1, 8);
  EXPECT_EQ(gather_time(kBytes, alone, kNode), 0);
  EXPECT_EQ(exchange_time(kBytes, 8, alone, kNode), 0);
}

TEST(Collectives, NoBytesTakeTheHops) {
  const Group cluster = group_of(64, 1, 8);
  EXPECT_NEAR(gather_time(0, cluster, kNode), 9 * kLatency, 1e-12);
  EXPECT_NEAR(exchange_time(0, 8, cluster, kNode), 6 * kLatency, 1e-12);
}

TEST(Collectives, WithoutALinkItsPartIsLeftOut) {
  const Group cluster = group_of(64, 1, 8);
  EXPECT_NEAR(gather_time(kBytes, cluster, kNearOnly), 63.0 / 64 * kBytes / 450e9 + 9 * kLatency,
              1e-15);
  EXPECT_NEAR(exchange_time(kBytes, 1, cluster, kNearOnly),
              7.0 / 64 * kBytes / 450e9 + 6 * kLatency, 1e-15);
  EXPECT_TRUE(std::isfinite(gather_time(kBytes, cluster, {})));
  EXPECT_TRUE(std::isfinite(exchange_time(kBytes, 8, cluster, {})));
}

TEST(Collectives, GroupsKnowTheirNeighbors) {
  EXPECT_EQ(group_of(8, 1, 8).near, 8);
  EXPECT_EQ(group_of(8, 2, 8).near, 4);   // data parallel over pairs
  EXPECT_EQ(group_of(8, 16, 8).near, 1);  // tensor parallel over two nodes
  EXPECT_EQ(group_of(4, 1, 72).near, 4);  // no more than there are
  EXPECT_EQ(group_of(64, 1, 72).near, 64);
  EXPECT_EQ(group_of(64, 8, 72).near, 9);
  EXPECT_EQ(group_of(1, 1, 1).near, 1);
  EXPECT_DOUBLE_EQ(group_of(64, 2, 8).domains(), 16);
}

TEST(Collectives, MoreBytesTakeLonger) {
  for (const double ranks : {2.0, 8.0, 16.0, 512.0}) {
    const Group group = group_of(ranks, 1, 8);
    double gather = 0;
    double exchange = 0;
    for (double bytes = 1; bytes < 1e12; bytes *= 10) {
      EXPECT_GT(gather_time(bytes, group, kNode), gather);
      EXPECT_GT(exchange_time(bytes, 4, group, kNode), exchange);
      gather = gather_time(bytes, group, kNode);
      exchange = exchange_time(bytes, 4, group, kNode);
    }
  }
}

TEST(Collectives, MoreRanksTakeLongerInANodeAndAcrossNodes) {
  double before = 0;
  for (const double ranks : {1.0, 2.0, 4.0, 8.0}) {
    const double time = gather_time(kBytes, group_of(ranks, 1, 8), kNode);
    EXPECT_GE(time, before) << ranks;
    before = time;
  }
  // From one whole node to the next the network comes in, then only hops are added.
  for (double ranks = 16; ranks <= 65536; ranks *= 2) {
    const double time = gather_time(kBytes, group_of(ranks, 1, 8), kNode);
    EXPECT_GT(time, before) << ranks;
    before = time;
  }
  EXPECT_LT(before, 2 * gather_time(kBytes, group_of(16, 1, 8), kNode));
}

TEST(Collectives, FasterLinksAreNeverSlower) {
  for (const double ranks : {2.0, 8.0, 64.0}) {
    const Group group = group_of(ranks, 1, 8);
    for (const Links& fast : {Links{900e9, 50e9}, Links{450e9, 100e9}}) {
      EXPECT_LE(gather_time(kBytes, group, fast), gather_time(kBytes, group, kNode));
      EXPECT_LE(exchange_time(kBytes, 8, group, fast), exchange_time(kBytes, 8, group, kNode));
    }
  }
}

// DeepEP's README: a token crosses the network once for each node that has one of its experts.
TEST(Collectives, ATokenGoesOnceToEachNode) {
  const double hops = std::log2(16.0) * kLatency;
  // Two nodes: with k copies the other node is met with probability 1 - 2^-k.
  const Group two = group_of(16, 1, 8);
  for (const double copies : {1.0, 2.0, 8.0}) {
    const double token = kBytes / copies;
    const double sent = token * (1 - std::pow(0.5, copies));
    EXPECT_NEAR(exchange_time(kBytes, copies, two, kFreeNear), sent / 50e9 + hops, 1e-12) << copies;
  }
  // One copy: all that is not meant for its own node.
  EXPECT_NEAR(exchange_time(kBytes, 1, two, kFreeNear), 0.5 * kBytes / 50e9 + hops, 1e-12);
}

TEST(Collectives, ManyCopiesReachEveryOtherNodeOnce) {
  const Group eight = group_of(64, 1, 8);
  constexpr double kCopies = 1000;
  const double token = kBytes / kCopies;
  EXPECT_NEAR(exchange_time(kBytes, kCopies, eight, kFreeNear), 7 * token / 50e9 + 6 * kLatency,
              1e-9);
  // Over many nodes no two copies meet: all of them cross.
  const Group wide = group_of(1e6, 8, 8);
  EXPECT_NEAR(exchange_time(kBytes, 8, wide, kFreeNear), kBytes / 50e9, 0.02 * kBytes / 50e9);
}

TEST(Collectives, InOneDomainNothingCrossesTheNetwork) {
  const Group node = group_of(8, 1, 72);
  EXPECT_NEAR(exchange_time(kBytes, 8, node, kNode), 7.0 / 8 * kBytes / 450e9 + 3 * kLatency,
              1e-15);
  EXPECT_EQ(exchange_time(kBytes, 8, node, kNode), exchange_time(kBytes, 8, node, kNearOnly));
}

// Devices without links of their own talk through the host or the network, not in no time.
TEST(Collectives, NoNearLinksAreNoFasterThanSome) {
  const Links network{0, 50e9};
  const Group node = group_of(8, 1, 8);
  EXPECT_GE(gather_time(kBytes, node, network), gather_time(kBytes, node, kNode));
  EXPECT_GE(exchange_time(kBytes, 8, node, network), exchange_time(kBytes, 8, node, kNode));
}

TEST(Collectives, LargerIsAMaximumWithARoundCorner) {
  EXPECT_DOUBLE_EQ(larger(3, 0), 3);
  EXPECT_DOUBLE_EQ(larger(0, 3), 3);
  EXPECT_EQ(larger(0, 0), 0);
  EXPECT_DOUBLE_EQ(larger(1, 1), std::cbrt(2.0));
  EXPECT_NEAR(larger(1, 100), 100, 1e-3);
  for (const double x : {0.1, 0.5, 1.0, 2.0, 10.0}) {
    EXPECT_DOUBLE_EQ(larger(x, 1), larger(1, x));
    EXPECT_GE(larger(x, 1), std::max(x, 1.0));
    EXPECT_LE(larger(x, 1), x + 1);
  }
}

}  // namespace
}  // namespace pretrain::models
