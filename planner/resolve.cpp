#include "planner/resolve.hpp"

#include <fmt/format.h>

#include <cmath>

#include "models/core/text.hpp"
#include "models/efficiency.hpp"
#include "planner/estimate.hpp"
#include "planner/resolve_plan.hpp"

namespace pretrain::planner {

namespace {

using hardware::Dtype;

constexpr double kBillion = 1e9;
/// Stated values that differ by more than this contradict each other.
constexpr double kMfuTolerance = 0.02;
constexpr double kSparseTolerance = 0.02;
/// Operators cap devices; a limit beyond half or one and a half times the catalogue's is a slip.
constexpr double kLimitTolerance = 0.5;
/// Sources print peaks of one chip that differ by this much.
constexpr double kPeakTolerance = 0.05;

const Origin kAssumedGoodput{"assumption: no time is lost", "", "", true};

bool differs(double a, double b, double tolerance) { return std::abs(a / b - 1.0) > tolerance; }

bool resolve_device(const RunRow& row, const Catalogue& catalogue, Scenario& s, Warnings& warnings,
                    RowFailure& failure) {
  s.device_name = row.text(Col::device);
  const auto peak = row.number(Col::peak_tflops);
  const auto tdp = row.number(Col::device_tdp_w);
  const bool blind = s.options.blind;
  const auto system = blind ? std::nullopt : row.number(Col::system_power_w);
  if (!s.device_name.empty()) {
    const auto match = catalogue.devices().find(s.device_name);
    s.device = match.device;
    if (match.ambiguous) {
      warnings.add({Oddity::ambiguous_device, 0, 0, s.device_name, match.device->id});
    }
    if (s.device == nullptr) {
      if (!(system || tdp || peak || row.has(Col::achieved_tflops))) {
        failure = {fmt::format("unknown device '{}'", shortened(s.device_name)), "", Col::device,
                   RowFailure::Nearest::devices, s.device_name};
        return false;
      }
      warnings.add({Oddity::unknown_device_unused, 0, 0, s.device_name, {}});
    }
  }

  if (const auto word = row.text(Col::dtype); !word.empty()) {
    s.dtype_name = word;
    s.dtype = *hardware::dtype_of(word);
    s.dtype_basis = Basis::given;
    if (s.device != nullptr && !peak && !s.device->peak_of(s.dtype)) {
      const auto other = hardware::training_dtype(*s.device);
      const bool half = (s.dtype == Dtype::bf16 || s.dtype == Dtype::fp16) &&
                        (other == Dtype::bf16 || other == Dtype::fp16);
      warnings.add({half ? Oddity::ambiguous_dtype : Oddity::no_efficiency, 0, 0, word,
                    half ? hardware::name_of(other) : std::string_view{s.device->id}});
      if (half) {
        s.dtype = other;
        s.dtype_name = hardware::name_of(other);
        s.dtype_basis = Basis::fallback;
      }
    }
  } else if (s.device != nullptr) {
    s.dtype = hardware::training_dtype(*s.device);
    s.dtype_name = hardware::name_of(s.dtype);
    s.dtype_basis = Basis::fallback;
  }

  if (peak) {
    s.peak = given(*peak * teraflops / device);
    if (s.device != nullptr) {
      const auto dense = s.device->peak_of(s.dtype);
      const double catalogue_peak = dense ? dense->in(teraflops / device) : *peak;
      if (dense && !differs(*peak, 2.0 * dense->in(teraflops / device), kSparseTolerance)) {
        warnings.add({Oddity::sparse_peak, *peak, dense->in(teraflops / device), s.device->id,
                      hardware::name_of(s.dtype)});
      } else if (differs(*peak, catalogue_peak, kPeakTolerance)) {
        warnings.add(
            {Oddity::other_peak, *peak, catalogue_peak, s.device->id, hardware::name_of(s.dtype)});
      }
    }
  } else if (s.device != nullptr) {
    if (const auto dense = s.device->peak_of(s.dtype)) {
      s.peak = known(*dense, Basis::catalogue, &s.device->origin);
    }
  }

  if (tdp) {
    s.tdp = given(*tdp * watt / device);
    if (s.device != nullptr && s.device->tdp &&
        differs(*tdp, s.device->tdp->in(watt / device), kLimitTolerance)) {
      warnings.add({Oddity::tdp_differs, *tdp, s.device->tdp->in(watt / device), s.device->id, {}});
    }
  } else if (s.device != nullptr && s.device->tdp) {
    s.tdp = known(*s.device->tdp, Basis::catalogue, &s.device->origin);
  }
  if (system) s.system_power = given(*system * watt / device);
  return true;
}

bool resolve_efficiency(const RunRow& row, Scenario& s, Warnings& warnings, RowFailure& failure) {
  s.goodput = known(1.0, Basis::fallback, &kAssumedGoodput);
  if (s.options.blind) return true;
  if (const auto goodput = row.number(Col::goodput)) s.goodput = given(*goodput);
  const auto mfu = row.number(Col::mfu);
  if (const auto achieved = row.number(Col::achieved_tflops)) {
    s.achieved = given(*achieved * teraflops / device);
    if (s.peak) {
      const double share = models::mfu_from_achieved(*s.achieved, *s.peak);
      if (!mfu && share > 1.0) {
        failure = {fmt::format("achieved_tflops {:g} is above the peak of {:g}",
                               s.achieved->in(teraflops / device), s.peak->in(teraflops / device)),
                   "give the dense peak of the format that was used, in peak_tflops or by dtype",
                   Col::achieved_tflops};
        return false;
      }
      if (!mfu) {
        s.mfu = given(share);
        s.mfu_from_achieved = true;
      } else if (differs(*mfu, share, kMfuTolerance)) {
        warnings.add({Oddity::mfu_conflict, *mfu, share, {}, {}});
      }
    }
  }
  if (mfu) s.mfu = given(*mfu);
  return true;
}

/// The ends of a value that the row gives. False with the failure set.
bool given_range(std::optional<double> value, std::optional<double> low, std::optional<double> high,
                 Col col, Col col_low, Col col_high, std::optional<models::Spread>& range,
                 RowFailure& failure) {
  if (!low && !high) return true;
  const auto name = [](Col c) { return column_of(c).name; };
  if (!value) {
    failure = {fmt::format("{} without {}", name(low ? col_low : col_high), name(col)),
               fmt::format("give {} too: its ends say how far it may be off", name(col)),
               low ? col_low : col_high};
    return false;
  }
  const double least = low.value_or(*value);
  const double most = high.value_or(*value);
  if (least > most) {
    failure = {fmt::format("{} {:g} is above {} {:g}", name(col_low), least, name(col_high), most),
               "exchange them", col_low};
    return false;
  }
  if (*value < least || *value > most) {
    failure = {
        fmt::format("{} {:g} does not lie between {:g} and {:g}", name(col), *value, least, most),
        fmt::format("widen {} and {}, or correct {}", name(col_low), name(col_high), name(col)),
        col};
    return false;
  }
  if (least > 0) range = models::spread_of(least, *value, most);
  return true;
}

bool resolve_start(const RunRow& row, Scenario& s, RowFailure& failure) {
  if (const auto text = row.text(Col::start); !text.empty()) {
    s.start = hardware::parse_time(text);
    if (!s.start) {
      failure = {fmt::format("start '{}' is not a time", shortened(text)),
                 "write 2026-03-01 or 2026-03-01T06:00Z", Col::start};
      return false;
    }
  } else if (s.options.hourly != nullptr) {
    s.start = s.options.hourly->start;
  }
  return true;
}

bool resolve_site(const RunRow& row, const Catalogue& catalogue, Scenario& s, Warnings& warnings,
                  RowFailure& failure) {
  if (!resolve_start(row, s, failure)) return false;
  const auto year = row.number(Col::site_year);
  s.region_name = row.text(Col::region);
  if (!s.region_name.empty()) s.region = catalogue.grid(s.options.grid).find(s.region_name);
  if (const auto intensity = row.number(Col::intensity_kg_per_kwh)) {
    s.intensity = given(*intensity * kilogram / kilowatt_hour);
    if (*intensity == 0.0) {
      const bool known_region = s.region != nullptr;
      warnings.add({Oddity::zero_intensity,
                    known_region ? s.region->intensity.in(kilogram / kilowatt_hour) : 0.0,
                    0.0,
                    known_region ? s.region->region : std::string_view{},
                    {}});
    }
  } else if (s.options.hourly != nullptr) {
    // Once the days are known.
  } else if (s.region != nullptr) {
    if (year && s.region->year != year) {
      failure = {
          s.region->year
              ? fmt::format("no intensity of '{}' for {:.0f}: the table has that of {:.0f}",
                            s.region->region, *year, *s.region->year)
              : fmt::format("no intensity of '{}' for {:.0f}: the table does not say of which "
                            "year it is",
                            s.region->region, *year),
          "give intensity_kg_per_kwh, or leave site_year blank", Col::site_year};
      return false;
    }
    s.intensity = known(s.region->intensity, Basis::catalogue, &s.region->origin);
    if (s.region->scope.empty()) {
      warnings.add({Oddity::mixed_grid_scope, 0, 0, s.region->region, {}});
    }
  }
  const std::string_view provider = s.region != nullptr ? s.region->provider : std::string_view{};
  const std::string_view region = s.region != nullptr ? s.region->region : std::string_view{};
  if (const auto pue = row.number(Col::pue)) {
    s.pue = given(*pue);
  } else if (const auto* value = catalogue.pue().find(provider, region, year)) {
    const bool cloud = provider == "gcp" || provider == "aws" || provider == "azure";
    s.pue = known(value->value, cloud ? Basis::catalogue : Basis::fallback, &value->origin);
  }
  if (const auto share = row.number(Col::offset_share)) {
    s.offset_share = given(*share);
  } else if (!provider.empty()) {
    if (const auto* offset = catalogue.offsets().find(provider, region)) {
      s.offset_share = known(offset->value, Basis::catalogue, &offset->origin);
    }
  }
  return given_range(row.number(Col::intensity_kg_per_kwh),
                     row.number(Col::intensity_low_kg_per_kwh),
                     row.number(Col::intensity_high_kg_per_kwh), Col::intensity_kg_per_kwh,
                     Col::intensity_low_kg_per_kwh, Col::intensity_high_kg_per_kwh,
                     s.intensity_range, failure) &&
         given_range(row.number(Col::pue), row.number(Col::pue_low), row.number(Col::pue_high),
                     Col::pue, Col::pue_low, Col::pue_high, s.pue_range, failure);
}

/// No accelerator with its share of a server draws much more than its limit and the rest of it.
bool question_power(const Catalogue& catalogue, const Scenario& s, RowFailure& failure) {
  constexpr double kTooMuch = 1.5;
  const auto* host = catalogue.hosts().find(s.device);
  if (!s.system_power || !s.tdp || host == nullptr) return true;
  auto draw = host->draw;
  if (s.devices_per_node.basis == Basis::given) draw.devices = *s.devices_per_node * device;
  const auto most = models::node_draw(*s.tdp, draw);
  if (*s.system_power <= kTooMuch * most) return true;
  failure = {
      fmt::format("system_power_w {:g} is above what a device with a limit of {:g} W and its "
                  "share of a server can draw, about {:.0f} W",
                  s.system_power->in(watt / device), s.tdp->in(watt / device),
                  most.in(watt / device)),
      "system_power_w is of one accelerator, not of a server or a cluster", Col::system_power_w};
  return false;
}

void resolve_embodied(const RunRow& row, const Catalogue& catalogue, Scenario& s) {
  const auto& defaults = catalogue.defaults();
  s.embodied = s.options.embodied;
  if (s.embodied == Embodied::best && s.options.method == Method::llmcarbon) {
    s.embodied = Embodied::llmcarbon;
  }
  const auto& lifetime = s.embodied == Embodied::llmcarbon ? defaults.llmcarbon_lifetime_years
                                                           : defaults.lifetime_years;
  s.lifetime = known(lifetime.value * year, Basis::fallback, &lifetime.origin);
  if (const auto years = row.number(Col::lifetime_years)) s.lifetime = given(*years * year);
  if (const auto share = row.number(Col::utilization)) {
    s.utilization = given(*share);
  } else if (s.embodied != Embodied::llmcarbon) {
    s.utilization =
        known(defaults.utilization.value, Basis::fallback, &defaults.utilization.origin);
  }
}

/// Published measurements in place of predictions.
void take_measurements(const RunRow& row, Scenario& s) {
  if (s.options.taken == Taken::hours) {
    const auto hours = row.number(Col::reported_device_hours);
    const auto days = row.number(Col::reported_days);
    if (!hours && !(days && s.devices)) return;
    s.booked = hours ? given(*hours * hour * device) : Known<DeviceTime>{};
    s.days = hours ? Known<Time>{} : given(*days * day);
    s.tokens = {};  // or the hours would say the rate
  } else if (s.options.taken == Taken::power) {
    if (const auto draw = row.number(Col::system_power_w)) {
      s.system_power = given(*draw * watt / device);
    } else if (const auto alone = row.number(Col::reported_device_power_w);
               alone && row.text(Col::energy_basis) != "device_hours_x_constant") {
      s.device_power = given(*alone * watt / device);
    }
  }
}

}  // namespace

bool resolve(const RunRow& row, const Catalogue& catalogue, const EstimateOptions& options,
             Scenario& s, Warnings& warnings, RowFailure& failure) {
  s = Scenario{};
  s.options = options;
  s.id = row.text(Col::id);
  s.name = row.has(Col::name) ? row.text(Col::name) : s.id;
  s.phase = row.text(Col::phase);
  if (!resolve_architecture(row, catalogue, s, warnings, failure)) return false;
  if (!resolve_device(row, catalogue, s, warnings, failure)) return false;
  if (!resolve_efficiency(row, s, warnings, failure)) return false;
  if (!resolve_site(row, catalogue, s, warnings, failure)) return false;

  if (const auto tokens = row.number(Col::tokens_b)) {
    s.tokens = given(*tokens * kBillion);
    const bool from_scratch = s.phase.empty() || s.phase == "pretrain";
    if (from_scratch && s.active_params && *s.tokens < *s.active_params) {
      warnings.add({Oddity::few_tokens, *s.tokens, *s.active_params, {}, {}});
    }
    if (s.convention == models::FlopConvention::six_nd && s.type != "dense" && s.type != "moe" &&
        s.type != "encoder") {
      warnings.add({Oddity::type_beyond_6nd, 0, 0, s.type, {}});
    }
  }
  if (const auto devices = row.number(Col::devices)) s.devices = given(*devices * device);
  if (const auto days = row.number(Col::days)) s.days = given(*days * day);
  if (const auto hours = row.number(Col::device_hours)) s.booked = given(*hours * hour * device);
  if (const auto batch = row.number(Col::global_batch_seqs)) {
    const bool searched = s.options.searched.test(static_cast<std::size_t>(Col::global_batch_seqs));
    s.global_batch = searched ? known(*batch, Basis::model, &kSearchedPlan) : given(*batch);
  }
  constexpr double kLargestHost = 16;  // more than that is a rack, not a host
  const auto& defaults = catalogue.defaults();
  if (const auto per_node = row.number(Col::devices_per_node)) {
    s.devices_per_node = given(*per_node);
  } else if (s.device != nullptr && s.device->devices_per_server &&
             *s.device->devices_per_server <= kLargestHost * device) {
    s.devices_per_node =
        known(s.device->devices_per_server->in(device), Basis::catalogue, &s.device->origin);
  } else {
    s.devices_per_node =
        known(defaults.devices_per_node.value, Basis::fallback, &defaults.devices_per_node.origin);
  }
  if (!question_power(catalogue, s, failure)) return false;
  resolve_embodied(row, catalogue, s);
  take_measurements(row, s);
  return resolve_plan(row, s, warnings, failure);
}

}  // namespace pretrain::planner
