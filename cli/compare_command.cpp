#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/text_table.hpp"
#include "models/core/number.hpp"
#include "planner/run_columns.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::cli {

namespace {

using planner::Col;
using planner::Key;

/// Candidates typed on the command line: each option is one value for all, or one for each.
class TypedCandidates {
 public:
  void add_options(CLI::App& sub) {
    const auto add = [&](const char* name, Col col, const char* what) {
      values_.push_back({col, {}});
      options_.push_back({name, what});
    };
    add("--params", Col::params_b, "Parameters: 30e9,100e9 or 30B,100B");
    add("--active-params", Col::active_params_b, "Parameters that a token meets");
    add("--architecture", Col::architecture, "Shipped architectures");
    add("--tokens", Col::tokens_b, "Training tokens: 600B,2T");
    add("--device", Col::device, "Accelerators: A100,H100");
    add("--devices", Col::devices, "Numbers of accelerators: 1024,2048");
    add("--days", Col::days, "Durations: 30d,60d");
    add("--mfu", Col::mfu, "Model FLOPs utilizations");
    add("--pue", Col::pue, "Power usage effectiveness");
    add("--region", Col::region, "Countries, cloud regions or eGRID subregions");
    add("--intensity", Col::intensity_kg_per_kwh, "Carbon intensities in kg/kWh");
    for (std::size_t i = 0; i < values_.size(); ++i) {
      sub.add_option(options_[i].name, values_[i].cells, options_[i].what)->delimiter(',');
    }
  }

  bool any() const {
    return std::any_of(values_.begin(), values_.end(),
                       [](const auto& value) { return !value.cells.empty(); });
  }

  /// The candidates as a run table.
  std::string table() const {
    std::size_t count = 1;
    for (const auto& value : values_) count = std::max(count, value.cells.size());
    std::string text = "name";
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const auto size = values_[i].cells.size();
      if (size == 0) continue;
      if (size != 1 && size != count) {
        throw InputError({options_[i].name, 0, 0},
                         fmt::format("{} values, where another option has {}", size, count),
                         "give one value for all candidates, or one for each");
      }
      text += ',';
      text += planner::column_of(values_[i].col).name;
    }
    text += '\n';
    for (std::size_t row = 0; row < count; ++row) {
      planner::append_csv_cell(text, name(row));
      for (std::size_t i = 0; i < values_.size(); ++i) {
        if (values_[i].cells.empty()) continue;
        text += ',';
        planner::append_csv_cell(text, cell(i, row));
      }
      text += '\n';
    }
    return text;
  }

 private:
  struct Values {
    Col col;
    std::vector<std::string> cells;
  };
  struct Option {
    const char* name;
    const char* what;
  };

  std::string typed(std::size_t i, std::size_t row) const {
    const auto& cells = values_[i].cells;
    return cells.size() == 1 ? cells.front() : cells[row];
  }

  /// On the command line a count is absolute (30e9); in a table it is in billions.
  std::string cell(std::size_t i, std::size_t row) const {
    const std::string text = typed(i, row);
    if (planner::column_of(values_[i].col).kind != planner::Kind::count) return text;
    const auto parsed = parse_count(text);
    if (!parsed.ok()) throw InputError({options_[i].name, 0, 0}, parsed.what, parsed.help);
    constexpr double kBillion = 1e9;
    constexpr double kFewest = 1e3;
    if (parsed.value < kFewest) {
      throw InputError({options_[i].name, 0, 0}, fmt::format("{} is very few", text),
                       fmt::format("did you mean {}B, that is {}e9?", text, text));
    }
    std::string number;
    planner::append_number(number, parsed.value / kBillion);
    return number;
  }

  /// What tells a candidate from the others.
  std::string name(std::size_t row) const {
    std::string text;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (values_[i].cells.size() < 2) continue;
      if (!text.empty()) text += ' ';
      const auto& column = planner::column_of(values_[i].col);
      const auto parsed = column.kind == planner::Kind::count ? parse_count(typed(i, row))
                                                              : ParsedNumber{0, "text", ""};
      text += parsed.ok() ? count_for_people(parsed.value) : typed(i, row);
      if (values_[i].col == Col::devices) text += " devices";
    }
    return text.empty() ? "candidate" : text;
  }

  std::vector<Values> values_;
  std::vector<Option> options_;
};

struct Line {
  std::string key;
  std::string header;
  std::vector<std::optional<double>> values;
  bool count = false;
};

std::vector<Line> lines_of(const std::vector<ReportRow>& rows) {
  std::vector<Line> lines;
  const auto add = [&](std::string key, std::string header, bool count, auto get) {
    Line line{std::move(key), std::move(header), {}, count};
    for (const auto& row : rows) line.values.push_back(row.ok ? get(row) : std::nullopt);
    if (std::any_of(line.values.begin(), line.values.end(), [](const auto& v) { return !!v; })) {
      lines.push_back(std::move(line));
    }
  };
  const auto add_key = [&](Key key, bool count = false) {
    const auto& info = planner::info_of(key);
    const std::string unit = info.unit == "1" ? "" : fmt::format(" [{}]", info.unit);
    add(std::string{info.name}, std::string{info.name} + unit, count,
        [key](const ReportRow& row) { return (*row.predicted)[key]; });
  };
  add_key(Key::total_params, true);
  add_key(Key::active_params, true);
  add("tokens", "tokens", true, [](const ReportRow& row) { return row.tokens; });
  add("devices", "devices", false, [](const ReportRow& row) { return row.devices; });
  for (const Key key :
       {Key::training_flops, Key::mfu, Key::tokens_per_s_per_device, Key::memory_gib_per_device,
        Key::training_days, Key::device_hours, Key::device_power_w, Key::device_energy_mwh,
        Key::node_energy_mwh, Key::facility_energy_mwh, Key::operational_tco2e, Key::embodied_tco2e,
        Key::total_tco2e}) {
    add_key(key);
  }
  return lines;
}

std::optional<double> ratio(const Line& line, std::size_t i) {
  if (!line.values[i] || !line.values.front() || *line.values.front() == 0.0) return std::nullopt;
  return *line.values[i] / *line.values.front();
}

TextTable side_by_side(const std::vector<ReportRow>& rows, const std::vector<Line>& lines,
                       bool rounded) {
  std::vector<TextTable::Column> columns{{"quantity", "", false}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    columns.push_back({rows[i].name, rows[i].name, true});
    if (i > 0) columns.push_back({"ratio_" + rows[i].name, "/ first", true});
  }
  TextTable table{std::move(columns)};
  for (const auto& line : lines) {
    std::vector<TextCell> cells{rounded ? line.header : line.key};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto value = line.values[i];
      cells.push_back(!value                  ? TextCell{}
                      : rounded && line.count ? TextCell{count_for_people(*value)}
                                              : TextCell{*value});
      if (i == 0) continue;
      const auto factor = ratio(line, i);
      cells.push_back(!factor   ? TextCell{}
                      : rounded ? TextCell{fmt::format("x{:.3g}", *factor)}
                                : TextCell{*factor});
    }
    table.add(std::move(cells));
  }
  return table;
}

std::string json_ratios(const std::vector<ReportRow>& rows, const std::vector<Line>& lines) {
  auto list = nlohmann::ordered_json::array();
  for (std::size_t i = 1; i < rows.size(); ++i) {
    auto ratios = nlohmann::ordered_json::object();
    for (const auto& line : lines) {
      if (const auto factor = ratio(line, i)) ratios[line.key] = *factor;
    }
    list.push_back({{"name", rows[i].name}, {"ratios", std::move(ratios)}});
  }
  return "\"compared_to_first\": " + list.dump() + ",\n";
}

struct CompareCommand {
  TableOptions table;
  std::string file;
  TypedCandidates typed;

  Exit run() const {
    if (file.empty() == !typed.any()) {
      throw InputError({"compare", 0, 0},
                       file.empty() ? "nothing to compare" : "a file and typed candidates at once",
                       "give a run table, or --params 30e9,100e9 --tokens ... --device ...");
    }
    const auto catalogue = open_catalogue(table.data, file, table.profile);
    auto options = job_options(table);
    options.keep_rows = true;
    const Format format = options.format;
    if (format == Format::jsonl) {
      throw InputError({"--format", 0, 0}, "compare has no jsonl output", "use --format json");
    }
    if (format != Format::json) options.format = Format::table;
    const bool from_file = typed.any() == false;
    std::istringstream text{from_file ? std::string{} : typed.table()};
    std::optional<InputFile> input;
    if (from_file) input.emplace(file);
    const std::string name = from_file ? input->name() : "command line";
    EstimateJob job{name, *catalogue, options, nullptr, nullptr};
    planner::read_run_table(from_file ? input->stream() : text, name, 1, job);
    job.finish();
    const auto lines = lines_of(job.rows());
    const auto& rows = job.rows();
    std::string answer;
    switch (format) {
      case Format::json:
        answer = json_document(*catalogue, job.json_runs(), json_ratios(rows, lines));
        break;
      case Format::csv:
        answer = side_by_side(rows, lines, false).csv();
        break;
      case Format::markdown:
        answer = side_by_side(rows, lines, true).markdown() + refusals(rows);
        break;
      default:
        answer =
            side_by_side(rows, lines, true).for_people(table.output.empty() && color_wanted()) +
            "\n" + footnotes(rows);
        for (const auto& section :
             {intervals_text(rows), beside_text(rows), filled_in_text(rows)}) {
          if (!section.empty()) answer += "\n" + section;
        }
        answer += refusals(rows);
        break;
    }
    write_answer(table.output, answer);
    return job.exit();
  }
};

}  // namespace

void add_compare_command(CLI::App& app, Exit& exit) {
  auto command = std::make_shared<CompareCommand>();
  CLI::App* sub = app.add_subcommand("compare", "Candidates side by side, each against the first");
  sub->add_option("file", command->file, "Run table, CSV or YAML; - is standard input");
  add_table_options(*sub, command->table);
  command->typed.add_options(*sub);
  sub->callback([command, &exit] { exit = command->run(); });
}

}  // namespace pretrain::cli
