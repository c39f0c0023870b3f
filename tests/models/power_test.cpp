#include "models/power.hpp"

#include <gtest/gtest.h>

namespace pretrain::models {
namespace {

constexpr auto kWatt = watt / device;
constexpr LoadLevels kLevels{
    .products = 1, .slow = 0.8, .traffic = 0.55, .exchange = 0.35, .wait = 0.1};

double sum(const LoadShares& s) { return s.products + s.slow + s.traffic + s.exchange + s.wait; }

StepTime step() {
  StepTime t;
  t.products = 6.0 * second;
  t.attention = 2.0 * second;
  t.traffic = 0.5 * second;
  t.dp = 1.0 * second;
  t.pipeline = 0.5 * second;
  return t;
}

TEST(Power, SharesFollowTheStep) {
  const auto s = load_shares(step(), 0.75);
  EXPECT_DOUBLE_EQ(s.products, 0.6);
  EXPECT_DOUBLE_EQ(s.slow, 0.2);
  EXPECT_DOUBLE_EQ(s.exchange, 0.1);
  EXPECT_DOUBLE_EQ(s.wait, 0.05);
  EXPECT_NEAR(s.traffic, 0.05, 1e-12);
  EXPECT_DOUBLE_EQ(sum(s), 1);
}

TEST(Power, EveryPartOfAStepHasAKindOfWork) {
  for (const auto& part : kStepParts) {
    StepTime t;
    t.*part.part = 1.0 * second;
    EXPECT_DOUBLE_EQ(sum(load_shares(t, 0.5)), 1) << part.name;
  }
}

TEST(Power, UsualSharesAddUp) {
  for (const double pace : {0.0, 0.3, 0.6, 0.9, 1.0}) {
    EXPECT_DOUBLE_EQ(sum(usual_load_shares(pace)), 1);
    EXPECT_DOUBLE_EQ(usual_load_shares(pace).products, pace);
  }
}

TEST(Power, LostTimeWaits) {
  const auto working = load_shares(step(), 0.75);
  Goodput g;
  g.checkpoints = 0.03;
  g.restarts = 0.07;
  g.rework = 0.1;  // draws as the first time
  const auto booked = booked_shares(working, g);
  EXPECT_DOUBLE_EQ(sum(booked), 1);
  EXPECT_DOUBLE_EQ(booked.products, 0.9 * working.products);
  EXPECT_DOUBLE_EQ(booked.wait, 0.9 * working.wait + 0.1);
  EXPECT_LT(load(booked, kLevels), load(working, kLevels));
}

TEST(Power, LoadIsAMeanOfLevels) {
  EXPECT_DOUBLE_EQ(load({.products = 1}, kLevels), 1);
  EXPECT_DOUBLE_EQ(load({.wait = 1}, kLevels), 0.1);
  EXPECT_DOUBLE_EQ(load({.products = 0.5, .slow = 0.5}, kLevels), 0.9);
}

TEST(Power, MoreUtilizationDrawsMore) {
  double least = 0;
  for (double pace = 0; pace <= 1; pace += 0.1) {
    const double now = load(load_shares(step(), pace), kLevels);
    EXPECT_GT(now, least);
    least = now;
  }
}

TEST(Power, DrawLiesBetweenIdleAndMost) {
  EXPECT_EQ(device_draw(70.0 * kWatt, 690.0 * kWatt, 0), 70.0 * kWatt);
  EXPECT_EQ(device_draw(70.0 * kWatt, 690.0 * kWatt, 1), 690.0 * kWatt);
  EXPECT_DOUBLE_EQ(device_draw(70.0 * kWatt, 690.0 * kWatt, 0.5).in(kWatt), 380);
}

TEST(Power, NodeDrawOfAnH100Server) {
  // By hand: (621 + 1600 / 8) x 1.06 / 0.955.
  const HostDraw host{1600.0 * watt, 8.0 * device, 0.06, 0.955};
  EXPECT_NEAR(node_draw(621.0 * kWatt, host).in(kWatt), 911.27, 0.01);
}

TEST(Power, DeviceShareInvertsNodeDraw) {
  const HostDraw host{1600.0 * watt, 8.0 * device, 0.06, 0.955};
  const DevicePower card = 621.0 * kWatt;
  EXPECT_DOUBLE_EQ(device_share_of_node(node_draw(card, host), host) / card, 1.0);
  const HostDraw nothing{Power{}, 1.0 * device, 0, 1};
  EXPECT_EQ(node_draw(card, nothing), card);
}

}  // namespace
}  // namespace pretrain::models
