// Fits the constants of the step to the measured runs that ship with the program, and writes what
// it found into models/data. See --help.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "planner/catalogue.hpp"
#include "planner/run_table.hpp"
#include "validation/evaluation.hpp"
#include "validation/step_report.hpp"

namespace {

using namespace pretrain;
using validation::Cases;

/// Rows whose plan is taken as `mode` says.
Cases read_cases(const planner::Catalogue& catalogue, const validation::Split& split,
                 planner::PlanMode mode) {
  planner::EstimateOptions options;
  options.plan = mode;
  Cases cases{catalogue, split, options};
  for (const auto& [name, text] : validation::shipped_cases()) {
    cases.begin_table(std::string{name.substr(0, name.find('.'))});
    std::istringstream in{std::string{text}};
    planner::read_run_table(in, std::string{name}, 1, cases);
  }
  return cases;
}

/// The comment lines at the top of a file.
std::string head_of(const std::string& path) {
  std::ifstream in{path};
  if (!in) throw std::runtime_error("cannot read " + path);
  std::string head;
  for (std::string line; std::getline(in, line) && line.starts_with('#');) head += line + '\n';
  return head;
}

/// Whole or not at all.
void write(const std::string& path, const std::string& text) {
  const std::string aside = path + ".new";
  {
    std::ofstream out{aside, std::ios::binary};
    out << text;
    if (!out.flush()) throw std::runtime_error("cannot write " + aside);
  }
  if (std::rename(aside.c_str(), path.c_str()) != 0) {
    throw std::runtime_error("cannot replace " + path);
  }
}

int run(int argc, char** argv) {
  CLI::App app{"Fits the constants of the step to measured runs"};
  std::string directory = "models/data";
  bool write_files = false;
  bool ablate = false;
  bool residuals = false;
  bool sweep = false;
  bool calibrate = false;
  app.add_option("--data", directory,
                 "Folder of step_constants.csv, step_reach.csv and step_spread.csv")
      ->capture_default_str();
  app.add_flag("--write", write_files,
               "Write the files; without it only what would change is told");
  app.add_flag("--ablate", ablate, "Fit again without each term, and tell the errors");
  app.add_flag("--sweep", sweep, "Tell how the sweep of plans is predicted, blind and calibrated");
  app.add_flag("--calibrate", calibrate,
               "Tell how each generation and framework is predicted, blind and calibrated");
  app.add_flag("--residuals", residuals, "Tell the groups of runs that are predicted worst");
  CLI11_PARSE(app, argc, argv);

  const auto start = std::chrono::steady_clock::now();
  const planner::Catalogue catalogue;
  const auto split = validation::shipped_split();
  const Cases stated = read_cases(catalogue, split, planner::PlanMode::stated);
  const Cases usual = read_cases(catalogue, split, planner::PlanMode::usual);
  const auto& priors = catalogue.step_constant_table();
  const auto report = validation::fit_report(stated.cases(), usual.cases(), priors);
  fmt::print("{}", validation::text_of(report, priors));
  if (sweep) fmt::print("\n{}", validation::sweep_report(stated.cases(), priors));
  if (calibrate) {
    fmt::print("\n{}",
               validation::calibration_report(stated.cases(), priors, catalogue.step_spread()));
  }
  if (residuals) fmt::print("\n{}", validation::residual_groups(stated.cases(), priors));
  if (ablate) fmt::print("\n{}", validation::ablations(stated.cases(), priors));
  if (write_files) {
    const std::string constants = directory + "/step_constants.csv";
    const std::string spread = directory + "/step_spread.csv";
    write(constants, report.constants.text(head_of(constants)));
    write(spread, validation::spread_text(report, head_of(spread)));
    const std::string reach = directory + "/step_reach.csv";
    write(reach,
          validation::reach_text(validation::measured_reach(stated.cases()), head_of(reach)));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  fmt::print(stderr, "{} in {:.1f} s\n", write_files ? "written" : "fitted", took.count());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fit: error: {}\n", error.what());
    return 2;
  }
}
