#include "cli/app.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "models/core/input_error.hpp"
#include "models/core/text.hpp"

namespace pretrain::cli {

namespace {

std::vector<std::string_view> command_names(const CLI::App& app) {
  std::vector<std::string_view> names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

/// The parser only says that a command is missing: name the wrong one and those like it.
void require_command(const CLI::App& app, std::string_view word) {
  const auto names = command_names(app);
  if (word.starts_with('-') || std::find(names.begin(), names.end(), word) != names.end()) return;
  throw InputError(
      {app.get_name(), 0, 0}, fmt::format("no command '{}'", shortened(word)),
      fmt::format("did you mean {}? --help shows all", quoted_list(nearest(names, word, 2), "or")));
}

}  // namespace

Exit run(int argc, const char* const* argv) {
  CLI::App app{"Time, energy and carbon of a training run, before it starts", "planner"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "planner " PRETRAIN_VERSION);
  app.footer("Exit status: 0 done, 1 the answer is no, 2 wrong input, 3 a bug of ours.");
  Exit exit = Exit::ok;
  add_estimate_command(app, exit);
  add_compare_command(app, exit);
  add_plan_command(app, exit);
  add_calibrate_command(app, exit);
  add_measure_command(app, exit);
  add_report_command(app, exit);
  add_validate_command(app, exit);
  add_init_command(app, exit);
  add_list_command(app, exit);
  add_show_command(app, exit);
  add_db_command(app, exit);
  try {
    if (argc > 1) require_command(app, argv[1]);
    if (argc > 2 && std::string_view{argv[1]} == "db") {
      require_command(*app.get_subcommand("db"), argv[2]);
    }
    app.parse(argc, argv);
    return exit;
  } catch (const CLI::ParseError& e) {
    const int status = app.exit(e, std::cout, std::cerr);  // 0 is --help
    if (status != 0 && argc > 1 && std::string_view{argv[1]} == "measure") {
      tell("  help: write the command after two dashes: planner measure -- python train.py --lr 3");
    }
    if (!std::cout.flush()) {
      tell("standard output: error: cannot be written\n  help: check where the output goes");
      return Exit::bad_input;
    }
    return status == 0 ? Exit::ok : Exit::bad_input;
  } catch (const InputError& e) {
    tell(e.what());
    return Exit::bad_input;
  } catch (const std::exception& e) {
    tell(fmt::format("internal error: {}\n  help: this is a bug, please report it", e.what()));
    return Exit::internal;
  }
}

}  // namespace pretrain::cli
