#pragma once

#include "cli/exit.hpp"

namespace CLI {
class App;
}

namespace pretrain::cli {

// Each adds its subcommand to the program; running it sets `exit`.
void add_estimate_command(CLI::App& app, Exit& exit);
void add_compare_command(CLI::App& app, Exit& exit);
void add_plan_command(CLI::App& app, Exit& exit);
void add_calibrate_command(CLI::App& app, Exit& exit);
void add_measure_command(CLI::App& app, Exit& exit);
void add_report_command(CLI::App& app, Exit& exit);
void add_init_command(CLI::App& app, Exit& exit);
void add_list_command(CLI::App& app, Exit& exit);
void add_show_command(CLI::App& app, Exit& exit);
void add_validate_command(CLI::App& app, Exit& exit);
void add_db_command(CLI::App& app, Exit& exit);

}  // namespace pretrain::cli
