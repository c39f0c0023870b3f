#include "cli/what_if.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <list>

#include "cli/text_table.hpp"
#include "models/architecture_spec.hpp"
#include "models/core/number.hpp"
#include "models/core/text.hpp"
#include "planner/plan_row.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::cli {

namespace {

using planner::Col;
using planner::RunRow;

constexpr double kBillion = 1e9;
/// Google's fleet, and what new sites of other clouds come to (pue.csv).
constexpr double kGoodPue = 1.1;
/// Water and nuclear power (grid.csv).
constexpr const char* kCleanRegion = "SE";
/// The sparse twin: so many dense layers' worth of experts, one of them met.
constexpr double kExperts = 8;

/// Rows that are changed, and the texts that they point to.
class Changed {
 public:
  explicit Changed(const RunRow& row) : row_{row} {}
  void set(Col col, std::string text) {
    texts_.push_back(std::move(text));
    planner::set_cell(row_, col, texts_.back());
  }
  void set(Col col, double value) {
    std::string text;
    planner::append_number(text, value);
    set(col, std::move(text));
  }
  void unset(std::initializer_list<Col> cols) {
    for (const auto col : cols) row_.unset(col);
  }
  RunRow& row() { return row_; }

 private:
  RunRow row_;
  std::list<std::string> texts_;
};

/// Everything that says how large the model is.
void forget_size(Changed& c) {
  for (std::size_t i = 0; i < planner::kColumns; ++i) {
    const auto col = static_cast<Col>(i);
    if (col >= Col::params_b && col <= Col::classes) c.row().unset(col);
  }
}

void resize(Changed& c, double params, double active, double tokens) {
  forget_size(c);
  planner::clear_plan(c.row());
  c.set(Col::params_b, params / kBillion);
  if (active < params) {
    c.set(Col::type, "moe");
    c.set(Col::active_params_b, active / kBillion);
  } else {
    c.set(Col::type, "dense");
  }
  c.set(Col::tokens_b, tokens / kBillion);
}

void to_device(Changed& c, const std::string& device) {
  planner::clear_plan(c.row());
  c.unset({Col::device_tdp_w, Col::peak_tflops, Col::devices_per_node, Col::node_network_gbps});
  c.set(Col::device, device);
}

void to_region(Changed& c, const std::string& region, const std::optional<double>& pue) {
  c.unset({Col::intensity_kg_per_kwh, Col::intensity_low_kg_per_kwh, Col::intensity_high_kg_per_kwh,
           Col::market_intensity_kg_per_kwh, Col::carbon_free_share, Col::offset_share});
  c.set(Col::region, region);
  // Another electricity, not another building.
  if (pue && !c.row().has(Col::pue)) c.set(Col::pue, *pue);
}

/// What a student of a teacher needs for the loss that the candidate reaches on the text.
struct Distilled {
  std::optional<double> tokens;  ///< absent: none are enough, or too many
  std::string change;
  std::string note;
};

Distilled distilled(const planner::Candidate& c, const LeverTargets& targets,
                    const models::DistillationLaw& law) {
  Distilled d;
  if (!c.decoder || !c.params || !c.tokens || c.experts > 1) {
    d.note = "its law is of dense decoders";
    return d;
  }
  constexpr double kUsualTokens = 20;  // of a parameter, as the teachers of the law had
  const double teacher = *targets.teacher_params;
  const double taught = targets.teacher_tokens.value_or(kUsualTokens * teacher);
  // The law counts parameters without embeddings.
  const double learns = *c.params - c.vocabulary;
  const double teaches = teacher - planner::vocabulary_of(models::usual_shape(teacher));
  // What is hardly more than its vocabulary is no model that the law knows.
  constexpr double kLeastShare = 0.1;  // of the smallest student that it saw
  if (std::min(learns, teaches) < kLeastShare * law.students_low) {
    d.note = fmt::format("{} knows no {} so small: {} of {} parameters are not vocabulary", law.id,
                         learns < teaches ? "student" : "teacher",
                         count_for_people(std::max(0.0, std::min(learns, teaches))),
                         count_for_people(learns < teaches ? *c.params : teacher));
    return d;
  }
  const double teacher_loss = law.supervised(teaches, taught);
  const double loss = law.supervised(learns, *c.tokens);
  const auto from =
      fmt::format("a teacher of {} on {}", count_for_people(teacher), count_for_people(taught));
  const auto enough = law.tokens_for(loss, learns, teacher_loss);
  constexpr double kMost = 4;  // times the tokens: nobody would
  if (!enough || *enough > kMost * *c.tokens) {
    d.note = fmt::format(
        "by {} a student of {} {} for what {} of the text teach: a better teacher, or fewer tokens "
        "to save",
        law.id, from,
        enough ? fmt::format("needs {:.2g} times the tokens", *enough / *c.tokens)
               : std::string{"never has tokens enough"},
        count_for_people(*c.tokens));
    return d;
  }
  // No student of so few was ever seen.
  const double tokens = std::max(*enough, law.tokens_low);
  if (*enough < law.tokens_low && tokens >= *c.tokens) {
    d.note = fmt::format("the law knows no students of less than {}: nothing is saved of {}",
                         count_for_people(law.tokens_low), count_for_people(*c.tokens));
    return d;
  }
  d.tokens = tokens;
  d.change = fmt::format("from {}: on {} instead of {}", from, count_for_people(tokens),
                         count_for_people(*c.tokens));
  std::string far;
  const auto outside = [&](double value, double least, double most, std::string_view what) {
    constexpr double kFar = 1.05;
    const bool above = value > kFar * most;
    if (!above && value * kFar >= least) return;
    far += fmt::format("{}{:.2g} times the {} {}", far.empty() ? "" : ", ",
                       value / (above ? most : least), above ? "largest" : "smallest", what);
  };
  outside(learns, law.students_low, law.students_high, "student");
  outside(teaches, 0, law.teachers_high, "teacher");
  outside(*c.tokens, 0, law.tokens_high, "number of tokens");
  d.note = fmt::format(
      "{} by {}{}{}; the teacher is there anyway: with its own training it never pays for one "
      "student",
      tokens > *enough ? "no higher loss" : "the same loss", law.id,
      far.empty() ? "" : ", which it stretches: ", far);
  return d;
}

ReportRow estimated(const RunRow& row, const JobOptions& options,
                    const planner::Catalogue& catalogue) {
  planner::PlanRoom room;
  planner::Result result;
  const auto& used =
      planner::estimate_row(row, catalogue, options.estimate, options.plans.get(), room, result);
  return report_row(used, result, catalogue, false);
}

}  // namespace

std::string lever_words(const std::string& name) {
  if (name == "mechanization") return "mechanization (PUE)";
  if (name == "map") return "map (region)";
  return name;
}

LeverTargets lever_targets(const std::vector<std::string>& words) {
  LeverTargets targets;
  const auto wrong = [](const std::string& word) {
    return InputError({"--lever", 0, 0}, fmt::format("'{}' is no lever", shortened(word)),
                      "write device=H200, pue=1.1, region=SE, model=optimal (or sparse, none), "
                      "teacher=70e9 or teacher-tokens=15e12");
  };
  for (const auto& word : words) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) throw wrong(word);
    const auto key = word.substr(0, equals);
    const auto value = word.substr(equals + 1);
    const auto count = parse_count(value);
    constexpr double kFewest = 1e6;
    constexpr double kMost = 1e14;  // of anything that was ever counted so
    if (value.empty()) throw wrong(word);
    if (key == "device") {
      targets.device = value;
    } else if (key == "region") {
      targets.region = value;
    } else if (key == "pue" && count.ok() && count.value >= 1 && count.value <= 3) {
      targets.pue = count.value;
    } else if (key == "model" && (value == "optimal" || value == "sparse" || value == "none")) {
      targets.model = value;
    } else if ((key == "teacher" || key == "teacher-tokens") && count.ok() &&
               !(count.value >= kFewest && count.value <= kMost)) {
      throw InputError({"--lever", 0, 0},
                       fmt::format("{} of {}", key == "teacher" ? "a teacher" : "tokens", value),
                       fmt::format("did you mean {}B, that is {}e9?", value, value));
    } else if (key == "teacher" && count.ok()) {
      targets.teacher_params = count.value;
    } else if (key == "teacher-tokens" && count.ok()) {
      targets.teacher_tokens = count.value;
    } else {
      throw wrong(word);
    }
  }
  if (targets.teacher_tokens && !targets.teacher_params) {
    throw InputError({"--lever", 0, 0}, "tokens of a teacher without its size",
                     "give --lever teacher=70e9 with it");
  }
  return targets;
}

ReportRow in_region(const RunRow& row, const ReportRow& base, const std::string& region,
                    const JobOptions& options, const planner::Catalogue& catalogue) {
  Changed changed{row};
  to_region(changed, region, base.pue);
  return estimated(changed.row(), options, catalogue);
}

Levers pull_levers(const RunRow& own_row, const ReportRow& own, const LeverTargets& targets,
                   const models::ScalingLaw& experts_law, const models::ScalingLaw& law,
                   const JobOptions& options, const planner::Catalogue& catalogue) {
  Levers levers;
  const auto evaluate = [&](Changed& changed, const std::string& name) {
    changed.set(Col::name, name);
    return estimated(changed.row(), options, catalogue);
  };
  // Both sides on one footing: what was stated of its speed and draw is not another device's.
  Changed footing{own_row};
  levers.base = own;
  const bool measured = planner::states_measured(own_row);
  if (own.tokens && !own_row.has(Col::tokens_b)) footing.set(Col::tokens_b, *own.tokens / kBillion);
  if (measured && own.tokens) {
    planner::clear_measured(footing.row());
    levers.base = evaluate(footing, "as it is");
    levers.left_out.emplace_back(
        "the days, speed or draw that the row states: both sides are predicted");
  } else if (measured) {
    levers.left_out.emplace_back("levers: the tokens are not known, so nothing else can be timed");
    return levers;
  }
  const RunRow& row = footing.row();
  const ReportRow& base = levers.base;
  if (!base.ok) {
    levers.left_out.push_back("levers: " + base.reason);
    return levers;
  }
  if (!targets.device.empty() && catalogue.devices().find(targets.device).device == nullptr) {
    throw InputError({"--lever", 0, 0}, fmt::format("no device '{}'", shortened(targets.device)),
                     "planner list devices has them");
  }
  const auto& b = base.candidate;
  const bool sized = b.decoder && b.params && b.tokens && b.experts <= 1;
  using Change = std::function<void(Changed&)>;
  struct Pull {
    std::string name;
    std::string change;
    Change apply;
    std::string note;
    bool asked = false;  ///< where it goes was typed
  };
  std::vector<Pull> pulls;

  const auto to_serve = [](double times) {
    constexpr double kMore = 1.2;
    if (times > kMore) return fmt::format("; {:.1f} times the model to serve", times);
    if (times < 1 / kMore) return fmt::format("; {:.2f} times the model to serve", times);
    return std::string{};
  };
  // ---- the model, at the loss that the first candidate reaches
  const auto optimal = [&]() -> std::optional<Pull> {
    if (!sized) return std::nullopt;
    const auto best = law.cheapest(law.loss(*b.params, *b.tokens));
    if (!best) return std::nullopt;
    return Pull{"compute-optimal",
                fmt::format("{} on {} instead of {} on {}", count_for_people(best->params),
                            count_for_people(best->tokens), count_for_people(*b.params),
                            count_for_people(*b.tokens)),
                [best](Changed& c) { resize(c, best->params, best->params, best->tokens); },
                fmt::format("the same loss by {}{}", law.id, to_serve(best->params / *b.params))};
  };
  const auto sparse = [&]() -> std::optional<Pull> {
    if (!sized) return std::nullopt;
    const double loss = experts_law.loss(*b.params, *b.tokens);
    const auto tokens = experts_law.tokens_for(loss, *b.params, kExperts);
    if (!tokens) return std::nullopt;
    const double params = *b.params;
    const double all = params * (1 + (kExperts - 1) * planner::kUsualFeedForward);
    const auto far = planner::beyond(b, experts_law);
    return Pull{"sparse twin",
                fmt::format("{} of which a token meets {}, on {} instead of {}",
                            count_for_people(all), count_for_people(params),
                            count_for_people(*tokens), count_for_people(*b.tokens)),
                [=](Changed& c) { resize(c, all, params, *tokens); },
                fmt::format("the same loss by {}{}{}", experts_law.id,
                            far.empty() ? "" : ", which it stretches: ", far)};
  };
  std::string model = targets.model.empty() ? "optimal" : targets.model;
  const auto chosen = model == "optimal" ? optimal() : model == "sparse" ? sparse() : std::nullopt;
  if (chosen) {
    pulls.push_back(*chosen);
    pulls.back().name = "model";
    pulls.back().asked = !targets.model.empty();
  } else if (model != "none") {
    levers.left_out.emplace_back(b.experts > 1 ? "model: sizes are solved for dense decoders"
                                               : "model: no scaling law holds for this run");
  }

  // ---- machine, mechanization, map
  const auto& device = base.device;
  std::string other = targets.device;
  if (other.empty()) {
    const auto* found = catalogue.devices().find(device).device;
    const bool hopper = found != nullptr && found->generation == "hopper";
    const bool newer = found != nullptr && found->year && *found->year >= 2024 && !hopper;
    other = newer ? std::string{} : hopper ? "b200-hgx" : "h100-sxm";
  }
  if (other.empty()) {
    levers.left_out.push_back(fmt::format(
        "machine: {} is among the newest measured; --lever device=... names another", device));
  } else {
    pulls.push_back({"machine", fmt::format("{} instead of {}", other, device),
                     [other](Changed& c) { to_device(c, other); }, "", !targets.device.empty()});
  }
  const double pue = targets.pue.value_or(kGoodPue);
  const auto own_pue = base.pue;
  if (own_pue && (targets.pue || *own_pue > pue)) {
    pulls.push_back({"mechanization", fmt::format("PUE {:g} instead of {:g}", pue, *own_pue),
                     [pue](Changed& c) {
                       c.unset({Col::pue_low, Col::pue_high});
                       c.set(Col::pue, pue);
                     },
                     "", targets.pue.has_value()});
  } else {
    levers.left_out.push_back(
        own_pue ? fmt::format("mechanization: a PUE of {:g} is no worse than {:g}", *own_pue, pue)
                : std::string{"mechanization: no PUE is known"});
  }
  const std::string region = targets.region.empty() ? kCleanRegion : targets.region;
  const auto& grid = base.candidate.grid;
  if (options.hourly != nullptr) {
    levers.left_out.emplace_back("map: the hours of one grid are given, not of another");
  } else if (equal_ignoring_case(region, grid)) {
    levers.left_out.push_back(fmt::format("map: it is in {} already", region));
  } else if (grid.empty()) {
    levers.left_out.emplace_back("map: no place is stated");
  } else {
    pulls.push_back(
        {"map", fmt::format("{} instead of {}{}", region, grid, base.region_named ? "" : " kg/kWh"),
         [region, own_pue](Changed& c) { to_region(c, region, own_pue); }, "",
         !targets.region.empty()});
  }
  std::vector<Change> before;
  for (const auto& pull : pulls) {
    Lever lever{pull.name, pull.change, {}, {}, pull.note};
    Changed alone{row};
    pull.apply(alone);
    lever.alone = evaluate(alone, pull.name);
    if (!lever.alone.ok || lever.alone.status != planner::Status::ok ||
        !lever.alone.candidate.fits) {
      levers.left_out.push_back(
          fmt::format("{} ({}): {}", pull.name, pull.change,
                      lever.alone.reason.empty() ? "it does not fit" : lever.alone.reason));
      continue;
    }
    const auto emits = [](const ReportRow& r) {
      return r.candidate.operational_t + r.candidate.embodied_t;
    };
    if (!pull.asked && emits(lever.alone) > emits(base)) {
      levers.left_out.push_back(fmt::format("{} ({}): it would emit {:.0f}% more", pull.name,
                                            pull.change,
                                            100 * (emits(lever.alone) / emits(base) - 1)));
      continue;
    }
    before.push_back(pull.apply);
    Changed all{row};
    for (const auto& change : before) change(all);
    lever.together = evaluate(all, pull.name);
    levers.site.push_back(std::move(lever));
  }

  // ---- what else could be done to the model
  const auto try_model = [&](const std::optional<Pull>& pull) {
    if (!pull) return;
    Changed changed{row};
    pull->apply(changed);
    auto result = evaluate(changed, pull->name);
    if (!result.ok || !result.candidate.fits) {
      levers.left_out.push_back(
          fmt::format("{} ({}): {}", pull->name, pull->change,
                      result.reason.empty() ? "it does not fit" : result.reason));
      return;
    }
    levers.models.push_back(
        {pull->name, pull->change, std::move(result), std::nullopt, pull->note});
  };
  try_model(optimal());
  try_model(sparse());
  const auto* known = catalogue.devices().find(device).device;
  if (known != nullptr && known->peak_of(hardware::Dtype::fp8) && row.text(Col::dtype) != "fp8") {
    try_model(Pull{"fp8", "8 bits in the matrix products with weights",
                   [](Changed& c) {
                     planner::clear_plan(c.row());
                     c.set(Col::dtype, "fp8");
                   },
                   "the loss is taken as the same"});
  } else {
    levers.left_out.push_back(fmt::format("fp8: {} has no products in 8 bits", device));
  }
  if (targets.teacher_params) {
    const auto student = distilled(b, targets, catalogue.distillation_laws().usual());
    if (student.tokens) {
      const double teacher = *targets.teacher_params;
      const double tokens = *student.tokens;
      try_model(Pull{"distillation", student.change,
                     [teacher, tokens](Changed& c) {
                       planner::clear_plan(c.row());
                       c.set(Col::phase, "distill");
                       c.set(Col::teacher_params_b, teacher / kBillion);
                       c.set(Col::tokens_b, tokens / kBillion);
                     },
                     student.note});
    } else {
      levers.left_out.push_back("distillation: " + student.note);
    }
  }
  return levers;
}

}  // namespace pretrain::cli
