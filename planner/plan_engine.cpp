#include "planner/plan_engine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <tuple>
#include <utility>

#include "models/core/input_error.hpp"
#include "models/core/whole.hpp"
#include "models/goodput.hpp"
#include "models/power.hpp"
#include "planner/estimate.hpp"
#include "planner/plan_failure.hpp"
#include "planner/plan_machine.hpp"
#include "planner/plan_row.hpp"
#include "planner/step_question.hpp"
#include "planner/warnings.hpp"

namespace pretrain::planner {

namespace {

using models::Sharding;

constexpr double kWattHoursPerMegawattHour = 1e6;
constexpr double kHoursPerDay = 24;
constexpr double kSecondsPerHour = 3600;

/// Where the electricity comes from.
struct Site {
  std::string region;
  double pue = 1;
  std::optional<double> intensity;  ///< t/MWh
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

class Engine {
 public:
  Engine(const RunRow& row, const PlanSpace& space, const PlanSearchOptions& options,
         const Catalogue& catalogue)
      : space_{space}, options_{options}, catalogue_{catalogue} {
    make_sites(row);
    for (const auto& device : or_one(space.devices)) {
      for (const auto& format : or_one(space.formats)) {
        for (const double cap : or_else(space.power_caps, {1})) {
          const double count =
              space.counts.empty() ? row.number(Col::devices).value_or(0) : space.counts.front();
          std::string lacking;
          auto machine = make_machine(row, space, {device, format, cap, count}, catalogue,
                                      options.estimate, lacking);
          if (machine != nullptr) {
            machines_.push_back(std::move(machine));
          } else {
            left_out_.push_back(std::move(lacking));
          }
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
        if (catalogue_.grid(options_.estimate.grid).find(region) == nullptr) {
          throw InputError({"--regions", 0, 0}, fmt::format("unknown region '{}'", region),
                           region_hint(catalogue_.grid(options_.estimate.grid), region) +
                               " `planner list regions` shows all");
        }
      }
      Scenario s;
      Warnings warnings;
      RowFailure failure;
      if (!resolve(copy, catalogue_, options_.estimate, s, warnings, failure)) {
        refuse(failure, catalogue_);
      }
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

  void make_arenas() {
    for (const auto& machine : machines_) {
      const Machine& m = *machine;
      auto& shards = shards_.emplace_back(std::make_unique<std::vector<ShardChoice>>());
      *shards = make_shards(m, catalogue_.step_constants());
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
          valid_ += m.choices->census(a.devices, a.batch, sites_.size(), counts_);
          arenas_.push_back(a);
        }
      }
    }
  }

  /// Stated, else about the usual one: as many replicas as can be share it evenly, with a power of
  /// two for each, which stages share, too.
  static double usual_batch(const Machine& m, double devices) {
    const double batch = std::max(1.0, batch_of(m.s, devices));
    if (m.s.global_batch) return batch;
    double replicas = devices;
    while (2 * replicas > batch && divides(2, replicas)) replicas /= 2;
    return replicas * std::max(1.0, std::exp2(std::round(std::log2(batch / replicas))));
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
    const auto& choices = *m.choices;
    for (const double pp : choices.pp) {
      const double replica = x.tp * x.cp * pp;
      if (replica > a.devices || !divides(replica, a.devices)) continue;
      const double dp = a.devices / replica;
      if (!divides(dp * x.micro, a.batch)) continue;
      if (!choices.experts_divide(x.ep, dp * x.cp * x.tp)) continue;
      const bool divided = x.tp * pp > 1 || m.s.plan.stack == models::Stack::megatron;
      const auto& shard = divided || x.tp > 1 ? x.divided : x.alone;
      const auto& speed = divided ? m.divided : m.alone;
      for (const double v : choices.interleave) {
        if ((v > 1 && pp == 1) || !choices.stages_divide(pp, v)) continue;
        if (!PlanChoices::turns_divide(pp, v, a.batch / dp / x.micro)) continue;
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
        choices.for_variants(x.tp, dp * x.cp, pp, sp, x.tp_near, [&](const Variant& variant) {
          auto& memory = memories[static_cast<std::size_t>(variant.sharding)];
          if (memory.known && !memory.fits) {
            w.counts.judged += sites_.size();
            w.counts.too_large += sites_.size();
            return;
          }
          schedule.sharding = dp * x.cp > 1 ? variant.sharding : Sharding::none;
          schedule.overlap = variant.overlap;
          schedule.scatter_gather = variant.scatter_gather;
          schedule.dp_near = choices.near[variant.near].dp;
          schedule.pp_near = choices.near[variant.near].pp;
          auto time = models::step_time(m.question.model, speed, shard, schedule, c);
          time.teacher = teacher_time(m.question, a.batch * m.seq_len / a.devices, speed);
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
      mwh = m.watts(models::load(shares, m.levels)) * hours * a.devices / kWattHoursPerMegawattHour;
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
    plan.edges_as_layers = m.choices->edges_count(pp, v);
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
    p.near = m.choices->near[one.variant.near];
    p.edges_as_layers = m.choices->edges_count(p.pp, p.interleave);
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
    if (result.best.empty()) {
      const auto& a = arenas_.front();
      auto failure = explain_nothing({result.counts, *a.machine, a.devices, a.batch,
                                      arenas_.size() > 1, all.least_over, all.least_overflow});
      result.failure = std::move(failure.what);
      result.help = std::move(failure.help);
    }
    return result;
  }

  const PlanSpace& space_;
  PlanSearchOptions options_;
  const Catalogue& catalogue_;
  std::vector<Site> sites_;
  std::vector<std::unique_ptr<Machine>> machines_;
  std::vector<std::unique_ptr<std::vector<ShardChoice>>> shards_;
  std::vector<Arena> arenas_;
  std::vector<Unit> units_;
  std::vector<std::string> left_out_;
  PlanCounts counts_;
  std::uint64_t valid_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<double> best_{HUGE_VAL};
  std::atomic<bool> stopped_{false};
};

}  // namespace

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

}  // namespace pretrain::planner
