#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/estimate_job.hpp"
#include "planner/catalogue.hpp"

namespace CLI {
class App;
class Validator;
}  // namespace CLI

namespace pretrain::cli {

/// Options that the commands on run tables share.
struct TableOptions {
  std::string format = "table";
  std::string where;
  bool blind = false;
  std::string method = "full";
  std::string embodied;
  std::string grid = "current";
  std::string output;
  std::string data;
  std::size_t samples = 0;
  std::uint64_t seed = 1;
  double interval = 0.9;
  bool interval_given = false;  ///< csv has columns for it then
  std::string plan = "given";
  bool choose_plan = false;
  std::vector<std::string> include;
  std::optional<double> price_per_device_hour;
  std::optional<double> price_per_kwh;
  std::string hourly;
  std::string start;
  std::string profile;
};

/// Adds them to a subcommand.
void add_table_options(CLI::App& command, TableOptions& options);
/// Those of them that are not of the rows' own plan, efficiency and start.
void add_common_options(CLI::App& command, TableOptions& options);
JobOptions job_options(const TableOptions& options, const planner::Catalogue& catalogue);

/// "2026-03-01T06:00Z".
extern const CLI::Validator kTime;

/// The tables of the program, or with those of a folder in their place. Runs may name files,
/// relative to the folder of `table`.
std::unique_ptr<planner::Catalogue> open_catalogue(const std::string& data_directory,
                                                   const std::string& table = "",
                                                   const std::string& profile = "");

/// Path of the store: the option, else PLANNER_DB, else the XDG data folder.
std::string store_path(const std::string& option);

/// Threads worth starting.
unsigned thread_count();

}  // namespace pretrain::cli
