#include "cli/format_scores.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "cli/text_table.hpp"

namespace pretrain::cli {

namespace {

using Json = nlohmann::ordered_json;
using planner::Key;
using validation::Predictor;
using validation::Score;
using validation::Scoreboard;

/// Groups with fewer rows say nothing: shown in JSON and CSV only.
constexpr std::size_t kLeastShown = 5;
constexpr std::size_t kWorstShown = 20;
constexpr std::size_t kReasonsShown = 8;

constexpr std::array kAllPredictors{Predictor::planner,       Predictor::llmcarbon_6pd,
                                    Predictor::llmcarbon_8pd, Predictor::generation_median,
                                    Predictor::knn5,          Predictor::ridge};

std::string share(const std::optional<double>& value) {
  return value ? fmt::format("{:.1f}%", 100 * *value) : std::string{};
}
std::string signed_share(const std::optional<double>& value) {
  return value ? percent(*value) : std::string{};
}
std::string log_error(const std::optional<double>& value) {
  return value ? fmt::format("{:.3f}", *value) : std::string{};
}

// ---- numbers for programs

/// Names of files may hold bytes that are no text.
std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json json_score(const Scoreboard& board, const Score& score) {
  const auto number = [](const std::optional<double>& value) {
    return value ? Json(*value) : Json(nullptr);
  };
  const auto& s = score.summary;
  return {{"predictor", name_of(score.predictor)},
          {"split", name_of(board.split)},
          {"quantity", planner::info_of(score.quantity).name},
          {"group", score.group},
          {"n", s.n},
          {"median_abs_error", number(s.median_abs_error)},
          {"mean_abs_log_error", number(s.mean_abs_log_error)},
          {"bias", number(s.bias)},
          {"within_10", number(s.within_10)},
          {"within_20", number(s.within_20)},
          {"within_30", number(s.within_30)},
          {"coverage", number(s.coverage)},
          {"median_width", number(s.median_width)},
          {"interval_score", number(s.interval_score)},
          {"q90_abs_log_error", number(score.q90_abs_log_error)},
          {"group_mean_abs_log_error", number(score.group_mean_abs_log_error)}};
}

// ---- tables for people

/// Every predictor on all rows of one quantity.
TextTable overall(const Scoreboard& board, Key quantity, std::string_view group) {
  TextTable table{
      {{"predictor", fmt::format("{}, {}", planner::info_of(quantity).name, group), false},
       {"n", "Runs", true},
       {"median", "Median error", true},
       {"mean_log", "Mean |ln|", true},
       {"q90", "90% |ln|", true},
       {"groups", "By model", true},
       {"bias", "Bias", true},
       {"within_10", "<=10%", true},
       {"within_20", "<=20%", true},
       {"within_30", "<=30%", true}}};
  for (const auto predictor : kAllPredictors) {
    const auto* score = board.find(predictor, quantity, group);
    if (score == nullptr) continue;
    const auto& s = score->summary;
    table.add({std::string{name_of(predictor)}, fmt::format("{}", s.n), share(s.median_abs_error),
               log_error(s.mean_abs_log_error), log_error(score->q90_abs_log_error),
               log_error(score->group_mean_abs_log_error), signed_share(s.bias), share(s.within_10),
               share(s.within_20), share(s.within_30)});
  }
  return table;
}

/// Median error of every predictor in each group of one kind.
TextTable by_group(const Scoreboard& board, Key quantity, std::string_view kind) {
  std::vector<TextTable::Column> columns{{"group", fmt::format("Median error by {}", kind), false},
                                         {"n", "Runs", true}};
  for (const auto predictor : kAllPredictors) {
    columns.push_back({std::string{name_of(predictor)}, std::string{name_of(predictor)}, true});
  }
  TextTable table{std::move(columns)};
  const std::string start = std::string{kind} + "=";
  for (const auto& score : board.scores) {
    if (score.predictor != Predictor::planner || score.quantity != quantity ||
        !score.group.starts_with(start) || score.summary.n < kLeastShown) {
      continue;
    }
    std::vector<TextCell> row{score.group.substr(start.size()), fmt::format("{}", score.summary.n)};
    for (const auto predictor : kAllPredictors) {
      const auto* other = board.find(predictor, quantity, score.group);
      row.emplace_back(other != nullptr ? share(other->summary.median_abs_error) : std::string{});
    }
    table.add(std::move(row));
  }
  return table;
}

std::vector<Key> quantities(const Scoreboard& board) {
  std::vector<Key> keys;
  for (const auto& score : board.scores) {
    if (std::find(keys.begin(), keys.end(), score.quantity) == keys.end()) {
      keys.push_back(score.quantity);
    }
  }
  return keys;
}

/// The planner on every other quantity.
TextTable other_quantities(const Scoreboard& board) {
  TextTable table{{{"quantity", "The planner, other quantities", false},
                   {"n", "Runs", true},
                   {"median", "Median error", true},
                   {"mean_log", "Mean |ln|", true},
                   {"bias", "Bias", true},
                   {"within_20", "<=20%", true}}};
  for (const auto key : quantities(board)) {
    if (key == Key::tokens_per_s_per_device) continue;
    const auto* score = board.find(Predictor::planner, key, "all");
    if (score == nullptr) continue;
    const auto& s = score->summary;
    table.add({std::string{planner::info_of(key).name}, fmt::format("{}", s.n),
               share(s.median_abs_error), log_error(s.mean_abs_log_error), signed_share(s.bias),
               share(s.within_20)});
  }
  return table;
}

std::string skipped_text(const validation::Cases& scored) {
  if (scored.skipped().empty()) return {};
  std::map<std::string, std::vector<std::string>> reasons;
  for (const auto& row : scored.skipped()) reasons[row.reason].push_back(row.id);
  std::vector<std::pair<std::string, std::vector<std::string>>> sorted{reasons.begin(),
                                                                       reasons.end()};
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  std::string text = fmt::format("Not scored: {} runs\n", scored.skipped().size());
  std::size_t shown = 0;
  std::size_t rest = 0;
  for (const auto& [reason, ids] : sorted) {
    if (shown++ >= kReasonsShown) {
      rest += ids.size();
      continue;
    }
    text += fmt::format("  {} ({}{}): {}\n", ids.size(), printable(ids.front()),
                        ids.size() > 1 ? ", ..." : "", printable(reason));
  }
  if (rest > 0) text += fmt::format("  {} for other reasons; --report lists all\n", rest);
  return text;
}

constexpr std::array<std::string_view, 8> kKinds{"class",      "table",  "type",   "phase",
                                                 "generation", "device", "family", "quality"};

/// What the intervals of throughput promise and keep.
TextTable intervals(const Scoreboard& board) {
  TextTable table{{{"group", "Intervals of the planner", false},
                   {"n", "Runs", true},
                   {"coverage", "Held", true},
                   {"wilson", "95% sure", true},
                   {"width", "Width x/÷", true},
                   {"score", "Interval score", true}}};
  for (const auto& score : board.scores) {
    if (score.predictor != Predictor::planner || score.quantity != Key::tokens_per_s_per_device ||
        !score.group.starts_with("class=") || !score.summary.coverage) {
      continue;
    }
    const auto& s = score.summary;
    const auto sure = validation::wilson(*s.coverage, static_cast<double>(s.n));
    table.add({score.group.substr(std::string_view{"class="}.size()), fmt::format("{}", s.n),
               share(s.coverage), fmt::format("{} to {}", share(sure.low), share(sure.high)),
               fmt::format("{:.2f}", s.median_width.value_or(1)), log_error(s.interval_score)});
  }
  return table;
}

/// The planner against the best baseline.
TextTable duels(const Scoreboard& board) {
  TextTable table{{{"group", "Against the best baseline", false},
                   {"n", "Runs", true},
                   {"baseline", "Baseline", false},
                   {"difference", "Mean |ln| less", true},
                   {"sure", "95% sure", true},
                   {"verdict", "Verdict", false}}};
  for (const auto& duel : board.duels) {
    const auto& d = duel.difference;
    table.add({duel.group.substr(std::string_view{"class="}.size()), fmt::format("{}", duel.n),
               std::string{name_of(duel.baseline)}, fmt::format("{:.3f}", -d.mean),
               fmt::format("{:.3f} to {:.3f}", -d.high, -d.low),
               std::string{d.won()     ? "better"
                           : d.low > 0 ? "worse"
                                       : "not decided"}});
  }
  return table;
}

/// Time, power and total of runs whose energy or hours were published, each for itself.
TextTable audit_table(const validation::EnergyAudit& audit) {
  TextTable table{{{"part", "Energy of runs", false},
                   {"what", "of", false},
                   {"n", "Runs", true},
                   {"median", "Median error", true},
                   {"mean_log", "Mean |ln|", true},
                   {"bias", "Bias", true},
                   {"within_20", "<=20%", true},
                   {"coverage", "Held", true},
                   {"wilson", "95% sure", true},
                   {"width", "Width x/÷", true},
                   {"score", "Interval score", true}}};
  for (const auto& score : audit.scores) {
    const auto& s = score.summary;
    std::string sure;
    if (s.coverage) {
      const auto range = validation::wilson(*s.coverage, static_cast<double>(s.n));
      sure = fmt::format("{} to {}", share(range.low), share(range.high));
    }
    table.add({std::string{name_of(score.part)}, score.what, fmt::format("{}", s.n),
               share(s.median_abs_error), log_error(s.mean_abs_log_error), signed_share(s.bias),
               share(s.within_20), share(s.coverage), sure,
               s.median_width ? TextCell{fmt::format("{:.2f}", *s.median_width)} : TextCell{},
               log_error(s.interval_score)});
  }
  return table;
}

/// Every run whose draw or energy was measured.
TextTable audited_runs(const validation::EnergyAudit& audit) {
  TextTable table{{{"id", "Run with measured draw or energy", false},
                   {"device", "Device", false},
                   {"quality", "Quality", false},
                   {"time", "Time", true},
                   {"power", "Power", true},
                   {"total", "Total", true},
                   {"held", "Held", false},
                   {"remark", "Known of it", false}}};
  const auto delta = [](const std::optional<validation::AuditedPart>& part) {
    return part ? percent(part->delta()) : std::string{};
  };
  for (const auto& run : audit.runs) {
    if (!run.power && !run.total) continue;
    std::string held;
    for (const auto* part : {&run.time, &run.power, &run.total}) {
      if (!*part || !(*part)->held) continue;
      if (!held.empty()) held += ", ";
      held += *(*part)->held ? "yes" : "no";
    }
    table.add({run.id, run.device, run.quality, delta(run.time), delta(run.power), delta(run.total),
               held, run.remark});
  }
  return table;
}

/// How well the fastest of several measured plans is chosen.
TextTable plan_scores(const validation::PlanAudit& plans) {
  TextTable table{{{"what", "Choosing among measured plans", false},
                   {"groups", "Groups", true},
                   {"plans", "Plans", true},
                   {"median", "Median regret", true},
                   {"mean", "Mean", true},
                   {"worst", "Worst", true},
                   {"chance", "By chance", true},
                   {"spearman", "Spearman", true}}};
  for (const auto& s : plans.scores) {
    table.add({s.what, fmt::format("{}", s.groups), fmt::format("{}", s.plans),
               share(s.median_regret), share(s.mean_regret), share(s.worst_regret),
               share(s.mean_by_chance), fmt::format("{:.2f}", s.mean_spearman)});
  }
  return table;
}

TextTable plan_groups(const validation::PlanAudit& plans) {
  TextTable table{{{"group", "Plans of", false},
                   {"device", "Device", false},
                   {"devices", "Devices", true},
                   {"plans", "Plans", true},
                   {"regret", "Regret", true},
                   {"chance", "By chance", true},
                   {"spearman", "Spearman", true},
                   {"picked", "Picked", false},
                   {"fastest", "Fastest", false}}};
  for (const auto& g : plans.groups) {
    table.add({g.id, g.device, fmt::format("{:g}", g.devices), fmt::format("{}", g.plans),
               share(g.regret), share(g.by_chance), fmt::format("{:.2f}", g.spearman), g.picked,
               g.fastest});
  }
  return table;
}

/// Whether published plans are judged to fit as they did.
TextTable fit_scores(const validation::FitScore& fit) {
  TextTable table{{{"what", "Whether a plan fits", false},
                   {"n", "Plans", true},
                   {"right", "Right", true},
                   {"wrong", "Wrong", true},
                   {"share", "Share wrong", true}}};
  const auto add = [&](std::string what, std::size_t n, std::size_t wrong) {
    if (n == 0) return;
    table.add({std::move(what), fmt::format("{}", n), fmt::format("{}", n - wrong),
               fmt::format("{}", wrong),
               share(static_cast<double>(wrong) / static_cast<double>(n))});
  };
  add("ran: refused", fit.ran, fit.refused);
  add("ran: refused, or told to be tight", fit.ran, fit.refused + fit.tight);
  add("ran out of memory: let through", fit.failed, fit.let_through);
  add("a device with 10% less than the measured peak: let through", fit.peaks,
      fit.peaks - fit.short_refused);
  add("a device with 10% more than the measured peak: refused", fit.peaks,
      fit.peaks - fit.ample_taken);
  return table;
}

TextTable misjudged(const validation::PlanAudit& plans) {
  TextTable table{{{"id", "Misjudged", false},
                   {"table", "Table", false},
                   {"outcome", "It", false},
                   {"need", "Predicted [GiB]", true},
                   {"usable", "Usable [GiB]", true}}};
  for (const auto& c : plans.misjudged) {
    table.add({c.id, c.table, std::string{c.ran ? "ran" : "ran out of memory"}, c.need_gib,
               c.usable_gib});
  }
  return table;
}

/// Why a prediction may be far off, as far as the row tells.
std::string reason_of(const validation::Case& c) {
  static const auto remarks = validation::shipped_remarks();
  if (const auto found = remarks.find(c.id); found != remarks.end()) return found->second;
  std::string text;
  const auto add = [&](std::string_view why) {
    text += (text.empty() ? "" : ", ") + std::string{why};
  };
  if (c.quality == "caution") add("its source leaves something open");
  if (c.step && c.step->chosen) add("its plan is not stated");
  if (c.step && c.step->unseen) add("nothing was measured on its generation");
  if (!c.architecture) add("its dimensions are not known");
  if (c.production) add("its rate has interruptions in it");
  return text;
}

TextTable worst(const Findings& found) {
  struct Row {
    const validation::Case* c;
    double predicted;
    double error;
  };
  std::vector<Row> rows;
  const auto& cases = found.scored.cases();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto& c = cases[i];
    if (!c.throughput) continue;
    // Told by what has not seen it.
    const auto predicted = found.board.throughput[i][0].value_or(c.throughput->predicted);
    rows.push_back({&c, predicted, std::abs(std::log(predicted / c.throughput->reported))});
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const Row& a, const Row& b) { return a.error > b.error; });
  TextTable table{{{"id", "Run", false},
                   {"name", "Name", false},
                   {"device", "Device", false},
                   {"predicted", "Predicted [tokens/s]", true},
                   {"reported", "Reported [tokens/s]", true},
                   {"delta", "Delta", true},
                   {"reason", "Perhaps because", false}}};
  for (std::size_t i = 0; i < std::min(kWorstShown, rows.size()); ++i) {
    const auto& [c, predicted, error] = rows[i];
    table.add({c->id, c->name, c->device, predicted, c->throughput->reported,
               percent(predicted / c->throughput->reported - 1), reason_of(*c)});
  }
  return table;
}

}  // namespace

std::string json_scores(const Scoreboard& board) {
  Json list = Json::array();
  for (const auto& score : board.scores) list.push_back(json_score(board, score));
  return dumped(list);
}

std::string json_lines(const Scoreboard& board) {
  std::string lines;
  for (const auto& score : board.scores) lines += dumped(json_score(board, score)) + "\n";
  return lines;
}

std::string json_skipped(const validation::Cases& scored) {
  Json list = Json::array();
  for (const auto& row : scored.skipped()) {
    list.push_back({{"id", row.id}, {"reason", row.reason}});
  }
  return dumped(list);
}

std::string json_audit(const validation::EnergyAudit& audit) {
  Json scores = Json::array();
  for (const auto& score : audit.scores) {
    const auto& s = score.summary;
    const auto number = [](const std::optional<double>& value) {
      return value ? Json(*value) : Json(nullptr);
    };
    scores.push_back({{"part", name_of(score.part)},
                      {"of", score.what},
                      {"n", s.n},
                      {"median_abs_error", number(s.median_abs_error)},
                      {"mean_abs_log_error", number(s.mean_abs_log_error)},
                      {"bias", number(s.bias)},
                      {"within_20", number(s.within_20)},
                      {"coverage", number(s.coverage)},
                      {"median_width", number(s.median_width)},
                      {"interval_score", number(s.interval_score)}});
  }
  Json runs = Json::array();
  for (const auto& run : audit.runs) {
    Json entry{{"id", run.id}};
    const auto put = [&](const char* name, const std::optional<validation::AuditedPart>& part) {
      if (!part) return;
      entry[name] = {{"quantity", planner::info_of(part->quantity).name},
                     {"predicted", part->predicted},
                     {"reported", part->reported},
                     {"delta", part->delta()}};
      if (part->held) entry[name]["held"] = *part->held;
    };
    put("time", run.time);
    put("power", run.power);
    put("total", run.total);
    if (!run.remark.empty()) entry["remark"] = run.remark;
    runs.push_back(std::move(entry));
  }
  return dumped({{"scores", std::move(scores)}, {"runs", std::move(runs)}});
}

std::string json_plans(const validation::PlanAudit& plans) {
  Json scores = Json::array();
  for (const auto& s : plans.scores) {
    scores.push_back({{"of", s.what},
                      {"groups", s.groups},
                      {"plans", s.plans},
                      {"median_regret", s.median_regret},
                      {"mean_regret", s.mean_regret},
                      {"worst_regret", s.worst_regret},
                      {"mean_regret_by_chance", s.mean_by_chance},
                      {"mean_spearman", s.mean_spearman}});
  }
  Json groups = Json::array();
  for (const auto& g : plans.groups) {
    groups.push_back({{"id", g.id},
                      {"table", g.table},
                      {"device", g.device},
                      {"devices", g.devices},
                      {"plans", g.plans},
                      {"picked", g.picked},
                      {"fastest", g.fastest},
                      {"regret", g.regret},
                      {"regret_by_chance", g.by_chance},
                      {"spearman", g.spearman}});
  }
  Json wrong = Json::array();
  for (const auto& c : plans.misjudged) {
    wrong.push_back({{"id", c.id},
                     {"ran", c.ran},
                     {"predicted_gib", c.need_gib},
                     {"usable_gib", c.usable_gib}});
  }
  const auto& f = plans.fit;
  return dumped({{"scores", std::move(scores)},
                 {"groups", std::move(groups)},
                 {"fit",
                  {{"ran", f.ran},
                   {"ran_refused", f.refused},
                   {"ran_tight", f.tight},
                   {"out_of_memory", f.failed},
                   {"out_of_memory_let_through", f.let_through},
                   {"peaks", f.peaks},
                   {"short_by_10_refused", f.short_refused},
                   {"ample_by_10_taken", f.ample_taken}}},
                 {"misjudged", std::move(wrong)}});
}

std::string csv_scores(const Scoreboard& board) {
  TextTable table{{{"predictor", "", false},
                   {"split", "", false},
                   {"quantity", "", false},
                   {"group", "", false},
                   {"n", "", true},
                   {"median_abs_error", "", true},
                   {"mean_abs_log_error", "", true},
                   {"bias", "", true},
                   {"within_10", "", true},
                   {"within_20", "", true},
                   {"within_30", "", true},
                   {"coverage", "", true},
                   {"median_width", "", true},
                   {"interval_score", "", true},
                   {"q90_abs_log_error", "", true},
                   {"group_mean_abs_log_error", "", true}}};
  const auto cell = [](const std::optional<double>& value) {
    return value ? TextCell{*value} : TextCell{std::monostate{}};
  };
  for (const auto& score : board.scores) {
    const auto& s = score.summary;
    table.add({std::string{name_of(score.predictor)}, std::string{name_of(board.split)},
               std::string{planner::info_of(score.quantity).name}, score.group,
               static_cast<double>(s.n), cell(s.median_abs_error), cell(s.mean_abs_log_error),
               cell(s.bias), cell(s.within_10), cell(s.within_20), cell(s.within_30),
               cell(s.coverage), cell(s.median_width), cell(s.interval_score),
               cell(score.q90_abs_log_error), cell(score.group_mean_abs_log_error)});
  }
  return table.csv();
}

std::string table_scores(const Findings& found, bool color) {
  std::string text = found.heading + "\n";
  const auto add = [&](const TextTable& table) {
    if (!table.empty()) text += table.for_people(color) + "\n";
  };
  const auto& board = found.board;
  add(overall(board, Key::tokens_per_s_per_device, "all"));
  for (const auto kind : kKinds) add(by_group(board, Key::tokens_per_s_per_device, kind));
  for (const auto& table :
       {duels(board), intervals(board), other_quantities(board), audit_table(found.energy),
        audited_runs(found.energy), plan_scores(found.plans), fit_scores(found.plans.fit),
        misjudged(found.plans)}) {
    add(table);
  }
  return text + skipped_text(found.scored);
}

std::string markdown_scores(const Findings& found) {
  std::string text = found.heading + "\n";
  const auto& board = found.board;
  bool first = true;
  const auto add = [&](const TextTable& table) {
    if (table.empty()) return;
    if (!first) text += "\n";
    first = false;
    text += table.markdown();
  };
  add(overall(board, Key::tokens_per_s_per_device, "all"));
  for (const auto kind : {"class", "table"}) {
    add(by_group(board, Key::tokens_per_s_per_device, kind));
  }
  for (const auto& table :
       {duels(board), intervals(board), other_quantities(board), audit_table(found.energy),
        audited_runs(found.energy), plan_scores(found.plans), fit_scores(found.plans.fit)}) {
    add(table);
  }
  return text;
}

std::vector<ScoreSection> score_sections(const Findings& found) {
  const auto& board = found.board;
  std::vector<ScoreSection> sections;
  const auto begin = [&](std::string title) -> ScoreSection& {
    return sections.emplace_back(ScoreSection{std::move(title), {}});
  };
  const auto add = [&](TextTable table) {
    if (!table.empty()) sections.back().tables.push_back(std::move(table));
  };
  for (const auto key : quantities(board)) {
    begin(std::string{planner::info_of(key).name});
    add(overall(board, key, "all"));
    for (const auto kind : kKinds) add(by_group(board, key, kind));
  }
  begin("Against the best baseline, and how often intervals hold");
  add(duels(board));
  add(intervals(board));
  if (!found.energy.scores.empty()) {
    begin("Time, power and total");
    add(audit_table(found.energy));
    add(audited_runs(found.energy));
  }
  if (!found.plans.groups.empty()) {
    begin("Choosing a plan");
    add(plan_scores(found.plans));
    add(plan_groups(found.plans));
  }
  if (!found.plans.fit.empty()) {
    begin("Whether a plan fits");
    add(fit_scores(found.plans.fit));
    add(misjudged(found.plans));
  }
  begin("Worst predictions of throughput");
  add(worst(found));
  const auto& rows = found.scored.skipped();
  begin(fmt::format("Not scored: {} runs", rows.size()));
  TextTable skipped{{{"id", "Run", false}, {"reason", "Reason", false}}};
  for (const auto& row : rows) skipped.add({row.id, row.reason});
  add(skipped);
  return sections;
}

std::string report_scores(const Findings& found) {
  std::string text = "# Predictions against published runs\n\n" + found.heading + "\n";
  for (const auto& section : score_sections(found)) {
    text += fmt::format("## {}\n\n", section.title);
    for (const auto& table : section.tables) text += table.markdown() + "\n";
  }
  return text;
}

}  // namespace pretrain::cli
