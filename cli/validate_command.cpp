#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <sstream>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/format_scores.hpp"
#include "cli/options.hpp"
#include "cli/text_table.hpp"
#include "models/core/number.hpp"
#include "models/core/text.hpp"
#include "validation/evaluation.hpp"

namespace pretrain::cli {

namespace {

using planner::Key;
using validation::Predictor;
using validation::Score;
using validation::Scoreboard;
using validation::SplitMode;

/// One --fail-above: "median=0.15", or "median=0.15@type=dense" for one group.
struct Threshold {
  std::string metric;
  double most = 0;
  std::string group = "all";
};

constexpr std::array<std::string_view, 5> kMetrics{"median", "mean_log", "q90_log", "group_log",
                                                   "bias"};

Threshold threshold_of(const std::string& text) {
  const auto wrong = [&](std::string what) {
    return InputError({"--fail-above", 0, 0}, std::move(what),
                      "write a metric and its limit, median=0.15, with @type=dense for one group; "
                      "metrics are median, mean_log, q90_log, group_log and bias");
  };
  const auto equals = text.find('=');
  if (equals == std::string::npos) throw wrong(fmt::format("'{}' has no limit", shortened(text)));
  Threshold threshold;
  threshold.metric = text.substr(0, equals);
  std::string limit = text.substr(equals + 1);
  if (const auto at = limit.find('@'); at != std::string::npos) {
    threshold.group = limit.substr(at + 1);
    limit = limit.substr(0, at);
  }
  if (std::find(kMetrics.begin(), kMetrics.end(), threshold.metric) == kMetrics.end()) {
    throw wrong(fmt::format("no metric '{}'", shortened(threshold.metric)));
  }
  const auto number = parse_number(limit, "");
  if (!number.ok() || number.value < 0) {
    throw wrong(fmt::format("'{}' is not a limit", shortened(limit)));
  }
  threshold.most = number.value;
  return threshold;
}

std::optional<double> metric_of(const Score& score, std::string_view metric) {
  if (metric == "median") return score.summary.median_abs_error;
  if (metric == "mean_log") return score.summary.mean_abs_log_error;
  if (metric == "q90_log") return score.q90_abs_log_error;
  if (metric == "group_log") return score.group_mean_abs_log_error;
  if (!score.summary.bias) return std::nullopt;
  return std::abs(*score.summary.bias);
}

class ValidateCommand {
 public:
  TableOptions table;
  std::vector<std::string> files;
  std::string split = "grouped";
  std::string given;
  std::vector<std::string> fail_above;
  std::string report;

  Exit run() const {
    std::vector<Threshold> thresholds;
    for (const auto& text : fail_above) thresholds.push_back(threshold_of(text));
    // Paths in a table count from its folder: each has a catalogue of its own.
    std::vector<std::unique_ptr<planner::Catalogue>> catalogues;
    catalogues.push_back(open_catalogue(table.data, "", table.profile));
    const auto* catalogue = catalogues.front().get();
    const auto frozen = validation::shipped_split();
    auto options = job_options(table, *catalogues.front());
    options.estimate.blind = true;
    validation::Cases pool{*catalogue, frozen, options.estimate};
    for (const auto& [name, text] : validation::shipped_cases()) {
      read_text(name, std::string{text}, pool);
    }
    options.estimate.taken = given == "hours"   ? planner::Taken::hours
                             : given == "power" ? planner::Taken::power
                                                : planner::Taken::nothing;
    validation::Cases scored{*catalogue, frozen, options.estimate};
    // The same runs with their true hours, to judge the draw apart.
    auto with_hours = options.estimate;
    with_hours.taken = planner::Taken::hours;
    validation::Cases timed{*catalogue, frozen, with_hours};
    std::string runs;
    const bool json = options.format == Format::json;
    if (files.empty()) {
      for (const auto& [name, text] : validation::shipped_cases()) {
        read_text(name, std::string{text}, scored);
        if (given.empty()) read_text(name, std::string{text}, timed);
        if (json) add_runs(name, std::string{text}, *catalogue, options, runs);
      }
    }
    for (const auto& file : files) {
      InputFile input{file};
      std::ostringstream text;
      text << input.stream().rdbuf();
      catalogues.push_back(open_catalogue(table.data, file, table.profile));
      const auto& own = *catalogues.back();
      validation::Cases rows{own, frozen, options.estimate};
      read_text(input.name(), text.str(), rows);
      scored.take(std::move(rows));
      if (given.empty()) {
        validation::Cases again{own, frozen, with_hours};
        read_text(input.name(), text.str(), again);
        timed.take(std::move(again));
      }
      if (json) add_runs(input.name(), text.str(), own, options, runs);
    }
    for (const auto& remark : scored.remarks()) tell(remark);
    tell_repeated_ids(scored);
    scored.keep_newest();
    choose(scored);
    if (!table.where.empty()) only(timed);

    const SplitMode mode = split == "none"      ? SplitMode::none
                           : split == "grouped" ? SplitMode::grouped
                                                : SplitMode::leave_source_out;
    constexpr double kNoLevel = 0.9;
    const double level = table.interval > 0 ? table.interval : kNoLevel;
    Findings found{
        heading(scored),
        scored,
        validation::evaluate(scored.cases(), pool.cases(), mode, catalogue->step_constant_table(),
                             catalogue->step_spread(), level),
        {},
        {}};
    if (given.empty()) {
      found.energy = validation::audit_energy(scored.cases(), timed.cases(),
                                              validation::shipped_remarks(), level);
      found.plans = validation::audit_plans(scored, found.board.throughput);
    }
    write_answer(table.output, answer(*catalogue, options.format, found, runs));
    if (!report.empty()) {
      write_answer(
          report, report.ends_with(".html") ? html_scores(found, utc_now()) : report_scores(found));
    }
    return judge(thresholds, found.board);
  }

 private:
  static void read_text(std::string_view name, const std::string& text, validation::Cases& cases) {
    std::string table{name};
    if (const auto slash = table.find_last_of('/'); slash != std::string::npos) {
      table.erase(0, slash + 1);
    }
    if (const auto dot = table.find_last_of('.'); dot != std::string::npos && dot > 0) {
      table.erase(dot);
    }
    cases.begin_table(table);
    std::istringstream in{text};
    planner::read_run_table(in, std::string{name}, 1, cases);
  }

  /// The rows as `estimate --blind` gives them.
  static void add_runs(std::string_view name, const std::string& text,
                       const planner::Catalogue& catalogue, JobOptions options, std::string& runs) {
    options.quiet = true;
    EstimateJob job{std::string{name}, catalogue, options, nullptr, nullptr};
    std::istringstream in{text};
    planner::read_run_table(in, std::string{name}, thread_count(), job);
    if (job.json_runs().empty()) return;
    if (!runs.empty()) runs += ",\n";
    runs += job.json_runs();
  }

  static void tell_repeated_ids(const validation::Cases& scored) {
    std::set<std::string_view> seen;
    std::size_t repeated = 0;
    std::string_view first;
    for (const auto& c : scored.cases()) {
      if (!seen.insert(c.id).second && ++repeated == 1) first = c.id;
    }
    if (repeated == 0) return;
    tell(fmt::format("warning: {} rows have the id of another, '{}' first: each is scored\n",
                     repeated, printable(first)));
  }

  void only(validation::Cases& cases) const {
    std::erase_if(cases.cases(), [&](const validation::Case& c) {
      return !equal_ignoring_case(c.id, table.where) && !equal_ignoring_case(c.name, table.where);
    });
  }

  /// Only the rows that --where names.
  void choose(validation::Cases& scored) const {
    if (table.where.empty()) return;
    only(scored);
    std::erase_if(scored.fits(), [&](const validation::FitCase& c) {
      return !equal_ignoring_case(c.id, table.where);
    });
    std::erase_if(scored.skipped(), [&](const validation::Skipped& skipped) {
      return !equal_ignoring_case(skipped.id, table.where);
    });
    if (!scored.cases().empty()) return;
    if (!scored.skipped().empty()) {
      throw InputError({"--where", 0, 0},
                       fmt::format("'{}' is not scored: {}", shortened(table.where),
                                   scored.skipped().front().reason),
                       "rows that cannot be scored are listed without --where");
    }
    throw InputError({"--where", 0, 0}, fmt::format("no run '{}'", shortened(table.where)),
                     "names and ids are taken as they stand in the table");
  }

  std::string answer(const planner::Catalogue& catalogue, Format format, const Findings& found,
                     const std::string& runs) const {
    switch (format) {
      case Format::json:
        return json_document(
            catalogue, runs,
            fmt::format("\"summary\": {},\n\"energy_audit\": {},\n\"plan_audit\": {},\n"
                        "\"skipped\": {},\n",
                        json_scores(found.board), json_audit(found.energy), json_plans(found.plans),
                        json_skipped(found.scored)));
      case Format::jsonl:
        return json_lines(found.board);
      case Format::csv:
        return csv_scores(found.board);
      case Format::markdown:
        return markdown_scores(found);
      case Format::table:
        break;
    }
    return table_scores(found, table.output.empty() && color_wanted());
  }

  std::string heading(const validation::Cases& scored) const {
    return fmt::format(
        "{} runs scored, {}. Split: {}.\n"
        "tokens_per_s_per_device holds every published throughput, converted from step time, FLOPs "
        "or MFU (in the convention that the row names, else causal attention) where tokens are not "
        "printed.\n",
        scored.cases().size(),
        given.empty()
            ? std::string{"blind: nothing measured on a run is used for its prediction"}
            : fmt::format("with their measured {}: what follows from it is scored", given),
        split == "none"      ? "none (all have seen every case that ships)"
        : split == "grouped" ? "grouped (nobody has seen anything of the same model on the same "
                               "device)"
                             : "leave-source-out (nobody has seen anything from the same source)");
  }

  static Exit judge(const std::vector<Threshold>& thresholds, const Scoreboard& board) {
    Exit exit = Exit::ok;
    for (const auto& threshold : thresholds) {
      const auto* score =
          board.find(Predictor::planner, Key::tokens_per_s_per_device, threshold.group);
      const auto value = score != nullptr ? metric_of(*score, threshold.metric) : std::nullopt;
      if (!value) {
        throw InputError({"--fail-above", 0, 0},
                         fmt::format("nothing to judge in group '{}'", shortened(threshold.group)),
                         "no run of that group reports its throughput");
      }
      if (*value > threshold.most) {
        tell(fmt::format("over the threshold: {} is {:.4g}, above {:g} ({})\n", threshold.metric,
                         *value, threshold.most, threshold.group));
        exit = Exit::no;
      }
    }
    return exit;
  }
};

}  // namespace

void add_validate_command(CLI::App& app, Exit& exit) {
  auto command = std::make_shared<ValidateCommand>();
  CLI::App* sub = app.add_subcommand(
      "validate", "How good the predictions are: against published runs, beside baselines");
  sub->add_option("files", command->files,
                  "Run tables with reported numbers; none: the cases that ship with the program");
  add_table_options(*sub, command->table);
  sub->add_option("--split", command->split,
                  "What a prediction may have learnt from: none, grouped (nothing of the same "
                  "model on the same device) or leave-source-out")
      ->check(CLI::IsMember({"none", "grouped", "leave-source-out"}))
      ->capture_default_str();
  sub->add_option("--given", command->given,
                  "Take the measured hours, or power, as given, to score the rest apart")
      ->check(CLI::IsMember({"hours", "power"}));
  sub->add_option("--fail-above", command->fail_above,
                  "Exit with 1 when the planner's error of throughput is larger: median=0.15, or "
                  "median=0.15@type=dense; also mean_log, q90_log, group_log, bias");
  sub->add_option("--report", command->report,
                  "Write all tables, the worst runs and what was not "
                  "scored here: FILE.html with charts, else Markdown");
  sub->callback([command, &exit] { exit = command->run(); });
}

}  // namespace pretrain::cli
