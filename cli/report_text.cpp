#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/report.hpp"
#include "cli/text_table.hpp"
#include "models/core/input_error.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::cli {

using planner::Key;

const ReportRow& Report::lead() const {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [](const ReportRow& row) { return row.ok; });
  return found == rows.end() ? rows.front() : *found;
}

std::string Report::interval_words() const {
  return interval > 0 ? fmt::format("{:g}% intervals", 100 * interval) : std::string{};
}

std::string with_interval(const ReportRow& row, Key key) {
  if (!row.ok || !(*row.predicted)[key]) return "–";
  const auto& p = *row.predicted;
  std::string text = for_people(*p[key]);
  const auto low = p.low(key);
  const auto high = p.high(key);
  if (low && high) text += fmt::format(" ({} to {})", for_people(*low), for_people(*high));
  return text;
}

std::vector<AskedFor> asked_for(const ReportRow& row) {
  std::vector<AskedFor> all;
  if (!row.ok) return all;
  const auto& p = *row.predicted;
  const std::string act = "EU AI Act, Annex XI, Section 1";
  const auto params = p[Key::total_params];
  const auto active = p[Key::active_params];
  if (params) {
    all.push_back({act + ", 1(d): number of parameters", "parameters",
                   active && *active < *params
                       ? fmt::format("{} ({} met by a token)", count_for_people(*params),
                                     count_for_people(*active))
                       : count_for_people(*params)});
  }
  if (const auto flop = p[Key::training_flops]) {
    constexpr double kSystemic = 1e25;
    constexpr double kGeneral = 1e23;
    all.push_back({act + ", 2(d): computational resources", "floating point operations",
                   fmt::format("{:.3g}", *flop)});
    all.push_back(
        {"Article 51(2): presumed systemic risk above 1e25", "training work",
         fmt::format("{:.2g} of it{}", *flop / kSystemic, *flop > kSystemic ? ": above" : "")});
    all.push_back(
        {"Guidelines C(2025) 5045, 17: general-purpose above 1e23 (indicative)", "training work",
         fmt::format("{}: {:.2g} of it", *flop > kGeneral ? "above" : "below", *flop / kGeneral)});
  }
  if (p[Key::training_days]) {
    all.push_back({act + ", 2(d): training time", "days", with_interval(row, Key::training_days)});
    all.push_back({act + ", 2(d): other details", "accelerator hours",
                   with_interval(row, Key::device_hours)});
  }
  if (p[Key::facility_energy_mwh]) {
    all.push_back({act + ", 2(e): estimated energy consumption", "MWh, of the facility",
                   with_interval(row, Key::facility_energy_mwh)});
  }
  if (const auto carbon = p[Key::total_tco2e]; carbon && *carbon > 0) {
    const std::string sci = "SCI for AI, provider: (energy x intensity + embodied) per ";
    constexpr double kGramsPerTonne = 1e6;
    const double grams = kGramsPerTonne * *carbon;
    if (const auto flop = p[Key::training_flops]) {
      constexpr double kExa = 1e18;
      all.push_back({sci + "FLOP", "g CO2e per 1e18 FLOP", for_people(grams / (*flop / kExa))});
    }
    if (row.tokens) {
      constexpr double kMillion = 1e6;
      all.push_back({sci + "training token", "g CO2e per million tokens",
                     for_people(grams / (*row.tokens / kMillion))});
    }
    if (params) {
      constexpr double kBillion = 1e9;
      all.push_back({sci + "billion parameters", "t CO2e per billion parameters",
                     for_people(*carbon / (*params / kBillion))});
    }
  }
  return all;
}

std::string report_csv(const Report& report) {
  std::string text = "id,name,status";
  const auto uncertain = [](Key key) {
    const auto& all = planner::Predicted::kUncertain;
    return std::find(all.begin(), all.end(), key) != all.end();
  };
  for (std::size_t k = 0; k < planner::kKeys; ++k) {
    const auto key = static_cast<Key>(k);
    const auto name = planner::info_of(key).name;
    text += fmt::format(",{}", name);
    if (uncertain(key)) text += fmt::format(",{0}_low,{0}_high", name);
  }
  text += ",expected_loss\n";
  for (std::size_t i = 0; i < report.rows.size(); ++i) {
    const auto& row = report.rows[i];
    planner::append_csv_cell(text, no_formula(row.id));
    text += ',';
    planner::append_csv_cell(text, no_formula(row.name));
    text += fmt::format(",{}", planner::name_of(row.status));
    const auto add = [&](const std::optional<double>& value) {
      text += ',';
      if (value) planner::append_number(text, *value);
    };
    for (std::size_t k = 0; k < planner::kKeys; ++k) {
      const auto key = static_cast<Key>(k);
      add(row.ok ? (*row.predicted)[key] : std::nullopt);
      if (!uncertain(key)) continue;
      add(row.ok ? row.predicted->low(key) : std::nullopt);
      add(row.ok ? row.predicted->high(key) : std::nullopt);
    }
    add(report.comparison.losses[i]);
    text += '\n';
  }
  return text;
}

std::string report_markdown(const Report& report) {
  std::string text = fmt::format("# {}\n\n", no_tags(report.title));
  text += fmt::format("Predicted before training by planner {} (tables {}), {}.\n\n",
                      PRETRAIN_VERSION, report.catalogue, report.created);
  TextTable table{{{"run", "Run", false},
                   {"days", "Days", true},
                   {"hours", "Accelerator hours", true},
                   {"energy", "Facility energy [MWh]", true},
                   {"operational", "Operational [tCO2e]", true},
                   {"embodied", "Embodied [tCO2e]", true},
                   {"total", "Total [tCO2e]", true}}};
  for (const auto& row : report.rows) {
    std::vector<TextCell> cells{row.name};
    for (const auto key : {Key::training_days, Key::device_hours, Key::facility_energy_mwh,
                           Key::operational_tco2e, Key::embodied_tco2e, Key::total_tco2e}) {
      cells.emplace_back(with_interval(row, key));
    }
    table.add(std::move(cells));
  }
  text += table.markdown();
  if (report.interval > 0) text += fmt::format("\nIn brackets: {}.\n", report.interval_words());
  if (report.rows.size() > 1) text += "\n## Compared\n\n" + compare_markdown(report.comparison);
  // Of each run, as far as anybody would read them.
  constexpr std::size_t kMost = 12;
  for (std::size_t i = 0; i < std::min(kMost, report.rows.size()); ++i) {
    const auto& row = report.rows[i];
    const auto asked = asked_for(row);
    if (asked.empty()) continue;
    TextTable fields{{{"by", fmt::format("Asked for, of {}", row.name), false},
                      {"what", "Unit", false},
                      {"value", "Value", false}}};
    for (const auto& a : asked) fields.add({a.by, a.what, a.value});
    text += "\n" + fields.markdown();
  }
  TextTable accuracy{{{"quantity", "How often this version holds (published runs unseen)", false},
                      {"runs", "Runs", true},
                      {"median", "Median error", true},
                      {"within", "Within 20%", true},
                      {"held", "Within the interval", true}}};
  for (const auto& a : validation::accuracy()) {
    accuracy.add({std::string{a.quantity}, a.runs, fmt::format("{:.1f}%", 100 * a.median_error),
                  fmt::format("{:.0f}%", 100 * a.within_20),
                  a.held ? TextCell{fmt::format("{:.0f}%", 100 * *a.held)} : TextCell{}});
  }
  return text + "\n" + accuracy.markdown() + "\n" + no_tags(refusals(report.rows));
}

std::string report_card(const Report& report) {
  const auto& row = report.lead();
  const auto carbon = row.ok ? (*row.predicted)[Key::operational_tco2e] : std::nullopt;
  if (!carbon) {
    throw InputError({"--format", 0, 0}, "no emissions to write",
                     "give the run a device, a size and a place (region, or intensity and pue)");
  }
  constexpr double kGramsPerTonne = 1e6;
  std::string text =
      fmt::format("co2_eq_emissions:\n  emissions: {:.6g}\n", kGramsPerTonne * *carbon);
  text += fmt::format("  source: planner {} (predicted before training)\n", PRETRAIN_VERSION);
  text +=
      fmt::format("  training_type: {}\n",
                  row.phase.empty() || row.phase == "pretrain" ? "pre-training" : "fine-tuning");
  if (row.region_named) {
    text += fmt::format("  geographical_location: {}\n", nlohmann::json(row.candidate.grid).dump());
  }
  if (row.devices && !row.device.empty()) {
    text +=
        fmt::format("  hardware_used: {}\n",
                    nlohmann::json(fmt::format("{:.0f} x {}", *row.devices, row.device)).dump());
  }
  return text;
}

}  // namespace pretrain::cli
