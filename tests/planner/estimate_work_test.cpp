#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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

// ---- LLMCarbon's validation

TEST(EstimateWork, ReproducesLlmcarbon) {
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

TEST(EstimateWork, ReproducesLlmcarbonsEmbodiedXlm) {
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

TEST(EstimateWork, GivenBeatsCatalogue) {
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

TEST(EstimateWork, ArchitectureFillsInTheParameters) {
  const OneRun mixtral{joined("architecture,device,tokens_b,devices", "mixtral-8x7b,H100,100,8")};
  expect_near(mixtral[Key::total_params], 46.7e9, 0.01);
  expect_near(mixtral[Key::active_params], 12.9e9, 0.01);
  EXPECT_EQ(mixtral.scenario().type, "moe");
  EXPECT_EQ(mixtral.scenario().type_basis, Basis::catalogue);
  EXPECT_EQ(place_of(mixtral.scenario().active_params), "params.exact");
  const OneRun given_too{joined("architecture,params_b,active_params_b,device,tokens_b,devices",
                                "mixtral-8x7b,46,12,H100,100,8")};
  EXPECT_EQ(given_too[Key::total_params], mixtral[Key::total_params]) << "the dimensions win";
  EXPECT_EQ(given_too[Key::active_params], mixtral[Key::active_params]);
  EXPECT_FALSE(given_too.warning(Oddity::params_differ)) << "1.5% apart";
  // Another size is questioned.
  const OneRun other{
      joined("architecture,params_b,device,tokens_b,devices", "mixtral-8x7b,141,H100,100,8")};
  EXPECT_TRUE(other.warning(Oddity::params_differ));
  EXPECT_EQ(other[Key::total_params], mixtral[Key::total_params]);
  // An unknown name is in the way only where nothing else says what is needed.
  expect_failure(joined("architecture,device,tokens_b", "mixtral-8x7,H100,100"),
                 "unknown architecture 'mixtral-8x7'", Col::architecture);
  for (const char* cells : {"nonesuch,H100,,8", "nonesuch,H100,7,"}) {
    const OneRun run{joined("architecture,device,params_b,device_hours", cells)};
    EXPECT_TRUE(run.ok()) << cells << ": " << run.failure().what;
    EXPECT_TRUE(run.warning(Oddity::unknown_architecture)) << cells;
  }
}

TEST(EstimateWork, DimensionsGiveApproximateParameters) {
  const OneRun gpt3{
      joined("layers,hidden,vocab,device,tokens_b,devices", "96,12288,50257,V100,300,1000")};
  // With usual values for what they leave open: heads, feed-forward width, untied embedding.
  expect_near(gpt3[Key::total_params], 12.0 * 96 * 12288 * 12288 + 2 * 50257.0 * 12288, 1e-4);
  EXPECT_EQ(gpt3.scenario().total_params.basis, Basis::model);
  EXPECT_TRUE(gpt3.warning(Oddity::approximate_params));
  const OneRun moe{joined("type,layers,hidden,experts,experts_per_token,moe_layer_period,device,"
                          "tokens_b,devices",
                          "moe,24,1024,64,2,2,V100,300,1000"),
                   {.method = Method::llmcarbon}};
  const double h2 = 1024.0 * 1024.0;
  expect_near(moe[Key::total_params], 0.5 * 12 * 24 * h2 + 0.5 * 24 * (4 * h2 + 8 * h2 * 64));
  expect_near(moe[Key::active_params], 0.5 * 12 * 24 * h2 + 0.5 * 24 * (4 * h2 + 8 * h2 * 2));
  const OneRun encoder{
      joined("type,layers,hidden,device,devices,days", "encoder,24,1024,V100,8,1")};
  EXPECT_EQ(place_of(encoder.scenario().total_params), "params.exact");
}

TEST(EstimateWork, DeviceNamesAndFormats) {
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
  const auto help = remedy(nearest_three.failure(), shipped_catalogue());
  EXPECT_EQ(std::count(help.begin(), help.end(), '\''), 6) << "three names: " << help;
  EXPECT_NE(help.find("'H100'"), std::string::npos);
}

// ---- work, time, devices

constexpr double kSettled = 0.002;  // relative: the search for a number of devices

std::string digits(double value) {
  std::ostringstream text;
  text.precision(17);
  text << value;
  return text.str();
}

TEST(EstimateWork, SolvesForWhatIsBlank) {
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
  EXPECT_EQ(place_of(tokens.result().estimate.duration.tokens), "tokens.reached");
  expect_near(tokens[Key::training_flops], 6.0 * 30e9 * 600e9, 1e-6);

  // The same with the efficiency modeled, and from booked hours.
  for (const auto& options : {EstimateOptions{}, kSixNd}) {
    const OneRun modeled{joined("params_b,device,tokens_b,devices", "30,A100,600,1024"), options};
    const auto booked = digits(modeled[Key::device_hours]);
    const OneRun from_hours{
        joined("params_b,device,device_hours,devices", "30,A100," + booked + ",1024"), options};
    expect_near(*from_hours.result().estimate.duration.tokens, 600e9);
    expect_near(from_hours[Key::training_days], modeled[Key::training_days]);
    expect_near(from_hours[Key::facility_energy_mwh], modeled[Key::facility_energy_mwh]);
  }
  const OneRun hours_and_days{joined("device,device_hours,days", "A100,2400,10")};
  expect_near((*hours_and_days.result().estimate.duration.devices).in(device), 10);
  const OneRun regressed{joined("params_b,device,tokens_b,devices", "30,A100,600,1024"), kSixNd};
  const auto hours = digits(regressed[Key::device_hours]);
  const OneRun only_hours{joined("params_b,device,device_hours", "30,A100," + hours), kSixNd};
  expect_near(*only_hours.result().estimate.duration.tokens, 600e9);
  // Hours alone say nothing about devices and days: the rate is that of as few as hold the run.
  const OneRun few{joined("params_b,device,device_hours", "30,A100," + hours)};
  EXPECT_FALSE(few.has(Key::training_days));
  EXPECT_FALSE(few.result().estimate.duration.devices);
  const OneRun node{joined("params_b,device,devices,device_hours", "30,A100,8," + hours)};
  EXPECT_EQ(place_of(few.result().estimate.rate.mfu), "efficiency.step");
  expect_near(*few.result().estimate.rate.mfu, *node.result().estimate.rate.mfu);
}

TEST(EstimateWork, StepsSolveForWhatIsBlank) {
  struct Case {
    std::string header;
    std::string cells;
    double devices;
  };
  const std::vector<Case> cases{
      {"params_b,device", "30,A100", 1024},
      {"architecture,device,seq_len,global_batch_seqs", "llama-3.1-8b,H100,8192,1024", 256},
      {"architecture,device,seq_len", "llama-3.1-8b,H100,8192", 256},
      {"architecture,device,seq_len,global_batch_seqs,framework_family,tp,pp,micro_batch_seqs",
       "llama-3.1-70b,H100,8192,2048,megatron,8,4,1", 512},
      {"architecture,device,seq_len,global_batch_seqs,tp,ep,micro_batch_seqs,framework_family",
       "mixtral-8x7b,H100,4096,1024,2,8,1,megatron", 128},
      {"architecture,device,seq_len", "llama-3.1-8b,tpu-v5p,8192", 256}};
  for (const auto& [header, cells, count] : cases) {
    SCOPED_TRACE(cells);
    const auto with = [&, h = header, c = cells](const std::string& columns,
                                                 const std::string& values) {
      return joined(h + "," + columns, c + "," + values);
    };
    const auto n = digits(count);
    const OneRun days{with("tokens_b,devices", "1000," + n)};
    ASSERT_TRUE(days.ok()) << days.failure().what;
    EXPECT_EQ(place_of(days.result().estimate.rate.mfu), "efficiency.step");
    const auto time = digits(days[Key::training_days]);

    const OneRun tokens{with("devices,days", n + "," + time)};
    expect_near(*tokens.result().estimate.duration.tokens, 1000e9, 1e-9);
    EXPECT_EQ(tokens[Key::mfu], days[Key::mfu]);

    const OneRun devices{with("tokens_b,days", "1000," + time)};
    const double needed = (*devices.result().estimate.duration.devices).in(device);
    EXPECT_EQ(place_of(devices.result().estimate.duration.devices), "devices.needed");
    EXPECT_LE(needed, count) << "as few as do it";
    EXPECT_GT(needed, 0.8 * count);
    EXPECT_EQ(place_of(devices.result().estimate.rate.mfu), "efficiency.step");
    EXPECT_LE(devices[Key::training_days], days[Key::training_days] * (1 + kSettled));
  }
}

TEST(EstimateWork, DevicesSolvedForTakeAsLongAsWasStated) {
  // Where the plan, or what a replica has of the batch, jumps with the number of devices.
  struct Case {
    const char* run;
    const char* tokens_b;
    double days;
    const char* family;
  };
  for (const auto& [model, tokens, days, family] :
       {Case{"llama-3.1-8b,h100-sxm", "1000", 10, ""},
        Case{"llama-3.1-8b,h100-sxm", "15000", 90, ""},
        Case{"llama-3.1-70b,a100-sxm-80", "100", 33, "megatron"},
        Case{"llama-3.1-8b,mi300x", "1000", 33, "megatron"}}) {
    const auto with = [&, m = model, t = tokens, f = family](const char* column, double value) {
      return joined(
          std::string{"architecture,device,tokens_b,framework_family,global_batch_seqs,"} + column,
          fmt::format("{},{},{},1024,{}", m, t, f, digits(value)));
    };
    const OneRun solved{with("days", days)};
    ASSERT_TRUE(solved.ok()) << model;
    const double n = (*solved.result().estimate.duration.devices).in(device);
    const auto takes = [&](double devices) {
      const OneRun run{with("devices", devices)};
      return run.result().status() == Status::ok ? run[Key::training_days] : 1e9;
    };
    EXPECT_LE(takes(n), days * (1 + 1e-6)) << model << ", " << n << " devices";
    EXPECT_LE(solved[Key::training_days], days);
    const double fewer = n > 8 ? n - 8 : n - 1;  // a node less
    EXPECT_GT(takes(fewer), days) << model << ", " << fewer << " devices";
  }
}

TEST(EstimateWork, AsFewDevicesAsDoItAreSolvedFor) {
  const std::string header = "params_b,device,tokens_b,global_batch_seqs,";
  const OneRun run{joined(header + "devices", "30,A100,1000,2048,1024")};
  const OneRun back{
      joined(header + "days", "30,A100,1000,2048," + digits(run[Key::training_days]))};
  const double needed = (*back.result().estimate.duration.devices).in(device);
  EXPECT_LE(needed, 1024);
  EXPECT_GT(needed, 0.8 * 1024);
}

TEST(EstimateWork, DevicesSolvedForHoldTheStatedReplica) {
  const OneRun run{
      joined("architecture,device,tokens_b,days,tp,pp", "llama-3.1-8b,H100,10,33,8,1")};
  ASSERT_TRUE(run.ok());
  EXPECT_GE((*run.result().estimate.duration.devices).in(device), 8)
      << "the same row with so many devices is refused";
}

TEST(EstimateWork, AWholePlanSaysHowManyDevices) {
  const OneRun run{joined(
      "architecture,device,tokens_b,days,seq_len,global_batch_seqs,tp,pp,dp,micro_batch_seqs",
      "llama-3.1-8b,H100,1000,30,4096,1024,2,1,16,1")};
  ASSERT_TRUE(run.ok());
  EXPECT_TRUE((*run.result().estimate.duration.devices).in(device) == 32 ||
              run.warning(Oddity::plan_devices))
      << "other devices than the plan is timed on, in silence";
}

TEST(EstimateWork, ScalesAsTheEquationsSay) {
  const std::string header = "params_b,device,devices,tokens_b";
  for (const auto& options : {EstimateOptions{}, kSixNd}) {
    const OneRun base{joined(header, "30,A100,1024,600"), options};
    const OneRun tokens{joined(header, "30,A100,1024,1200"), options};
    for (const auto key : {Key::training_flops, Key::training_days, Key::device_hours,
                           Key::node_energy_mwh, Key::facility_energy_mwh, Key::embodied_tco2e}) {
      expect_near(tokens[key], 2 * base[key]);
    }
    EXPECT_EQ(tokens[Key::mfu], base[Key::mfu]);
  }
  const OneRun base{joined(header, "30,A100,1024,600"), kSixNd};
  const OneRun devices{joined(header, "30,A100,2048,600"), kSixNd};
  expect_near(devices[Key::training_days], base[Key::training_days] / 2);
  expect_near(devices[Key::facility_energy_mwh], base[Key::facility_energy_mwh]);
  // A step on more devices waits longer for the network: shorter runs, no fewer hours.
  double last_days = HUGE_VAL;
  double last_hours = 0;
  for (const char* count : {"64", "256", "1024", "4096"}) {
    const OneRun run{joined(header + ",seq_len,tp,pp,micro_batch_seqs,global_batch_seqs,recompute",
                            "30,A100," + std::string{count} + ",600,2048,4,2,1,4096,selective")};
    EXPECT_LT(run[Key::training_days], last_days) << count;
    EXPECT_GT(run[Key::device_hours], last_hours) << count;
    last_days = run[Key::training_days];
    last_hours = run[Key::device_hours];
  }
}

TEST(EstimateWork, MoreTokensMoreOfEverything) {
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

TEST(EstimateWork, ContradictionsAreFailures) {
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

TEST(EstimateWork, WorkAloneIsAnAnswer) {
  const OneRun run{joined("params_b,tokens_b", "30,600")};
  EXPECT_EQ(run[Key::training_flops], 6.0 * 30e9 * 600e9);
  EXPECT_FALSE(run.has(Key::device_hours));
  EXPECT_FALSE(run.has(Key::embodied_tco2e));
}

TEST(EstimateWork, MoreThanThePeakIsRefused) {
  // 563% "MFU" comes of the peak of another number format: no such run is computed in silence.
  const OneRun run{joined("params_b,tokens_b,device,devices,achieved_tflops", "30,600,A100,8,400")};
  EXPECT_FALSE(run.ok()) << "an MFU of " << run.predicted()[Key::mfu].value_or(0);
  EXPECT_FALSE(OneRun(joined("params_b,tokens_b,peak_tflops,device_tdp_w,devices,achieved_tflops",
                             "30,600,100,300,8,150"))
                   .ok());
}

TEST(EstimateWork, MoreActiveThanTotalParametersAreRefused) {
  EXPECT_FALSE(
      OneRun(joined("type,params_b,active_params_b,device,devices,days", "moe,10,20,A100,8,1"))
          .ok());
}

TEST(EstimateWork, OneNodeWhereDevicesAreUnknown) {
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

TEST(EstimateWork, IterationsFillTheTraining) {
  const OneRun run{joined("params_b,device,devices,tokens_b,seq_len,global_batch_seqs",
                          "30,A100,1024,600,2048,1024")};
  const double steps = 600e9 / (2048.0 * 1024.0);
  const double useful = *run.result().estimate.duration.goodput;
  EXPECT_LT(useful, 0.95);
  EXPECT_GT(useful, 0.75);
  expect_near(steps * run[Key::iteration_s] / 86400 / useful, run[Key::training_days]);
  EXPECT_FALSE(OneRun(joined("params_b,device,devices,tokens_b,seq_len", "30,A100,8,1,2048"))
                   .has(Key::iteration_s));
}

TEST(EstimateWork, TimeIsLostWhereItIsNotSaid) {
  const std::string header = "architecture,device,devices,tokens_b";
  const std::string cells = "llama-3.1-8b,H100,256,1000";
  const OneRun modeled{joined(header, cells)};
  const auto& d = modeled.result().estimate.duration;
  ASSERT_TRUE(d.shares);
  EXPECT_EQ(place_of(d.goodput), "goodput.useful");
  EXPECT_DOUBLE_EQ(d.shares->useful, *d.goodput);
  // What is stated wins.
  const OneRun stated{joined(header + ",goodput", cells + ",0.5")};
  EXPECT_EQ(*stated.result().estimate.duration.goodput, 0.5);
  EXPECT_FALSE(stated.result().estimate.duration.shares);
  expect_near(stated[Key::training_days] * 0.5, modeled[Key::training_days] * *d.goodput);
  EXPECT_EQ(stated[Key::tokens_per_s_per_device], modeled[Key::tokens_per_s_per_device]);
  // A measured efficiency is taken as it is.
  const OneRun measured{joined(header + ",mfu", cells + ",0.4")};
  EXPECT_EQ(*measured.result().estimate.duration.goodput, 1);
  // More devices, more faults.
  const OneRun large{joined(header, "llama-3.1-8b,H100,16384,1000")};
  EXPECT_LT(*large.result().estimate.duration.goodput, *d.goodput);
}

// ---- efficiency

TEST(EstimateWork, EfficiencyGivenAchievedImpliedOrModeled) {
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
    const Key key = options.method == Method::llmcarbon ? Key::hfu : Key::mfu;
    return OneRun{joined("params_b,device,devices,tokens_b", params + ",A100,8,1"), options}[key];
  };
  const auto out_of_range = [](const std::string& params, const EstimateOptions& options) {
    const OneRun run{joined("params_b,device,devices,tokens_b", params + ",A100,8,1"), options};
    return run.warning(Oddity::efficiency_range) != nullptr;
  };
  const auto regression = [](double n) {
    return (-5.60233749e-23 * n * n + 8.45435587e-11 * n + 1.34546129e+02) / 312;
  };
  expect_near(modeled("175", kSixNd), 0.75 * regression(175e9));
  expect_near(modeled("175", {.method = Method::llmcarbon}), regression(175e9));
  // Outside its range the regression stays at its nearer end, with a warning.
  EXPECT_EQ(modeled("0.1", kSixNd), modeled("1", kSixNd));
  EXPECT_EQ(modeled("100000", kSixNd), modeled("1500", kSixNd));
  for (const char* params : {"0.1", "2000"}) {
    EXPECT_TRUE(out_of_range(params, kSixNd)) << params;
    EXPECT_FALSE(out_of_range(params, {})) << "a step has no such range";
  }
  EXPECT_FALSE(out_of_range("175", kSixNd));
  EXPECT_LT(modeled("0.1"), modeled("1")) << "small products fill a device less";
}

TEST(EstimateWork, UtilizationIsThatOfAStep) {
  for (const char* cells :
       {"dense,,30,,A100,1024", "moe,,46.7,12.9,H100,64", ",llama-2-7b,,,V100,8",
        ",llama-2-7b,,,tpu-v4,64", ",nemotron-3-super,,,B200,512"}) {
    const OneRun run{joined("type,architecture,params_b,active_params_b,device,devices,tokens_b",
                            std::string{cells} + ",100")};
    ASSERT_TRUE(run.ok()) << cells << run.failure().what;
    const auto& e = run.result().estimate;
    EXPECT_EQ(place_of(e.rate.mfu), "efficiency.step") << cells;
    EXPECT_GT(run[Key::mfu], 0.01) << cells;
    EXPECT_LT(run[Key::mfu], 1) << cells;
    ASSERT_TRUE(e.step.question) << cells;
    // As many tokens as go through the step.
    const auto& q = *e.step.question;
    expect_near(run[Key::tokens_per_s_per_device],
                q.batch_tokens / q.devices / e.step.time.total().in(second));
    EXPECT_EQ(q.devices, (*e.duration.devices).in(device)) << cells;
  }
}

TEST(EstimateWork, TheRegressionIsLeftForWhatHasNoStep) {
  const std::string header = "type,params_b,device,peak_tflops,device_tdp_w,devices,tokens_b";
  const auto from = [&](const std::string& cells, const EstimateOptions& options = {}) {
    const OneRun run{joined(header, cells), options};
    EXPECT_TRUE(run.ok()) << cells << run.failure().what;
    const auto& rate = run.result().estimate.rate;
    // How far it is off is measured on runs whose step is known; of the methods of others nothing
    // is promised.
    const auto& p = run.predicted();
    EXPECT_EQ(p.low(Key::training_days).has_value(), options.method == Method::full);
    if (const auto low = p.low(Key::training_days)) {
      const double width = shipped_catalogue().step_spread().regression;
      expect_near(*p[Key::training_days] / *low, std::exp(width), 1e-6);
      expect_near(*p.high(Key::mfu) / *p[Key::mfu], std::min(std::exp(width), 1 / *p[Key::mfu]),
                  1e-6);
    }
    return std::string{rate.mfu ? place_of(rate.mfu) : place_of(rate.hfu)};
  };
  EXPECT_EQ(from("dense,7,A100,,,64,100", kSixNd), "efficiency.llmcarbon");
  EXPECT_EQ(from("dense,7,A100,,,64,100", {.method = Method::llmcarbon}),
            "efficiency.llmcarbon.hardware");
  EXPECT_EQ(from("dense,7,Foo 9000,300,400,64,100"), "efficiency.llmcarbon") << "no memory";
  EXPECT_EQ(from("vision,7,A100,,,64,100"), "efficiency.llmcarbon") << "no usual shape";
}

TEST(EstimateWork, FrameworksThatNobodyKnowsAreTimed) {
  const auto step = [](const std::string& family) {
    const OneRun run{
        joined("architecture,device,devices,tokens_b,seq_len,tp,micro_batch_seqs,recompute,"
               "global_batch_seqs,framework_family",
               "llama-3.1-8b,H100,64,1000,4096,2,1,none,512," + family)};
    EXPECT_TRUE(run.ok()) << family << run.failure().what;
    EXPECT_EQ(place_of(run.result().estimate.rate.mfu), "efficiency.step") << family;
    return run[Key::iteration_s];
  };
  EXPECT_EQ(step("nonesuch"), step("other"));
  // What is said of the software makes a difference, and none that is out of all proportion.
  for (const char* family : {"", "megatron", "fsdp_torch", "deepspeed", "xla_gpu"}) {
    EXPECT_NEAR(std::log(step(family) / step("other")), 0, std::log(2)) << family;
  }
}

TEST(EstimateWork, MixtureOfExpertsWorksWithItsActiveParameters) {
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

TEST(EstimateWork, BlindIgnoresWhatWasMeasured) {
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

}  // namespace
}  // namespace pretrain::planner
