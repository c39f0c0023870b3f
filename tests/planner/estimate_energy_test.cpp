#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "models/core/table.hpp"
#include "models/power.hpp"
#include "planner/estimate.hpp"
#include "tests/planner/rows.hpp"
#include "tests/support.hpp"

namespace pretrain::planner {
namespace {

// ---- power, energy

/// Node energy in MWh of 1000 device hours is the node's draw in W over 1000, and so on.
struct Draw {
  double device_w;
  double node_w;
};
Draw draw(const std::string& columns, const std::string& cells,
          const EstimateOptions& options = {}) {
  const OneRun run{joined("device_hours," + columns, "1000," + cells), options};
  return {1000 * run[Key::device_energy_mwh], 1000 * run[Key::node_energy_mwh]};
}

TEST(EstimateEnergy, PowerScopesAreNotMixed) {
  const auto& hosts = shipped_catalogue().hosts();
  const auto& host = hosts.find(shipped_catalogue().devices().find("V100").device)->draw;
  constexpr auto kWatt = watt / device;
  // A given system power holds the host already, and nothing is added to it.
  const auto given_power = draw("device,system_power_w", "V100,330");
  expect_near(given_power.node_w, 330);
  expect_near(given_power.device_w, models::device_share_of_node(330.0 * kWatt, host).in(kWatt));
  // As little as an accelerator can have of a node.
  EXPECT_GT(draw("device,system_power_w", "V100,40").device_w, 0.29 * 40);
  // A device is never above its node nor its limit, and no scope comes without energy.
  for (const auto& d : shipped_catalogue().devices().all()) {
    const OneRun run{joined("device,device_hours", std::string{d.id} + ",1000")};
    ASSERT_TRUE(run.ok()) << d.id << ": " << run.failure().what;
    if (!run.has(Key::node_energy_mwh)) {
      EXPECT_TRUE(run.warning(Oddity::no_power)) << d.id;
      continue;
    }
    EXPECT_LT(run[Key::device_energy_mwh], run[Key::node_energy_mwh]) << d.id;
    EXPECT_LE(1000 * run[Key::device_energy_mwh], d.tdp->in(kWatt)) << d.id;
    if (d.idle) {
      EXPECT_GT(1000 * run[Key::device_energy_mwh], d.idle->in(kWatt)) << d.id;
    }
    expect_near(run[Key::facility_energy_mwh], 1.54 * run[Key::node_energy_mwh]);
  }
}

TEST(EstimateEnergy, ALowerLimitHoldsTheDraw) {
  double before = 0;
  for (const int limit : {200, 300, 400, 500, 600, 700}) {
    const auto run = draw("device,device_tdp_w", "H100," + std::to_string(limit));
    EXPECT_GT(run.device_w, before) << limit;
    EXPECT_LE(run.device_w, 0.98 * limit) << limit;
    before = run.device_w;
  }
  // Near the limit the more, the lower it is: what moves bytes draws the same.
  const auto low = draw("device,device_tdp_w", "H100,350");
  const auto stock = draw("device,device_tdp_w", "H100,700");
  EXPECT_GT(low.device_w / 350, stock.device_w / 700);
  // Nothing but a limit is known of it.
  const auto unknown = draw("device,device_tdp_w", "Foo 9000,350");
  EXPECT_GT(unknown.device_w, 0.6 * 350);
  EXPECT_LT(unknown.device_w, 350);
}

TEST(EstimateEnergy, DrawFollowsTheWork) {
  const auto watts = [](const std::string& columns, const std::string& cells) {
    const OneRun run{joined("architecture,device,tokens_b," + columns, cells)};
    EXPECT_TRUE(run.ok()) << run.failure().what;
    return run[Key::device_power_w];
  };
  // A run that waits for the network draws less than one that multiplies.
  const double near = watts("devices,global_batch_seqs", "llama-2-70b,H100,100,512,1024");
  const double far =
      watts("devices,global_batch_seqs,node_network_gbps", "llama-2-70b,H100,100,512,1024,20");
  EXPECT_LT(far, near);
  // The measured 621 W of Olmo 3 7B on H100 (bradbury-2025), blind.
  EXPECT_NEAR(watts("devices", "olmo-3-7b,H100,5930,512") / 621, 1, 0.08);
  // A rate that is given says how busy the device is, too.
  const double busy = watts("devices,mfu", "llama-2-70b,H100,100,512,0.5");
  const double idle = watts("devices,mfu", "llama-2-70b,H100,100,512,0.1");
  EXPECT_GT(busy, 1.2 * idle);
}

TEST(EstimateEnergy, HoursAloneGiveEnergyAndCarbon) {
  const OneRun run{joined("device,device_hours,region", "V100,100,europe-west1")};
  const double node = run[Key::node_energy_mwh];
  EXPECT_NEAR(node, 325 * 100 / 1e6, 0.1 * node);  // patterson-2021, Table 4: 325 W with host
  expect_near(run[Key::facility_energy_mwh], node * 1.09);
  expect_near(run[Key::operational_tco2e], node * 1.09 * 0.10337);
  EXPECT_FALSE(run.has(Key::training_flops));
  EXPECT_FALSE(run.has(Key::training_days));
  // What the provider says it compensates stands beside and is not subtracted.
  ASSERT_TRUE(run.result().estimate.carbon.offset);
  expect_near((*run.result().estimate.carbon.offset).in(tonne), run[Key::operational_tco2e]);
  expect_near(run[Key::total_tco2e], run[Key::operational_tco2e] + run[Key::embodied_tco2e]);
  const OneRun booked{joined("device,devices,days,region", "V100,50,2,europe-west1")};
  expect_near(booked[Key::facility_energy_mwh], 24 * run[Key::facility_energy_mwh]);

  for (double devices = 1; devices <= 1e8; devices *= 10) {
    const OneRun many{joined("device,days,region,devices",
                             "V100,2,europe-west1," + std::to_string(static_cast<int>(devices)))};
    for (const auto key : {Key::device_energy_mwh, Key::node_energy_mwh, Key::facility_energy_mwh,
                           Key::operational_tco2e, Key::embodied_tco2e, Key::total_tco2e}) {
      expect_near(many[key] / devices, booked[key] / 50);
    }
  }
}

// ---- site

TEST(EstimateEnergy, PueByRegionThenProviderThenIndustry) {
  struct Case {
    const char* region;
    double pue;
    Basis basis;
  };
  for (const auto& [region, pue, basis] :
       {Case{"us-central1", 1.11, Basis::catalogue}, Case{"asia-northeast1", 1.1, Basis::catalogue},
        Case{"us-east-1", 1.135, Basis::catalogue}, Case{"westeurope", 1.185, Basis::catalogue},
        Case{"FRA", 1.54, Basis::fallback}, Case{"", 1.54, Basis::fallback}}) {
    const OneRun run{joined("device,device_hours,region", std::string{"V100,1,"} + region)};
    ASSERT_TRUE(run.scenario().pue) << region;
    EXPECT_EQ(*run.scenario().pue, pue) << region;
    EXPECT_EQ(run.scenario().pue.basis, basis) << region;
    EXPECT_FALSE(place_of(run.scenario().pue).empty()) << region;
  }
}

TEST(EstimateEnergy, GivenIntensityMakesTheRegionALabel) {
  const std::string header = "device,device_hours,pue,region,intensity_kg_per_kwh";
  const OneRun label{joined(header, "V100,1000,1.1,somewhere,0.429")};
  EXPECT_FALSE(label.warning(Oddity::unknown_region));
  expect_near(label[Key::operational_tco2e], label[Key::node_energy_mwh] * 1.1 * 0.429);
  const OneRun known_region{joined(header, "V100,1000,1.1,FRA,0.429")};
  expect_near(known_region[Key::operational_tco2e], label[Key::operational_tco2e]);
  EXPECT_EQ(known_region.scenario().intensity.basis, Basis::given);

  const OneRun unknown{joined(header, "V100,1000,1.1,somewhere,")};
  ASSERT_TRUE(unknown.warning(Oddity::unknown_region));
  EXPECT_EQ(unknown.warning(Oddity::unknown_region)->name, "somewhere");
  EXPECT_FALSE(unknown.has(Key::operational_tco2e));
  EXPECT_FALSE(unknown.has(Key::total_tco2e));
  EXPECT_TRUE(unknown.has(Key::facility_energy_mwh));
  EXPECT_TRUE(unknown.has(Key::embodied_tco2e));
  const OneRun none{joined(header, "V100,1000,1.1,,")};
  EXPECT_TRUE(none.warning(Oddity::no_region));
  EXPECT_FALSE(none.has(Key::operational_tco2e));
  // An intensity of zero is a number, not a blank.
  EXPECT_EQ(OneRun(joined(header, "V100,1000,1.1,,0"))[Key::operational_tco2e], 0.0);

  // A country is its lifecycle average, a cloud region its provider's row; the table of 2019 is
  // used when asked for only.
  const std::string paris = "V100,1000,1.1,FRA,";
  EXPECT_EQ(OneRun(joined(header, paris)).scenario().region->scope, "lifecycle");
  EXPECT_EQ(OneRun(joined(header, "V100,1000,1.1,us-central1,")).scenario().region->provider,
            "gcp");
  EXPECT_TRUE(
      OneRun(joined(header, "V100,1000,1.1,westeurope,")).warning(Oddity::mixed_grid_scope));
  const OneRun now{joined(header, "V100,1000,1.1,europe-west1,")};
  const OneRun then{joined(header, "V100,1000,1.1,europe-west1,"), {.grid = Grid::mlco2_2019}};
  EXPECT_NE(now[Key::operational_tco2e], then[Key::operational_tco2e]);
}

// ---- embodied

TEST(EstimateEnergy, EmbodiedBoundariesAreNotMixed) {
  constexpr double kLifeHours = 6 * 365 * 24;  // defaults.csv
  constexpr double kUtilization = 0.85;
  const auto kilograms = [](const std::string& id, const EstimateOptions& options) {
    const OneRun run{joined("device,devices,days", id + ",8,10"), options};
    const auto tonnes = run.predicted()[Key::embodied_tco2e];
    if (!tonnes) {
      EXPECT_TRUE(run.warning(Oddity::no_embodied)) << id;
      return 0.0;
    }
    return *tonnes * 1000 / (8 * 240) * kLifeHours * kUtilization;  // of one device over its life
  };
  // Accelerators as delivered; with their share of a host of eight.
  expect_near(kilograms("a100-sxm-80", kCard), 162);
  expect_near(kilograms("a100-sxm-80", kServer), 162 + 2500.0 / 8);
  expect_near(kilograms("a100-sxm-80", {}), 162 + 2500.0 / 8);
  expect_near(kilograms("v100", kCard), 150);  // no study of its own: the generic one, a default
  // A footprint that holds its host gets no second one, and has no card alone.
  expect_near(kilograms("tpu-v4", kServer), 693);
  expect_near(kilograms("tpu-v4", {}), 693);
  EXPECT_EQ(kilograms("tpu-v4", kCard), 0);
  expect_near(kilograms("tpu-v3", {}), 386);
  // LLMCarbon's dies are LLMCarbon's: where it has none, nothing is borrowed.
  EXPECT_EQ(kilograms("a100-sxm-80", kLlmcarbon), 0);
  const OneRun generic{joined("device,device_hours", "v100,10")};
  EXPECT_EQ(generic.result().estimate.carbon.per_device.basis, Basis::fallback);
  const OneRun dies{joined("device,devices,days", "h100-sxm,12,10"), kLlmcarbon};
  const double server = 1.47 + 256 * 0.4 + 32768 * 0.018 + 111.6 * 1.2;
  expect_near(dies[Key::embodied_tco2e],
              (12 * 8.14 * 1.8 + 2 * server) / 1000 * 10 / (5 * 365.0));  // two whole servers
  EXPECT_FALSE(dies.result().estimate.carbon.per_device);
  // The llmcarbon method brings its own boundary, unless another is asked for.
  expect_near(OneRun(joined("device,devices,days", "h100-sxm,12,10"),
                     {.method = Method::llmcarbon})[Key::embodied_tco2e],
              dies[Key::embodied_tco2e]);
  expect_near(
      OneRun(joined("device,devices,days", "h100-sxm,12,10"),
             {.method = Method::llmcarbon, .embodied = Embodied::card})[Key::embodied_tco2e],
      OneRun(joined("device,devices,days", "h100-sxm,12,10"), kCard)[Key::embodied_tco2e]);
}

TEST(EstimateEnergy, LifetimeAndUtilizationShareTheFootprint) {
  const std::string header = "device,device_hours,lifetime_years,utilization";
  const double base = OneRun(joined(header, "H100,1000,6,0.8"))[Key::embodied_tco2e];
  expect_near(OneRun(joined(header, "H100,1000,3,0.8"))[Key::embodied_tco2e], 2 * base);
  expect_near(OneRun(joined(header, "H100,1000,6,0.4"))[Key::embodied_tco2e], 2 * base);
  expect_near(OneRun(joined(header, "H100,2000,6,0.8"))[Key::embodied_tco2e], 2 * base);
  const std::string nodes = "device,device_hours,devices_per_node";
  EXPECT_GT(OneRun(joined(nodes, "H100,1000,4"))[Key::embodied_tco2e],
            OneRun(joined(nodes, "H100,1000,8"))[Key::embodied_tco2e])
      << "fewer devices share a host";
  // LLMCarbon's five years, and no utilization unless given.
  const OneRun llmcarbon{joined("device,devices,days", "V100,8,10"), kLlmcarbon};
  EXPECT_EQ(place_of(llmcarbon.scenario().lifetime), "defaults.csv llmcarbon_lifetime_years");
  EXPECT_FALSE(llmcarbon.scenario().utilization);
}

// ---- remarks

TEST(EstimateEnergy, RemarksOnWorkAndPhase) {
  const std::string header = "params_b,tokens_b,device,devices,total_zettaflops";
  EXPECT_TRUE(OneRun(joined(header, "30,600,A100,8,200")).warning(Oddity::zettaflops_differ));
  EXPECT_FALSE(OneRun(joined(header, "30,600,A100,8,110")).warning(Oddity::zettaflops_differ));
  const std::string lora = joined("phase,params_b,tokens_b,device", "lora,30,1,A100");
  EXPECT_TRUE(OneRun(lora, {.method = Method::llmcarbon}).warning(Oddity::phase_as_pretrain));
  EXPECT_FALSE(OneRun(lora).warning(Oddity::phase_as_pretrain)) << "frozen weights are not trained";
  EXPECT_FALSE(OneRun(joined("phase,params_b,tokens_b,device", "finetune,30,1,A100"))
                   .warning(Oddity::phase_as_pretrain));
}

// ---- whatever comes

TEST(EstimateEnergy, EveryPredictionIsFinite) {
  // The ends of the allowed ranges in all combinations: each row is computed or has a reason.
  const std::vector<std::string> kParams{"", "1e-6", "7", "1e5"};
  const std::vector<std::string> kTokens{"", "1e-9", "300", "1e5"};
  const std::vector<std::string> kDevices{"", "1", "1e8"};
  const std::vector<std::string> kDays{"", "1e-6", "30", "1e5"};
  const std::vector<std::string> kHardware{"H100,,,",          "tpu-v2,,,",    "K80,1e-3,1,",
                                           "MI300X,1e6,5e4,1", "GB200,,,1e-3", "Foo,100,300,"};
  const std::vector<std::string> kTypes{"", "dense", "moe", "vision"};
  const EstimateOptions kOptions[] = {{}, kBlind, kLlmcarbon, {.method = Method::llmcarbon}, kCard};
  std::size_t computed = 0;
  std::size_t refused = 0;
  for (const auto& params : kParams) {
    for (const auto& tokens : kTokens) {
      for (const auto& devices : kDevices) {
        for (const auto& days : kDays) {
          for (const auto& hardware : kHardware) {
            // Types and options vary along, each combination once is enough for them.
            const auto& type = kTypes[(computed + refused) % kTypes.size()];
            const auto& options = kOptions[(computed + refused) % 5];
            const std::string csv = joined(
                "params_b,tokens_b,devices,days,device,peak_tflops,device_tdp_w,goodput,type,"
                "region,seq_len,global_batch_seqs",
                params + "," + tokens + "," + devices + "," + days + "," + hardware + "," + type +
                    ",DEU,1e9,1e9");
            const OneRun run{csv, options};  // throws where a value is not finite
            if (run.ok()) {
              ++computed;
              for (std::size_t i = 0; i < kKeys; ++i) {
                const auto value = run.predicted()[static_cast<Key>(i)];
                EXPECT_GE(value.value_or(0), 0) << kKeyInfo[i].name << " of\n" << csv;
              }
              EXPECT_LE(run.predicted()[Key::mfu].value_or(0), 1) << csv;
            } else {
              ++refused;
              EXPECT_FALSE(run.failure().what.empty() ||
                           remedy(run.failure(), shipped_catalogue()).empty())
                  << csv;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(computed, 500U);
  EXPECT_GT(refused, 100U);
}

TEST(EstimateEnergy, SameInputSameOutput) {
  // A result is reused from row to row: nothing of one row may stay in the next.
  const OneRun fresh{joined("params_b,device,tokens_b", "7,A100,10")};
  Result reused;
  const std::vector<std::string> kBefore{
      joined("type,params_b,active_params_b,device,devices,days,region,system_power_w,mfu",
             "moe,46.7,12.9,H100,8,10,us-central1,900,0.4"),
      joined("device", "nonesuch")};
  for (const auto& before : kBefore) {
    const OneRun other{before};
    estimate_row(other.row(), shipped_catalogue(), {}, reused);
    estimate_row(fresh.row(), shipped_catalogue(), {}, reused);
    const Predicted predicted{reused};
    for (std::size_t i = 0; i < kKeys; ++i) {
      EXPECT_EQ(predicted[static_cast<Key>(i)], fresh.predicted()[static_cast<Key>(i)]);
    }
    EXPECT_EQ(reused.warnings.size(), fresh.result().warnings.size());
  }
}

}  // namespace
}  // namespace pretrain::planner
