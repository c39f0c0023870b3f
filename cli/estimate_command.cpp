#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "cli/commands.hpp"
#include "cli/options.hpp"

namespace pretrain::cli {

namespace {

struct EstimateCommand {
  TableOptions table;
  std::string file;
  std::string db;
  bool explain = false;
  bool save = false;

  Exit run() const {
    const auto catalogue = open_catalogue(table.data, file, table.profile);
    auto options = job_options(table, *catalogue);
    options.explain = explain;
    const bool streams = options.format == Format::csv || options.format == Format::jsonl;
    if (explain && streams) {
      throw InputError({"--explain", 0, 0}, "goes with --format table, markdown or json only",
                       "add --format table");
    }
    InputFile input{file};
    OutputFile out{table.output};
    std::optional<db::Store> store;
    if (save) {
      store.emplace(db::Store::open(store_path(db), db::Store::Mode::write));
      store->begin();
    }
    EstimateJob job{input.name(), *catalogue, options, streams ? &out : nullptr,
                    store ? &*store : nullptr};
    out.write(job.opening());
    planner::read_run_table(input.stream(), input.name(), thread_count(), job);
    job.finish();
    if (options.format == Format::table) {
      out.write(table_text(job.rows(), table.output.empty() && color_wanted()));
    } else if (options.format == Format::markdown) {
      out.write(markdown_text(job.rows()));
    } else if (options.format == Format::json) {
      out.write(json_document(*catalogue, job.json_runs(), ""));
    }
    out.commit();
    if (store) {
      store->commit();
      tell(fmt::format("saved {} run{} to {}\n", job.saved(), job.saved() == 1 ? "" : "s",
                       store->path()));
    }
    return job.exit();
  }
};

}  // namespace

void add_estimate_command(CLI::App& app, Exit& exit) {
  auto command = std::make_shared<EstimateCommand>();
  CLI::App* sub = app.add_subcommand(
      "estimate",
      "Time, energy and carbon of each run of a table, and the delta where the truth "
      "is known");
  sub->add_option("file", command->file, "Run table, CSV or YAML; - is standard input")->required();
  add_table_options(*sub, command->table);
  sub->add_flag("--explain", command->explain,
                "Show the chain of each run: equation, numbers put in, result, source");
  sub->add_flag("--save", command->save, "Keep the estimates in the store");
  sub->add_option("--db", command->db, "The store (else PLANNER_DB, else the XDG data folder)");
  sub->callback([command, &exit] { exit = command->run(); });
}

}  // namespace pretrain::cli
