#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <map>

#include "cli/estimate_job.hpp"
#include "cli/text_table.hpp"
#include "models/core/text.hpp"
#include "planner/explain.hpp"

namespace pretrain::cli {

namespace {

using planner::Key;

/// Runs named per value in the section of filled-in values, before "and n more".
constexpr std::size_t kMostNamed = 5;

TextCell cell(std::optional<double> value) {
  return value ? TextCell{*value} : TextCell{std::monostate{}};
}

TextCell count_cell(std::optional<double> value) {
  return value ? TextCell{count_for_people(*value)} : TextCell{std::monostate{}};
}

TextCell delta_cell(const ReportedNumber* number) {
  return number != nullptr && number->delta ? TextCell{percent(*number->delta)}
                                            : TextCell{std::monostate{}};
}

/// A prediction; a dash where there is none beside a published number, so that the number does not
/// stand under another heading.
TextCell shown_beside(std::optional<double> value, const ReportedNumber* reported) {
  if (!value && reported != nullptr) return std::string{"-"};
  return cell(value);
}

TextCell reported_cell(const ReportedNumber* number) {
  return number != nullptr ? TextCell{number->reported} : TextCell{std::monostate{}};
}

/// The published energy, whatever its scope.
const ReportedNumber* reported_energy(const ReportRow& row) {
  for (const auto key : {Key::facility_energy_mwh, Key::node_energy_mwh, Key::device_energy_mwh}) {
    if (const auto* number = row.find(key)) return number;
  }
  return nullptr;
}

std::vector<TextTable::Column> columns() {
  return {{"name", "Run", false},
          {"params", "Params", true},
          {"tokens", "Tokens", true},
          {"devices", "Devices", true},
          {"device", "Device", false},
          {"training_days", "Days", true},
          {"mfu", "MFU", true},
          {"tokens_per_s", "Tokens/s/dev", true},
          {"memory_gib_per_device", "Memory [GiB]", true},
          {"facility_energy_mwh", "Energy [MWh]", true},
          {"energy_scope", "in scope", false},
          {"energy_in_scope_mwh", "predicted", true},
          {"reported_energy_mwh", "reported", true},
          {"delta_energy", "delta", true},
          {"operational_tco2e", "Operational [tCO2e]", true},
          {"reported_tco2e", "reported", true},
          {"delta_operational", "delta", true},
          {"offset_tco2e", "Offset claim [t]", true},
          {"embodied_tco2e", "Embodied [t]", true},
          {"reported_embodied", "reported", true},
          {"delta_embodied", "delta", true}};
}

std::vector<TextCell> cells(const ReportRow& row) {
  if (!row.ok) {
    std::vector<TextCell> blank(columns().size());
    blank[0] = row.name;
    blank[4] = std::string{"(not computed)"};
    return blank;
  }
  const auto& p = *row.predicted;
  const bool only_rate = !p[Key::training_days] && !p[Key::device_hours];
  const auto* energy = reported_energy(row);
  // A figure of another scope is compared with the prediction in that scope: show both.
  const bool other_scope = energy != nullptr && energy->scope != "facility";
  const auto* operational = row.find(Key::operational_tco2e);
  const auto* embodied = row.find(Key::embodied_tco2e);
  return {row.name,
          count_cell(p[Key::total_params]),
          count_cell(row.tokens),
          cell(row.devices),
          row.device,
          cell(p[Key::training_days]),
          cell(p[Key::mfu]),
          only_rate ? cell(p[Key::tokens_per_s_per_device]) : TextCell{},
          cell(p[Key::memory_gib_per_device]),
          shown_beside(p[Key::facility_energy_mwh], energy),
          other_scope ? TextCell{energy->scope} : TextCell{},
          other_scope ? cell(energy->predicted) : TextCell{},
          reported_cell(energy),
          delta_cell(energy),
          shown_beside(p[Key::operational_tco2e], operational),
          reported_cell(operational),
          delta_cell(operational),
          cell(row.offset_tco2e),
          shown_beside(p[Key::embodied_tco2e], embodied),
          reported_cell(embodied),
          delta_cell(embodied)};
}

/// Sum over the rows, only where every row has the quantity.
template <class Get>
std::optional<double> sum(const std::vector<ReportRow>& rows, Get get) {
  double total = 0.0;
  for (const auto& row : rows) {
    const std::optional<double> value = get(row);
    if (!value) return std::nullopt;
    total += *value;
  }
  return total;
}

TextTable overview(const std::vector<ReportRow>& rows, bool& totals) {
  TextTable table{columns()};
  for (const auto& row : rows) table.add(cells(row));
  std::vector<ReportRow> computed;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(computed),
               [](const ReportRow& row) { return row.status == planner::Status::ok; });
  const auto of = [&](Key key) {
    return sum(computed, [key](const ReportRow& row) { return (*row.predicted)[key]; });
  };
  const auto energy = of(Key::facility_energy_mwh);
  const bool one_scope = std::all_of(computed.begin(), computed.end(), [&](const ReportRow& row) {
    return row.grid_scope == computed.front().grid_scope;
  });
  const auto operational = one_scope ? of(Key::operational_tco2e) : std::nullopt;
  const auto embodied = of(Key::embodied_tco2e);
  totals = computed.size() > 1 && (energy || operational || embodied);
  if (totals) {
    std::vector<TextCell> last(columns().size());
    last[0] = std::string{"Total"};
    last[9] = cell(energy);
    last[14] = cell(operational);
    last[18] = cell(embodied);
    table.add(std::move(last));
  }
  table.drop_blank_columns();
  return table;
}

/// "a (2 runs); b (3 runs)", or "a" when there is nothing else.
std::string counted(const std::map<std::string, std::size_t>& counts) {
  std::string text;
  for (const auto& [what, count] : counts) {
    if (!text.empty()) text += "; ";
    text += counts.size() == 1 ? what
                               : fmt::format("{} ({} run{})", what, count, count == 1 ? "" : "s");
  }
  return text;
}

std::string value_text(const planner::Input& input) {
  if (const auto* number = std::get_if<double>(&input.value)) {
    const auto text = for_people(*number);
    if (input.unit == "1e9") return text + "B";
    return input.unit.empty() || input.unit == "1" ? text : text + " " + std::string{input.unit};
  }
  return std::string{std::get<std::string_view>(input.value)};
}

/// The published numbers that have no column of their own, and why a number is not compared.
std::string compared_text(const std::vector<ReportRow>& rows) {
  TextTable table{{{"name", "Also published", false},
                   {"quantity", "Quantity", false},
                   {"predicted", "Predicted", true},
                   {"reported", "Reported", true},
                   {"delta", "Delta", true},
                   {"remark", "Remark", false}}};
  for (const auto& row : rows) {
    for (const auto& number : row.reported) {
      const bool own_column =
          number.key == Key::device_energy_mwh || number.key == Key::node_energy_mwh ||
          number.key == Key::facility_energy_mwh || number.key == Key::operational_tco2e ||
          number.key == Key::embodied_tco2e;
      const bool assumed = number.basis == "device_hours_x_constant";
      if (own_column && number.reason.empty() && !assumed) continue;
      table.add({row.name, std::string{planner::info_of(number.key).name}, cell(number.predicted),
                 number.reported, delta_cell(&number),
                 number.reason.empty() && assumed
                     ? std::string{"hours x an assumed wattage: it tests the hours"}
                     : number.reason});
    }
  }
  if (table.empty()) return {};
  table.drop_blank_columns();
  return table.for_people(false);
}

/// "3.81 to 8.55"; blank where there is no interval.
std::string range_text(const planner::Predicted& predicted, Key key) {
  const auto low = predicted.low(key);
  const auto high = predicted.high(key);
  return low && high ? for_people(*low) + " to " + for_people(*high) : std::string{};
}

/// What of the plan was not stated: "tp 8, dp 16, sharding zero1".
std::string filled_plan(const planner::Result& result) {
  std::string text;
  for (const auto& input : planner::inputs_of(result)) {
    if (input.basis == Basis::given || !planner::of_memory(input.column)) continue;
    const bool state = input.unit == "B";
    if (input.column == "weight_bytes" || (state && !result.estimate.fit.verdict->chose_state))
      continue;
    if (!text.empty()) text += ", ";
    text += std::string{input.column} + " ";
    if (const auto* number = std::get_if<double>(&input.value)) {
      text += fmt::format("{:g}", *number);
    } else {
      text += std::get<std::string_view>(input.value);
    }
  }
  return text;
}

}  // namespace

std::string intervals_text(const std::vector<ReportRow>& rows) {
  double level = 0;
  for (const auto& row : rows) {
    if (row.predicted) level = row.predicted->interval();
  }
  const auto head = fmt::format("{:g}% interval", 100 * level);
  TextTable table{{{"name", head, false},
                   {"days", "Days", true},
                   {"mfu", "MFU", true},
                   {"energy", "Energy [MWh]", true},
                   {"operational", "Operational [tCO2e]", true},
                   {"embodied", "Embodied [t]", true},
                   {"drivers", "Driven by", false}}};
  for (const auto& row : rows) {
    if (!row.predicted) continue;
    const auto& p = *row.predicted;
    std::string drivers;
    for (const auto& driver : p.drivers()) {
      constexpr double kShown = 1.005;
      if (driver.factor < kShown) continue;
      drivers +=
          fmt::format("{}{} x/÷{:.2f}", drivers.empty() ? "" : ", ", driver.input, driver.factor);
    }
    if (drivers.empty()) continue;
    table.add({row.name, range_text(p, Key::training_days), range_text(p, Key::mfu),
               range_text(p, Key::facility_energy_mwh), range_text(p, Key::operational_tco2e),
               range_text(p, Key::embodied_tco2e), drivers});
  }
  if (table.empty()) return {};
  table.drop_blank_columns();
  return table.for_people(false);
}

std::string beside_text(const std::vector<ReportRow>& rows) {
  double level = 0;
  for (const auto& row : rows) {
    if (row.predicted) level = row.predicted->interval();
  }
  TextTable table{{{"name", "Beside the run", false},
                   {"line", "Line", false},
                   {"value", "Value", true},
                   {"unit", "Unit", false},
                   {"interval", fmt::format("{:g}% interval", 100 * level), true},
                   {"share", "of training energy", true},
                   {"note", "What it is", false}}};
  for (const auto& row : rows) {
    for (const auto& line : row.beside) {
      table.add(
          {row.name, std::string{line.result_name}, line.result,
           std::string{line.unit == "1e9" ? "B" : line.unit},
           line.low && line.high ? for_people(*line.low) + " to " + for_people(*line.high)
                                 : std::string{},
           line.share ? TextCell{fmt::format("{}%", for_people(100 * *line.share))} : TextCell{},
           line.note});
    }
  }
  if (table.empty()) return {};
  table.drop_blank_columns();
  return table.for_people(false);
}

std::string refusals(const std::vector<ReportRow>& rows) {
  std::string text;
  for (const auto& row : rows) {
    if (row.status == planner::Status::ok) continue;
    text += fmt::format("\n{}: {}: {}\n",
                        row.status == planner::Status::error ? "Not computed" : "Does not fit",
                        row.name.empty() ? "the run" : row.name, printable(row.reason));
  }
  return text;
}

std::string footnotes(const std::vector<ReportRow>& rows) {
  std::string text;
  std::map<std::string, std::size_t> scopes;
  std::map<std::string, std::size_t> grids;
  std::map<std::string, std::size_t> intervals;
  bool offset = false;
  bool memory = false;
  for (const auto& row : rows) {
    memory = memory || (row.predicted && (*row.predicted)[Key::memory_gib_per_device]);
    if (!row.embodied_scope.empty()) ++scopes[row.embodied_scope];
    if (!row.interval.empty()) ++intervals[row.interval];
    if (!row.grid_scope.empty()) ++grids[row.grid_scope];
    offset = offset || row.offset_tco2e.has_value();
  }
  if (!intervals.empty()) {
    text += "What comes from the time of a step (MFU; days where they are not given) holds " +
            counted(intervals) + ".\n";
  }
  text +=
      "Energy is facility energy (node energy x PUE); a delta compares in the scope of the "
      "published number.\n";
  if (!scopes.empty()) text += "Embodied scope: " + counted(scopes) + ".\n";
  if (grids.size() > 1) {
    text += "The grid intensities are not of one scope: " + counted(grids) +
            ". Compare carbon only within a scope.\n";
  }
  if (memory) {
    text +=
        "Memory is the peak that the framework allocates; the device reports about 5% and 2 GiB "
        "more.\n";
  }
  if (offset)
    text += "The offset is what the provider says it compensates; it is not subtracted.\n";
  return text;
}

std::string filled_in_text(const std::vector<ReportRow>& rows) {
  struct Group {
    std::string column;
    std::string_view basis;
    std::string place;
    std::vector<std::pair<std::string, std::string>> runs;  // name, value
  };
  std::vector<Group> groups;
  for (const auto& row : rows) {
    for (const auto& filled : row.filled_in) {
      auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& g) {
        return g.column == filled.column && g.basis == filled.basis && g.place == filled.place;
      });
      if (found == groups.end()) {
        groups.push_back({filled.column, filled.basis, filled.place, {}});
        found = std::prev(groups.end());
      }
      found->runs.emplace_back(row.name, filled.value);
    }
  }
  if (groups.empty()) return {};
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.column < b.column; });
  TextTable table{{{"column", "Filled in", false},
                   {"value", "Value", true},
                   {"basis", "Basis", false},
                   {"place", "From", false},
                   {"runs", "Runs", false}}};
  for (const auto& group : groups) {
    // One line for each value that several runs share; one with all values where they differ.
    const bool same = std::all_of(group.runs.begin(), group.runs.end(), [&](const auto& run) {
      return run.second == group.runs.front().second;
    });
    if (!same && group.column == "plan") {  // long: each on a line of its own
      for (std::size_t i = 0; i < group.runs.size() && i < kMostNamed; ++i) {
        const bool more = i + 1 == kMostNamed && group.runs.size() > kMostNamed;
        table.add({group.column, group.runs[i].second, std::string{group.basis}, group.place,
                   more ? fmt::format("{} (and {} more runs)", group.runs[i].first,
                                      group.runs.size() - kMostNamed)
                        : group.runs[i].first});
      }
      continue;
    }
    std::string names;
    if (same && group.runs.size() == rows.size() && rows.size() > 1) {
      names = "all";
    } else {
      for (std::size_t i = 0; i < group.runs.size() && i < kMostNamed; ++i) {
        if (i > 0) names += ", ";
        names += group.runs[i].first;
        if (!same) names += " " + group.runs[i].second;
      }
      if (group.runs.size() > kMostNamed) {
        names += fmt::format(" and {} more", group.runs.size() - kMostNamed);
      }
    }
    table.add({group.column, same ? TextCell{group.runs.front().second} : TextCell{},
               std::string{group.basis}, group.place, std::move(names)});
  }
  return table.for_people(false);
}

std::string_view embodied_scope_of(const planner::CarbonResult& carbon) {
  if (!carbon.embodied) return {};
  if (carbon.die) return "chips of accelerators and servers, no boards (LLMCarbon)";
  if (carbon.chips.host_row != nullptr) {
    return "chips of accelerators and hosts: dies, memory, packages (ACT)";
  }
  if (carbon.host != nullptr) return "server (accelerator as delivered + host share)";
  if (carbon.card == nullptr) return "card (accelerator as delivered, no host)";
  return carbon.card != nullptr && carbon.card->scope == hardware::EmbodiedScope::card
             ? "card (accelerator as delivered, no host)"
             : "server (accelerator with its host share)";
}

std::string source_text(const Origin* origin, const planner::Catalogue& catalogue) {
  std::string_view keys = origin->source;
  std::string_view locator = origin->locator;
  for (const auto& equation : catalogue.equations().all()) {
    if (equation.id != origin->place) continue;
    keys = equation.source;
    locator = equation.locator;
  }
  std::string text{origin->place};
  const std::string citation = catalogue.sources().citation(keys);
  if (!citation.empty()) text += ": " + citation;
  if (!locator.empty()) text += ", " + std::string{locator};
  if (!origin->checked) text += " [not re-read in the source]";
  return text;
}

namespace {

/// "within x/÷1.40 for 90% of decoders on GPUs".
std::string interval_text(const planner::Result& result) {
  const auto& step = result.estimate.step;
  if (!step.question) {
    return fmt::format("within x/÷{:.2f} for {:g}% of runs, by a regression of large decoders",
                       std::exp(step.half_width), 100 * result.scenario.options.interval);
  }
  const auto& q = *step.question;
  constexpr std::array<std::string_view, models::kRunClasses> kRuns{
      "decoders on GPUs", "decoders on TPUs", "mixtures of experts", "other models"};
  return fmt::format("within x/÷{:.2f} for {:g}% of {}{}{}", std::exp(step.half_width),
                     100 * result.scenario.options.interval,
                     kRuns.at(static_cast<std::size_t>(q.run_class)),
                     q.chosen ? " whose plan is not stated" : "",
                     q.unseen ? " on devices of a generation that nothing was measured on" : "");
}

}  // namespace

ReportRow report_row(const planner::RunRow& row, const planner::Result& result,
                     const planner::Catalogue& catalogue, bool explain) {
  ReportRow report;
  report.id = printable(row.text(planner::Col::id));
  report.name =
      row.has(planner::Col::name) ? printable(shortened(row.text(planner::Col::name))) : report.id;
  report.ok = result.ok;
  report.status = result.status();
  if (report.status != planner::Status::ok) {
    report.reason = planner::reason(result) + "; " + planner::remedy(result, catalogue);
  }
  if (!result.ok) return report;
  const auto& s = result.scenario;
  const auto& e = result.estimate;
  report.predicted = planner::Predicted{result};
  if (e.duration.tokens) report.tokens = *e.duration.tokens;
  if (e.duration.devices) report.devices = (*e.duration.devices).in(device);
  if (e.carbon.offset) report.offset_tco2e = (*e.carbon.offset).in(tonne);
  report.device = printable(s.device != nullptr ? s.device->id : s.device_name);
  report.embodied_scope = embodied_scope_of(e.carbon);
  if (s.intensity.basis == Basis::catalogue && e.carbon.operational) {
    report.grid_scope = s.region->scope.empty() ? "not stated" : s.region->scope;
  }
  if (e.step.half_width > 0) report.interval = interval_text(result);
  for (const auto& c : planner::Comparisons{row, result, *report.predicted, catalogue}) {
    report.reported.push_back({c.key, c.predicted, c.reported, c.delta, std::string{c.scope},
                               std::string{c.basis}, std::string{c.reason}});
  }
  const auto dimension = [](std::string_view column) {
    return std::any_of(models::kFieldInfo.begin(), models::kFieldInfo.end(),
                       [&](const models::FieldInfo& info) { return info.name == column; });
  };
  if (s.counted && s.architecture_origin != nullptr && !s.architecture_origin->source.empty()) {
    report.filled_in.push_back({"dimensions", printable(s.architecture_name),
                                name_of(Basis::catalogue),
                                std::string{s.architecture_origin->place}});
  }
  if (e.fit.verdict) {
    if (!s.counted) {
      report.filled_in.push_back(
          {"dimensions", "usual shape", name_of(Basis::model), "architecture.usual_shape"});
    }
    if (auto plan = filled_plan(result); !plan.empty()) {
      report.filled_in.push_back({"plan", std::move(plan), name_of(Basis::model),
                                  s.options.searched.any() ? "the best of planner plan's space"
                                  : !e.fit.chose_plan      ? "memory.fit"
                                  : s.options.plan == planner::PlanMode::best
                                      ? "the fastest that fits"
                                      : "the first usual one that fits"});
    }
  }
  for (const auto& input : planner::inputs_of(result)) {
    if (input.basis == Basis::catalogue && dimension(input.column)) continue;  // told in one
    if (input.basis == Basis::model && !s.counted && dimension(input.column)) continue;
    if (planner::of_memory(input.column)) continue;
    if (input.basis == Basis::given ||
        (input.column == "active_params_b" && input.basis == Basis::model))
      continue;
    std::string place = input.origin != nullptr ? std::string{input.origin->place} : std::string{};
    if (input.column == "dtype") place = "best format of the device";
    report.filled_in.push_back(
        {std::string{input.column}, value_text(input), name_of(input.basis), std::move(place)});
  }
  for (auto& line : planner::lines_beside(row, result, catalogue)) {
    if (line.asked) report.beside.push_back(std::move(line));
  }
  report.candidate = planner::candidate_of(row, result, catalogue);
  if (s.pue) report.pue = *s.pue;
  report.region_named = s.region != nullptr;
  report.phase = s.phase;
  if (explain) report.proof = proof_text(report.name, row, result, catalogue);
  return report;
}

std::string proof_text(std::string_view name, const planner::RunRow& row,
                       const planner::Result& result, const planner::Catalogue& catalogue) {
  std::string text = fmt::format("{}: how each number was found\n", name);
  std::size_t number = 0;
  for (const auto& step : planner::explain(row, result, catalogue)) {
    const auto& equation = catalogue.equations().find(step.equation);
    text += fmt::format("\n{:>3}. {}   [{}, {}]\n", ++number, equation.formula, step.equation,
                        equation.status);
    for (const auto& term : step.terms) {
      text += fmt::format(
          "       {} = {:.6g}{}{}   ({}{})\n", term.symbol, term.value,
          term.unit.empty() ? "" : " ", term.unit, name_of(term.basis),
          term.origin != nullptr ? "; " + source_text(term.origin, catalogue) : std::string{});
    }
    text += fmt::format("     = {:.6g}{}   {}\n", step.result,
                        step.unit == "1" ? "" : " " + std::string{step.unit}, step.result_name);
    const auto citation = catalogue.sources().citation(equation.source);
    if (!citation.empty()) {
      text += fmt::format("     from {}{}{}\n", citation, equation.locator.empty() ? "" : ", ",
                          equation.locator);
    }
  }
  return text;
}

std::string table_text(const std::vector<ReportRow>& rows, bool color) {
  bool totals = false;
  const TextTable table = overview(rows, totals);
  std::string text = table.for_people(color, totals ? 1 : 0);
  text += "\n" + footnotes(rows);
  for (const auto& section :
       {intervals_text(rows), beside_text(rows), compared_text(rows), filled_in_text(rows)}) {
    if (!section.empty()) text += "\n" + section;
  }
  text += refusals(rows);
  for (const auto& row : rows) {
    if (!row.proof.empty()) text += "\n" + row.proof;
  }
  return text;
}

std::string markdown_text(const std::vector<ReportRow>& rows) {
  bool totals = false;
  std::string text = overview(rows, totals).markdown() + "\n" + footnotes(rows);
  if (const auto section = beside_text(rows); !section.empty())
    text += "\n```\n" + section + "```\n";
  text += refusals(rows);
  for (const auto& row : rows) {
    if (!row.proof.empty()) text += "\n```\n" + row.proof + "```\n";
  }
  return text;
}

}  // namespace pretrain::cli
