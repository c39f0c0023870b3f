#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <sstream>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/report.hpp"

namespace pretrain::cli {

namespace {

struct ReportCommand {
  TableOptions table;
  std::string file;
  std::string kind = "html";
  std::string title;
  std::vector<std::string> lever_words;
  bool levers = false;

  Exit run() const {
    ReportQuestion question;
    {
      InputFile input{file};
      std::ostringstream whole;
      whole << input.stream().rdbuf();
      question.table = whole.str();
      question.name = input.name();
    }
    question.file = file;
    question.kind = kind;
    question.title = title;
    question.profile = table.profile;
    if (levers || !lever_words.empty()) question.levers = lever_targets(lever_words);
    const auto catalogue = open_catalogue(table.data, file, table.profile);
    Exit exit = Exit::ok;
    write_answer(table.output,
                 report_on(question, job_options(table, *catalogue), *catalogue, exit));
    if (!table.output.empty()) tell(fmt::format("report: written to {}\n", table.output));
    return exit;
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
