#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>

#include "cli/commands.hpp"
#include "cli/one_row.hpp"
#include "cli/options.hpp"
#include "cli/report.hpp"

namespace pretrain::cli {

namespace {

using planner::Col;
using planner::Key;

/// Counts the rows that are meant.
class RowCount : public planner::TableJob {
 public:
  struct Counted : Part {
    void clear() override { rows = 0; }
    std::size_t rows = 0;
  };
  std::unique_ptr<Part> make_part() const override { return std::make_unique<Counted>(); }
  void row(const planner::RunRow&, Part& part) const override {
    ++dynamic_cast<Counted&>(part).rows;
  }
  void deliver(Part& part) override { rows += dynamic_cast<Counted&>(part).rows; }
  void remark(const std::string&) override {}
  std::size_t rows = 0;
};

/// Grids from clean to coal, that people know.
constexpr const char* kRegions[] = {"SE", "FR", "GB", "US", "JP", "DE", "CN", "IN", "PL"};

struct ReportCommand {
  TableOptions table;
  std::string file;
  std::string kind = "html";
  std::string title;
  std::vector<std::string> lever_words;
  bool levers = false;

  Exit run() const {
    std::string text;
    {
      InputFile input{file};
      std::ostringstream whole;
      whole << input.stream().rdbuf();
      text = whole.str();
    }
    const std::string name = file == "-" ? "standard input" : file;
    const auto catalogue = open_catalogue(table.data, file, table.profile);
    auto options = job_options(table, *catalogue);
    RowCount count;
    {
      std::istringstream in{text};
      planner::read_run_table(in, name, 1, count);
    }
    // Inputs and chains of all of a huge table would be read by nobody.
    constexpr std::size_t kDetailed = 12;
    const bool detailed = count.rows <= kDetailed || !table.where.empty();
    options.keep_rows = true;
    options.explain = detailed;
    options.format = detailed ? Format::json : Format::table;
    EstimateJob job{name, *catalogue, options, nullptr, nullptr};
    std::istringstream in{text};
    planner::read_run_table(in, name, 1, job);
    job.finish();
    const auto& rows = job.rows();
    if (rows.empty()) throw InputError({name, 0, 0}, "no run", "give a table with one at least");
    const bool experts = std::any_of(
        rows.begin(), rows.end(), [](const ReportRow& row) { return row.candidate.experts > 1; });
    Report report{.title = title.empty() ? usual_title(rows) : title,
                  .created = utc_now(),
                  .catalogue = catalogue->hash(),
                  .profile = table.profile,
                  .rows = rows,
                  .runs = {},
                  .comparison = compared(rows, catalogue->scaling_laws().usual(experts)),
                  .elsewhere = {},
                  .published = {},
                  .files = {file},
                  .interval = table.interval};
    if (detailed) {
      const auto runs = nlohmann::ordered_json::parse("[" + job.json_runs() + "]");
      report.runs.assign(runs.begin(), runs.end());
    }
    const auto& first = rows.front();
    if (first.ok) {
      OneRow one{table.where};
      std::istringstream again{text};
      planner::read_run_table(again, name, 1, one);
      const auto row = one.row();
      report.elsewhere = elsewhere(row, first, options, *catalogue);
      if (levers || !lever_words.empty()) {
        report.comparison.levers = pull_levers(row, first, lever_targets(lever_words),
                                               catalogue->scaling_laws().usual(true),
                                               report.comparison.law, options, *catalogue);
      }
      const auto params = (*first.predicted)[Key::total_params];
      constexpr std::size_t kPublished = 6;
      if (params && first.tokens) {
        report.published = validation::published_near(*params, *first.tokens, kPublished);
      }
    }
    write_answer(table.output, kind == "markdown" ? report_markdown(report)
                               : kind == "card"   ? report_card(report)
                                                  : report_html(report));
    if (!table.output.empty()) tell(fmt::format("report: written to {}\n", table.output));
    return job.exit();
  }

 private:
  static std::string usual_title(const std::vector<ReportRow>& rows) {
    return rows.size() == 1 ? rows.front().name + ": time, energy and carbon of training"
                            : fmt::format("{} training runs: time, energy and carbon", rows.size());
  }

  static std::vector<ElsewhereRow> elsewhere(const planner::RunRow& row, const ReportRow& base,
                                             const JobOptions& options,
                                             const planner::Catalogue& catalogue) {
    std::vector<ElsewhereRow> all;
    const auto own = (*base.predicted)[Key::operational_tco2e];
    // The hours of one grid say nothing of another.
    if (!own || options.hourly != nullptr) return all;
    const auto energy = (*base.predicted)[Key::facility_energy_mwh];
    const auto intensity = [&](const std::optional<double>& t) -> std::optional<double> {
      if (!t || !energy || !(*energy > 0)) return std::nullopt;
      return *t / *energy;  // t/MWh is kg/kWh
    };
    const auto& name = base.candidate.grid;
    all.push_back({base.region_named ? name : name + " kg/kWh", true, intensity(own), own});
    for (const char* region : kRegions) {
      if (name == region) continue;
      const auto there = in_region(row, base, region, options, catalogue);
      if (!there.ok) continue;
      const auto carbon = (*there.predicted)[Key::operational_tco2e];
      all.push_back({region, false, intensity(carbon), carbon});
    }
    std::stable_sort(all.begin(), all.end(), [](const ElsewhereRow& a, const ElsewhereRow& b) {
      return a.operational_t.value_or(HUGE_VAL) < b.operational_t.value_or(HUGE_VAL);
    });
    return all;
  }
};

}  // namespace

void add_report_command(CLI::App& app, Exit& exit) {
  auto command = std::make_shared<ReportCommand>();
  CLI::App* sub = app.add_subcommand(
      "report", "A page to hand over: HTML in one file, Markdown, or the block of a model card");
  sub->add_option("file", command->file, "Run table, CSV or YAML; - is standard input")->required();
  add_common_options(*sub, command->table);
  sub->remove_option(sub->get_option("--format"));
  sub->add_option("--format", command->kind, "html, markdown or card")
      ->check(CLI::IsMember({"html", "markdown", "card"}))
      ->capture_default_str();
  sub->add_flag("--levers", command->levers,
                "Also what model, machine, PUE and region would save from the first run");
  sub->add_option(
      "--lever", command->lever_words,
      "Where a lever goes: device=H200, pue=1.1, region=SE, model=sparse, teacher=70e9, "
      "teacher-tokens=15e12");
  sub->add_option("--title", command->title, "Of the page");
  sub->add_option("--plan", command->table.plan, "given, usual or best, as estimate has it")
      ->check(CLI::IsMember({"given", "usual", "best"}))
      ->capture_default_str();
  sub->callback([command, &exit] { exit = command->run(); });
}

}  // namespace pretrain::cli
