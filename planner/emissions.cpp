#include "planner/emissions.hpp"

#include <cmath>

#include "models/carbon.hpp"
#include "models/embodied.hpp"
#include "models/energy.hpp"

namespace pretrain::planner {

namespace {

constexpr double kLimitTolerance = 0.01;

template <class T>
Known<T> computed(T value) {
  return known(value, Basis::model, nullptr);
}

/// Whether the power limit is the catalogue's, unstated or stated as it is.
bool stock_limit(const Scenario& s) {
  return s.tdp.basis != Basis::given || !s.device->tdp ||
         std::abs(*s.tdp / *s.device->tdp - 1.0) <= kLimitTolerance;
}

/// A measured draw, brought to the stated power limit when that is another one.
Known<DevicePower> at_limit(const hardware::MeasuredPower& measured, const Scenario& s,
                            std::string_view& equation) {
  if (!stock_limit(s)) {
    equation = "power.scaled";
    return known(models::draw_at_limit(measured.average, *s.tdp, *s.device->tdp), Basis::model,
                 &measured.origin);
  }
  return known(measured.average, Basis::catalogue, &measured.origin);
}

/// Of a draw that was measured on other runs.
models::Spread spread_of(const hardware::MeasuredPower& measured,
                         const hardware::Defaults& defaults) {
  return measured.spread.value_or(defaults.measured_power.spread);
}

void find_power(const Scenario& s, const Catalogue& catalogue, PowerDraw& power, Spreads& spreads) {
  using Scope = hardware::PowerTable::Scope;
  const auto& defaults = catalogue.defaults();
  const bool tpu = s.device != nullptr && s.device->kind == "tpu";
  const auto& load = tpu ? defaults.device_load_tpu : defaults.device_load_gpu;
  const auto& ratio = tpu ? defaults.node_over_device_tpu : defaults.node_over_device;
  const auto* measured_device =
      s.device != nullptr ? catalogue.power().find(s.device->id, Scope::device) : nullptr;
  const auto* measured_node =
      s.device != nullptr ? catalogue.power().find(s.device->id, Scope::node) : nullptr;

  if (s.device_power && !s.system_power) {
    power.device = s.device_power;
    power.node = known(models::node_draw(*power.device, ratio.value), Basis::model, &ratio.origin);
    power.node_equation = "power.node.over_device";
    spreads.node_power = ratio.spread;
    return;
  }
  if (s.system_power) {
    power.node = s.system_power;
  } else if (measured_node != nullptr) {
    power.node = at_limit(*measured_node, s, power.node_equation);
    spreads.node_power = spread_of(*measured_node, defaults);
  }
  if (measured_device != nullptr && !s.system_power) {
    power.device = at_limit(*measured_device, s, power.device_equation);
    spreads.device_power = spread_of(*measured_device, defaults);
  } else if (power.node) {
    power.device =
        known(models::device_share_of_node(*power.node, ratio.value), Basis::model, &ratio.origin);
    power.device_equation = "power.device.share";
    spreads.device_power = models::product(spreads.node_power, models::inverse(ratio.spread));
  } else if (s.tdp) {
    spreads.device_power = load.spread;
    power.device = known(models::device_draw(load.value, *s.tdp), Basis::model, &load.origin);
    power.device_equation = "power.device.load";
  }
  if (power.node || !power.device) return;
  if (s.device != nullptr && s.device->server_max_power && s.device->devices_per_server) {
    DevicePower draw =
        models::node_draw_of_rating(*s.device->server_max_power, *s.device->devices_per_server,
                                    defaults.node_load_of_rating.value);
    power.node_equation = "power.node.rating";
    if (!stock_limit(s)) {
      draw = models::draw_at_limit(draw, *s.tdp, *s.device->tdp);
      power.node_equation = "power.scaled";
    }
    power.node = known(draw, Basis::model, &defaults.node_load_of_rating.origin);
    spreads.node_power = defaults.node_load_of_rating.spread;
  }
  if (!power.node || *power.node < *power.device) {
    power.node = known(models::node_draw(*power.device, ratio.value), Basis::model, &ratio.origin);
    power.node_equation = "power.node.over_device";
    spreads.node_power = models::product(spreads.device_power, ratio.spread);
  }
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
  find_power(s, catalogue, e.power, e.spreads);
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
