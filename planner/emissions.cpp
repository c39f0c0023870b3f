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
  if (s.options.hourly != nullptr && !s.intensity) spreads.intensity = defaults.grid_year.spread;
  if (s.intensity_range) spreads.intensity = *s.intensity_range;
  if (s.pue_range) spreads.pue = *s.pue_range;
}

/// Of the hours: of a step, and of what is lost.
void find_time_spreads(const Estimate& e, const hardware::Defaults& defaults, Spreads& spreads) {
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

/// Dies, memory and packages of a device; false where its data sheet does not say enough.
bool find_chips(const Scenario& s, const hardware::FabTable& fab, Chips& chips) {
  using Item = hardware::FabTable::Item;
  constexpr double kStack = 16;  // GB of memory in a package
  const auto& d = *s.device;
  const auto* node = fab.find(d.process_node);
  if (node == nullptr || !d.die_area || !d.memory_gb) return false;
  chips.node = node;
  chips.packages = 1 + std::ceil(*d.memory_gb / kStack);
  chips.kg_per_cm2 = models::carbon_per_cm2(
      node->process, fab[Item::fab_grid].mid * kilogram / kilowatt_hour, fab[Item::yield].mid);
  const auto made = [&](double kg_per_cm2, double kg_per_gb) {
    return models::chips_carbon(*d.die_area, kg_per_cm2, *d.memory_gb, kg_per_gb, chips.packages,
                                fab[Item::package].mid * kilogram);
  };
  const auto& memory = fab[Item::memory];
  // At worst as many dies are thrown away as defects spoil of the largest that can be printed.
  constexpr Area kReticle = 858.0 * mm2;
  const double dies = std::ceil(*d.die_area / kReticle);
  const double worst = models::murphy_yield(*d.die_area / dies, fab[Item::defects].mid);
  const double most =
      models::carbon_per_cm2(node->process, fab[Item::fab_grid].high * kilogram / kilowatt_hour,
                             std::min(worst, fab[Item::yield].mid));
  chips.device = {made(std::min(node->low, chips.kg_per_cm2), memory.low),
                  made(chips.kg_per_cm2, memory.mid), made(most, memory.high)};
  return true;
}

/// Chips of a server without its accelerators.
MassRange host_chips(const hardware::Host& host, const hardware::FabTable& fab) {
  using Item = hardware::FabTable::Item;
  const auto made = [&](double hardware::FabItem::*end) {
    return (host.cpus * (fab[Item::cpu].*end) + host.dram_gb * (fab[Item::dram].*end) +
            host.storage_tb * (fab[Item::ssd].*end)) *
           kilogram;
  };
  return {made(&hardware::FabItem::low), made(&hardware::FabItem::mid),
          made(&hardware::FabItem::high)};
}

models::Spread spread_of(const MassRange& range) {
  return models::spread_of(range.low.in(kilogram), range.mid.in(kilogram), range.high.in(kilogram));
}

MassRange plus_share(const MassRange& device, const MassRange& host, double devices) {
  const auto one = [&](Mass a, Mass b) { return a + 1 / devices * b; };
  return {one(device.low, host.low), one(device.mid, host.mid), one(device.high, host.high)};
}

/// Chips of a device with its share of its host's; false where they cannot be counted.
bool find_act(const Scenario& s, const Catalogue& catalogue, CarbonResult& carbon,
              Spreads& spreads) {
  const auto& fab = catalogue.fab();
  const auto* host = catalogue.hosts().find(s.device);
  if (host == nullptr || !find_chips(s, fab, carbon.chips)) return false;
  carbon.chips.host = host_chips(*host, fab);
  carbon.chips.host_row = host;
  const auto both = plus_share(carbon.chips.device, carbon.chips.host, *s.devices_per_node);
  carbon.per_device = known(both.mid / device, Basis::model, &carbon.chips.node->origin);
  spreads.footprint = spread_of(both);
  return true;
}

/// The footprint of a device that has none, by its chips; false where they cannot be counted.
bool guess_card(const Scenario& s, const hardware::FabTable& fab, CarbonResult& carbon) {
  if (!find_chips(s, fab, carbon.chips)) return false;
  const auto& ratio = fab[hardware::FabTable::card_over_chips];
  const Mass chips = carbon.chips.device.mid;
  carbon.guessed = {models::card_of_chips(chips, ratio.low),
                    models::card_of_chips(chips, ratio.mid),
                    models::card_of_chips(chips, ratio.high)};
  return true;
}

/// The part of a device's footprint that falls to the booked time. More use and a longer life leave
/// a run less.
void amortize(const Scenario& s, const hardware::Defaults& defaults, const Duration& duration,
              CarbonResult& carbon, Spreads& spreads) {
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

/// A footprint with its boundary: of an accelerator, or of one with its share of the host.
struct Made {
  MassRange range;
  Basis basis = Basis::absent;
  const hardware::Footprint* row = nullptr;  ///< null: by its chips
  const Origin* origin = nullptr;
};

Made made_of(const hardware::Footprint& row, Basis basis) {
  return {{row.low, row.mid, row.high}, basis, &row, &row.origin};
}

/// Its own footprint, else one from its chips, else that of a generic device.
Made find_made(const Scenario& s, const Catalogue& catalogue, CarbonResult& carbon) {
  using hardware::EmbodiedScope;
  const auto& table = catalogue.embodied();
  const auto& id = s.device->id;
  const auto find = [&](std::string_view item, EmbodiedScope scope, Basis basis) -> Made {
    const auto* row = table.find(item, scope);
    return row != nullptr ? made_of(*row, basis) : Made{};
  };
  const bool alone = s.embodied == Embodied::card;
  if (!alone) {
    if (auto made = find(id, EmbodiedScope::device_with_host, Basis::catalogue); made.row)
      return made;
  }
  if (auto made = find(id, EmbodiedScope::card, Basis::catalogue); made.row) return made;
  if (s.device->kind == "tpu") {
    return alone ? Made{} : find("generic-tpu", EmbodiedScope::device_with_host, Basis::fallback);
  }
  if (s.device->kind == "cpu") return {};
  if (guess_card(s, catalogue.fab(), carbon)) {
    return {carbon.guessed, Basis::model, nullptr,
            &catalogue.fab()[hardware::FabTable::card_over_chips].origin};
  }
  return s.device->kind == "gpu" ? find("generic-gpu", EmbodiedScope::card, Basis::fallback)
                                 : Made{};
}

void find_embodied(const Scenario& s, const Catalogue& catalogue, const Duration& duration,
                   CarbonResult& carbon, Spreads& spreads) {
  carbon.embodied_method = s.embodied;
  if (!duration.booked || s.device == nullptr) return;
  if (s.embodied == Embodied::llmcarbon) {
    find_llmcarbon_embodied(s, catalogue, duration, carbon);
    return;
  }
  if (s.embodied == Embodied::act) {
    if (!find_act(s, catalogue, carbon, spreads)) return;
  } else {
    const Made made = find_made(s, catalogue, carbon);
    if (made.basis == Basis::absent) return;
    carbon.card = made.row;
    auto range = made.range;
    const bool with_host =
        made.row != nullptr && made.row->scope == hardware::EmbodiedScope::device_with_host;
    if (s.embodied != Embodied::card && !with_host) {
      carbon.host = catalogue.embodied().find("host-8gpu", hardware::EmbodiedScope::host);
      if (carbon.host == nullptr) return;
      const auto& host = *carbon.host;
      range = plus_share(range, {host.low, host.mid, host.high}, *s.devices_per_node);
    }
    carbon.per_device = known(range.mid / device, made.basis, made.origin);
    if (range.low > Mass{}) spreads.footprint = spread_of(range);
  }
  amortize(s, catalogue.defaults(), duration, carbon, spreads);
}

/// That of the run's own hours where the grid is known by hour.
void find_intensity(const Scenario& s, const Duration& duration, CarbonResult& carbon,
                    Warnings& warnings) {
  carbon.intensity = s.intensity;
  const auto* hourly = s.options.hourly;
  if (s.intensity || hourly == nullptr) return;
  const auto& series = hourly->series;
  if (hourly->open) {
    carbon.intensity = known(*hourly->open, Basis::catalogue, &hourly->origin);
    return;
  }
  if (!duration.days) {
    // Without days it can run at any time.
    carbon.intensity = known(series.mean(), Basis::catalogue, &hourly->origin);
    return;
  }
  const auto start = s.start.value_or(series.begin());
  if (const auto mean = series.mean(start, *duration.days)) {
    carbon.intensity = known(*mean, Basis::catalogue, &hourly->origin);
  } else {
    warnings.add({Oddity::hourly_outside, (*duration.days).in(day), 0, hourly->origin.place, {}});
  }
}

void emit_carbon(const Scenario& s, const EnergyUse& energy, CarbonResult& carbon) {
  if (energy.facility && carbon.intensity) {
    carbon.operational = computed(models::operational_carbon(*energy.facility, *carbon.intensity));
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
    find_intensity(s, e.duration, e.carbon, warnings);
    emit_carbon(s, e.energy, e.carbon);
    if (!e.carbon.embodied && s.device != nullptr) {
      warnings.add({Oddity::no_embodied, 0, 0, s.device->id, {}});
    }
    if (e.energy.facility && !e.carbon.intensity && s.options.hourly == nullptr) {
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
