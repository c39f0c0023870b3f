#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/breakdown.hpp"
#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/text_table.hpp"
#include "models/core/number.hpp"
#include "models/core/text.hpp"
#include "planner/memory_fit.hpp"
#include "planner/plan_engine.hpp"

namespace pretrain::cli {

namespace {

using planner::Col;
using planner::FoundPlan;
using planner::Key;
using planner::Objective;
using Json = nlohmann::ordered_json;

/// Plans of one model and cluster whose predictions differ by less than this are ties: of pairs of
/// measured plans that far apart one in ten is faster the other way round.
constexpr double kTies = 1.1;

std::atomic<bool> g_stop{false};
extern "C" void stop_search(int) { g_stop = true; }

/// The row that is planned, with texts of its own.
class OneRow : public planner::TableJob {
 public:
  explicit OneRow(std::string where) : where_{std::move(where)} {}

  struct RowPart : Part {
    void clear() override { found.clear(); }
    std::vector<std::pair<planner::RunRow, std::vector<std::pair<Col, std::string>>>> found;
  };
  std::unique_ptr<Part> make_part() const override { return std::make_unique<RowPart>(); }
  void row(const planner::RunRow& row, Part& base) const override {
    if (!where_.empty() && !equal_ignoring_case(row.text(Col::name), where_) &&
        !equal_ignoring_case(row.text(Col::id), where_)) {
      return;
    }
    auto& part = dynamic_cast<RowPart&>(base);
    std::vector<std::pair<Col, std::string>> texts;
    for (std::size_t i = 0; i < planner::kColumns; ++i) {
      const auto col = static_cast<Col>(i);
      if (row.has(col) && !planner::column_of(col).numeric()) {
        texts.emplace_back(col, std::string{row.text(col)});
      }
    }
    part.found.emplace_back(row, std::move(texts));
  }
  void deliver(Part& base) override {
    for (auto& found : dynamic_cast<RowPart&>(base).found) {
      ++count;
      if (count == 1) found_ = std::move(found);
    }
  }
  void remark(const std::string& text) override { tell(text); }

  planner::RunRow row() {
    if (count == 0) {
      throw InputError({"--where", 0, 0}, fmt::format("no run '{}'", shortened(where_)),
                       "names and ids are taken as they stand in the table");
    }
    auto row = found_.first;
    std::string what;
    std::string help;
    for (const auto& [col, text] : found_.second) row.set(col, text, 0, 0, what, help);
    return row;
  }
  std::size_t count = 0;

 private:
  std::string where_;
  std::pair<planner::RunRow, std::vector<std::pair<Col, std::string>>> found_;
};

Objective objective_of(std::string_view word) {
  for (std::size_t i = 0; i < planner::kObjectives; ++i) {
    if (name_of(static_cast<Objective>(i)) == word) return static_cast<Objective>(i);
  }
  return Objective::time;
}

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

std::string launch(const planner::RunRow& row, const FoundPlan& p) {
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
  if (p.format == "bf16") text += " --bf16";
  if (p.format == "fp16") text += " --fp16";
  if (p.format == "fp8") text += " --bf16 --fp8-format hybrid";
  if (const auto seq = row.number(Col::seq_len)) text += fmt::format(" --seq-length {:g}", *seq);
  return text;
}

/// A line on the terminal while a search takes long.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  explicit Progress(Clock::time_point start) : start_{start}, last_{start} {}

  static bool wanted() { return isatty(STDERR_FILENO) != 0; }
  void show(double share, double judged) {
    constexpr std::chrono::milliseconds kPause{200};
    const auto now = Clock::now();
    if (now - last_ < kPause) return;
    last_ = now;
    shown_ = true;
    const double s = std::chrono::duration<double>(now - start_).count();
    fmt::print(stderr, "\r\x1b[K{:.0f}% of the space, {} plans/s, {:.0f} s left", 100 * share,
               count_for_people(judged / s), share > 0 ? s * (1 / share - 1) : s);
  }
  void clear() const {
    if (shown_) fmt::print(stderr, "\r\x1b[K");
  }

 private:
  Clock::time_point start_;
  Clock::time_point last_;
  bool shown_ = false;
};

struct PlanCommand {
  TableOptions table;
  std::string file;
  std::string objective = "time";
  std::vector<std::string> pareto;
  std::string space_file;
  std::vector<std::pair<std::string, std::vector<std::string>>> lists;
  std::string deadline;
  std::optional<double> max_energy;
  std::optional<double> max_tco2e;
  std::optional<double> budget;
  bool exhaustive = false;

  Exit run() const {
    const auto format = format_of(table.format);
    if (format == Format::csv || format == Format::jsonl) {
      throw InputError({"--format", 0, 0}, "plan answers as table, markdown or json",
                       "use --format json");
    }
    const auto catalogue = open_catalogue(table.data, file);
    InputFile input{file};
    OneRow job{table.where};
    planner::read_run_table(input.stream(), input.name(), 1, job);
    if (job.count > 1 && table.where.empty()) {
      tell(
          fmt::format("note: the first of {} runs is planned; --where names another\n", job.count));
    }
    const auto row = job.row();
    auto space = space_file.empty() ? planner::PlanSpace{}
                                    : planner::read_plan_space(read_whole(space_file), space_file);
    for (const auto& [key, values] : lists) {
      if (!values.empty()) take(space, key, values);
    }
    planner::PlanSearchOptions options;
    options.objective = objective_of(objective);
    for (const auto& word : pareto) options.pareto.push_back(objective_of(word));
    options.limits = {days(), max_energy, max_tco2e, budget};
    options.price_per_device_hour = table.price_per_device_hour;
    options.price_per_kwh = table.price_per_kwh;
    options.ties = kTies;
    options.threads = thread_count();
    options.prune = !exhaustive;
    options.stop = &g_stop;
    auto* before = std::signal(SIGINT, stop_search);
    const auto start = std::chrono::steady_clock::now();
    Progress progress{start};
    if (progress.wanted()) {
      options.progress = [&](double share, double judged) { progress.show(share, judged); };
    }
    const auto found = planner::search_plans(row, space, options, *catalogue);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    progress.clear();
    std::signal(SIGINT, before);
    if (!found.proven) tell("stopped: the best that was found so far, not proven\n");
    const std::string answer = format == Format::json
                                   ? json_answer(row, found, *catalogue, took.count())
                                   : text_answer(row, found, *catalogue, space, took.count());
    write_answer(table.output, answer);
    if (found.best.empty()) {
      tell(fmt::format("{}: error: {}\n  help: {}\n", input.name(), found.failure, found.help));
      return Exit::no;
    }
    return Exit::ok;
  }

 private:
  static void take(planner::PlanSpace& space, const std::string& key,
                   const std::vector<std::string>& values) {
    try {
      planner::set_in_space(space, key, values);
    } catch (const InputError& error) {
      auto problem = error.problems().front();
      std::string option = "--" + problem.where.file;
      std::replace(option.begin(), option.end(), '_', '-');
      throw InputError({option, 0, 0}, problem.what, problem.help);
    }
  }

  std::optional<double> days() const {
    if (deadline.empty()) return std::nullopt;
    const auto parsed = parse_days(deadline);
    if (!parsed.ok() || !(parsed.value > 0)) {
      throw InputError({"--deadline", 0, 0}, fmt::format("'{}' is no duration", deadline),
                       "write 30, 30d, 12h or 8w");
    }
    return parsed.value;
  }

  static planner::Result estimate_of(const planner::RunRow& row, const FoundPlan& plan,
                                     const planner::Catalogue& catalogue,
                                     std::vector<std::string>& texts) {
    planner::Result result;
    planner::estimate_row(planner::row_of_plan(row, plan, texts), catalogue, {}, result);
    return result;
  }

  // ---- for people

  static void add_plan(TextTable& table, std::string label, const FoundPlan& p, bool priced) {
    table.add({std::move(label), p.device, p.devices, p.format, degrees(p), rest_of(p), p.region,
               p.figures.days,
               p.figures.facility_mwh > 0 ? TextCell{p.figures.facility_mwh} : TextCell{},
               p.figures.total_tco2e > 0 ? TextCell{p.figures.total_tco2e} : TextCell{},
               priced ? TextCell{p.figures.cost} : TextCell{}, p.memory_gib});
  }

  std::string text_answer(const planner::RunRow& row, const planner::PlanSearchResult& found,
                          const planner::Catalogue& catalogue, const planner::PlanSpace& space,
                          double seconds) const {
    std::string text;
    const bool priced = table.price_per_device_hour || table.price_per_kwh;
    if (!found.best.empty()) {
      TextTable plans{{{"what", pareto.empty() ? "Plan" : "Front", false},
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
      if (pareto.empty()) {
        const auto& best = found.best.front();
        std::vector<std::pair<std::string, const FoundPlan*>> told{{"best: " + objective, &best}};
        const auto simplest =
            std::min_element(found.best.begin(), found.best.end(),
                             [](auto& a, auto& b) { return effort(a) < effort(b); });
        if (simplest != found.best.begin()) told.emplace_back("simplest tie", &*simplest);
        for (std::size_t i = 0; i < planner::kObjectives; ++i) {
          if (!found.other[i]) continue;
          const auto& plan = *found.other[i];
          const std::string word{name_of(static_cast<Objective>(i))};
          const auto same = std::find_if(told.begin(), told.end(), [&](const auto& one) {
            return one.first.starts_with("best") && same_plan(*one.second, plan);
          });
          if (same != told.end()) {
            same->first += ", " + word;
          } else {
            told.emplace_back("best: " + word, &plan);
          }
        }
        for (const auto& [label, plan] : told) add_plan(plans, label, *plan, priced);
      } else {
        std::size_t n = 0;
        for (const auto& p : found.best) add_plan(plans, fmt::format("{}", ++n), p, priced);
      }
      plans.drop_blank_columns();
      text += shown(plans);
      if (pareto.empty()) text += winner(row, found, catalogue, space.regions);
    }
    text += counts_text(found, seconds);
    return text;
  }

  std::string shown(const TextTable& t) const {
    if (t.empty()) return {};
    const bool color = table.output.empty() && color_wanted();
    return (format_of(table.format) == Format::markdown ? t.markdown() : t.for_people(color)) +
           "\n";
  }

  /// The objective of a plan with its unit.
  std::string objective_text(const FoundPlan& p) const {
    constexpr std::array<std::string_view, planner::kObjectives> kUnits{"days", "MWh", "tCO2e",
                                                                        "of cost"};
    const auto o = objective_of(objective);
    return fmt::format("{} {}", for_people(p.figures.of(o)), kUnits[static_cast<std::size_t>(o)]);
  }

  std::string winner(const planner::RunRow& row, const planner::PlanSearchResult& found,
                     const planner::Catalogue& catalogue,
                     const std::vector<std::string>& where) const {
    const auto& best = found.best.front();
    std::vector<std::string> texts;
    const auto result = estimate_of(row, best, catalogue, texts);
    if (!result.ok) return {};
    const planner::Predicted predicted{result};
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
    text +=
        ". 90% intervals; plans share most of it, and differ by about 10% more or less than "
        "told.\n";
    if (found.best.size() > 1) {
      text += fmt::format(
          "{}{} plans are within {:.0f}% of the best: that close, the order is not certain.\n",
          found.best.size() >= planner::PlanSearchOptions{}.most_told ? "At least " : "",
          found.best.size(), 100 * (kTies - 1));
    }
    if (result.estimate.step.question && result.estimate.step.question->unseen) {
      text += "No run on devices of this generation was measured: the plan is an extrapolation.\n";
    }
    text += "\n";
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
    text += shown(parts);
    text += knobs(row, best, catalogue);
    text += regions(row, best, where, catalogue);
    if (!found.misses.empty()) {
      text += "Better, but for memory:\n";
      for (const auto& miss : found.misses) {
        text +=
            fmt::format("  {}, {}: {}, with {:.0f}% less memory\n", degrees(miss), rest_of(miss),
                        objective_text(miss), 100 * miss.overflow / (1 + miss.overflow));
      }
      text += "\n";
    }
    if (best.family == "megatron") text += "Megatron-LM: " + launch(row, best) + "\n\n";
    return text;
  }

  /// The same plan wherever it may run, from the least carbon.
  std::string regions(const planner::RunRow& row, const FoundPlan& best,
                      const std::vector<std::string>& where,
                      const planner::Catalogue& catalogue) const {
    if (where.size() < 2) return {};
    struct Line {
      double carbon = 0;
      std::vector<TextCell> cells;
    };
    std::vector<Line> lines;
    for (const auto& region : where) {
      auto there = best;
      there.region = region;
      std::vector<std::string> texts;
      const auto result = estimate_of(row, there, catalogue, texts);
      if (!result.ok) continue;
      const planner::Predicted predicted{result};
      const auto& s = result.scenario;
      const auto* grid = s.region;
      if (grid == nullptr || !predicted[Key::total_tco2e]) continue;
      const auto* source =
          catalogue.sources().find(grid->origin.source.substr(0, grid->origin.source.find(';')));
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
    return shown(table_of);
  }

  /// The best plan with one thing changed.
  std::string knobs(const planner::RunRow& row, const FoundPlan& best,
                    const planner::Catalogue& catalogue) const {
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
      std::vector<std::string> texts;
      const auto result = estimate_of(row, p, catalogue, texts);
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
    return shown(table_of);
  }

  static std::string count_text(std::uint64_t n) {
    return count_for_people(static_cast<double>(n));
  }

  std::string counts_text(const planner::PlanSearchResult& found, double seconds) const {
    const auto& n = found.counts;
    std::string text = fmt::format(
        "{} plans in the space, in {} s: {} judged, {} no better by a bound", count_text(n.space),
        for_people(seconds), count_text(n.judged), count_text(n.bounded));
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
      text += pareto.empty() ? " No plan of the space is better.\n"
                             : " No plan of the space is better in all of these.\n";
    } else {
      text += "\n";
    }
    return text;
  }

  // ---- for programs

  static Json json_plan(const FoundPlan& p) {
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
    plan["facility_energy_mwh"] = p.figures.facility_mwh;
    plan["total_tco2e"] = p.figures.total_tco2e;
    plan["cost"] = p.figures.cost;
    plan["memory_gib_per_device"] = p.memory_gib;
    if (p.overflow > 0) plan["memory_overflow"] = p.overflow;
    return plan;
  }

  std::string json_answer(const planner::RunRow& row, const planner::PlanSearchResult& found,
                          const planner::Catalogue& catalogue, double seconds) const {
    Json document;
    document["planner"] = {{"version", PRETRAIN_VERSION}, {"catalogue", catalogue.hash()}};
    document["objective"] = pareto.empty() ? Json(objective) : Json(pareto);
    document["proven"] = found.proven;
    document["plans"] = Json::array();
    for (const auto& p : found.best) document["plans"].push_back(json_plan(p));
    for (std::size_t i = 0; i < planner::kObjectives; ++i) {
      if (found.other[i]) {
        document["best_for"][std::string{name_of(static_cast<Objective>(i))}] =
            json_plan(*found.other[i]);
      }
    }
    document["misses"] = Json::array();
    for (const auto& p : found.misses) document["misses"].push_back(json_plan(p));
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
    document["search_s"] = seconds;
    if (found.best.empty()) {
      document["failure"] = found.failure;
      document["help"] = found.help;
    } else {
      std::vector<std::string> texts;
      const auto planned = planner::row_of_plan(row, found.best.front(), texts);
      planner::Result result;
      planner::estimate_row(planned, catalogue, {}, result);
      document["run"] = Json::parse(json_run(planned, result, catalogue));
      if (found.best.front().family == "megatron") {
        document["megatron"] = launch(row, found.best.front());
      }
    }
    return document.dump(2) + "\n";
  }
};

}  // namespace

void add_plan_command(CLI::App& app, Exit& exit) {
  auto command = std::make_shared<PlanCommand>();
  CLI::App* sub = app.add_subcommand(
      "plan", "The best plan of a run: devices, parallelism, recomputation, region; exact");
  sub->add_option("file", command->file,
                  "Run table with the model and its recipe; - is standard input")
      ->required();
  add_table_options(*sub, command->table);
  sub->add_option("--objective", command->objective, "What is to be least")
      ->check(CLI::IsMember({"time", "energy", "carbon", "cost"}))
      ->capture_default_str();
  sub->add_option("--pareto", command->pareto,
                  "The front of several instead: time,energy,carbon,cost")
      ->delimiter(',')
      ->check(CLI::IsMember({"time", "energy", "carbon", "cost"}));
  sub->get_option("--pareto")->excludes("--objective");
  sub->add_option("--space", command->space_file, "YAML map of lists: what may be chosen from");
  struct List {
    const char* option;
    const char* key;
    const char* help;
  };
  constexpr std::array kLists{
      List{"--device", "device", "Accelerators to choose from: H100,B200"},
      List{"--devices", "devices",
           "Their number: 512,1024, or 512..8192 (doubling), 512..8192:512"},
      List{"--precision", "precision", "Formats: bf16,fp8"},
      List{"--power-cap", "power_cap", "Shares of the power limit: 0.6,0.8,1"},
      List{"--global-batch", "global_batch", "Sequences of a step"},
      List{"--tp", "tp", "Tensor parallel degrees"},
      List{"--pp", "pp", "Pipeline parallel degrees"},
      List{"--cp", "cp", "Context parallel degrees"},
      List{"--ep", "ep", "Expert parallel degrees"},
      List{"--interleave", "interleave", "Virtual stages of a device"},
      List{"--micro-batch", "micro_batch", "Sequences of a micro-batch"},
      List{"--recompute", "recompute", "none,selective,full"},
      List{"--sharding", "sharding", "none,zero1,zero2,zero3"},
      List{"--sequence-parallel", "sequence_parallel", "true,false"},
      List{"--overlap-gradients", "overlap_gradients", "true,false; usual: true"},
      List{"--scatter-gather", "scatter_gather",
           "true,false: ranks send their parts to the next stage; usual: true"},
      List{"--near-groups", "near_groups",
           "What stands within a scale-up domain: tp_dp_pp,tp_pp; usual: all"},
      List{"--regions", "regions", "Where it may run"}};
  command->lists.reserve(kLists.size());
  for (const auto& list : kLists) {
    auto& [key, values] = command->lists.emplace_back(list.key, std::vector<std::string>{});
    sub->add_option(list.option, values, list.help)->delimiter(',');
  }
  sub->add_option("--deadline", command->deadline, "No longer than this: 30d");
  sub->add_option("--max-energy-mwh", command->max_energy, "No more facility energy than this")
      ->check(CLI::PositiveNumber);
  sub->add_option("--max-tco2e", command->max_tco2e,
                  "No more carbon than this, operational and embodied")
      ->check(CLI::PositiveNumber);
  sub->add_option("--budget", command->budget, "No higher cost than this")
      ->check(CLI::PositiveNumber);
  sub->add_flag("--exhaustive", command->exhaustive, "Judge every plan: slow, to check the search");
  sub->callback([command, &exit] { exit = command->run(); });
}

}  // namespace pretrain::cli
