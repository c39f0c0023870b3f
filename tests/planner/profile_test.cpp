#include "planner/profile.hpp"

#include <gtest/gtest.h>

#include "tests/planner/rows.hpp"
#include "tests/support.hpp"

namespace pretrain::planner {
namespace {

Profile example() {
  Profile p;
  p.name = "ours";
  p.created = "2026-11-21T12:00:00Z";
  p.version = "0.1.0";
  p.catalogue = "0123456789abcdef";
  p.from = "runs \"2025\".csv";
  p.device = "hopper";
  p.family = "megatron";
  p.rows = 20;
  p.groups = 4;
  p.before = 0.12;
  p.after = 0.04;
  p.run_class = models::RunClass::dense_gpu;
  p.half_width_90 = 0.125;
  p.draw = 0.9;
  take_constants(shipped_catalogue().step_constant_table(), p);
  return p;
}

TEST(Profile, TextIsReadAgain) {
  const auto p = example();
  const auto again = read_profile(text_of(p), "p.yaml");
  EXPECT_EQ(text_of(again), text_of(p));
  EXPECT_EQ(again.from, "runs \"2025\".csv");
  EXPECT_EQ(again.constants.size(), models::kStepConstants);
  EXPECT_FALSE(again.correlations.empty());
  EXPECT_EQ(again.run_class, models::RunClass::dense_gpu);
}

TEST(Profile, AMeasuredDeviceHasItsOwnDraw) {
  auto p = example();
  p.draw.reset();
  p.device_id = "h200-sxm";
  p.idle_w = 77.5;
  p.loads = {{"idle_share", 0.11}, {"most_share", 0.93}, {"traffic", 0.6}, {"wait", 0.07}};
  p.conditions = {{"driver", "580.1"}, {"gpu", "NVIDIA H200"}};
  const auto again = read_profile(text_of(p), "p.yaml");
  EXPECT_EQ(text_of(again), text_of(p));
  const Catalogue ours{tables_of(again, shipped_catalogue(), "p.yaml"), "p.yaml"};
  const auto* h200 = ours.devices().find("h200-sxm").device;
  ASSERT_TRUE(h200->idle);
  EXPECT_NEAR(h200->idle->in(watt / device), 77.5, 1e-9);
  EXPECT_NEAR(h200->tdp->in(watt / device), 700, 1e-9);
  EXPECT_EQ(h200->name, shipped_catalogue().devices().find("h200-sxm").device->name);
  const auto& loads = ours.loads().find(h200);
  EXPECT_NEAR(loads.most_share, 0.93, 1e-9);
  EXPECT_NEAR(loads.levels.traffic, 0.6, 1e-9);
  EXPECT_NEAR(loads.levels.wait, 0.07, 1e-9);
  // What was not measured is as before.
  EXPECT_EQ(loads.levels.exchange, shipped_catalogue().loads().find(h200).levels.exchange);
  const auto* b200 = ours.devices().find("b200-hgx").device;
  EXPECT_EQ(ours.loads().find(b200).most_share, shipped_catalogue().loads().find(b200).most_share);
}

TEST(Profile, ChangesTheTablesThatItSays) {
  auto p = example();
  for (auto& c : p.constants) {
    if (c.name == "cluster") c.value = 1.25;
  }
  const Catalogue ours{tables_of(p, shipped_catalogue(), "p.yaml"), "p.yaml"};
  EXPECT_DOUBLE_EQ(ours.step_constants().cluster, 1.25);
  EXPECT_NEAR(ours.step_constants().ceiling, shipped_catalogue().step_constants().ceiling, 1e-6);
  EXPECT_NEAR(ours.step_spread().width(models::RunClass::dense_gpu, false, false), 0.125, 1e-4);
  EXPECT_EQ(ours.step_spread().width(models::RunClass::moe, false, false),
            shipped_catalogue().step_spread().width(models::RunClass::moe, false, false));
  const auto* h100 = ours.devices().find("h100-sxm").device;
  const auto* a100 = ours.devices().find("a100-sxm-80").device;
  const auto& before = shipped_catalogue().loads().find(h100);
  EXPECT_NEAR(ours.loads().find(h100).most_share,
              before.idle_share + 0.9 * (before.most_share - before.idle_share), 1e-4);
  EXPECT_EQ(ours.loads().find(a100).most_share, shipped_catalogue().loads().find(a100).most_share);
  EXPECT_NE(ours.hash(), shipped_catalogue().hash());
}

TEST(Profile, AClusterThatIsSlowerTakesLonger) {
  auto p = example();
  p.draw.reset();
  for (auto& c : p.constants) {
    if (c.name == "cluster") c.value = 1.25;
  }
  const Catalogue ours{tables_of(p, shipped_catalogue(), "p.yaml"), "p.yaml"};
  const std::string csv =
      "architecture,tokens_b,device,devices,tp,pp,dp,micro_batch_seqs,global_batch_seqs\n"
      "llama-2-7b,100,h100-sxm,64,1,1,64,1,512\n";
  const auto days = [&](const Catalogue& catalogue) {
    return OneRun{csv, {}, catalogue}[Key::training_days];
  };
  EXPECT_NEAR(days(ours) / days(shipped_catalogue()), 1.25, 1e-6);
}

TEST(Profile, WhatIsWrongIsToldWithItsPlace) {
  const auto problem = [](const std::string& text) {
    return problem_of([&] { read_profile(text, "p.yaml"); });
  };
  EXPECT_EQ(problem("- a\n").what, "no profile");
  EXPECT_EQ(problem("a: [\n").what.substr(0, 7), "no YAML");
  const auto good = text_of(example());
  auto text = good;
  text.replace(text.find("rows: 20"), 8, "rows: xx");
  EXPECT_EQ(problem(text).what, "rows is no number from 0 to 1e+09");
  EXPECT_GT(problem(text).where.line, 1U);
  text = good;
  text.replace(text.find("  ceiling: ["), 12, "  ceiling: x[");
  EXPECT_NE(problem(text).what, "");
  auto other = example();
  other.constants.push_back({"warp_drive", 1, 0});
  const auto unknown = problem_of(
      [&] { tables_of(read_profile(text_of(other), "p.yaml"), shipped_catalogue(), "p.yaml"); });
  EXPECT_EQ(unknown.what, "no constant 'warp_drive' in this version");
  EXPECT_NE(unknown.help.find("calibrate again"), std::string::npos);
}

TEST(Profile, ADeviceThatWasMeasuredJoinsTheCatalogue) {
  Profile p;
  p.name = "local-cpu";
  p.device = "local";
  p.measured.emplace();
  auto& m = *p.measured;
  m.id = "local-cpu";
  m.name = "A CPU, \"fast\"";
  m.threads = 8;
  m.library = "libopenblas.so.0";
  m.seconds = 55;
  m.gemm = {{512, 400, 380, 410}, {1024, 800, 780, 820}};
  m.copy_gb_per_s = 45;
  m.memory_gb = 64;
  m.idle_w = 40;
  m.loaded_w = 150;
  const auto again = read_profile(text_of(p), "p.yaml");
  EXPECT_EQ(text_of(again), text_of(p));
  EXPECT_DOUBLE_EQ(again.measured->best_gflops(), 800);
  const Catalogue ours{tables_of(again, shipped_catalogue(), "p.yaml"), "p.yaml"};
  const auto* device = ours.devices().find("local-cpu").device;
  ASSERT_NE(device, nullptr);
  EXPECT_EQ(device->name, m.name);
  EXPECT_DOUBLE_EQ(device->tdp->in(watt / pretrain::device), 150);
  EXPECT_EQ(ours.devices().all().size(), shipped_catalogue().devices().all().size() + 1);
  EXPECT_DOUBLE_EQ(ours.step_constants().ceiling, shipped_catalogue().step_constants().ceiling);
}

TEST(Profile, NamesAreOfFewLetters) {
  EXPECT_TRUE(is_profile_name("my-cluster_2.1"));
  for (const char* name : {"", "a b", "../x", "a/b", "ä"}) EXPECT_FALSE(is_profile_name(name));
}

}  // namespace
}  // namespace pretrain::planner
