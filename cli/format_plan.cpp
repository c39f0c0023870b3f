#include "cli/format_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/breakdown.hpp"
#include "cli/estimate_job.hpp"
#include "cli/text_table.hpp"
#include "planner/memory_fit.hpp"
#include "planner/plan_row.hpp"
#include "planner/predicted.hpp"

namespace pretrain::cli {

namespace {

using planner::Col;
using planner::FoundPlan;
using planner::Key;
using planner::Objective;
using Json = nlohmann::ordered_json;

/// How much has to be right for it to run: fewer ways to divide are simpler.
double effort(const FoundPlan& p) {
  const auto has = [](bool it) { return it ? 1.0 : 0.0; };
  return 4 * has(p.pp > 1) + 2 * has(p.interleave > 1) + 2 * has(p.cp > 1) + 2 * has(p.ep > 1) +
         has(p.recompute != models::Recompute::none) +
         has(p.sharding == models::Sharding::zero2 || p.sharding == models::Sharding::zero3) +
         0.1 * std::log2(p.tp) + 0.1 * std::log2(p.pp);
}

std::string degrees(const FoundPlan& p) {
  std::string text = fmt::format("tp {:g}, pp {:g}, dp {:g}", p.tp, p.pp, p.dp);
  if (p.cp > 1) text += fmt::format(", cp {:g}", p.cp);
  if (p.ep > 1) text += fmt::format(", ep {:g}", p.ep);
  if (p.interleave > 1) text += fmt::format(", interleave {:g}", p.interleave);
  return text;
}

std::string rest_of(const FoundPlan& p) {
  std::string text = fmt::format("micro-batch {:g}", p.micro_batch);
  if (p.recompute != models::Recompute::none) {
    text += fmt::format(", {} recomputation", planner::name_of(p.recompute));
  }
  if (p.sharding != models::Sharding::none)
    text += fmt::format(", {}", planner::name_of(p.sharding));
  if (p.tp > 1 && !p.sequence_parallel) text += ", no sequence parallelism";
  if (p.edges_as_layers) text += ", embedding and head count as a layer each";
  if (!p.overlap) text += ", gradients not overlapped";
  if (!p.scatter_gather) text += ", whole messages";
  if (p.near != planner::NearGroups{}) text += fmt::format(", {} near", name_of(p.near));
  if (p.power_cap < 1) text += fmt::format(", {:g}% of the power limit", 100 * p.power_cap);
  return text;
}

bool same_plan(const FoundPlan& a, const FoundPlan& b) {
  return a.device == b.device && a.devices == b.devices && a.format == b.format &&
         a.region == b.region && a.batch == b.batch && degrees(a) == degrees(b) &&
         rest_of(a) == rest_of(b);
}

std::string launch(const planner::RunRow& row, const planner::Scenario& s, const FoundPlan& p) {
  std::string text = fmt::format(
      "--tensor-model-parallel-size {:g} --pipeline-model-parallel-size {:g}", p.tp, p.pp);
  if (p.edges_as_layers) {
    text += " --account-for-embedding-in-pipeline-split --account-for-loss-in-pipeline-split";
  }
  if (p.cp > 1) text += fmt::format(" --context-parallel-size {:g}", p.cp);
  if (p.ep > 1) text += fmt::format(" --expert-model-parallel-size {:g}", p.ep);
  if (p.interleave > 1) {
    text += fmt::format(" --num-virtual-stages-per-pipeline-rank {:g}", p.interleave);
  }
  text += fmt::format(" --micro-batch-size {:g} --global-batch-size {:g}", p.micro_batch, p.batch);
  if (p.tp > 1 && p.sequence_parallel) text += " --sequence-parallel";
  if (p.sharding == models::Sharding::zero1) text += " --use-distributed-optimizer";
  if (p.sharding == models::Sharding::zero2) {
    text += " --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads";
  }
  if (p.sharding == models::Sharding::zero3) {
    text += " --use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params";
  }
  if (p.recompute == models::Recompute::selective) text += " --recompute-granularity selective";
  if (p.recompute == models::Recompute::full) {
    text += " --recompute-granularity full --recompute-method uniform --recompute-num-layers 1";
  }
  if (row.number(Col::gradient_bytes) == 2.0) text += " --grad-reduce-in-bf16";
  if (p.format == "bf16") text += " --bf16";
  if (p.format == "fp16") text += " --fp16";
  if (p.format == "fp8") text += " --bf16 --fp8-format hybrid";
  if (s.work_seq_len) text += fmt::format(" --seq-length {:g}", *s.work_seq_len);
  return text;
}

/// What of a plan lies beyond the measured runs: "devices 65,536 (measured to 11,616)".
std::vector<std::string> beyond(const planner::Result& result,
                                const planner::Catalogue& catalogue) {
  std::vector<std::string> all;
  const auto& q = result.estimate.step.question;
  if (!q) return all;
  const auto& reach = catalogue.step_reach();
  const auto point = planner::reach_point(*q);
  for (const auto quantity : reach.beyond(q->run_class, point)) {
    const double value = point[static_cast<std::size_t>(quantity)];
    const auto& range = reach.of(q->run_class, quantity);
    all.push_back(fmt::format("{} {} (measured {} {})", words_of(quantity), count_for_people(value),
                              value > range.high ? "to" : "from",
                              count_for_people(value > range.high ? range.high : range.low)));
  }
  if (q->unseen) all.emplace_back("a device of a generation that nothing was measured on");
  return all;
}

/// The answer for people.
class Page {
 public:
  Page(const PlanAnswer& answer, bool markdown, bool color)
      : a_{answer}, markdown_{markdown}, color_{color} {}

  std::string text() const {
    if (a_.found.best.empty()) return counts();
    TextTable plans{{{"what", front() ? "Front" : "Plan", false},
                     {"device", "Device", false},
                     {"devices", "Devices", true},
                     {"format", "Format", false},
                     {"degrees", "Degrees", false},
                     {"rest", "And", false},
                     {"region", "Region", false},
                     {"days", "Days", true},
                     {"energy", "Energy [MWh]", true},
                     {"carbon", "Carbon [tCO2e]", true},
                     {"cost", "Cost", true},
                     {"memory", "Memory [GiB]", true}}};
    std::string notes;
    for (const auto& [label, plan] : told()) {
      std::deque<std::string> texts;
      const auto far = beyond(estimate_of(a_, *plan, texts), a_.catalogue);
      add_plan(plans, far.empty() ? label : label + " *", *plan);
      for (const auto& what : far) {
        if (notes.find(what) == std::string::npos) notes += (notes.empty() ? "" : ", ") + what;
      }
    }
    plans.drop_blank_columns();
    std::string text = shown(plans);
    if (!notes.empty()) {
      text += fmt::format("* An extrapolation: {}.\n\n", notes);
    }
    if (!front()) text += winner();
    return text + counts();
  }

 private:
  bool front() const { return !a_.asked.pareto.empty(); }

  /// Plans with their labels; one that is best in several ways has one line.
  std::vector<std::pair<std::string, const FoundPlan*>> told() const {
    std::vector<std::pair<std::string, const FoundPlan*>> list;
    const auto& best = a_.found.best;
    if (front()) {
      for (const auto& p : best) list.emplace_back(fmt::format("{}", list.size() + 1), &p);
      return list;
    }
    list.emplace_back(fmt::format("best: {}", name_of(a_.asked.objective)), &best.front());
    const auto simplest = std::min_element(best.begin(), best.end(),
                                           [](auto& a, auto& b) { return effort(a) < effort(b); });
    if (simplest != best.begin()) list.emplace_back("simplest tie", &*simplest);
    for (std::size_t i = 0; i < planner::kObjectives; ++i) {
      if (!a_.found.other[i]) continue;
      const auto& plan = *a_.found.other[i];
      const std::string word{name_of(static_cast<Objective>(i))};
      const auto same = std::find_if(list.begin(), list.end(), [&](const auto& one) {
        return one.first.starts_with("best") && same_plan(*one.second, plan);
      });
      if (same != list.end()) {
        same->first += ", " + word;
      } else {
        list.emplace_back("best: " + word, &plan);
      }
    }
    return list;
  }

  TextCell figure(const FoundPlan& p, Objective o) const {
    return a_.found.has(o) ? TextCell{p.figures.of(o)} : TextCell{};
  }

  void add_plan(TextTable& table, std::string label, const FoundPlan& p) const {
    table.add({std::move(label), p.device, p.devices, p.format, degrees(p), rest_of(p), p.region,
               p.figures.days, figure(p, Objective::energy), figure(p, Objective::carbon),
               figure(p, Objective::cost), p.memory_gib});
  }

  std::string shown(const TextTable& t) const {
    if (t.empty()) return {};
    return (markdown_ ? t.markdown() : t.for_people(color_)) + "\n";
  }

  /// The objective of a plan with its unit.
  std::string objective_text(const FoundPlan& p) const {
    constexpr std::array<std::string_view, planner::kObjectives> kUnits{"days", "MWh", "tCO2e",
                                                                        "of cost"};
    const auto o = a_.asked.objective;
    return fmt::format("{} {}", for_people(p.figures.of(o)), kUnits[static_cast<std::size_t>(o)]);
  }

  std::string winner() const {
    const auto& best = a_.found.best.front();
    std::deque<std::string> texts;
    const auto result = estimate_of(a_, best, texts);
    if (!result.ok) return {};
    const planner::Predicted predicted{result};
    std::string text = certainty(predicted);
    text += shown(step_parts(result));
    text += shown(memory_parts(result));
    text += shown(knobs(best));
    text += power(best);
    text += shown(regions(best));
    text += start(predicted);
    if (!a_.found.misses.empty()) {
      text += "Better, but for memory:\n";
      for (const auto& miss : a_.found.misses) {
        text +=
            fmt::format("  {}, {}: {}, with {:.0f}% less memory\n", degrees(miss), rest_of(miss),
                        objective_text(miss), 100 * miss.overflow / (1 + miss.overflow));
      }
      text += "\n";
    }
    if (best.family == "megatron")
      text += "Megatron-LM: " + launch(a_.row, result.scenario, best) + "\n\n";
    return text;
  }

  /// Figures of the best plan with their intervals, and which others may be as good.
  std::string certainty(const planner::Predicted& predicted) const {
    const auto range = [&](Key key) {
      const auto low = predicted.low(key);
      const auto high = predicted.high(key);
      return low && high ? fmt::format(" ({} to {})", for_people(*low), for_people(*high))
                         : std::string{};
    };
    std::string text = fmt::format("{} days{}, MFU {}", for_people(*predicted[Key::training_days]),
                                   range(Key::training_days), for_people(*predicted[Key::mfu]));
    if (const auto energy = predicted[Key::facility_energy_mwh]) {
      text += fmt::format(", {} MWh{}", for_people(*energy), range(Key::facility_energy_mwh));
    }
    if (const auto carbon = predicted[Key::total_tco2e]) {
      text += fmt::format(", {} tCO2e{}", for_people(*carbon), range(Key::total_tco2e));
    }
    text += ".";
    if (a_.asked.estimate.interval > 0) {
      text += fmt::format(
          " {:.3g}% intervals; plans share most of it, and differ by about {:.0f}% more or less "
          "than told.",
          100 * a_.asked.estimate.interval, 100 * (a_.asked.ties - 1));
    }
    text += "\n";
    if (!a_.found.has(Objective::carbon)) {
      text += "Carbon is not computed: give --regions, or intensity_kg_per_kwh in the row.\n";
    }
    if (!a_.row.has(Col::global_batch_seqs) && a_.batches.empty()) {
      text += fmt::format("The row has no global batch: {} sequences are taken.\n",
                          for_people(a_.found.best.front().batch));
    }
    if (const auto& best = a_.found.best; best.size() > 1) {
      text += fmt::format(
          "{}{} plans are within {:.0f}% of the best: that close, the order is not certain.\n",
          best.size() >= a_.asked.most_told ? "At least " : "", best.size(),
          100 * (a_.asked.ties - 1));
    }
    return text + "\n";
  }

  static TextTable step_parts(const planner::Result& result) {
    TextTable parts{{{"part", "Where the step goes", false},
                     {"seconds", "Seconds", true},
                     {"share", "Share", true}}};
    const auto& time = result.estimate.step.time;
    for (const auto& part : models::kStepParts) {
      const double s = (time.*part.part).in(second);
      const double share = s / time.total().in(second);
      constexpr double kShown = 0.005;
      if (share < kShown) continue;
      parts.add({std::string{part.name}, s, fmt::format("{:.0f}%", 100 * share)});
    }
    return parts;
  }

  static TextTable memory_parts(const planner::Result& result) {
    TextTable parts{
        {{"part", "Where memory goes", false}, {"gib", "GiB", true}, {"share", "Share", true}}};
    const auto& verdict = result.estimate.fit.verdict;
    if (!verdict) return parts;
    const auto& m = verdict->memory;
    const double capacity = verdict->capacity.in(gibibyte);
    const auto add = [&](std::string name, double gib) {
      constexpr double kShown = 0.0005;
      if (gib < kShown * capacity) return;
      parts.add({std::move(name), gib, fmt::format("{:.0f}%", 100 * gib / capacity)});
    };
    add("weights", m.weights.in(gibibyte));
    add("gradients", m.gradients.in(gibibyte));
    add("optimizer", m.optimizer.in(gibibyte));
    add("activations", m.activations.in(gibibyte));
    add("logits", m.logits.in(gibibyte));
    add("buffers", m.buffers.in(gibibyte));
    add("gaps and context", m.reserve.in(gibibyte));
    add("free", capacity - m.total().in(gibibyte));
    return parts;
  }

  /// The best plan with one thing changed.
  TextTable knobs(const FoundPlan& best) const {
    TextTable table_of{{{"knob", "One knob moved", false},
                        {"days", "Days", true},
                        {"change", "Change", true},
                        {"memory", "Memory [GiB]", true},
                        {"remark", "", false}}};
    const auto attempt = [&](std::string label, FoundPlan p) {
      if (p.tp < 1 || p.pp < 1 || p.micro_batch < 1 || p.interleave < 1) return;
      const double replica = p.tp * p.pp * p.cp;
      p.dp = best.devices / replica;
      if (p.dp < 1 || p.dp != std::floor(p.dp)) return;
      if (p.batch / (p.dp * p.micro_batch) != std::floor(p.batch / (p.dp * p.micro_batch))) return;
      std::deque<std::string> texts;
      const auto result = estimate_of(a_, p, texts);
      if (!result.ok) return;
      const planner::Predicted predicted{result};
      if (!predicted[Key::training_days]) return;
      table_of.add(
          {std::move(label), *predicted[Key::training_days],
           percent(*predicted[Key::training_days] / best.figures.days - 1),
           predicted[Key::memory_gib_per_device] ? TextCell{*predicted[Key::memory_gib_per_device]}
                                                 : TextCell{},
           result.estimate.fit.infeasible() ? std::string{"does not fit"} : std::string{}});
    };
    const auto with = [&](auto change) {
      FoundPlan p = best;
      change(p);
      return p;
    };
    attempt(fmt::format("tp {:g}", 2 * best.tp), with([](auto& p) {
              p.tp *= 2;
              p.sequence_parallel = true;
            }));
    attempt(fmt::format("tp {:g}", best.tp / 2), with([](auto& p) { p.tp /= 2; }));
    // As many chunks of layers as before, where they can be shared out.
    const auto stages = [&](double pp) {
      auto p = best;
      const double chunks = best.interleave * best.pp / pp;
      p.pp = pp;
      p.interleave = pp > 1 && chunks == std::floor(chunks) ? std::max(1.0, chunks) : 1;
      const std::string beside =
          p.interleave != best.interleave ? fmt::format(", interleave {:g}", p.interleave) : "";
      attempt(fmt::format("pp {:g}{}", pp, beside), p);
    };
    stages(2 * best.pp);
    if (best.pp > 1) stages(best.pp / 2);
    if (best.interleave > 1) attempt("interleave 1", with([](auto& p) { p.interleave = 1; }));
    attempt(fmt::format("micro-batch {:g}", 2 * best.micro_batch),
            with([](auto& p) { p.micro_batch *= 2; }));
    attempt(fmt::format("micro-batch {:g}", best.micro_batch / 2),
            with([](auto& p) { p.micro_batch /= 2; }));
    for (const auto r :
         {models::Recompute::none, models::Recompute::selective, models::Recompute::full}) {
      if (r == best.recompute) continue;
      attempt(fmt::format("recompute {}", planner::name_of(r)),
              with([&](auto& p) { p.recompute = r; }));
    }
    for (const auto s :
         {models::Sharding::none, models::Sharding::zero1, models::Sharding::zero3}) {
      if (s == best.sharding || best.dp * best.cp <= 1) continue;
      attempt(fmt::format("sharding {}", planner::name_of(s)),
              with([&](auto& p) { p.sharding = s; }));
    }
    table_of.drop_blank_columns();
    return table_of;
  }

  /// The best plan under each of the power limits that were to choose from.
  std::string power(const FoundPlan& best) const {
    if (a_.power_caps.size() < 2) return {};
    const auto* device = a_.catalogue.devices().find(best.device).device;
    if (device == nullptr || !device->tdp) return {};
    struct Line {
      double cap = 1;
      double days = 0;
      double energy = 0;
      std::optional<double> carbon;
      std::optional<double> cost;
    };
    std::vector<Line> lines;
    auto caps = a_.power_caps;
    std::sort(caps.begin(), caps.end(), std::greater<>{});
    for (const double cap : caps) {
      auto p = best;
      p.power_cap = cap;
      p.limit_w = cap < 1 ? cap * device->tdp->in(watt / pretrain::device) : 0;
      std::deque<std::string> texts;
      const auto result = estimate_of(a_, p, texts);
      if (!result.ok) continue;
      const planner::Predicted predicted{result};
      const auto days = predicted[Key::training_days];
      const auto energy = predicted[Key::facility_energy_mwh];
      if (!days || !energy) continue;
      Line line{cap, *days, *energy, predicted[Key::total_tco2e], {}};
      if (a_.priced()) {
        constexpr double kHoursPerDay = 24;
        constexpr double kKilo = 1e3;
        line.cost = a_.asked.price_per_device_hour.value_or(0) * *days * kHoursPerDay * p.devices +
                    a_.asked.price_per_kwh.value_or(0) * *energy * kKilo;
      }
      lines.push_back(line);
    }
    if (lines.size() < 2) return {};
    const auto full = lines.front();
    TextTable table_of{{{"cap", "Power limit", false},
                        {"days", "Days", true},
                        {"slower", "Change", true},
                        {"energy", "Energy [MWh]", true},
                        {"saved", "Change", true},
                        {"carbon", "Carbon [tCO2e]", true},
                        {"cost", "Cost", true}}};
    for (const auto& line : lines) {
      table_of.add({fmt::format("{:g}%", 100 * line.cap), line.days,
                    percent(line.days / full.days - 1), line.energy,
                    percent(line.energy / full.energy - 1),
                    line.carbon ? TextCell{*line.carbon} : TextCell{},
                    line.cost ? TextCell{*line.cost} : TextCell{}});
    }
    table_of.drop_blank_columns();
    std::string text = shown(table_of);
    text.pop_back();
    const auto least = [&](auto figure) {
      return *std::min_element(lines.begin(), lines.end(),
                               [&](const Line& a, const Line& b) { return figure(a) < figure(b); });
    };
    const auto energy = least([](const Line& l) { return l.energy; });
    text += fmt::format("It pays in energy down to {:g}%", 100 * energy.cap);
    if (full.carbon) {
      const auto carbon = least([](const Line& l) { return l.carbon.value_or(HUGE_VAL); });
      text += fmt::format(", in carbon with what the hardware embodies down to {:g}%",
                          100 * carbon.cap);
    }
    if (full.cost) {
      const auto cost = least([](const Line& l) { return l.cost.value_or(HUGE_VAL); });
      text += fmt::format(", at these prices down to {:g}%", 100 * cost.cap);
    }
    return text + ".\n\n";
  }

  /// The same plan wherever it may run, from the least carbon.
  TextTable regions(const FoundPlan& best) const {
    struct Line {
      double carbon = 0;
      std::vector<TextCell> cells;
    };
    std::vector<Line> lines;
    for (const auto& region : a_.regions) {
      if (a_.regions.size() < 2) break;
      auto there = best;
      there.region = region;
      std::deque<std::string> texts;
      const auto result = estimate_of(a_, there, texts);
      if (!result.ok) continue;
      const planner::Predicted predicted{result};
      const auto& s = result.scenario;
      const auto* grid = s.region;
      if (grid == nullptr || !predicted[Key::total_tco2e]) continue;
      const auto* source =
          a_.catalogue.sources().find(grid->origin.source.substr(0, grid->origin.source.find(';')));
      lines.push_back({*predicted[Key::total_tco2e],
                       {std::string{grid->region}, std::string{grid->location},
                        grid->intensity.in(gram / kilowatt_hour),
                        grid->year ? TextCell{fmt::format("{:.0f}", *grid->year)} : TextCell{},
                        fmt::format("{}, {}", grid->basis,
                                    grid->scope.empty() ? "scope not stated" : grid->scope),
                        *s.pue, *predicted[Key::facility_energy_mwh], *predicted[Key::total_tco2e],
                        source != nullptr ? std::string{source->licence} : std::string{}}});
    }
    std::stable_sort(lines.begin(), lines.end(),
                     [](const Line& a, const Line& b) { return a.carbon < b.carbon; });
    TextTable table_of{{{"region", "The same plan in", false},
                        {"location", "", false},
                        {"intensity", "g/kWh", true},
                        {"year", "Year", true},
                        {"basis", "Basis", false},
                        {"pue", "PUE", true},
                        {"energy", "Energy [MWh]", true},
                        {"carbon", "Carbon [tCO2e]", true},
                        {"licence", "Licence of the intensity", false}}};
    for (auto& line : lines) table_of.add(std::move(line.cells));
    return table_of;
  }

  /// When it may start, where the grid is known by hour.
  std::string start(const planner::Predicted& predicted) const {
    if (!a_.start) return {};
    const auto& c = *a_.start;
    const auto grams = [](CarbonIntensity i) { return for_people(i.in(gram / kilowatt_hour)); };
    const double saved = 1 - c.least / c.usual;
    const auto days = predicted[Key::training_days];
    std::string text = fmt::format(
        "When to start: {} is the best of {} starts from {} to {}, with {} g/kWh over its {} days; "
        "the mean of all starts is {}, the worst {}.\n",
        hardware::to_text(c.best), for_people(static_cast<double>(c.starts)),
        hardware::to_text(c.first), hardware::to_text(c.last), grams(c.least),
        for_people(days.value_or(0)), grams(c.usual), grams(c.most));
    text += fmt::format("That saves {:.1f}%", 100 * saved);
    if (const auto carbon = predicted[Key::operational_tco2e]) {
      text += fmt::format(", {} tCO2e,", for_people(saved * *carbon));
    }
    constexpr double kLittle = 0.05;
    text += fmt::format(
        " against starting at any time, if the grid does again what it did in the file. {}\n\n",
        saved < kLittle
            ? fmt::format("A run this long takes the grid as it comes: single hours go down to {}.",
                          grams(c.lowest))
            : fmt::format("Single hours go down to {}: a run has to be short to have only such.",
                          grams(c.lowest)));
    return text;
  }

  static std::string count_text(std::uint64_t n) {
    return count_for_people(static_cast<double>(n));
  }

  std::string counts() const {
    const auto& found = a_.found;
    const auto& n = found.counts;
    std::string text = fmt::format(
        "{} plans in the space, in {} s: {} judged, {} no better by a bound", count_text(n.space),
        for_people(a_.seconds), count_text(n.judged), count_text(n.bounded));
    const auto add = [&](std::uint64_t count, std::string_view what) {
      if (count > 0) text += fmt::format(", {} {}", count_text(count), what);
    };
    add(n.devices_uneven, "do not divide the devices");
    add(n.batch_uneven, "do not share the batch");
    add(n.model_uneven, "do not divide the model");
    add(n.pointless, "the same as others or not done");
    text += ".";
    if (n.too_large + n.over_limits > 0) {
      text += " Of the judged,";
      if (n.too_large > 0) text += fmt::format(" {} do not fit", count_text(n.too_large));
      if (n.too_large > 0 && n.over_limits > 0) text += " and";
      if (n.over_limits > 0) text += fmt::format(" {} break a limit", count_text(n.over_limits));
      text += ".";
    }
    if (found.proven && !found.best.empty()) {
      text += !front() ? " No plan of the space is better.\n"
                       : " No plan of the space is better in all of these.\n";
    } else {
      text += "\n";
    }
    return text;
  }

  const PlanAnswer& a_;
  bool markdown_;
  bool color_;
};

Json json_of(const PlanAnswer& a, const FoundPlan& p) {
  Json plan{{"device", p.device},
            {"devices", p.devices},
            {"precision", p.format},
            {"power_cap", p.power_cap},
            {"global_batch_seqs", p.batch},
            {"tp", p.tp},
            {"pp", p.pp},
            {"dp", p.dp},
            {"cp", p.cp},
            {"ep", p.ep},
            {"interleave", p.interleave},
            {"micro_batch_seqs", p.micro_batch},
            {"recompute", planner::name_of(p.recompute)},
            {"sharding", planner::name_of(p.sharding)},
            {"sequence_parallel", p.sequence_parallel},
            {"overlap_gradients", p.overlap},
            {"scatter_gather", p.scatter_gather},
            {"near_groups", name_of(p.near)},
            {"edges_as_layers", p.edges_as_layers}};
  if (!p.region.empty()) plan["region"] = p.region;
  plan["step_s"] = p.figures.step_s;
  plan["training_days"] = p.figures.days;
  if (a.found.has(Objective::energy)) plan["facility_energy_mwh"] = p.figures.facility_mwh;
  if (a.found.has(Objective::carbon)) plan["total_tco2e"] = p.figures.total_tco2e;
  if (a.found.has(Objective::cost)) plan["cost"] = p.figures.cost;
  plan["memory_gib_per_device"] = p.memory_gib;
  if (p.overflow > 0) plan["memory_overflow"] = p.overflow;
  std::deque<std::string> texts;
  const auto far = beyond(estimate_of(a, p, texts), a.catalogue);
  if (!far.empty()) plan["extrapolated"] = far;
  return plan;
}

Json json_start(const hardware::StartChoice& c) {
  const auto grams = [](CarbonIntensity i) { return i.in(gram / kilowatt_hour); };
  return {{"best", hardware::to_text(c.best)}, {"first", hardware::to_text(c.first)},
          {"last", hardware::to_text(c.last)}, {"starts", c.starts},
          {"best_g_per_kwh", grams(c.least)},  {"mean_g_per_kwh", grams(c.usual)},
          {"worst_g_per_kwh", grams(c.most)},  {"lowest_g_per_kwh", grams(c.lowest)}};
}

}  // namespace

planner::Result estimate_of(const PlanAnswer& answer, const FoundPlan& plan,
                            std::deque<std::string>& texts) {
  planner::Result result;
  planner::estimate_row(planner::row_of_plan(answer.row, plan, texts), answer.catalogue,
                        answer.asked.estimate, result);
  return result;
}

std::string table_plan(const PlanAnswer& answer, bool markdown, bool color) {
  return Page{answer, markdown, color}.text();
}

std::string json_plan(const PlanAnswer& a) {
  const auto& found = a.found;
  Json document;
  document["planner"] = {{"version", PRETRAIN_VERSION}, {"catalogue", a.catalogue.hash()}};
  if (a.asked.pareto.empty()) {
    document["objective"] = name_of(a.asked.objective);
  } else {
    for (const auto o : a.asked.pareto) document["objective"].push_back(name_of(o));
  }
  document["proven"] = found.proven;
  document["ties_within"] = a.asked.ties - 1;
  document["plans"] = Json::array();
  for (const auto& p : found.best) document["plans"].push_back(json_of(a, p));
  for (std::size_t i = 0; i < planner::kObjectives; ++i) {
    if (found.other[i]) {
      document["best_for"][std::string{name_of(static_cast<Objective>(i))}] =
          json_of(a, *found.other[i]);
    }
  }
  document["misses"] = Json::array();
  for (const auto& p : found.misses) document["misses"].push_back(json_of(a, p));
  if (a.start) document["start"] = json_start(*a.start);
  const auto& n = found.counts;
  document["counts"] = {{"space", n.space},
                        {"judged", n.judged},
                        {"bounded", n.bounded},
                        {"devices_uneven", n.devices_uneven},
                        {"batch_uneven", n.batch_uneven},
                        {"model_uneven", n.model_uneven},
                        {"pointless", n.pointless},
                        {"too_large", n.too_large},
                        {"over_limits", n.over_limits}};
  document["search_s"] = a.seconds;
  if (found.best.empty()) {
    document["failure"] = found.failure;
    document["help"] = found.help;
  } else {
    std::deque<std::string> texts;
    const auto planned = planner::row_of_plan(a.row, found.best.front(), texts);
    planner::Result result;
    planner::estimate_row(planned, a.catalogue, a.asked.estimate, result);
    document["run"] = Json::parse(json_run(planned, result, a.catalogue));
    if (found.best.front().family == "megatron") {
      document["megatron"] = launch(a.row, result.scenario, found.best.front());
    }
  }
  return document.dump(2) + "\n";
}

}  // namespace pretrain::cli
