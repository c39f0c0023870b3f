#include "planner/plan_engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <thread>
#include <tuple>
#include <utility>

#include "models/core/whole.hpp"
#include "models/goodput.hpp"
#include "models/power.hpp"
#include "planner/estimate.hpp"
#include "planner/memory_fit.hpp"
#include "planner/step_question.hpp"
#include "planner/warnings.hpp"

namespace pretrain::planner {

namespace {

using models::Recompute;
using models::Sharding;

constexpr double kWattHoursPerMegawattHour = 1e6;
constexpr double kHoursPerDay = 24;
constexpr double kSecondsPerHour = 3600;

/// What a run is measured by, that makes no plan better than another.
constexpr std::array kMeasuredColumns{Col::days, Col::device_hours, Col::mfu, Col::achieved_tflops,
                                      Col::system_power_w};

void set_cell(RunRow& row, Col col, std::string_view cell) {
  std::string what;
  std::string help;
  row.set(col, cell, 0, 0, what, help);
  if (!what.empty()) {
    throw InputError({std::string{column_of(col).name}, 0, 0}, std::move(what), std::move(help));
  }
}

/// Where the electricity comes from.
struct Site {
  std::string region;
  double pue = 1;
  std::optional<double> intensity;  ///< t/MWh
};

/// A device with a format and a power limit, and what is the same for all plans on it.
struct Machine {
  std::string device;
  std::string format;
  double cap = 1;
  double limit_w = 0;  ///< where it is capped
  std::string family;  ///< of the framework
  bool xla = false;    ///< which has no pipelines, and shares all state
  std::vector<std::string> texts;
  RunRow row;
  Scenario s;
  Work work;
  PlanBasis basis;
  StepQuestion question;
  models::StepSpeed alone;  ///< of plans without tensor and pipeline parallelism
  models::StepSpeed divided;
  models::MemoryRecipe recipe_alone;
  models::MemoryRecipe recipe_divided;
  double tokens = 0;
  double seq_len = 0;
  std::array<double, 3> flop_per_token{};  ///< of the matrix units, by recomputation
  // Power; `powered`: it is known.
  bool powered = false;
  double idle_w = 0;
  double most_w = 0;
  models::LoadLevels levels;
  models::HostDraw host;
  double least_w = 0;  ///< of a node's share, for any load; 0: not known
  double embodied_t_per_hour = 0;
  models::Faults faults;
  std::optional<double> goodput;  ///< given
  std::vector<double> stages;
  std::vector<double> chunks;  ///< of a stage, interleaved
};

/// What is computed once for all numbers of devices.
struct ShardChoice {
  double tp = 1;
  double cp = 1;
  double ep = 1;
  double micro = 1;
  Recompute recompute = Recompute::none;
  bool sequence_parallel = false;
  bool tp_near = true;
  models::ShardTime divided;
  models::ShardTime alone;
  double least_time = 0;    ///< s of a device for a sequence of the batch, all blocks
  double least_energy = 0;  ///< J of its node, the same
  double busy_time = 0;     ///< s, no less than what that energy is spent in
};

struct Arena {
  const Machine* machine = nullptr;
  const std::vector<ShardChoice>* shards = nullptr;
  double devices = 0;
  double batch = 0;
  double goodput = 1;
  double scale = 1;  ///< of a step, by what is lost between nodes
  models::Goodput lost;
};

struct Unit {
  float bound = 0;
  std::uint32_t arena = 0;
  std::uint32_t shard = 0;
};

/// What of a schedule costs no memory; places in the lists of the space.
struct Variant {
  Sharding sharding = Sharding::none;
  bool overlap = true;
  bool scatter_gather = true;
  std::uint8_t near = 0;

  friend auto operator<=>(const Variant&, const Variant&) = default;
};

/// What a shard and its schedule take, the same for all variants with such sharding.
struct MemoryOf {
  bool known = false;
  bool fits = false;
  double gib = 0;
  double overflow = 0;  ///< share of the usable memory that it takes too much
};

struct Candidate {
  double value = 0;
  std::uint32_t arena = 0;
  std::uint32_t shard = 0;
  float pp = 1;
  float interleave = 1;
  Variant variant;
  std::uint32_t site = 0;
  PlanFigures figures;
  double overflow = 0;
  double memory_gib = 0;

  /// Place in the order of the space, to break ties.
  auto place() const { return std::tie(arena, shard, pp, interleave, variant); }
  friend bool operator<(const Candidate& a, const Candidate& b) {
    return a.value != b.value ? a.value < b.value : a.place() < b.place();
  }
};

bool power_of_two(double x) { return std::exp2(std::round(std::log2(x))) == x; }

class Engine {
 public:
  Engine(const RunRow& row, const PlanSpace& space, const PlanSearchOptions& options,
         const Catalogue& catalogue)
      : space_{space}, options_{options}, catalogue_{catalogue} {
    make_sites(row);
    for (const auto& device : or_one(space.devices)) {
      for (const auto& format : or_one(space.formats)) {
        for (const double cap : or_else(space.power_caps, {1})) {
          add_machine(row, device, format, cap);
        }
      }
    }
    if (machines_.empty()) {
      throw InputError({"--precision", 0, 0}, left_out_.front(),
                       "give another format, or a device that has it");
    }
    check_objectives();
    make_arenas();
  }

  /// Whether it can be computed for every plan.
  bool has(Objective objective) const {
    const bool powered =
        std::all_of(machines_.begin(), machines_.end(), [](const auto& m) { return m->powered; });
    const bool clean = std::all_of(sites_.begin(), sites_.end(),
                                   [](const Site& s) { return s.intensity.has_value(); });
    switch (objective) {
      case Objective::time:
        return true;
      case Objective::energy:
        return powered;
      case Objective::carbon:
        return powered && clean;
      case Objective::cost:
        return options_.price_per_device_hour || (options_.price_per_kwh && powered);
    }
    return false;
  }

  /// `known`: plans that were found for another objective; nothing worse than they is looked at.
  PlanSearchResult run(const PlanSearchOptions& options, const std::vector<FoundPlan>& known = {}) {
    options_ = options;
    best_ = HUGE_VAL;
    for (const auto& p : known) best_ = std::min(best_.load(), p.figures.of(options_.objective));
    next_ = 0;
    make_units();
    std::vector<std::thread> threads;
    std::vector<Worker> workers(std::max(1U, options_.threads));
    for (std::size_t i = 1; i < workers.size(); ++i) {
      threads.emplace_back([this, &workers, i] { work(workers[i], false); });
    }
    work(workers[0], true);
    for (auto& thread : threads) thread.join();
    return finish(workers);
  }

 private:
  void check_objectives() const {
    std::vector<Objective> asked = options_.pareto;
    if (asked.empty()) asked.push_back(options_.objective);
    const auto& limits = options_.limits;
    if (limits.energy_mwh) asked.push_back(Objective::energy);
    if (limits.tco2e) asked.push_back(Objective::carbon);
    if (limits.cost) asked.push_back(Objective::cost);
    for (const auto o : asked) {
      if (has(o)) continue;
      constexpr std::array<std::string_view, kObjectives> kHelp{
          "", "give device_tdp_w", "give --regions, or the column intensity_kg_per_kwh",
          "give --price-per-device-hour or --price-per-kwh"};
      throw InputError({"--objective", 0, 0}, fmt::format("{} cannot be computed", name_of(o)),
                       std::string{kHelp[static_cast<std::size_t>(o)]});
    }
  }

  struct Worker {
    std::vector<Candidate> best;  ///< heap, the worst on top
    std::vector<Candidate> misses;
    std::vector<Candidate> front;
    PlanCounts counts;
    std::array<double, 4> least_over{HUGE_VAL, HUGE_VAL, HUGE_VAL, HUGE_VAL};
    double least_overflow = HUGE_VAL;
  };

  static std::vector<std::string> or_one(const std::vector<std::string>& list) {
    return list.empty() ? std::vector<std::string>{""} : list;
  }
  static std::vector<double> or_else(const std::vector<double>& list, std::vector<double> usual) {
    return list.empty() ? std::move(usual) : list;
  }

  void make_sites(const RunRow& row) {
    for (const auto& region : or_one(space_.regions)) {
      RunRow copy = row;
      if (!region.empty()) {
        set_cell(copy, Col::region, region);
        copy.unset(Col::intensity_kg_per_kwh);
        copy.unset(Col::pue);
        if (catalogue_.grid(Grid::current).find(region) == nullptr) {
          throw InputError({"--regions", 0, 0}, fmt::format("unknown region '{}'", region),
                           region_hint(catalogue_.grid(Grid::current), region) +
                               " `planner list regions` shows all");
        }
      }
      Scenario s;
      Warnings warnings;
      RowFailure failure;
      if (!resolve(copy, catalogue_, options_.estimate, s, warnings, failure)) refuse(failure);
      Site site;
      site.region = region.empty() ? std::string{s.region_name} : region;
      if (s.pue) site.pue = *s.pue;
      const auto* hourly = options_.estimate.hourly;
      if (s.intensity) {
        site.intensity = s.intensity->in(tonne / megawatt_hour);
      } else if (hourly != nullptr) {
        site.intensity = hourly->open.value_or(hourly->series.mean()).in(tonne / megawatt_hour);
      }
      sites_.push_back(site);
    }
  }

  [[noreturn]] void refuse(const RowFailure& failure) const {
    throw InputError({std::string{column_of(failure.col).name}, 0, 0}, failure.what,
                     remedy(failure, catalogue_));
  }

  void add_machine(const RunRow& row, const std::string& device, const std::string& format,
                   double cap) {
    auto owned = std::make_unique<Machine>();
    auto& m = *owned;
    m.row = row;
    m.device = device;
    m.format = format;
    m.cap = cap;
    m.texts.reserve(8);
    for (const auto col : kPlanColumns) m.row.unset(col);
    for (const auto col : kMeasuredColumns) m.row.unset(col);
    const auto set = [&](Col col, std::string text) {
      m.texts.push_back(std::move(text));
      set_cell(m.row, col, m.texts.back());
    };
    if (!device.empty()) {
      set(Col::device, device);
      m.row.unset(Col::device_tdp_w);
      m.row.unset(Col::peak_tflops);
    }
    if (!format.empty()) set(Col::dtype, format);
    const auto match = catalogue_.devices().find(m.row.text(Col::device));
    m.xla = match.device != nullptr && match.device->kind == "tpu";
    if (!m.row.has(Col::framework_family)) {
      set(Col::framework_family, m.xla ? "maxtext_xla" : "megatron");
    }
    m.family = m.row.text(Col::framework_family);
    if (cap < 1) {
      if (match.device != nullptr && match.device->tdp) {
        m.limit_w = cap * match.device->tdp->in(watt / pretrain::device);
        set(Col::device_tdp_w, fmt::format("{}", m.limit_w));
      }
    }
    const double count =
        space_.counts.empty() ? m.row.number(Col::devices).value_or(0) : space_.counts.front();
    if (!(count > 0)) {
      throw InputError({"devices", 0, 0}, "no number of devices",
                       "give --devices 512, a list or a range, or the column devices");
    }
    set(Col::devices, fmt::format("{:.0f}", count));
    Result result;
    estimate_row(m.row, catalogue_, options_.estimate, result);
    if (!result.ok) refuse(result.failure);
    if (match.device != nullptr && !result.scenario.peak) {
      left_out_.push_back(fmt::format("{} has no {}", match.device->id, m.row.text(Col::dtype)));
      return;
    }
    take(result, m);
    m.stages = stages(m);
    m.chunks = chunks(m);
    machines_.push_back(std::move(owned));
  }

  void take(const Result& result, Machine& m) {
    Warnings warnings;
    RowFailure failure;
    if (!resolve(m.row, catalogue_, options_.estimate, m.s, warnings, failure)) refuse(failure);
    const auto& s = m.s;
    const auto& e = result.estimate;
    // What is taken where a name has variants, or the device lacks the format.
    if (s.device != nullptr) m.device = s.device->id;
    m.format = s.dtype_name;
    if (!e.duration.tokens) {
      throw InputError({"tokens_b", 0, 0}, "no number of tokens",
                       "give tokens_b: a plan is chosen for a whole run");
    }
    if (s.has_architecture && s.work_seq_len) {
      m.work.token = models::token_work(s.architecture, *s.work_seq_len);
    }
    auto basis = plan_basis(s, m.work);
    if (!basis || !basis->step) {
      throw InputError({"device", 0, 0},
                       fmt::format("the time of a step on '{}' cannot be predicted", m.device),
                       "give a device of `planner list devices`, and an architecture or params_b");
    }
    m.basis = std::move(*basis);
    m.question = *m.basis.step;
    m.tokens = *e.duration.tokens;
    m.seq_len = *s.work_seq_len;
    models::MemoryPlan plan;
    const auto speed = [&](models::StepSpeed& v, models::MemoryRecipe& recipe) {
      v = models::step_speed(m.question.device, software_of(s, plan), catalogue_.step_constants());
      recipe = fit_question(s, plan).recipe;
    };
    speed(m.alone, m.recipe_alone);
    plan.tp = 2;
    speed(m.divided, m.recipe_divided);
    for (const auto recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
      auto mode = s.mode;
      mode.recompute = recompute;
      using models::FlopConvention;
      const auto in = [&](FlopConvention convention) {
        return models::training_flop_per_token(m.work.token, convention, mode);
      };
      m.flop_per_token[static_cast<std::size_t>(recompute)] =
          in(FlopConvention::model_causal)*in(FlopConvention::hardware) /
          in(FlopConvention::model_full);
    }
    // Of a model that is stated by its size there is nothing else to count.
    if (!s.counted && e.work.per_token) m.flop_per_token.fill(*e.work.per_token);
    const auto& power = e.power;
    if (power.idle && power.most && power.host != nullptr) {
      m.powered = true;
      m.idle_w = power.idle->in(watt / device);
      m.most_w = power.most->in(watt / device);
      m.levels = power.levels;
      m.host = power.host_draw;
      const auto& l = m.levels;
      m.least_w = watts(m, std::min({l.products, l.slow, l.traffic, l.exchange, l.wait}));
    }
    if (e.carbon.embodied && e.duration.booked) {
      m.embodied_t_per_hour = e.carbon.embodied->in(tonne) / e.duration.booked->in(hour * device);
    }
    const auto& d = catalogue_.defaults();
    constexpr double kMillion = 1e6;
    m.faults = {d.interruptions.value / kMillion, d.checkpoint_s.value * second,
                d.restart_min.value * 60.0 * second, d.productive_share.value};
    if (s.goodput.basis == Basis::given) m.goodput = *s.goodput;
  }

  // ---- the space

  std::vector<double> tensor(const Machine& m) const {
    if (!space_.tp.empty()) return space_.tp;
    constexpr double kMost = 64;
    std::vector<double> list;
    const double most = std::min(kMost, m.question.device.domain);
    for (double tp = 1; tp <= most; tp *= 2) list.push_back(tp);
    return list;
  }
  std::vector<double> context(const Machine& m) const {
    if (!space_.cp.empty()) return space_.cp;
    constexpr double kLong = 16384;
    std::vector<double> list;
    for (double cp = 1; cp == 1 || cp * kLong / 2 <= m.seq_len; cp *= 2) list.push_back(cp);
    return list;
  }
  std::vector<double> experts(const Machine& m) const {
    const double experts = m.s.architecture.experts;
    if (!space_.ep.empty()) return space_.ep;
    std::vector<double> list;
    for (double ep = 1; ep <= std::max(1.0, experts); ep *= 2) list.push_back(ep);
    return list;
  }
  std::vector<double> micro_batches() const {
    return or_else(space_.micro_batch, {1, 2, 4, 8, 16, 32, 64});
  }
  std::vector<Recompute> recomputations() const {
    return space_.recompute.empty()
               ? std::vector{Recompute::none, Recompute::selective, Recompute::full}
               : space_.recompute;
  }
  std::vector<Sharding> shardings() const {
    return space_.sharding.empty()
               ? std::vector{Sharding::none, Sharding::zero1, Sharding::zero2, Sharding::zero3}
               : space_.sharding;
  }
  std::vector<bool> sequence_modes() const {
    return space_.sequence_parallel.empty() ? std::vector<bool>{true, false}
                                            : space_.sequence_parallel;
  }
  /// Ways in which the tensor parallel groups may stand.
  std::vector<bool> tensor_places(double tp) const {
    std::vector<bool> places{near_.front().tp};
    const auto other = [&](const NearGroups& near) { return near.tp != places.front(); };
    if (tp > 1 && std::any_of(near_.begin(), near_.end(), other)) places.push_back(!places.front());
    return places;
  }

  /// Whether no earlier assignment is the same for such groups.
  bool near_counts(std::size_t at, bool tp, bool dp, bool pp) const {
    const auto same = [&](const NearGroups& a, const NearGroups& b) {
      return (!tp || a.tp == b.tp) && (!dp || a.dp == b.dp) && (!pp || a.pp == b.pp);
    };
    for (std::size_t i = 0; i < at; ++i) {
      if (same(near_[i], near_[at])) return false;
    }
    return true;
  }

  /// Calls `each` with every variant of a schedule that is not the same as an earlier one. `where`:
  /// how tensor parallel groups stand; absent: any way.
  template <class Each>
  void for_variants(double tp, double ranks, double pp, bool sequence_parallel,
                    std::optional<bool> where, Each each) const {
    const bool messages = pp > 1 && tp > 1 && !sequence_parallel;
    for (std::size_t n = 0; n < near_.size(); ++n) {
      if (where && tp > 1 && near_[n].tp != *where) continue;
      if (!near_counts(n, tp > 1, ranks > 1, pp > 1)) continue;
      for (const auto kind : kinds_) {
        if (!sharding_counts(kind, ranks, pp)) continue;
        for (const bool overlap : overlaps_) {
          if (ranks <= 1 && overlap != overlaps_.front()) continue;
          for (const bool parts : messages_) {
            if (!messages && parts != messages_.front()) continue;
            each(Variant{kind, overlap, parts, static_cast<std::uint8_t>(n)});
          }
        }
      }
    }
  }

  std::vector<double> stages(const Machine& m) const {
    if (!space_.pp.empty()) return space_.pp;
    if (m.xla) return {1};
    constexpr double kMost = 128;
    const double layers = m.s.architecture.layers;
    std::vector<double> list;
    for (double pp = 1; pp <= std::min(kMost, layers); ++pp) {
      if (power_of_two(pp) || divides(pp, layers) || divides(pp, layers + 2)) list.push_back(pp);
    }
    return list;
  }
  std::vector<double> chunks(const Machine& m) const {
    if (!space_.interleave.empty()) return space_.interleave;
    constexpr double kMost = 32;
    const double layers = m.s.architecture.layers;
    std::vector<double> list;
    for (double v = 1; v <= std::min(kMost, layers); ++v) {
      if (divides(v, layers) || divides(v, layers + 2)) list.push_back(v);
    }
    return list;
  }

  bool heads_divide(const Machine& m, double tp) const {
    return tp == 1 || (!m.s.counted && power_of_two(tp)) || divides(tp, m.s.architecture.heads);
  }
  static bool experts_divide(const Machine& m, double ep, double ranks) {
    const double experts = m.s.architecture.experts;
    return ep == 1 || (experts > 0 && ep <= experts && divides(ep, experts) && divides(ep, ranks));
  }
  static bool stages_divide(const Machine& m, double pp, double v) {
    const double layers = m.s.architecture.layers;
    return pp <= layers && (v == 1 || divides(pp * v, layers) || edges_count(m, pp, v));
  }
  /// Whether embedding and head have to count as a layer each for the chunks to be even.
  static bool edges_count(const Machine& m, double pp, double v) {
    const double layers = m.s.architecture.layers;
    return pp > 1 && !divides(pp * v, layers) && divides(pp * v, layers + 2);
  }

  void make_shards(const Machine& m, std::vector<ShardChoice>& list) {
    const auto& c = catalogue_.step_constants();
    for (const double tp : tensor(m)) {
      for (const double cp : context(m)) {
        for (const double ep : experts(m)) {
          for (const double micro : micro_batches()) {
            for (const auto recompute : recomputations()) {
              for (const bool sp : sequence_modes()) {
                const bool valid = heads_divide(m, tp) && experts_possible(m, ep) &&
                                   !(sp && tp == 1 && sequence_modes().size() > 1);
                if (!valid) continue;
                for (const bool near : tensor_places(tp)) {
                  ShardChoice x{tp, cp, ep, micro, recompute, sp, near, {}, {}, 0, 0, 0};
                  time_shard(m, c, x);
                  list.push_back(x);
                }
              }
            }
          }
        }
      }
    }
  }
  static bool experts_possible(const Machine& m, double ep) {
    const double experts = m.s.architecture.experts;
    return ep == 1 || (experts > 0 && ep <= experts && divides(ep, experts));
  }

  void time_shard(const Machine& m, const models::StepConstants& c, ShardChoice& x) const {
    models::StepShard shard;
    shard.tp = x.tp;
    shard.cp = x.cp;
    shard.ep = x.ep;
    shard.sequence_parallel = x.sequence_parallel && x.tp > 1;
    shard.tp_near = x.tp_near;
    shard.seq_len = m.seq_len;
    shard.micro_batch = x.micro;
    shard.recompute = x.recompute;
    shard.recompute_stated = true;
    shard.frozen = m.recipe_divided.frozen;
    x.divided = models::shard_time(m.question.model, m.divided, shard, c);
    const bool undivided = x.tp == 1;
    if (undivided) x.alone = models::shard_time(m.question.model, m.alone, shard, c);
    const auto least = [&](const models::ShardTime& t, const models::StepSpeed& v) {
      const auto& b = t.block;
      const double each = m.question.model.layers * v.year * x.tp * x.cp / x.micro;
      const double computing = b.products + b.attention + b.recompute;
      const double exchange = b.tp + b.cp + b.all_to_all;
      const double moving = b.traffic + b.routing;
      const double waiting = std::max(0.0, b.host);
      const double joules =
          computing * watts(m, m.levels.slow) + moving * watts(m, m.levels.traffic) +
          exchange * watts(m, m.levels.exchange) + waiting * watts(m, m.levels.wait);
      return std::pair{each * b.total(), each * joules};
    };
    auto [time, energy] = least(x.divided, m.divided);
    x.busy_time = time;
    if (undivided) {
      const auto [time_alone, energy_alone] = least(x.alone, m.alone);
      x.busy_time = std::max(time, time_alone);
      time = std::min(time, time_alone);
      energy = std::min(energy, energy_alone);
    }
    // Rounding must not cut off what is as good.
    constexpr double kSlack = 1 - 1e-9;
    x.least_time = kSlack * time;
    x.least_energy = kSlack * energy;
  }

  /// Draw of a node for one device.
  static double watts(const Machine& m, double load) {
    return models::node_draw((m.idle_w + load * (m.most_w - m.idle_w)) * watt / device, m.host)
        .in(watt / device);
  }

  void make_arenas() {
    for (const auto& machine : machines_) {
      const Machine& m = *machine;
      auto& shards = shards_.emplace_back(std::make_unique<std::vector<ShardChoice>>());
      make_shards(m, *shards);
      const auto counts = or_else(space_.counts, {m.row.number(Col::devices).value_or(1)});
      for (const double devices : counts) {
        for (const double batch : or_else(space_.batches, {usual_batch(m, devices)})) {
          Arena a;
          a.machine = &m;
          a.shards = shards.get();
          a.devices = devices;
          a.batch = batch;
          if (m.goodput) {
            a.goodput = *m.goodput;
          } else {
            a.lost = models::goodput(devices * device, m.faults);
            a.goodput = a.lost.useful;
          }
          a.scale = 1 + models::lost_in_scale(m.divided, devices, catalogue_.step_constants());
          census(a);
          arenas_.push_back(a);
        }
      }
    }
  }

  static double usual_batch(const Machine& m, double devices) {
    return std::max(1.0, batch_of(m.s, devices));
  }

  /// Counts the plans of an arena by what becomes of them, without looking at each.
  void census(const Arena& a) {
    const Machine& m = *a.machine;
    const auto& pps = m.stages;
    const auto& vs = m.chunks;
    const auto eps = experts(m);
    const auto micros = micro_batches();
    const auto modes = sequence_modes();
    const auto recompute = static_cast<std::uint64_t>(recomputations().size());
    const auto sites = static_cast<std::uint64_t>(sites_.size());
    const auto n = [](const auto& list) { return static_cast<std::uint64_t>(list.size()); };
    // Of a shard and its schedule, all that is chosen beside.
    const std::uint64_t variants = n(kinds_) * n(overlaps_) * n(messages_) * n(near_);
    const std::uint64_t rest = n(eps) * n(vs) * n(micros) * n(modes) * variants * recompute * sites;
    for (const double tp : tensor(m)) {
      for (const double cp : context(m)) {
        for (const double pp : pps) {
          counts_.space += rest;
          const double replica = tp * cp * pp;
          if (replica > a.devices || !divides(replica, a.devices)) {
            counts_.devices_uneven += rest;
            continue;
          }
          const double dp = a.devices / replica;
          const double ranks = dp * cp * tp;
          std::uint64_t good_vs = 0;
          std::uint64_t idle_vs = 0;
          for (const double v : vs) {
            if (v > 1 && pp == 1) {
              ++idle_vs;
            } else if (stages_divide(m, pp, v)) {
              ++good_vs;
            }
          }
          std::uint64_t good_eps = 0;
          for (const double ep : eps) good_eps += experts_divide(m, ep, ranks) ? 1U : 0U;
          if (!heads_divide(m, tp)) good_eps = 0;
          std::uint64_t good_micros = 0;
          for (const double micro : micros) good_micros += divides(dp * micro, a.batch) ? 1U : 0U;
          std::uint64_t good_variants = 0;
          for (const bool sp : modes) {
            if (sp && tp == 1 && n(modes) > 1) continue;
            for_variants(tp, dp * cp, pp, sp && tp > 1, {},
                         [&](const Variant&) { ++good_variants; });
          }
          const std::uint64_t others = n(micros) * n(modes) * variants * recompute * sites;
          const std::uint64_t uneven = n(eps) * n(vs) - good_eps * (good_vs + idle_vs);
          counts_.model_uneven += uneven * others;
          const std::uint64_t even = good_eps * (good_vs + idle_vs);
          const std::uint64_t unshared =
              even * (n(micros) - good_micros) * n(modes) * variants * recompute * sites;
          counts_.batch_uneven += unshared;
          const std::uint64_t shared = even * good_micros;
          const std::uint64_t real = good_eps * good_vs * good_micros * good_variants;
          counts_.pointless += (shared * n(modes) * variants - real) * recompute * sites;
          valid_ += real * recompute * sites;
        }
      }
    }
  }

  /// With one replica all ways to share its state are none. Megatron's pipelines share the
  /// optimizer's alone; other ways are taken where they are asked for.
  bool sharding_counts(Sharding kind, double replicas, double pp) const {
    if (replicas <= 1) return kind == kinds_.front();
    const bool usual = kind == Sharding::none || kind == Sharding::zero1;
    return usual || pp == 1 || !space_.sharding.empty();
  }

  /// The least s of a step of any plan of a shard.
  static double least_step(const Arena& a, const ShardChoice& x) {
    return a.scale * x.least_time * a.batch / a.devices;
  }

  /// The least that any plan of a shard can cost with such a step, in each objective.
  std::array<double, kObjectives> bounds(const Arena& a, const ShardChoice& x, double step) const {
    const Machine& m = *a.machine;
    const double steps = m.tokens / (a.batch * m.seq_len);
    const double waits = a.lost.checkpoints + a.lost.restarts;
    const double hours = steps * step / a.goodput / kSecondsPerHour;  // of each device
    // At least the work of the shard; for the rest of the time it idles.
    const double rest = std::max(0.0, step * a.devices - x.busy_time * a.batch) * m.least_w;
    const double joules = steps * (x.least_energy * a.batch + rest) / a.goodput * (1 - waits);
    const double mwh = joules / kSecondsPerHour / kWattHoursPerMegawattHour;
    std::array<double, kObjectives> least{};
    least[0] = hours / kHoursPerDay;
    double facility = HUGE_VAL;
    double carbon = HUGE_VAL;
    for (const auto& site : sites_) {
      facility = std::min(facility, site.pue * mwh);
      carbon = std::min(carbon, site.pue * mwh * site.intensity.value_or(0));
    }
    least[1] = facility;
    least[2] = carbon + m.embodied_t_per_hour * hours * a.devices;
    least[3] = cost_of(hours * a.devices, facility);
    return least;
  }

  double cost_of(double hours, double mwh) const {
    constexpr double kKilo = 1e3;
    return options_.price_per_device_hour.value_or(0) * hours +
           options_.price_per_kwh.value_or(0) * mwh * kKilo;
  }

  void make_units() {
    units_.clear();
    const auto at = static_cast<std::size_t>(options_.objective);
    for (std::uint32_t i = 0; i < arenas_.size(); ++i) {
      const auto& a = arenas_[i];
      for (std::uint32_t j = 0; j < a.shards->size(); ++j) {
        const auto& x = (*a.shards)[j];
        if (!(x.least_time > 0)) continue;  // no plan
        if (x.tp * x.cp > a.devices || !divides(x.tp * x.cp, a.devices)) continue;
        units_.push_back({static_cast<float>(bounds(a, x, least_step(a, x))[at]), i, j});
      }
    }
    std::sort(units_.begin(), units_.end(), [](const Unit& a, const Unit& b) {
      return a.bound != b.bound   ? a.bound < b.bound
             : a.arena != b.arena ? a.arena < b.arena
                                  : a.shard < b.shard;
    });
  }

  // ---- the search

  double cut() const { return best_.load(std::memory_order_relaxed) * options_.ties; }

  void work(Worker& w, bool first) {
    constexpr std::size_t kChunk = 16;
    constexpr float kRounded = 1 - 1e-6F;
    const bool one = options_.pareto.empty();
    while (true) {
      const std::size_t from = next_.fetch_add(kChunk);
      if (from >= units_.size()) return;
      for (std::size_t i = from; i < std::min(from + kChunk, units_.size()); ++i) {
        if (options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed)) {
          stopped_ = true;
          return;
        }
        const auto& unit = units_[i];
        // What follows is worse still.
        if (options_.prune && one && unit.bound * kRounded > cut()) return;
        search(w, arenas_[unit.arena], unit);
      }
      if (first && options_.progress) {
        options_.progress(static_cast<double>(from) / static_cast<double>(units_.size()),
                          static_cast<double>(w.counts.judged) * options_.threads);
      }
    }
  }

  void search(Worker& w, const Arena& a, const Unit& unit) {
    const Machine& m = *a.machine;
    const auto& x = (*a.shards)[unit.shard];
    if (options_.prune && !options_.pareto.empty() && dominated(w, bounds(a, x, least_step(a, x))))
      return;
    const auto& c = catalogue_.step_constants();
    for (const double pp : m.stages) {
      const double replica = x.tp * x.cp * pp;
      if (replica > a.devices || !divides(replica, a.devices)) continue;
      const double dp = a.devices / replica;
      if (!divides(dp * x.micro, a.batch)) continue;
      if (!experts_divide(m, x.ep, dp * x.cp * x.tp)) continue;
      const bool divided = x.tp * pp > 1 || m.s.plan.stack == models::Stack::megatron;
      const auto& shard = divided || x.tp > 1 ? x.divided : x.alone;
      const auto& speed = divided ? m.divided : m.alone;
      for (const double v : m.chunks) {
        if ((v > 1 && pp == 1) || !stages_divide(m, pp, v)) continue;
        models::StepSchedule schedule;
        schedule.pp = pp;
        schedule.interleave = v;
        schedule.dp = dp;
        schedule.micro_batches = a.batch / dp / x.micro;
        if (options_.prune &&
            worse(w, a, x,
                  a.scale * models::least_step_time(m.question.model, speed, shard, schedule)))
          continue;
        const bool sp = x.sequence_parallel && x.tp > 1;
        std::array<MemoryOf, 4> memories;
        for_variants(x.tp, dp * x.cp, pp, sp, x.tp_near, [&](const Variant& variant) {
          auto& memory = memories[static_cast<std::size_t>(variant.sharding)];
          if (memory.known && !memory.fits) {
            w.counts.judged += sites_.size();
            w.counts.too_large += sites_.size();
            return;
          }
          schedule.sharding = dp * x.cp > 1 ? variant.sharding : Sharding::none;
          schedule.overlap = variant.overlap;
          schedule.scatter_gather = variant.scatter_gather;
          schedule.dp_near = near_[variant.near].dp;
          schedule.pp_near = near_[variant.near].pp;
          const auto time = models::step_time(m.question.model, speed, shard, schedule, c);
          w.counts.judged += sites_.size();
          judge(w, a, unit, pp, v, variant, time, speed, memory);
        });
      }
    }
  }

  /// Whether no plan of a shard with such a step can be among the best.
  bool worse(const Worker& w, const Arena& a, const ShardChoice& x, double step) const {
    const auto least = bounds(a, x, step);
    if (!options_.pareto.empty()) return dominated(w, least);
    return least[static_cast<std::size_t>(options_.objective)] > cut();
  }

  void judge(Worker& w, const Arena& a, const Unit& unit, double pp, double v,
             const Variant& variant, const models::StepTime& time, const models::StepSpeed& speed,
             MemoryOf& memory) {
    const Machine& m = *a.machine;
    const auto& x = (*a.shards)[unit.shard];
    Candidate found;
    auto& f = found.figures;
    f.step_s = time.total().in(second);
    const double steps = m.tokens / (a.batch * m.seq_len);
    const double hours = steps * f.step_s / a.goodput / kSecondsPerHour;
    f.days = hours / kHoursPerDay;
    const bool one = options_.pareto.empty();
    if (options_.prune && one && options_.objective == Objective::time && f.days > cut()) {
      return;
    }
    double mwh = 0;
    if (m.powered) {
      const double flop =
          m.flop_per_token[static_cast<std::size_t>(x.recompute)] * a.batch * m.seq_len / a.devices;
      const double pace =
          std::min(1.0, flop / (speed.products * models::computing(time).in(second)));
      auto shares = models::load_shares(time, pace);
      if (!m.goodput) shares = models::booked_shares(shares, a.lost);
      mwh =
          watts(m, models::load(shares, m.levels)) * hours * a.devices / kWattHoursPerMegawattHour;
    }
    // The site that is best for the objective and breaks no limit.
    const auto& limits = options_.limits;
    std::optional<std::size_t> chosen;
    PlanFigures best = f;
    double least = HUGE_VAL;
    bool within = false;
    for (std::size_t i = 0; i < sites_.size(); ++i) {
      const auto& site = sites_[i];
      PlanFigures here = f;
      here.facility_mwh = site.pue * mwh;
      here.total_tco2e = here.facility_mwh * site.intensity.value_or(0) +
                         m.embodied_t_per_hour * hours * a.devices;
      here.cost = cost_of(hours * a.devices, here.facility_mwh);
      const std::array over{excess(here.days, limits.days),
                            excess(here.facility_mwh, limits.energy_mwh),
                            excess(here.total_tco2e, limits.tco2e), excess(here.cost, limits.cost)};
      for (std::size_t k = 0; k < over.size(); ++k) {
        w.least_over[k] = std::min(w.least_over[k], over[k]);
      }
      if (*std::max_element(over.begin(), over.end()) > 1) {
        ++w.counts.over_limits;
        continue;
      }
      within = true;
      // Of sites that are alike for the objective, the one with less carbon.
      const double value = here.of(options_.objective);
      const bool better = value < least || (value == least && here.total_tco2e < best.total_tco2e);
      if (!chosen || better) {
        chosen = i;
        least = value;
        best = here;
      }
    }
    if (!within) return;
    found.figures = best;
    found.value = least;
    found.site = static_cast<std::uint32_t>(*chosen);
    found.arena = unit.arena;
    found.shard = unit.shard;
    found.pp = static_cast<float>(pp);
    found.interleave = static_cast<float>(v);
    found.variant = variant;
    if (one) {
      if (options_.prune && least > cut()) return;
      if (!fits(a, x, found, w, memory)) return;
      keep(w, found);
    } else {
      if (!fits(a, x, found, w, memory)) return;
      join_front(w, found);
    }
  }

  static double excess(double value, const std::optional<double>& limit) {
    return limit ? value / *limit : 0;
  }

  models::FitQuestion question_of(const Arena& a, const ShardChoice& x, double pp, double v,
                                  Sharding kind) const {
    const Machine& m = *a.machine;
    models::MemoryPlan plan;
    plan.tp = x.tp;
    plan.cp = x.cp;
    plan.pp = pp;
    plan.dp = a.devices / (x.tp * x.cp * pp);
    plan.ep = x.ep;
    plan.interleave = v;
    plan.sequence_parallel = x.sequence_parallel && x.tp > 1;
    plan.sharding = plan.dp * plan.cp > 1 ? kind : Sharding::none;
    plan.edges_as_layers = edges_count(m, pp, v);
    models::FitQuestion q;
    q.plan = plan;
    q.recipe = x.tp * pp > 1 ? m.recipe_divided : m.recipe_alone;
    q.recipe.micro_batch = x.micro;
    q.recipe.micro_batches = a.batch / plan.dp / x.micro;
    q.recipe.recompute = x.recompute;
    q.recompute = x.recompute;
    q.sharding = plan.sharding;
    q.micro_batch = x.micro;
    q.sequences = a.batch / plan.dp;
    q.exact = true;
    return q;
  }

  bool fits(const Arena& a, const ShardChoice& x, Candidate& found, Worker& w, MemoryOf& memory) {
    const Machine& m = *a.machine;
    if (!memory.known) {
      const auto q = question_of(a, x, static_cast<double>(found.pp),
                                 static_cast<double>(found.interleave), found.variant.sharding);
      const auto verdict = models::fit(m.basis.memory(), q, *m.s.device_memory);
      memory.known = true;
      memory.fits = verdict.fits && !verdict.tight;
      memory.gib = verdict.memory.allocated().in(gibibyte);
      memory.overflow = verdict.memory.total() / *m.s.device_memory - 1;
    }
    found.memory_gib = memory.gib;
    if (memory.fits) return true;
    w.counts.too_large += sites_.size();
    found.overflow = memory.overflow;
    w.least_overflow = std::min(w.least_overflow, found.overflow);
    constexpr std::size_t kMostMisses = 64;
    add_to(w.misses, found, kMostMisses);
    return false;
  }

  static void add_to(std::vector<Candidate>& heap, const Candidate& one, std::size_t most) {
    if (heap.size() >= most && !(one < heap.front())) return;
    heap.push_back(one);
    std::push_heap(heap.begin(), heap.end());
    if (heap.size() > most) {
      std::pop_heap(heap.begin(), heap.end());
      heap.pop_back();
    }
  }

  void keep(Worker& w, const Candidate& one) {
    double best = best_.load(std::memory_order_relaxed);
    while (one.value < best && !best_.compare_exchange_weak(best, one.value)) {
    }
    add_to(w.best, one, options_.most_told);
  }

  // ---- the front

  double of(const std::array<double, kObjectives>& values, Objective o) const {
    return values[static_cast<std::size_t>(o)];
  }

  /// Whether a plan that was found is at least as good in all and better in one.
  bool dominated(const Worker& w, const std::array<double, kObjectives>& least) const {
    return std::any_of(w.front.begin(), w.front.end(), [&](const Candidate& one) {
      return std::all_of(options_.pareto.begin(), options_.pareto.end(),
                         [&](Objective o) { return one.figures.of(o) < of(least, o); });
    });
  }

  bool beats(const Candidate& a, const Candidate& b) const {
    bool better = false;
    for (const auto o : options_.pareto) {
      const double x = a.figures.of(o);
      const double y = b.figures.of(o);
      if (x > y) return false;
      better = better || x < y;
    }
    return better || a.place() < b.place();
  }

  void join_front(Worker& w, const Candidate& one) const {
    for (const auto& other : w.front) {
      if (beats(other, one)) return;
    }
    std::erase_if(w.front, [&](const Candidate& other) { return beats(one, other); });
    w.front.push_back(one);
  }

  // ---- the answer

  FoundPlan found_plan(const Candidate& one) const {
    const auto& a = arenas_[one.arena];
    const auto& m = *a.machine;
    const auto& x = (*a.shards)[one.shard];
    FoundPlan p;
    p.device = m.device;
    p.format = m.format;
    p.devices = a.devices;
    p.power_cap = m.cap;
    p.limit_w = m.limit_w;
    p.family = m.family;
    p.batch = a.batch;
    p.tp = x.tp;
    p.pp = static_cast<double>(one.pp);
    p.cp = x.cp;
    p.dp = a.devices / (p.tp * p.pp * p.cp);
    p.ep = x.ep;
    p.interleave = static_cast<double>(one.interleave);
    p.micro_batch = x.micro;
    p.recompute = x.recompute;
    p.sharding = p.dp * p.cp > 1 ? one.variant.sharding : Sharding::none;
    p.overlap = one.variant.overlap;
    p.scatter_gather = one.variant.scatter_gather;
    p.near = near_[one.variant.near];
    p.edges_as_layers = edges_count(m, p.pp, p.interleave);
    p.sequence_parallel = x.sequence_parallel && x.tp > 1;
    p.state = (p.tp * p.pp > 1 ? m.recipe_divided : m.recipe_alone).state;
    p.region = sites_[one.site].region;
    p.figures = one.figures;
    p.memory_gib = one.memory_gib;
    p.overflow = one.overflow;
    return p;
  }

  PlanSearchResult finish(std::vector<Worker>& workers) {
    PlanSearchResult result;
    result.proven = !stopped_;
    result.counts = counts_;
    result.left_out = left_out_;
    for (std::size_t i = 0; i < kObjectives; ++i) result.known[i] = has(static_cast<Objective>(i));
    std::vector<Candidate> best;
    std::vector<Candidate> misses;
    Worker all;
    for (auto& w : workers) {
      result.counts.judged += w.counts.judged;
      result.counts.too_large += w.counts.too_large;
      result.counts.over_limits += w.counts.over_limits;
      best.insert(best.end(), w.best.begin(), w.best.end());
      misses.insert(misses.end(), w.misses.begin(), w.misses.end());
      for (const auto& one : w.front) join_front(all, one);
      for (std::size_t k = 0; k < all.least_over.size(); ++k) {
        all.least_over[k] = std::min(all.least_over[k], w.least_over[k]);
      }
      all.least_overflow = std::min(all.least_overflow, w.least_overflow);
    }
    result.counts.bounded = valid_ - std::min(valid_, result.counts.judged);
    if (!options_.pareto.empty()) {
      best = std::move(all.front);
      std::sort(best.begin(), best.end(), [&](const Candidate& a, const Candidate& b) {
        for (const auto o : options_.pareto) {
          if (a.figures.of(o) != b.figures.of(o)) return a.figures.of(o) < b.figures.of(o);
        }
        return a.place() < b.place();
      });
    } else {
      std::sort(best.begin(), best.end());
      if (!best.empty()) {
        const double most = best.front().value * options_.ties;
        std::erase_if(best, [&](const Candidate& one) { return one.value > most; });
        if (best.size() > options_.most_told) best.resize(options_.most_told);
      }
      std::sort(misses.begin(), misses.end());
      if (!best.empty()) {
        std::erase_if(misses, [&](const Candidate& one) { return !(one.value < best[0].value); });
      }
      std::stable_sort(misses.begin(), misses.end(), [](const Candidate& a, const Candidate& b) {
        return a.overflow < b.overflow;
      });
    }
    for (const auto& one : best) result.best.push_back(found_plan(one));
    constexpr std::size_t kMissesTold = 3;
    for (std::size_t i = 0; i < std::min(kMissesTold, misses.size()); ++i) {
      result.misses.push_back(found_plan(misses[i]));
    }
    if (result.best.empty()) explain_nothing(all, result);
    return result;
  }

  void explain_uneven(PlanSearchResult& result) const {
    const auto& n = result.counts;
    const auto& a = arenas_.front();
    const Machine& m = *a.machine;
    const auto tps = tensor(m);
    const double layers = m.s.architecture.layers;
    if (std::all_of(m.stages.begin(), m.stages.end(), [&](double pp) { return pp > layers; })) {
      result.failure = fmt::format("{:g} stages are more than the {:g} layers of the model",
                                   *std::min_element(m.stages.begin(), m.stages.end()), layers);
      result.help = "give --pp with no more stages than layers";
      return;
    }
    if (std::none_of(tps.begin(), tps.end(), [&](double tp) { return heads_divide(m, tp); })) {
      result.failure = fmt::format("no tensor parallel degree of the space divides the {:g} heads",
                                   m.s.architecture.heads);
      result.help = "give --tp with divisors of the heads";
      return;
    }
    result.failure =
        fmt::format("no plan of the space divides {} devices and a batch of {:g} sequences",
                    arenas_.size() > 1 ? "any number of" : fmt::format("{:g}", a.devices), a.batch);
    if (const double count = nearest_count(a); count > 0) {
      result.help = fmt::format("{:g} devices can be divided; or ", count);
    }
    result.help +=
        n.devices_uneven >= n.batch_uneven && n.devices_uneven >= n.model_uneven
            ? "allow other degrees: tp x pp x cp must divide the devices, replicas x micro-batch "
              "the batch"
        : n.batch_uneven >= n.model_uneven
            ? "give another --global-batch or --micro-batch: replicas x micro-batch must divide it"
            : "allow other degrees: tp divides the heads, ep the experts";
  }

  /// The largest number of devices below an arena's that some plan divides; 0: none.
  double nearest_count(const Arena& a) const {
    const Machine& m = *a.machine;
    const auto micros = micro_batches();
    const double micro = *std::min_element(micros.begin(), micros.end());
    for (double count = a.devices - 1; count >= a.devices / 2 && count >= 1; --count) {
      for (const double tp : tensor(m)) {
        if (!heads_divide(m, tp)) continue;
        for (const double cp : context(m)) {
          for (const double pp : m.stages) {
            const double replica = tp * cp * pp;
            if (pp > m.s.architecture.layers || !divides(replica, count)) continue;
            if (divides(count / replica * micro, a.batch)) return count;
          }
        }
      }
    }
    return 0;
  }

  void explain_nothing(const Worker& w, PlanSearchResult& result) const {
    const auto& n = result.counts;
    if (n.judged == 0) {
      explain_uneven(result);
      return;
    }
    struct Named {
      std::string_view what;
      std::string_view option;
    };
    constexpr std::array<Named, 4> kLimits{{{"the deadline", "--deadline"},
                                            {"the limit of energy", "--max-energy-mwh"},
                                            {"the limit of carbon", "--max-tco2e"},
                                            {"the budget", "--budget"}}};
    const auto worst = std::max_element(w.least_over.begin(), w.least_over.end());
    if (*worst > 1 && *worst < HUGE_VAL) {
      const auto& limit = kLimits[static_cast<std::size_t>(worst - w.least_over.begin())];
      result.failure = fmt::format("{} binds: the best plan of the space is at {:.3g} times it",
                                   limit.what, *worst);
      result.help =
          fmt::format("raise {}, or allow other devices, counts or regions", limit.option);
    } else if (n.too_large > 0) {
      result.failure = fmt::format(
          "memory binds: the smallest plan that was judged needs {:.3g} times what is usable",
          1 + w.least_overflow);
      result.help = "allow more devices, recomputation, sharding, or a device with more memory";
    } else {
      result.failure = "the limits bind together: each can be kept, but not all by one plan";
      result.help = "raise one of them";
    }
  }

  const PlanSpace& space_;
  PlanSearchOptions options_;
  const Catalogue& catalogue_;
  std::vector<Site> sites_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<std::unique_ptr<std::vector<ShardChoice>>> shards_;
  std::vector<Arena> arenas_;
  std::vector<Unit> units_;
  std::vector<Sharding> kinds_ = shardings();
  std::vector<bool> overlaps_ = space_.overlap.empty() ? std::vector{true} : space_.overlap;
  std::vector<bool> messages_ =
      space_.scatter_gather.empty() ? std::vector{true} : space_.scatter_gather;
  std::vector<NearGroups> near_ =
      space_.near.empty() ? std::vector<NearGroups>{NearGroups{}} : space_.near;
  std::vector<std::string> left_out_;
  PlanCounts counts_;
  std::uint64_t valid_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<double> best_{HUGE_VAL};
  std::atomic<bool> stopped_{false};
};

}  // namespace

std::string_view name_of(Objective objective) {
  switch (objective) {
    case Objective::time:
      return "time";
    case Objective::energy:
      return "energy";
    case Objective::carbon:
      return "carbon";
    case Objective::cost:
      return "cost";
  }
  return "time";
}

PlanSearchResult search_plans(const RunRow& row, const PlanSpace& space,
                              const PlanSearchOptions& options, const Catalogue& catalogue) {
  Engine engine{row, space, options, catalogue};
  auto result = engine.run(options);
  if (!options.others || !options.pareto.empty() || result.best.empty()) return result;
  // What the others would cost: as exact, in searches of their own.
  auto other = options;
  other.ties = 1;
  other.most_told = 1;
  other.progress = nullptr;
  for (std::size_t i = 0; i < kObjectives; ++i) {
    other.objective = static_cast<Objective>(i);
    if (other.objective == options.objective || !engine.has(other.objective)) continue;
    auto found = engine.run(other, result.best);
    if (!found.best.empty()) result.other[i] = std::move(found.best.front());
    result.proven = result.proven && found.proven;
  }
  return result;
}

RunRow row_of_plan(const RunRow& row, const FoundPlan& p, std::vector<std::string>& texts) {
  RunRow copy = row;
  for (const auto col : kPlanColumns) copy.unset(col);
  for (const auto col : kMeasuredColumns) copy.unset(col);
  texts.reserve(texts.size() + 24);
  const auto set = [&](Col col, std::string text) {
    texts.push_back(std::move(text));
    set_cell(copy, col, texts.back());
  };
  const auto number = [&](Col col, double value) { set(col, fmt::format("{}", value)); };
  if (!p.device.empty()) set(Col::device, p.device);
  if (!p.format.empty()) set(Col::dtype, p.format);
  if (p.limit_w > 0) number(Col::device_tdp_w, p.limit_w);
  number(Col::devices, p.devices);
  number(Col::global_batch_seqs, p.batch);
  number(Col::tp, p.tp);
  number(Col::pp, p.pp);
  number(Col::dp, p.dp);
  number(Col::cp, p.cp);
  number(Col::ep, p.ep);
  number(Col::interleave, p.interleave);
  number(Col::micro_batch_seqs, p.micro_batch);
  set(Col::recompute, std::string{name_of(p.recompute)});
  set(Col::sharding, std::string{name_of(p.sharding)});
  if (p.tp > 1) set(Col::sequence_parallel, p.sequence_parallel ? "true" : "false");
  // Else an estimate may take smaller ones to make it fit.
  if (p.state.weight > 0 && !row.has(Col::gradient_bytes) && !row.has(Col::optimizer_bytes)) {
    number(Col::gradient_bytes, p.state.gradient);
    number(Col::optimizer_bytes, p.state.optimizer);
  }
  if (p.edges_as_layers) set(Col::edges_as_layers, "true");
  if (!p.overlap) set(Col::overlap_gradients, "false");
  if (!p.scatter_gather) set(Col::scatter_gather, "false");
  if (p.near != NearGroups{}) set(Col::near_groups, name_of(p.near));
  if (!row.has(Col::framework_family)) set(Col::framework_family, p.family);
  if (!p.region.empty() && p.region != row.text(Col::region)) {
    set(Col::region, p.region);
    copy.unset(Col::intensity_kg_per_kwh);
    copy.unset(Col::pue);
  }
  return copy;
}

}  // namespace pretrain::planner
