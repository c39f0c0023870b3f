#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <memory>

#include "cli/commands.hpp"
#include "cli/format_plan.hpp"
#include "cli/one_row.hpp"
#include "cli/options.hpp"
#include "cli/text_table.hpp"
#include "models/core/number.hpp"
#include "models/core/text.hpp"
#include "planner/plan_engine.hpp"

namespace pretrain::cli {

namespace {

using planner::Col;
using planner::Objective;

/// Plans of one model and cluster whose predictions differ by less than this are ties: of pairs of
/// measured plans that far apart one in ten is faster the other way round.
constexpr double kTies = 1.1;

std::atomic<bool> g_stop{false};
extern "C" void stop_search(int) { g_stop = true; }

Objective objective_of(std::string_view word) {
  for (std::size_t i = 0; i < planner::kObjectives; ++i) {
    if (name_of(static_cast<Objective>(i)) == word) return static_cast<Objective>(i);
  }
  return Objective::time;
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
  std::string start_window;
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
    const auto catalogue = open_catalogue(table.data, file, table.profile);
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
    const auto common = job_options(table, *catalogue);
    if (common.hourly == nullptr && !start_window.empty()) {
      throw InputError({"--start-window", 0, 0}, "a window without a file of hours",
                       "give --hourly FILE too: times and g CO2e/kWh");
    }
    if (common.hourly != nullptr && space.regions.size() > 1) {
      throw InputError({"--hourly", 0, 0}, "the hours of one place for several regions",
                       "give one region, or none");
    }
    const auto hourly = open_grid(common);
    planner::PlanSearchOptions options;
    options.estimate = common.estimate;
    options.estimate.hourly = hourly.get();
    options.objective = objective_of(objective);
    for (const auto& word : pareto) options.pareto.push_back(objective_of(word));
    options.limits = {days(), max_energy, max_tco2e, budget};
    options.price_per_device_hour = price(row, Col::price_per_device_hour);
    options.price_per_kwh = price(row, Col::price_per_kwh);
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
    for (const auto& what : found.left_out) tell(fmt::format("note: {}: left out\n", what));
    if (!found.proven) tell("stopped: the best that was found so far, not proven\n");
    PlanAnswer answer{row,           *catalogue,   options, found, space.regions, space.power_caps,
                      space.batches, took.count(), {}};
    if (hourly != nullptr) answer.start = choose_start(answer, *hourly);
    write_answer(table.output, format == Format::json
                                   ? json_plan(answer)
                                   : table_plan(answer, format == Format::markdown,
                                                table.output.empty() && color_wanted()));
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

  /// A row's own goes first.
  std::optional<double> price(const planner::RunRow& row, Col col) const {
    if (const auto own = row.number(col)) return own;
    return col == Col::price_per_kwh ? table.price_per_kwh : table.price_per_device_hour;
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

  /// The hours of the file in which it may start: of the window, else all.
  std::pair<hardware::TimePoint, hardware::TimePoint> window(
      const hardware::IntensitySeries& series) const {
    if (start_window.empty()) return {series.begin(), series.end()};
    const auto dots = start_window.find("..");
    const auto from = hardware::parse_time(start_window.substr(0, dots));
    const auto to = dots == std::string::npos ? std::nullopt
                                              : hardware::parse_time(start_window.substr(dots + 2));
    if (!from || !to || *to < *from) {
      throw InputError({"--start-window", 0, 0},
                       fmt::format("'{}' is no window", shortened(start_window)),
                       "write the first and the last start: 2026-03-01..2026-05-31");
    }
    if (*to < series.begin() || *from >= series.end()) {
      throw InputError(
          {"--start-window", 0, 0},
          fmt::format("'{}' is not within {}, which has {} to {}", shortened(start_window),
                      series.place(), hardware::to_text(series.begin()),
                      hardware::to_text(series.end())),
          "give hours of the file: those of another year tell how a grid usually is");
    }
    return {*from, *to};
  }

  /// Any start of the window is as likely, until the best is looked for.
  std::shared_ptr<planner::HourlyGrid> open_grid(const JobOptions& job) const {
    if (job.hourly == nullptr) return nullptr;
    auto grid = std::make_shared<planner::HourlyGrid>(*job.hourly);
    const auto [from, to] = window(grid->series);
    const auto first = std::max(from, grid->series.begin());
    const auto length = std::min(to, grid->series.end()) - first;
    const auto mean = grid->series.mean(first, static_cast<double>(length.count()) * second);
    grid->open = mean.value_or(grid->series.mean());
    grid->origin.locator = "mean over the hours of the window";
    return grid;
  }

  /// The best start of the best plan.
  std::optional<hardware::StartChoice> choose_start(const PlanAnswer& answer,
                                                    const planner::HourlyGrid& grid) const {
    if (answer.found.best.empty()) return std::nullopt;
    const auto [from, to] = window(grid.series);
    const double days = answer.found.best.front().figures.days;
    auto choice = grid.series.choose_start(from, to, days * day);
    if (!choice) {
      tell(
          fmt::format("warning: {} does not hold the {} days of a run that starts in the window: "
                      "no start is chosen\n",
                      grid.series.place(), for_people(days)));
    }
    return choice;
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
  add_common_options(*sub, command->table);
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
  sub->add_option("--start-window", command->start_window,
                  "With --hourly: the first and the last start, 2026-03-01..2026-05-31; usual: all "
                  "of the file");
  sub->add_flag("--exhaustive", command->exhaustive, "Judge every plan: slow, to check the search");
  sub->callback([command, &exit] { exit = command->run(); });
}

}  // namespace pretrain::cli
