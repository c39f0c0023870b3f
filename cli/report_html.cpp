#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/html.hpp"
#include "cli/report.hpp"
#include "cli/text_table.hpp"

namespace pretrain::cli {

namespace {

using Json = nlohmann::ordered_json;
using planner::Key;

/// Rows of a table on a page; the sheet has all.
constexpr std::size_t kMostRows = 200;
/// Points of a chart.
constexpr std::size_t kMostPoints = 400;

std::string number(const std::optional<double>& value) {
  return value ? for_people(*value) : std::string{"–"};
}

std::optional<double> value_of(const ReportRow& row, Key key) {
  return row.ok ? (*row.predicted)[key] : std::nullopt;
}

std::string paragraph(const std::string& text, const char* style = "") {
  return fmt::format("<p{}>{}</p>\n", *style != 0 ? fmt::format(" class=\"{}\"", style) : "",
                     escaped(text));
}

Json bars(const std::string& unit, const std::vector<std::string>& names) {
  // Names below each other: they are long, and a phone is narrow.
  return {
      {"tooltip",
       {{"trigger", "axis"},
        {"axisPointer", {{"type", "shadow"}}},
        {"formatter", "fn:item"},
        {"confine", true}}},
      {"legend", {{"top", 0}}},
      {"grid", {{"left", 8}, {"right", 24}, {"top", 36}, {"bottom", 28}, {"containLabel", true}}},
      {"xAxis",
       {{"type", "value"},
        {"name", unit},
        {"nameLocation", "middle"},
        {"nameGap", 26},
        {"axisLabel", {{"formatter", "fn:number"}, {"hideOverlap", true}}}}},
      {"yAxis", html_names_axis(names)},
      {"series", Json::array()}};
}

Json item(double value, const std::string& unit, const std::string& told = "") {
  Json one{{"value", value}, {"unit", unit}};
  if (!told.empty()) one["told"] = told;
  return one;
}

/// The page in parts: text, and the options of its charts.
class Page {
 public:
  explicit Page(const Report& report)
      : r_{report}, shown_{std::min(kMostShown, report.rows.size())} {}

  std::string text() {
    header();
    answer();
    compared_text();
    energy();
    time();
    uncertainty();
    elsewhere();
    levers();
    published();
    asked();
    scenario();
    method();
    appendix();
    body_ += "</main>\n";
    body_ += fmt::format(
        "<footer><p>Made by planner {} from {}, tables {}. Charts by Apache ECharts (Apache-2.0). "
        "Nothing on this page comes from a network.</p></footer>\n",
        PRETRAIN_VERSION, escaped(r_.files.empty() ? "the command line" : r_.files.front()),
        r_.catalogue);
    return html_page(r_.title, body_, charts_);
  }

 private:
  static constexpr std::size_t kMostShown = 12;  ///< runs with details of their own

  const ReportRow& row(std::size_t i) const { return r_.rows[i]; }
  bool several() const { return r_.rows.size() > 1; }

  void heading(const char* text) { body_ += fmt::format("<h2>{}</h2>\n", escaped(text)); }

  void header() {
    // A sheet of thousands of rows would be most of the page.
    std::string sheet;
    if (r_.rows.size() <= kMostRows) {
      sheet = fmt::format(
          " <a class=\"screen\" download=\"runs.csv\" href=\"data:text/csv;charset=utf-8,{}\">All "
          "numbers as CSV</a>",
          percent_encoded(report_csv(r_)));
    }
    body_ += fmt::format(
        "<header><h1>{}</h1><p class=\"soft\">Predicted before training, {}{}.{}</p></header>\n"
        "<main>\n",
        escaped(r_.title), escaped(r_.created),
        r_.profile.empty() ? "" : escaped(", with the profile " + r_.profile), sheet);
  }

  static std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
      const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                         (c >= 'a' && c <= 'z') || c == '.' || c == '-' || c == '_' || c == ',';
      if (plain) {
        out += c;
      } else {
        out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
      }
    }
    return out;
  }

  void answer() {
    const auto& first = r_.lead();
    if (!first.ok) {
      body_ += paragraph(first.name + ": " + first.reason, "answer warn");
      return;
    }
    if (const auto choice = choice_text(r_.comparison); !choice.empty()) {
      body_ += paragraph(choice, "answer");
    }
    std::string text = first.name;
    if (const auto days = value_of(first, Key::training_days)) {
      text += fmt::format(" takes {} days", with_interval(first, Key::training_days));
      if (first.devices) text += fmt::format(" on {} {}", for_people(*first.devices), first.device);
    }
    if (value_of(first, Key::facility_energy_mwh)) {
      text += fmt::format(", {} MWh", with_interval(first, Key::facility_energy_mwh));
    }
    if (value_of(first, Key::total_tco2e)) {
      text += fmt::format(" and {} t CO2e", with_interval(first, Key::total_tco2e));
    }
    body_ += paragraph(text + ".", "answer");
    if (r_.interval > 0) {
      body_ +=
          paragraph(fmt::format("In brackets: {}; how often they held on published runs stands "
                                "under Method.",
                                r_.interval_words()),
                    "soft");
    }
    if (!first.reason.empty()) body_ += paragraph(first.reason, "warn");
    body_ += "<ul class=\"figures\">\n";
    const auto figure = [&](const char* what, Key key, const char* unit) {
      const auto value = value_of(first, key);
      if (!value) return;
      const auto low = first.predicted->low(key);
      const auto high = first.predicted->high(key);
      body_ += fmt::format(
          "<li><span>{}</span><b data-key=\"{}\" data-value=\"{}\">{} {}</b><span>{}</span></li>\n",
          what, planner::info_of(key).name, *value, for_people(*value), unit,
          low && high ? fmt::format("{} to {}", for_people(*low), for_people(*high)) : "");
    };
    figure("Time", Key::training_days, "days");
    figure("Accelerator hours", Key::device_hours, "h");
    figure("Energy of the facility", Key::facility_energy_mwh, "MWh");
    figure("Operational carbon", Key::operational_tco2e, "t");
    figure("Embodied carbon", Key::embodied_tco2e, "t");
    figure("Utilization (MFU)", Key::mfu, "");
    body_ += "</ul>\n";
  }

  /// Bars of carbon, operational and embodied, with the interval of their sum.
  void carbon_chart() {
    std::vector<std::string> names;
    std::vector<std::size_t> used;
    for (std::size_t i = 0; i < r_.rows.size() && used.size() < kMostShown; ++i) {
      if (!value_of(row(i), Key::total_tco2e)) continue;
      names.push_back(row(i).name);
      used.push_back(i);
    }
    if (used.empty()) return;
    auto chart = bars("t CO2e", names);
    Json operational = Json::array();
    Json embodied = Json::array();
    Json spans = Json::array();
    auto table = html_table({{"Run", false},
                             {"Operational [t]", true},
                             {"Embodied [t]", true},
                             {"Total [t]", true},
                             {"Interval", true}});
    for (std::size_t k = 0; k < used.size(); ++k) {
      const auto& one = row(used[k]);
      operational.push_back(item(value_of(one, Key::operational_tco2e).value_or(0), "t"));
      embodied.push_back(item(value_of(one, Key::embodied_tco2e).value_or(0), "t"));
      const auto low = one.predicted->low(Key::total_tco2e);
      const auto high = one.predicted->high(Key::total_tco2e);
      if (low && high) spans.push_back(Json::array({k, *low, *high, 1}));
      table.add({one.name, number(value_of(one, Key::operational_tco2e)),
                 number(value_of(one, Key::embodied_tco2e)),
                 number(value_of(one, Key::total_tco2e)),
                 low && high ? for_people(*low) + " to " + for_people(*high) : "–"});
    }
    chart["series"].push_back(
        {{"name", "operational"}, {"type", "bar"}, {"stack", "c"}, {"data", operational}});
    chart["series"].push_back(
        {{"name", "embodied"}, {"type", "bar"}, {"stack", "c"}, {"data", embodied}});
    chart["series"].push_back({{"name", "interval"},
                               {"type", "custom"},
                               {"renderItem", "fn:span"},
                               {"encode", {{"x", Json::array({1, 2})}, {"y", 0}}},
                               {"data", spans},
                               {"z", 10}});
    charts_["carbon"] = std::move(chart);
    body_ += html_figure("carbon", "Carbon of each run",
                         "Bars of operational and embodied carbon in tonnes with their intervals; "
                         "the numbers are in the table below.",
                         table);
  }

  void loss_chart() {
    const auto& c = r_.comparison;
    Json points = Json::array();
    Json front = Json::array();
    auto table = html_table({{"Run", false},
                             {"Total [t CO2e]", true},
                             {"Expected loss", true},
                             {"On the front", false}});
    std::size_t count = 0;
    for (std::size_t i = 0; i < r_.rows.size(); ++i) {
      const auto carbon = value_of(row(i), Key::total_tco2e);
      if (!carbon || !c.losses[i]) continue;
      if (++count > kMostPoints) break;
      points.push_back(
          {{"name", row(i).name},
           {"value", Json::array({*carbon, *c.losses[i]})},
           {"told", fmt::format("{} t, loss {:.4f}", for_people(*carbon), *c.losses[i])}});
      const bool on = std::find(c.front.begin(), c.front.end(), i) != c.front.end();
      if (count <= kMostRows)
        table.add({row(i).name, for_people(*carbon), fmt::format("{:.4f}", *c.losses[i]),
                   on ? "yes" : ""});
    }
    if (count < 2) return;
    double least = HUGE_VAL;
    double most = 0;
    for (const auto& point : points) {
      least = std::min(least, point["value"][0].get<double>());
      most = std::max(most, point["value"][0].get<double>());
    }
    for (const auto i : c.front) {
      front.push_back(Json::array({*value_of(row(i), Key::total_tco2e), *c.losses[i]}));
    }
    Json chart{
        {"tooltip", {{"trigger", "item"}, {"formatter", "fn:item"}, {"confine", true}}},
        {"legend", {{"top", 0}}},
        {"grid", {{"left", 8}, {"right", 24}, {"top", 36}, {"bottom", 36}, {"containLabel", true}}},
        {"xAxis",
         {{"type", "log"},
          {"name", "t CO2e"},
          {"nameLocation", "middle"},
          {"nameGap", 28},
          {"axisLabel", {{"formatter", "fn:number"}, {"hideOverlap", true}}}}},
        {"yAxis",
         {{"type", "value"},
          {"name", "nats/token"},
          {"scale", true},
          {"boundaryGap", Json::array({"5%", "15%"})}}},
        {"series", Json::array()}};
    // A little outside of the points.
    constexpr double kMargin = 1.3;
    constexpr double kFar = 20;  // apart, before decades tell more than a line
    if (most < kFar * least) {
      chart["xAxis"]["type"] = "value";
      chart["xAxis"]["scale"] = true;
      chart["xAxis"]["boundaryGap"] = Json::array({"8%", "8%"});  // room for names
    } else {
      chart["xAxis"]["min"] = two_digits(least / kMargin);
      chart["xAxis"]["max"] = two_digits(most * kMargin);
    }
    chart["series"].push_back(
        {{"name", "loss"},
         {"type", "scatter"},
         {"symbolSize", 11},
         {"data", points},
         {"label", {{"show", count <= 12}, {"position", "top"}, {"formatter", "{b}"}}},
         {"labelLayout", {{"hideOverlap", true}}}});
    if (c.front.size() > 1)
      chart["series"].push_back({{"name", "front"},
                                 {"type", "line"},
                                 {"symbol", "none"},
                                 {"silent", true},
                                 {"lineStyle", {{"type", "dashed"}}},
                                 {"data", front}});
    charts_["loss"] = std::move(chart);
    body_ +=
        html_figure("loss", "Loss against carbon",
                    "Scatter of expected loss over total carbon; the dashed line joins runs of "
                    "which none has less of both.",
                    table);
    body_ += paragraph(fmt::format("Loss by the scaling law {} ({}): to compare candidates on one "
                                   "data set, no promise of a loss.",
                                   c.law.id, c.law.data),
                       "soft");
  }

  void compared_text() {
    heading(several() ? "The candidates" : "Carbon");
    carbon_chart();
    if (!several()) return;
    loss_chart();
    auto table = html_table({{"Run", false},
                             {"Parameters", true},
                             {"Tokens", true},
                             {"Loss", true},
                             {"Days", true},
                             {"MWh", true},
                             {"Total [t CO2e]", true},
                             {"Against the first", true},
                             {"Emits less than it", true},
                             {"Plan", false}});
    const auto first = value_of(row(0), Key::total_tco2e);
    for (std::size_t i = 0; i < std::min(kMostRows, r_.rows.size()); ++i) {
      const auto& one = row(i);
      const auto params = value_of(one, Key::total_params);
      const auto carbon = value_of(one, Key::total_tco2e);
      const auto& loss = r_.comparison.losses[i];
      const auto& less = r_.comparison.less[i];
      table.add({one.name, params ? count_for_people(*params) : "–",
                 one.tokens ? count_for_people(*one.tokens) : "–",
                 loss ? fmt::format("{:.4f}", *loss) : "–",
                 number(value_of(one, Key::training_days)),
                 number(value_of(one, Key::facility_energy_mwh)), number(carbon),
                 carbon && first && *first > 0 ? fmt::format("x{:.3g}", *carbon / *first) : "–",
                 less ? probability_text(*less) : "–",
                 !one.ok                                                   ? "not computed"
                 : one.candidate.fits && one.status == planner::Status::ok ? one.candidate.plan
                                                                           : "does not fit"});
    }
    body_ += html_of(table);
    if (const auto notes = notes_text(r_.comparison); !notes.empty()) {
      body_ += paragraph(notes, "soft");
    }
    for (std::size_t i = 0; i < shown_; ++i) {
      if (!row(i).reason.empty()) body_ += paragraph(row(i).name + ": " + row(i).reason, "warn");
    }
    if (r_.rows.size() > kMostRows) {
      body_ += paragraph(
          fmt::format("{} more: planner compare --format csv has all.", r_.rows.size() - kMostRows),
          "soft");
    }
  }

  void energy() {
    std::vector<std::string> names;
    Json parts[3] = {Json::array(), Json::array(), Json::array()};
    auto table = html_table({{"Run", false},
                             {"Accelerators [MWh]", true},
                             {"Rest of the servers [MWh]", true},
                             {"Cooling and losses [MWh]", true},
                             {"Facility [MWh]", true}});
    for (std::size_t i = 0; i < shown_; ++i) {
      const auto device = value_of(row(i), Key::device_energy_mwh);
      const auto node = value_of(row(i), Key::node_energy_mwh);
      const auto facility = value_of(row(i), Key::facility_energy_mwh);
      if (!node || !facility) continue;
      names.push_back(row(i).name);
      parts[0].push_back(item(device.value_or(0), "MWh"));
      parts[1].push_back(item(*node - device.value_or(0), "MWh"));
      parts[2].push_back(item(*facility - *node, "MWh"));
      table.add({row(i).name, number(device), for_people(*node - device.value_or(0)),
                 for_people(*facility - *node), for_people(*facility)});
    }
    if (names.empty()) return;
    heading("Where the energy goes");
    auto chart = bars("MWh", names);
    const char* const labels[] = {"accelerators", "rest of the servers", "cooling and losses"};
    for (std::size_t p = 0; p < 3; ++p) {
      chart["series"].push_back(
          {{"name", labels[p]}, {"type", "bar"}, {"stack", "e"}, {"data", parts[p]}});
    }
    charts_["energy"] = std::move(chart);
    body_ +=
        html_figure("energy", "Energy by where it is used",
                    "Bars of energy in megawatt hours: accelerators, the rest of their servers, "
                    "and what the facility adds.",
                    table);
  }

  void time() {
    std::vector<std::string> names;
    std::vector<std::string> parts;
    std::vector<const Json*> steps;
    for (std::size_t i = 0; i < std::min(shown_, r_.runs.size()); ++i) {
      const auto& run = r_.runs[i];
      if (!run.contains("breakdown") || !run["breakdown"].contains("step_time_s")) continue;
      const auto& step = run["breakdown"]["step_time_s"];
      names.push_back(row(i).name);
      steps.push_back(&step);
      for (const auto& [part, seconds] : step.items()) {
        if (part == "total" || !seconds.is_number()) continue;
        if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(part);
      }
    }
    if (steps.empty()) return;
    heading("Where the time goes");
    auto chart = bars("% of a step", names);
    std::vector<HtmlColumn> columns{{"Part of a step [ms]", false}};
    for (const auto& name : names) columns.push_back({name, true});
    auto table = html_table(columns);
    constexpr double kMilli = 1e3;
    auto told = parts;
    told.emplace_back("total");
    for (const auto& part : told) {
      std::vector<TextCell> cells{part};
      for (const auto* step : steps)
        cells.emplace_back(for_people(kMilli * step->value(part, 0.0)));
      table.add(std::move(cells));
    }
    constexpr double kSmall = 0.005;  // of a step, in every run: told in the table alone
    for (const auto& part : parts) {
      Json data = Json::array();
      double most = 0;
      for (const auto* step : steps) {
        const double total = step->value("total", 0.0);
        const double share = total > 0 ? step->value(part, 0.0) / total : 0;
        most = std::max(most, share);
        data.push_back(item(100 * share, "%",
                            fmt::format("{:.1f}%, {} ms", 100 * share,
                                        for_people(kMilli * step->value(part, 0.0)))));
      }
      if (most < kSmall) continue;
      chart["series"].push_back({{"name", part}, {"type", "bar"}, {"stack", "t"}, {"data", data}});
    }
    chart["xAxis"]["max"] = 100;
    // More parts than the library has colors: its own, then lighter and darker ones.
    chart["color"] = {"#5070dd", "#b6d634", "#505372", "#ff994d", "#0ca8df", "#ffd10a",
                      "#fb628b", "#785db0", "#3fbe95", "#9fb3f0", "#6f8a1c", "#a3a6c2",
                      "#b35c1a", "#7fd6f5", "#a37f00", "#b02a52", "#c3b3e2", "#1f7a5c"};
    charts_["time"] = std::move(chart);
    body_ +=
        html_figure("time", "A step by what it is spent on",
                    "Bars of the shares of an optimizer step: matrix products, attention, memory "
                    "traffic, messages, waiting.",
                    table);
  }

  /// Tabs of runs with something each.
  template <class Each>
  void tabs(const char* id, Each each) {
    std::vector<std::pair<std::size_t, std::string>> panels;
    for (std::size_t i = 0; i < shown_; ++i) {
      auto text = each(i);
      if (!text.empty()) panels.emplace_back(i, std::move(text));
    }
    if (panels.size() > 1) {
      body_ += fmt::format("<div role=\"tablist\" aria-label=\"Runs\">\n");
      for (const auto& [i, text] : panels) {
        body_ += fmt::format(
            "<button role=\"tab\" type=\"button\" id=\"{0}-tab-{1}\" "
            "aria-controls=\"{0}-{1}\">{2}</button>\n",
            id, i, escaped(row(i).name));
      }
      body_ += "</div>\n";
    }
    for (const auto& [i, text] : panels) {
      if (panels.size() > 1) {
        body_ += fmt::format(
            "<section role=\"tabpanel\" id=\"{0}-{1}\" "
            "aria-labelledby=\"{0}-tab-{1}\">\n<h3>{2}</h3>\n",
            id, i, escaped(row(i).name));
      }
      body_ += text;
      if (panels.size() > 1) body_ += "</section>\n";
    }
  }

  void uncertainty() {
    heading("How sure it is");
    body_ += paragraph(
        "Each bar: the total, if that input alone lay at either end of its 90% interval. What one "
        "site or one device adds is the same for all candidates and cancels when they are "
        "compared.");
    tabs("sure", [&](std::size_t i) {
      const auto effects = planner::effects_of(row(i).candidate);
      const auto total = value_of(row(i), Key::total_tco2e);
      if (effects.empty() || !total) return std::string{};
      std::vector<std::string> names;
      Json low = Json::array();
      Json high = Json::array();
      auto table = html_table({{"Input", false}, {"Low [t]", true}, {"High [t]", true}});
      for (const auto& e : effects) {
        names.emplace_back(e.input);
        low.push_back(
            item(100 * (e.low - 1), "%",
                 fmt::format("{} t ({})", for_people(*total * e.low), percent(e.low - 1))));
        high.push_back(
            item(100 * (e.high - 1), "%",
                 fmt::format("{} t ({})", for_people(*total * e.high), percent(e.high - 1))));
        table.add({std::string{e.input}, for_people(*total * e.low), for_people(*total * e.high)});
      }
      auto chart = bars("% of the total", names);
      chart["series"].push_back(
          {{"name", "at its low end"}, {"type", "bar"}, {"stack", "s"}, {"data", low}});
      chart["series"].push_back(
          {{"name", "at its high end"}, {"type", "bar"}, {"stack", "s"}, {"data", high}});
      const auto id = fmt::format("tornado-{}", i);
      charts_[id] = std::move(chart);
      return html_figure(
          id, "What the interval is made of",
          "Tornado of the inputs that widen the interval of total carbon, the widest first.",
          table);
    });
  }

  void elsewhere() {
    if (r_.elsewhere.size() < 2) return;
    heading("Elsewhere");
    std::vector<std::string> names;
    Json data = Json::array();
    auto table = html_table({{"Region", false}, {"kg CO2e/kWh", true}, {"Operational [t]", true}});
    for (const auto& place : r_.elsewhere) {
      if (!place.operational_t) continue;
      const auto name = place.region + (place.own ? " (as planned)" : "");
      names.push_back(name);
      auto one = item(*place.operational_t, "t");
      if (place.own) one["itemStyle"] = {{"color", "#b3541e"}};
      data.push_back(one);
      table.add({name, number(place.intensity_kg), for_people(*place.operational_t)});
    }
    auto chart = bars("t CO2e", names);
    chart["legend"] = {{"show", false}};
    chart["series"].push_back({{"name", "operational carbon"}, {"type", "bar"}, {"data", data}});
    charts_["regions"] = std::move(chart);
    body_ += html_figure(
        "regions", fmt::format("{} on other grids, the site as it is", row(0).name),
        "Bars of operational carbon in other countries and regions, the least first.", table);
  }

  void levers() {
    const auto& levers = r_.comparison.levers;
    const auto base = levers ? value_of(levers->base, Key::total_tco2e) : std::nullopt;
    if (!levers || levers->site.empty() || !base) return;
    heading("What could be done");
    std::vector<std::string> names{"as it is"};
    Json left = Json::array();
    left.push_back(item(*base, "t"));
    auto table = html_table({{"Lever", false},
                             {"Change", false},
                             {"Alone [t]", true},
                             {"With those above [t]", true},
                             {"Note", false}});
    table.add({std::string{"as it is"}, {}, *base, *base, {}});
    for (const auto& lever : levers->site) {
      const auto alone = value_of(lever.alone, Key::total_tco2e);
      const auto together = value_of(*lever.together, Key::total_tco2e);
      names.push_back(lever_words(lever.name));
      left.push_back(item(together.value_or(0), "t", together ? "" : "does not run"));
      table.add(
          {lever.name, lever.change, optional_cell(alone), optional_cell(together), lever.note});
    }
    for (const auto& lever : levers->models) {
      table.add({"or: " + lever.name,
                 lever.change,
                 optional_cell(value_of(lever.alone, Key::total_tco2e)),
                 {},
                 lever.note});
    }
    auto chart = bars("t CO2e", names);
    chart["legend"] = {{"show", false}};
    chart["series"].push_back({{"name", "left"}, {"type", "bar"}, {"data", left}});
    charts_["levers"] = std::move(chart);
    body_ +=
        html_figure("levers", fmt::format("What is left of {}, lever by lever", row(0).name),
                    "Bars of total carbon as it is, and after each of the levers in turn: model, "
                    "machine, mechanization (PUE), map (region).",
                    table);
    for (const auto& what : levers->left_out) body_ += paragraph("Left out: " + what + ".", "soft");
  }

  void published() {
    if (r_.published.empty()) return;
    heading("Published runs of similar size");
    auto table = html_table({{"Run", false},
                             {"Parameters", true},
                             {"Tokens", true},
                             {"Device", false},
                             {"Device hours", true},
                             {"MWh", true},
                             {"t CO2e", true},
                             {"Source", false}});
    constexpr double kBillion = 1e9;
    const auto& first = r_.lead();
    const auto params = value_of(first, Key::total_params);
    table.add({first.name + " (predicted)", params ? count_for_people(*params) : "–",
               first.tokens ? count_for_people(*first.tokens) : "–", first.device,
               number(value_of(first, Key::device_hours)),
               number(value_of(first, Key::facility_energy_mwh)) + " (facility)",
               number(value_of(first, Key::operational_tco2e)), ""});
    for (const auto& run : r_.published) {
      table.add({std::string{run.name}, count_for_people(kBillion * run.params_b),
                 count_for_people(kBillion * run.tokens_b), std::string{run.device},
                 number(run.device_hours),
                 run.energy_mwh
                     ? for_people(*run.energy_mwh) + " (" + std::string{run.energy_scope} + ")"
                     : "–",
                 number(run.tco2e), fmt::format("{}, {}", run.source, run.url)});
    }
    body_ += html_of(table);
    body_ += paragraph("As their sources have them: boundaries, grids and devices differ.", "soft");
  }

  void asked() {
    if (asked_for(r_.lead()).empty()) return;
    heading("What regulations and standards ask for");
    tabs("asked", [&](std::size_t i) {
      const auto fields = asked_for(row(i));
      if (fields.empty()) return std::string{};
      auto table = html_table({{"Asked for by", false}, {"Unit", false}, {"Value", true}});
      for (const auto& f : fields) table.add({f.by, f.what, f.value});
      return html_of(table);
    });
    body_ += paragraph(
        "Of the training run alone, location-based, before anything was measured: data "
        "preparation, evaluations and test runs are not in it, which SCI for AI counts and the "
        "Commission's guidelines do not. Operations are those of the model, without recomputation. "
        "Annex XI: Regulation (EU) 2024/1689; SCI for AI: Green Software Foundation.",
        "soft");
  }

  void scenario() {
    heading("What was put in");
    tabs("inputs", [&](std::size_t i) {
      if (i >= r_.runs.size() || !r_.runs[i].contains("inputs")) return std::string{};
      auto table = html_table({{"Input", false},
                               {"Value", true},
                               {"Unit", false},
                               {"Basis", false},
                               {"Source", false}});
      for (const auto& [name, input] : r_.runs[i]["inputs"].items()) {
        const auto& value = input["value"];
        table.add({name,
                   value.is_number() ? for_people(value.get<double>()) : value.get<std::string>(),
                   input.value("unit", ""), input.value("basis", ""), input.value("source", "")});
      }
      return html_of(table);
    });
    if (r_.rows.size() > shown_) {
      body_ +=
          paragraph(fmt::format("Of the first {} of {} runs.", shown_, r_.rows.size()), "soft");
    }
  }

  void method() {
    heading("Method, limits, and how well it does");
    body_ += paragraph(
        "Architecture and recipe give operations and memory; a model of the step, fitted to "
        "published "
        "measurements, gives time; work by kind gives power; hours, servers and PUE give energy; "
        "grid "
        "and hardware give carbon. Operational carbon is location-based; embodied carbon is the "
        "share "
        "of the hardware's footprint that the run uses. Networks, storage and buildings outside "
        "the "
        "servers are in no total.");
    auto table = html_table({{"Quantity", false},
                             {"Runs", true},
                             {"Median error", true},
                             {"Within 20%", true},
                             {"Within the interval", true}});
    for (const auto& a : validation::accuracy()) {
      table.add({std::string{a.quantity}, for_people(a.runs),
                 fmt::format("{:.1f}%", 100 * a.median_error),
                 fmt::format("{:.0f}%", 100 * a.within_20),
                 a.held ? fmt::format("{:.0f}%", 100 * *a.held) : "–"});
    }
    body_ += html_of(table);
  }

  void appendix() {
    heading("Appendix: how each number was found");
    for (std::size_t i = 0; i < shown_; ++i) {
      if (row(i).proof.empty()) continue;
      body_ += fmt::format("<details><summary>{}</summary><pre>{}</pre></details>\n",
                           escaped(row(i).name), escaped(row(i).proof));
    }
  }

  const Report& r_;
  std::size_t shown_;
  std::string body_;
  Json charts_ = Json::object();
};

}  // namespace

std::string report_html(const Report& report) { return Page{report}.text(); }

}  // namespace pretrain::cli
