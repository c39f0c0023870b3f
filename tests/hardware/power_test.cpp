#include "hardware/power.hpp"

#include <gtest/gtest.h>

#include "hardware/device.hpp"
#include "tests/support.hpp"

namespace pretrain::hardware {
namespace {

DeviceCatalogue devices() {
  return DeviceCatalogue::read(shipped(embedded_files(), "devices.csv"), "devices.csv");
}
LoadTable loads() { return LoadTable::read(shipped(embedded_files(), "loads.csv"), "loads.csv"); }
HostTable hosts() { return HostTable::read(shipped(embedded_files(), "hosts.csv"), "hosts.csv"); }

TEST(Loads, LevelsAreOrderedByWhatTheyKeepBusy) {
  const auto catalogue = devices();
  const auto table = loads();
  for (const auto& one : catalogue.all()) {
    const auto& l = table.find(&one).levels;
    EXPECT_GE(l.products, l.slow) << one.id;
    EXPECT_GE(l.slow, l.traffic) << one.id;
    EXPECT_GE(l.traffic, l.exchange) << one.id;
    EXPECT_GE(l.exchange, l.wait) << one.id;
    EXPECT_GT(table.find(&one).known_spread.up, 0) << one.id;
  }
}

TEST(Loads, AGenerationTakesThePlaceOfItsKind) {
  const auto catalogue = devices();
  const auto table = loads();
  const auto& v3 = table.find(catalogue.find("tpu-v3").device);
  const auto& v5e = table.find(catalogue.find("tpu-v5e").device);
  const auto& h100 = table.find(catalogue.find("h100-sxm").device);
  EXPECT_DOUBLE_EQ(v3.most_share, 0.582);
  EXPECT_NE(v3.most_share, v5e.most_share);
  EXPECT_EQ(v3.idle_share, v5e.idle_share);
  EXPECT_EQ(v3.levels.slow, h100.levels.slow);
  EXPECT_EQ(table.find(nullptr).most_share, h100.most_share);
}

TEST(Loads, WhatIsWrongIsToldWithItsPlace) {
  const std::string head = "kind,generation,quantity,value,low,high,source,locator,checked\n";
  EXPECT_EQ(
      diagnostic_of([&] { LoadTable::read(head + ",,speed,0.5,,,s,l,read\n", "loads.csv"); }),
      "loads.csv:2:3: error: 'speed' is no quantity of a load\n  help: idle_share, most_share, "
      "products, slow, traffic, exchange, wait, pace, known_step or unknown_step");
  EXPECT_EQ(diagnostic_of([&] {
              LoadTable::read(head + ",,idle_share,0.9,,,s,l,read\n,,most_share,0.5,,,s,l,read\n",
                              "loads.csv");
            }),
            "loads.csv: error: 'any device' draws more idle than at most\n  help: idle_share lies "
            "below most_share");
}

TEST(Hosts, EveryDeviceHasOne) {
  const auto catalogue = devices();
  const auto table = hosts();
  for (const auto& one : catalogue.all()) {
    const auto* host = table.find(&one);
    ASSERT_NE(host, nullptr) << one.id;
    EXPECT_GT(host->draw.components, Power{}) << one.id;
  }
  EXPECT_NE(table.find(nullptr), nullptr);
}

TEST(Hosts, NoServerDrawsMoreThanItsRating) {
  // nvidia-dgx-guides: the most that each can draw.
  const auto catalogue = devices();
  const auto table = hosts();
  struct Rating {
    std::string_view device;
    double watts;
  };
  for (const auto& [id, rating] :
       {Rating{"v100-sxm2-32", 3500}, Rating{"v100-sxm3-32", 10000}, Rating{"a100-sxm-80", 6500},
        Rating{"h100-sxm", 10200}, Rating{"b200-hgx", 14300}}) {
    const auto* one = catalogue.find(id).device;
    const auto& host = *table.find(one);
    const auto full = models::node_draw(*one->tdp, host.draw) * host.draw.devices;
    EXPECT_LT(full.in(watt), rating) << id;
    EXPECT_GT(full.in(watt), 0.6 * rating) << id;
  }
}

TEST(Hosts, ADeviceStandsOnce) {
  const std::string head =
      "host,devices,devices_per_server,cpus,cpu_tdp_w,cpu_load,dram_gb,dram_w_per_gb,network_w,"
      "switch_w,storage_tb,storage_w,other_w,fan_share,supply_efficiency,low,high,source,locator,"
      "checked\n";
  const std::string row = ",8,2,100,0.5,100,0.1,10,0,1,10,10,0.1,0.9,0.8,1.2,s,l,read\n";
  EXPECT_EQ(
      diagnostic_of([&] { HostTable::read(head + "a,x;y" + row + "b,y" + row, "hosts.csv"); }),
      "hosts.csv:3:3: error: 'y' stands twice\n  help: a device has one usual server");
}

}  // namespace
}  // namespace pretrain::hardware
