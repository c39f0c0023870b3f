#include "validation/evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "models/core/text.hpp"
#include "models/efficiency.hpp"
#include "models/training_compute.hpp"
#include "planner/estimate.hpp"
#include "validation/embedded.hpp"
#include "validation/step_lessons.hpp"
#include "validation/step_teacher.hpp"
#include "validation/teacher.hpp"

namespace pretrain::validation {

namespace {

using planner::Col;
using planner::Key;
using planner::Result;
using planner::RunRow;

constexpr double kTera = 1e12;
constexpr double kYearZero = 2023;

bool computed(const Result& result) { return result.ok; }

/// How much a row of this quality teaches.
double lesson_of(std::string_view quality) {
  if (quality == "core") return 1;
  if (quality == "ok" || quality.empty()) return 0.8;
  return 0;
}

/// What the prediction of a key has to do with the rate.
int rate_power_of(Key key, const Result& result) {
  switch (key) {
    case Key::tokens_per_s_per_device:
    case Key::tflops_per_device:
    case Key::mfu:
    case Key::hfu:
      return 1;
    case Key::iteration_s:
      return -1;
    case Key::training_days:
    case Key::device_hours:
    case Key::device_energy_mwh:
    case Key::node_energy_mwh:
    case Key::facility_energy_mwh:
    case Key::operational_tco2e:
    case Key::embodied_tco2e: {
      const auto& s = result.scenario;
      return s.booked || s.days ? 0 : -1;
    }
    default:
      return 0;
  }
}

/// Whether nothing but the rate is uncertain in it.
bool of_rate(Key key) {
  constexpr std::array kKeys{Key::iteration_s, Key::tokens_per_s_per_device, Key::tflops_per_device,
                             Key::mfu, Key::hfu};
  return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

bool is_energy(Key key) {
  return key == Key::device_energy_mwh || key == Key::node_energy_mwh ||
         key == Key::facility_energy_mwh || key == Key::operational_tco2e;
}

/// Quantities that a row states, or that --given takes from it, are no predictions.
std::string_view taken_as_given(Key key, const Result& result) {
  const auto& s = result.scenario;
  const bool hours = s.booked || s.days;
  if (hours && (key == Key::training_days || key == Key::device_hours)) {
    return "the hours are given";
  }
  if (s.options.taken == planner::Taken::hours && !hours) return "no hours are reported";
  if (s.options.taken == planner::Taken::power) {
    if (key == Key::device_power_w) return "the draw is given";
    const bool draw = s.system_power || s.device_power;
    if (is_energy(key) && !draw) return "no measured draw is reported";
  }
  return {};
}

/// Why a comparison tells nothing of the prediction; empty when it does.
std::string_view unfair(const planner::Comparison& compared, const RunRow& row) {
  const bool energy = is_energy(compared.key);
  if (!energy && compared.key != Key::device_power_w) return {};
  if (energy && row.text(Col::energy_basis) == "device_hours_x_constant") {
    return "energy from an assumed wattage: only its hours are a measurement";
  }
  return {};
}

/// Throughput that the row reports, in tokens per second and device, by the least converted of its
/// numbers.
std::optional<double> reported_tokens_rate(const RunRow& row, const Result& result) {
  if (const auto rate = row.number(Col::reported_tokens_per_s_per_device)) return rate;
  const auto& s = result.scenario;
  const auto devices = row.number(Col::devices);
  const auto iteration = row.number(Col::reported_iteration_s);
  if (iteration && devices && s.seq_len && s.global_batch) {
    return *s.seq_len * *s.global_batch / (*iteration * *devices);
  }
  const auto word = row.text(Col::reported_flop_convention);
  if (!word.empty() && word != name_of(s.convention)) return std::nullopt;
  // What was recomputed in the run, whatever the prediction's plan does.
  const auto per_token = planner::flop_per_token(s, result.estimate.work, s.convention);
  if (!per_token) return std::nullopt;
  if (const auto tflops = row.number(Col::reported_tflops_per_device)) {
    return *tflops * kTera / *per_token;
  }
  const auto mfu = row.number(Col::reported_mfu);
  if (mfu && s.peak) return *mfu * (*s.peak).in(flop / second / device) / *per_token;
  return std::nullopt;
}

std::optional<double> log_of(std::optional<double> value) {
  if (!value || !(*value > 0)) return std::nullopt;
  return std::log(*value);
}

using Features = std::array<std::optional<double>, kFeatures>;

Features features_of(const RunRow& row, const Result& result) {
  Features features;
  const auto set = [&](Feature feature, std::optional<double> value) {
    features[static_cast<std::size_t>(feature)] = value;
  };
  const auto indicator = [](bool value) { return std::optional{value ? 1.0 : 0.0}; };
  const auto known_value = [](const Known<double>& value) {
    return value ? std::optional{*value} : std::nullopt;
  };
  const auto& s = result.scenario;
  set(Feature::params, log_of(known_value(s.total_params)));
  set(Feature::active_params, log_of(known_value(s.active_params)));
  if (s.counted) {
    const auto& a = s.architecture;
    set(Feature::layers, log_of(a.layers));
    set(Feature::hidden, log_of(a.hidden));
    set(Feature::ffn_width, log_of(a.ffn_hidden > 0 ? a.ffn_hidden : a.expert_ffn_hidden));
    set(Feature::vocab, log_of(a.vocab));
    set(Feature::experts_per_token, a.experts_per_token);
  }
  set(Feature::seq_len, log_of(known_value(s.seq_len)));
  set(Feature::micro_batch, log_of(row.number(Col::micro_batch_seqs)));
  if (s.seq_len && s.global_batch) {
    set(Feature::batch_tokens, log_of(*s.seq_len * *s.global_batch));
  }
  const auto devices = row.number(Col::devices);
  set(Feature::devices, log_of(devices));
  if (devices && s.devices_per_node) {
    set(Feature::nodes, log_of(std::ceil(*devices / *s.devices_per_node)));
  }
  set(Feature::tp, log_of(row.number(Col::tp)));
  set(Feature::pp, log_of(row.number(Col::pp)));
  set(Feature::dp, log_of(row.number(Col::dp)));
  set(Feature::cp, log_of(row.number(Col::cp)));
  set(Feature::ep, log_of(row.number(Col::ep)));
  set(Feature::interleave, row.number(Col::interleave));
  if (const auto recompute = row.text(Col::recompute); !recompute.empty()) {
    set(Feature::recompute_none, indicator(recompute == "none"));
    set(Feature::recompute_selective, indicator(recompute == "selective"));
    set(Feature::recompute_full, indicator(recompute == "full"));
  }
  if (const auto sharding = row.text(Col::sharding); !sharding.empty()) {
    set(Feature::zero3, indicator(sharding == "zero3"));
  }
  if (s.peak) {
    const double peak = (*s.peak).in(teraflops / device);
    set(Feature::peak, log_of(peak));
    if (s.tdp) set(Feature::tdp_per_peak, log_of((*s.tdp).in(watt / device) / peak));
    if (s.device != nullptr) {
      const auto per_peak = [&](Feature feature, const std::optional<double>& value) {
        if (value) set(feature, log_of(*value / peak));
      };
      per_peak(Feature::memory_bandwidth_per_peak, s.device->memory_bandwidth_gb_per_s);
      per_peak(Feature::scaleup_per_peak, s.device->scaleup_gb_per_s);
      auto network = s.device->scaleout_gbit_per_s;
      if (const auto node = row.number(Col::node_network_gbps); node && s.devices_per_node) {
        network = *node / *s.devices_per_node;
      }
      per_peak(Feature::network_per_peak, network);
    }
  }
  set(Feature::low_precision,
      indicator(s.dtype == hardware::Dtype::fp8 || s.dtype == hardware::Dtype::fp4 ||
                s.dtype == hardware::Dtype::int8));
  if (const auto year = row.number(Col::software_year)) {
    set(Feature::software_year, *year - kYearZero);
  }
  set(Feature::moe, indicator(s.type == "moe"));
  set(Feature::encoder, indicator(s.type == "encoder" || s.type == "vision"));
  const auto family = row.text(Col::framework_family);
  set(Feature::megatron, indicator(family == "megatron"));
  set(Feature::fsdp_torch, indicator(family == "fsdp_torch"));
  set(Feature::xla_tpu, indicator(family == "maxtext_xla"));
  set(Feature::xla_gpu, indicator(family == "xla_gpu"));
  set(Feature::deepspeed, indicator(family == "deepspeed"));
  return features;
}

/// What a row states of how its work is divided, and what of all else that is known before a run;
/// the first is blank where it states no degree.
std::pair<std::string, std::string> recipe_and_plan(const RunRow& row) {
  const auto plan_column = [](Col col) {
    return std::find(planner::kPlanColumns.begin(), planner::kPlanColumns.end(), col) !=
           planner::kPlanColumns.end();
  };
  std::string recipe{row.text(Col::source_url)};
  std::string plan;
  for (std::size_t i = 0; i < planner::kColumns; ++i) {
    const auto col = static_cast<Col>(i);
    const auto& column = planner::column_of(col);
    if (column.role != planner::Role::input || !row.has(col)) continue;
    auto& text = plan_column(col) ? plan : recipe;
    text += fmt::format("|{}=", column.name);
    text += column.numeric() ? fmt::format("{}", row.number(col).value_or(0))
                             : std::string{row.text(col)};
  }
  const bool divided = row.has(Col::tp) || row.has(Col::pp) || row.has(Col::dp) ||
                       row.has(Col::cp) || row.has(Col::ep);
  if (!divided || !row.has(Col::devices)) plan.clear();
  return {std::move(recipe), std::move(plan)};
}

/// Absent where the row states no plan, what its memory takes is not known, or only a part of it
/// was published, which says nothing of the whole.
std::optional<FitCase> fit_of(const RunRow& row, const Result& result) {
  const auto& fit = result.estimate.fit;
  const auto kind = row.text(Col::memory_kind);
  if (!fit.verdict || !fit.judged || fit.chose_plan || kind == "activations") return std::nullopt;
  FitCase c;
  c.ran = kind != "oom";
  c.fits = fit.verdict->fits;
  c.tight = fit.verdict->tight;
  c.need_gib = fit.verdict->memory.total().in(gibibyte);
  c.usable_gib = fit.verdict->capacity.in(gibibyte);
  return c;
}

}  // namespace

std::string_view name_of(Predictor predictor) {
  switch (predictor) {
    case Predictor::planner:
      return "planner";
    case Predictor::llmcarbon_6pd:
      return "llmcarbon_6pd";
    case Predictor::llmcarbon_8pd:
      return "llmcarbon_8pd";
    case Predictor::generation_median:
      return "generation_median";
    case Predictor::knn5:
      return "knn5";
    case Predictor::ridge:
      return "ridge";
  }
  return "planner";
}

std::string_view name_of(SplitMode mode) {
  switch (mode) {
    case SplitMode::none:
      return "none";
    case SplitMode::grouped:
      return "grouped";
    case SplitMode::leave_source_out:
      return "leave_source_out";
  }
  return "none";
}

struct Cases::CasePart : planner::TableJob::Part {
  void clear() override {
    cases.clear();
    skipped.clear();
    fits.clear();
  }
  Result result;
  std::vector<Case> cases;
  std::vector<Skipped> skipped;
  std::vector<FitCase> fits;
};

Cases::Cases(const planner::Catalogue& catalogue, const Split& split,
             planner::EstimateOptions options)
    : catalogue_{catalogue}, split_{split}, options_{options} {
  options_.blind = true;
}

std::unique_ptr<planner::TableJob::Part> Cases::make_part() const {
  return std::make_unique<CasePart>();
}

void Cases::row(const RunRow& row, Part& base) const {
  auto& part = dynamic_cast<CasePart&>(base);
  Case c;
  c.id = row.has(Col::id)     ? row.text(Col::id)
         : row.has(Col::name) ? row.text(Col::name)
                              : std::string_view{};
  if (c.id.empty()) c.id = fmt::format("line {}", row.line());
  c.name = row.text(Col::name);
  c.table = table_;
  c.quality = row.text(Col::quality);
  const auto skip = [&](std::string reason) { part.skipped.push_back({c.id, std::move(reason)}); };
  if (c.quality == "context") return skip("quality is context: not meant to be scored against");

  auto& result = part.result;
  planner::estimate_row(row, catalogue_, options_, result);
  if (!computed(result)) return skip(result.failure.what);
  if (auto fit = fit_of(row, result)) {
    fit->id = c.id;
    fit->table = table_;
    part.fits.push_back(std::move(*fit));
  }
  const planner::Predicted predicted{result};
  const planner::Comparisons comparisons{row, result, predicted, catalogue_};
  std::string_view reason;
  for (const auto& compared : comparisons) {
    if (const auto why = taken_as_given(compared.key, result); !why.empty()) {
      if (reason.empty()) reason = why;
    } else if (const auto unfit = unfair(compared, row); !unfit.empty()) {
      reason = unfit;
    } else if (compared.predicted && compared.delta && compared.reported > 0) {
      c.measured.push_back({.key = compared.key,
                            .predicted = *compared.predicted,
                            .reported = compared.reported,
                            .low = compared.low,
                            .high = compared.high,
                            .rate_power = rate_power_of(compared.key, result),
                            .of_rate = of_rate(compared.key)});
    } else if (reason.empty()) {
      reason = compared.reason;
    }
  }
  const auto& s = result.scenario;
  const auto& e = result.estimate;
  if (e.rate.tokens) c.planner_rate = *e.rate.tokens;
  const auto rate = reported_tokens_rate(row, result);
  // With hours or power given, only what follows from them is judged.
  const bool judges_rate = options_.taken == planner::Taken::nothing;
  if (!judges_rate) {
    std::erase_if(c.measured, [](const Measured& m) { return m.rate_power == 1; });
    std::erase_if(c.measured, [](const Measured& m) { return m.key == Key::iteration_s; });
    if (c.measured.empty() && reason.empty()) reason = "only its rate is reported";
  }
  if (judges_rate && e.rate.tokens && rate && *rate > 0) {
    c.throughput = Measured{.key = Key::tokens_per_s_per_device,
                            .predicted = *e.rate.tokens,
                            .reported = *rate,
                            .low = {},
                            .high = {},
                            .rate_power = 1,
                            .of_rate = true};
    // Converted from step time, FLOPs or utilization where the row does not print it.
    const bool there = std::any_of(c.measured.begin(), c.measured.end(), [](const Measured& m) {
      return m.key == Key::tokens_per_s_per_device;
    });
    if (!there) c.measured.push_back(*c.throughput);
  }
  if (c.measured.empty()) {
    return skip(reason.empty() ? "nothing was reported that is predicted" : std::string{reason});
  }

  c.type = s.type;
  c.phase = s.phase.empty() ? std::string_view{"pretrain"} : s.phase;
  c.device = s.device != nullptr ? s.device->id : s.device_name;
  c.generation = s.device != nullptr ? s.device->generation : std::string_view{};
  c.family = row.text(Col::framework_family);
  c.dtype = s.dtype_name;
  c.energy_basis = row.text(Col::energy_basis);
  c.architecture = s.counted;
  const auto* placed = split_.find(c.id);
  if (placed != nullptr) {
    c.group = placed->group;
    c.source = placed->source;
    c.fold = placed->fold;
  } else {
    c.group =
        group_key(row.has(Col::architecture) ? row.text(Col::architecture) : c.name, c.device);
    c.source = source_key(row.text(Col::source_url));
    const auto* known = split_.find_group(c.group);
    c.fold = known != nullptr ? known->fold : fold_of(c.group);
  }
  const auto per_token = planner::flop_per_token(s, e.work, s.convention);
  if (per_token && s.peak && s.active_params) {
    const double peak = (*s.peak).in(flop / second / device);
    c.tokens_at_peak = peak / *per_token;
    const double fitted = models::llmcarbon_hfu(*s.active_params) * peak / *s.active_params;
    constexpr double kForwardBackward = 6;
    constexpr double kWithRecomputation = 8;
    c.llmcarbon_6pd = fitted / kForwardBackward;
    c.llmcarbon_8pd = fitted / kWithRecomputation;
  }
  c.production = row.has(Col::reported_days) || row.has(Col::reported_energy_mwh) ||
                 row.has(Col::reported_tco2e_operational);
  c.step = e.step.question;
  std::tie(c.recipe, c.plan) = recipe_and_plan(row);
  c.devices = row.number(Col::devices).value_or(0);
  if (s.devices_per_node) c.nodes = std::ceil(c.devices / *s.devices_per_node);
  c.features = features_of(row, result);
  if (c.throughput && c.tokens_at_peak > 0) c.weight = lesson_of(c.quality);
  part.cases.push_back(std::move(c));
}

void Cases::deliver(Part& base) {
  auto& part = dynamic_cast<CasePart&>(base);
  for (auto& c : part.cases) cases_.push_back(std::move(c));
  for (auto& skipped : part.skipped) skipped_.push_back(std::move(skipped));
  for (auto& fit : part.fits) fits_.push_back(std::move(fit));
}

void Cases::keep_newest() {
  std::vector<const Case*> all;
  for (const auto& c : cases_) all.push_back(&c);
  const auto old = superseded(all);
  std::vector<Case> kept;
  for (std::size_t i = 0; i < cases_.size(); ++i) {
    if (old[i]) {
      skipped_.push_back({cases_[i].id, "a newer release of the same configuration is scored"});
    } else {
      kept.push_back(std::move(cases_[i]));
    }
  }
  cases_ = std::move(kept);
}

void Cases::take(Cases&& other) {
  for (auto& c : other.cases_) cases_.push_back(std::move(c));
  for (auto& skipped : other.skipped_) skipped_.push_back(std::move(skipped));
  for (auto& fit : other.fits_) fits_.push_back(std::move(fit));
  for (auto& remark : other.remarks_) remarks_.push_back(std::move(remark));
}

namespace {

/// The groups that a case belongs to, beside all.
std::vector<std::string> groups_of(const Case& c, bool sweep) {
  std::vector<std::string> groups{"all"};
  const auto add = [&](std::string_view kind, std::string_view value) {
    if (!value.empty()) groups.push_back(fmt::format("{}={}", kind, value));
  };
  add("table", c.table);
  add("class", sweep                    ? "plan_sweep"
               : c.quality == "caution" ? c.quality
                                        : models::name_of(class_of(c)));
  add("type", c.type);
  if (c.phase != "pretrain") add("phase", c.phase);
  add("generation", c.generation);
  add("device", c.device);
  add("family", c.family);
  add("quality", c.quality);
  return groups;
}

/// What the scores of one cell are made from.
struct Cell {
  std::vector<Scored> rows;
  std::vector<std::string_view> groups;
};

void finish(const Cell& cell, double level, Score& score) {
  score.summary = summarize(cell.rows, level);
  std::vector<double> errors;
  std::map<std::string_view, std::pair<double, std::size_t>> groups;
  for (std::size_t i = 0; i < cell.rows.size(); ++i) {
    const double error = std::abs(std::log(cell.rows[i].predicted / cell.rows[i].reported));
    if (!std::isfinite(error)) continue;
    errors.push_back(error);
    auto& [sum, count] = groups[cell.groups[i]];
    sum += error;
    ++count;
  }
  if (errors.empty()) return;
  std::sort(errors.begin(), errors.end());
  constexpr double kQuantile = 0.9;
  const auto at =
      static_cast<std::size_t>(std::ceil(kQuantile * static_cast<double>(errors.size())) - 1);
  score.q90_abs_log_error = errors[at];
  double mean = 0;
  for (const auto& [group, sum] : groups) mean += sum.first / static_cast<double>(sum.second);
  score.group_mean_abs_log_error = mean / static_cast<double>(groups.size());
}

using Cells = std::map<std::tuple<Key, std::string, Predictor>, Cell>;

double log_error(const Scored& row) { return std::abs(std::log(row.predicted / row.reported)); }

/// The planner against the baseline with the least mean log error.
void add_duel(const Cells& cells, const std::string& group, Scoreboard& board) {
  const auto find = [&](Predictor predictor) -> const Cell* {
    const auto found = cells.find({Key::tokens_per_s_per_device, group, predictor});
    return found != cells.end() ? &found->second : nullptr;
  };
  const Cell* ours = find(Predictor::planner);
  if (ours == nullptr) return;
  std::optional<Duel> best;
  double least = 0;
  for (std::size_t p = 1; p < kPredictors; ++p) {
    const auto predictor = static_cast<Predictor>(p);
    const Cell* theirs = find(predictor);
    // A baseline that says nothing of some runs cannot be paired with all.
    if (theirs == nullptr || theirs->rows.size() != ours->rows.size()) continue;
    std::vector<Paired> pairs;
    double mean = 0;
    for (std::size_t i = 0; i < ours->rows.size(); ++i) {
      pairs.push_back({log_error(ours->rows[i]), log_error(theirs->rows[i]), ours->groups[i]});
      mean += pairs.back().theirs / static_cast<double>(ours->rows.size());
    }
    if (best && mean >= least) continue;
    const auto difference = paired_bootstrap(pairs);
    if (!difference) continue;
    best = Duel{group, predictor, pairs.size(), *difference};
    least = mean;
  }
  if (best) board.duels.push_back(std::move(*best));
}

}  // namespace

const Score* Scoreboard::find(Predictor predictor, Key quantity, std::string_view group) const {
  for (const auto& score : scores) {
    if (score.predictor == predictor && score.quantity == quantity && score.group == group) {
      return &score;
    }
  }
  return nullptr;
}

Scoreboard evaluate(const std::vector<Case>& scored, const std::vector<Case>& pool, SplitMode mode,
                    const models::StepConstantTable& priors, const models::StepSpread& spread,
                    double level) {
  Scoreboard board;
  board.split = mode;
  const auto learned = learn_baselines(scored, pool, mode);
  const auto steps = learn_steps(scored, pool, mode, priors, spread, level);
  // Predictor, quantity, group, in the order of output.
  std::map<std::tuple<Key, std::string, Predictor>, Cell> cells;
  // A source with more than a quarter of the runs tries plans out: a class of its own.
  constexpr std::size_t kSweep = 4;
  std::unordered_map<std::string_view, std::size_t> of_source;
  for (const auto& c : scored) ++of_source[c.source];
  for (std::size_t i = 0; i < scored.size(); ++i) {
    const auto& c = scored[i];
    Predictions rates;
    const auto set = [&](Predictor predictor, std::optional<double> rate) {
      rates[static_cast<std::size_t>(predictor)] = rate;
    };
    const auto at_peak = [&](std::optional<double> utilization) {
      return utilization ? std::optional{*utilization * c.tokens_at_peak} : std::nullopt;
    };
    std::optional<double> own;
    if (c.planner_rate > 0) own = c.planner_rate;
    const auto& step = steps[i];
    set(Predictor::planner, step && own ? std::optional{*own * step->times} : own);
    set(Predictor::llmcarbon_6pd, c.llmcarbon_6pd);
    set(Predictor::llmcarbon_8pd, c.llmcarbon_8pd);
    set(Predictor::generation_median, at_peak(learned[i].generation_median));
    set(Predictor::knn5, at_peak(learned[i].knn5));
    set(Predictor::ridge, at_peak(learned[i].ridge));
    board.throughput.push_back(rates);
    board.half_widths_90.push_back(step && step->factor > 1 && level > 0
                                       ? std::log(step->factor) / models::half_width(1, level)
                                       : 0);
    const bool sweep =
        !c.source.empty() && of_source.size() > 1 && kSweep * of_source[c.source] > scored.size();
    const auto groups = groups_of(c, sweep);
    for (const auto& measured : c.measured) {
      for (std::size_t p = 0; p < kPredictors; ++p) {
        const auto predictor = static_cast<Predictor>(p);
        Scored row{measured.predicted, measured.reported, {}, {}, 1};
        if (predictor != Predictor::planner) {
          if (measured.rate_power == 0 || !rates[p] || !own) continue;
          row.predicted *= std::pow(*rates[p] / *own, measured.rate_power);
        } else {
          const double times = step ? std::pow(step->times, measured.rate_power) : 1;
          row.predicted *= times;
          if (step && measured.of_rate) {
            row.low = row.predicted / step->factor;
            row.high = row.predicted * step->factor;
          } else if (!measured.of_rate && measured.low && measured.high) {
            row.low = times * *measured.low;
            row.high = times * *measured.high;
          }
        }
        for (const auto& group : groups) {
          auto& cell = cells[{measured.key, group, predictor}];
          cell.rows.push_back(row);
          cell.groups.push_back(c.group);
        }
      }
    }
  }
  for (const auto& [place, cell] : cells) {
    Score score;
    score.quantity = std::get<0>(place);
    score.group = std::get<1>(place);
    score.predictor = std::get<2>(place);
    finish(cell, level, score);
    board.scores.push_back(std::move(score));
  }
  for (const auto& score : board.scores) {
    if (score.predictor == Predictor::planner && score.quantity == Key::tokens_per_s_per_device &&
        score.group.starts_with("class=")) {
      add_duel(cells, score.group, board);
    }
  }
  return board;
}

std::vector<std::pair<std::string_view, std::string_view>> shipped_cases() {
  std::vector<std::pair<std::string_view, std::string_view>> cases;
  for (const auto& file : embedded_files()) {
    constexpr std::array<std::string_view, 3> kOthers{"splits.csv", "remarks.csv", "accuracy.csv"};
    if (std::find(kOthers.begin(), kOthers.end(), file.name) == kOthers.end())
      cases.emplace_back(file.name, file.text());
  }
  return cases;
}

Split shipped_split() {
  for (const auto& file : embedded_files()) {
    if (file.name == "splits.csv") return Split::read(file.text(), "splits.csv");
  }
  throw std::logic_error("no split in the program");
}

}  // namespace pretrain::validation
