#include "cli/app.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>
#include <iostream>

#include "cli/commands.hpp"
#include "models/core/input_error.hpp"

namespace pretrain::cli {

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
