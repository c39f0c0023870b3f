#include "cli/app.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <string_view>
#include <vector>

#include "cli/commands.hpp"
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

}  // namespace

Exit run(int argc, const char* const* argv) {
  CLI::App app{"Time, energy and carbon of a training run, before it starts", "planner"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "planner " PRETRAIN_VERSION);
  app.footer("Exit status: 0 done, 1 the answer is no, 2 wrong input, 3 a bug of ours.");
  Exit exit = Exit::ok;
  add_estimate_command(app, exit);
  add_compare_command(app, exit);
  add_init_command(app, exit);
  add_list_command(app, exit);
  add_db_command(app, exit);
  try {
    const std::string_view first = argc > 1 ? argv[1] : "-";
    const auto names = command_names(app);
    if (!first.starts_with('-') && std::find(names.begin(), names.end(), first) == names.end()) {
      throw InputError({"planner", 0, 0}, fmt::format("no command '{}'", shortened(first)),
                       fmt::format("did you mean {}? `planner --help` shows all",
                                   quoted_list(nearest(names, first, 2), "or")));
    }
    app.parse(argc, argv);
    return exit;
  } catch (const CLI::ParseError& e) {
    return app.exit(e, std::cout, std::cerr) == 0 ? Exit::ok : Exit::bad_input;  // 0 is --help
  } catch (const InputError& e) {
    std::cerr << e.what() << '\n';
    return Exit::bad_input;
  } catch (const std::exception& e) {
    std::cerr << "internal error: " << e.what() << "\n  help: this is a bug, please report it\n";
    return Exit::internal;
  }
}

}  // namespace pretrain::cli
