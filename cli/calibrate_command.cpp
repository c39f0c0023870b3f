#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <sstream>
#include <thread>

#include "cli/calibrate_gpu.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/measured_import.hpp"
#include "cli/options.hpp"
#include "cli/text_table.hpp"
#include "db/store.hpp"
#include "hardware/kernels/cpu.hpp"
#include "hardware/kernels/cuda.hpp"
#include "hardware/sensors/meter.hpp"
#include "hardware/sensors/rapl.hpp"
#include "models/core/input_error.hpp"
#include "models/core/text.hpp"
#include "planner/nccl_log.hpp"
#include "planner/profile.hpp"
#include "validation/calibration.hpp"

namespace pretrain::cli {

namespace {

using validation::Calibration;
using validation::CalibrationPart;

struct CalibrateCommand {
  std::vector<std::string> from;
  std::string device;
  std::string family;
  std::string name;
  std::string output;
  std::string data;
  std::string db;
  std::string architecture;
  bool no_store = false;
  bool cpu = false;

  double seconds = 60;

  Exit run() const {
    if (!name.empty() && !planner::is_profile_name(name)) {
      throw InputError({"--name", 0, 0}, fmt::format("'{}' is no name", shortened(name)),
                       "letters, digits, points and dashes: my-cluster");
    }
    if (from.empty()) return measure();
    const auto catalogue = open_catalogue(data);
    const auto split = validation::shipped_split();
    std::vector<std::unique_ptr<planner::Catalogue>> catalogues;
    validation::Cases rows{*catalogue, split, {}};
    auto known = catalogue->step_constant_table();
    std::string text;
    std::string network_device;
    bool tables = false;
    for (const auto& file : from) {
      const auto content = contents_of(file);
      if (planner::is_nccl_log(content)) {
        text += learn_network(planner::read_nccl_log(content, file), file, *catalogue, known,
                              network_device);
      } else {
        tables = true;
        read(file, content, split, catalogues, rows);
      }
    }
    if (!tables) {
      text += keep(profile_of_network(known, network_device, *catalogue));
      write_answer("", text);
      return Exit::ok;
    }
    for (const auto& remark : rows.remarks()) tell(remark);
    const auto parts = chosen(validation::calibration_parts(rows.cases()));
    if (parts.empty()) {
      throw InputError({from.front(), 0, 0}, nothing_to_learn(rows),
                       "a row needs architecture, device, devices and what was reported of its "
                       "speed: reported_tokens_per_s_per_device, reported_iteration_s, "
                       "reported_tflops_per_device or reported_mfu");
    }
    TextTable table{{{"device", "Devices", false},
                     {"family", "Framework", false},
                     {"rows", "Rows", true},
                     {"groups", "Models", true},
                     {"before", "Median error before", true},
                     {"after", "After, told from the others", true},
                     {"width", "90% within x/÷", true},
                     {"cluster", "Time of the cluster", true},
                     {"draw", "Draw above idle", true}}};
    std::optional<Calibration> best;
    std::string few;
    for (const auto& part : parts) {
      auto found = validation::calibrate(part, known, catalogue->step_spread());
      if (!found) {
        few += fmt::format("{}{} {}", few.empty() ? "" : ", ", part.device, part.family);
        continue;
      }
      const auto& s = found->score;
      const double cluster = found->constants.values().cluster;
      table.add({found->device, found->family.empty() ? "not stated" : found->family,
                 static_cast<double>(s.rows), static_cast<double>(s.groups),
                 fmt::format("{:.1f}%", 100 * s.before_median),
                 fmt::format("{:.1f}%", 100 * s.after_median),
                 fmt::format("{:.2f}", std::exp(found->half_width_90)), percent(cluster - 1),
                 found->draw ? percent(*found->draw - 1) : std::string{}});
      if (!best) best = std::move(found);
    }
    if (!best) {
      throw InputError({from.front(), 0, 0}, "fewer than three rows of one kind of device",
                       "three runs of different plans or models, or more, tell a cluster");
    }
    table.drop_blank_columns();
    text += table.for_people(output.empty() && color_wanted());
    if (!few.empty()) text += fmt::format("Too few rows: {}.\n", few);
    text += told(*best);
    const auto profile = profile_of(*best, *catalogue);
    if (parts.size() > 1 && device.empty() && family.empty()) {
      text +=
          fmt::format("The profile is that of {} with {}; --device and --family take another.\n",
                      best->device, best->family.empty() ? "no framework stated" : best->family);
    }
    text += keep(profile);
    write_answer("", text);
    return Exit::ok;
  }

 private:
  std::string keep(const planner::Profile& profile) const {
    if (!output.empty()) write_answer(output, text_of(profile));
    if (no_store) return {};
    auto store = db::Store::open(store_path(db), db::Store::Mode::write);
    store.save_profile({profile.name, profile.created, text_of(profile)});
    return fmt::format("Stored as '{0}': planner estimate my.csv --profile {0}\n", profile.name);
  }

  /// Mean power of the CPUs while `work` runs; absent where it cannot be read.
  template <class Work>
  static std::optional<double> power_during(Work work) {
    hardware::Sensors sensors;
    hardware::find_cpus(hardware::powercap_of_environment(), sensors);
    hardware::Meter meter{std::move(sensors), 0.2 * second};
    meter.start();
    work();
    meter.stop();
    double watts = 0;
    for (const auto& source : meter.usage()) {
      const auto& u = source.usage;
      if (!u.energy || !(u.covered > Time{})) return std::nullopt;
      watts += (*u.energy / u.covered).in(watt);
    }
    return meter.empty() ? std::nullopt : std::optional{watts};
  }

  /// This machine: its GPU, else its CPUs.
  Exit measure() const {
    if (cpu) return measure_cpus("");
    std::string why;
    const auto catalogue = open_catalogue(data);
    hardware::GpuPlan plan;
    plan.shapes = architecture.empty() ? hardware::usual_gpu_shapes()
                                       : gpu_shapes_of(architecture, *catalogue);
    plan.budget = seconds * second;
    plan.each = [](const std::string& what) { tell(fmt::format("calibrate: {}", what)); };
    std::optional<hardware::GpuRates> rates;
    try {
      rates = hardware::measure_gpu(plan, why);
    } catch (const hardware::GpuError& e) {
      throw InputError({"GPU", 0, 0}, e.what(),
                       "nvidia-smi tells whether it is well and who uses it; --cpu measures the "
                       "CPUs");
    }
    if (!rates) {
      if (!architecture.empty()) {
        throw InputError({"--architecture", 0, 0}, why, "blocks are measured on GPUs");
      }
      return measure_cpus(why);
    }
    const auto id = device_of_driver(rates->name, catalogue->devices());
    const auto* known = id.empty() ? nullptr : catalogue->devices().find(id).device;
    const auto tflops = [&](hardware::Dtype dtype) {
      const auto peak = known != nullptr ? known->peak_of(dtype) : std::nullopt;
      constexpr double kTera = 1e12;
      return peak ? peak->in(flop / second / pretrain::device) / kTera : 0.0;
    };
    std::string text =
        gpu_text(*rates, tflops(hardware::Dtype::bf16), tflops(hardware::Dtype::fp8));
    if (known == nullptr) {
      tell(
          fmt::format("calibrate: '{}' is no device of the catalogue: nothing is stored\n"
                      "  help: add it to a devices.csv, and name its folder with --data",
                      printable(rates->name)));
      write_answer("", text);
      return Exit::ok;
    }
    if (rates->blocks.empty()) {
      throw InputError({"GPU", 0, 0}, "no blocks fitted into its memory",
                       "free it, or name a smaller --architecture");
    }
    const auto found = validation::calibrate(*rates, id, *catalogue);
    text += "\n" + found_text(found);
    auto p = profile_of_gpu(*rates, found, *known, *catalogue);
    p.name = name.empty() ? "local-gpu" : name;
    p.created = utc_now();
    p.version = PRETRAIN_VERSION;
    write_answer("", text + keep(p));
    return Exit::ok;
  }

  /// `why`: no GPU was measured.
  Exit measure_cpus(const std::string& why) const {
    const unsigned threads = hardware::usable_threads();
    const auto library =
        hardware::MatrixLibrary::open(threads, hardware::MatrixLibrary::usual_names());
    tell(why.empty() ? std::string{"calibrate: the CPUs are measured"}
                     : fmt::format("calibrate: the CPUs are measured. GPU: {}", why));
    constexpr double kIdle = 0.05;  // of the time, before and after
    const auto rest = std::chrono::duration<double>{kIdle * seconds};
    hardware::CpuRates rates;
    auto idle = power_during([&] { std::this_thread::sleep_for(rest); });
    const auto loaded = power_during([&] {
      rates = hardware::measure_cpu(*library, threads, (1 - 2 * kIdle) * seconds * second, {});
    });
    if (const auto after = power_during([&] { std::this_thread::sleep_for(rest); });
        after && idle) {
      idle = std::min(*idle, *after);
    }
    planner::Profile p;
    p.name = name.empty() ? "local-cpu" : name;
    p.created = utc_now();
    p.version = PRETRAIN_VERSION;
    p.catalogue = open_catalogue(data)->hash();
    p.from = "measured";
    p.device = "local";
    auto& m = p.measured.emplace();
    m.id = "local-cpu";
    m.name = rates.name;
    m.threads = rates.threads;
    m.library = rates.library;
    m.seconds = rates.seconds;
    for (const auto& g : rates.gemm) {
      m.gemm.push_back({g.size, g.gflops.median, g.gflops.low, g.gflops.high});
    }
    m.copy_gb_per_s = rates.copy_gb_per_s.median;
    constexpr double kGiga = 1e9;
    m.memory_gb = static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                  static_cast<double>(sysconf(_SC_PAGESIZE)) / kGiga;
    m.idle_w = idle;
    m.loaded_w = loaded;
    write_answer("", cpu_text(rates, m) + keep(p));
    return Exit::ok;
  }

  static std::string cpu_text(const hardware::CpuRates& rates,
                              const planner::Profile::Measured& m) {
    TextTable table{{{"what", fmt::format("{}, {} threads", rates.name, rates.threads), false},
                     {"rate", "Median", true},
                     {"low", "Slowest", true},
                     {"high", "Fastest", true},
                     {"unit", "", false},
                     {"n", "Repetitions", true}}};
    const auto add = [&](std::string what, const hardware::MeasuredRate& r, const char* unit) {
      table.add({std::move(what), r.median, r.low, r.high, std::string{unit},
                 static_cast<double>(r.repetitions)});
    };
    for (const auto& g : rates.gemm) {
      add(fmt::format("fp32 product of {:.0f} x {:.0f}", g.size, g.size), g.gflops, "GFLOP/s");
    }
    add("copy, read and written", rates.copy_gb_per_s, "GB/s");
    std::string text = table.for_people(color_wanted());
    text += fmt::format("By {}, in {} s.\n", rates.library, for_people(rates.seconds));
    if (m.idle_w && m.loaded_w) {
      text +=
          fmt::format("{} W idle, {} W loaded: {} J a GFLOP at the best.\n", for_people(*m.idle_w),
                      for_people(*m.loaded_w), for_people(*m.loaded_w / m.best_gflops()));
    } else {
      text += "No power: the energy of the CPUs cannot be read here.\n";
    }
    return text + fmt::format("With the profile, rows may name the device '{}'.\n", m.id);
  }

  static std::string contents_of(const std::string& file) {
    InputFile input{file};
    std::ostringstream text;
    text << input.stream().rdbuf();
    return text.str();
  }

  /// What a test of the network says of a link: the share of its bandwidth that collectives reach,
  /// against what is known of all clusters. Told to people.
  static std::string learn_network(const planner::NcclLog& log, const std::string& file,
                                   const planner::Catalogue& catalogue,
                                   models::StepConstantTable& known, std::string& generation) {
    const auto id = device_of_driver(log.device, catalogue.devices());
    const auto* found = catalogue.devices().find(id).device;
    if (id.empty() || found == nullptr) {
      throw InputError({file, 0, 0},
                       log.device.empty() ? std::string{"it does not say which devices it ran on"}
                                          : fmt::format("unknown device '{}'", log.device),
                       "give the output with its header: the lines of ranks name the device");
    }
    generation = found->generation;
    const auto bandwidth = log.bandwidth();
    if (!bandwidth) {
      throw InputError({file, 0, 0}, "no message of 8 MiB or more",
                       "run it to large messages: all_reduce_perf -b 8M -e 8G -f 2");
    }
    if (log.operation == "alltoall") {
      return fmt::format("{}: not used: exchanges of experts are told by runs of them\n", file);
    }
    constexpr double kBitsPerByte = 8;
    const double near = found->scaleup_gb_per_s.value_or(0);
    const double per_host = static_cast<double>(log.ranks) / static_cast<double>(log.hosts);
    const double far = found->scaleout_gbit_per_s.value_or(0) / kBitsPerByte * per_host;
    const bool network = log.hosts > 1;
    const double line = network ? far : near;
    const char* const name = network ? "scaleout" : "scaleup";
    if (!(line > 0)) {
      throw InputError({file, 0, 0}, fmt::format("no {} bandwidth of {} is known", name, id),
                       "add it to devices.csv of a --data folder");
    }
    if (network && near > 0 && far > near) {
      return fmt::format(
          "{}: not used: the cards of a node ({} GB/s) are faster than its links "
          "({} GB/s), which hold such a test\n",
          file, for_people(far), for_people(near));
    }
    const double share = *bandwidth / line;
    constexpr double kMost = 1.1;
    if (share > kMost) {
      throw InputError({file, 0, 0},
                       fmt::format("{} GB/s over a {} of {} GB/s", for_people(*bandwidth), name,
                                   for_people(line)),
                       "the devices or their links are others than the catalogue has");
    }
    const auto row = std::find_if(known.rows.begin(), known.rows.end(),
                                  [&](const auto& r) { return r.name == name; });
    constexpr double kReading = 0.05;  // standard deviation of its logarithm
    const double weight = 1 / (kReading * kReading);
    const double prior = 1 / (row->sd * row->sd);
    const double before = row->value;
    row->value = std::exp((weight * std::log(std::min(1.0, share)) + prior * std::log(before)) /
                          (weight + prior));
    row->sd = 1 / std::sqrt(weight + prior);
    return fmt::format("{}: {} of {} ranks on {} hosts: {} of {} GB/s; {} {:.2f}, before {:.2f}\n",
                       file, log.operation.empty() ? "a collective" : log.operation, log.ranks,
                       log.hosts, for_people(*bandwidth), for_people(line), name, row->value,
                       before);
  }

  planner::Profile profile_of_network(const models::StepConstantTable& known,
                                      const std::string& generation,
                                      const planner::Catalogue& catalogue) const {
    planner::Profile p;
    p.name = name.empty() ? generation + "-network" : name;
    p.created = utc_now();
    p.version = PRETRAIN_VERSION;
    p.catalogue = catalogue.hash();
    p.from = sources();
    p.device = generation;
    p.run_class = models::RunClass::dense_gpu;
    p.half_width_90 = catalogue.step_spread().width(p.run_class, false, false);
    planner::take_constants(known, p);
    return p;
  }

  std::string sources() const {
    std::string all;
    for (const auto& file : from) {
      all += (all.empty() ? "" : ", ") + file.substr(file.rfind('/') + 1);
    }
    return all;
  }

  void read(const std::string& file, const std::string& text, const validation::Split& split,
            std::vector<std::unique_ptr<planner::Catalogue>>& catalogues,
            validation::Cases& rows) const {
    catalogues.push_back(open_catalogue(data, file));
    validation::Cases own{*catalogues.back(), split, {}};
    own.begin_table(file);
    std::istringstream in{text};
    planner::read_run_table(in, file, 1, own);
    rows.take(std::move(own));
  }

  std::vector<CalibrationPart> chosen(std::vector<CalibrationPart> parts) const {
    std::erase_if(parts, [&](const CalibrationPart& part) {
      return (!device.empty() && !equal_ignoring_case(part.device, device)) ||
             (!family.empty() && !equal_ignoring_case(part.family, family));
    });
    return parts;
  }

  std::string nothing_to_learn(const validation::Cases& rows) const {
    if (!device.empty() || !family.empty()) {
      return fmt::format("no row of {} {}", device, family);
    }
    return rows.skipped().empty()
               ? std::string{"no row tells the time of a step"}
               : fmt::format("no row tells the time of a step; of '{}': {}",
                             shortened(rows.skipped().front().id), rows.skipped().front().reason);
  }

  static std::string told(const Calibration& c) {
    std::string text;
    if (!c.learnt.empty()) {
      text += fmt::format("Known twice as well as before: {}.\n", fmt::join(c.learnt, ", "));
    }
    if (!c.not_told.empty()) {
      text += fmt::format("No row has {}: what is said of them is as before.\n",
                          fmt::join(c.not_told, ", "));
    }
    text += c.draw ? fmt::format("{} rows tell the draw of a device.\n", c.draw_rows)
                   : std::string{
                         "No row tells the draw of a device (device_power_w or a measured "
                         "energy): power is as before.\n"};
    if (c.score.groups < 2) {
      text +=
          "One model on one device: each row was told from the others, which says little of "
          "other models.\n";
    }
    if (c.score.after_mean_log > c.score.before_mean_log) {
      text +=
          "warning: told from the others, they are worse than before: the rows disagree, or "
          "are too few.\n";
    }
    return text;
  }

  planner::Profile profile_of(const Calibration& c, const planner::Catalogue& catalogue) const {
    planner::Profile p;
    p.name = !name.empty() ? name
                           : fmt::format("{}{}{}", c.device, c.family.empty() ? "" : "-", c.family);
    p.created = utc_now();
    p.version = PRETRAIN_VERSION;
    p.catalogue = catalogue.hash();
    p.from = sources();
    p.device = c.device;
    p.family = c.family;
    p.rows = c.score.rows;
    p.groups = c.score.groups;
    p.before = c.score.before_median;
    p.after = c.score.after_median;
    p.run_class = c.run_class;
    p.half_width_90 = c.half_width_90;
    p.draw = c.draw;
    planner::take_constants(c.constants, p);
    return p;
  }
};

}  // namespace

void add_calibrate_command(CLI::App& app, Exit& exit) {
  auto command = std::make_shared<CalibrateCommand>();
  CLI::App* sub = app.add_subcommand(
      "calibrate",
      "Learns a cluster from its past runs, or measures this machine's GPU or CPUs, and "
      "keeps that as a profile");
  sub->add_option("--from", command->from,
                  "Run tables of past runs with what was reported of their speed and draw, and "
                  "outputs of nccl-tests; none: "
                  "the GPU of this machine is measured, else its CPUs");
  auto* of =
      sub->add_option("--architecture", command->architecture,
                      "Measure blocks of this one (planner list architectures, or a config.json) "
                      "[blocks of usual widths]");
  sub->add_flag("--cpu", command->cpu, "Measure the CPUs, also where a GPU is")->excludes(of);
  sub->add_option("--seconds", command->seconds, "That a measurement may take")
      ->check(CLI::Range(0.5, 3600.0))
      ->capture_default_str();
  sub->add_option("--device", command->device,
                  "Only rows on this generation of devices: hopper, ampere");
  sub->add_option("--family", command->family, "Only rows of this framework: megatron, fsdp_torch");
  sub->add_option("--name", command->name, "Of the profile [GENERATION-FRAMEWORK]");
  sub->add_option("-o,--output", command->output, "Write the profile here, too (YAML)");
  sub->add_option("--data", command->data,
                  "Folder with data tables that replace the program's own");
  sub->add_option("--db", command->db, "The store (else PLANNER_DB, else the XDG data folder)");
  sub->add_flag("--no-store", command->no_store, "Do not keep it in the store");
  sub->callback([command, &exit] { exit = command->run(); });
}

}  // namespace pretrain::cli
