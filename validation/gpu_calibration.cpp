#include "validation/gpu_calibration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "planner/run_writer.hpp"
#include "validation/evaluation.hpp"
#include "validation/score.hpp"
#include "validation/split.hpp"
#include "validation/step_fit.hpp"

namespace pretrain::validation {

namespace {

using hardware::GpuPart;

/// Standard deviations of logarithms: what the terms leave unsaid of a shape, and what a
/// measurement varies.
constexpr double kOfProducts = 0.05;
constexpr double kOfCore = 0.10;
constexpr double kOfRate = 0.04;
constexpr double kOfBandwidth = 0.05;
/// The measured attention computes what causal kernels skip: half of it, in a time that is not
/// quite half, since with a mask they reach some percent less (step_constants.csv,
/// attention_hopper).
constexpr double kCausal = 0.95;

constexpr const char* kBf16 = "bf16";
constexpr const char* kFp8 = "fp8";

/// Cards of one kind differ from the mean of their generation: limits, cooling, memory. Assumed, as
/// standard deviations of the logarithm: nothing was measured on several cards here.
constexpr double kCardProducts = 0.06;
constexpr double kCardMemory = 0.04;

/// What is known of one constant is known of the mean: of one card less. What goes with it is told
/// by as much.
void widen(models::StepConstantTable& prior, std::string_view name, double by) {
  for (std::size_t i = 0; i < prior.rows.size(); ++i) {
    if (prior.rows[i].name != name) continue;
    const double before = prior.rows[i].prior_sd;
    const double after = std::hypot(before, by);
    prior.rows[i].prior_sd = after;
    for (auto& c : prior.rows[i].correlations) c *= before / after;
    for (std::size_t j = i + 1; j < prior.rows.size(); ++j) {
      auto& row = prior.rows[j].correlations;
      if (i < row.size()) row[i] *= before / after;
    }
  }
}

double part_of(const hardware::GpuBlockRates& b, GpuPart part) {
  return b.part_s[static_cast<std::size_t>(part)];
}

/// A row of a block, in a format.
std::string row_of(const hardware::GpuBlockRates& b, const std::string& id, const char* dtype,
                   const std::string& device) {
  const auto& s = b.shape;
  std::string name;
  planner::append_csv_cell(name, s.name);
  return fmt::format(
      "{0},{1},dense,{2},{3},{4},{5},{6},{7},{8},128,true,{9},{10},{10},{11},none,1,1,1,"
      "megatron,2026,{12},1,{13:.6g}\n",
      id, name, s.blocks, s.hidden, s.heads, s.kv_heads, s.head_width, s.ffn,
      s.gated ? "true" : "false", s.seq_len, s.sequences, dtype, device, b.step_s.median);
}

}  // namespace

std::string run_table_of(const hardware::GpuRates& rates, const std::string& device) {
  std::string text =
      "id,name,type,layers,hidden,heads,kv_heads,head_dim,ffn_hidden,gated_ffn,vocab,"
      "tie_embeddings,seq_len,global_batch_seqs,micro_batch_seqs,dtype,recompute,tp,pp,dp,"
      "framework_family,software_year,device,devices,reported_iteration_s\n";
  for (std::size_t i = 0; i < rates.blocks.size(); ++i) {
    text += row_of(rates.blocks[i], fmt::format("{}", i), kBf16, device);
  }
  if (!rates.blocks.empty() && rates.best_tflops(true) > 0) {
    text += row_of(rates.blocks.front(), kFp8, kFp8, device);
  }
  return text;
}

GpuCalibration calibrate(const hardware::GpuRates& rates, const std::string& device,
                         const planner::Catalogue& catalogue) {
  const auto split = shipped_split();
  Cases rows{catalogue, split, {}};
  std::istringstream table{run_table_of(rates, device)};
  rows.begin_table("calibration");
  planner::read_run_table(table, "calibration", 1, rows);
  const auto question_of = [&](const std::string& id) -> const planner::StepQuestion* {
    for (const auto& c : rows.cases()) {
      if (c.id == id && c.step) return &*c.step;
    }
    return nullptr;
  };

  std::vector<StepLesson> lessons;
  std::vector<std::string> groups;
  GpuCalibration result;
  const auto add = [&](const planner::StepQuestion* question, Seen seen, double amount,
                       double seconds, double noise, std::string group, std::string what) {
    if (question == nullptr || !(seconds > 0)) return;
    StepLesson l;
    l.question = *question;
    l.seconds = seconds;
    l.noise = noise;
    l.seen = seen;
    l.amount = amount;
    lessons.push_back(std::move(l));
    result.findings.push_back({std::move(what), group, seconds, 0, 0});
    groups.push_back(std::move(group));
  };
  for (std::size_t i = 0; i < rates.blocks.size(); ++i) {
    const auto& b = rates.blocks[i];
    const auto* question = question_of(fmt::format("{}", i));
    add(question, Seen::products, 0, part_of(b, GpuPart::products), kOfProducts, b.shape.name,
        "matrix products");
    constexpr double kHalf = 0.5;
    if (b.fused) {
      add(question, Seen::core, 0, kHalf / kCausal * part_of(b, GpuPart::attention), kOfCore,
          b.shape.name, "attention core");
    } else if (b.fused_forward_s > 0) {
      add(question, Seen::core_forward, 0, kHalf / kCausal * b.shape.blocks * b.fused_forward_s,
          kOfCore, b.shape.name, "attention core, forward");
    }
  }
  constexpr double kTera = 1e12;
  constexpr double kGiga = 1e9;
  const auto* any = question_of("0");
  const auto largest = [&](bool fp8, const planner::StepQuestion* question, const char* what) {
    // Under load as training is; in bursts a card is faster.
    const double best =
        !fp8 && rates.sustained_tflops > 0 ? rates.sustained_tflops : rates.best_tflops(fp8);
    if (best > 0) add(question, Seen::rate, kTera, 1 / best, kOfRate, "large products", what);
  };
  largest(false, any, "a large product");
  largest(true, question_of(kFp8), "a large product in 8 bits");
  const auto moved = [&](double gb_per_s, const char* what) {
    if (gb_per_s > 0) {
      add(any, Seen::bandwidth, kGiga, 1 / gb_per_s, kOfBandwidth, "memory", what);
    }
  };
  moved(rates.copy_gb_per_s.median, "a copy of 1 GB");
  moved(rates.optimizer_gb_per_s, "1 GB of the optimizer");
  if (any != nullptr) {
    for (const auto& d : catalogue.devices().all()) {
      if (d.id == device) result.generation = d.generation;
    }
  }

  const auto shipped = catalogue.step_constant_table();
  auto prior = as_prior(shipped);
  widen(prior, device == "gb200" ? device : result.generation, kCardProducts);
  widen(prior, "hbm", kCardMemory);
  // All of it is of one device: nothing is common to it that is not the device.
  StepFitter fitter{
      lessons, prior, {.without = nullptr, .correlated = true, .source_spread = 1e-6}};
  fitter.fit();
  const auto before = shipped.values();
  std::vector<double> errors_before;
  std::vector<double> errors_after;
  std::vector<std::string> seen;
  for (std::size_t i = 0; i < lessons.size(); ++i) {
    std::vector<bool> held(lessons.size());
    for (std::size_t k = 0; k < lessons.size(); ++k) held[k] = groups[k] == groups[i];
    const auto after = constants_at(prior, fitter.without(held).constants);
    auto& finding = result.findings[i];
    finding.before = predicted_seconds(lessons[i], before) / lessons[i].seconds;
    finding.after = predicted_seconds(lessons[i], after) / lessons[i].seconds;
    errors_before.push_back(std::abs(finding.before - 1));
    errors_after.push_back(std::abs(finding.after - 1));
    if (std::find(seen.begin(), seen.end(), groups[i]) == seen.end()) seen.push_back(groups[i]);
  }
  const std::vector<double> weights(lessons.size(), 1);
  result.groups = seen.size();
  result.before_median = weighted_median(errors_before, weights).value_or(0);
  result.after_median = weighted_median(errors_after, weights).value_or(0);
  result.constants = fitter.table(groups);
  for (const auto& row : result.constants.rows) {
    if (row.moved) result.learnt.push_back(row.name);
  }
  return result;
}

std::optional<GpuLevels> levels_of(const hardware::GpuRates& rates, double sheet_limit_w) {
  if (!rates.idle.watts) return std::nullopt;
  GpuLevels levels;
  levels.idle_w = *rates.idle.watts;
  levels.limit_w = rates.limit_w.value_or(sheet_limit_w);
  levels.most_w = rates.largest_product.watts.value_or(0);
  for (const auto& b : rates.blocks) {
    levels.most_w = std::max(levels.most_w, b.load.watts.value_or(0));
  }
  const double reach = levels.most_w - levels.idle_w;
  // A card that draws the same whatever it does tells nothing of kinds of work.
  constexpr double kLeast = 0.1;
  if (!(levels.limit_w > 0) || reach < kLeast * levels.limit_w) return std::nullopt;
  const auto level = [&](const hardware::GpuLoad& load) -> std::optional<double> {
    if (!load.watts) return std::nullopt;
    constexpr double kSmallest = 0.01;
    return std::clamp((*load.watts - levels.idle_w) / reach, kSmallest, 1.0);
  };
  levels.traffic = level(rates.copying);
  levels.wait = level(rates.waiting);
  return levels;
}

}  // namespace pretrain::validation
