#include "planner/emissions.hpp"

#include <algorithm>
#include <cmath>

#include "models/carbon.hpp"
#include "models/embodied.hpp"
#include "models/energy.hpp"
#include "models/power.hpp"
#include "models/training_compute.hpp"

namespace pretrain::planner {

namespace {

/// Of the draw of a node that its accelerators have at least, whatever its host is.
constexpr double kLeastShare = 0.3;

template <class T>
Known<T> computed(T value) {
  return known(value, Basis::model, nullptr);
}

/// Levels are measured at the usual limit: under a lower one what would draw more is held, and the
/// rest is a larger share of what is left.
models::LoadLevels under_limit(models::LoadLevels levels, DevicePower idle, DevicePower usual,
                               DevicePower most) {
  if (most >= usual) return levels;
  const double wider = (usual - idle) / (most - idle);
  for (double* level :
       {&levels.products, &levels.slow, &levels.traffic, &levels.exchange, &levels.wait}) {
    *level = std::min(1.0, wider * *level);
  }
  return levels;
}

/// How near to the ceiling of matrix products a device comes at a utilization, all its time.
double pace_of(const Scenario& s, const Estimate& e, const models::StepConstants& constants) {
  const auto& q = e.step.question;
  const auto ceiling = models::step_speed(q ? q->device : step_device(s),
                                          q ? q->stack : models::StepStack{}, constants)
                           .products;
  double rate = (*e.rate.flops).in(flop / second / device);
  if (s.counted && e.work.per_token) {
    // What the matrix units do: attention that is masked costs nothing, what is computed again
    // does.
    auto mode = s.mode;
    if (q) mode.recompute = q->shard.recompute;
    using models::FlopConvention;
    const auto in = [&](FlopConvention convention) {
      return models::training_flop_per_token(e.work.token, convention, mode);
    };
    rate *= in(FlopConvention::model_causal)*in(FlopConvention::hardware) /
            in(FlopConvention::model_full) / *e.work.per_token;
  }
  return rate / ceiling;
}

/// What the device does: as its step says, else as its rate, else as usual.
void find_shares(const Scenario& s, const Estimate& e, const models::StepConstants& constants,
                 const hardware::LoadFamily& family, PowerDraw& power) {
  // The regression is of large decoders on many devices: it says nothing of other runs.
  const bool measured =
      s.mfu || (e.rate.mfu.origin != nullptr && e.rate.mfu.origin->place == "efficiency.implied");
  const auto& step = e.step;
  power.known_step = step.question.has_value();
  if (!(measured || power.known_step) || s.device == nullptr || !s.peak) {
    power.pace = known(family.pace, Basis::fallback, family.origin);
    power.shares = models::usual_load_shares(family.pace);
    return;
  }
  double pace = pace_of(s, e, constants);
  if (power.known_step) pace *= step.time.total() / models::computing(step.time);
  power.pace = computed(std::min(1.0, pace));
  power.shares = power.known_step ? models::load_shares(step.time, *power.pace)
                                  : models::usual_load_shares(*power.pace);
  if (e.duration.shares) power.shares = models::booked_shares(power.shares, *e.duration.shares);
}

/// The draw of the device alone, by the work that it does.
void find_device_power(const Scenario& s, const Catalogue& catalogue, const Estimate& e,
                       PowerDraw& power, Spreads& spreads) {
  if (!s.tdp) return;
  const auto& family = catalogue.loads().find(s.device);
  power.idle = s.device != nullptr && s.device->idle
                   ? known(*s.device->idle, Basis::catalogue, &s.device->origin)
                   : known(family.idle_share * *s.tdp, Basis::fallback, family.origin);
  power.most = known(family.most_share * *s.tdp, Basis::fallback, family.origin);
  if (*power.idle > *power.most) power.idle = known(*power.most, Basis::fallback, family.origin);
  power.levels = family.levels;
  if (s.device != nullptr && s.device->tdp) {
    power.levels =
        under_limit(power.levels, *power.idle, family.most_share * *s.device->tdp, *power.most);
  }
  find_shares(s, e, catalogue.step_constants(), family, power);
  power.load = models::load(power.shares, power.levels);
  power.device =
      known(models::device_draw(*power.idle, *power.most, power.load), Basis::model, family.origin);
  power.device_equation = "power.device.load";
  spreads.device_power = power.known_step ? family.known_spread : family.usual_spread;
}

void find_power(const Scenario& s, const Catalogue& catalogue, const Estimate& e, PowerDraw& power,
                Spreads& spreads) {
  const auto* host = catalogue.hosts().find(s.device);
  if (host == nullptr) return;
  auto draw = host->draw;
  if (s.devices_per_node.basis == Basis::given) draw.devices = *s.devices_per_node * device;
  power.host = host;
  power.host_draw = draw;
  if (s.system_power) {
    power.node = s.system_power;
    power.device =
        known(std::max(kLeastShare * *power.node, models::device_share_of_node(*power.node, draw)),
              Basis::model, &host->origin);
    power.device_equation = "power.device.share";
    const double share = *power.device / *power.node;
    spreads.device_power = models::sum({}, models::inverse(host->spread), share);
    return;
  }
  if (s.device_power) {
    power.device = s.device_power;
  } else {
    find_device_power(s, catalogue, e, power, spreads);
  }
  if (!power.device) return;
  power.node = known(models::node_draw(*power.device, draw), Basis::model, &host->origin);
  power.node_equation = "power.node";
  const double share = *power.device / (*power.device + draw.components / draw.devices);
  spreads.node_power = models::sum(spreads.device_power, host->spread, share);
}

/// Of what a site has, by where it is from.
void find_site_spreads(const Scenario& s, const hardware::Defaults& defaults, Spreads& spreads) {
  if (s.pue.basis == Basis::catalogue) spreads.pue = defaults.pue_site.spread;
  if (s.pue.basis == Basis::fallback) spreads.pue = defaults.pue_unknown.spread;
  if (s.intensity.basis == Basis::catalogue) spreads.intensity = defaults.grid_year.spread;
}

/// Of the hours: of a step, and of what is lost.
void find_time_spreads(const Estimate& e, const hardware::Defaults& defaults, Spreads& spreads) {
  if (!e.step.question) return;
  spreads.time = {e.step.half_width_90, e.step.half_width_90};
  if (const auto& g = e.duration.shares) {
    // What faults cost is known within a factor of two.
    const double faults = g->checkpoints + g->rework + g->restarts;
    const models::Spread lost{-std::log1p(-faults / 2), std::log1p(faults)};
    spreads.goodput = models::product(models::inverse(defaults.productive_share.spread), lost);
  }
}

void use_energy(const Scenario& s, const PowerDraw& power, DeviceTime booked, EnergyUse& energy) {
  if (power.device) energy.device = computed(models::energy_used(*power.device, booked));
  if (power.node) {
    energy.node = computed(models::energy_used(*power.node, booked));
    if (s.pue) energy.facility = computed(models::facility_energy(*energy.node, *s.pue));
  }
}

/// LLMCarbon's way: whole servers of eight devices, each with the same chips.
void find_llmcarbon_embodied(const Scenario& s, const Catalogue& catalogue,
                             const Duration& duration, CarbonResult& carbon) {
  constexpr double kDevicesPerServer = 8;  // of LLMCarbon's table
  const auto& table = catalogue.llmcarbon_embodied();
  const auto* die = table.find(s.device->id);
  if (die == nullptr || table.server().empty() || !duration.devices || !duration.days) return;
  carbon.die = known(die->mass / device, Basis::catalogue, &die->origin);
  Mass chips;
  for (const auto& chip : table.server()) chips = chips + chip.mass;
  carbon.server_chips = known(chips, Basis::catalogue, &table.server().front().origin);
  carbon.servers = std::ceil((*duration.devices).in(device) / kDevicesPerServer);
  const Mass hardware = *duration.devices * *carbon.die + carbon.servers * chips;
  carbon.embodied_equation = "embodied.llmcarbon";
  carbon.embodied = computed(models::llmcarbon_embodied(hardware, *duration.days, *s.lifetime));
}

/// Of a footprint, alone or with its share of a host's.
models::Spread spread_of(const hardware::Footprint& f, Mass host_low, Mass host_mid,
                         Mass host_high) {
  const auto kg = [](Mass mass) { return mass.in(kilogram); };
  if (!(f.low > Mass{})) return {};
  return models::spread_of(kg(f.low + host_low), kg(f.mid + host_mid), kg(f.high + host_high));
}

void find_embodied(const Scenario& s, const Catalogue& catalogue, const Duration& duration,
                   CarbonResult& carbon, Spreads& spreads) {
  carbon.embodied_method = s.embodied;
  if (!duration.booked || s.device == nullptr) return;
  if (s.embodied == Embodied::llmcarbon) {
    find_llmcarbon_embodied(s, catalogue, duration, carbon);
    return;
  }
  using hardware::EmbodiedScope;
  const auto& table = catalogue.embodied();
  const auto* card = table.find(s.device->id, EmbodiedScope::card);
  const auto* whole = table.find(s.device->id, EmbodiedScope::device_with_host);
  Basis basis = Basis::catalogue;
  if (card == nullptr && whole == nullptr) {
    basis = Basis::fallback;
    if (s.device->kind == "gpu") card = table.find("generic-gpu", EmbodiedScope::card);
    if (s.device->kind == "tpu") whole = table.find("generic-tpu", EmbodiedScope::device_with_host);
  }
  if (s.embodied == Embodied::card) {
    if (card == nullptr) return;
    carbon.card = card;
    carbon.per_device = known(card->mid / device, basis, &card->origin);
    spreads.footprint = spread_of(*card, {}, {}, {});
  } else if (whole != nullptr) {
    carbon.card = whole;
    carbon.per_device = known(whole->mid / device, basis, &whole->origin);
    spreads.footprint = spread_of(*whole, {}, {}, {});
  } else if (card != nullptr) {
    carbon.card = card;
    carbon.host = table.find("host-8gpu", EmbodiedScope::host);
    if (carbon.host == nullptr) return;
    carbon.per_device = known(
        models::card_with_host(card->mid / device, carbon.host->mid, *s.devices_per_node * device),
        basis, &card->origin);
    const double share = 1 / *s.devices_per_node;
    spreads.footprint = spread_of(*card, share * carbon.host->low, share * carbon.host->mid,
                                  share * carbon.host->high);
  } else {
    return;
  }
  // More use and a longer life leave a run less.
  const auto& defaults = catalogue.defaults();
  if (s.lifetime.basis == Basis::fallback) {
    spreads.lifetime = models::inverse(defaults.lifetime_years.spread);
  }
  if (s.utilization.basis == Basis::fallback) {
    spreads.utilization = models::inverse(defaults.utilization.spread);
  }
  carbon.embodied_equation = "embodied.amortized";
  carbon.embodied = computed(models::amortized_embodied(*carbon.per_device, *duration.booked,
                                                        *s.lifetime, *s.utilization));
}

void emit_carbon(const Scenario& s, const EnergyUse& energy, CarbonResult& carbon) {
  if (energy.facility && s.intensity) {
    carbon.operational = computed(models::operational_carbon(*energy.facility, *s.intensity));
    if (s.offset_share) {
      carbon.offset =
          computed(models::offset_carbon(*carbon.operational, Fraction::of(*s.offset_share)));
    }
  }
  if (carbon.operational && carbon.embodied) {
    carbon.total = computed(models::total_carbon(*carbon.operational, *carbon.embodied));
  }
}

}  // namespace

void find_emissions(const Scenario& s, const Catalogue& catalogue, Estimate& e,
                    Warnings& warnings) {
  find_power(s, catalogue, e, e.power, e.spreads);
  find_site_spreads(s, catalogue.defaults(), e.spreads);
  find_time_spreads(e, catalogue.defaults(), e.spreads);
  if (e.duration.booked) {
    use_energy(s, e.power, *e.duration.booked, e.energy);
    find_embodied(s, catalogue, e.duration, e.carbon, e.spreads);
    emit_carbon(s, e.energy, e.carbon);
    if (!e.carbon.embodied && s.device != nullptr) {
      warnings.add({Oddity::no_embodied, 0, 0, s.device->id, {}});
    }
    if (e.energy.facility && !s.intensity) {
      warnings.add(s.region_name.empty() ? Warning{Oddity::no_region, 0, 0, {}, {}}
                                         : Warning{Oddity::unknown_region,
                                                   static_cast<double>(s.options.grid),
                                                   0,
                                                   s.region_name,
                                                   {}});
    }
    if (!e.power.node) warnings.add({Oddity::no_power, 0, 0, s.device_name, {}});
  }
}

Known<Mass> embodied_over(const Scenario& s, const Estimate& e, const Catalogue& catalogue,
                          Time duration) {
  if (!e.duration.devices) return {};
  Duration other = e.duration;
  other.days = known(duration, Basis::given, nullptr);
  other.booked = known(*other.devices * duration, Basis::given, nullptr);
  CarbonResult carbon;
  Spreads unused;
  find_embodied(s, catalogue, other, carbon, unused);
  return carbon.embodied;
}

}  // namespace pretrain::planner
