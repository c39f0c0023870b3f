#include "cli/options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <thread>

#include "cli/files.hpp"
#include "db/store.hpp"
#include "models/core/input_error.hpp"
#include "models/core/number.hpp"
#include "models/core/text.hpp"
#include "planner/profile.hpp"

namespace pretrain::cli {

const CLI::Validator kTime{[](const std::string& text) {
                             return hardware::parse_time(text)
                                        ? std::string{}
                                        : "'" + text + "' is not a time: write 2026-03-01T06:00Z";
                           },
                           "TIME"};

void add_common_options(CLI::App& command, TableOptions& o) {
  command.add_option("--format", o.format, "table, json, jsonl, csv or markdown")
      ->check(CLI::IsMember({"table", "json", "jsonl", "csv", "markdown"}))
      ->capture_default_str();
  command.add_option("--where", o.where, "Only the runs with this name or id");
  command
      .add_option("--embodied", o.embodied,
                  "Boundary of embodied carbon: server (accelerators and hosts; the default), card "
                  "(accelerators alone), act (dies, memory and packages of both) or llmcarbon (its "
                  "table of "
                  "chips)")
      ->check(CLI::IsMember({"llmcarbon", "act", "card", "server"}));
  command
      .add_option("--grid", o.grid,
                  "Intensities of regions: current, or mlco2-2019 (outdated, to compare with)")
      ->check(CLI::IsMember({"current", "mlco2-2019"}))
      ->capture_default_str();
  command
      .add_option("--price-per-device-hour", o.price_per_device_hour,
                  "Tell what the booked hours cost, where a row has no price of its own")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--price-per-kwh", o.price_per_kwh,
                  "Tell what the electricity costs, where a row has no price of its own")
      ->check(CLI::NonNegativeNumber);
  command.add_option(
      "--hourly", o.hourly,
      "CSV file of times (UTC) and g CO2e/kWh: the intensity over the hours of each run that gives "
      "none itself. FILE:COLUMN names one of several columns");
  const CLI::Validator samples{
      [](const std::string& text) {
        constexpr double kLeast = 20;
        constexpr double kMost = 1e6;
        const auto number = parse_number(text, "");
        const bool whole = number.ok() && number.value == std::floor(number.value);
        return whole && (number.value == 0 || (number.value >= kLeast && number.value <= kMost))
                   ? std::string{}
                   : "'" + text + "' is not 0 (closed form) or a number from 20 to 1,000,000";
      },
      "0|20..1000000"};
  command
      .add_option("--samples", o.samples,
                  "Draw so many values of what is uncertain for the intervals; 0: closed form")
      ->check(samples)
      ->capture_default_str();
  command.add_option("--seed", o.seed, "Of the draws: the same seed gives the same intervals")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  const CLI::Validator share{[](const std::string& text) {
                               const auto number = parse_number(text, "");
                               return number.ok() && number.value >= 0 && number.value < 1
                                          ? std::string{}
                                          : "a share of runs, such as 0.9; 0 gives no intervals";
                             },
                             "0..1"};
  command
      .add_option_function<double>(
          "--interval",
          [&o](double level) {
            o.interval = level;
            o.interval_given = true;
          },
          "Share of runs that an interval holds; with csv, columns for its ends [0.9]")
      ->check(share);
  command.add_option("-o,--output", o.output, "Write here, whole or not at all");
  command.add_option("--data", o.data, "Folder with data tables that replace the program's own");
  command.add_option("--profile", o.profile,
                     "What was learnt of a cluster: a file of `planner calibrate`, or its name in "
                     "the store");
}

void add_table_options(CLI::App& command, TableOptions& o) {
  add_common_options(command, o);
  command.add_flag("--blind", o.blind,
                   "Ignore everything measured on the run itself: mfu, achieved_tflops, "
                   "system_power_w, goodput");
  command
      .add_option("--method", o.method,
                  "Work and efficiency where not given: full (from the architecture where it is "
                  "known), 6nd, or llmcarbon as it is (a baseline)")
      ->check(CLI::IsMember({"full", "6nd", "llmcarbon"}))
      ->capture_default_str();
  command
      .add_option("--include", o.include,
                  "Tell beside the run: experiments, storage, inference (separated by commas)")
      ->delimiter(',')
      ->check(CLI::IsMember({"experiments", "storage", "inference"}));
  command.add_option("--start", o.start, "When runs start that do not say: 2026-03-01T06:00Z")
      ->needs("--hourly")
      ->check(kTime);
  auto* plan =
      command
          .add_option(
              "--plan", o.plan,
              "Whose plan: given (what the run states, blanks as people run such models), usual "
              "(as people run them, whatever is stated) or best (the fastest that fits, searched "
              "for)")
          ->check(CLI::IsMember({"given", "usual", "best"}))
          ->capture_default_str();
  command.add_flag("--choose-plan", o.choose_plan, "The same as --plan best")->excludes(plan);
}

namespace {

std::shared_ptr<const planner::HourlyGrid> read_hourly(const std::string& option,
                                                       const std::string& start) {
  // A name may have colons of its own: that of a file that exists comes first.
  std::string path = option;
  std::string column;
  if (const auto colon = option.rfind(':'); colon != std::string::npos && !file_exists(option)) {
    path = option.substr(0, colon);
    column = option.substr(colon + 1);
  }
  auto series = hardware::IntensitySeries::read(read_whole(path), path, column);
  auto grid = std::make_shared<planner::HourlyGrid>(
      planner::HourlyGrid{std::move(series), hardware::parse_time(start), {}, {}});
  grid->origin = {grid->series.place(), "", "mean over the hours of the run", true};
  return grid;
}

}  // namespace

JobOptions job_options(const TableOptions& o, const planner::Catalogue& catalogue) {
  JobOptions job;
  job.format = format_of(o.format);
  job.where = o.where;
  job.estimate.blind = o.blind;
  job.estimate.method = o.method == "llmcarbon" ? planner::Method::llmcarbon
                        : o.method == "6nd"     ? planner::Method::six_nd
                                                : planner::Method::full;
  job.estimate.embodied = o.embodied == "llmcarbon" ? planner::Embodied::llmcarbon
                          : o.embodied == "act"     ? planner::Embodied::act
                          : o.embodied == "card"    ? planner::Embodied::card
                          : o.embodied == "server"  ? planner::Embodied::server
                                                    : planner::Embodied::best;
  for (const auto& what : o.include) {
    auto& asked = job.estimate.asked;
    (what == "experiments" ? asked.experiments
     : what == "storage"   ? asked.storage
                           : asked.inference) = true;
  }
  job.estimate.asked.price_per_device_hour = o.price_per_device_hour;
  job.estimate.asked.price_per_kwh = o.price_per_kwh;
  if (!o.hourly.empty()) {
    job.hourly = read_hourly(o.hourly, o.start);
    job.estimate.hourly = job.hourly.get();
  }
  job.estimate.interval = o.interval;
  if (o.samples > 0) {
    job.draws = std::make_shared<const planner::Draws>(o.samples, o.seed);
    job.estimate.draws = job.draws.get();
  }
  job.csv_intervals = o.interval_given && o.interval > 0;
  job.estimate.plan = o.choose_plan || o.plan == "best" ? planner::PlanMode::best
                      : o.plan == "usual"               ? planner::PlanMode::usual
                                                        : planner::PlanMode::stated;
  if (job.estimate.plan == planner::PlanMode::best) {
    job.plans = std::make_shared<const planner::BestPlans>(catalogue);
  }
  job.estimate.grid = o.grid == "mlco2-2019" ? planner::Grid::mlco2_2019 : planner::Grid::current;
  return job;
}

namespace {

planner::Profile profile_named(const std::string& word) {
  if (file_exists(word)) return planner::read_profile(read_whole(word), word);
  const auto path = store_path("");
  std::optional<std::string> text;
  if (file_exists(path)) text = db::Store::open(path, db::Store::Mode::read).profile(word);
  if (!text) {
    throw InputError({"--profile", 0, 0}, fmt::format("no profile '{}'", shortened(word)),
                     "give a file of `planner calibrate`, or a name of `planner list profiles`");
  }
  return planner::read_profile(*text, word);
}

}  // namespace

std::unique_ptr<planner::Catalogue> open_catalogue(const std::string& data_directory,
                                                   const std::string& table,
                                                   const std::string& profile) {
  std::map<std::string, std::string> tables;
  if (!data_directory.empty()) tables = read_data_directory(data_directory);
  auto catalogue = std::make_unique<planner::Catalogue>(tables, data_directory);
  if (!profile.empty()) {
    const auto known = profile_named(profile);
    for (auto& [name, text] : planner::tables_of(known, *catalogue, profile)) {
      tables[name] = std::move(text);
    }
    catalogue = std::make_unique<planner::Catalogue>(std::move(tables), profile);
    catalogue->set_profile(known.name, known.device, known.family);
  }
  catalogue->read_files([table](const std::string& path) { return read_beside(path, table); });
  return catalogue;
}

std::string store_path(const std::string& option) {
  if (!option.empty()) return option;
  return db::default_path(std::getenv("PLANNER_DB"), std::getenv("XDG_DATA_HOME"),
                          std::getenv("HOME"));
}

unsigned thread_count() { return std::clamp(std::thread::hardware_concurrency(), 1U, 16U); }

}  // namespace pretrain::cli
