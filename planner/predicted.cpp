#include "planner/predicted.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "models/carbon.hpp"
#include "models/energy.hpp"
#include "planner/emissions.hpp"
#include "planner/memory_fit.hpp"

namespace pretrain::planner {

constexpr std::array<KeyInfo, kKeys> kKeyInfo = {{
    {"total_params", "1"},
    {"active_params", "1"},
    {"training_flops", "FLOP"},
    {"iteration_s", "s"},
    {"tokens_per_s_per_device", "tokens/s"},
    {"tflops_per_device", "TFLOP/s"},
    {"mfu", "1"},
    {"hfu", "1"},
    {"memory_gib_per_device", "GiB"},
    {"training_days", "days"},
    {"device_hours", "h"},
    {"device_power_w", "W"},
    {"device_energy_mwh", "MWh"},
    {"node_energy_mwh", "MWh"},
    {"facility_energy_mwh", "MWh"},
    {"operational_tco2e", "t"},
    {"embodied_tco2e", "t"},
    {"total_tco2e", "t"},
}};

namespace {

template <class Q>
std::optional<double> in(const Known<Q>& known, Q unit) {
  if (!known) return std::nullopt;
  return (*known).in(unit);
}

std::optional<double> plain(const Known<double>& known) {
  if (!known) return std::nullopt;
  return *known;
}

/// Marks facility figures that are device power times PUE, with nothing for the host. Tables from
/// before the enum value existed say so at the start of their notes.
constexpr std::string_view kDeviceTimesPueMark = "[device power x PUE, no host]";

std::string_view scope_of(const RunRow& row) {
  const auto scope = row.text(Col::energy_scope);
  if (row.text(Col::notes).starts_with(kDeviceTimesPueMark)) return "device_x_pue";
  return scope.empty() ? "facility" : scope;
}

/// Predicted energy in the scope of a published figure; absent in scopes that are not modeled.
Known<Energy> energy_in_scope(std::string_view scope, const Result& result) {
  const auto& energy = result.estimate.energy;
  if (scope == "device") return energy.device;
  if (scope == "node") return energy.node;
  if (scope == "facility") return energy.facility;
  if (scope == "device_x_pue" && energy.device && result.scenario.pue) {
    return known(models::facility_energy(*energy.device, *result.scenario.pue), Basis::model,
                 nullptr);
  }
  return {};
}

Key energy_key(std::string_view scope) {
  if (scope == "device") return Key::device_energy_mwh;
  if (scope == "node") return Key::node_energy_mwh;
  return Key::facility_energy_mwh;
}

constexpr std::string_view kNoHours =
    "the hours are not known: give device_hours, or two of tokens_b, devices and days";
constexpr std::string_view kNoPower =
    "the draw is not known: a device or system_power_w is missing";
constexpr std::string_view kNoRate =
    "the rate is not known: params_b and a device, or mfu, are missing";
constexpr std::string_view kNoSite = "no region and no intensity_kg_per_kwh";
constexpr std::string_view kNoFootprint = "no footprint of the device in this scope";
constexpr std::string_view kDefaultDevices =
    "the number of devices is not known: one node was assumed";
constexpr std::string_view kOtherConvention =
    "the published FLOPs count attention; without the dimensions of the model only 6 N D is known";
constexpr std::string_view kMarket = "market-based; the prediction is location-based";
/// Quantile of a normal distribution that 90% of a spread is measured in.
const double kOf90 = models::normal_quantile(0.95);
constexpr std::string_view kAssumedPower = "an assumed wattage, not a measurement";
constexpr std::string_view kNoMemory =
    "the memory is not known: dimensions or params_b with a plan, a device and devices are needed";
constexpr std::string_view kActivationsOnly = "a part of the memory: see the breakdown";
constexpr std::string_view kOtherScope = "the published figure has a scope that is not predicted";

}  // namespace

Predicted::Predicted(const Result& result) {
  const auto& s = result.scenario;
  const auto& e = result.estimate;
  const auto set = [this](Key key, std::optional<double> value) {
    if (value && !std::isfinite(*value)) {
      throw std::logic_error(fmt::format("{} is not finite", info_of(key).name));
    }
    values_[static_cast<std::size_t>(key)] = value;
  };
  if (!result.ok) return;
  set(Key::total_params, plain(s.total_params));
  set(Key::active_params, plain(s.active_params));
  set(Key::training_flops, in(e.work.compute, flop));
  set(Key::iteration_s, in(e.rate.iteration, second));
  set(Key::tokens_per_s_per_device, plain(e.rate.tokens));
  set(Key::tflops_per_device, in(e.rate.flops, teraflops / device));
  set(Key::mfu, plain(e.rate.mfu));
  set(Key::hfu, plain(e.rate.hfu));
  if (e.fit.verdict) {
    set(Key::memory_gib_per_device, e.fit.verdict->memory.allocated().in(gibibyte));
  }
  set(Key::training_days, in(e.duration.days, day));
  set(Key::device_hours, in(e.duration.booked, hour * device));
  set(Key::device_power_w, in(e.power.device, watt / device));
  set(Key::device_energy_mwh, in(e.energy.device, megawatt_hour));
  set(Key::node_energy_mwh, in(e.energy.node, megawatt_hour));
  set(Key::facility_energy_mwh, in(e.energy.facility, megawatt_hour));
  set(Key::operational_tco2e, in(e.carbon.operational, tonne));
  set(Key::embodied_tco2e, in(e.carbon.embodied, tonne));
  set(Key::total_tco2e, in(e.carbon.total, tonne));
  spreads_ = e.spreads;
  interval_ = s.options.interval;
  level_ = interval_ > 0 ? models::half_width(1, interval_) : 0;
  const double used = std::max(e.rate.mfu ? *e.rate.mfu : 0, e.rate.hfu ? *e.rate.hfu : 0);
  faster_ = used > 0 ? std::max(0.0, -std::log(used)) : HUGE_VAL;
  solved_days_ = !s.booked && !s.days;
  solved_hours_ = !s.booked && !(s.days && s.devices);
  if (s.options.draws != nullptr && interval_ > 0) {
    drawn_ = drawn_spreads(*s.options.draws, spreads_, faster_, solved_hours_, operational_part(),
                           interval_);
  }
}

/// Share of operational carbon in the total.
double Predicted::operational_part() const {
  const auto& whole = (*this)[Key::total_tco2e];
  return whole && *whole > 0 ? *(*this)[Key::operational_tco2e] / *whole : 0;
}

models::Spread Predicted::at_level(models::Spread s) const {
  return {level_ * s.down, level_ * s.up};
}

/// No rate is above the peak of the device.
models::Spread Predicted::step_spread() const {
  if (drawn_) return drawn_->step;
  auto step = at_level(spreads_.time);
  step.down = std::min(step.down, faster_);
  return step;
}

models::LogSum Predicted::booked_sum() const {
  models::LogSum sum;
  sum.add(spreads_.time, faster_);
  sum.add(spreads_.goodput);
  return sum;
}

models::LogSum Predicted::hours_sum() const {
  return solved_hours_ ? booked_sum() : models::LogSum{};
}

models::LogSum Predicted::footprint_sum() const {
  models::LogSum sum;
  for (const auto s : {spreads_.footprint, spreads_.lifetime, spreads_.utilization}) sum.add(s);
  return sum;
}

models::Spread Predicted::ends(const models::LogSum& sum) const { return sum.ends(level_ * kOf90); }

models::Spread Predicted::energy_spread(std::string_view scope, bool carbon) const {
  if (drawn_ && scope == "device" && !carbon) return drawn_->device_energy;
  if (drawn_ && scope == "node" && !carbon) return drawn_->node_energy;
  if (drawn_ && scope == "facility") {
    return carbon ? drawn_->operational : drawn_->facility_energy;
  }
  if (level_ <= 0) return {};
  const bool host = scope == "node" || scope == "facility";
  auto sum = hours_sum();
  sum.add(host ? spreads_.node_power : spreads_.device_power);
  if (scope == "facility" || scope == "device_x_pue") sum.add(spreads_.pue);
  if (carbon) sum.add(spreads_.intensity);
  return ends(sum);
}

models::Spread Predicted::spread(Key key) const {
  auto& found = found_[static_cast<std::size_t>(key)];
  if (!found) found = spread_of(key);
  return *found;
}

models::Spread Predicted::spread_of(Key key) const {
  const auto& value = (*this)[key];
  if (!value || *value == 0 || level_ <= 0) return {};
  switch (key) {
    case Key::iteration_s:
      return step_spread();
    case Key::tokens_per_s_per_device:
    case Key::tflops_per_device:
    case Key::mfu:
    case Key::hfu:
      return models::inverse(step_spread());
    case Key::training_days:
      if (!solved_days_) return {};
      return drawn_ ? drawn_->booked : ends(booked_sum());
    case Key::device_hours:
      if (!solved_hours_) return {};
      return drawn_ ? drawn_->booked : ends(booked_sum());
    case Key::device_power_w:
      return drawn_ ? drawn_->device_power : at_level(spreads_.device_power);
    case Key::device_energy_mwh:
      return energy_spread("device", false);
    case Key::node_energy_mwh:
      return energy_spread("node", false);
    case Key::facility_energy_mwh:
      return energy_spread("facility", false);
    case Key::operational_tco2e:
      return energy_spread("facility", true);
    case Key::embodied_tco2e: {
      if (drawn_) return drawn_->embodied;
      return models::ends_of_mixture(hours_sum(), {}, footprint_sum(), 0, level_ * kOf90);
    }
    case Key::total_tco2e: {
      if (drawn_) return drawn_->total;
      // The hours are the same in both parts.
      models::LogSum emitted;
      for (const auto s : {spreads_.node_power, spreads_.pue, spreads_.intensity}) emitted.add(s);
      return models::ends_of_mixture(hours_sum(), emitted, footprint_sum(), operational_part(),
                                     level_ * kOf90);
    }
    case Key::total_params:
    case Key::active_params:
    case Key::training_flops:
    case Key::memory_gib_per_device:
      break;
  }
  return {};
}

std::optional<double> Predicted::low(Key key) const {
  const auto s = spread(key);
  if (s.down <= 0 && s.up <= 0) return std::nullopt;
  return *(*this)[key] * std::exp(-s.down);
}

std::optional<double> Predicted::high(Key key) const {
  const auto s = spread(key);
  if (s.down <= 0 && s.up <= 0) return std::nullopt;
  return *(*this)[key] * std::exp(s.up);
}

std::array<Driver, 3> Predicted::drivers() const {
  const bool carbon = (*this)[Key::operational_tco2e].has_value();
  const bool footprint = (*this)[Key::embodied_tco2e].has_value();
  const bool energy = (*this)[Key::node_energy_mwh].has_value();
  const bool both = (*this)[Key::total_tco2e].has_value();
  const double part = both ? operational_part() : energy ? 1 : 0;
  const double rest = both ? 1 - part : 0;
  const double hours = solved_hours_ || !energy ? 1 : 0;
  struct Candidate {
    std::string_view input;
    models::Spread spread;
    double weight;
  };
  auto step = spreads_.time;
  step.down = std::min(step.down, faster_);
  std::array<Candidate, 8> all{{{"time of a step", step, hours},
                                {"goodput", spreads_.goodput, hours},
                                {"system_power_w", spreads_.node_power, part},
                                {"pue", spreads_.pue, part},
                                {"intensity_kg_per_kwh", spreads_.intensity, carbon ? part : 0},
                                {"embodied_kg", spreads_.footprint, footprint ? rest : 0},
                                {"lifetime_years", spreads_.lifetime, footprint ? rest : 0},
                                {"utilization", spreads_.utilization, footprint ? rest : 0}}};
  const auto width = [](const Candidate& c) { return c.weight * models::size(c.spread); };
  std::stable_sort(all.begin(), all.end(),
                   [&](const auto& a, const auto& b) { return width(a) > width(b); });
  std::array<Driver, 3> most;
  for (std::size_t i = 0; i < most.size(); ++i) {
    most[i] = {all[i].input, std::exp(level_ * width(all[i]))};
  }
  return most;
}

/// A draw that equals the limit of the device was looked up, not measured.
static bool is_limit(const RunRow& row, const Scenario& s) {
  const auto reported = row.number(Col::reported_device_power_w);
  constexpr double kSame = 0.001;
  return reported && s.device != nullptr && s.device->tdp &&
         std::abs(*reported / s.device->tdp->in(watt / device) - 1) < kSame;
}

void Comparisons::add(Comparison c) {
  if (!c.reason.empty()) {
    c.predicted.reset();
    c.low.reset();
    c.high.reset();
  } else if (c.reported == 0.0) {
    c.reason = "reported as 0: a relative error is not defined";
  } else if (const double delta = *c.predicted / c.reported - 1.0; std::isfinite(delta)) {
    c.delta = delta;
  } else {
    c.reason = "reported as almost 0: a relative error is not defined";
  }
  items_[size_++] = c;
}

Comparisons::Comparisons(const RunRow& row, const Result& result, const Predicted& predicted,
                         const Catalogue& catalogue) {
  if (!result.ok) return;
  const auto& duration = result.estimate.duration;
  const bool assumed_devices = duration.devices.basis == Basis::fallback;
  const auto plain_one = [&](Col col, Key key, std::string_view reason,
                             std::string_view convention = {}) {
    if (const auto reported = row.number(col)) {
      add({.key = key,
           .predicted = predicted[key],
           .low = predicted.low(key),
           .high = predicted.high(key),
           .reported = *reported,
           .delta = {},
           .reason = reason,
           .scope = {},
           .convention = convention,
           .basis = {}});
    }
  };
  const auto unless = [](bool there, std::string_view reason) {
    return there ? std::string_view{} : reason;
  };
  const auto convention = row.text(Col::reported_flop_convention);
  const bool other = !convention.empty() && convention != name_of(result.scenario.convention);
  const auto rate = unless(result.estimate.rate.flops.basis != Basis::absent, kNoRate);
  const auto flops = other ? kOtherConvention : rate;
  const auto days =
      assumed_devices ? kDefaultDevices : unless(static_cast<bool>(duration.days), kNoHours);
  plain_one(Col::reported_iteration_s, Key::iteration_s,
            assumed_devices ? kDefaultDevices
                            : unless(static_cast<bool>(result.estimate.rate.iteration), kNoRate));
  plain_one(Col::reported_tokens_per_s_per_device, Key::tokens_per_s_per_device,
            unless(static_cast<bool>(result.estimate.rate.tokens), kNoRate));
  // Where the row does not say what it counts, the prediction does.
  const auto counted = convention.empty() ? name_of(result.scenario.convention) : convention;
  plain_one(Col::reported_tflops_per_device, Key::tflops_per_device, flops, counted);
  plain_one(Col::reported_mfu, Key::mfu,
            flops.empty() ? unless(static_cast<bool>(result.estimate.rate.mfu), kNoRate) : flops,
            counted);
  if (const auto reported = row.number(Col::reported_memory_gib)) {
    const auto word = row.text(Col::memory_kind);
    const auto kind = word.empty() ? "allocated" : word;
    const auto& verdict = result.estimate.fit.verdict;
    std::optional<double> memory;
    if (verdict) {
      const Bytes bytes = kind == "device"     ? verdict->memory.total()
                          : kind == "reserved" ? reserved_memory(result.scenario, *verdict)
                                               : verdict->memory.allocated();
      memory = bytes.in(gibibyte);
    }
    add({.key = Key::memory_gib_per_device,
         .predicted = memory,
         .low = {},
         .high = {},
         .reported = *reported,
         .delta = {},
         .reason = kind == "activations" ? kActivationsOnly : unless(memory.has_value(), kNoMemory),
         .scope = kind,
         .convention = {},
         .basis = {}});
  }
  plain_one(Col::reported_days, Key::training_days, days);
  plain_one(Col::reported_device_hours, Key::device_hours,
            unless(static_cast<bool>(duration.booked), kNoHours));
  const auto basis = row.text(Col::energy_basis);
  plain_one(Col::reported_device_power_w, Key::device_power_w,
            basis == "device_hours_x_constant" || is_limit(row, result.scenario)
                ? kAssumedPower
                : unless(static_cast<bool>(result.estimate.power.device), kNoPower));

  const auto scope = scope_of(row);
  const auto energy = energy_in_scope(scope, result);
  const bool modeled = scope != "facility_plus_idle" && scope != "lifecycle";
  const std::string_view reason =
      modeled ? unless(static_cast<bool>(energy), duration.booked ? kNoPower : kNoHours)
              : kOtherScope;
  const auto scoped = [&](Key key, std::optional<double> value, double reported,
                          std::string_view why) {
    std::optional<double> low;
    std::optional<double> high;
    const auto spread = predicted.energy_spread(scope, key == Key::operational_tco2e);
    if (value && spread.up > 0) {
      low = *value * std::exp(-spread.down);
      high = *value * std::exp(spread.up);
    }
    add({.key = key,
         .predicted = value,
         .low = low,
         .high = high,
         .reported = reported,
         .delta = {},
         .reason = why,
         .scope = scope,
         .convention = {},
         .basis = basis});
  };
  if (const auto reported = row.number(Col::reported_energy_mwh)) {
    scoped(energy_key(scope), in(energy, megawatt_hour), *reported, reason);
  }
  if (const auto reported = row.number(Col::reported_tco2e_operational)) {
    std::optional<double> carbon;
    if (energy && result.estimate.carbon.intensity) {
      carbon = models::operational_carbon(*energy, *result.estimate.carbon.intensity).in(tonne);
    }
    const bool market = row.text(Col::carbon_accounting) == "market";
    scoped(Key::operational_tco2e, carbon, *reported,
           market            ? kMarket
           : !reason.empty() ? reason
                             : unless(carbon.has_value(), kNoSite));
  }
  if (const auto reported = row.number(Col::reported_tco2e_embodied)) {
    // A published share was taken over the published duration: compare the footprints, not the
    // error in time once more.
    auto embodied = result.estimate.carbon.embodied;
    auto low = predicted.low(Key::embodied_tco2e);
    auto high = predicted.high(Key::embodied_tco2e);
    std::string_view over = "amortized over the predicted days";
    const auto reported_days = row.number(Col::reported_days);
    if (reported_days && !result.scenario.options.blind) {
      embodied = embodied_over(result.scenario, result.estimate, catalogue, *reported_days * day);
      over = "amortized over the reported days";
      low.reset();
      high.reset();
    }
    add({.key = Key::embodied_tco2e,
         .predicted = in(embodied, tonne),
         .low = low,
         .high = high,
         .reported = *reported,
         .delta = {},
         .reason = assumed_devices ? kDefaultDevices
                                   : unless(static_cast<bool>(embodied),
                                            duration.booked ? kNoFootprint : kNoHours),
         .scope = {},
         .convention = {},
         .basis = over});
  }
}

const Comparison* Comparisons::find(Key key) const {
  for (const auto& item : *this) {
    if (item.key == key) return &item;
  }
  return nullptr;
}

}  // namespace pretrain::planner
