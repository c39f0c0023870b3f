#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "cli/format_scores.hpp"
#include "cli/html.hpp"
#include "models/step_spread.hpp"

namespace pretrain::cli {

namespace {

using Json = nlohmann::ordered_json;

/// A prediction of throughput beside what was reported, by what has not seen the run.
struct Point {
  const validation::Case* c = nullptr;
  double predicted = 0;
  double reported = 0;
  double half_width = 0;  ///< logarithm, of its 90% interval; 0: none

  double error() const { return std::log(predicted / reported); }
};

std::string kind_of(const Point& p) {
  if (p.c->table == "vtrain") return "plan sweep (vTrain)";
  if (p.c->type == "moe") return "mixtures";
  if (p.c->step && p.c->step->device.maker == models::Maker::google) return "dense, TPU";
  return p.c->type == "dense" ? "dense, GPU" : "other";
}

std::vector<Point> points_of(const Findings& found) {
  std::vector<Point> points;
  const auto& cases = found.scored.cases();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const auto& c = cases[i];
    const auto& predicted = found.board.throughput[i][0];
    if (!c.throughput || !predicted || !(*predicted > 0 && c.throughput->reported > 0)) continue;
    const Point p{&c, *predicted, c.throughput->reported, found.board.half_widths_90[i]};
    points.push_back(p);
  }
  return points;
}

Json axis(const char* name) {
  return {{"type", "log"},
          {"name", name},
          {"nameLocation", "middle"},
          {"nameGap", 30},
          {"axisLabel", {{"formatter", "fn:number"}, {"hideOverlap", true}}}};
}

std::string scatter(const std::vector<Point>& points, Json& charts) {
  std::map<std::string, std::vector<const Point*>> kinds;
  double low = HUGE_VAL;
  double high = 0;
  for (const auto& p : points) {
    kinds[kind_of(p)].push_back(&p);
    low = std::min({low, p.predicted, p.reported});
    high = std::max({high, p.predicted, p.reported});
  }
  Json chart{
      {"tooltip", {{"trigger", "item"}, {"formatter", "fn:item"}, {"confine", true}}},
      {"legend", {{"top", 0}, {"selected", {{"90% intervals", false}}}}},
      {"grid", {{"left", 30}, {"right", 24}, {"top", 36}, {"bottom", 40}, {"containLabel", true}}},
      {"xAxis", axis("reported tokens/s and device")},
      {"yAxis", axis("predicted")},
      {"series", Json::array()}};
  chart["yAxis"]["nameGap"] = 44;
  auto table = html_table({{"Kind", false},
                           {"Runs", true},
                           {"Median error", true},
                           {"Within 20%", true},
                           {"Within their interval", true}});
  Json spans = Json::array();
  for (const auto& [kind, list] : kinds) {
    Json data = Json::array();
    std::vector<double> errors;
    double within = 0;
    double held = 0;
    double judged = 0;
    for (const auto* p : list) {
      data.push_back(
          {{"name", p->c->id + " " + p->c->name},
           {"value", Json::array({p->reported, p->predicted})},
           {"told", fmt::format("{} predicted, {} reported ({})", for_people(p->predicted),
                                for_people(p->reported), percent(std::exp(p->error()) - 1))}});
      const double error = std::abs(std::exp(p->error()) - 1);
      errors.push_back(error);
      constexpr double kNear = 0.2;
      within += error <= kNear ? 1 : 0;
      if (p->half_width > 0) {
        judged += 1;
        held += std::abs(p->error()) <= p->half_width ? 1 : 0;
        spans.push_back(Json::array({p->reported, p->predicted * std::exp(-p->half_width),
                                     p->predicted * std::exp(p->half_width), 0}));
      }
    }
    std::sort(errors.begin(), errors.end());
    const auto n = static_cast<double>(list.size());
    table.add({kind, n, fmt::format("{:.1f}%", 100 * errors[errors.size() / 2]),
               fmt::format("{:.0f}%", 100 * within / n),
               judged > 0 ? fmt::format("{:.0f}%", 100 * held / judged) : std::string{"–"}});
    chart["series"].push_back({{"name", kind},
                               {"type", "scatter"},
                               {"symbolSize", 6},
                               {"itemStyle", {{"opacity", 0.6}}},
                               {"data", data}});
  }
  chart["series"].push_back({{"name", "90% intervals"},
                             {"type", "custom"},
                             {"renderItem", "fn:span"},
                             {"encode", {{"x", 0}, {"y", Json::array({1, 2})}}},
                             {"silent", true},
                             {"itemStyle", {{"opacity", 0.3}}},
                             {"data", spans}});
  for (const double factor : {1.0, 1.2, 1 / 1.2}) {
    const bool middle = factor == 1.0;
    chart["series"].push_back(
        {{"name", middle ? "as reported" : "within 20%"},
         {"type", "line"},
         {"symbol", "none"},
         {"silent", true},
         {"lineStyle", {{"type", middle ? "solid" : "dashed"}, {"width", 1}, {"color", "#888"}}},
         {"itemStyle", {{"color", "#888"}}},
         {"data",
          Json::array({Json::array({low, low * factor}), Json::array({high, high * factor})})}});
  }
  charts["scatter"] = std::move(chart);
  return html_figure(
      "scatter", "Predicted against reported throughput",
      "Scatter of predicted over reported tokens per second and device, on logarithmic "
      "axes, with a line where both are the same.",
      table);
}

/// Errors by something, as boxes from the 5th to the 95th percentile.
std::string residuals(const std::vector<Point>& points, const char* id, const char* caption,
                      std::string (*group_of)(const Point&), Json& charts) {
  std::map<std::string, std::vector<double>> groups;
  for (const auto& p : points) groups[group_of(p)].push_back(p.error());
  std::vector<std::pair<std::string, std::vector<double>>> shown;
  constexpr std::size_t kFew = 4;
  constexpr std::size_t kMost = 14;
  for (auto& [name, errors] : groups) {
    if (name.empty() || errors.size() < kFew) continue;
    std::sort(errors.begin(), errors.end());
    shown.emplace_back(name, std::move(errors));
  }
  std::stable_sort(shown.begin(), shown.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  if (shown.size() > kMost) shown.resize(kMost);
  if (shown.empty()) return {};
  std::vector<std::string> names;
  Json boxes = Json::array();
  auto table = html_table({{"Group", false},
                           {"Runs", true},
                           {"5%", true},
                           {"Quarter", true},
                           {"Median", true},
                           {"Three quarters", true},
                           {"95%", true}});
  for (const auto& [name, errors] : shown) {
    const auto at = [&](double share) {
      const double place = share * static_cast<double>(errors.size() - 1);
      const auto i = static_cast<std::size_t>(place);
      const double next = errors[std::min(i + 1, errors.size() - 1)];
      return std::exp(errors[i] + (place - std::floor(place)) * (next - errors[i])) - 1;
    };
    constexpr std::array kShares{0.05, 0.25, 0.5, 0.75, 0.95};
    Json box = Json::array();
    std::vector<TextCell> cells{name, static_cast<double>(errors.size())};
    for (const double share : kShares) {
      box.push_back(100 * at(share));
      cells.emplace_back(percent(at(share)));
    }
    boxes.push_back(box);
    names.push_back(name);
    table.add(std::move(cells));
  }
  charts[id] = Json{
      {"tooltip", {{"trigger", "item"}, {"confine", true}}},
      {"grid", {{"left", 8}, {"right", 24}, {"top", 16}, {"bottom", 36}, {"containLabel", true}}},
      {"xAxis",
       {{"type", "value"},
        {"name", "error of predicted throughput, %"},
        {"nameLocation", "middle"},
        {"nameGap", 26}}},
      {"yAxis", html_names_axis(names)},
      {"series", Json::array({{{"name", "error"}, {"type", "boxplot"}, {"data", boxes}}})}};
  return html_figure(
      id, caption,
      "Boxes of the errors of predicted throughput by group: median, quarters, and the "
      "5th and 95th percentile.",
      table);
}

/// How many runs lie within intervals that promise so many.
std::string coverage(const std::vector<Point>& points, Json& charts) {
  constexpr std::array kLevels{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99};
  Json held = Json::array();
  auto table = html_table({{"Promised", false}, {"Held", true}});
  double judged = 0;
  for (const auto& p : points) judged += p.half_width > 0 ? 1 : 0;
  if (judged == 0) return {};
  for (const double level : kLevels) {
    double within = 0;
    for (const auto& p : points) {
      if (p.half_width > 0 && std::abs(p.error()) <= models::half_width(p.half_width, level))
        within += 1;
    }
    const double share = within / judged;
    held.push_back(
        {{"value", Json::array({100 * level, 100 * share})},
         {"told", fmt::format("{:.0f}% promised, {:.1f}% held", 100 * level, 100 * share)}});
    table.add({fmt::format("{:.0f}%", 100 * level), fmt::format("{:.1f}%", 100 * share)});
  }
  const auto percents = [](const char* name) {
    return Json{{"type", "value"}, {"name", name}, {"nameLocation", "middle"},
                {"nameGap", 28},   {"min", 0},     {"max", 100}};
  };
  charts["coverage"] = Json{
      {"tooltip", {{"trigger", "item"}, {"formatter", "fn:item"}, {"confine", true}}},
      {"legend", {{"top", 0}}},
      {"grid", {{"left", 24}, {"right", 24}, {"top", 36}, {"bottom", 36}, {"containLabel", true}}},
      {"xAxis", percents("promised, %")},
      {"yAxis", percents("held, %")},
      {"series",
       Json::array({{{"name", "held"}, {"type", "line"}, {"symbolSize", 7}, {"data", held}},
                    {{"name", "as promised"},
                     {"type", "line"},
                     {"symbol", "none"},
                     {"silent", true},
                     {"lineStyle", {{"type", "dashed"}, {"color", "#888"}}},
                     {"itemStyle", {{"color", "#888"}}},
                     {"data", Json::array({Json::array({0, 0}), Json::array({100, 100})})}}})}};
  return html_figure(
      "coverage", "Intervals: promised and held",
      "Line of the share of runs within their interval over the share that it promises; "
      "on the diagonal it keeps its word.",
      table);
}

}  // namespace

std::string html_scores(const Findings& found, const std::string& created) {
  Json charts = Json::object();
  std::string body = fmt::format(
      "<header><h1>Predictions against published runs</h1><p class=\"soft\">planner {}, {}</p>"
      "</header>\n<main>\n",
      PRETRAIN_VERSION, escaped(created));
  std::string heading = found.heading;
  body += fmt::format("<p>{}</p>\n", escaped(heading));
  const auto points = points_of(found);
  if (!points.empty()) {
    body += "<h2>Throughput</h2>\n" + scatter(points, charts);
    body += residuals(points, "by-kind", "Errors by kind of run", kind_of, charts);
    body += residuals(
        points, "by-device", "Errors by device", [](const Point& p) { return p.c->device; },
        charts);
    body += residuals(
        points, "by-family", "Errors by framework", [](const Point& p) { return p.c->family; },
        charts);
    body += coverage(points, charts);
  }
  for (const auto& section : score_sections(found)) {
    // What is read first stands open.
    const bool open = section.title.starts_with("Worst");
    std::string tables;
    for (const auto& table : section.tables) tables += html_of(table);
    if (tables.empty()) continue;
    body += open ? fmt::format("<h2>{}</h2>\n{}", escaped(section.title), tables)
                 : fmt::format("<details><summary>{}</summary>{}</details>\n",
                               escaped(section.title), tables);
  }
  return html_page("Predictions against published runs", body + "</main>\n", charts);
}

}  // namespace pretrain::cli
