#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "cli/child.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/format_measured.hpp"
#include "cli/journal.hpp"
#include "cli/measured_import.hpp"
#include "cli/measured_run.hpp"
#include "cli/one_row.hpp"
#include "cli/options.hpp"
#include "cli/text_table.hpp"
#include "hardware/sensors/nvml.hpp"
#include "hardware/sensors/rapl.hpp"
#include "models/core/input_error.hpp"
#include "models/core/number.hpp"
#include "models/core/text.hpp"
#include "planner/estimate.hpp"
#include "planner/forecast.hpp"
#include "planner/predicted.hpp"
#include "planner/step_log.hpp"

namespace pretrain::cli {

namespace {

using hardware::MeterClock;
using planner::Key;
using Json = nlohmann::ordered_json;
using WallClock = std::chrono::system_clock;

/// A whole number of the environment.
std::optional<int> number_of_environment(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* text = std::getenv(name);
    if (text != nullptr && *text >= '0' && *text <= '9') return std::atoi(text);
  }
  return std::nullopt;
}

/// "1:02:03".
std::string clock_text(double seconds) {
  const auto whole = static_cast<long>(std::max(0.0, seconds));
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string energy_text(double joules) {
  constexpr double kKilowattHour = 3.6e6;
  return joules < 0.01 * kKilowattHour ? for_people(joules) + " J"
                                       : for_people(joules / kKilowattHour) + " kWh";
}

struct MeasureOptions {
  std::vector<std::string> command;
  std::string name;
  std::string output;
  std::string table;
  std::string where;
  std::string data;
  std::string profile;
  double period_s = 1;
  double write_every_s = 10;
  std::string steps_of = "any";
  std::string step_regex;
  std::optional<double> steps;
  std::optional<double> tokens_per_step;
  bool quiet = false;
  double interval = 0.9;
  MeasuredSite site;
  MeasuredFiles files;
};

class Measure {
 public:
  explicit Measure(const MeasureOptions& options) : o_{options} {
    rank_ = number_of_environment({"RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"}).value_or(0);
    ranks_ =
        number_of_environment({"WORLD_SIZE", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE"}).value_or(1);
    if (o_.step_regex.empty()) {
      reader_ = planner::StepReader{*planner::log_kind_named(o_.steps_of)};
    } else {
      reader_ = planner::StepReader::with_regex(o_.step_regex);
    }
    total_ = o_.steps;
    if (!o_.table.empty()) predict();
  }

  Exit run() {
    hardware::Sensors sensors = find_sensors();
    for (const auto& what : sensors.absent) {
      if (!o_.quiet) tell("measure: " + what + "\n");
    }
    std::vector<DeviceLock> locks;
    for (const auto& source : sensors.sources) {
      if (source->info().kind != "gpu") continue;
      locks.emplace_back(measured_source({source->info(), {}}).uuid_hash);
      if (locks.back().taken()) {
        tell(fmt::format("warning: {} is being measured already: its energy counts in both\n",
                         source->info().id));
      }
    }
    hardware::Meter meter{std::move(sensors), o_.period_s * second};
    Journal journal{of_rank(o_.output.empty() ? default_path() : o_.output)};
    SignalRelay signals;
    started_wall_ = WallClock::now();
    started_ = MeterClock::now();
    meter.start();
    std::unique_ptr<Child> child;
    try {
      child = std::make_unique<Child>(o_.command);
    } catch (const InputError&) {
      ::unlink(journal.path().c_str());
      throw;
    }
    child_pid_ = child->pid();
    write(journal, meter, "begin");
    const auto end = follow(*child, signals, meter, journal);
    meter.stop();
    exit_code_ = end.code;
    erase_live();
    const auto measured = write(journal, meter, "end");
    if (!o_.quiet) {
      tell(summary(measured));
      tell(fmt::format("measure: written to {}\n", journal.path()));
    }
    try {
      write_files(o_.files, measured, o_.site);
    } catch (const InputError& error) {
      // The run was not at fault.
      tell(error.what());
    }
    return static_cast<Exit>(end.code);
  }

 private:
  hardware::Sensors find_sensors() {
    hardware::Sensors sensors;
    auto gpus = hardware::gpus_of_environment();
    // A process of its own for each device measures that one.
    if (ranks_ <= 1) gpus.only.reset();
    gpus.ours = [this](unsigned pid) { return belongs_to(pid, child_pid_); };
    hardware::find_gpus(gpus, sensors);
    const int local = number_of_environment({"LOCAL_RANK", "SLURM_LOCALID"}).value_or(0);
    if (local == 0) {
      hardware::find_cpus(hardware::powercap_of_environment(), sensors);
    } else {
      sensors.absent.emplace_back("CPU: measured by the first process of this machine");
    }
    return sensors;
  }

  std::string default_path() const {
    return fmt::format("measured-{}-{}.jsonl", utc_text(WallClock::now(), "%Y%m%d-%H%M%S"),
                       ::getpid());
  }

  /// Each rank has a file of its own: "run.jsonl" is run-rank3.jsonl for the fourth.
  std::string of_rank(std::string path) const {
    if (ranks_ <= 1) return path;
    const auto slash = path.rfind('/');
    auto dot = path.rfind('.');
    if (dot == std::string::npos || (slash != std::string::npos && dot < slash)) dot = path.size();
    return path.insert(dot, fmt::format("-rank{}", rank_));
  }

  double elapsed() const {
    return std::chrono::duration<double>(MeterClock::now() - started_).count();
  }

  // ---- while it runs

  ChildEnd follow(Child& child, const SignalRelay& signals, hardware::Meter& meter,
                  Journal& journal) {
    const auto each = [&](const std::string& line) {
      if (const auto found = reader_.read(line)) step(*found, meter);
    };
    Relay out{STDOUT_FILENO, each};
    Relay err{STDERR_FILENO, each};
    const bool live = !o_.quiet && isatty(STDERR_FILENO) != 0;
    double next_write = o_.write_every_s;
    double next_live = 1;
    std::optional<ChildEnd> end;
    double last_words = 0;
    while (true) {
      if (!end) {
        end = child.poll();
        last_words = elapsed();
      }
      // What it started may hold its output open for ever.
      constexpr double kPatience = 0.2;
      const bool silent = child.out() < 0 && child.err() < 0;
      if (end && (silent || elapsed() - last_words > kPatience)) return *end;
      std::array<pollfd, 3> files{
          {{signals.file(), POLLIN, 0}, {child.out(), POLLIN, 0}, {child.err(), POLLIN, 0}}};
      const double wait =
          end ? kPatience / 4 : std::min(next_write, live ? next_live : next_write) - elapsed();
      ::poll(files.data(), files.size(), static_cast<int>(std::clamp(1e3 * wait, 1.0, 1e3)));
      for (const int number : signals.take()) child.signal(number);
      if (files[1].revents != 0 || files[2].revents != 0) erase_live();
      if (files[1].revents != 0) {
        if (!out.pass(child.out())) child.close_out();
        last_words = elapsed();
      }
      if (files[2].revents != 0) {
        if (!err.pass(child.err())) child.close_err();
        last_words = elapsed();
      }
      if (elapsed() >= next_write) {
        write(journal, meter, "interval");
        next_write = elapsed() + o_.write_every_s;
      }
      if (live && elapsed() >= next_live) {
        if (out.at_line_start() && err.at_line_start()) show_live(meter);
        next_live = elapsed() + 1;
      }
    }
  }

  void step(const planner::StepLine& line, const hardware::Meter& meter) {
    if (line.total && !o_.steps) total_ = line.total;
    std::optional<double> joules;
    for (const auto& source : meter.usage()) {
      if (source.usage.energy) joules = joules.value_or(0) + source.usage.energy->in(joule);
    }
    forecast_.add(elapsed(), line.step, joules);
    seen_steps_ = true;
    // What the end is compared with: told early, but not of three steps of a million.
    constexpr double kEarly = 0.02;
    constexpr double kFew = 12;
    const double least = total_ ? std::max(kFew, kEarly * *total_) : kFew;
    if (first_forecast_ || !total_ || forecast_.steps() < least) return;
    first_forecast_ = forecast();
    first_at_ = forecast_.steps();
  }

  void erase_live() {
    if (!live_shown_) return;
    fmt::print(stderr, "\r\x1b[K");
    std::fflush(stderr);
    live_shown_ = false;
  }

  void show_live(const hardware::Meter& meter) {
    double watts = 0;
    double joules = 0;
    bool powered = false;
    for (const auto& source : meter.usage()) {
      if (source.usage.power) {
        watts += source.usage.power->in(watt);
        powered = true;
      }
      if (source.usage.energy) joules += source.usage.energy->in(joule);
    }
    std::string line = clock_text(elapsed());
    if (powered) line += fmt::format("  {} W", for_people(watts));
    if (joules > 0) line += "  " + energy_text(joules);
    if (seen_steps_) {
      line += fmt::format("  step {}", for_people(forecast_.steps()));
      if (total_) line += fmt::format(" of {}", for_people(*total_));
      if (const auto each = forecast_.step_s()) line += fmt::format("  {} s", for_people(*each));
    }
    if (const auto told = forecast()) {
      line += fmt::format("  {} in all ({} to {})", clock_text(told->seconds.mid),
                          clock_text(told->seconds.low), clock_text(told->seconds.high));
      if (told->joules) line += "  " + energy_text(told->joules->mid);
    }
    fmt::print(stderr, "\r\x1b[K\x1b[2m{}\x1b[0m", line);
    std::fflush(stderr);
    live_shown_ = true;
  }

  std::optional<planner::RunForecast> forecast() const {
    return total_ ? forecast_.predict(*total_, o_.interval) : std::nullopt;
  }

  // ---- what is kept

  MeasuredRun measured(const hardware::Meter& meter) const {
    MeasuredRun run;
    run.program = o_.command.front();
    run.name = o_.name;
    run.started = utc_text(started_wall_);
    run.seconds = elapsed();
    run.exit_code = exit_code_;
    run.rank = rank_;
    run.ranks = 1;
    run.driver = meter.driver();
    run.absent = meter.absent();
    for (const auto& source : meter.usage()) run.sources.push_back(measured_source(source));
    if (seen_steps_) {
      run.steps = forecast_.steps();
      run.step_s = forecast_.step_s();
      run.step_j = forecast_.step_j();
    }
    run.total_steps = total_;
    run.tokens_per_step = tokens_per_step();
    const double wall =
        std::chrono::duration<double>(WallClock::now() - started_wall_).count() - run.seconds;
    constexpr double kJump = 2;
    if (std::abs(wall) > kJump) run.clock_jump_s = wall;
    return run;
  }

  MeasuredRun write(Journal& journal, const hardware::Meter& meter, const char* event) {
    auto run = measured(meter);
    Json json{{"event", event}, {"time", utc_text(WallClock::now())}};
    json.update(json_of(run));
    if (const auto told = forecast()) {
      const auto put = [&](const char* key, const planner::Expected& e) {
        json["forecast"][key] = {{"value", e.mid}, {"low", e.low}, {"high", e.high}};
      };
      put("seconds", told->seconds);
      put("step_s", told->step_s);
      if (told->joules) put("joules", *told->joules);
    }
    journal.write(json);
    if (!o_.files.prometheus.empty()) refresh(run);
    return run;
  }

  /// For those who look on.
  void refresh(const MeasuredRun& run) {
    try {
      write_answer(o_.files.prometheus, prometheus_text(run));
    } catch (const InputError& error) {
      if (!refresh_failed_) tell(error.what());
      refresh_failed_ = true;
    }
  }

  // ---- beside the prediction from the architecture

  void predict() {
    const auto catalogue = open_catalogue(o_.data, o_.table, o_.profile);
    InputFile input{o_.table};
    OneRow job{o_.where};
    planner::read_run_table(input.stream(), input.name(), 1, job);
    const auto row = job.row();
    planner::Result result;
    planner::EstimateOptions options;
    options.interval = o_.interval;
    options.blind = true;
    planner::estimate_row(row, *catalogue, options, result);
    if (!result.ok) {
      throw InputError({o_.table, row.line(), 0}, result.failure.what, result.failure.help);
    }
    const planner::Predicted predicted{result};
    const auto& question = result.estimate.step.question;
    if (question) planned_tokens_ = question->batch_tokens;
    for (const auto key : {Key::iteration_s, Key::tokens_per_s_per_device, Key::device_power_w,
                           Key::mfu, Key::training_days, Key::facility_energy_mwh}) {
      if (const auto value = predicted[key]) {
        planned_.push_back({key, *value, predicted.low(key), predicted.high(key)});
      }
    }
    planned_devices_ = row.number(planner::Col::devices);
    if (!total_ && result.estimate.duration.tokens && planned_tokens_) {
      total_ = std::ceil(*result.estimate.duration.tokens / *planned_tokens_);
    }
  }

  std::optional<double> tokens_per_step() const {
    return o_.tokens_per_step ? o_.tokens_per_step : planned_tokens_;
  }

  struct Planned {
    Key key;
    double value;
    std::optional<double> low;
    std::optional<double> high;
  };
  const Planned* planned(Key key) const {
    const auto found = std::find_if(planned_.begin(), planned_.end(),
                                    [&](const Planned& p) { return p.key == key; });
    return found != planned_.end() ? &*found : nullptr;
  }

  std::string summary(const MeasuredRun& run) const {
    std::string text = measured_text(run, o_.site);
    if (!o_.step_regex.empty() && !seen_steps_) {
      text += fmt::format("warning: --step-regex '{}' matched no line\n", o_.step_regex);
    }
    TextTable table{{{"what", "Predicted and measured", false},
                     {"early", "From the first steps", true},
                     {"plan", "From the architecture", true},
                     {"measured", "Measured", true},
                     {"early_delta", "Delta", true},
                     {"plan_delta", "Delta of the architecture", true}}};
    const auto delta = [](double predicted, double measured) {
      return measured > 0 ? percent(predicted / measured - 1) : std::string{};
    };
    const auto add = [&](std::string what, std::optional<double> early, std::optional<double> plan,
                         std::optional<double> value) {
      if (!value || (!early && !plan)) return;
      table.add({std::move(what), early ? TextCell{*early} : TextCell{},
                 plan ? TextCell{*plan} : TextCell{}, *value,
                 early ? delta(*early, *value) : std::string{},
                 plan ? delta(*plan, *value) : std::string{}});
    };
    const auto plan_of = [&](Key key) {
      const auto* found = planned(key);
      return found != nullptr ? std::optional{found->value} : std::nullopt;
    };
    const bool whole = total_ && run.steps && *run.steps >= *total_;
    std::optional<double> early_step;
    if (first_forecast_) {
      early_step = first_forecast_->step_s.mid;
      if (whole) {
        add("whole run [s]", first_forecast_->seconds.mid, {}, run.seconds);
        if (first_forecast_->joules && run.energy_j()) {
          add("energy [kWh]", first_forecast_->joules->mid / 3.6e6, {}, *run.energy_j() / 3.6e6);
        }
      }
    }
    add("step [s]", early_step, plan_of(Key::iteration_s), run.step_s);
    std::optional<double> gpu_w;
    double watts = 0;
    for (const auto& s : run.sources) {
      if (s.kind == "gpu" && s.power_w) watts += *s.power_w;
    }
    if (run.count("gpu") > 0 && watts > 0) gpu_w = watts / static_cast<double>(run.count("gpu"));
    add("power of a device [W]", {}, plan_of(Key::device_power_w), gpu_w);
    if (const auto* mfu = planned(Key::mfu); mfu != nullptr && run.step_s) {
      // The same work in another time.
      if (const auto step = plan_of(Key::iteration_s)) {
        add("MFU", {}, mfu->value, mfu->value * *step / *run.step_s);
      }
    }
    if (run.step_j && run.tokens_per_step) {
      std::optional<double> plan;
      const auto power = plan_of(Key::device_power_w);
      const auto rate = plan_of(Key::tokens_per_s_per_device);
      if (power && rate) plan = *power / *rate;
      add("device energy of a token [J]", {}, plan, gpu_joules_per_token(run));
    }
    table.drop_blank_columns();
    if (!table.empty()) text += "\n" + table.for_people(false);
    if (first_forecast_) {
      const auto& all = first_forecast_->seconds;
      text += fmt::format("First told after {} steps: {} s ({} to {}).\n", for_people(first_at_),
                          for_people(all.mid), for_people(all.low), for_people(all.high));
    }
    return text;
  }

  std::optional<double> gpu_joules_per_token(const MeasuredRun& run) const {
    const auto gpu = run.energy_j("gpu");
    const auto all = run.energy_j();
    if (!gpu || !all || !(*all > 0) || !run.step_j || !run.tokens_per_step) return std::nullopt;
    return *run.step_j * *gpu / *all / *run.tokens_per_step;
  }

  const MeasureOptions& o_;
  int rank_ = 0;
  int ranks_ = 1;
  pid_t child_pid_ = -1;
  planner::StepReader reader_;
  planner::Forecast forecast_;
  std::optional<double> total_;
  bool seen_steps_ = false;
  bool live_shown_ = false;
  bool refresh_failed_ = false;
  MeterClock::time_point started_;
  WallClock::time_point started_wall_;
  std::optional<int> exit_code_;
  std::optional<planner::RunForecast> first_forecast_;
  double first_at_ = 0;
  std::vector<Planned> planned_;
  std::optional<double> planned_tokens_;
  std::optional<double> planned_devices_;
};

/// The last line of a file of `measure` that is whole.
MeasuredRun read_measured(const std::string& path) {
  std::istringstream lines{read_whole(path)};
  std::optional<MeasuredRun> last;
  for (std::string line; std::getline(lines, line);) {
    const auto json = Json::parse(line, nullptr, false);
    // A line that a kill cut off.
    if (json.is_discarded()) continue;
    last = measured_run_of(json, path);
  }
  if (!last) {
    throw InputError({path, 0, 0}, "not written by `planner measure`",
                     "give files that it wrote: measured-*.jsonl");
  }
  return *last;
}

Exit merge(const std::vector<std::string>& paths, const MeasuredSite& site,
           const MeasuredFiles& files) {
  std::vector<MeasuredRun> runs;
  for (const auto& path : paths) runs.push_back(read_measured(path));
  const auto all = merged(runs);
  const auto whole = std::count_if(
      runs.begin(), runs.end(), [](const MeasuredRun& run) { return run.exit_code.has_value(); });
  auto text = measured_text(all, site);
  for (const auto& what : all.absent) text += "absent: " + what + "\n";
  write_answer("", text);
  if (static_cast<std::size_t>(whole) < runs.size()) {
    tell(
        fmt::format("note: {} of {} files have no end: what they had until their last line "
                    "counts\n",
                    runs.size() - static_cast<std::size_t>(whole), runs.size()));
  }
  write_files(files, all, site);
  return Exit::ok;
}

void add_site_options(CLI::App& command, MeasuredSite& site, MeasuredFiles& files) {
  command
      .add_option("--intensity", site.kg_per_kwh,
                  "Carbon intensity of the electricity, kg CO2e/kWh")
      ->check(CLI::Range(0.0, 3.0));
  command.add_option("--region", site.region, "The same from the table: FRA, USA-CA");
  command.add_option("--pue", site.pue, "Facility energy for each of the machines")
      ->check(CLI::Range(1.0, 3.0));
  command.add_option("--emissions-csv", files.codecarbon,
                     "Append a row to this file, in the columns of CodeCarbon's emissions.csv");
  command.add_option("--card", files.card,
                     "Write the co2_eq_emissions block of a Hugging Face model card here");
  command.add_option("--boamps", files.boamps, "Write a BoAmps report (JSON) here");
  command.add_option("--prometheus", files.prometheus,
                     "Write metrics for Prometheus' textfile collector here");
}

}  // namespace

void add_measure_command(CLI::App& app, Exit& exit) {
  struct Command {
    MeasureOptions o;
    std::vector<std::string> merge_files;
    std::vector<std::string> import_files;
    std::string import_output;
  };
  auto command = std::make_shared<Command>();
  auto& o = command->o;
  CLI::App* sub = app.add_subcommand(
      "measure",
      "Runs a training command: its energy, its end from its first steps, and both "
      "beside the prediction");
  sub->footer(
      "planner measure [OPTIONS] -- COMMAND ...\nplanner measure merge FILES ...\nplanner measure "
      "import FILES ...");
  sub->add_option("command", o.command, "What to run, after --");
  sub->add_option("--name", o.name, "Of the run, in the files");
  sub->add_option("-o,--output", o.output,
                  "Lines of JSON, one every ten seconds [measured-TIME-PID.jsonl]");
  sub->add_option("--table", o.table, "Run table with this run: the prediction goes beside");
  sub->add_option("--where", o.where, "Its name or id there")->needs("--table");
  sub->add_option("--data", o.data, "Folder with data tables that replace the program's own");
  sub->add_option("--profile", o.profile, "What was learnt of this cluster, for the prediction");
  sub->add_option("--period", o.period_s, "Seconds between readings")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  sub->add_option("--write-every", o.write_every_s, "Seconds between lines of the file")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  auto* log = sub->add_option("--log", o.steps_of, "Whose log it is, to find its steps")
                  ->check(CLI::IsMember(
                      {"any", "megatron", "torchtitan", "huggingface", "nanogpt", "deepspeed"}))
                  ->capture_default_str();
  sub->add_option("--step-regex", o.step_regex,
                  "Lines that are steps, with the number in parentheses: 'step (\\d+)'")
      ->excludes(log);
  sub->add_option("--steps", o.steps, "Steps of the whole run, where the log does not say")
      ->check(CLI::PositiveNumber);
  sub->add_option("--tokens-per-step", o.tokens_per_step, "On all devices")
      ->check(CLI::PositiveNumber);
  sub->add_option("--interval", o.interval, "Share of runs that an interval holds")
      ->check(CLI::Range(0.0, 0.999))
      ->capture_default_str();
  sub->add_flag("-q,--quiet", o.quiet, "Only errors on standard error");
  add_site_options(*sub, o.site, o.files);
  CLI::App* joined =
      sub->add_subcommand("merge", "Adds up the files of several ranks, or of several runs");
  joined->add_option("files", command->merge_files, "Written by measure")->required();
  add_site_options(*joined, o.site, o.files);
  CLI::App* imported = sub->add_subcommand(
      "import",
      "Measured runs as a run table: of measure, CodeCarbon, carbontracker, Zeus, and "
      "Hugging Face model cards");
  imported->add_option("files", command->import_files, "Their files")->required();
  imported->add_option("-o,--output", command->import_output, "Write here, whole or not at all");
  sub->callback([command, joined, imported, &exit] {
    auto& options = command->o;
    options.site.find();
    if (imported->parsed()) {
      const planner::Catalogue catalogue;
      std::vector<ImportedRun> runs;
      for (const auto& file : command->import_files) {
        for (auto& run : import_measured(read_whole(file), file, catalogue.devices())) {
          runs.push_back(std::move(run));
        }
      }
      write_answer(command->import_output, run_table_of(runs));
      return;
    }
    if (joined->parsed()) {
      exit = merge(command->merge_files, options.site, options.files);
      return;
    }
    if (options.command.empty()) {
      throw InputError({"measure", 0, 0}, "no command",
                       "write it after two dashes: planner measure -- python train.py");
    }
    Measure measure{options};
    try {
      exit = measure.run();
    } catch (const InputError& error) {
      // As env(1) and shells have it, so that a job sees that nothing ran.
      constexpr int kNotFound = 127;
      constexpr int kNotRun = 126;
      const auto& problem = error.problems().front();
      if (problem.where.file != options.command.front()) throw;
      tell(error.what());
      exit = static_cast<Exit>(problem.what == "no such command" ? kNotFound : kNotRun);
    }
  });
}

}  // namespace pretrain::cli
