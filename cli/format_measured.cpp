#include "cli/format_measured.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "cli/files.hpp"
#include "cli/options.hpp"
#include "cli/text_table.hpp"
#include "hardware/kernels/cpu.hpp"
#include "models/core/input_error.hpp"
#include "planner/run_writer.hpp"
#include "planner/warnings.hpp"

namespace pretrain::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr double kJoulePerKilowattHour = 3.6e6;

double pue_of(const MeasuredSite& site) { return site.pue.value_or(1); }

std::optional<double> kilowatt_hours(const std::optional<double>& joules) {
  return joules ? std::optional{*joules / kJoulePerKilowattHour} : std::nullopt;
}

std::string text_of(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : std::string{};
}

/// Mean power of all sources of a kind.
std::optional<double> power_of(const MeasuredRun& run, std::string_view kind) {
  std::optional<double> sum;
  for (const auto& s : run.sources) {
    if (s.kind == kind && s.power_w) sum = sum.value_or(0) + *s.power_w;
  }
  return sum;
}

/// "4 x NVIDIA H200", or the kinds one after the other.
std::string models_of(const MeasuredRun& run, std::string_view kind) {
  std::map<std::string, std::size_t> counts;
  for (const auto& s : run.sources) {
    if (s.kind == kind) ++counts[s.name];
  }
  std::string text;
  for (const auto& [name, count] : counts) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{} x {}", count, name);
  }
  return text;
}

std::string system_name() {
  utsname name{};
  if (uname(&name) != 0) return {};
  return fmt::format("{}-{}-{}", name.sysname, name.release, name.machine);
}

std::string random_id() {
  std::random_device device;
  const auto word = [&] { return device(); };
  return fmt::format("{:08x}-{:04x}-4{:03x}-a{:03x}-{:08x}{:04x}", word(), word() & 0xffffU,
                     word() & 0xfffU, word() & 0xfffU, word(), word() & 0xffffU);
}

/// "2026-03-21T15:39:53Z" without its Z, with a space for BoAmps.
std::string plain_time(std::string time, char between) {
  if (!time.empty() && time.back() == 'Z') time.pop_back();
  if (const auto t = time.find('T'); t != std::string::npos) time[t] = between;
  return time;
}

bool is_country_code(const std::string& region) {
  return region.size() == 3 &&
         std::all_of(region.begin(), region.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

std::string run_name(const MeasuredRun& run) {
  return run.name.empty() ? run.program.substr(run.program.rfind('/') + 1) : run.name;
}

/// Columns and values, so that they cannot get out of step.
std::vector<std::pair<std::string, std::string>> codecarbon_cells(const MeasuredRun& run,
                                                                  const MeasuredSite& site) {
  const auto with_pue = [&](std::string_view kind) {
    const auto kwh = kilowatt_hours(run.energy_j(kind));
    return text_of(kwh ? std::optional{pue_of(site) * *kwh} : std::nullopt);
  };
  const auto all = kilowatt_hours(run.energy_j());
  const auto kg = measured_kg(run, site);
  const double pages =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  constexpr double kGibibyte = 1073741824;
  const std::size_t gpus = run.count("gpu");
  return {{"timestamp", plain_time(run.started, 'T')},
          {"project_name", run_name(run)},
          {"run_id", random_id()},
          {"experiment_id", ""},
          {"duration", text_of(run.seconds)},
          {"emissions", text_of(kg)},
          {"emissions_rate",
           text_of(kg && run.seconds > 0 ? std::optional{*kg / run.seconds} : std::nullopt)},
          {"cpu_power", text_of(power_of(run, "cpu"))},
          {"gpu_power", text_of(power_of(run, "gpu"))},
          {"ram_power", text_of(power_of(run, "dram"))},
          {"cpu_energy", with_pue("cpu")},
          {"gpu_energy", with_pue("gpu")},
          {"ram_energy", with_pue("dram")},
          {"energy_consumed", text_of(all ? std::optional{pue_of(site) * *all} : std::nullopt)},
          {"water_consumed", ""},
          {"country_name", site.country},
          {"country_iso_code", is_country_code(site.region) ? site.region : std::string{}},
          {"region", is_country_code(site.region) ? std::string{} : site.region},
          {"cloud_provider", ""},
          {"cloud_region", ""},
          {"os", system_name()},
          {"python_version", ""},
          {"codecarbon_version", ""},
          {"cpu_count", fmt::format("{}", sysconf(_SC_NPROCESSORS_ONLN))},
          {"cpu_model", hardware::cpu_name()},
          {"gpu_count", gpus > 0 ? fmt::format("{}", gpus) : std::string{}},
          {"gpu_model", models_of(run, "gpu")},
          {"longitude", ""},
          {"latitude", ""},
          {"ram_total_size", fmt::format("{:.2f}", pages / kGibibyte)},
          {"tracking_mode", "machine"},
          {"cpu_utilization_percent", ""},
          {"gpu_utilization_percent", ""},
          {"ram_utilization_percent", ""},
          {"ram_used_gb", ""},
          {"on_cloud", ""},
          {"pue", text_of(site.pue)},
          {"wue", ""}};
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (const auto& cell : cells) {
    if (&cell != &cells.front()) line += ',';
    planner::append_csv_cell(line, cell);
  }
  return line + "\n";
}

void append_row(const std::string& path, const MeasuredRun& run, const MeasuredSite& site) {
  const auto header = codecarbon_header();
  std::string text;
  if (file_exists(path)) {
    text = read_whole(path);
    std::string first = text.substr(0, text.find('\n') + 1);
    if (first.size() > 1 && first[first.size() - 2] == '\r') first.erase(first.size() - 2, 1);
    if (!text.empty() && first != header) {
      throw InputError({path, 1, 0}, "has other columns than this version of CodeCarbon's file",
                       "name a new file: rows of two versions in one would be read wrong");
    }
    if (!text.empty() && text.back() != '\n') text += '\n';
  }
  if (text.empty()) text = header;
  write_answer(path, text + codecarbon_row(run, site));
}

}  // namespace

void MeasuredSite::find() {
  if (region.empty()) return;
  const planner::Catalogue catalogue;
  const auto& grid = catalogue.grid(planner::Grid::current);
  const auto* found = grid.find(region);
  if (found == nullptr) {
    throw InputError({"--region", 0, 0}, fmt::format("unknown region '{}'", region),
                     planner::region_hint(grid, region) + " `planner list regions` shows all");
  }
  region = found->region;
  country = found->location;
  if (!kg_per_kwh) kg_per_kwh = found->intensity.in(kilogram / kilowatt_hour);
}

std::optional<double> measured_kg(const MeasuredRun& run, const MeasuredSite& site) {
  const auto kwh = kilowatt_hours(run.energy_j());
  if (!kwh || !site.kg_per_kwh) return std::nullopt;
  return *kwh * pue_of(site) * *site.kg_per_kwh;
}

std::string measured_text(const MeasuredRun& run, const MeasuredSite& site) {
  std::string text = fmt::format("measure: {} ran for {} s", run.program, for_people(run.seconds));
  if (run.exit_code && *run.exit_code != 0) text += fmt::format(", exit status {}", *run.exit_code);
  if (run.ranks > 1) text += fmt::format(", {} ranks", run.ranks);
  text += "\n";
  TextTable table{{{"source", "Energy of", false},
                   {"kwh", "kWh", true},
                   {"watts", "Mean W", true},
                   {"most", "Highest W", true},
                   {"method", "By", false},
                   {"difference", "Counter against power", true},
                   {"clock", "MHz", true},
                   {"temperature", "C", true},
                   {"remark", "", false}}};
  for (const auto& s : run.sources) {
    std::string remark = s.note;
    const auto add = [&](const std::string& what) {
      if (!remark.empty()) remark += "; ";
      remark += what;
    };
    if (!s.throttled.empty()) add("held back by " + s.throttled);
    if (s.contended) add("others were at work on it");
    if (s.lost) add("lost");
    if (s.resets > 0) add(fmt::format("driver reset {} times", s.resets));
    constexpr double kGap = 0.01;
    if (s.gap_s > kGap * (s.gap_s + s.covered_s)) {
      add(fmt::format("nothing is known of {} s", for_people(s.gap_s)));
    }
    // Both over the same time, or nothing can be said.
    const bool both = s.by_counter_j && s.by_power_j && *s.by_power_j > 0 && s.resets == 0;
    table.add({fmt::format("{} {}", s.id, s.name),
               s.energy_j ? TextCell{*s.energy_j / kJoulePerKilowattHour} : TextCell{},
               s.power_w ? TextCell{*s.power_w} : TextCell{},
               s.max_power_w ? TextCell{*s.max_power_w} : TextCell{}, s.method,
               both ? percent(*s.by_counter_j / *s.by_power_j - 1) : std::string{},
               s.clock_mhz ? TextCell{*s.clock_mhz} : TextCell{},
               s.temperature_c ? TextCell{*s.temperature_c} : TextCell{}, remark});
  }
  table.drop_blank_columns();
  if (!table.empty()) text += table.for_people(false);
  const auto energy = run.energy_j();
  if (!energy) {
    text += "No energy was measured.\n";
  } else {
    text += fmt::format("Energy {} kWh", for_people(*energy / kJoulePerKilowattHour));
    if (site.pue) {
      text += fmt::format(", at the meter {} kWh",
                          for_people(pue_of(site) * *energy / kJoulePerKilowattHour));
    }
    if (const auto kg = measured_kg(run, site)) {
      text +=
          fmt::format(", {} kg CO2e at {} kg/kWh", for_people(*kg), for_people(*site.kg_per_kwh));
    } else {
      text += "; no carbon without --region or --intensity";
    }
    text += "\n";
  }
  if (run.step_s) {
    text += fmt::format("Steps {}, {} s each", for_people(run.steps.value_or(0)),
                        for_people(*run.step_s));
    if (run.step_j) text += fmt::format(", {} J", for_people(*run.step_j));
    if (run.tokens_per_step) {
      text += fmt::format(", {} tokens/s", for_people(*run.tokens_per_step / *run.step_s));
      if (run.step_j) {
        text += fmt::format(", {} J a token", for_people(*run.step_j / *run.tokens_per_step));
      }
    }
    text += "\n";
  }
  if (run.clock_jump_s != 0) {
    text += fmt::format(
        "The wall clock was set by {} s while it ran: times are those of a clock "
        "that is not.\n",
        for_people(run.clock_jump_s));
  }
  return text;
}

std::string codecarbon_header() {
  std::vector<std::string> names;
  for (auto& cell : codecarbon_cells({}, {})) names.push_back(cell.first);
  return csv_line(names);
}

std::string codecarbon_row(const MeasuredRun& run, const MeasuredSite& site) {
  std::vector<std::string> values;
  for (auto& cell : codecarbon_cells(run, site)) values.push_back(cell.second);
  return csv_line(values);
}

std::string card_block(const MeasuredRun& run, const MeasuredSite& site) {
  const auto kg = measured_kg(run, site);
  if (!kg) {
    throw InputError({"--card", 0, 0}, "no emissions to write",
                     run.energy_j() ? "give --region or --intensity" : "no energy was measured");
  }
  constexpr double kGram = 1e3;
  std::string text = fmt::format("co2_eq_emissions:\n  emissions: {:.6g}\n", kGram * *kg);
  text += fmt::format("  source: planner measure {}\n", PRETRAIN_VERSION);
  text += "  training_type: pre-training\n";
  if (!site.country.empty()) text += fmt::format("  geographical_location: {}\n", site.country);
  if (const auto gpus = models_of(run, "gpu"); !gpus.empty()) {
    text += fmt::format("  hardware_used: {}\n", gpus);
  } else if (const auto cpu = hardware::cpu_name(); !cpu.empty()) {
    text += fmt::format("  hardware_used: {}\n", Json(cpu).dump());
  }
  return text;
}

std::string boamps_report(const MeasuredRun& run, const MeasuredSite& site) {
  const auto kwh = kilowatt_hours(run.energy_j());
  if (!kwh) {
    throw InputError({"--boamps", 0, 0}, "no energy was measured",
                     "the report has to have its kWh");
  }
  Json report;
  report["header"] = {{"formatVersion", "0.1"},
                      {"reportDatetime", plain_time(run.started, ' ')},
                      {"reportStatus", "draft"}};
  Json algorithm{{"algorithmType", "llm"}};
  if (!run.name.empty()) algorithm["algorithmName"] = run.name;
  Json dataset{{"dataUsage", "input"}, {"dataType", "token"}};
  if (run.tokens_per_step && run.steps) {
    dataset["dataQuantity"] = *run.tokens_per_step * *run.steps;
  }
  report["task"] = {{"taskStage", "training"},
                    {"taskFamily", "text generation"},
                    {"algorithms", Json::array({algorithm})},
                    {"dataset", Json::array({dataset})}};
  Json measure{{"measurementMethod", "planner measure"}, {"version", PRETRAIN_VERSION}};
  measure["cpuTrackingMode"] = run.count("cpu") > 0 ? "rapl" : "none";
  measure["gpuTrackingMode"] = run.count("gpu") > 0 ? "nvml" : "none";
  measure["powerConsumption"] = *kwh;
  measure["measurementDuration"] = run.seconds;
  measure["measurementDateTime"] = plain_time(run.started, ' ');
  report["measures"] = Json::array({measure});
  report["system"] = {{"os", system_name()}};
  Json components = Json::array();
  std::map<std::string, int> gpus;
  for (const auto& s : run.sources) {
    if (s.kind == "gpu") ++gpus[s.name];
  }
  for (const auto& [name, count] : gpus) {
    components.push_back(
        {{"componentName", name}, {"componentType", "gpu"}, {"nbComponent", count}});
  }
  components.push_back({{"componentName", hardware::cpu_name()},
                        {"componentType", "cpu"},
                        {"nbComponent", std::max<int>(1, static_cast<int>(run.count("cpu")))}});
  report["infrastructure"] = {{"infraType", "onPremise"}, {"components", components}};
  if (!site.country.empty()) report["environment"]["country"] = site.country;
  if (site.kg_per_kwh) {
    constexpr double kGram = 1e3;
    report["environment"]["powerSourceCarbonIntensity"] = kGram * *site.kg_per_kwh;
  }
  report["quality"] = run.gap_s() > 0 || run.contended() ? "low" : "high";
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string prometheus_text(const MeasuredRun& run) {
  std::string text;
  const auto begin = [&](const char* name, const char* type, const char* help) {
    text += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  };
  const auto label = [](const std::string& value) {
    std::string safe;
    for (const char c : value) {
      if (c == '\\' || c == '"') safe += '\\';
      safe += c == '\n' ? ' ' : c;
    }
    return safe;
  };
  const auto each = [&](const char* name, auto figure) {
    for (const auto& s : run.sources) {
      const auto value = figure(s);
      if (!value) continue;
      text += fmt::format("{}{{run=\"{}\",source=\"{}\",kind=\"{}\",model=\"{}\"}} {}\n", name,
                          label(run_name(run)), label(s.id), label(s.kind), label(s.name), *value);
    }
  };
  begin("planner_energy_joules_total", "counter", "Energy since the run began");
  each("planner_energy_joules_total", [](const MeasuredSource& s) { return s.energy_j; });
  begin("planner_power_watts", "gauge", "Mean power since the run began");
  each("planner_power_watts", [](const MeasuredSource& s) { return s.power_w; });
  begin("planner_unknown_seconds_total", "counter", "Time for which a source told nothing");
  each("planner_unknown_seconds_total",
       [](const MeasuredSource& s) { return std::optional{s.gap_s}; });
  const auto one = [&](const char* name, const char* type, const char* help,
                       const std::optional<double>& value) {
    if (!value) return;
    begin(name, type, help);
    text += fmt::format("{}{{run=\"{}\"}} {}\n", name, label(run_name(run)), *value);
  };
  one("planner_run_seconds_total", "counter", "Time since the run began", run.seconds);
  one("planner_steps_total", "counter", "Steps that are done", run.steps);
  one("planner_step_seconds", "gauge", "Mean time of a steady step", run.step_s);
  return text;
}

void write_files(const MeasuredFiles& files, const MeasuredRun& run, const MeasuredSite& site) {
  if (!files.codecarbon.empty()) append_row(files.codecarbon, run, site);
  if (!files.card.empty()) write_answer(files.card, card_block(run, site));
  if (!files.boamps.empty()) write_answer(files.boamps, boamps_report(run, site));
  if (!files.prometheus.empty()) write_answer(files.prometheus, prometheus_text(run));
}

}  // namespace pretrain::cli
