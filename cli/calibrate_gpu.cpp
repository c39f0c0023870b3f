#include "cli/calibrate_gpu.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "cli/files.hpp"
#include "cli/text_table.hpp"
#include "models/core/input_error.hpp"
#include "models/core/text.hpp"

namespace pretrain::cli {

namespace {

using hardware::GpuPart;
using hardware::GpuRates;
using hardware::GpuShape;

constexpr double kTera = 1e12;
constexpr double kMilli = 1e3;

double part_of(const hardware::GpuBlockRates& b, GpuPart part) {
  return b.part_s[static_cast<std::size_t>(part)];
}

std::string products_text(const GpuRates& rates, double peak, double peak_fp8) {
  TextTable table{{{"size", "Square product", false},
                   {"bf16", "bf16 TFLOP/s", true},
                   {"low", "Slowest", true},
                   {"high", "Fastest", true},
                   {"share", "Of the peak", true},
                   {"fp8", "fp8 TFLOP/s", true},
                   {"fp8_share", "Of its peak", true}}};
  for (const auto& g : rates.gemm) {
    if (g.fp8) continue;
    const auto in_fp8 = std::find_if(rates.gemm.begin(), rates.gemm.end(),
                                     [&](const auto& o) { return o.fp8 && o.size == g.size; });
    const bool has = in_fp8 != rates.gemm.end();
    const auto share = [](double rate, double of) {
      return of > 0 ? TextCell{fmt::format("{:.1f}%", 100 * rate / of)} : TextCell{};
    };
    table.add({fmt::format("{:.0f} x {:.0f}", g.size, g.size), g.tflops.median, g.tflops.low,
               g.tflops.high, share(g.tflops.median, peak),
               has ? TextCell{in_fp8->tflops.median} : TextCell{},
               has ? share(in_fp8->tflops.median, peak_fp8) : TextCell{}});
  }
  table.drop_blank_columns();
  return table.for_people(color_wanted());
}

std::string blocks_text(const GpuRates& rates) {
  TextTable table{{{"shape", "Blocks", false},
                   {"tokens", "Tokens", false},
                   {"step", "Step ms", true},
                   {"spread", "Slowest", true},
                   {"products", "Products", true},
                   {"attention", "Attention", true},
                   {"traffic", "Traffic", true},
                   {"optimizer", "Optimizer", true},
                   {"rate", "TFLOP/s", true},
                   {"ceiling", "Of the best product", true},
                   {"watts", "W", true},
                   {"joules", "J/TFLOP", true}}};
  for (const auto& b : rates.blocks) {
    const double rate = b.shape.model_flop() / b.step_s.median / kTera;
    const double best = rates.best_tflops(false);
    table.add({fmt::format("{} of {}", b.shape.blocks, b.shape.name),
               fmt::format("{} x {}", b.shape.sequences, b.shape.seq_len), kMilli * b.step_s.median,
               kMilli * b.step_s.high, kMilli * part_of(b, GpuPart::products),
               kMilli * part_of(b, GpuPart::attention), kMilli * part_of(b, GpuPart::traffic),
               kMilli * part_of(b, GpuPart::optimizer), rate,
               best > 0 ? TextCell{fmt::format("{:.1f}%", 100 * rate / best)} : TextCell{},
               optional_cell(b.load.watts),
               b.load.watts ? TextCell{*b.load.watts / rate} : TextCell{}});
  }
  table.drop_blank_columns();
  return table.for_people(color_wanted());
}

std::string loads_text(const GpuRates& rates) {
  if (!rates.idle.watts) return {};
  TextTable table{{{"load", "Load", false},
                   {"watts", "W", true},
                   {"rate", "TFLOP/s", true},
                   {"joules", "J/TFLOP", true}}};
  const auto add = [&](const char* what, const hardware::GpuLoad& load, double rate) {
    if (!load.watts) return;
    table.add({std::string{what}, *load.watts, rate > 0 ? TextCell{rate} : TextCell{},
               rate > 0 ? TextCell{*load.watts / rate} : TextCell{}});
  };
  add("idle", rates.idle, 0);
  add("held by a process that waits", rates.waiting, 0);
  add("copying", rates.copying, 0);
  add("a large product in bf16", rates.largest_product, rates.sustained_tflops);
  return table.for_people(color_wanted());
}

}  // namespace

std::vector<GpuShape> gpu_shapes_of(const std::string& architecture,
                                    const planner::Catalogue& catalogue) {
  const auto& named = catalogue.architecture_library().find(architecture);
  const Location place{"--architecture", 0, 0};
  if (named.problem) throw InputError(place, named.problem->what, named.problem->help);
  if (named.spec == nullptr) {
    const auto names = nearest(catalogue.architectures().names(), architecture, 3);
    throw InputError(place, fmt::format("no architecture '{}'", shortened(architecture)),
                     fmt::format("perhaps {}; planner list architectures has all of them, or give "
                                 "a config.json",
                                 quoted_list(names, "or")));
  }
  if (!named.counted) {
    throw InputError(place, fmt::format("'{}' is not known whole", shortened(architecture)),
                     "name a shipped one (planner list architectures) or a config.json");
  }
  const auto& a = named.counted->architecture;
  constexpr double kAligned = 8;
  const bool plain = a.causal() && !a.latent() && !a.hybrid() && a.moe_layers == 0 &&
                     a.v_head_dim == a.head_dim && a.heads > 0 &&
                     std::fmod(a.hidden, kAligned) == 0 && std::fmod(a.head_dim, kAligned) == 0 &&
                     std::fmod(a.ffn_hidden, kAligned) == 0;
  if (!plain) {
    throw InputError(
        place,
        fmt::format("blocks of '{}' are no plain attention and feed-forward of widths that 8 "
                    "divides",
                    shortened(architecture)),
        "leave --architecture away: blocks of usual widths tell the device, too");
  }
  GpuShape s;
  s.hidden = static_cast<std::int64_t>(a.hidden);
  s.heads = static_cast<std::int64_t>(a.heads);
  s.kv_heads = static_cast<std::int64_t>(a.kv_heads);
  s.head_width = static_cast<std::int64_t>(a.head_dim);
  s.ffn = static_cast<std::int64_t>(a.ffn_hidden);
  s.gated = a.gated;
  s.blocks = 1;
  constexpr double kLarge = 4e8;  // parameters of a block, of which one is enough
  if (s.params() < kLarge) s.blocks = 2;
  // As many tokens as keep the device busy; fewer of wide blocks, which do that sooner.
  constexpr double kBusy = 3.4e7;
  std::vector<GpuShape> shapes;
  for (const std::int64_t seq_len : {1024, 2048, 4096}) {
    s.seq_len = seq_len;
    s.sequences =
        std::max<std::int64_t>(1, std::llround(kBusy / a.hidden / static_cast<double>(seq_len)));
    s.name = fmt::format("{}, {} long", architecture, seq_len);
    shapes.push_back(s);
  }
  return shapes;
}

std::string gpu_text(const GpuRates& rates, double peak, double peak_fp8) {
  std::string text =
      fmt::format("{}, {} multiprocessors; driver {}, CUDA {}, {}; {} s\n", printable(rates.name),
                  rates.cores, rates.driver.empty() ? "not told" : printable(rates.driver),
                  rates.cuda, rates.products, for_people(rates.seconds));
  text += products_text(rates, peak, peak_fp8);
  text += "\n" + blocks_text(rates);
  for (const auto& b : rates.blocks) {
    if (&b != &rates.blocks.front() && b.attention == rates.blocks.front().attention) continue;
    text += fmt::format("Attention of {}: {}.\n", b.shape.name, b.attention);
  }
  for (const auto& b : rates.blocks) {
    if (b.fused) continue;
    const double rest = b.step_s.median - part_of(b, GpuPart::attention);
    const double best = rates.best_tflops(false);
    if (!(rest > 0 && best > 0)) continue;
    text += fmt::format("Without its attention a step of {} reaches {:.1f}% of the best product.\n",
                        b.shape.name, 100 * b.shape.product_flop() / rest / kTera / best);
  }
  for (const auto& b : rates.blocks) {
    if (!(b.fused_forward_s > 0)) continue;
    const auto& s = b.shape;
    const double flop = 4 * s.tokens() * static_cast<double>(s.seq_len * s.heads * s.head_width);
    text += fmt::format("Fused attention of {}, forward, without a mask: {} TFLOP/s by {}.\n",
                        s.name, for_people(flop / b.fused_forward_s / kTera), b.fused_by);
  }
  if (const auto loads = loads_text(rates); !loads.empty()) text += "\n" + loads;
  text += fmt::format("Copies {} GB/s (read and written), optimizer {} GB/s, {} us a launch.\n",
                      for_people(rates.copy_gb_per_s.median), for_people(rates.optimizer_gb_per_s),
                      for_people(rates.launch_us));
  std::vector<std::string> conditions;
  if (rates.limit_w) conditions.push_back(fmt::format("limit {} W", for_people(*rates.limit_w)));
  if (rates.clock_mhz) {
    conditions.push_back(fmt::format("mean clock {} MHz", for_people(*rates.clock_mhz)));
  }
  if (rates.temperature_c) {
    conditions.push_back(fmt::format("at most {} C", for_people(*rates.temperature_c)));
  }
  if (!rates.throttled.empty()) conditions.push_back("held back by " + rates.throttled);
  if (!conditions.empty()) text += fmt::format("{}.\n", fmt::join(conditions, ", "));
  if (rates.contended) text += "warning: others were at work on it: measure again without them\n";
  for (const auto& remark : rates.remarks) text += fmt::format("warning: {}\n", remark);
  return text;
}

std::string found_text(const validation::GpuCalibration& found) {
  TextTable table{{{"group", "Told from the others", false},
                   {"what", "What", false},
                   {"measured", "Measured ms", true},
                   {"before", "Predicted before", true},
                   {"after", "Predicted after", true}}};
  for (const auto& f : found.findings) {
    table.add({f.group, f.what, kMilli * f.measured, percent(f.before - 1), percent(f.after - 1)});
  }
  std::string text = table.for_people(color_wanted());
  text += fmt::format("Median error {:.1f}% before, {:.1f}% after, each told from the others.\n",
                      100 * found.before_median, 100 * found.after_median);
  if (!found.learnt.empty()) {
    text += fmt::format("Known twice as well as before: {}.\n", fmt::join(found.learnt, ", "));
  }
  return text +
         "One GPU tells nothing of networks and of software: past runs and nccl-tests do, by "
         "--from.\n";
}

planner::Profile profile_of_gpu(const GpuRates& rates, const validation::GpuCalibration& found,
                                const hardware::Device& device,
                                const planner::Catalogue& catalogue) {
  planner::Profile p;
  p.from = "measured";
  p.catalogue = catalogue.hash();
  p.device = found.generation;
  p.device_id = std::string{device.id};
  p.rows = found.findings.size();
  p.groups = found.groups;
  p.before = found.before_median;
  p.after = found.after_median;
  p.run_class = models::RunClass::dense_gpu;
  // What a step adds to its products is as unknown as before.
  p.half_width_90 = catalogue.step_spread().width(p.run_class, false, false);
  const auto sheet = device.tdp ? device.tdp->in(watt / pretrain::device) : 0;
  if (const auto levels = validation::levels_of(rates, sheet)) {
    p.idle_w = levels->idle_w;
    const auto share = [&](double watts) {
      constexpr double kSmallest = 0.002;
      return std::clamp(watts / levels->limit_w, kSmallest, 1.0);
    };
    p.loads["idle_share"] = share(levels->idle_w);
    p.loads["most_share"] = share(levels->most_w);
    if (levels->traffic) p.loads["traffic"] = *levels->traffic;
    if (levels->wait) p.loads["wait"] = *levels->wait;
  }
  const auto condition = [&](const char* what, std::string value) {
    if (!value.empty()) p.conditions.emplace_back(what, std::move(value));
  };
  condition("gpu", printable(rates.name));
  condition("uuid_hash", fmt::format("{:016x}", fnv1a(rates.uuid)));
  condition("driver", printable(rates.driver));
  condition("cuda", rates.cuda);
  condition("products", rates.products);
  condition("attention", rates.blocks.empty() ? std::string{} : rates.blocks.front().attention);
  const auto number = [&](const char* what, const std::optional<double>& value) {
    if (value) condition(what, fmt::format("{:.5g}", *value));
  };
  number("limit_w", rates.limit_w);
  number("mean_clock_mhz", rates.clock_mhz);
  number("most_temperature_c", rates.temperature_c);
  number("seconds", rates.seconds);
  number("best_bf16_tflops", rates.best_tflops(false));
  if (rates.best_tflops(true) > 0) number("best_fp8_tflops", rates.best_tflops(true));
  number("copy_gb_per_s", rates.copy_gb_per_s.median);
  number("launch_us", rates.launch_us);
  for (std::size_t i = 0; i < rates.blocks.size(); ++i) {
    const auto& b = rates.blocks[i];
    condition(fmt::format("blocks_{}", i + 1).c_str(),
              fmt::format("{} x {}, {} x {} tokens: {:.5g} ms", b.shape.blocks, b.shape.name,
                          b.shape.sequences, b.shape.seq_len, kMilli * b.step_s.median));
  }
  condition("held_back_by", rates.throttled);
  if (rates.contended) condition("contended", "yes");
  planner::take_constants(found.constants, p);
  return p;
}

}  // namespace pretrain::cli
