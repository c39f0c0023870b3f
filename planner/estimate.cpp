#include "planner/estimate.hpp"

#include <fmt/format.h>

#include <cmath>

#include "models/core/text.hpp"
#include "models/core/whole.hpp"
#include "models/efficiency.hpp"
#include "models/training_compute.hpp"
#include "models/wall_time.hpp"
#include "planner/emissions.hpp"
#include "planner/memory_fit.hpp"

namespace pretrain::planner {

namespace {

/// Stated values that differ by more than this contradict each other.
constexpr double kContradiction = 0.02;
/// An implied efficiency this far above the modeled one is questioned.
constexpr double kOptimism = 0.10;
/// Below this, an implied efficiency means that something else was stated than was meant.
constexpr double kIdle = 0.05;

// Equations: their sources stand in the register.
const Origin kRegression{"efficiency.llmcarbon", "", "", true};
const Origin kConverted{"efficiency.converted", "", "", true};
const Origin kRegressionHardware{"efficiency.llmcarbon.hardware", "", "", true};
const Origin kModeledStep{"efficiency.step", "", "", true};
const Origin kGoodput{"goodput.useful", "", "", true};
const Origin kImplied{"efficiency.implied", "", "", true};
const Origin kSolvedTokens{"tokens.reached", "", "", true};
const Origin kSolvedDevices{"devices.needed", "", "", true};
const Origin kSolvedTime{"time.training", "", "", true};
const Origin kBooked{"time.device_hours", "", "", true};
const Origin kBookedDays{"time.booked", "", "", true};
const Origin kBookedDevices{"devices.booked", "", "", true};
const Origin kPlanned{"tp pp dp cp of the plan", "", "", true};
const Origin kReplica{"tp pp cp of the plan: one replica", "", "", true};

template <class T>
Known<T> computed(T value) {
  return known(value, Basis::model, nullptr);
}

/// Tokens, devices, days and booked hours: what is stated, and what follows from it.
class Solver {
 public:
  Solver(const Scenario& scenario, const Catalogue& catalogue, Estimate& e, Warnings& warnings,
         RowFailure& failure)
      : s_{scenario},
        constants_{catalogue.step_constants()},
        spread_{catalogue.step_spread()},
        defaults_{catalogue.defaults()},
        profile_{catalogue.profile()},
        e_{e},
        warnings_{warnings},
        failure_{failure} {}

  bool solve() {
    auto& d = e_.duration;
    d.tokens = s_.tokens;
    d.devices = s_.devices;
    d.days = s_.days;
    d.booked = s_.booked;
    d.goodput = s_.goodput;
    if (!reconcile_hours()) return false;
    find_work();
    if (e_.work.per_token && d.tokens) {
      e_.work.compute = computed(models::training_compute(*e_.work.per_token, *d.tokens));
    }
    const bool open = !d.booked && !d.devices;
    if (open && (s_.plan.dp || !(d.tokens && d.days))) default_devices();
    book();
    if (!find_efficiency()) return false;
    const auto& utilization = e_.rate.mfu ? e_.rate.mfu : e_.rate.hfu;
    if (utilization && s_.peak) {
      e_.rate.flops = computed(models::device_rate(*utilization, *s_.peak));
      if (e_.work.per_token) {
        e_.rate.tokens =
            computed(models::tokens_per_second_per_device(*e_.rate.flops, *e_.work.per_token));
      }
    }
    // Hardware FLOPs too, where it is known what is recomputed.
    if (e_.rate.mfu && s_.counted && s_.recompute_basis == Basis::given) {
      const auto hardware = flop_per_token(s_, e_.work, models::FlopConvention::hardware);
      if (hardware && e_.work.per_token) {
        e_.rate.hfu = computed(*e_.rate.mfu * *hardware / *e_.work.per_token);
      }
    }
    if (e_.rate.flops && e_.work.per_token && !solve_with_rate()) return false;
    book();
    if (!e_.fit.verdict && s_.plan.said && plans() != nullptr) {
      e_.fit = memory_fit(s_, *basis_, d.devices, constants_, warnings_);
    }
    e_.rate.batch = s_.global_batch;
    if (!s_.global_batch && s_.plan.micro_batch && s_.plan.micro_batches && e_.step.question) {
      e_.rate.batch = computed(e_.step.question->batch_tokens / *s_.work_seq_len);
    }
    if (e_.rate.tokens && d.devices && s_.seq_len && e_.rate.batch) {
      e_.rate.iteration = computed(
          models::iteration_time(*s_.seq_len * *e_.rate.batch, *e_.rate.tokens, *d.devices));
    }
    return true;
  }

 private:
  /// FLOPs of a token: by component where the architecture is known.
  void find_work() {
    auto& work = e_.work;
    if (s_.counted && s_.work_seq_len) {
      work.token = models::token_work(s_.architecture, *s_.work_seq_len);
    }
    if (const auto flop = flop_per_token(s_, work, s_.convention)) work.per_token = computed(*flop);
  }

  bool reconcile_hours() {
    auto& d = e_.duration;
    if (d.booked && d.devices && d.days) {
      const double ratio = *d.devices * *d.days / *d.booked;
      if (std::abs(ratio - 1.0) > kContradiction) {
        failure_ = {fmt::format("devices x days x 24 h is {:.4g} h, but device_hours is {:.4g}",
                                models::booked_time(*d.devices, *d.days).in(hour * device),
                                d.booked->in(hour * device)),
                    "leave one of devices, days and device_hours blank", Col::device_hours};
        return false;
      }
    } else if (d.booked && d.devices) {
      d.days = known(models::booked_days(*d.booked, *d.devices), Basis::model, &kBookedDays);
    } else if (d.booked && d.days) {
      d.devices = known(models::booked_devices(*d.booked, *d.days), Basis::model, &kBookedDevices);
    } else {
      book();
    }
    return true;
  }

  /// Devices and days make device hours.
  void book() {
    auto& d = e_.duration;
    if (d.booked || !d.devices || !d.days) return;
    d.booked = known(models::booked_time(*d.devices, *d.days), Basis::model, &kBooked);
  }

  double modeled_mfu() {
    const double params = *s_.active_params;
    if (params < models::kLlmcarbonLeastParams || params > models::kLlmcarbonMostParams) {
      warnings_.add({Oddity::efficiency_range, params, 0, {}, {}});
    }
    const bool low_precision = s_.dtype == hardware::Dtype::fp8 ||
                               s_.dtype == hardware::Dtype::int8 ||
                               s_.dtype == hardware::Dtype::fp4;
    if (low_precision) warnings_.add({Oddity::low_precision, 0, 0, s_.dtype_name, {}});
    return in_convention(models::llmcarbon_mfu(params));
  }

  /// The regression is of FLOPs that count attention in full: the same rate in the convention of
  /// this run.
  double in_convention(double utilization) const {
    const auto full = flop_per_token(s_, e_.work, models::FlopConvention::model_full);
    if (!full || !e_.work.per_token) return utilization;
    return models::converted_mfu(utilization, *full, *e_.work.per_token);
  }

  const PlanBasis* plans() {
    if (!basis_) basis_ = plan_basis(s_, e_.work);
    return basis_ ? &*basis_ : nullptr;
  }

  /// Utilization on so many devices, with plan and step in the estimate; absent, and so are they,
  /// where it cannot be known.
  std::optional<double> step_on(const Known<Devices>& devices, Warnings& warnings) {
    if (!s_.peak || !e_.work.per_token || plans() == nullptr || !basis_->step) return std::nullopt;
    auto& fit = e_.fit;
    auto& step = e_.step;
    step.half_width = 0;
    step.question.reset();
    fit = memory_fit(s_, *basis_, devices, constants_, warnings);
    if (!fit.verdict) return std::nullopt;
    auto& q = step.question.emplace(*basis_->step);
    take_plan(s_, *fit.verdict, q);
    // Devices that a plan of ours leaves idle are paid for.
    if (!s_.plan.dp) q.devices = std::max(q.devices, fit.devices);
    q.chosen = fit.chose_plan && s_.options.plan != PlanMode::best &&
               q.device.maker != models::Maker::google;
    step.half_width_90 = spread_.width(q.run_class, q.unseen, q.chosen);
    warn_of_profile();
    step.half_width = models::half_width(step.half_width_90, s_.options.interval);
    step.time = step_time(q, constants_);
    lose_time(q.devices);
    return models::step_mfu(q.batch_tokens / q.devices, work_of(*fit.verdict), step.time.total(),
                            *s_.peak);
  }

  void warn_of_profile() {
    if (profile_ == nullptr) return;
    const bool device = s_.device != nullptr && s_.device->generation != profile_->device;
    const bool family =
        !profile_->family.empty() && !s_.plan.family.empty() && s_.plan.family != profile_->family;
    if (device || family) {
      warnings_.add({Oddity::profile_elsewhere, 0, 0, profile_->name, {}});
    }
  }

  /// Goodput of a run whose step is modeled: a measured efficiency has lost time in it or not.
  void lose_time(double devices) {
    if (s_.goodput.basis == Basis::given) return;
    auto& d = e_.duration;
    const auto assumed = [](const hardware::Default& of, auto value) {
      return known(value, Basis::fallback, &of.origin);
    };
    constexpr double kMillion = 1e6;
    constexpr Time kMinute = 60.0 * second;
    d.interruptions = assumed(defaults_.interruptions, defaults_.interruptions.value);
    d.checkpoint = assumed(defaults_.checkpoint_s, defaults_.checkpoint_s.value * second);
    d.restart = assumed(defaults_.restart_min, defaults_.restart_min.value * kMinute);
    d.productive = assumed(defaults_.productive_share, defaults_.productive_share.value);
    d.shares = models::goodput(
        devices * device, {*d.interruptions / kMillion, *d.checkpoint, *d.restart, *d.productive});
    d.goodput = known(d.shares->useful, Basis::model, &kGoodput);
  }

  /// Work of a token. Where it counts recomputation and the plan is not the row's, that of the
  /// plan.
  double work_of(const models::FitVerdict& verdict) const {
    if (s_.convention != models::FlopConvention::hardware || !s_.counted ||
        s_.options.plan == PlanMode::stated) {
      return *e_.work.per_token;
    }
    auto mode = s_.mode;
    mode.recompute = verdict.recipe.recompute;
    return models::training_flop_per_token(e_.work.token, s_.convention, mode);
  }

  void take(double mfu) {
    const double work = work_of(*e_.fit.verdict);
    if (work != *e_.work.per_token) {
      e_.work.per_token = computed(work);
      if (e_.duration.tokens) {
        e_.work.compute = computed(models::training_compute(work, *e_.duration.tokens));
      }
    }
    e_.rate.mfu = known(mfu, Basis::model, &kModeledStep);
  }

  /// Utilization from the time of a step. False with no failure where that cannot be known.
  bool find_step() {
    auto& d = e_.duration;
    if (!d.devices && !d.booked) return d.tokens && d.days && find_devices();
    const auto mfu = d.devices ? step_on(d.devices, warnings_) : step_on_usual();
    if (mfu) take(*mfu);
    return mfu.has_value();
  }

  /// Hours are known, but not of how many devices: one node, or as many as hold the run.
  std::optional<double> step_on_usual() {
    constexpr double kMost = 1 << 16;
    Warnings unsaid;
    for (double devices = std::max({1.0, *s_.devices_per_node, s_.plan.replica()});; devices *= 2) {
      const auto number = known(devices * device, Basis::fallback, s_.devices_per_node.origin);
      const auto mfu = step_on(number, unsaid);
      if (!mfu || devices >= kMost || !e_.fit.verdict || e_.fit.verdict->fits) return mfu;
    }
  }

  /// As few devices as hold the run and are done in the stated days: the plan sets their speed, and
  /// their number the plan. More than a node's come in nodes.
  bool find_devices() {
    constexpr double kMost = 1 << 22;
    constexpr double kFirstGuess = 0.4;
    constexpr double kSlack = 1e-9;
    auto& d = e_.duration;
    const double replica = s_.plan.replica();
    const double node = std::max(1.0, *s_.devices_per_node);
    const auto whole = [&](double devices) {
      const double unit = devices > node && divides(replica, node) ? node : replica;
      return unit * std::max(1.0, std::ceil(devices / unit * (1 - kSlack)));
    };
    const auto number = [](double devices) {
      return known(devices * device, Basis::model, &kSolvedDevices);
    };
    Warnings unsaid;
    double wanted = 0;  // that the speed of those last tried asks for
    const auto needed = [&](double mfu) {
      const auto devices = models::devices_needed(
          *e_.work.compute, models::device_rate(mfu, *s_.peak), *d.days, *d.goodput);
      return whole(devices.in(device));
    };
    bool known_time = true;
    const auto enough = [&](double devices) {
      unsaid.clear();
      const auto mfu = step_on(number(devices), unsaid);
      known_time = mfu.has_value();
      if (!known_time) return false;
      wanted = needed(*mfu * *e_.work.per_token / work_of(*e_.fit.verdict));
      return wanted <= devices && !e_.fit.infeasible();
    };
    const double first = needed(kFirstGuess);
    double most = first;
    double least = 0;  // too few
    while (!enough(most)) {
      if (!known_time) return false;
      if (most > kMost) {
        if (!e_.fit.infeasible()) return never_done();
        most = first;  // as it is, no number of devices holds it
        break;
      }
      least = most;
      most = whole(wanted > most ? std::min(wanted, 2 * most) : 2 * most);
    }
    const double guess = wanted;
    if (guess < most && guess > least && enough(guess)) most = guess;
    while (true) {
      const double middle = whole((least + most) / 2);
      if (middle <= least || middle >= most) break;
      (enough(middle) ? most : least) = middle;
    }
    // Round numbers share a batch evenly, and may do with fewer.
    constexpr double kParts = 8;  // of an octave
    const double octave = std::exp2(std::floor(std::log2(most)));
    const double at_peak = needed(1);
    for (double k = 0; k < 2 * kParts; ++k) {
      const double low = k < kParts ? octave / 2 : octave;
      const double round = low * (1 + std::fmod(k, kParts) / kParts);
      if (round >= most) break;
      if (round >= at_peak && round == whole(round) && enough(round)) {
        most = round;
        break;
      }
    }
    const auto mfu = step_on(number(most), warnings_);
    if (!mfu) return false;
    take(*mfu);
    d.devices = number(most);
    // The fewest that hold it may be done long before.
    constexpr double kEarly = 0.9;
    const auto takes = models::training_time(
        *e_.work.compute, models::device_rate(*e_.rate.mfu, *s_.peak), *d.devices, *d.goodput);
    if (takes < kEarly * *d.days && !e_.fit.infeasible()) {
      warnings_.add({Oddity::early, most, takes.in(day), {}, {}});
      d.days = known(takes, Basis::model, &kSolvedTime);
    }
    return true;
  }

  bool never_done() {
    failure_ = {fmt::format("no number of devices is done with {:.4g} tokens in {:.4g} days",
                            *e_.duration.tokens, e_.duration.days->in(day)),
                "replicas have a sequence each at least: give more days, fewer tokens_b, or a "
                "larger global_batch_seqs",
                Col::days};
    failed_ = true;
    return false;
  }

  bool find_efficiency() {
    if (s_.mfu) {
      e_.rate.mfu = s_.mfu;
      return true;
    }
    if (!s_.peak || !s_.active_params) return true;
    const bool stated_duration = e_.work.compute && e_.duration.booked;
    if (!stated_duration) {
      if (s_.options.method == Method::full && find_step()) return true;
      if (failed_) return false;
      if (s_.options.method == Method::full && s_.device != nullptr) {
        warnings_.add({Oddity::regression, 0, 0, s_.device->id, s_.type});
      }
      const double mfu = modeled_mfu();
      if (s_.options.method == Method::llmcarbon) {
        e_.rate.hfu =
            known(models::llmcarbon_hfu(*s_.active_params), Basis::model, &kRegressionHardware);
      } else {
        e_.rate.mfu = known(mfu, Basis::model, s_.counted ? &kConverted : &kRegression);
        if (s_.options.method == Method::full) {
          e_.step.half_width_90 = spread_.regression;
          e_.step.half_width = models::half_width(spread_.regression, s_.options.interval);
        }
      }
      return true;
    }
    const double implied =
        models::implied_mfu(*e_.work.compute, *s_.peak, *e_.duration.booked, *s_.goodput);
    if (implied > 1.0) {
      failure_ = {fmt::format("{:.4g} tokens in {:.4g} device hours need an MFU of {:.3g}, above "
                              "the peak of the device",
                              *e_.duration.tokens, e_.duration.booked->in(hour * device), implied),
                  "leave one of tokens_b, devices and days blank to have it solved for",
                  Col::tokens_b};
      return false;
    }
    e_.rate.mfu = known(implied, Basis::model, &kImplied);
    double usual = in_convention(models::llmcarbon_mfu(*s_.active_params));
    if (implied > usual * (1.0 + kOptimism) && s_.options.method == Method::full) {
      Warnings unsaid;
      if (const auto mfu = step_on(e_.duration.devices, unsaid)) usual = *mfu;
      e_.fit = {};  // what is predicted is not what is done
      e_.step = {};
      e_.duration.goodput = s_.goodput;
      e_.duration.shares.reset();
    }
    if (implied > usual * (1.0 + kOptimism)) {
      warnings_.add({Oddity::implied_mfu, implied, usual, {}, {}});
    } else if (implied < kIdle) {
      warnings_.add({Oddity::implied_idle, implied, usual, {}, {}});
    }
    return true;
  }

  void default_devices() {
    // Only where a number of devices makes a difference to something.
    if (!s_.peak || !s_.active_params || s_.device_name.empty()) return;
    const auto& plan = s_.plan;
    if (plan.dp) {
      e_.duration.devices = known(plan.replica() * *plan.dp * device, Basis::model, &kPlanned);
      return;
    }
    if (plan.replica() > *s_.devices_per_node) {
      e_.duration.devices = known(plan.replica() * device, Basis::fallback, &kReplica);
      return;
    }
    e_.duration.devices =
        known(*s_.devices_per_node * device, Basis::fallback, s_.devices_per_node.origin);
  }

  bool solve_with_rate() {
    auto& d = e_.duration;
    if (d.tokens) {
      const Flop compute = *e_.work.compute;
      if (d.booked) return agrees(compute);
      if (d.days && !d.devices) {
        d.devices = known(models::devices_needed(compute, *e_.rate.flops, *d.days, *d.goodput),
                          Basis::model, &kSolvedDevices);
      } else if (d.devices && !d.days) {
        d.days = known(models::training_time(compute, *e_.rate.flops, *d.devices, *d.goodput),
                       Basis::model, &kSolvedTime);
      }
      return true;
    }
    book();
    if (d.booked) {
      const Flop compute = models::compute_done(*e_.rate.flops, *d.booked, *d.goodput);
      e_.work.compute = computed(compute);
      d.tokens =
          known(models::tokens_reached(compute, *e_.work.per_token), Basis::model, &kSolvedTokens);
    }
    return true;
  }

  /// With a given efficiency, tokens and booked hours say the same thing twice.
  bool agrees(Flop compute) {
    if (s_.mfu.basis != Basis::given) return true;
    const DeviceTime needed = compute / *e_.rate.flops / *e_.duration.goodput;
    if (std::abs(needed / *e_.duration.booked - 1.0) <= kContradiction) return true;
    failure_ = {fmt::format("at an MFU of {:.3g}, {:.4g} tokens take {:.4g} device hours, but "
                            "{:.4g} are stated",
                            *e_.rate.mfu, *e_.duration.tokens, needed.in(hour * device),
                            e_.duration.booked->in(hour * device)),
                "leave one of tokens_b, devices, days and mfu blank to have it solved for",
                Col::tokens_b};
    return false;
  }

  const Scenario& s_;
  const models::StepConstants& constants_;
  const models::StepSpread& spread_;
  const hardware::Defaults& defaults_;
  const Catalogue::ProfileMark* profile_;
  std::optional<PlanBasis> basis_;
  Estimate& e_;
  Warnings& warnings_;
  RowFailure& failure_;
  bool failed_ = false;
};

/// What the row lacks for anything to be computed.
RowFailure nothing_to_compute(const Scenario& s) {
  if (s.device_name.empty() && !s.peak && !s.system_power && !s.tdp) {
    return {"no device: nothing can be computed",
            "give a device (`planner list devices`), with params_b and tokens_b, or with "
            "device_hours",
            Col::device};
  }
  if (!s.unknown_architecture.empty()) {
    return {fmt::format("unknown architecture '{}'", shortened(s.unknown_architecture)), "",
            Col::architecture, RowFailure::Nearest::architectures, s.unknown_architecture};
  }
  if (s.missing.any() && !s.active_params) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < models::kFields; ++i) {
      if (s.missing[i]) names.emplace_back(models::kFieldInfo[i].name);
    }
    return {
        fmt::format("{} {} not known", quoted_list(names, "and"), names.size() > 1 ? "are" : "is"),
        "the work of the model depends on it; or give active_params_b", Col::params_b};
  }
  if (s.architecture_origin != nullptr && !s.counted && !s.active_params) {
    return {fmt::format("the dimensions of '{}' do not give its parameters",
                        shortened(s.architecture_name)),
            "give params_b, and active_params_b of a mixture of experts", Col::params_b};
  }
  if (s.total_params && !s.active_params) {
    return {"a mixture of experts without active_params_b: its work is unknown",
            "give the parameters that one token meets", Col::params_b};
  }
  return {
      "neither the work (params_b, tokens_b) nor the hours (device_hours, or devices and days) "
      "are known",
      "give params_b and two of tokens_b, devices and days; or device_hours", Col::params_b};
}

}  // namespace

std::string remedy(const RowFailure& failure, const Catalogue& catalogue) {
  constexpr std::size_t kNamed = 3;
  switch (failure.nearest) {
    case RowFailure::Nearest::devices:
      return fmt::format(
          "did you mean {}? `planner list devices` shows all; or give peak_tflops "
          "and device_tdp_w",
          quoted_list(nearest(catalogue.devices().names(), failure.wanted, kNamed), "or"));
    case RowFailure::Nearest::architectures:
      return fmt::format(
          "did you mean {}? `planner list architectures` shows all; or give params_b",
          quoted_list(nearest(catalogue.architectures().names(), failure.wanted, kNamed), "or"));
    case RowFailure::Nearest::families:
      return fmt::format(
          "did you mean {}? a family is the model_type of a config.json",
          quoted_list(nearest(catalogue.families().names(), failure.wanted, kNamed), "or"));
    case RowFailure::Nearest::none:
      break;
  }
  return failure.help;
}

std::string_view name_of(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::infeasible:
      return "infeasible";
    case Status::error:
      return "error";
  }
  return "error";
}

std::string reason(const Result& result) {
  switch (result.status()) {
    case Status::ok:
      return {};
    case Status::infeasible:
      return misfit(result.scenario, result.estimate.fit);
    case Status::error:
      return result.failure.what;
  }
  return {};
}

std::string remedy(const Result& result, const Catalogue& catalogue) {
  switch (result.status()) {
    case Status::ok:
      return {};
    case Status::infeasible:
      return misfit_remedy(result.scenario, result.estimate.fit);
    case Status::error:
      return remedy(result.failure, catalogue);
  }
  return {};
}

std::optional<double> flop_per_token(const Scenario& s, const Work& work,
                                     models::FlopConvention convention) {
  if (convention == models::FlopConvention::six_nd) {
    if (!s.active_params) return std::nullopt;
    return models::training_flop_per_token(*s.active_params, s.mode);
  }
  if (!s.counted || !s.work_seq_len) return std::nullopt;
  return models::training_flop_per_token(work.token, convention, s.mode);
}

bool estimate(const Scenario& s, const Catalogue& catalogue, Estimate& e, Warnings& warnings,
              RowFailure& failure) {
  e = Estimate{};
  if (!Solver{s, catalogue, e, warnings, failure}.solve()) return false;
  find_emissions(s, catalogue, e, warnings);
  if (!e.duration.booked) warnings.add({Oddity::no_duration, 0, 0, {}, {}});
  if (!e.rate.flops && !e.work.compute && !e.duration.booked) {
    failure = nothing_to_compute(s);
    return false;
  }
  if (!e.rate.flops && s.active_params && s.device != nullptr && s.dtype_basis != Basis::given) {
    warnings.add({Oddity::no_efficiency, 0, 0, hardware::name_of(s.dtype), s.device->id});
  }
  return true;
}

void estimate_row(const RunRow& row, const Catalogue& catalogue, const EstimateOptions& options,
                  Result& result) {
  result.warnings.clear();
  result.ok =
      resolve(row, catalogue, options, result.scenario, result.warnings, result.failure) &&
      estimate(result.scenario, catalogue, result.estimate, result.warnings, result.failure);
  if (!result.ok) {
    result.estimate = Estimate{};
    return;
  }
  const auto reported = row.number(Col::reported_tco2e_operational);
  const auto& operational = result.estimate.carbon.operational;
  if (reported && operational) {
    constexpr double kSlip = 300;  // a factor of 1000, and room for the error of the prediction
    const double tonnes = (*operational).in(tonne);
    if (tonnes > 0.0 && *reported > kSlip * tonnes) {
      result.warnings.add({Oddity::unit_slip, *reported, tonnes, {}, {}});
    }
  }
  const auto stated = row.number(Col::total_zettaflops);
  const auto& compute = result.estimate.work.compute;
  if (stated && compute) {
    constexpr double kZetta = 1e21;
    constexpr double kNoted = 0.10;
    const double predicted = compute->in(flop) / kZetta;
    if (std::abs(predicted / *stated - 1.0) > kNoted) {
      result.warnings.add({Oddity::zettaflops_differ, *stated, predicted, {}, {}});
    }
  }
}

}  // namespace pretrain::planner
