#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <sstream>

#include "cli/candidates.hpp"
#include "cli/commands.hpp"
#include "cli/format_compare.hpp"
#include "cli/one_row.hpp"
#include "cli/options.hpp"
#include "cli/report.hpp"

namespace pretrain::cli {

namespace {

struct CompareCommand {
  TableOptions table;
  std::string file;
  TypedCandidates typed;
  std::vector<std::string> lever_words;
  std::string report;
  bool levers = false;
  bool plot = false;
  bool details = false;

  Exit run() const {
    if (file.empty() == !typed.any()) {
      throw InputError({"compare", 0, 0},
                       file.empty() ? "nothing to compare" : "a file and typed candidates at once",
                       "give a run table, or --params 30e9,100e9 --tokens ... --device ...");
    }
    const auto catalogue = open_catalogue(table.data, file, table.profile);
    auto options = job_options(table, *catalogue);
    options.keep_rows = true;
    const Format format = options.format;
    if (format == Format::jsonl) {
      throw InputError({"--format", 0, 0}, "compare has no jsonl output", "use --format json");
    }
    const bool from_file = !typed.any();
    if (from_file) typed.refuse_conditions();
    if (format != Format::json) options.format = Format::table;
    std::string text;
    // Sizes alone have no plan: the fastest that fits is one to choose by. Tables have their own.
    if (!from_file && !plan_typed) {
      options.estimate.plan = planner::PlanMode::best;
      options.plans = std::make_shared<const planner::BestPlans>(*catalogue);
    }
    if (from_file) {
      std::ostringstream whole;
      whole << InputFile{file}.stream().rdbuf();
      text = whole.str();
    } else {
      text = typed.table(*catalogue, [&](const std::string& trial) {
        auto quietly = options;
        quietly.format = Format::table;
        quietly.quiet = true;
        quietly.where.clear();
        EstimateJob job{"command line", *catalogue, quietly, nullptr, nullptr};
        std::istringstream in{trial};
        planner::read_run_table(in, "command line", thread_count(), job);
        return job.rows();
      });
    }
    const std::string name = from_file ? InputFile{file}.name() : "command line";
    EstimateJob job{name, *catalogue, options, nullptr, nullptr};
    std::istringstream in{text};
    planner::read_run_table(in, name, thread_count(), job);
    job.finish();
    const auto& rows = job.rows();
    const bool experts = std::any_of(
        rows.begin(), rows.end(), [](const ReportRow& row) { return row.candidate.experts > 1; });
    const auto& law = typed.law(*catalogue, experts);
    auto c = compared(rows, law);
    c.solved = typed.solved();
    c.mixtures = typed.mixtures();
    c.fastest_plans = options.plans != nullptr;
    if (levers || !lever_words.empty()) {
      if (rows.empty() || !rows.front().ok) {
        tell("note: the first candidate could not be computed: its levers are left out\n");
      } else {
        OneRow first{table.where};
        std::istringstream again{text};
        planner::read_run_table(again, name, 1, first);
        c.levers = pull_levers(first.row(), rows.front(), lever_targets(lever_words),
                               catalogue->scaling_laws().usual(true), law, options, *catalogue);
      }
    }
    std::string answer;
    switch (format) {
      case Format::json:
        answer = json_document(*catalogue, job.json_runs(), compare_json(c));
        break;
      case Format::csv:
        answer = compare_csv(c);
        break;
      case Format::markdown:
        answer = compare_markdown(c) + refusals(rows);
        break;
      default: {
        const bool terminal = table.output.empty() && isatty(STDOUT_FILENO) != 0;
        answer = compare_table(c, table.output.empty() && color_wanted(), plot || terminal);
        constexpr std::size_t kFew = 6;
        if (rows.size() <= kFew) {
          if (const auto intervals = intervals_text(rows); !intervals.empty()) {
            answer += "\n" + intervals;
          }
          if (const auto beside = beside_text(rows); !beside.empty()) answer += "\n" + beside;
          if (const auto filled = filled_in_text(rows); !filled.empty()) {
            answer +=
                details ? "\n" + filled : "--details tells what was filled in, and from where.\n";
          }
        }
        answer += refusals(rows);
        break;
      }
    }
    if (!report.empty()) {
      ReportQuestion question{
          .table = text, .name = name, .file = from_file ? file : "", .law = &law};
      if (report.ends_with(".md")) question.kind = "markdown";
      question.profile = table.profile;
      question.solved = typed.solved();
      question.mixtures = typed.mixtures();
      if (c.levers) question.levers = lever_targets(lever_words);
      auto quietly = options;
      quietly.quiet = true;
      Exit ignored = Exit::ok;
      write_answer(report, report_on(question, quietly, *catalogue, ignored));
      tell(fmt::format("report: written to {}\n", report));
    }
    write_answer(table.output, answer);
    return job.exit();
  }

  bool plan_typed = false;
};

}  // namespace

void add_compare_command(CLI::App& app, Exit& exit) {
  auto command = std::make_shared<CompareCommand>();
  CLI::App* sub = app.add_subcommand(
      "compare", "Candidates beside each other: loss, time, energy, carbon, cost");
  sub->add_option("file", command->file, "Run table, CSV or YAML; - is standard input");
  add_table_options(*sub, command->table);
  command->typed.add_options(*sub);
  sub->add_flag("--levers", command->levers,
                "What model, machine, PUE and region save from the first candidate, alone and "
                "together, and what else could be done to the model");
  sub->add_option(
      "--lever", command->lever_words,
      "Where a lever goes: device=H200, pue=1.1, region=SE, model=sparse, teacher=70e9, "
      "teacher-tokens=15e12");
  sub->add_option("--report", command->report,
                  "Also a page of it to hand over, as planner report writes it: FILE.html, or .md");
  sub->add_flag("--plot", command->plot, "Loss against carbon in characters, also when piped");
  sub->add_flag("--details", command->details, "Also what was filled in, and from where");
  sub->callback([command, sub, &exit] {
    command->plan_typed = sub->count("--plan") > 0 || command->table.choose_plan;
    exit = command->run();
  });
}

}  // namespace pretrain::cli
