#include "planner/predicted.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>

#include "tests/planner/rows.hpp"

namespace pretrain::planner {
namespace {

// One A100 for 1000 hours at PUE 1.1 and 0.4 kg/kWh, in MWh.
double energy(Key key) {
  return OneRun{"device,device_hours,pue,intensity_kg_per_kwh\nA100,1000,1.1,0.4\n"}[key];
}
const double kDevice = energy(Key::device_energy_mwh);
const double kNode = energy(Key::node_energy_mwh);
constexpr double kPue = 1.1;
constexpr double kIntensity = 0.4;

/// That run with its published energy and carbon in a scope.
OneRun reported(const std::string& scope, const std::string& energy, const std::string& carbon,
                const std::string& notes = "", const EstimateOptions& options = {}) {
  return OneRun{
      "device,device_hours,pue,intensity_kg_per_kwh,energy_scope,energy_basis,"
      "reported_energy_mwh,reported_tco2e_operational,notes\n"
      "A100,1000,1.1,0.4," +
          scope + ",metered," + energy + "," + carbon + ",\"" + notes + "\"\n",
      options};
}

TEST(Predicted, KeysAndUnitsAreTheContract) {
  std::set<std::string_view> names;
  for (const auto& info : kKeyInfo) {
    EXPECT_FALSE(info.unit.empty()) << info.name;
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
  }
  EXPECT_EQ(info_of(Key::total_params).name, "total_params");
  EXPECT_EQ(info_of(Key::mfu).unit, "1");
  EXPECT_EQ(info_of(Key::operational_tco2e).unit, "t");
  EXPECT_EQ(info_of(Key::total_tco2e).name, "total_tco2e");
  // What can be compared stands in the order of the keys, so that columns do.
  EXPECT_TRUE(std::is_sorted(Comparisons::kReportable.begin(), Comparisons::kReportable.end()));
}

TEST(Predicted, ComparesInTheScopeOfTheReportedNumber) {
  struct Case {
    const char* scope;
    const char* shown;
    Key key;
    double mwh;
  };
  for (const auto& [scope, shown, key, mwh] :
       {Case{"device", "device", Key::device_energy_mwh, kDevice},
        Case{"node", "node", Key::node_energy_mwh, kNode},
        Case{"facility", "facility", Key::facility_energy_mwh, kNode * kPue},
        Case{"", "facility", Key::facility_energy_mwh, kNode * kPue},
        Case{"device_x_pue", "device_x_pue", Key::facility_energy_mwh, kDevice * kPue}}) {
    const OneRun run = reported(scope, "0.5", "0.2");
    const auto compared = run.compared();
    const auto* energy = compared.find(key);
    ASSERT_NE(energy, nullptr) << scope;
    EXPECT_NEAR(*energy->predicted, mwh, 1e-12) << scope;
    EXPECT_EQ(energy->reported, 0.5);
    EXPECT_NEAR(*energy->delta, mwh / 0.5 - 1, 1e-12) << scope;
    EXPECT_EQ(energy->scope, shown);
    EXPECT_EQ(energy->basis, "metered");
    EXPECT_TRUE(energy->reason.empty());
    // The carbon of that energy, not that of the facility.
    const auto* carbon = compared.find(Key::operational_tco2e);
    ASSERT_NE(carbon, nullptr) << scope;
    EXPECT_NEAR(*carbon->predicted, mwh * kIntensity, 1e-12) << scope;
    EXPECT_NEAR(*carbon->delta, mwh * kIntensity / 0.2 - 1, 1e-12) << scope;
    EXPECT_EQ(carbon->scope, shown);
    // The prediction itself stays what it is.
    EXPECT_NEAR(run[Key::facility_energy_mwh], kNode * kPue, 1e-12);
    EXPECT_NEAR(run[Key::operational_tco2e], kNode * kPue * kIntensity, 1e-12);
  }
}

TEST(Predicted, NotesMarkDeviceTimesPue) {
  const std::string kMark = "[device power x PUE, no host]";
  for (const char* scope : {"facility", "device_x_pue", ""}) {
    const OneRun run = reported(scope, "0.5", "", kMark + " hours x 400 W x 1.1");
    const auto compared = run.compared();
    const auto* energy = compared.find(Key::facility_energy_mwh);
    ASSERT_NE(energy, nullptr);
    EXPECT_NEAR(*energy->predicted, kDevice * kPue, 1e-12) << scope;
    EXPECT_EQ(energy->scope, "device_x_pue");
  }
  const OneRun later = reported("facility", "0.5", "", "not " + kMark);
  EXPECT_EQ(later.compared().find(Key::facility_energy_mwh)->scope, "facility")
      << "only at the start of the notes";
}

TEST(Predicted, ScopesThatAreNotModeledHaveAReason) {
  for (const char* scope : {"facility_plus_idle", "lifecycle"}) {
    const OneRun run = reported(scope, "0.5", "0.2");
    const auto compared = run.compared();
    for (const auto key : {Key::facility_energy_mwh, Key::operational_tco2e}) {
      const auto* item = compared.find(key);
      ASSERT_NE(item, nullptr) << scope;
      EXPECT_FALSE(item->predicted) << scope;
      EXPECT_FALSE(item->delta) << scope;
      EXPECT_NE(item->reason.find("scope"), std::string_view::npos) << item->reason;
    }
  }
}

TEST(Predicted, ReportedZeroAndMissingPredictionsHaveReasonsInsteadOfDeltas) {
  const OneRun zero = reported("facility", "0", "0");
  for (const auto& item : zero.compared()) {
    EXPECT_TRUE(item.predicted);
    EXPECT_FALSE(item.delta) << "a delta against 0";
    EXPECT_NE(item.reason.find("0"), std::string_view::npos) << item.reason;
  }
  // Without an intensity there is energy and no carbon.
  const OneRun run{
      "device,device_hours,reported_energy_mwh,reported_tco2e_operational,"
      "reported_days,reported_mfu,reported_tflops_per_device,reported_iteration_s\n"
      "A100,1000,0.5,0.2,3,0.4,120,5\n"};
  const auto compared = run.compared();
  EXPECT_TRUE(compared.find(Key::facility_energy_mwh)->delta);
  for (const auto key : {Key::operational_tco2e, Key::training_days, Key::mfu,
                         Key::tflops_per_device, Key::iteration_s}) {
    ASSERT_NE(compared.find(key), nullptr) << info_of(key).name;
    EXPECT_FALSE(compared.find(key)->delta) << info_of(key).name;
    EXPECT_FALSE(compared.find(key)->predicted) << info_of(key).name;
    EXPECT_FALSE(compared.find(key)->reason.empty()) << info_of(key).name;
  }
}

TEST(Predicted, WhatMeansSomethingElseIsNotCompared) {
  const OneRun run{
      "params_b,device,tokens_b,region,carbon_accounting,energy_basis,reported_days,"
      "reported_device_hours,reported_mfu,reported_flop_convention,reported_device_power_w,"
      "reported_tco2e_operational\n"
      "7,A100,2000,FRA,market,device_hours_x_constant,25,80000,0.4,hardware,400,5\n"};
  ASSERT_TRUE(run.ok());
  const auto compared = run.compared();
  for (const auto key :
       {Key::training_days, Key::mfu, Key::device_power_w, Key::operational_tco2e}) {
    EXPECT_FALSE(compared.find(key)->delta) << info_of(key).name;
    EXPECT_FALSE(compared.find(key)->reason.empty()) << info_of(key).name;
  }
  EXPECT_TRUE(compared.find(Key::device_hours)->delta) << "hours do not depend on the node assumed";
}

TEST(Predicted, EveryReportableQuantityIsCompared) {
  const OneRun run{
      "params_b,device,devices,tokens_b,seq_len,global_batch_seqs,region,reported_memory_gib,"
      "reported_iteration_s,reported_tokens_per_s_per_device,reported_tflops_per_device,reported_"
      "mfu,reported_days,"
      "reported_device_hours,reported_device_power_w,reported_energy_mwh,"
      "reported_tco2e_operational,reported_tco2e_embodied,reported_flop_convention\n"
      "30,A100,1024,600,2048,1024,FRA,40,5,600,120,0.4,12,300000,350,200,10,3,6nd\n"};
  ASSERT_TRUE(run.ok()) << run.failure().what;
  const auto compared = run.compared();
  Key last = Key::total_params;
  std::size_t count = 0;
  for (const auto& item : compared) {
    EXPECT_LT(last, item.key) << "in the order of the keys";
    last = item.key;
    ++count;
    ASSERT_TRUE(item.predicted && item.delta) << info_of(item.key).name;
    EXPECT_DOUBLE_EQ(*item.delta, *item.predicted / item.reported - 1) << info_of(item.key).name;
    const bool rate = item.key == Key::mfu || item.key == Key::tflops_per_device;
    EXPECT_EQ(item.convention, rate ? "6nd" : "") << info_of(item.key).name;
    if (item.key != Key::embodied_tco2e) {  // taken over the reported days
      EXPECT_EQ(item.predicted, run.predicted()[item.key]) << info_of(item.key).name;
    }
  }
  // Energy is reported in one of three scopes.
  EXPECT_EQ(count, Comparisons::kReportable.size() - 2);
  EXPECT_EQ(compared.find(Key::total_params), nullptr);
}

TEST(Predicted, EmbodiedIsComparedOverTheReportedDays) {
  const std::string csv =
      "params_b,device,devices,tokens_b,reported_days,reported_tco2e_embodied\n"
      "30,A100,1024,600,100,3\n";
  const OneRun seeing{csv};
  const auto item = *seeing.compared().find(Key::embodied_tco2e);
  EXPECT_NEAR(*item.predicted, seeing[Key::embodied_tco2e] * 100 / seeing[Key::training_days],
              1e-9);
  EXPECT_NE(item.basis.find("reported days"), std::string_view::npos);
  const OneRun blind{csv, {.blind = true}};
  const auto unseen = *blind.compared().find(Key::embodied_tco2e);
  EXPECT_DOUBLE_EQ(*unseen.predicted, blind[Key::embodied_tco2e]);
  EXPECT_NE(unseen.basis.find("predicted days"), std::string_view::npos);
}

// ---- intervals

const std::string kTimed =
    "architecture,device,devices,tokens_b,seq_len,global_batch_seqs,tp,micro_batch_seqs,recompute,"
    "region\nllama-2-7b,A100,64,1000,4096,1024,2,1,none,FRA\n";

double width(const OneRun& run, Key key = Key::mfu) {
  const auto low = run.predicted().low(key);
  const auto high = run.predicted().high(key);
  EXPECT_TRUE(low && high) << info_of(key).name;
  return low && high ? std::log(*high / *low) : 0;
}

/// What nothing but the rate is uncertain in.
constexpr std::array kOfRate{Key::iteration_s, Key::tokens_per_s_per_device, Key::tflops_per_device,
                             Key::mfu, Key::hfu};

TEST(Predicted, WhatIsUncertainHasAnInterval) {
  const OneRun run{kTimed};
  ASSERT_TRUE(run.ok()) << run.failure().what;
  for (std::size_t i = 0; i < kKeys; ++i) {
    const auto key = static_cast<Key>(i);
    const auto& all = Predicted::kUncertain;
    const bool uncertain = std::find(all.begin(), all.end(), key) != all.end();
    ASSERT_EQ(run.predicted().low(key).has_value(), uncertain) << info_of(key).name;
    ASSERT_EQ(run.predicted().high(key).has_value(), uncertain) << info_of(key).name;
    if (!uncertain) continue;
    EXPECT_LT(*run.predicted().low(key), run[key]) << info_of(key).name;
    EXPECT_GT(*run.predicted().high(key), run[key]) << info_of(key).name;
  }
  for (const auto key : kOfRate) {
    // One factor for all of them, either way.
    EXPECT_NEAR(*run.predicted().low(key) * *run.predicted().high(key), run[key] * run[key],
                1e-9 * run[key] * run[key]);
    EXPECT_NEAR(width(run, key), width(run), 1e-9) << info_of(key).name;
  }
}

TEST(Predicted, UncertaintyGrowsAlongTheChain) {
  const OneRun run{kTimed};
  EXPECT_GT(width(run, Key::training_days), width(run, Key::iteration_s)) << "goodput";
  EXPECT_GT(width(run, Key::node_energy_mwh), width(run, Key::device_hours)) << "power";
  EXPECT_GT(width(run, Key::facility_energy_mwh), width(run, Key::node_energy_mwh)) << "PUE";
  EXPECT_GT(width(run, Key::operational_tco2e), width(run, Key::facility_energy_mwh)) << "grid";
  // The whole is no less certain than its worse part.
  EXPECT_LT(width(run, Key::total_tco2e),
            std::max(width(run, Key::operational_tco2e), width(run, Key::embodied_tco2e)));
}

TEST(Predicted, WhatIsGivenWidensNothing) {
  const std::string header =
      "architecture,device,devices,days,system_power_w,pue,intensity_kg_per_kwh,lifetime_years,"
      "utilization";
  const std::string cells = "llama-2-7b,A100,64,30,";
  const auto up = [&](const std::string& rest, Key key) {
    const OneRun run{joined(header, cells + rest)};
    EXPECT_TRUE(run.ok());
    const auto high = run.predicted().high(key);
    return high ? std::log(*high / run[key]) : 0;
  };
  EXPECT_EQ(up("400,1.1,0.3,,", Key::operational_tco2e), 0) << "all of it is stated";
  const auto& defaults = shipped_catalogue().defaults();
  EXPECT_NEAR(up("400,,0.3,,", Key::operational_tco2e), defaults.pue_unknown.spread.up, 1e-8);
  EXPECT_NEAR(up(",1.1,0.3,,", Key::operational_tco2e), up(",1.1,,,", Key::facility_energy_mwh),
              1e-12);
  // A shorter life and less use leave a run more of the hardware.
  const double footprint = up("400,1.1,0.3,5,0.5", Key::embodied_tco2e);
  EXPECT_GT(footprint, 0);
  EXPECT_GT(up("400,1.1,0.3,,0.5", Key::embodied_tco2e), footprint);
  EXPECT_NEAR(up("400,1.1,0.3,,0.5", Key::embodied_tco2e),
              std::hypot(footprint, defaults.lifetime_years.spread.down), 0.05);
}

TEST(Predicted, NothingOfNothingIsUncertain) {
  const OneRun run{joined("architecture,device,devices,tokens_b,intensity_kg_per_kwh",
                          "llama-2-7b,H100,64,1000,0")};
  EXPECT_EQ(run[Key::operational_tco2e], 0);
  EXPECT_FALSE(run.predicted().high(Key::operational_tco2e));
  EXPECT_TRUE(run.predicted().high(Key::facility_energy_mwh));
}

TEST(Predicted, DriversAreTheWidestInputs) {
  const OneRun run{kTimed};
  const auto drivers = run.predicted().drivers();
  std::set<std::string_view> inputs;
  for (const auto& driver : drivers) inputs.insert(driver.input);
  // A site of which nothing is known; the time of a step and what is lost are models.
  EXPECT_EQ(inputs, (std::set<std::string_view>{"goodput", "pue", "time of a step"}));
  EXPECT_GE(drivers[0].factor, drivers[1].factor);
  EXPECT_GE(drivers[1].factor, drivers[2].factor);
  EXPECT_GT(drivers[2].factor, 1);
  // With nothing unknown there is none.
  const OneRun given{joined("device,device_hours,system_power_w,pue", "Foo 9000,100,400,1.1")};
  EXPECT_EQ(given.predicted().drivers()[0].factor, 1);
  const OneRun none{kTimed, {.interval = 0}};
  EXPECT_EQ(none.predicted().drivers()[0].factor, 1);
}

TEST(Predicted, IntervalsAreAsWideAsAsked) {
  const auto asked = [](double level) { return width(OneRun{kTimed, {.interval = level}}); };
  EXPECT_LT(asked(0.5), asked(0.9));
  EXPECT_LT(asked(0.9), asked(0.99));
  EXPECT_EQ(asked(0.9), width(OneRun{kTimed}));
  const OneRun none{kTimed, {.interval = 0}};
  const OneRun half{kTimed, {.interval = 0.5}};
  for (std::size_t i = 0; i < kKeys; ++i) {
    const auto key = static_cast<Key>(i);
    EXPECT_FALSE(none.predicted().low(key) || none.predicted().high(key)) << info_of(key).name;
    EXPECT_EQ(none.predicted()[key], half.predicted()[key]) << "the prediction stays";
  }
  // Whose plan is open, and a device that nothing was measured on, is less certain.
  const std::string header = "architecture,device,devices,tokens_b,tp";
  const OneRun stated{joined(header, "llama-2-7b,H100,64,1000,2")};
  EXPECT_GT(width(OneRun{joined(header, "llama-2-7b,H100,64,1000,")}), width(stated));
  EXPECT_GE(width(OneRun{joined(header, "llama-2-7b,P100,64,1000,2")}), width(stated));
}

TEST(Predicted, WhatIsStatedOrMeasuredHasNoInterval) {
  const std::string header = "architecture,device,devices,tokens_b,days,device_hours,mfu";
  const auto has = [](const OneRun& run, Key key) {
    EXPECT_TRUE(run.ok()) << run.failure().what;
    return run.predicted().low(key).has_value();
  };
  for (const char* cells : {"llama-2-7b,A100,64,100,,,0.4", "llama-2-7b,A100,64,100,30,,",
                            "llama-2-7b,A100,,100,,9000,"}) {
    const OneRun run{joined(header, cells)};
    for (const auto key : kOfRate) {
      EXPECT_FALSE(run.predicted()[key] && has(run, key)) << info_of(key).name << cells;
    }
  }
  // The days are stated: how many tokens they are enough for is what is uncertain.
  const OneRun tokens{joined(header, "llama-2-7b,A100,64,,30,,")};
  EXPECT_TRUE(has(tokens, Key::mfu));
  EXPECT_FALSE(has(tokens, Key::training_days));
  EXPECT_FALSE(has(tokens, Key::device_hours));
}

TEST(Predicted, HoursOfDevicesSolvedForHaveAnInterval) {
  // As many devices as the stated days ask for: they follow from the rate, and so do their hours.
  const OneRun run{joined("architecture,device,tokens_b,days", "llama-2-7b,A100,1000,30")};
  ASSERT_TRUE(run.ok()) << run.failure().what;
  EXPECT_FALSE(run.predicted().low(Key::training_days));
  EXPECT_TRUE(run.predicted().low(Key::device_hours));
}

TEST(Predicted, NoIntervalReachesAboveThePeak) {
  for (const double level : {0.9, 0.99, 0.999}) {
    const OneRun run{
        joined("architecture,device,devices,tokens_b,seq_len", "llama-2-7b,A100,64,1000,4096"),
        {.interval = level}};
    ASSERT_TRUE(run.predicted().high(Key::mfu));
    EXPECT_LE(*run.predicted().high(Key::mfu), 1) << level;
  }
}

TEST(Predicted, ComparisonsHaveTheIntervalOfTheirPrediction) {
  const std::string csv =
      "params_b,device,devices,tokens_b,seq_len,global_batch_seqs,region,reported_memory_gib,"
      "reported_iteration_s,reported_tokens_per_s_per_device,reported_tflops_per_device,"
      "reported_mfu,reported_days,reported_device_hours,reported_device_power_w,"
      "reported_energy_mwh,reported_tco2e_operational,reported_flop_convention\n"
      "30,A100,1024,600,2048,1024,FRA,40,5,600,120,0.4,12,300000,350,200,10,6nd\n";
  const OneRun run{csv};
  ASSERT_TRUE(run.ok()) << run.failure().what;
  std::size_t with = 0;
  for (const auto& item : run.compared()) {
    EXPECT_EQ(item.low, run.predicted().low(item.key)) << info_of(item.key).name;
    EXPECT_EQ(item.high, run.predicted().high(item.key)) << info_of(item.key).name;
    if (item.low) ++with;
  }
  EXPECT_EQ(with, 9U) << "all but the memory";
  for (const auto& item : OneRun{csv, {.interval = 0}}.compared()) {
    EXPECT_FALSE(item.low || item.high) << info_of(item.key).name;
  }
}

TEST(Predicted, NothingReportedOrNothingComputedComparesNothing) {
  const OneRun plain{"device,device_hours\nA100,1000\n"};
  EXPECT_TRUE(plain.compared().empty());
  EXPECT_EQ(plain.compared().find(Key::mfu), nullptr);
  const OneRun failed{"device,reported_energy_mwh\nA100,5\n"};
  EXPECT_FALSE(failed.ok());
  EXPECT_TRUE(failed.compared().empty());
}

}  // namespace
}  // namespace pretrain::planner
