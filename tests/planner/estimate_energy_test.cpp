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
  // A footprint that holds its host gets no second one, and has no card alone.
  expect_near(kilograms("tpu-v4", kServer), 693);
  expect_near(kilograms("tpu-v4", {}), 693);
  EXPECT_EQ(kilograms("tpu-v4", kCard), 0);
  expect_near(kilograms("tpu-v3", {}), 386);
  // LLMCarbon's dies are LLMCarbon's: where it has none, nothing is borrowed.
  EXPECT_EQ(kilograms("a100-sxm-80", kLlmcarbon), 0);
  // Without a footprint of its own a card is a few times its chips, else a generic one.
  const OneRun guessed{joined("device,device_hours", "v100,10"), kCard};
  EXPECT_EQ(guessed.result().estimate.carbon.per_device.basis, Basis::model);
  EXPECT_NEAR(kilograms("v100", kCard), 85, 15);
  const OneRun generic{joined("device,device_hours", "mi350x,10")};
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

TEST(EstimateEnergy, BoundariesAreOrdered) {
  // Chips alone are less than cards, and those less than servers; low below high.
  for (const char* id : {"h100-sxm", "a100-sxm-80", "v100", "rtx-4090", "mi300x"}) {
    const std::string csv = joined("device,device_hours", std::string{id} + ",1000");
    const OneRun chips{csv, {.embodied = Embodied::act}};
    const OneRun card{csv, kCard};
    const OneRun server{csv};
    EXPECT_LT(chips[Key::embodied_tco2e], card[Key::embodied_tco2e]) << id;
    EXPECT_LT(card[Key::embodied_tco2e], server[Key::embodied_tco2e]) << id;
    for (const auto* run : {&chips, &card, &server}) {
      ASSERT_TRUE(run->predicted().low(Key::embodied_tco2e)) << id;
      EXPECT_LT(*run->predicted().low(Key::embodied_tco2e), (*run)[Key::embodied_tco2e]) << id;
      EXPECT_GT(*run->predicted().high(Key::embodied_tco2e), (*run)[Key::embodied_tco2e]) << id;
    }
  }
}

TEST(EstimateEnergy, RangesOfTheRowAreTaken) {
  const std::string header = "device,device_hours,system_power_w,pue,pue_low,pue_high";
  const OneRun run{joined(header, "H100,1000,900,1.2,1.1,1.4")};
  EXPECT_NEAR(*run.predicted().low(Key::facility_energy_mwh), 0.9 * 1.1, 1e-9);
  EXPECT_NEAR(*run.predicted().high(Key::facility_energy_mwh), 0.9 * 1.4, 1e-9);
  const auto refused = [&](const std::string& columns, const std::string& cells) {
    return OneRun{joined("device,device_hours," + columns, "H100,1000," + cells)}.failure().what;
  };
  EXPECT_EQ(refused("pue,pue_low,pue_high", "1.2,1.3,1.1"), "pue_low 1.3 is above pue_high 1.1");
  EXPECT_EQ(refused("pue,pue_low", "1.2,1.3"), "pue_low 1.3 is above pue_high 1.2");
  EXPECT_EQ(refused("pue,pue_low,pue_high", "1.5,1.1,1.3"),
            "pue 1.5 does not lie between 1.1 and 1.3");
  EXPECT_EQ(refused("pue_low", "1.1"), "pue_low without pue");
  EXPECT_EQ(refused("intensity_kg_per_kwh,intensity_low_kg_per_kwh", "0.3,0.4"),
            "intensity_low_kg_per_kwh 0.4 is above intensity_high_kg_per_kwh 0.3");
}

TEST(EstimateEnergy, AYearThatTheTableLacksIsRefused) {
  const auto of = [](const std::string& cells) {
    return joined("device,device_hours,region,site_year", "H100,1000," + cells);
  };
  const OneRun other{of("us-central1,2019")};
  EXPECT_EQ(other.failure().what,
            "no intensity of 'us-central1' for 2019: the table has that of 2024");
  EXPECT_EQ(other.failure().help, "give intensity_kg_per_kwh, or leave site_year blank");
  EXPECT_EQ(other.failure().col, Col::site_year);
  EXPECT_TRUE(OneRun(of("us-central1,2024")).ok());
  // A given intensity is of any year; the PUE is that of the year.
  const std::string header = "device,device_hours,intensity_kg_per_kwh,site_year";
  EXPECT_EQ(*OneRun(joined(header, "H100,1000,0.4,2019")).scenario().pue, 1.67);
  EXPECT_EQ(*OneRun(joined(header, "H100,1000,0.4,")).scenario().pue, 1.54);
}

TEST(EstimateEnergy, NoDeviceDrawsWhatAServerDoes) {
  const OneRun server{joined("device,device_hours,system_power_w", "V100,1000,2640")};
  EXPECT_FALSE(server.ok());
  EXPECT_EQ(server.failure().col, Col::system_power_w);
  EXPECT_NE(server.failure().what.find("a limit of 300 W"), std::string::npos);
  EXPECT_EQ(server.failure().help,
            "system_power_w is of one accelerator, not of a server or a cluster");
  EXPECT_TRUE(OneRun(joined("device,device_hours,system_power_w", "V100,1000,330")).ok());
}

TEST(EstimateEnergy, HoursOfTheDayCount) {
  std::string text = "time,g_per_kwh\n";
  for (int h = 0; h < 48; ++h) {
    char line[64];
    std::snprintf(line, sizeof line, "2026-01-%02dT%02d:00Z,%d\n", 1 + h / 24, h % 24,
                  h % 24 < 12 ? 100 : 500);
    text += line;
  }
  HourlyGrid grid{hardware::IntensitySeries::read(text, "h.csv", ""), {}, {}, {}};
  grid.origin = {grid.series.place(), "", "", true};
  const EstimateOptions hourly{.hourly = &grid};
  const std::string header = "device,devices,days,start,intensity_kg_per_kwh";
  const auto intensity = [&](const std::string& cells) {
    const OneRun run{joined(header, "H100,8," + cells), hourly};
    EXPECT_TRUE(run.ok());
    return run[Key::operational_tco2e] / run[Key::facility_energy_mwh];
  };
  expect_near(intensity("0.5,2026-01-01,"), 0.1);
  expect_near(intensity("0.5,2026-01-01T12:00Z,"), 0.5);
  expect_near(intensity("1,2026-01-01T06:00Z,"), 0.3);
  expect_near(intensity("0.5,,"), 0.1);               // from the beginning of the file
  expect_near(intensity("0.5,2026-01-01,0.7"), 0.7);  // a given intensity wins
  const OneRun outside{joined(header, "H100,8,30,2026-01-01,"), hourly};
  EXPECT_FALSE(outside.has(Key::operational_tco2e));
  EXPECT_TRUE(outside.warning(Oddity::hourly_outside));
  const OneRun wrong{joined(header, "H100,8,1,soon,"), hourly};
  EXPECT_EQ(wrong.failure().what, "start 'soon' is not a time");
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
