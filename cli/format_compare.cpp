#include "cli/format_compare.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/text_table.hpp"

namespace pretrain::cli {

namespace {

using planner::Key;

/// More than so many stand below each other instead.
constexpr std::size_t kBeside = 3;
/// Rows for people; a program may have all.
constexpr std::size_t kMostShown = 40;

struct Line {
  std::string key;
  std::string header;
  std::vector<std::optional<double>> values;
  bool count = false;
  std::vector<std::string> texts = {};  ///< in place of values
};

std::optional<double> total_of(const ReportRow& row) {
  return row.ok ? (*row.predicted)[Key::total_tco2e] : std::nullopt;
}

std::vector<Line> lines_of(const Comparison& c) {
  const auto& rows = c.rows;
  std::vector<Line> lines;
  const auto add = [&](std::string key, std::string header, bool count, auto get) {
    Line line{std::move(key), std::move(header), {}, count};
    for (const auto& row : rows) line.values.push_back(row.ok ? get(row) : std::nullopt);
    if (std::any_of(line.values.begin(), line.values.end(), [](const auto& v) { return !!v; })) {
      lines.push_back(std::move(line));
    }
  };
  const auto add_key = [&](Key key, bool count = false) {
    const auto& info = planner::info_of(key);
    const std::string unit = info.unit == "1" ? "" : fmt::format(" [{}]", info.unit);
    add(std::string{info.name}, std::string{info.name} + unit, count,
        [key](const ReportRow& row) { return (*row.predicted)[key]; });
  };
  add_key(Key::total_params, true);
  add_key(Key::active_params, true);
  add("tokens", "tokens", true, [](const ReportRow& row) { return row.tokens; });
  add("devices", "devices", false, [](const ReportRow& row) { return row.devices; });
  Line loss{"expected_loss", "expected_loss [nats/token]", c.losses, false};
  if (std::any_of(loss.values.begin(), loss.values.end(), [](const auto& v) { return !!v; })) {
    lines.push_back(std::move(loss));
  }
  for (const Key key :
       {Key::training_flops, Key::mfu, Key::tokens_per_s_per_device, Key::memory_gib_per_device,
        Key::training_days, Key::device_hours, Key::device_power_w, Key::device_energy_mwh,
        Key::node_energy_mwh, Key::facility_energy_mwh, Key::operational_tco2e, Key::embodied_tco2e,
        Key::total_tco2e}) {
    add_key(key);
  }
  add("cost", "cost", false, [](const ReportRow& row) { return row.candidate.cost; });
  Line less{"probability_less_than_first", "P(emits less than first)", c.less, false};
  if (rows.size() > 1 &&
      std::any_of(less.values.begin(), less.values.end(), [](const auto& v) { return !!v; })) {
    lines.push_back(std::move(less));
  }
  Line plan{"plan", "plan", {}, false, {}};
  for (const auto& row : rows) {
    plan.texts.push_back(!row.ok              ? std::string{}
                         : row.candidate.fits ? row.candidate.plan
                                              : "does not fit");
  }
  if (std::any_of(plan.texts.begin(), plan.texts.end(), [](const auto& t) { return !t.empty(); })) {
    lines.push_back(std::move(plan));
  }
  return lines;
}

std::optional<double> ratio(const Line& line, std::size_t i) {
  if (!line.texts.empty() || line.key.starts_with("probability")) return std::nullopt;
  if (!line.values[i] || !line.values.front() || *line.values.front() == 0.0) return std::nullopt;
  return *line.values[i] / *line.values.front();
}

TextCell cell_of(const Line& line, std::size_t i, bool rounded) {
  if (!line.texts.empty()) return line.texts[i];
  const auto& value = line.values[i];
  if (!value) return {};
  if (!rounded) return *value;
  if (line.key.starts_with("probability")) return probability_text(*value);
  // Losses differ in the third digit.
  if (line.key == "expected_loss") return fmt::format("{:.4f}", *value);
  return line.count ? TextCell{count_for_people(*value)} : TextCell{*value};
}

TextTable side_by_side(const Comparison& c) {
  const auto& rows = c.rows;
  std::vector<TextTable::Column> columns{{"quantity", "", false}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    columns.push_back({rows[i].name, rows[i].name, true});
    if (i > 0) columns.push_back({"ratio_" + rows[i].name, "/ first", true});
  }
  TextTable table{std::move(columns)};
  for (const auto& line : lines_of(c)) {
    std::vector<TextCell> cells{line.header};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      cells.push_back(cell_of(line, i, true));
      if (i == 0) continue;
      const auto factor = ratio(line, i);
      cells.push_back(factor ? TextCell{fmt::format("x{:.3g}", *factor)} : TextCell{});
    }
    table.add(std::move(cells));
  }
  return table;
}

/// Candidates below each other: those of the front first, then by carbon.
TextTable below(const Comparison& c, bool rounded, std::size_t most) {
  const auto lines = lines_of(c);
  std::vector<std::size_t> order(c.rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<bool> on_front(c.rows.size());
  for (const auto i : c.front) on_front[i] = true;
  if (rounded) {
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      if (on_front[a] != on_front[b]) return static_cast<bool>(on_front[a]);
      const auto of_a = total_of(c.rows[a]);
      const auto of_b = total_of(c.rows[b]);
      return of_a && (!of_b || *of_a < *of_b);
    });
  }
  std::vector<TextTable::Column> columns{{"name", "", false}};
  if (!rounded) {
    columns.push_back({"status", "", false});
    columns.push_back({"device", "", false});
  }
  const auto shown = [&](const Line& line) {
    if (!rounded) return true;
    for (const char* key :
         {"total_params", "tokens", "devices", "expected_loss", "training_days",
          "facility_energy_mwh", "total_tco2e", "cost", "probability_less_than_first"}) {
      if (line.key == key) return true;
    }
    return false;
  };
  std::vector<const Line*> used;
  for (const auto& line : lines) {
    if (shown(line)) used.push_back(&line);
  }
  for (const auto* line : used) {
    columns.push_back({line->key, line->header, line->texts.empty()});
    if (line->key == "total_tco2e") columns.push_back({"ratio_total_tco2e", "/ first", true});
  }
  columns.push_back({"on_front", rounded ? "Front" : "on_front", false});
  TextTable table{std::move(columns)};
  for (std::size_t k = 0; k < std::min(most, order.size()); ++k) {
    const auto i = order[k];
    std::vector<TextCell> cells{c.rows[i].name};
    if (!rounded) {
      cells.push_back(std::string{planner::name_of(c.rows[i].status)});
      cells.push_back(c.rows[i].device);
    }
    for (const auto* line : used) {
      cells.push_back(cell_of(*line, i, rounded));
      if (line->key != "total_tco2e") continue;
      const auto factor = ratio(*line, i);
      cells.push_back(!factor   ? TextCell{}
                      : rounded ? TextCell{fmt::format("x{:.3g}", *factor)}
                                : TextCell{*factor});
    }
    cells.push_back(std::string{on_front[i] ? (rounded ? "*" : "true") : rounded ? "" : "false"});
    table.add(std::move(cells));
  }
  table.drop_blank_columns();
  return table;
}

/// Whose plans they are, and what the loss is worth.
std::string law_text(const Comparison& c) {
  std::string text = notes_text(c);
  if (!text.empty()) text += '\n';
  if (std::none_of(c.losses.begin(), c.losses.end(), [](const auto& l) { return !!l; })) {
    return text;
  }
  text += fmt::format(
      "Loss by {} (runs on {}, fitted to {} parameters and {} tokens): to compare candidates on "
      "one "
      "data set, no promise of a loss.",
      c.law.id, c.law.data, count_for_people(c.law.params_high),
      count_for_people(c.law.tokens_high));
  std::string far;
  std::size_t named = 0;
  for (std::size_t i = 0; i < c.rows.size(); ++i) {
    if (!c.losses[i]) continue;
    const auto how = planner::beyond(c.rows[i].candidate, c.law);
    if (how.empty()) continue;
    constexpr std::size_t kNamed = 3;
    if (++named <= kNamed)
      far += fmt::format("{}{} ({})", far.empty() ? "" : "; ", c.rows[i].name, how);
  }
  if (named > 0)
    text += fmt::format(" Beyond its range: {}{}.", far, named > 3 ? "; and others" : "");
  text += "\n";
  for (std::size_t i = 0; i < c.rows.size(); ++i) {
    if (c.losses[i] || c.rows[i].candidate.experts <= 1 || c.law.knows_experts()) continue;
    text += fmt::format("{} does not know experts: no loss of {}.\n", c.law.id, c.rows[i].name);
    break;
  }
  return text;
}

std::string levers_text(const Comparison& c) {
  if (!c.levers) return {};
  const auto base = total_of(c.levers->base);
  std::string text;
  const auto bar = [&](double from, double to, double most) {
    constexpr double kWidth = 30;
    const auto at = [&](double value) {
      return static_cast<std::size_t>(std::lround(kWidth * std::max(0.0, value) / most));
    };
    const auto low = at(std::min(from, to));
    const auto high = std::max(low + 1, at(std::max(from, to)));
    return std::string(low, ' ') + std::string(high - low, to <= from ? '-' : '+');
  };
  if (!c.levers->site.empty() && base) {
    double most = *base;
    for (const auto& lever : c.levers->site) {
      for (const auto* row : {&lever.alone, &*lever.together}) {
        most = std::max(most, total_of(*row).value_or(0));
      }
    }
    TextTable table{{{"lever", fmt::format("Levers on {}", c.rows.front().name), false},
                     {"change", "", false},
                     {"alone", "Alone", true},
                     {"together", "With those above [t]", true},
                     {"bar", "", false}}};
    table.add({std::string{"as it is"}, std::string{}, TextCell{}, *base, bar(0, *base, most)});
    double before = *base;
    for (const auto& lever : c.levers->site) {
      const auto alone = total_of(lever.alone);
      const auto together = total_of(*lever.together);
      table.add(
          {lever.name, lever.change,
           alone ? TextCell{percent(*alone / *base - 1)} : TextCell{std::string{"does not run"}},
           optional_cell(together),
           together ? TextCell{bar(before, *together, most)} : TextCell{}});
      if (together) before = *together;
    }
    text += "\n" + table.for_people(false);
    text += fmt::format("All together {}.\n", percent(before / *base - 1));
  }
  if (!c.levers->models.empty() && base) {
    TextTable table{{{"what", "What if", false},
                     {"change", "", false},
                     {"days", "Days", true},
                     {"carbon", "tCO2e", true},
                     {"difference", "Against as it is", true},
                     {"note", "", false}}};
    for (const auto& lever : c.levers->models) {
      const auto carbon = total_of(lever.alone);
      const auto days =
          lever.alone.ok ? (*lever.alone.predicted)[Key::training_days] : std::nullopt;
      table.add({lever.name, lever.change, optional_cell(days), optional_cell(carbon),
                 carbon ? TextCell{percent(*carbon / *base - 1)} : TextCell{},
                 lever.alone.ok ? lever.note : lever.alone.reason});
    }
    text += "\n" + table.for_people(false);
  }
  if (!base) text += "\nNo levers: the carbon of the first candidate is not known.\n";
  for (const auto& what : c.levers->left_out) text += fmt::format("Left out: {}.\n", what);
  return text;
}

}  // namespace

std::string probability_text(double share) {
  constexpr double kSure = 0.999;
  if (share > kSure) return ">99.9%";
  if (share < 1 - kSure) return "<0.1%";
  return fmt::format("{:.1f}%", 100 * share);
}

Comparison compared(const std::vector<ReportRow>& rows, const models::ScalingLaw& law) {
  Comparison c{.rows = rows, .law = law};
  constexpr std::size_t kDraws = 4096;
  constexpr std::size_t kMostPairs = 200;  // beyond it nobody reads them
  const planner::Draws draws{kDraws, 1};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    c.losses.push_back(planner::loss_of(rows[i].candidate, law));
    c.less.push_back(
        i == 0 || i > kMostPairs || !rows[i].ok || !rows.front().ok
            ? std::nullopt
            : planner::probability_less(rows[i].candidate, rows.front().candidate, draws));
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (c.losses[i] && total_of(rows[i]) && rows[i].status == planner::Status::ok &&
        rows[i].candidate.fits) {
      order.push_back(i);
    }
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const double of_a = *total_of(rows[a]);
    const double of_b = *total_of(rows[b]);
    return of_a < of_b || (of_a == of_b && *c.losses[a] < *c.losses[b]);
  });
  double least = HUGE_VAL;
  for (const auto i : order) {
    if (*c.losses[i] >= least) continue;
    least = *c.losses[i];
    c.front.push_back(i);
  }
  return c;
}

std::string plot_text(const Comparison& c) {
  struct Point {
    double carbon, loss;
    std::size_t row;
  };
  std::vector<Point> points;
  for (std::size_t i = 0; i < c.rows.size(); ++i) {
    if (c.losses[i] && total_of(c.rows[i]))
      points.push_back({*total_of(c.rows[i]), *c.losses[i], i});
  }
  if (points.size() < 2) return {};
  constexpr int kWidth = 60;
  constexpr int kHeight = 12;
  const auto by = [](auto get) {
    return [get](const Point& a, const Point& b) { return get(a) < get(b); };
  };
  const auto [c0, c1] = std::minmax_element(points.begin(), points.end(),
                                            by([](const Point& p) { return p.carbon; }));
  const auto [l0, l1] =
      std::minmax_element(points.begin(), points.end(), by([](const Point& p) { return p.loss; }));
  const double low = std::log(c0->carbon);
  const double width = std::max(1e-9, std::log(c1->carbon) - low);
  const double height = std::max(1e-9, l1->loss - l0->loss);
  std::vector<std::string> grid(kHeight + 1, std::string(kWidth + 1, ' '));
  std::string legend;
  for (std::size_t k = 0; k < points.size(); ++k) {
    const auto& p = points[k];
    const auto x =
        static_cast<std::size_t>(std::lround(kWidth * (std::log(p.carbon) - low) / width));
    const auto y = static_cast<std::size_t>(std::lround(kHeight * (l1->loss - p.loss) / height));
    constexpr std::size_t kLetters = 26;
    const bool lettered = points.size() <= kLetters;
    auto& place = grid[y][x];
    const char mark = lettered ? static_cast<char>('a' + k) : '*';
    place = place == ' ' || !lettered ? mark : '+';
    if (lettered) {
      legend += fmt::format("{}{} {}", legend.empty() ? "" : ", ", mark, c.rows[p.row].name);
    }
  }
  std::string text = "Loss against carbon (logarithmic)\n";
  for (int y = 0; y <= kHeight; ++y) {
    const double loss = l1->loss - height * y / kHeight;
    const auto label = y % 4 == 0 ? fmt::format("{:7.3f} |", loss) : std::string{"        |"};
    auto line = label + grid[static_cast<std::size_t>(y)];
    while (line.ends_with(' ')) line.pop_back();
    text += line + "\n";
  }
  text += "        +" + std::string(kWidth + 1, '-') + "\n";
  const auto from = fmt::format("{} t", for_people(c0->carbon));
  const auto to = fmt::format("{} t", for_people(c1->carbon));
  text += std::string(9, ' ') + from +
          std::string(static_cast<std::size_t>(kWidth + 1) -
                          std::min<std::size_t>(kWidth, from.size() + to.size()),
                      ' ') +
          to + "\n";
  if (!legend.empty()) text += legend + "\n";
  return text;
}

std::string choice_text(const Comparison& c) {
  std::string text;
  if (!c.solved.empty()) text += c.solved + "\n";
  if (c.front.empty() || c.rows.size() < 2) return text;
  const auto& rows = c.rows;
  const auto misfits = std::count_if(rows.begin(), rows.end(), [](const ReportRow& row) {
    return row.ok && (row.status != planner::Status::ok || !row.candidate.fits);
  });
  if (misfits > 0) text += "Of those that fit: ";
  const auto least = c.front.front();
  const auto best = c.front.back();
  const double from = *total_of(rows[least]);
  const double to = *total_of(rows[best]);
  const auto [low, high] = std::minmax_element(
      c.losses.begin(), c.losses.end(),
      [](const auto& a, const auto& b) { return a.value_or(HUGE_VAL) < b.value_or(HUGE_VAL); });
  constexpr double kSameLoss = 1e-6;
  constexpr double kSameCarbon = 0.005;
  if (*low && *high && **high - **low < kSameLoss) {
    return text +
           fmt::format("{} emits least for that loss: {} t.\n", rows[least].name, for_people(from));
  }
  if (to < (1 + kSameCarbon) * from) {
    return text + fmt::format(
                      "{} has the least loss ({:.3f}) for {} t; none emits less by more "
                      "than half a percent.\n",
                      rows[best].name, *c.losses[best], for_people(to));
  }
  constexpr double kStep = 0.01;
  return text + fmt::format(
                    "{} emits least ({} t), {} has the least loss ({:.3f} against {:.3f}): {} t "
                    "for each {} of loss between them.\n",
                    rows[least].name, for_people(from), rows[best].name, *c.losses[best],
                    *c.losses[least],
                    for_people(kStep * (to - from) / (*c.losses[least] - *c.losses[best])), kStep);
}

std::string notes_text(const Comparison& c) {
  std::string text = c.mixtures;
  if (!c.fastest_plans) return text;
  if (!text.empty()) text += '\n';
  return text +
         "Plans: the fastest that fit, as planner plan finds them with Megatron and FSDP, or with "
         "devices left idle (--plan given: as people run such models).";
}

std::string compare_table(const Comparison& c, bool color, bool plot) {
  std::string text;
  const auto answer = choice_text(c);
  if (!answer.empty()) text += answer + "\n";
  if (c.rows.size() <= kBeside) {
    text += side_by_side(c).for_people(color);
  } else {
    text += below(c, true, kMostShown).for_people(color);
    if (c.rows.size() > kMostShown) {
      text += fmt::format("{} more: --format csv has all.\n", c.rows.size() - kMostShown);
    }
  }
  text += "\n" + law_text(c);
  if (plot) {
    if (const auto drawn = plot_text(c); !drawn.empty()) text += "\n" + drawn + "\n";
  }
  text += footnotes(c.rows);
  text += levers_text(c);
  return text;
}

std::string compare_markdown(const Comparison& c) {
  std::string text;
  if (const auto answer = choice_text(c); !answer.empty()) text += no_tags(answer) + "\n";
  text += c.rows.size() <= kBeside ? side_by_side(c).markdown()
                                   : below(c, true, c.rows.size()).markdown();
  if (const auto law = law_text(c); !law.empty()) text += "\n" + no_tags(law);
  if (c.levers) text += "\n```\n" + levers_text(c) + "```\n";
  return text;
}

std::string compare_csv(const Comparison& c) { return below(c, false, c.rows.size()).csv(); }

std::string compare_json(const Comparison& c) {
  using Json = nlohmann::ordered_json;
  const auto lines = lines_of(c);
  auto ratios = Json::array();
  for (std::size_t i = 1; i < c.rows.size(); ++i) {
    auto of_row = Json::object();
    for (const auto& line : lines) {
      if (const auto factor = ratio(line, i)) of_row[line.key] = *factor;
    }
    ratios.push_back({{"name", c.rows[i].name}, {"ratios", std::move(of_row)}});
    if (c.less[i]) ratios.back()["probability_less_than_first"] = *c.less[i];
  }
  auto candidates = Json::array();
  for (std::size_t i = 0; i < c.rows.size(); ++i) {
    const auto& row = c.rows[i];
    Json candidate{{"name", row.name}};
    if (c.losses[i]) candidate["expected_loss"] = *c.losses[i];
    if (row.candidate.cost) candidate["cost"] = *row.candidate.cost;
    if (!row.candidate.plan.empty()) candidate["plan"] = row.candidate.plan;
    if (const auto far = planner::beyond(row.candidate, c.law); c.losses[i] && !far.empty()) {
      candidate["beyond_law"] = far;
    }
    candidate["status"] = planner::name_of(row.status);
    if (row.ok) candidate["fits"] = row.candidate.fits && row.status == planner::Status::ok;
    candidate["on_front"] = std::find(c.front.begin(), c.front.end(), i) != c.front.end();
    candidates.push_back(std::move(candidate));
  }
  std::string text = "\"compared_to_first\": " + ratios.dump() + ",\n";
  text += "\"candidates\": " + candidates.dump() + ",\n";
  text += "\"scaling_law\": " +
          Json{{"id", c.law.id},
               {"data", c.law.data},
               {"source", c.law.origin.source},
               {"locator", c.law.origin.locator},
               {"params_high", c.law.params_high},
               {"tokens_high", c.law.tokens_high}}
              .dump() +
          ",\n";
  if (!c.solved.empty()) text += "\"solved\": " + Json(c.solved).dump() + ",\n";
  if (!c.mixtures.empty()) text += "\"mixtures\": " + Json(c.mixtures).dump() + ",\n";
  if (c.levers) {
    auto levers = Json::array();
    const auto add = [&](const Lever& lever, const char* kind) {
      Json one{{"lever", lever.name}, {"kind", kind}, {"change", lever.change}};
      if (const auto t = total_of(lever.alone)) one["total_tco2e_alone"] = *t;
      if (lever.together) {
        if (const auto t = total_of(*lever.together)) one["total_tco2e_together"] = *t;
      }
      if (!lever.note.empty()) one["note"] = lever.note;
      if (!lever.alone.ok) one["reason"] = lever.alone.reason;
      levers.push_back(std::move(one));
    };
    for (const auto& lever : c.levers->site) add(lever, "site");
    for (const auto& lever : c.levers->models) add(lever, "model");
    text += "\"levers\": " + levers.dump() + ",\n";
    text += "\"levers_left_out\": " + Json(c.levers->left_out).dump() + ",\n";
  }
  return text;
}

}  // namespace pretrain::cli
