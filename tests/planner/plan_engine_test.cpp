#include "planner/plan_engine.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "planner/plan_row.hpp"
#include "planner/predicted.hpp"
#include "tests/planner/rows.hpp"
#include "tests/support.hpp"

namespace pretrain::planner {
namespace {

const std::string kHeader = "architecture,tokens_b,seq_len,global_batch_seqs,device,devices,region";

/// A row that owns its text.
struct Owned {
  explicit Owned(const std::string& csv) : run{csv} {}
  OneRun run;
  const RunRow& row() const { return run.row(); }
};

using PlanKey = std::tuple<std::string, double, double, double, double, double, double, double,
                           double, int, int, bool, bool, bool, std::string, std::string>;
PlanKey key_of(const FoundPlan& p) {
  return {p.device,
          p.devices,
          p.power_cap,
          p.tp,
          p.pp,
          p.cp,
          p.ep,
          p.interleave,
          p.micro_batch,
          static_cast<int>(p.recompute),
          static_cast<int>(p.sharding),
          p.sequence_parallel,
          p.overlap,
          p.scatter_gather,
          name_of(p.near),
          p.region};
}

PlanSearchResult search(const RunRow& row, const PlanSpace& space, PlanSearchOptions options = {}) {
  return search_plans(row, space, options, shipped_catalogue());
}

/// Some of the values, at least one, in their order.
template <class T>
std::vector<T> some_of(const std::vector<T>& all, std::mt19937& random) {
  std::vector<T> some;
  for (const auto& value : all) {
    if (random() % 2 == 0) some.push_back(value);
  }
  if (some.empty()) some.push_back(all[random() % all.size()]);
  return some;
}

PlanSpace random_space(std::mt19937& random) {
  using models::Recompute;
  using models::Sharding;
  PlanSpace space;
  space.devices = some_of<std::string>({"h100-sxm", "a100-sxm-80", "tpu-v5p"}, random);
  space.counts = some_of<double>({8, 16, 64, 96, 128}, random);
  space.tp = some_of<double>({1, 2, 4, 8}, random);
  space.pp = some_of<double>({1, 2, 3, 4, 8}, random);
  space.cp = some_of<double>({1, 2}, random);
  space.interleave = some_of<double>({1, 2, 4}, random);
  space.micro_batch = some_of<double>({1, 2, 4, 8}, random);
  space.recompute =
      some_of<Recompute>({Recompute::none, Recompute::selective, Recompute::full}, random);
  space.sharding = some_of<Sharding>(
      {Sharding::none, Sharding::zero1, Sharding::zero2, Sharding::zero3}, random);
  space.sequence_parallel =
      random() % 2 == 0 ? std::vector<bool>{true} : std::vector<bool>{true, false};
  space.regions = some_of<std::string>({"USA", "FRA", "us-central1"}, random);
  if (random() % 4 == 0) space.power_caps = {0.7, 1};
  if (random() % 4 == 0) space.overlap = {true, false};
  if (random() % 4 == 0) space.scatter_gather = {false, true};
  if (random() % 4 == 0) {
    space.near =
        some_of<NearGroups>({{true, true, true}, {true, false, true}, {false, true, true}}, random);
  }
  return space;
}

TEST(PlanEngine, PrunedEqualsExhaustive) {
  const Owned dense{joined(kHeader, "llama-2-7b,100,4096,256,H100,64,USA")};
  const Owned large{joined(kHeader, "llama-2-70b,100,4096,512,H100,128,USA")};
  const Owned experts{joined(kHeader, "mixtral-8x7b,100,4096,512,H100,64,USA")};
  std::mt19937 random{6};
  std::size_t found = 0;
  std::size_t pruned_plans = 0;
  for (int i = 0; i < 200; ++i) {
    const auto& row = i % 3 == 0 ? dense : i % 3 == 1 ? large : experts;
    auto space = random_space(random);
    if (i % 3 == 2) space.ep = some_of<double>({1, 2, 8}, random);
    PlanSearchOptions options;
    options.objective = static_cast<Objective>(i % 4);
    options.price_per_device_hour = 2;
    options.price_per_kwh = 0.1;
    if (i % 5 == 0) options.limits.days = 20;
    if (i % 7 == 0) options.limits.tco2e = 30;
    options.ties = i % 2 == 0 ? 1.1 : 1;
    options.threads = 1;
    const auto pruned = search(row.row(), space, options);
    options.threads = 2;
    const auto two = search(row.row(), space, options);
    options.prune = false;
    const auto all = search(row.row(), space, options);
    ASSERT_EQ(pruned.best.size(), all.best.size()) << i;
    ASSERT_EQ(two.best.size(), all.best.size()) << i;
    for (std::size_t k = 0; k < all.best.size(); ++k) {
      EXPECT_EQ(key_of(pruned.best[k]), key_of(all.best[k])) << i << " " << k;
      EXPECT_EQ(key_of(two.best[k]), key_of(all.best[k])) << i << " " << k;
    }
    EXPECT_LE(pruned.counts.judged, all.counts.judged);
    EXPECT_EQ(pruned.counts.space, all.counts.space);
    pruned_plans += all.counts.judged - pruned.counts.judged;
    found += all.best.empty() ? 0U : 1U;
    // Every plan of the space is accounted for.
    const auto& n = all.counts;
    EXPECT_EQ(n.space, n.judged + n.bounded + n.devices_uneven + n.batch_uneven + n.model_uneven +
                           n.pointless)
        << i;
    EXPECT_EQ(n.bounded, 0U) << i;
  }
  EXPECT_GT(found, 100U);
  EXPECT_GT(pruned_plans, 1000U);
}

TEST(PlanEngine, FrontsAreTheSamePruned) {
  const Owned row{joined(kHeader, "llama-2-7b,100,4096,256,H100,64,USA")};
  std::mt19937 random{7};
  for (int i = 0; i < 20; ++i) {
    const auto space = random_space(random);
    PlanSearchOptions options;
    options.pareto = {Objective::time, Objective::carbon};
    const auto pruned = search(row.row(), space, options);
    options.prune = false;
    options.threads = 2;
    const auto all = search(row.row(), space, options);
    ASSERT_EQ(pruned.best.size(), all.best.size()) << i;
    for (std::size_t k = 0; k < all.best.size(); ++k) {
      EXPECT_EQ(key_of(pruned.best[k]), key_of(all.best[k]));
      if (k == 0) continue;
      // From the fastest to the cleanest.
      EXPECT_GE(all.best[k].figures.days, all.best[k - 1].figures.days);
      EXPECT_LE(all.best[k].figures.total_tco2e, all.best[k - 1].figures.total_tco2e);
    }
  }
}

TEST(PlanEngine, FiguresAreThoseOfAnEstimate) {
  std::mt19937 random{8};
  for (const char* cells :
       {"llama-2-7b,100,4096,256,H100,64,USA", "llama-2-70b,100,4096,512,A100,128,FRA",
        "mixtral-8x7b,100,4096,512,H100,64,us-central1",
        "llama-2-7b,100,4096,256,tpu-v5p,64,USA"}) {
    const Owned row{joined(kHeader, cells)};
    for (int i = 0; i < 10; ++i) {
      auto space = random_space(random);
      space.devices.clear();
      space.counts.clear();
      PlanSearchOptions options;
      options.ties = 1.5;
      const auto found = search(row.row(), space, options);
      for (const auto& plan : found.best) {
        std::deque<std::string> texts;
        const auto planned = row_of_plan(row.row(), plan, texts);
        Result result;
        estimate_row(planned, shipped_catalogue(), {}, result);
        ASSERT_TRUE(result.ok) << result.failure.what;
        const Predicted predicted{result};
        EXPECT_NEAR(plan.figures.days / *predicted[Key::training_days], 1, 1e-9) << cells;
        EXPECT_NEAR(plan.figures.facility_mwh / *predicted[Key::facility_energy_mwh], 1, 1e-9);
        EXPECT_NEAR(plan.figures.total_tco2e / *predicted[Key::total_tco2e], 1, 1e-9);
        EXPECT_NEAR(plan.memory_gib / *predicted[Key::memory_gib_per_device], 1, 1e-9);
        EXPECT_FALSE(result.estimate.fit.infeasible());
      }
    }
  }
}

TEST(PlanEngine, AModelThatIsStatedByItsSize) {
  const Owned row{
      "name,type,params_b,tokens_b,device,devices,region\n"
      "size,dense,30,600,A100,1024,USA\n"};
  const auto found = search(row.row(), {});
  ASSERT_FALSE(found.best.empty());
  std::deque<std::string> texts;
  Result result;
  estimate_row(row_of_plan(row.row(), found.best.front(), texts), shipped_catalogue(), {}, result);
  ASSERT_TRUE(result.ok) << result.failure.what;
  const Predicted predicted{result};
  const auto& figures = found.best.front().figures;
  EXPECT_NEAR(figures.facility_mwh / *predicted[Key::facility_energy_mwh], 1, 1e-9);
  EXPECT_NEAR(figures.total_tco2e / *predicted[Key::total_tco2e], 1, 1e-9);
}

/// A stage is a block more where embedding and head count as one each.
TEST(PlanEngine, EmbeddingAndHeadCountAsLayersWhereThatIsEven) {
  const Owned row{joined(kHeader, "llama-3.1-405b,15600,8192,2048,H100,16384,USA")};
  PlanSpace space;
  space.tp = {8};
  space.pp = {16};
  space.interleave = {8};
  const auto found = search(row.row(), space);
  ASSERT_FALSE(found.best.empty());
  EXPECT_TRUE(found.best.front().edges_as_layers) << "126 layers and 2 edges on 128 chunks";
}

TEST(PlanEngine, NothingThatFitsSaysWhatBinds) {
  const Owned row{joined(kHeader, "llama-3.1-405b,1000,4096,256,H100,8,USA")};
  const auto small = search(row.row(), {});
  EXPECT_TRUE(small.best.empty());
  EXPECT_NE(small.failure.find("memory binds"), std::string::npos) << small.failure;
  const Owned seven{joined(kHeader, "llama-2-7b,1000,4096,256,H100,64,USA")};
  const auto late = search(seven.row(), {}, {.limits = {.days = 0.1}});
  EXPECT_TRUE(late.best.empty());
  EXPECT_NE(late.failure.find("the deadline binds"), std::string::npos) << late.failure;
  PlanSpace odd;
  odd.tp = {3};
  const auto uneven = search(seven.row(), odd);
  EXPECT_NE(uneven.failure.find("no tensor parallel degree"), std::string::npos);
  const Owned prime{joined(kHeader, "llama-2-7b,1000,4096,257,H100,257,USA")};
  EXPECT_FALSE(search(prime.row(), {}).best.empty()) << "257 replicas";
}

TEST(PlanEngine, WrongSpacesAreRefused) {
  const Owned row{joined(kHeader, "llama-2-7b,1000,4096,256,H100,64,USA")};
  const auto problem = [&](PlanSpace space, PlanSearchOptions options = {}) {
    return problem_of([&] { search(row.row(), space, options); });
  };
  EXPECT_NE(problem({.devices = {"H1000"}}).what.find("unknown device 'H1000'"), std::string::npos);
  EXPECT_NE(problem({.regions = {"Atlantis"}}).what.find("unknown region 'Atlantis'"),
            std::string::npos);
  EXPECT_EQ(problem({}, {.objective = Objective::cost}).what, "cost cannot be computed");
  const Owned dark{joined(kHeader, "llama-2-7b,1000,4096,256,H100,64,")};
  EXPECT_EQ(problem_of([&] { search(dark.row(), {}, {.objective = Objective::carbon}); }).what,
            "carbon cannot be computed");
}

TEST(PlanEngine, ALowerCapSavesEnergyAndTakesTime) {
  const Owned row{joined(kHeader, "llama-2-70b,1000,4096,512,H100,128,USA")};
  double before = 0;
  double slower = HUGE_VAL;
  for (const double cap : {0.6, 0.8, 1.0}) {
    const auto found = search(row.row(), {.power_caps = {cap}});
    ASSERT_FALSE(found.best.empty());
    EXPECT_GT(found.best[0].figures.facility_mwh, before) << cap;
    EXPECT_LT(found.best[0].figures.days, slower) << cap;
    before = found.best[0].figures.facility_mwh;
    slower = found.best[0].figures.days;
  }
}

TEST(PlanSpace, NumbersAndRanges) {
  EXPECT_EQ(parse_numbers("devices", {"512..8192"}),
            (std::vector<double>{512, 1024, 2048, 4096, 8192}));
  EXPECT_EQ(parse_numbers("devices", {"512..2048:512", "9K"}),
            (std::vector<double>{512, 1024, 1536, 2048, 9000}));
  EXPECT_EQ(problem_of([] { parse_numbers("devices", {"8..4"}); }).what,
            "the range '8..4' ends before it begins");
  EXPECT_EQ(problem_of([] { parse_numbers("devices", {"0"}); }).what, "'0' is not above 0");
}

TEST(PlanSpace, ReadFromAFile) {
  const auto space = read_plan_space("tp: [1, 2]\ndevices: 8..32\nsharding: [zero1]\n", "s.yaml");
  EXPECT_EQ(space.tp, (std::vector<double>{1, 2}));
  EXPECT_EQ(space.counts, (std::vector<double>{8, 16, 32}));
  EXPECT_EQ(
      diagnostic_of([] { read_plan_space("tp: [1]\nspeed: [2]\n", "s.yaml"); }),
      "s.yaml:2:1: error: speed: no part of a space\n  help: device, devices, precision, "
      "power_cap, global_batch, tp, pp, cp, ep, interleave, micro_batch, recompute, sharding, "
      "sequence_parallel, overlap_gradients, scatter_gather, near_groups or regions");
  EXPECT_EQ(problem_of([] { read_plan_space("tp: []\n", "s.yaml"); }).what, "tp: an empty list");
  EXPECT_EQ(problem_of([] { read_plan_space("- tp\n", "s.yaml"); }).what, "not a map");
}

}  // namespace
}  // namespace pretrain::planner
