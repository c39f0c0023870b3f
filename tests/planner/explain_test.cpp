#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "models/architecture_spec.hpp"
#include "planner/beside.hpp"
#include "tests/planner/rows.hpp"

namespace pretrain::planner {
namespace {

struct Case {
  std::string csv;
  EstimateOptions options;
};

/// Runs that between them use every equation of the chain.
const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"params_b,device,devices,tokens_b,region,seq_len,global_batch_seqs\n"
       "30,A100,1024,600,us-central1,2048,1024\n",
       {}},
      {"params_b,device,tokens_b,days,region\n175,H100,300,30,FRA\n", {}},
      {"device,devices,device_hours,region\nA100,8,1000,FRA\n", {}},
      {"device,days,device_hours,region\nA100,5,1000,FRA\n", {}},
      {"params_b,device,devices,days,goodput,region\n7,tpu-v4,64,10,0.9,us-east-1\n", {}},
      {"params_b,device,devices,tokens_b,days,goodput\n30,A100,1024,600,60,0.9\n", {}},
      {"params_b,device,devices,tokens_b,achieved_tflops,system_power_w,intensity_kg_per_kwh\n"
       "30,V100,512,100,25,330,0.4\n",
       {}},
      {"type,params_b,active_params_b,device,devices,tokens_b,device_tdp_w,mfu\n"
       "moe,46.7,12.9,H100,512,1000,500,0.4\n",
       {}},
      {"layers,hidden,vocab,device,devices,tokens_b,region\n96,12288,50257,V100,1000,300,DEU\n",
       {}},
      {"layers,hidden,device,devices,tokens_b\n24,1024,B200,8,30\n", {}},
      {"layers,hidden,vocab,device,devices,tokens_b,region\n96,12288,50257,V100,1000,300,DEU\n",
       {.method = Method::llmcarbon}},
      {"type,layers,hidden,experts,experts_per_token,moe_layer_period,device,tokens_b,days\n"
       "moe,24,1024,64,2,2,tpu-v3,100,10\n",
       {.method = Method::llmcarbon}},
      {"architecture,device,devices,tokens_b,tp,pp,interleave,global_batch_seqs,framework_family\n"
       "mixtral-8x7b,H100,512,1000,2,4,2,512,megatron\n",
       {}},
      {"architecture,device,devices,tokens_b,tp,ep,seq_len\n"
       "nemotron-3-super,B200,512,1000,2,64,8192\n",
       {}},
      {"architecture,device,devices,tokens_b,tp,recompute,reported_flop_convention,year\n"
       "llama-2-7b,A100,64,1000,2,none,model_full_attention,2022\n",
       {}},
      {"architecture,device,devices,tokens_b,recompute,reported_flop_convention\n"
       "llama-2-7b,A100,64,1000,full,hardware\n",
       {}},
      {"phase,architecture,trainable_params_b,device,devices,tokens_b\n"
       "lora,llama-2-7b,0.1,A100,8,1\n",
       {}},
      {"phase,architecture,teacher_params_b,device,devices,tokens_b\n"
       "distill,llama-2-7b,70,A100,64,1000\n",
       {}},
      {"phase,params_b,trainable_params_b,device,devices,tokens_b\nlora,7,0.1,A100,8,1\n", {}},
      {"phase,params_b,teacher_params_b,device,devices,tokens_b\ndistill,7,70,A100,64,1000\n", {}},
      {"type,params_b,active_params_b,device,devices,tokens_b,tp,seq_len,sharding\n"
       "moe,46.7,12.9,H100,64,1000,8,4096,zero3\n",
       {}},
      {"architecture,device,devices,tokens_b,tp,pp\nllama-3.1-405b,H100,8,1000,1,1\n", {}},
      {"params_b,device,devices,days,region\n175,V100,512,20.4,FRA\n",
       {.method = Method::llmcarbon, .embodied = Embodied::llmcarbon}},
      {"device,device_hours,region\nV100,100,europe-west1\n", {.embodied = Embodied::card}},
      {"device,device_tdp_w,device_hours\nFoo 9000,350,100\n", {}},
      {"device,device_hours,devices,region\ntpu-v5e,100,8,us-west1\n", {}},
      {"params_b,device\n7,A100\n", {}},
      {"params_b,device,devices,tokens_b\n30,A100,1024,600\n", {.method = Method::six_nd}},
      {"architecture,device,peak_tflops,device_tdp_w,devices,tokens_b,reported_flop_convention\n"
       "llama-2-7b,Foo 9000,300,400,64,1000,model_full_attention\n",
       {}},
      {"architecture,device,devices,tokens_b\nllama-2-7b,A100,64,1000\n", {.interval = 0}},
      {"architecture,device,devices,tokens_b,region,market_intensity_kg_per_kwh,generated_tokens_"
       "b\n"
       "llama-2-7b,A100,64,1000,us-central1,0.1,1000\n",
       {.embodied = Embodied::act,
        .asked = {true, true, true, std::optional{2.0}, std::optional{0.1}}}},
      {"architecture,device,devices,tokens_b,region,trials\nmixtral-8x7b,RTX 4090,64,1,FRA,30\n",
       {}},
      {"architecture,device,days,tokens_b\nmixtral-8x7b,H100,60,1000\n",
       {.plan = PlanMode::best, .interval = 0.5}},
  };
  return all;
}

using Terms = std::map<std::string, double, std::less<>>;
using Equation = std::function<double(const Terms&)>;

constexpr double kTera = 1e12;
constexpr double kSecondsPerHour = 3600;
constexpr double kSecondsPerDay = 86400;

double sum(const Terms& terms) {
  double total = 0;
  for (const auto& [symbol, value] : terms) total += value;
  return total;
}

double throughput(double params) {
  const double n = std::clamp(params, 1e9, 1.5e12);
  return -5.60233749e-23 * n * n + 8.45435587e-11 * n + 1.34546129e+02;
}

/// The equations once more, in the units in which their terms are shown.
const std::map<std::string, Equation, std::less<>>& equations() {
  static const std::map<std::string, Equation, std::less<>> all{
      {"params.llmcarbon.dense",
       [](const Terms& t) {
         const double vocab = t.contains("V") ? t.at("V") : 0.0;
         return 12 * t.at("l") * t.at("h") * t.at("h") + vocab * t.at("h");
       }},
      {"params.llmcarbon.moe",
       [](const Terms& t) {
         const double h2 = t.at("h") * t.at("h");
         return (1 - t.at("rho")) * 12 * t.at("l") * h2 +
                t.at("rho") * t.at("l") * (4 * h2 + 8 * h2 * t.at("N_e"));
       }},
      {"params.exact", sum},
      {"params.active", [](const Terms& t) { return t.at("N") - t.at("N_idle"); }},
      {"architecture.usual_shape",
       [](const Terms& t) { return models::usual_shape(t.at("N")).hidden; }},
      {"flops.linear", sum},
      {"flops.attention.causal",
       [](const Terms& t) { return 2 * t.at("l") * t.at("c") * t.at("w"); }},
      {"flops.attention.full",
       [](const Terms& t) { return 2 * t.at("l") * t.at("c") * t.at("w"); }},
      {"flops.state_space",
       [](const Terms& t) { return t.at("l_s") * (t.at("convolution") + t.at("scan")); }},
      {"flops.mixers",
       [](const Terms& t) { return 2 * t.at("l") * t.at("c") * t.at("w") + t.at("S"); }},
      {"efficiency.converted",
       [](const Terms& t) { return t.at("MFU_r") * t.at("f") / t.at("f_r"); }},
      {"flops.token", [](const Terms& t) { return 3 * t.at("F") + 3 * t.at("A"); }},
      {"flops.token.hardware",
       [](const Terms& t) { return 3 * t.at("F") + 3 * t.at("A") + t.at("recomputed"); }},
      {"flops.token.frozen",
       [](const Terms& t) { return 2 * t.at("F") + 3 * t.at("A") + 2 * t.at("N_t"); }},
      {"flops.token.distill",
       [](const Terms& t) { return 3 * t.at("F") + 3 * t.at("A") + 2 * t.at("N_teacher"); }},
      {"flops.6nd", [](const Terms& t) { return 6 * t.at("N"); }},
      {"flops.6nd.frozen", [](const Terms& t) { return 4 * t.at("N") + 2 * t.at("N_t"); }},
      {"flops.6nd.distill", [](const Terms& t) { return 6 * t.at("N") + 2 * t.at("N_teacher"); }},
      {"flops.training", [](const Terms& t) { return t.at("f") * t.at("D"); }},
      {"tokens.reached", [](const Terms& t) { return t.at("C") / t.at("f"); }},
      {"memory.state", sum},
      {"memory.activations.block", sum},
      {"memory.activations.state_space", sum},
      {"memory.in_flight",
       [](const Terms& t) {
         const double p = t.at("p");
         const double v = t.at("v");
         if (v <= 1) return std::min(t.at("m"), p - t.at("r"));
         return std::min(t.at("m"), (2 * (p - 1 - t.at("r")) + (v - 1) * p + 1) / v);
       }},
      {"memory.device", sum},
      {"step.time", sum},
      {"efficiency.step",
       [](const Terms& t) {
         return t.at("T") * t.at("f") / (t.at("t") * t.at("n") * t.at("P") * kTera);
       }},
      {"goodput.interruptions",
       [](const Terms& t) { return kSecondsPerHour / (t.at("lambda") * t.at("n")); }},
      {"goodput.interval", [](const Terms& t) { return std::sqrt(2 * t.at("delta") * t.at("M")); }},
      {"goodput.useful",
       [](const Terms& t) {
         return 1 / (1 / t.at("p") + t.at("delta") / t.at("tau") +
                     (t.at("tau") / 2 + t.at("R")) / t.at("M"));
       }},
      {"interval.product",
       [](const Terms& t) {
         models::LogSum sum;
         for (const std::string name : {"time", "goodput", "power", "pue", "intensity"}) {
           if (!t.contains(name + "+")) continue;
           const bool floor = name == "time" && t.contains("floor");
           sum.add({t.at(name + "-"), t.at(name + "+")}, floor ? t.at("floor") : HUGE_VAL);
         }
         return sum.ends(models::normal_quantile(0.95)).up;
       }},
      {"step.interval",
       [](const Terms& t) {
         const auto z = [](double p) { return models::normal_quantile(0.5 + p / 2); };
         return std::exp(t.at("s_90") * z(t.at("p")) / z(0.9));
       }},
      {"memory.reported", [](const Terms& t) { return 1.053 * t.at("allocated") + 2; }},
      {"memory.usable", [](const Terms& t) { return t.at("device") - 2; }},
      {"memory.fit",
       [](const Terms& t) { return t.at("memory.device") <= t.at("memory.usable") ? 1.0 : 0.0; }},
      {"rate.device", [](const Terms& t) { return t.at("MFU") * t.at("peak"); }},
      {"rate.llmcarbon", [](const Terms& t) { return t.at("HFU") * t.at("peak"); }},
      {"time.booked", [](const Terms& t) { return t.at("n_T") / t.at("n") / 24; }},
      {"devices.booked", [](const Terms& t) { return t.at("n_T") / (24 * t.at("T")); }},
      {"rate.tokens", [](const Terms& t) { return t.at("R") * kTera / t.at("f"); }},
      {"time.iteration",
       [](const Terms& t) { return t.at("s") * t.at("B") / (t.at("r") * t.at("n")); }},
      {"time.training",
       [](const Terms& t) {
         return t.at("C") / (t.at("R") * kTera * t.at("n") * t.at("g")) / kSecondsPerDay;
       }},
      {"flops.booked",
       [](const Terms& t) {
         return t.at("R") * kTera * t.at("n_T") * kSecondsPerHour * t.at("g");
       }},
      {"devices.needed",
       [](const Terms& t) {
         const double n = t.at("C") / (t.at("R") * kTera * t.at("T") * kSecondsPerDay * t.at("g"));
         // The fewest that do it with a plan of their own are no fewer than that.
         const bool planned = t.count("m") > 0;
         EXPECT_TRUE(!planned || t.at("m") >= std::ceil(n * (1 - 1e-9)));
         return planned ? t.at("m") : std::ceil(n);
       }},
      {"time.device_hours", [](const Terms& t) { return t.at("n") * t.at("T") * 24; }},
      {"efficiency.achieved", [](const Terms& t) { return t.at("achieved") / t.at("peak"); }},
      {"efficiency.llmcarbon", [](const Terms& t) { return 0.75 * throughput(t.at("N")) / 312; }},
      {"efficiency.llmcarbon.hardware", [](const Terms& t) { return throughput(t.at("N")) / 312; }},
      {"efficiency.implied",
       [](const Terms& t) {
         return t.at("C") / (t.at("peak") * kTera * t.at("n_T") * kSecondsPerHour * t.at("g"));
       }},
      {"power.shares",
       [](const Terms& t) {
         return t.at("pace") * t.at("compute") / t.at("total") * (1 - t.at("waits"));
       }},
      {"power.shares.usual", [](const Terms& t) { return t.at("pace"); }},
      {"power.load",
       [](const Terms& t) {
         double load = 0;
         for (const std::string kind : {"products", "slow", "traffic", "exchange", "wait"}) {
           load += t.at("s_" + kind) * t.at("a_" + kind);
         }
         return load;
       }},
      {"power.device.load",
       [](const Terms& t) {
         return t.at("P_idle") + (t.at("P_most") - t.at("P_idle")) * t.at("load");
       }},
      {"power.device.share",
       [](const Terms& t) {
         return t.at("P_node") * t.at("eta") / (1 + t.at("f")) - t.at("P_host") / t.at("n_s");
       }},
      {"power.node",
       [](const Terms& t) {
         return (t.at("P_device") + t.at("P_host") / t.at("n_s")) * (1 + t.at("f")) / t.at("eta");
       }},
      {"energy.device", [](const Terms& t) { return t.at("P_device") * t.at("n_T") / 1e6; }},
      {"energy.node", [](const Terms& t) { return t.at("P_node") * t.at("n_T") / 1e6; }},
      {"energy.facility", [](const Terms& t) { return t.at("PUE") * t.at("E_node"); }},
      {"carbon.operational", [](const Terms& t) { return t.at("E") * t.at("CI"); }},
      {"carbon.offset", [](const Terms& t) { return t.at("share") * t.at("CO2e"); }},
      {"carbon.market", [](const Terms& t) { return t.at("E") * t.at("CI_m"); }},
      {"carbon.carbon_free", [](const Terms& t) { return (1 - t.at("cfe")) * t.at("CO2e"); }},
      {"embodied.act.area",
       [](const Terms& t) {
         return (t.at("CI_fab") * t.at("EPA") + t.at("GPA") + t.at("MPA")) / t.at("Y");
       }},
      {"embodied.act.chips",
       [](const Terms& t) {
         return t.at("A") * t.at("CPA") + t.at("M") * t.at("m") + t.at("n_p") * t.at("p");
       }},
      {"embodied.act.server",
       [](const Terms& t) { return t.at("chips") + t.at("host") / t.at("n_s"); }},
      {"embodied.guess", [](const Terms& t) { return t.at("k") * t.at("chips"); }},
      {"embodied.building",
       [](const Terms& t) { return t.at("E_node") * t.at("m") / (t.at("LT") * 8760) / 1e0; }},
      {"phases.development",
       [](const Terms& t) { return t.at("E") * t.at("d") / (1 - t.at("d")); }},
      {"phases.embodied", [](const Terms& t) { return t.at("factor") * t.at("embodied"); }},
      {"phases.trials", [](const Terms& t) { return t.at("k") * t.at("w") * t.at("E"); }},
      {"phases.stored",
       [](const Terms& t) {
         return (t.at("N") * t.at("b_c") * t.at("k") + t.at("D") * t.at("b_t")) / 1e12;
       }},
      {"phases.storage.energy",
       [](const Terms& t) {
         return t.at("PUE") * t.at("B") * t.at("c") * t.at("w") * t.at("T") * 8760 / 1e6;
       }},
      {"phases.storage.embodied",
       [](const Terms& t) {
         return t.at("B") * t.at("c") * t.at("m") * t.at("T") / t.at("LT") / 1000;
       }},
      {"cost.hours", [](const Terms& t) { return t.at("n_T") * t.at("price"); }},
      {"cost.energy", [](const Terms& t) { return 1000 * t.at("E") * t.at("price"); }},
      {"inference.prefill",
       [](const Terms& t) {
         return t.at("prompt") * 2 * t.at("N") / (t.at("P") * kTera * t.at("u_p")) / t.at("output");
       }},
      {"inference.decode",
       [](const Terms& t) {
         const double read = (t.at("W") + t.at("C")) / (t.at("BW") * 1e9 * t.at("u_d"));
         const double products = t.at("batch") * 2 * t.at("N") / (t.at("P") * kTera * t.at("u_p"));
         return std::max(read, products) / t.at("batch");
       }},
      {"inference.energy",
       [](const Terms& t) {
         const double busy = t.at("t_p") * t.at("P_p") + t.at("t_d") * t.at("P_d");
         const double waits = (t.at("t_p") + t.at("t_d")) * (1 / t.at("u") - 1) * t.at("P_w");
         return t.at("PUE") * (busy + waits);
       }},
      {"inference.total", [](const Terms& t) { return t.at("tokens") * t.at("e") / 3.6; }},
      {"inference.break_even", [](const Terms& t) { return t.at("E") * 3.6 / t.at("e"); }},
      {"carbon.total", [](const Terms& t) { return t.at("operational") + t.at("embodied"); }},
      {"embodied.llmcarbon",
       [](const Terms& t) {
         return (t.at("n") * t.at("m_d") + t.at("n_s") * t.at("m_s")) * t.at("T") / t.at("LT") /
                1000;
       }},
      {"embodied.amortized",
       [](const Terms& t) { return t.at("M") * t.at("n_T") / (t.at("LT") * t.at("u")) / 1000; }},
      {"embodied.server", [](const Terms& t) { return t.at("card") + t.at("host") / t.at("n_s"); }},
  };
  return all;
}

/// Whether it is only a part of the time of a step.
bool part_of_a_step(std::string_view id) {
  return id.starts_with("step.") && id != "step.time" && id != "step.interval";
}

TEST(Explain, EachStepFollowsFromItsTerms) {
  std::set<std::string, std::less<>> used;
  for (const auto& [csv, options] : cases()) {
    const OneRun run{csv, options};
    ASSERT_TRUE(run.ok()) << csv << run.failure().what;
    for (const auto& step : explain(run.row(), run.result(), shipped_catalogue())) {
      used.emplace(step.equation);
      const auto& registered = shipped_catalogue().equations().find(step.equation);
      EXPECT_FALSE(registered.formula.empty());
      const auto found = equations().find(step.equation);
      ASSERT_NE(found, equations().end()) << step.equation << " has no test";
      Terms terms;
      for (const auto& term : step.terms) {
        EXPECT_NE(term.basis, Basis::absent) << step.equation << " " << term.symbol;
        EXPECT_TRUE(terms.emplace(term.symbol, term.value).second) << term.symbol << " twice";
        // The reader finds each symbol in the formula.
        EXPECT_NE(registered.formula.find(term.symbol), std::string_view::npos)
            << term.symbol << " is not in " << registered.formula;
        // What was looked up or assumed says where.
        if (term.basis == Basis::catalogue || term.basis == Basis::fallback) {
          EXPECT_NE(term.origin, nullptr) << step.equation << " " << term.symbol;
        }
      }
      const double again = found->second(terms);
      EXPECT_NEAR(again, step.result, 1e-12 * std::abs(again)) << step.equation << " of\n" << csv;
    }
  }
  // The cases above reach all of the register but what is only a part of another equation.
  for (const auto& equation : shipped_catalogue().equations().all()) {
    if (equation.id == "efficiency.llmcarbon.throughput" || equation.id == "params.block" ||
        equation.id == "params.mtp" || equation.id == "params.state_space" ||
        equation.id == "traffic.state_space" || equation.id == "power.shares.booked" ||
        equation.id == "embodied.act.yield" || equation.id == "inference.replica" ||
        equation.id == "inference.weights" || part_of_a_step(equation.id) ||
        equation.id.starts_with("loss.")) {  // of candidates beside each other, not of a run
      continue;
    }
    EXPECT_TRUE(used.contains(equation.id)) << equation.id << " is never shown";
  }
}

TEST(Explain, LastResultsAreThePredictedOnes) {
  for (const auto& [csv, options] : cases()) {
    const OneRun run{csv, options};
    std::map<std::string_view, double> last;
    for (const auto& step : explain(run.row(), run.result(), shipped_catalogue()))
      last[step.result_name] = step.result;
    for (std::size_t i = 0; i < kKeys; ++i) {
      const auto key = static_cast<Key>(i);
      const auto value = run.predicted()[key];
      const auto found = last.find(info_of(key).name);
      if (found != last.end()) {
        ASSERT_TRUE(value) << found->first << " of\n" << csv;
        EXPECT_NEAR(found->second, *value, 1e-12 * std::abs(*value)) << found->first << csv;
      }
      const bool computed = key >= Key::device_energy_mwh || key == Key::tflops_per_device ||
                            key == Key::training_flops || key == Key::tokens_per_s_per_device;
      EXPECT_FALSE(value && computed && found == last.end())
          << info_of(key).name << " is not explained for\n"
          << csv;
    }
  }
}

TEST(Explain, StepsUseOnlyWhatStandsBefore) {
  // A proof is read from the top: a modeled term is the result of an earlier step, but for the
  // parts of a count by component, and the number of devices that a search found.
  const std::set<std::string_view> kByComponent{"devices.needed",
                                                "params.exact",
                                                "params.active",
                                                "flops.linear",
                                                "flops.attention.causal",
                                                "flops.attention.full",
                                                "flops.token.hardware",
                                                "memory.state",
                                                "memory.activations.block",
                                                "memory.in_flight",
                                                "memory.device",
                                                "flops.mixers",
                                                "flops.state_space",
                                                "memory.activations.state_space",
                                                "step.time",
                                                "efficiency.step",
                                                "goodput.interruptions",
                                                "power.shares",
                                                "power.shares.usual",
                                                "power.load",
                                                "interval.product",
                                                "phases.stored",
                                                "phases.embodied",
                                                "inference.prefill",
                                                "inference.decode",
                                                "inference.energy",
                                                "carbon.operational"};
  for (const auto& [csv, options] : cases()) {
    const OneRun run{csv, options};
    std::vector<double> results;
    for (const auto& step : explain(run.row(), run.result(), shipped_catalogue())) {
      for (const auto& term : step.terms) {
        if (term.basis != Basis::model || kByComponent.contains(step.equation)) continue;
        EXPECT_TRUE(std::any_of(results.begin(), results.end(),
                                [&](double result) {
                                  return std::abs(result - term.value) <= 1e-9 * std::abs(result);
                                }))
            << term.symbol << " = " << term.value << " of " << step.equation
            << " comes from nowhere:\n"
            << csv;
      }
      results.push_back(step.result);
    }
  }
}

TEST(Explain, TheTimeOfAStepIsShown) {
  const std::string csv = "architecture,device,devices,tokens_b,tp\nllama-2-7b,A100,64,1000,2\n";
  const auto shown = [&](const EstimateOptions& options) {
    const OneRun run{csv, options};
    std::vector<std::string> ids;
    for (const auto& step : explain(run.row(), run.result(), shipped_catalogue())) {
      const std::string_view id = step.equation;
      if (id.starts_with("step.") || id.starts_with("efficiency.")) ids.emplace_back(id);
    }
    return ids;
  };
  using Ids = std::vector<std::string>;
  EXPECT_EQ(shown({}), (Ids{"step.time", "efficiency.step", "step.interval"}));
  EXPECT_EQ(shown({.interval = 0}), (Ids{"step.time", "efficiency.step"}));
  EXPECT_EQ(shown({.method = Method::six_nd}),
            (Ids{"efficiency.llmcarbon", "efficiency.converted"}));
}

TEST(Explain, WhatIsStatedIsShownAsStated) {
  // A plan that is chosen whatever the row says is not given.
  const std::string csv =
      "architecture,device,devices,tokens_b,tp,pp,cp,ep,seq_len,global_batch_seqs\n"
      "mixtral-8x7b,H100,64,1000,2,1,2,4,4096,1024\n";
  for (const auto mode : {PlanMode::stated, PlanMode::usual, PlanMode::best}) {
    const OneRun run{csv, {.plan = mode}};
    ASSERT_TRUE(run.ok()) << run.failure().what;
    for (const auto& input : inputs_of(run.result())) {
      const auto col = find_column(input.column);
      if (input.basis != Basis::given || !col || !run.row().has(*col)) continue;
      if (const auto number = column_of(*col).numeric() ? run.row().number(*col) : std::nullopt) {
        EXPECT_EQ(std::get<double>(input.value), *number) << input.column;
      }
    }
  }
}

TEST(Explain, InputsHaveABasisAndAPlace) {
  for (const auto& [csv, options] : cases()) {
    const OneRun run{csv, options};
    std::set<std::string_view> columns;
    for (const auto& input : inputs_of(run.result())) {
      EXPECT_TRUE(columns.insert(input.column).second) << input.column << " twice";
      EXPECT_NE(input.basis, Basis::absent) << input.column;
      EXPECT_TRUE(find_column(input.column) || input.column.starts_with("embodied_kg"))
          << input.column;
      const bool plain = input.column == "type" || input.column == "dtype";
      EXPECT_TRUE(input.basis == Basis::given || input.origin != nullptr || plain)
          << input.column << " of\n"
          << csv;
      if (const auto col = find_column(input.column); col && run.row().has(*col)) {
        if (const auto number = column_of(*col).numeric() ? run.row().number(*col) : std::nullopt) {
          EXPECT_NEAR(std::get<double>(input.value), *number, 1e-12 * *number) << input.column;
          EXPECT_EQ(input.basis, Basis::given) << input.column;
        }
      }
    }
    EXPECT_TRUE(columns.contains("device"));
  }
}

TEST(Explain, FailedRowsHaveNothingToExplain) {
  const OneRun run{"device\nA100\n"};
  EXPECT_FALSE(run.ok());
  EXPECT_TRUE(explain(run.row(), run.result(), shipped_catalogue()).empty());
}

}  // namespace
}  // namespace pretrain::planner
