#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "models/core/table.hpp"
#include "planner/estimate.hpp"
#include "tests/planner/rows.hpp"
#include "tests/support.hpp"

namespace pretrain::planner {
namespace {

constexpr double kExact = 1e-12;  // relative: one equation after the other, rounding only
constexpr double kHoursPerDay = 24.0;

const EstimateOptions kBlind{.blind = true};
const EstimateOptions kLlmcarbon{.embodied = Embodied::llmcarbon};
const EstimateOptions kCard{.embodied = Embodied::card};
const EstimateOptions kServer{.embodied = Embodied::server};

std::string joined(const std::string& header, const std::string& cells) {
  return header + "\n" + cells + "\n";
}

std::string text_of(const std::string& path) {
  std::ifstream in{std::string{PRETRAIN_SOURCE_DIR} + "/" + path, std::ios::binary};
  EXPECT_TRUE(in) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void expect_near(double value, double wanted, double relative = kExact) {
  EXPECT_NEAR(value, wanted, relative * std::abs(wanted));
}

/// Expects a row that contradicts itself, with a reason that says `part` and a remedy.
void expect_failure(const std::string& csv, const std::string& part, Col col,
                    const EstimateOptions& options = {}) {
  const OneRun run{csv, options};
  EXPECT_FALSE(run.ok()) << csv;
  EXPECT_NE(run.failure().what.find(part), std::string::npos)
      << "'" << part << "' is not in '" << run.failure().what << "' for\n"
      << csv;
  EXPECT_FALSE(run.failure().help.empty()) << csv;
  EXPECT_EQ(run.failure().col, col) << csv;
  for (std::size_t i = 0; i < kKeys; ++i) EXPECT_FALSE(run.has(static_cast<Key>(i)));
}

// ---- LLMCarbon's validation

TEST(ResolveEstimate, ReproducesLlmcarbon) {
  std::map<std::string, std::optional<double>> deltas;
  std::istringstream in{text_of("db/database.csv")};
  Result result;
  for_each_row(in, "database.csv", [&](const RunRow& row) {
    estimate_row(row, shipped_catalogue(), {}, result);
    ASSERT_TRUE(result.ok) << result.failure.what;
    const Comparisons compared{row, result, Predicted{result}, shipped_catalogue()};
    const auto* carbon = compared.find(Key::operational_tco2e);
    ASSERT_NE(carbon, nullptr);
    deltas[std::string{row.text(Col::name)}] = carbon->delta;
  });
  EXPECT_EQ(deltas.size(), 5U);

  const auto wanted = Table::read(text_of("validation/llmcarbon.csv"), "llmcarbon.csv",
                                  {"name", "quantity", "expected", "tolerance"});
  std::size_t compared = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted.text(i, "quantity") != "operational_tco2e_delta") continue;
    const std::string name{wanted.text(i, "name")};
    const double tolerance = wanted.required_number(i, "tolerance", 0, 1);
    EXPECT_LE(tolerance, 1e-12);
    ASSERT_TRUE(deltas[name].has_value()) << name;
    EXPECT_NEAR(*deltas[name], wanted.required_number(i, "expected", -1, 1), tolerance) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 5U);
}

TEST(ResolveEstimate, ReproducesLlmcarbonsEmbodiedXlm) {
  const OneRun run{joined("device,devices,days,reported_days,reported_tco2e_embodied",
                          "V100,512,20.4,20.4,0.66"),
                   kLlmcarbon};
  EXPECT_NEAR(run[Key::embodied_tco2e], 0.6480454698082192, 1e-12);
  const auto compared = run.compared();
  ASSERT_NE(compared.find(Key::embodied_tco2e), nullptr);
  EXPECT_NEAR(*compared.find(Key::embodied_tco2e)->delta, -0.018112924533001284, 1e-12);
  // Over the predicted days the share is another one; the published footprint is compared over the
  // published days.
  const OneRun longer{joined("device,devices,days,reported_days,reported_tco2e_embodied",
                             "V100,512,40.8,20.4,0.66"),
                      kLlmcarbon};
  EXPECT_NEAR(longer[Key::embodied_tco2e], 2 * 0.6480454698082192, 1e-12);
  EXPECT_NEAR(*longer.compared().find(Key::embodied_tco2e)->delta, -0.018112924533001284, 1e-12);
}

// ---- given, catalogue, default

TEST(ResolveEstimate, GivenBeatsCatalogue) {
  const OneRun blank{joined("params_b,device,region,days,devices", "30,H100,us-central1,10,8")};
  const OneRun full{
      joined("params_b,device,region,days,devices,peak_tflops,device_tdp_w,pue,"
             "intensity_kg_per_kwh,mfu,goodput,lifetime_years,utilization,"
             "devices_per_node,dtype,type",
             "30,H100,us-central1,10,8,500,600,1.5,0.1,0.5,0.9,4,0.5,4,fp16,dense")};
  const auto& b = blank.scenario();
  const auto& f = full.scenario();
  EXPECT_EQ(b.peak.basis, Basis::catalogue);
  expect_near((*b.peak).in(teraflops / device), 989.4);
  EXPECT_EQ(place_of(b.peak), "devices.csv h100-sxm");
  EXPECT_EQ(f.peak.basis, Basis::given);
  EXPECT_EQ((*f.peak).in(teraflops / device), 500);
  EXPECT_EQ(b.tdp.basis, Basis::catalogue);
  EXPECT_EQ((*b.tdp).in(watt / device), 700);
  EXPECT_EQ(f.tdp.basis, Basis::given);
  EXPECT_EQ((*f.tdp).in(watt / device), 600);
  EXPECT_EQ(b.pue.basis, Basis::catalogue);
  EXPECT_EQ(*b.pue, 1.11);
  EXPECT_EQ(f.pue.basis, Basis::given);
  EXPECT_EQ(*f.pue, 1.5);
  EXPECT_EQ(b.intensity.basis, Basis::catalogue);
  expect_near((*b.intensity).in(gram / kilowatt_hour), 412.72);
  EXPECT_EQ(f.intensity.basis, Basis::given);
  expect_near((*f.intensity).in(kilogram / kilowatt_hour), 0.1);
  EXPECT_EQ(b.goodput.basis, Basis::fallback);
  EXPECT_EQ(*b.goodput, 1.0);
  EXPECT_EQ(f.goodput.basis, Basis::given);
  EXPECT_EQ(b.lifetime.basis, Basis::fallback);
  EXPECT_EQ(place_of(b.lifetime), "defaults.csv lifetime_years");
  EXPECT_EQ(f.lifetime.basis, Basis::given);
  EXPECT_EQ(b.utilization.basis, Basis::fallback);
  EXPECT_EQ(f.utilization.basis, Basis::given);
  EXPECT_EQ(b.devices_per_node.basis, Basis::catalogue);
  EXPECT_EQ(*b.devices_per_node, 8);
  EXPECT_EQ(f.devices_per_node.basis, Basis::given);
  EXPECT_EQ(b.dtype_basis, Basis::fallback);
  EXPECT_EQ(b.dtype, hardware::Dtype::bf16);
  EXPECT_EQ(f.dtype_basis, Basis::given);
  EXPECT_EQ(f.dtype, hardware::Dtype::fp16);
  EXPECT_EQ(b.type_basis, Basis::fallback);
  EXPECT_EQ(f.type_basis, Basis::given);
  EXPECT_EQ(blank.result().estimate.rate.mfu.basis, Basis::model);
  EXPECT_EQ(full[Key::mfu], 0.5);
  EXPECT_EQ(full.result().estimate.rate.mfu.basis, Basis::given);
  // Whatever was not given can be traced.
  for (const auto place :
       {place_of(b.peak), place_of(b.tdp), place_of(b.pue), place_of(b.intensity),
        place_of(b.goodput), place_of(b.lifetime), place_of(b.utilization),
        place_of(b.devices_per_node), place_of(blank.result().estimate.rate.mfu)}) {
    EXPECT_FALSE(place.empty());
  }
}

TEST(ResolveEstimate, ArchitectureFillsInTheParameters) {
  const OneRun mixtral{joined("architecture,device,tokens_b,devices", "mixtral-8x7b,H100,100,8")};
  expect_near(mixtral[Key::total_params], 46.7e9, 0.01);
  expect_near(mixtral[Key::active_params], 12.9e9, 0.01);
  EXPECT_EQ(mixtral.scenario().type, "moe");
  EXPECT_EQ(mixtral.scenario().type_basis, Basis::catalogue);
  EXPECT_EQ(mixtral.scenario().active_params.basis, Basis::catalogue);
  const OneRun given_too{joined("architecture,params_b,active_params_b,device,tokens_b,devices",
                                "mixtral-8x7b,46,12,H100,100,8")};
  EXPECT_EQ(given_too[Key::total_params], 46e9);
  EXPECT_EQ(given_too[Key::active_params], 12e9);
  EXPECT_FALSE(given_too.warning(Oddity::params_differ)) << "1.5% apart";
  // Another size is another model: the active parameters of the shipped one do not belong to it.
  const OneRun other{
      joined("architecture,params_b,device,tokens_b,devices", "mixtral-8x7b,141,H100,100,8")};
  EXPECT_TRUE(other.warning(Oddity::params_differ));
  EXPECT_FALSE(other.has(Key::active_params));
  // An unknown name is in the way only where nothing else says what is needed.
  expect_failure(joined("architecture,device,tokens_b", "mixtral-8x7,H100,100"),
                 "unknown architecture 'mixtral-8x7'", Col::architecture);
  for (const char* cells : {"nonesuch,H100,,8", "nonesuch,H100,7,"}) {
    const OneRun run{joined("architecture,device,params_b,device_hours", cells)};
    EXPECT_TRUE(run.ok()) << cells << ": " << run.failure().what;
    EXPECT_TRUE(run.warning(Oddity::unknown_architecture)) << cells;
  }
}

TEST(ResolveEstimate, DimensionsGiveApproximateParameters) {
  const OneRun gpt3{
      joined("layers,hidden,vocab,device,tokens_b,devices", "96,12288,50257,V100,300,1000")};
  expect_near(gpt3[Key::total_params], 12.0 * 96 * 12288 * 12288 + 50257.0 * 12288);
  EXPECT_EQ(gpt3.scenario().total_params.basis, Basis::model);
  EXPECT_TRUE(gpt3.warning(Oddity::approximate_params));
  const OneRun moe{
      joined("type,layers,hidden,experts,experts_per_token,moe_layer_period,device,"
             "tokens_b,devices",
             "moe,24,1024,64,2,2,V100,300,1000")};
  const double h2 = 1024.0 * 1024.0;
  expect_near(moe[Key::total_params], 0.5 * 12 * 24 * h2 + 0.5 * 24 * (4 * h2 + 8 * h2 * 64));
  expect_near(moe[Key::active_params], 0.5 * 12 * 24 * h2 + 0.5 * 24 * (4 * h2 + 8 * h2 * 2));
  // An encoder is not what that equation describes.
  EXPECT_FALSE(OneRun(joined("type,layers,hidden,device,devices,days", "encoder,24,1024,V100,8,1"))
                   .has(Key::total_params));
}

TEST(ResolveEstimate, DeviceNamesAndFormats) {
  const OneRun ambiguous{joined("device,device_hours", "a100,10")};
  ASSERT_TRUE(ambiguous.warning(Oddity::ambiguous_device));
  EXPECT_EQ(ambiguous.warning(Oddity::ambiguous_device)->other, "a100-sxm-80");
  EXPECT_FALSE(
      OneRun(joined("device,device_hours", "A100 SXM 80GB,10")).warning(Oddity::ambiguous_device));
  // fp16 on a device without bf16; fp32 where half precision is slower.
  const OneRun v100{joined("params_b,device,dtype,devices,days", "10,V100,bf16,8,1")};
  EXPECT_EQ(v100.scenario().dtype, hardware::Dtype::fp16);
  EXPECT_TRUE(v100.warning(Oddity::ambiguous_dtype));
  EXPECT_EQ(OneRun(joined("params_b,device,devices,days", "10,V100,8,1")).scenario().dtype,
            hardware::Dtype::fp16);
  const OneRun sparse{joined("params_b,device,peak_tflops,devices,days", "10,H100,1979,8,1")};
  ASSERT_TRUE(sparse.warning(Oddity::sparse_peak));
  expect_near(sparse.warning(Oddity::sparse_peak)->b, 989.4);
  EXPECT_FALSE(OneRun(joined("params_b,device,peak_tflops,devices,days", "10,H100,990,8,1"))
                   .warning(Oddity::sparse_peak));
  EXPECT_TRUE(OneRun(joined("device,device_tdp_w,device_hours", "H100,200,1"))
                  .warning(Oddity::tdp_differs));

  const OneRun unknown{joined("device,device_tdp_w,device_hours", "Foo 9000,350,100")};
  EXPECT_TRUE(unknown.ok());
  EXPECT_TRUE(unknown.warning(Oddity::unknown_device_unused));
  EXPECT_FALSE(unknown.has(Key::embodied_tco2e));
  expect_failure(joined("device,device_hours", "H1000,100"), "unknown device 'H1000'", Col::device);
  const OneRun nearest_three{joined("device,device_hours", "H1000,100")};
  EXPECT_EQ(
      std::count(nearest_three.failure().help.begin(), nearest_three.failure().help.end(), '\''), 6)
      << "three names: " << nearest_three.failure().help;
  EXPECT_NE(nearest_three.failure().help.find("'H100'"), std::string::npos);
}

// ---- work, time, devices

TEST(ResolveEstimate, SolvesForWhatIsBlank) {
  const std::string kGpt = "params_b,device,mfu,goodput,";
  const std::string kCells = "30,A100,0.4,0.9,";
  const OneRun days{joined(kGpt + "tokens_b,devices", kCells + "600,1024")};
  expect_near(days[Key::training_days], 6.0 * 30e9 * 600e9 / (0.4 * 312e12 * 1024 * 0.9) / 86400);
  expect_near(days[Key::device_hours], days[Key::training_days] * kHoursPerDay * 1024);
  EXPECT_EQ(days.result().estimate.duration.days.basis, Basis::model);
  EXPECT_EQ(place_of(days.result().estimate.duration.days), "time.training");
  const std::string t = std::to_string(days[Key::training_days]);  // to 1e-6 days

  const OneRun devices{joined(kGpt + "tokens_b,days", kCells + "600," + t)};
  const double needed = (*devices.result().estimate.duration.devices).in(device);
  EXPECT_EQ(needed, std::floor(needed)) << "whole devices";
  EXPECT_NEAR(needed, 1024, 1);
  EXPECT_EQ(place_of(devices.result().estimate.duration.devices), "devices.needed");

  const OneRun tokens{joined(kGpt + "devices,days", kCells + "1024," + t)};
  expect_near(*tokens.result().estimate.duration.tokens, 600e9, 1e-6);
  EXPECT_EQ(place_of(tokens.result().estimate.duration.tokens), "tokens.6nd");
  expect_near(tokens[Key::training_flops], 6.0 * 30e9 * 600e9, 1e-6);

  // The same with the efficiency modeled, and from booked hours.
  const OneRun modeled{joined("params_b,device,tokens_b,devices", "30,A100,600,1024")};
  std::ostringstream booked;
  booked.precision(17);
  booked << modeled[Key::device_hours];
  const OneRun from_hours{
      joined("params_b,device,device_hours,devices", "30,A100," + booked.str() + ",1024")};
  expect_near(*from_hours.result().estimate.duration.tokens, 600e9);
  expect_near(from_hours[Key::training_days], modeled[Key::training_days]);
  expect_near(from_hours[Key::facility_energy_mwh], modeled[Key::facility_energy_mwh]);
  const OneRun hours_and_days{joined("device,device_hours,days", "A100,2400,10")};
  expect_near((*hours_and_days.result().estimate.duration.devices).in(device), 10);
  const OneRun only_hours{joined("params_b,device,device_hours", "30,A100," + booked.str())};
  expect_near(*only_hours.result().estimate.duration.tokens, 600e9);
  EXPECT_FALSE(only_hours.has(Key::training_days)) << "hours alone say nothing about days";
}

TEST(ResolveEstimate, ScalesAsTheEquationsSay) {
  const std::string header = "params_b,device,devices,tokens_b";
  const OneRun base{joined(header, "30,A100,1024,600")};
  const OneRun tokens{joined(header, "30,A100,1024,1200")};
  const OneRun devices{joined(header, "30,A100,2048,600")};
  for (const auto key : {Key::training_flops, Key::training_days, Key::device_hours,
                         Key::node_energy_mwh, Key::facility_energy_mwh, Key::embodied_tco2e}) {
    expect_near(tokens[key], 2 * base[key]);
  }
  expect_near(devices[Key::training_days], base[Key::training_days] / 2);
  expect_near(devices[Key::facility_energy_mwh], base[Key::facility_energy_mwh]);
}

TEST(ResolveEstimate, MoreTokensMoreOfEverything) {
  double last[kKeys] = {};
  for (double tokens = 1e-3; tokens < 1e5; tokens *= 7) {
    const OneRun run{joined("params_b,device,devices,region,tokens_b",
                            "7,H100,64,FRA," + std::to_string(tokens))};
    for (const auto key : {Key::training_flops, Key::training_days, Key::device_hours,
                           Key::device_energy_mwh, Key::node_energy_mwh, Key::facility_energy_mwh,
                           Key::operational_tco2e, Key::embodied_tco2e, Key::total_tco2e}) {
      EXPECT_GT(run[key], last[static_cast<std::size_t>(key)]) << info_of(key).name << tokens;
      last[static_cast<std::size_t>(key)] = run[key];
    }
  }
}

TEST(ResolveEstimate, ContradictionsAreFailures) {
  expect_failure(joined("device,devices,days,device_hours", "A100,8,10,1000"),
                 "device_hours is 1000", Col::device_hours);
  EXPECT_TRUE(OneRun(joined("device,devices,days,device_hours", "A100,8,10,1900")).ok())
      << "1% is rounding";
  expect_failure(joined("params_b,tokens_b,device,devices,days,mfu", "30,600,A100,1024,90,0.4"),
                 "at an MFU of 0.4", Col::tokens_b);
  expect_failure(joined("params_b,tokens_b,device,devices,days", "30,600,A100,1024,1"),
                 "above the peak", Col::tokens_b);
  expect_failure(joined("name", "x"), "no device", Col::device);
  expect_failure(joined("params_b,region", "30,FRA"), "no device", Col::device);
  expect_failure(joined("device,region", "A100,FRA"), "neither the work", Col::params_b);
}

TEST(ResolveEstimate, WorkAloneIsAnAnswer) {
  const OneRun run{joined("params_b,tokens_b", "30,600")};
  EXPECT_EQ(run[Key::training_flops], 6.0 * 30e9 * 600e9);
  EXPECT_FALSE(run.has(Key::device_hours));
  EXPECT_FALSE(run.has(Key::embodied_tco2e));
}

TEST(ResolveEstimate, MoreThanThePeakIsRefused) {
  // 563% "MFU" comes of the peak of another number format: no such run is computed in silence.
  const OneRun run{joined("params_b,tokens_b,device,devices,achieved_tflops", "30,600,A100,8,400")};
  EXPECT_FALSE(run.ok()) << "an MFU of " << run.predicted()[Key::mfu].value_or(0);
  EXPECT_FALSE(OneRun(joined("params_b,tokens_b,peak_tflops,device_tdp_w,devices,achieved_tflops",
                             "30,600,100,300,8,150"))
                   .ok());
}

TEST(ResolveEstimate, MoreActiveThanTotalParametersAreRefused) {
  EXPECT_FALSE(
      OneRun(joined("type,params_b,active_params_b,device,devices,days", "moe,10,20,A100,8,1"))
          .ok());
}

TEST(ResolveEstimate, OneNodeWhereDevicesAreUnknown) {
  const OneRun run{joined("params_b,device,tokens_b", "7,A100,10")};
  EXPECT_EQ((*run.result().estimate.duration.devices).in(device), 8);
  EXPECT_EQ(run.result().estimate.duration.devices.basis, Basis::fallback);
  EXPECT_TRUE(run.has(Key::training_days));
  EXPECT_EQ((*OneRun(joined("params_b,device", "7,tpu-v4")).result().estimate.duration.devices)
                .in(device),
            4);
  const OneRun rates{joined("params_b,device", "7,A100")};
  EXPECT_TRUE(rates.has(Key::tokens_per_s_per_device));
  EXPECT_TRUE(rates.has(Key::mfu));
  EXPECT_FALSE(rates.has(Key::training_days));
  EXPECT_FALSE(rates.has(Key::facility_energy_mwh));
}

TEST(ResolveEstimate, IterationsFillTheTraining) {
  const OneRun run{joined("params_b,device,devices,tokens_b,seq_len,global_batch_seqs",
                          "30,A100,1024,600,2048,1024")};
  const double steps = 600e9 / (2048.0 * 1024.0);
  expect_near(steps * run[Key::iteration_s] / 86400, run[Key::training_days]);
  EXPECT_FALSE(OneRun(joined("params_b,device,devices,tokens_b,seq_len", "30,A100,8,1,2048"))
                   .has(Key::iteration_s));
}

// ---- efficiency

TEST(ResolveEstimate, EfficiencyGivenAchievedImpliedOrModeled) {
  const OneRun achieved{
      joined("params_b,device,devices,tokens_b,achieved_tflops", "30,A100,8,1,156")};
  expect_near(achieved[Key::mfu], 0.5);
  EXPECT_TRUE(achieved.scenario().mfu_from_achieved);
  // mfu wins over achieved / peak; more than 2% apart is said.
  const OneRun both{
      joined("params_b,device,devices,tokens_b,achieved_tflops,mfu", "30,A100,8,1,156,0.4")};
  EXPECT_EQ(both[Key::mfu], 0.4);
  EXPECT_TRUE(both.warning(Oddity::mfu_conflict));
  EXPECT_FALSE(OneRun(joined("params_b,device,devices,tokens_b,achieved_tflops,mfu",
                             "30,A100,8,1,156,0.495"))
                   .warning(Oddity::mfu_conflict));

  const OneRun implied{
      joined("params_b,device,devices,tokens_b,days,goodput", "30,A100,1024,600,60,0.9")};
  expect_near(implied[Key::mfu], 6.0 * 30e9 * 600e9 / (312e12 * 1024 * 60 * 86400 * 0.9));
  EXPECT_EQ(place_of(implied.result().estimate.rate.mfu), "efficiency.implied");
  EXPECT_FALSE(implied.warning(Oddity::implied_mfu)) << "slower than modeled is no surprise";
  const OneRun optimistic{joined("params_b,device,devices,tokens_b,days", "30,A100,1024,600,6")};
  ASSERT_TRUE(optimistic.warning(Oddity::implied_mfu));
  expect_near(optimistic.warning(Oddity::implied_mfu)->a, optimistic[Key::mfu]);

  const auto modeled = [](const std::string& params, const EstimateOptions& options = {}) {
    return OneRun{joined("params_b,device,devices,tokens_b", params + ",A100,8,1"),
                  options}[Key::mfu];
  };
  const auto regression = [](double n) {
    return (-5.60233749e-23 * n * n + 8.45435587e-11 * n + 1.34546129e+02) / 312;
  };
  expect_near(modeled("175"), 0.75 * regression(175e9));
  expect_near(modeled("175", {.method = Method::llmcarbon}), regression(175e9));
  // Outside its range the regression stays at its nearer end, with a warning.
  EXPECT_EQ(modeled("0.1"), modeled("1"));
  EXPECT_EQ(modeled("100000"), modeled("1500"));
  EXPECT_TRUE(OneRun(joined("params_b,device,devices,tokens_b", "0.1,A100,8,1"))
                  .warning(Oddity::efficiency_range));
  EXPECT_TRUE(OneRun(joined("params_b,device,devices,tokens_b", "2000,A100,8,1"))
                  .warning(Oddity::efficiency_range));
  EXPECT_FALSE(OneRun(joined("params_b,device,devices,tokens_b", "175,A100,8,1"))
                   .warning(Oddity::efficiency_range));
}

TEST(ResolveEstimate, MixtureOfExpertsWorksWithItsActiveParameters) {
  const OneRun moe{
      joined("type,params_b,active_params_b,device,devices,tokens_b", "moe,46.7,12.9,H100,8,100")};
  expect_near(moe[Key::training_flops], 6.0 * 12.9e9 * 100e9);
  EXPECT_EQ(moe[Key::total_params], 46.7e9);
  // Without them the work is unknown: the total would be several times too much.
  const OneRun unknown{
      joined("type,params_b,device,device_hours,tokens_b", "moe,46.7,H100,100,100")};
  EXPECT_TRUE(unknown.warning(Oddity::moe_without_active));
  EXPECT_FALSE(unknown.has(Key::training_flops));
  EXPECT_FALSE(unknown.has(Key::mfu));
  EXPECT_TRUE(unknown.has(Key::facility_energy_mwh)) << "the hours are known all the same";
  expect_failure(joined("type,params_b,device,tokens_b", "moe,46.7,H100,100"), "active_params_b",
                 Col::params_b);
  // The type follows from the columns that only a mixture has.
  EXPECT_EQ(OneRun(joined("params_b,active_params_b,device,tokens_b", "46.7,12.9,H100,1"))
                .scenario()
                .type,
            "moe");
}

TEST(ResolveEstimate, BlindIgnoresWhatWasMeasured) {
  const std::string columns =
      "params_b,tokens_b,device,devices,region,achieved_tflops,mfu,goodput,"
      "system_power_w,reported_days,reported_mfu,reported_energy_mwh,"
      "reported_tco2e_embodied,total_zettaflops";
  const OneRun blind{joined(columns, "30,600,A100,1024,FRA,150,0.45,0.9,500,20,0.5,100,3,9"),
                     kBlind};
  const OneRun blank{joined(columns, "30,600,A100,1024,FRA,,,,,,,,,")};
  const OneRun seeing{joined(columns, "30,600,A100,1024,FRA,150,0.45,0.9,500,20,0.5,100,3,9")};
  for (std::size_t i = 0; i < kKeys; ++i) {
    const auto key = static_cast<Key>(i);
    EXPECT_EQ(blind.predicted()[key], blank.predicted()[key]) << info_of(key).name;
  }
  for (const auto key : {Key::mfu, Key::training_days, Key::node_energy_mwh, Key::total_tco2e}) {
    EXPECT_NE(seeing[key], blind[key]) << info_of(key).name;
  }
  // They are ignored for the prediction, not for the comparison.
  ASSERT_NE(blind.compared().find(Key::training_days), nullptr);
  expect_near(*blind.compared().find(Key::training_days)->delta,
              blind[Key::training_days] / 20 - 1);
}

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

TEST(ResolveEstimate, PowerScopesAreNotMixed) {
  constexpr double kNodeOverDevice = 1.44;  // defaults.csv
  // A given system power holds the host already.
  const auto given_power = draw("device,system_power_w", "V100,330");
  expect_near(given_power.node_w, 330);
  expect_near(given_power.device_w, 330 / kNodeOverDevice);
  // Measured in both scopes (power.csv).
  const auto h100 = draw("device", "H100");
  expect_near(h100.node_w, 895);
  expect_near(h100.device_w, 621);
  // At another limit both are scaled; at the stock limit they stay.
  const auto limited = draw("device,device_tdp_w", "H100,350");
  expect_near(limited.node_w, 895.0 / 2);
  expect_near(limited.device_w, 621.0 / 2);
  const auto stock = draw("device,device_tdp_w", "H100,700");
  expect_near(stock.node_w, 895);
  // Measured with the host only: the device is its share.
  const auto b200 = draw("device", "B200");
  expect_near(b200.node_w, 1197);
  expect_near(b200.device_w, 1197 / kNodeOverDevice);
  // Not measured: load times limit, and the rating of the server where it is known.
  const auto a100 = draw("device", "A100");
  expect_near(a100.device_w, 0.887 * 400);
  expect_near(a100.node_w, 0.76 * 6500 / 8);
  // Nothing but a limit: the device's load, then the host's share.
  const auto unknown = draw("device,device_tdp_w", "Foo 9000,350");
  expect_near(unknown.device_w, 0.887 * 350);
  expect_near(unknown.node_w, kNodeOverDevice * 0.887 * 350);
  const auto tpu = draw("device", "tpu-v5e");
  expect_near(tpu.device_w, 0.55 * 225);
  expect_near(tpu.node_w, 1.29 * 0.55 * 225);
  // A device is never above its node, and no scope comes without energy.
  for (const auto& d : shipped_catalogue().devices().all()) {
    const OneRun run{joined("device,device_hours", std::string{d.id} + ",1000")};
    ASSERT_TRUE(run.ok()) << d.id << ": " << run.failure().what;
    if (!run.has(Key::node_energy_mwh)) {
      EXPECT_TRUE(run.warning(Oddity::no_power)) << d.id;
      continue;
    }
    EXPECT_LE(run[Key::device_energy_mwh], run[Key::node_energy_mwh]) << d.id;
    expect_near(run[Key::facility_energy_mwh], 1.54 * run[Key::node_energy_mwh]);
  }
}

TEST(ResolveEstimate, HoursAloneGiveEnergyAndCarbon) {
  const OneRun run{joined("device,device_hours,region", "V100,100,europe-west1")};
  expect_near(run[Key::node_energy_mwh], 325 * 100 / 1e6);
  expect_near(run[Key::facility_energy_mwh], 325 * 100 / 1e6 * 1.09);
  expect_near(run[Key::operational_tco2e], 325 * 100 / 1e6 * 1.09 * 0.10337);
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

TEST(ResolveEstimate, PueByRegionThenProviderThenIndustry) {
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

TEST(ResolveEstimate, GivenIntensityMakesTheRegionALabel) {
  const std::string header = "device,device_hours,pue,region,intensity_kg_per_kwh";
  const OneRun label{joined(header, "V100,1000,1.1,somewhere,0.429")};
  EXPECT_FALSE(label.warning(Oddity::unknown_region));
  expect_near(label[Key::operational_tco2e], 0.325 * 1.1 * 0.429);
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

TEST(ResolveEstimate, EmbodiedBoundariesAreNotMixed) {
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

TEST(ResolveEstimate, LifetimeAndUtilizationShareTheFootprint) {
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

TEST(ResolveEstimate, RemarksOnWorkAndPhase) {
  const std::string header = "params_b,tokens_b,device,devices,total_zettaflops";
  EXPECT_TRUE(OneRun(joined(header, "30,600,A100,8,200")).warning(Oddity::zettaflops_differ));
  EXPECT_FALSE(OneRun(joined(header, "30,600,A100,8,110")).warning(Oddity::zettaflops_differ));
  EXPECT_TRUE(OneRun(joined("phase,params_b,tokens_b,device", "lora,30,1,A100"))
                  .warning(Oddity::phase_as_pretrain));
  EXPECT_FALSE(OneRun(joined("phase,params_b,tokens_b,device", "finetune,30,1,A100"))
                   .warning(Oddity::phase_as_pretrain));
}

// ---- whatever comes

TEST(ResolveEstimate, EveryPredictionIsFinite) {
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
              EXPECT_FALSE(run.failure().what.empty() || run.failure().help.empty()) << csv;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(computed, 500U);
  EXPECT_GT(refused, 100U);
}

TEST(ResolveEstimate, SameInputSameOutput) {
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
