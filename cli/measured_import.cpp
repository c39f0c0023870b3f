#include "cli/measured_import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "cli/measured_run.hpp"
#include "models/core/csv.hpp"
#include "models/core/input_error.hpp"
#include "models/core/text.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr double kJoulePerMegawattHour = 3.6e9;
constexpr double kSecondsPerDay = 86400;
constexpr double kSecondsPerHour = 3600;
constexpr double kKilo = 1e3;

std::string text_of(const std::optional<double>& value) {
  std::string text;
  if (value && std::isfinite(*value)) planner::append_number(text, *value);
  return text;
}

std::optional<double> number_of(std::string_view text) {
  const std::string copy{trimmed(text)};
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || end == copy.c_str() || !std::isfinite(value)) return std::nullopt;
  return value;
}

void set_time(ImportedRun& run, double seconds, std::optional<double> devices) {
  run.days = text_of(seconds / kSecondsPerDay);
  if (devices) run.device_hours = text_of(seconds / kSecondsPerHour * *devices);
}

std::string stem_of(const std::string& file) {
  const auto slash = file.rfind('/');
  std::string name = slash == std::string::npos ? file : file.substr(slash + 1);
  if (const auto dot = name.rfind('.'); dot != std::string::npos && dot > 0) name.erase(dot);
  return name;
}

// ---- CSV with a header

struct Sheet {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;

  std::string cell(const std::vector<std::string>& row, std::string_view column) const {
    const auto found = std::find(header.begin(), header.end(), column);
    const auto at = static_cast<std::size_t>(found - header.begin());
    return found != header.end() && at < row.size() ? row[at] : std::string{};
  }
  std::optional<double> number(const std::vector<std::string>& row, std::string_view column) const {
    return number_of(cell(row, column));
  }
};

Sheet sheet_of(const std::string& text, const std::string& file) {
  std::vector<char> buffer{text.begin(), text.end()};
  CsvCursor cursor{buffer.data(), buffer.data() + buffer.size(), ',', 1, file};
  CsvRecord record;
  Sheet sheet;
  while (cursor.next(record)) {
    std::vector<std::string> cells;
    for (const auto& cell : record.cells) cells.emplace_back(cell.text);
    if (sheet.header.empty()) {
      sheet.header = std::move(cells);
    } else {
      sheet.rows.push_back(std::move(cells));
    }
  }
  return sheet;
}

/// "4 x NVIDIA H200".
std::string without_count(const std::string& model) {
  const auto x = model.find(" x ");
  const bool counted =
      x != std::string::npos && model.find_first_not_of("0123456789") == model.find(' ');
  return counted ? model.substr(x + 3) : model;
}

std::vector<ImportedRun> codecarbon(const Sheet& sheet, const hardware::DeviceCatalogue& devices) {
  std::vector<ImportedRun> runs;
  for (const auto& row : sheet.rows) {
    ImportedRun run;
    run.id = sheet.cell(row, "run_id");
    run.name = sheet.cell(row, "project_name");
    run.source = "CodeCarbon";
    run.region = sheet.cell(row, "country_iso_code");
    const auto model = without_count(sheet.cell(row, "gpu_model"));
    run.device = device_of_driver(model, devices);
    const auto count = sheet.number(row, "gpu_count");
    run.devices = text_of(count);
    const auto seconds = sheet.number(row, "duration");
    if (seconds && *seconds > 0) set_time(run, *seconds, count);
    const double pue = sheet.number(row, "pue").value_or(1);
    if (pue > 1) run.pue = text_of(pue);
    // Energies have the PUE in them; the energy of the processors is often a guess of theirs.
    if (const auto gpu = sheet.number(row, "gpu_energy"); gpu && *gpu > 0) {
      run.energy_mwh = text_of(*gpu / kKilo);
      run.energy_scope = pue > 1 ? "device_x_pue" : "device";
      run.energy_basis = "measured_device";
      if (count && seconds && *seconds > 0) {
        run.device_power_w = text_of(*gpu / pue * kKilo * kSecondsPerHour / *seconds / *count);
      }
    } else if (const auto all = sheet.number(row, "energy_consumed")) {
      run.energy_mwh = text_of(*all / kKilo);
      run.energy_basis = "reported";
    }
    if (const auto kg = sheet.number(row, "emissions")) run.tco2e = text_of(*kg / kKilo);
    run.notes = fmt::format("emissions of all that CodeCarbon counts (GPU, CPU, memory); GPU: {}",
                            model.empty() ? "none" : model);
    runs.push_back(std::move(run));
  }
  return runs;
}

std::vector<ImportedRun> zeus(const Sheet& sheet) {
  // A comma in a window's name makes more cells: the energies are the last ones.
  const auto gpus = static_cast<std::size_t>(
      std::count_if(sheet.header.begin(), sheet.header.end(),
                    [](const std::string& name) { return name.ends_with("_energy"); }));
  std::vector<ImportedRun> runs;
  for (const auto& row : sheet.rows) {
    if (row.size() < gpus + 3) continue;
    ImportedRun run;
    run.source = "Zeus";
    const auto elapsed_at = row.size() - gpus - 1;
    run.name = row[1];
    for (std::size_t i = 2; i < elapsed_at; ++i) run.name += ", " + row[i];
    const auto seconds = number_of(row[elapsed_at]);
    double joules = 0;
    bool known = gpus > 0;
    for (std::size_t i = elapsed_at + 1; i < row.size(); ++i) {
      const auto energy = number_of(row[i]);
      known = known && energy.has_value();
      joules += energy.value_or(0);
    }
    const auto count = static_cast<double>(gpus);
    if (gpus > 0) run.devices = text_of(count);
    if (seconds && *seconds > 0) set_time(run, *seconds, count);
    if (known && joules > 0) {
      run.energy_mwh = text_of(joules / kJoulePerMegawattHour);
      run.energy_scope = "device";
      run.energy_basis = "measured_device";
      if (seconds && *seconds > 0) run.device_power_w = text_of(joules / *seconds / count);
    }
    run.notes = "windows of one file may overlap";
    runs.push_back(std::move(run));
  }
  return runs;
}

// ---- logs

/// "0:03:33", "26:03:04.5", "1 day, 2:03:04".
std::optional<double> seconds_of(std::string_view text) {
  double days = 0;
  if (const auto day = text.find("day"); day != std::string_view::npos) {
    days = number_of(text.substr(0, day)).value_or(0);
    const auto comma = text.find(',', day);
    if (comma == std::string_view::npos) return std::nullopt;
    text.remove_prefix(comma + 1);
  }
  double seconds = 0;
  std::size_t parts = 0;
  std::string word{trimmed(text)};
  std::istringstream in{word};
  for (std::string part; std::getline(in, part, ':'); ++parts) {
    const auto value = number_of(part);
    if (!value) return std::nullopt;
    seconds = 60 * seconds + *value;
  }
  if (parts != 3) return std::nullopt;
  return days * kSecondsPerDay + seconds;
}

std::optional<std::string_view> after(std::string_view line, std::string_view word) {
  const auto at = line.find(word);
  if (at == std::string_view::npos) return std::nullopt;
  return trimmed(line.substr(at + word.size()));
}

std::vector<ImportedRun> carbontracker(const std::string& text, const std::string& file,
                                       const hardware::DeviceCatalogue& devices) {
  std::vector<ImportedRun> runs;
  std::string device;
  std::istringstream lines{text};
  enum class Block { none, actual, predicted };
  Block block = Block::none;
  double seconds = -1;
  std::string epochs;
  for (std::string raw; std::getline(lines, raw);) {
    const auto line = trimmed(raw);
    if (const auto found = after(line, "GPU with device(s) ")) {
      device = device_of_driver(found->substr(0, found->find_first_of(".,")), devices);
    }
    const auto begun = after(line, "Actual consumption");
    const auto predicted = after(line, "Predicted consumption");
    if (begun || predicted) {
      block = begun ? Block::actual : Block::predicted;
      epochs = std::string{begun ? *begun : *predicted};
      seconds = -1;
      continue;
    }
    if (block == Block::none) continue;
    const bool actual = block == Block::actual;
    if (const auto time = after(line, "Time:")) seconds = seconds_of(*time).value_or(-1);
    if (const auto energy = after(line, "Energy:")) {
      ImportedRun run;
      run.source = "carbontracker";
      run.name = stem_of(file) + (actual ? "" : " (predicted)");
      if (seconds > 0) set_time(run, seconds, std::nullopt);
      if (const auto kwh = number_of(*energy)) run.energy_mwh = text_of(*kwh / kKilo);
      run.energy_basis = actual ? "reported" : "device_hours_x_constant";
      run.notes = fmt::format(
          "{} {} the energy has carbontracker's PUE in it, and the CPU where it "
          "was read",
          actual ? "measured" : "extrapolated by carbontracker", epochs);
      runs.push_back(std::move(run));
    }
    if (const auto carbon = after(line, "CO2eq:"); carbon && !runs.empty()) {
      constexpr double kGramsPerTonne = 1e6;
      if (const auto grams = number_of(*carbon))
        runs.back().tco2e = text_of(*grams / kGramsPerTonne);
      block = Block::none;
    }
  }
  for (auto& run : runs) run.device = device;
  return runs;
}

// ---- model cards

/// The value behind "key:" on its own line, without quotes; absent where there is none.
std::optional<std::string> card_value(const std::string& block, std::string_view key) {
  std::istringstream lines{block};
  for (std::string raw; std::getline(lines, raw);) {
    const auto line = trimmed(raw);
    if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != ':') continue;
    auto value = trimmed(line.substr(key.size() + 1));
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
      value = value.substr(1, value.size() - 2);
    }
    return std::string{value};
  }
  return std::nullopt;
}

std::vector<ImportedRun> card(const std::string& text, const std::string& file,
                              const hardware::DeviceCatalogue& devices) {
  const auto at = text.find("co2_eq_emissions:");
  auto end = text.find("\n---", at);
  const auto block = text.substr(at, end == std::string::npos ? end : end - at);
  ImportedRun run;
  run.source = "Hugging Face model card";
  run.name = stem_of(file);
  // An early form has the number alone.
  auto grams = number_of(card_value(block, "emissions").value_or(""));
  if (!grams) grams = number_of(card_value(block, "co2_eq_emissions").value_or(""));
  constexpr double kGramsPerTonne = 1e6;
  if (grams) run.tco2e = text_of(*grams / kGramsPerTonne);
  const auto hardware = card_value(block, "hardware_used").value_or("");
  run.device = device_of_driver(without_count(hardware), devices);
  if (const auto count = number_of(hardware); count && *count >= 1 && !run.device.empty()) {
    run.devices = text_of(std::floor(*count));
  }
  const auto place = card_value(block, "geographical_location").value_or("");
  run.notes =
      fmt::format("card: {}{}{}{}", card_value(block, "source").value_or("no source"),
                  place.empty() ? "" : "; in " + place, hardware.empty() ? "" : "; on " + hardware,
                  "; grams by the card's definition, people write kg, too");
  return {run};
}

// ---- our own

std::vector<ImportedRun> own(const std::string& text, const std::string& file,
                             const hardware::DeviceCatalogue& devices) {
  std::istringstream lines{text};
  std::optional<MeasuredRun> last;
  for (std::string line; std::getline(lines, line);) {
    const auto json = Json::parse(line, nullptr, false);
    if (!json.is_discarded()) last = measured_run_of(json, file);
  }
  if (!last) return {};
  const auto& m = *last;
  ImportedRun run;
  run.source = "planner measure";
  run.name = m.name.empty() ? stem_of(file) : m.name;
  run.id = stem_of(file);
  const auto gpus = static_cast<double>(m.count("gpu"));
  for (const auto& s : m.sources) {
    if (s.kind == "gpu" && run.device.empty()) run.device = device_of_driver(s.name, devices);
  }
  if (gpus > 0) run.devices = text_of(gpus);
  if (m.seconds > 0) set_time(run, m.seconds, gpus > 0 ? std::optional{gpus} : std::nullopt);
  run.iteration_s = text_of(m.step_s);
  if (m.step_s && m.tokens_per_step && gpus > 0) {
    run.tokens_per_s_per_device = text_of(*m.tokens_per_step / *m.step_s / gpus);
  }
  if (const auto joules = m.energy_j("gpu")) {
    run.energy_mwh = text_of(*joules / kJoulePerMegawattHour);
    run.energy_scope = "device";
    run.energy_basis = "measured_device";
    double watts = 0;
    for (const auto& s : m.sources) watts += s.kind == "gpu" ? s.power_w.value_or(0) : 0;
    if (watts > 0) run.device_power_w = text_of(watts / gpus);
  }
  run.notes = m.started;
  if (m.contended()) run.notes += "; others were at work on the device";
  if (m.gap_s() > 0) run.notes += fmt::format("; nothing is known of {:.3g} s", m.gap_s());
  return {run};
}

}  // namespace

std::string device_of_driver(std::string_view name, const hardware::DeviceCatalogue& devices) {
  const auto known = [&](const std::string& word) {
    const auto match = devices.find(word);
    return match.device != nullptr ? std::string{match.device->id} : std::string{};
  };
  std::string word = lowered(trimmed(name));
  for (const std::string_view vendor : {"nvidia ", "amd ", "intel ", "tesla ", "instinct "}) {
    if (word.starts_with(vendor)) word.erase(0, vendor.size());
  }
  if (word.empty()) return {};
  if (auto found = known(word); !found.empty()) return found;
  // Words of it: the chip, its form, its memory.
  std::vector<std::string> parts(1);
  for (const char c : word) {
    if (c == ' ' || c == '-' || c == '_') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  std::string chip;
  std::string form;
  std::string memory;
  for (auto& part : parts) {
    const bool letters = !part.empty() && part[0] >= 'a' && part[0] <= 'z';
    const bool digits = part.find_first_of("0123456789") != std::string::npos;
    if (part.starts_with("sxm")) {
      form = part;
    } else if (part == "pcie" || part == "nvl" || part == "oam") {
      form = part;
    } else if (part.ends_with("gb") && digits) {
      memory = part.substr(0, part.size() - 2);
    } else if (chip.empty() && letters && digits) {
      chip = part;
    }
  }
  if (chip.empty()) return {};
  const std::string plain = form.starts_with("sxm") ? "sxm" : form;
  for (const auto& f : {form, plain}) {
    for (const auto& m : {memory, std::string{}}) {
      std::string id = chip;
      if (!f.empty()) id += "-" + f;
      if (!m.empty()) id += "-" + m;
      if (auto found = known(id); !found.empty()) return found;
    }
  }
  return known(chip);
}

std::vector<ImportedRun> import_measured(const std::string& text, const std::string& file,
                                         const hardware::DeviceCatalogue& devices) {
  const auto head = text.substr(0, text.find('\n'));
  if (head.starts_with("{\"event\"")) return own(text, file, devices);
  if (text.find("co2_eq_emissions:") != std::string::npos) return card(text, file, devices);
  if (head.find("energy_consumed") != std::string::npos &&
      head.find("duration") != std::string::npos) {
    return codecarbon(sheet_of(text, file), devices);
  }
  if (head.starts_with("start_time,window_name,elapsed_time")) return zeus(sheet_of(text, file));
  if (text.find("consumption") != std::string::npos && text.find("CO2eq:") != std::string::npos) {
    return carbontracker(text, file, devices);
  }
  throw InputError({file, 0, 0}, "no measurements that are known",
                   "give a file of planner measure, CodeCarbon (emissions.csv), carbontracker "
                   "(*_output.log), Zeus (its CSV) or a model card with co2_eq_emissions");
}

std::string run_table_of(const std::vector<ImportedRun>& runs) {
  struct Cell {
    const char* name;
    std::string ImportedRun::*member;
  };
  constexpr std::array<Cell, 17> kCells{
      {{"id", &ImportedRun::id},
       {"name", &ImportedRun::name},
       {"device", &ImportedRun::device},
       {"devices", &ImportedRun::devices},
       {"region", &ImportedRun::region},
       {"pue", &ImportedRun::pue},
       {"reported_days", &ImportedRun::days},
       {"reported_device_hours", &ImportedRun::device_hours},
       {"reported_iteration_s", &ImportedRun::iteration_s},
       {"reported_tokens_per_s_per_device", &ImportedRun::tokens_per_s_per_device},
       {"reported_device_power_w", &ImportedRun::device_power_w},
       {"reported_energy_mwh", &ImportedRun::energy_mwh},
       {"energy_scope", &ImportedRun::energy_scope},
       {"energy_basis", &ImportedRun::energy_basis},
       {"reported_tco2e_operational", &ImportedRun::tco2e},
       {"source_title", &ImportedRun::source},
       {"notes", &ImportedRun::notes}}};
  std::string text;
  const auto line = [&](auto cell) {
    for (std::size_t i = 0; i < kCells.size(); ++i) {
      if (i > 0) text += ',';
      planner::append_csv_cell(text, cell(kCells[i]));
    }
    text += '\n';
  };
  line([](const Cell& c) { return std::string{c.name}; });
  for (const auto& run : runs) {
    line([&](const Cell& c) { return run.*c.member; });
  }
  return text;
}

}  // namespace pretrain::cli
