#include "validation/published.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "models/core/table.hpp"
#include "validation/embedded.hpp"

namespace pretrain::validation {

namespace {

const Table& shipped_table(const char* name, std::initializer_list<std::string_view> needed) {
  for (const auto& file : embedded_files()) {
    if (file.name != name) continue;
    // Read once: what is told points into it.
    return *new Table{Table::read(file.text(), std::string{name}, needed)};
  }
  throw std::logic_error("no such table in the program");
}

}  // namespace

std::vector<PublishedRun> published_near(double params, double tokens, std::size_t count) {
  static const Table& table = shipped_table("runs.csv", {"name", "params_b", "tokens_b", "device"});
  constexpr double kMany = 1e12;
  std::vector<std::pair<double, PublishedRun>> found;
  for (std::size_t row = 0; row < table.size(); ++row) {
    PublishedRun run;
    run.name = table.text(row, "name");
    const auto number = [&](const char* column) { return table.number(row, column, 0, kMany); };
    const auto p = number("params_b");
    const auto t = number("tokens_b");
    run.device_hours = number("reported_device_hours");
    run.energy_mwh = number("reported_energy_mwh");
    run.tco2e = number("reported_tco2e_operational");
    if (!p || !t || !(*p > 0 && *t > 0)) continue;
    if (!run.device_hours && !run.energy_mwh && !run.tco2e) continue;
    run.params_b = *p;
    run.tokens_b = *t;
    run.device = table.text(row, "device");
    run.energy_scope = table.text(row, "energy_scope");
    run.source = table.text(row, "source_title");
    run.url = table.text(row, "source_url");
    constexpr double kBillion = 1e9;
    const double distance =
        std::hypot(std::log(*p * kBillion / params), std::log(*t * kBillion / tokens));
    found.emplace_back(distance, run);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<PublishedRun> runs;
  for (std::size_t i = 0; i < std::min(count, found.size()); ++i) runs.push_back(found[i].second);
  return runs;
}

std::vector<Accuracy> accuracy() {
  static const Table& table =
      shipped_table("accuracy.csv", {"quantity", "runs", "median_abs_error", "within_20", "held"});
  std::vector<Accuracy> all;
  for (std::size_t row = 0; row < table.size(); ++row) {
    Accuracy a;
    a.quantity = table.required_text(row, "quantity");
    a.runs = table.required_number(row, "runs", 1, 1e9);
    a.median_error = table.required_number(row, "median_abs_error", 0, 1e3);
    a.within_20 = table.required_number(row, "within_20", 0, 1);
    a.held = table.number(row, "held", 0, 1);
    all.push_back(a);
  }
  return all;
}

}  // namespace pretrain::validation
