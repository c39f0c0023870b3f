#include <algorithm>
#include <cmath>
#include <memory>
#include <sstream>

#include "cli/files.hpp"
#include "cli/one_row.hpp"
#include "cli/options.hpp"
#include "cli/report.hpp"

namespace pretrain::cli {

namespace {

using planner::Key;

/// Counts the rows that are meant.
class RowCount : public planner::TableJob {
 public:
  struct Counted : Part {
    void clear() override { rows = 0; }
    std::size_t rows = 0;
  };
  std::unique_ptr<Part> make_part() const override { return std::make_unique<Counted>(); }
  void row(const planner::RunRow&, Part& part) const override {
    ++dynamic_cast<Counted&>(part).rows;
  }
  void deliver(Part& part) override { rows += dynamic_cast<Counted&>(part).rows; }
  void remark(const std::string&) override {}
  std::size_t rows = 0;
};

/// Grids from clean to coal, that people know.
constexpr const char* kRegions[] = {"SE", "FR", "GB", "US", "JP", "DE", "CN", "IN", "PL"};

std::string usual_title(const std::vector<ReportRow>& rows) {
  return rows.size() == 1 ? rows.front().name + ": time, energy and carbon of training"
                          : fmt::format("{} training runs: time, energy and carbon", rows.size());
}

std::vector<ElsewhereRow> elsewhere(const planner::RunRow& row, const ReportRow& base,
                                    const JobOptions& options,
                                    const planner::Catalogue& catalogue) {
  std::vector<ElsewhereRow> all;
  const auto own = (*base.predicted)[Key::operational_tco2e];
  // The hours of one grid say nothing of another.
  if (!own || options.hourly != nullptr) return all;
  const auto energy = (*base.predicted)[Key::facility_energy_mwh];
  const auto intensity = [&](const std::optional<double>& t) -> std::optional<double> {
    if (!t || !energy || !(*energy > 0)) return std::nullopt;
    return *t / *energy;  // t/MWh is kg/kWh
  };
  const auto& name = base.candidate.grid;
  all.push_back({base.region_named ? name : name + " kg/kWh", true, intensity(own), own});
  for (const char* region : kRegions) {
    if (name == region) continue;
    const auto there = in_region(row, base, region, options, catalogue);
    if (!there.ok) continue;
    const auto carbon = (*there.predicted)[Key::operational_tco2e];
    all.push_back({region, false, intensity(carbon), carbon});
  }
  std::stable_sort(all.begin(), all.end(), [](const ElsewhereRow& a, const ElsewhereRow& b) {
    return a.operational_t.value_or(HUGE_VAL) < b.operational_t.value_or(HUGE_VAL);
  });
  return all;
}

}  // namespace

std::string report_on(const ReportQuestion& q, JobOptions options,
                      const planner::Catalogue& catalogue, Exit& exit) {
  const auto read = [&](planner::TableJob& job) {
    std::istringstream in{q.table};
    planner::read_run_table(in, q.name, thread_count(), job);
  };
  RowCount count;
  read(count);
  // Inputs and chains of all of a huge table would be read by nobody.
  constexpr std::size_t kDetailed = 12;
  const bool detailed = count.rows <= kDetailed || !options.where.empty();
  options.keep_rows = true;
  options.explain = detailed;
  options.format = detailed ? Format::json : Format::table;
  EstimateJob job{q.name, catalogue, options, nullptr, nullptr};
  read(job);
  job.finish();
  const auto& rows = job.rows();
  if (rows.empty()) throw InputError({q.name, 0, 0}, "no run", "give a table with one at least");
  const bool experts = std::any_of(rows.begin(), rows.end(),
                                   [](const ReportRow& row) { return row.candidate.experts > 1; });
  const auto& law = q.law != nullptr ? *q.law : catalogue.scaling_laws().usual(experts);
  Report report{.title = q.title.empty() ? usual_title(rows) : q.title,
                .created = utc_now(),
                .catalogue = catalogue.hash(),
                .profile = q.profile,
                .rows = rows,
                .runs = {},
                .comparison = compared(rows, law),
                .elsewhere = {},
                .published = {},
                .files = {},
                .interval = options.estimate.interval};
  if (!q.file.empty()) report.files.push_back(q.file);
  report.comparison.solved = q.solved;
  report.comparison.mixtures = q.mixtures;
  report.comparison.fastest_plans = options.plans != nullptr;
  if (detailed) {
    const auto runs = nlohmann::ordered_json::parse("[" + job.json_runs() + "]");
    report.runs.assign(runs.begin(), runs.end());
  }
  const auto& first = rows.front();
  if (first.ok) {
    OneRow one{options.where};
    read(one);
    const auto row = one.row();
    report.elsewhere = elsewhere(row, first, options, catalogue);
    if (q.levers) {
      report.comparison.levers =
          pull_levers(row, first, *q.levers, catalogue.scaling_laws().usual(true),
                      report.comparison.law, options, catalogue);
    }
    const auto params = (*first.predicted)[Key::total_params];
    constexpr std::size_t kPublished = 6;
    if (params && first.tokens) {
      report.published = validation::published_near(*params, *first.tokens, kPublished);
    }
  }
  exit = job.exit();
  return q.kind == "markdown" ? report_markdown(report)
         : q.kind == "card"   ? report_card(report)
                              : report_html(report);
}

}  // namespace pretrain::cli
