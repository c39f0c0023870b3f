#include "planner/beside.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/carbon.hpp"
#include "models/inference.hpp"
#include "models/phases.hpp"
#include "models/power.hpp"
#include "models/step_spread.hpp"

namespace pretrain::planner {

namespace {

constexpr double kBillion = 1e9;
constexpr double kMostDevelopment = 0.999;
constexpr double kGiga = 1e9;
constexpr auto kIntensityUnit = kilogram / kilowatt_hour;
constexpr Bytes kTerabyte = 1e12 * byte;

class Beside {
 public:
  Beside(const RunRow& row, const Result& r, const Catalogue& catalogue)
      : row_{row}, s_{r.scenario}, e_{r.estimate}, defaults_{catalogue.defaults()} {}

  std::vector<Line> lines() {
    accounting();
    building();
    cost();
    const auto& asked = s_.options.asked;
    if (asked.experiments || row_.has(Col::development_share) || row_.has(Col::trials)) {
      experiments();
    }
    const bool stored = row_.has(Col::checkpoints_kept) || row_.has(Col::storage_years);
    if (asked.storage || stored) storage();
    const bool served = row_.has(Col::generated_tokens_b) || row_.has(Col::prompt_tokens) ||
                        row_.has(Col::output_tokens) || row_.has(Col::serving_batch);
    if (asked.inference || served) inference();
    return std::move(lines_);
  }

 private:
  Line& add(std::string_view equation, std::string_view name, std::vector<Term> terms,
            double result, std::string_view unit, std::string note, bool asked) {
    Line line;
    line.equation = equation;
    line.result_name = name;
    line.terms = std::move(terms);
    line.result = result;
    line.unit = unit;
    line.note = std::move(note);
    line.asked = asked;
    lines_.push_back(std::move(line));
    return lines_.back();
  }

  static Term modeled(std::string_view symbol, double value, std::string_view unit = "") {
    return {symbol, value, unit, Basis::model, nullptr};
  }
  /// A cell of the row, else its default.
  Known<double> cell(Col col, const hardware::Default& otherwise) const {
    if (const auto value = row_.number(col)) return given(*value);
    return known(otherwise.value, Basis::fallback, &otherwise.origin);
  }
  static Term assumed(std::string_view symbol, const hardware::Default& d,
                      std::string_view unit = "") {
    return {symbol, d.value, unit, Basis::fallback, &d.origin};
  }
  static Term of(std::string_view symbol, const Known<double>& value, std::string_view unit = "") {
    return {symbol, *value, unit, value.basis, value.origin};
  }
  double facility_mwh() const { return (*e_.energy.facility).in(megawatt_hour); }
  Term facility() const { return modeled("E", facility_mwh(), "MWh"); }

  /// The ends of a line where one of its inputs is uncertain, at the level asked for.
  template <class Of>
  void bound(Line& line, models::Spread spread, Of of, double input) const {
    const double level = s_.options.interval;
    if (level <= 0) return;
    line.low = of(input * std::exp(-models::half_width(spread.down, level)));
    line.high = of(input * std::exp(models::half_width(spread.up, level)));
  }

  /// Emissions of an energy at the site of the run.
  void emitted(std::string_view name, double mwh, std::string note, bool asked) {
    if (!e_.carbon.intensity) return;
    const auto& intensity = e_.carbon.intensity;
    const double tons = models::operational_carbon(mwh * megawatt_hour, *intensity).in(tonne);
    add("carbon.operational", name,
        {modeled("E", mwh, "MWh"),
         {"CI", (*intensity).in(kIntensityUnit), "kg/kWh", intensity.basis, intensity.origin}},
        tons, "t", std::move(note), asked);
  }

  void accounting() {
    const auto& operational = e_.carbon.operational;
    if (const auto market = row_.number(Col::market_intensity_kg_per_kwh);
        market && e_.energy.facility) {
      const auto intensity = *market * kIntensityUnit;
      add("carbon.market", "market_tco2e",
          {facility(), {"CI_m", *market, "kg/kWh", Basis::given, nullptr}},
          models::market_carbon(*e_.energy.facility, intensity).in(tonne), "t",
          "market-based: by contracts and certificates, beside the location-based figure", true);
    }
    if (!operational) return;
    const double tons = (*operational).in(tonne);
    const auto share = row_.number(Col::carbon_free_share);
    const bool from_grid = s_.region != nullptr && s_.intensity.basis == Basis::catalogue &&
                           s_.region->carbon_free_share;
    if (share || from_grid) {
      const Term cfe = share ? Term{"cfe", *share, "", Basis::given, nullptr}
                             : Term{"cfe", *s_.region->carbon_free_share, "", Basis::catalogue,
                                    &s_.region->origin};
      add("carbon.carbon_free", "unmatched_tco2e", {modeled("CO2e", tons, "t"), cfe},
          models::unmatched_carbon(*operational, Fraction::of(cfe.value)).in(tonne), "t",
          fmt::format("emissions of the {:.0f}% of the electricity that carbon-free sources do not "
                      "match; not subtracted",
                      100 * (1 - cfe.value)),
          share.has_value());
    }
    if (e_.carbon.offset) {
      add("carbon.offset", "offset_tco2e",
          {{"share", *s_.offset_share, "", s_.offset_share.basis, s_.offset_share.origin},
           modeled("CO2e", tons, "t")},
          (*e_.carbon.offset).in(tonne), "t",
          s_.offset_share.basis == Basis::given
              ? "compensated; not subtracted"
              : "what the provider says it compensates; not subtracted",
          s_.offset_share.basis == Basis::given);
    }
  }

  void building() {
    // TPU footprints have it in them; LLMCarbon's chips have nothing of the kind.
    const auto* card = e_.carbon.card;
    if (!e_.energy.node || !e_.carbon.embodied || e_.carbon.die ||
        (card != nullptr && card->scope == hardware::EmbodiedScope::device_with_host)) {
      return;
    }
    const auto share = [&](double kg) {
      return models::building_share(*e_.energy.node, kg, defaults_.building_years.value * year)
          .in(tonne);
    };
    const auto& kg = defaults_.building_kg_per_kw;
    auto& line =
        add("embodied.building", "building_tco2e",
            {modeled("E_node", (*e_.energy.node).in(megawatt_hour), "MWh"),
             assumed("m", kg, "kg/kW"), assumed("LT", defaults_.building_years, "years")},
            share(kg.value), "t",
            "share of the building with its power and cooling plant; not in embodied_tco2e", false);
    bound(line, kg.spread, share, kg.value);
  }

  void cost() {
    const auto& asked = s_.options.asked;
    const auto price = [&](Col col, const std::optional<double>& otherwise) {
      const auto own = row_.number(col);
      return own ? own : otherwise;
    };
    const auto per_hour = price(Col::price_per_device_hour, asked.price_per_device_hour);
    const auto per_kwh = price(Col::price_per_kwh, asked.price_per_kwh);
    if (per_hour && e_.duration.booked) {
      const double hours = (*e_.duration.booked).in(hour * device);
      add("cost.hours", "cost_of_device_hours",
          {modeled("n_T", hours, "h"), {"price", *per_hour, "", Basis::given, nullptr}},
          models::cost_of_hours(*e_.duration.booked, *per_hour), "in the currency of the price",
          "booked accelerator hours", true);
    }
    if (per_kwh && e_.energy.facility) {
      add("cost.energy", "cost_of_electricity",
          {facility(), {"price", *per_kwh, "", Basis::given, nullptr}},
          models::cost_of_energy(*e_.energy.facility, *per_kwh), "in the currency of the price",
          per_hour ? "facility energy; rented hours have it in their price" : "facility energy",
          true);
    }
  }

  void experiment(std::string_view equation, std::vector<Term> terms, double factor,
                  const models::Spread* spread, const std::string& note) {
    const double mwh = factor * facility_mwh();
    terms.push_back(facility());
    auto& line = add(equation, "experiments_energy_mwh", std::move(terms), mwh, "MWh", note, true);
    line.share = factor;
    if (spread != nullptr) {
      bound(
          line, *spread,
          [&](double d) {
            return models::development_factor(std::min(d, kMostDevelopment)) * facility_mwh();
          },
          line.terms[0].value);
    }
    emitted("experiments_tco2e", mwh, "operational, at the site of the run", true);
    if (e_.carbon.embodied) {
      add("phases.embodied", "experiments_embodied_tco2e",
          {modeled("factor", factor), modeled("embodied", (*e_.carbon.embodied).in(tonne), "t")},
          factor * (*e_.carbon.embodied).in(tonne), "t", "", true);
    }
  }

  void experiments() {
    if (!e_.energy.facility) return;
    if (row_.has(Col::trials)) {
      const double trials = *row_.number(Col::trials);
      const auto share = cell(Col::trial_share, defaults_.trial_share);
      experiment("phases.trials", {{"k", trials, "", Basis::given, nullptr}, of("w", share)},
                 models::trials_factor(trials, *share), nullptr,
                 fmt::format("{:g} trials, each {:g} of the final run", trials, *share));
      return;
    }
    const auto share = cell(Col::development_share, defaults_.development_share);
    experiment(
        "phases.development", {of("d", share)}, models::development_factor(*share),
        share.basis == Basis::given ? nullptr : &defaults_.development_share.spread,
        fmt::format("development is {:.0f}% of all compute, the final run the rest", 100 * *share));
  }

  void storage() {
    if (!s_.total_params || !e_.duration.tokens) return;
    const auto kept = cell(Col::checkpoints_kept, defaults_.checkpoints_kept);
    const auto years = cell(Col::storage_years, defaults_.storage_years);
    const models::Stored stored{*s_.total_params, defaults_.checkpoint_bytes_per_param.value, *kept,
                                *e_.duration.tokens, defaults_.text_bytes_per_token.value};
    const Bytes bytes = models::stored_bytes(stored);
    const double terabytes = bytes / kTerabyte;
    add("phases.stored", "stored_tb",
        {modeled("N", stored.params, "parameters"),
         assumed("b_c", defaults_.checkpoint_bytes_per_param, "B"), of("k", kept),
         modeled("D", stored.tokens, "tokens"),
         assumed("b_t", defaults_.text_bytes_per_token, "B")},
        terabytes, "TB", fmt::format("{:g} checkpoints with optimizer states, and the text", *kept),
        true);
    const Term amount = modeled("B", terabytes, "TB");
    if (s_.pue) {
      const double mwh =
          *s_.pue * models::storage_energy(bytes, defaults_.storage_copies.value,
                                           defaults_.storage_w_per_tb.value, *years * year)
                        .in(megawatt_hour);
      auto& line = add("phases.storage.energy", "storage_energy_mwh",
                       {amount,
                        assumed("c", defaults_.storage_copies),
                        assumed("w", defaults_.storage_w_per_tb, "W/TB"),
                        of("T", years, "years"),
                        {"PUE", *s_.pue, "", s_.pue.basis, s_.pue.origin}},
                       mwh, "MWh", fmt::format("hard disks, {:g} years", *years), true);
      if (e_.energy.facility) line.share = mwh / facility_mwh();
      emitted("storage_tco2e", mwh, "operational, at the site of the run", true);
    }
    add("phases.storage.embodied", "storage_embodied_tco2e",
        {amount, assumed("c", defaults_.storage_copies),
         assumed("m", defaults_.storage_kg_per_tb, "kg/TB"), of("T", years, "years"),
         assumed("LT", defaults_.storage_life_years, "years")},
        models::storage_embodied(bytes, defaults_.storage_copies.value,
                                 defaults_.storage_kg_per_tb.value, *years * year,
                                 defaults_.storage_life_years.value * year)
            .in(tonne),
        "t", "", true);
  }

  void inference() {
    const bool decoder = s_.has_architecture && s_.architecture.causal();
    if (!decoder || s_.device == nullptr || !e_.power.host || !e_.power.most || !s_.pue) return;
    const auto half = s_.device->peak_of(hardware::Dtype::bf16);
    const auto peak = half ? half : s_.device->peak_of(hardware::Dtype::fp16);
    if (!peak || !s_.device->memory_bandwidth_gb_per_s || !s_.device_memory) return;
    const auto& a = s_.architecture;
    constexpr double kBytes = 2;
    models::ServedModel model;
    model.params = *s_.total_params;
    model.active = *s_.active_params;
    model.weight_bytes = kBytes;
    if (a.experts > 0) model.expert_share = a.experts_per_token / a.experts;
    model.cache_bytes =
        kBytes * a.attention_blocks() *
        (a.latent() ? a.kv_lora_rank + a.rope_head_dim : a.kv_heads * (a.head_dim + a.v_head_dim));
    const auto prompt = cell(Col::prompt_tokens, defaults_.prompt_tokens);
    const auto output = cell(Col::output_tokens, defaults_.output_tokens);
    const auto batch = cell(Col::serving_batch, defaults_.serving_batch);
    const models::ServedLoad load{*prompt, *output, *batch};
    const models::ServingDevice serving{
        peak->in(flop / second / device), *s_.device->memory_bandwidth_gb_per_s * kGiga,
        (*s_.device_memory).in(byte), defaults_.prefill_utilization.value,
        defaults_.decode_utilization.value};
    const double replica = models::replica_devices(model, load, serving);
    const auto time = models::token_time(model, load, serving);
    const double decoded = models::weights_read(model, load.batch);
    add("inference.prefill", "prefill_s_per_token",
        {of("prompt", prompt, "tokens"),
         modeled("N", model.active, "parameters"),
         {"P", serving.peak / 1e12, "TFLOP/s", Basis::catalogue, &s_.device->origin},
         assumed("u_p", defaults_.prefill_utilization),
         of("output", output, "tokens")},
        time.prefill, "s", "device seconds for each generated token", false);
    add("inference.decode", "decode_s_per_token",
        {modeled("W", decoded, "B"),
         of("batch", batch),
         modeled("C", load.batch * (load.prompt + load.output / 2) * model.cache_bytes, "B"),
         {"BW", serving.bandwidth / kGiga, "GB/s", Basis::catalogue, &s_.device->origin},
         assumed("u_d", defaults_.decode_utilization),
         modeled("N", model.active, "parameters"),
         {"P", serving.peak / 1e12, "TFLOP/s", Basis::catalogue, &s_.device->origin},
         assumed("u_p", defaults_.prefill_utilization)},
        time.decode, "s", "device seconds for each generated token", false);

    const auto& levels = e_.power.levels;
    const auto draw = [&](double level) {
      return models::node_draw(models::device_draw(*e_.power.idle, *e_.power.most, level),
                               e_.power.host_draw) *
             device;
    };
    const double busy = defaults_.serving_busy.value;
    const models::ServingDraw draws{draw(levels.products), draw(levels.traffic), draw(levels.wait)};
    const Energy per_token = models::token_energy(time, draws, busy, *s_.pue);
    const double joules = per_token.in(joule);
    add("inference.energy", "inference_j_per_token",
        {modeled("t_p", time.prefill, "s"),
         modeled("P_p", draws.prefill.in(watt), "W"),
         modeled("t_d", time.decode, "s"),
         modeled("P_d", draws.decode.in(watt), "W"),
         assumed("u", defaults_.serving_busy),
         modeled("P_w", draws.wait.in(watt), "W"),
         {"PUE", *s_.pue, "", s_.pue.basis, s_.pue.origin}},
        joules, "J",
        fmt::format("facility energy of a generated token: {:g} of prompt, {:g} of output, {:g} "
                    "requests at a time, {:g} device{} a replica, busy {:.0f}% of the time",
                    *prompt, *output, *batch, replica, replica == 1 ? "" : "s", 100 * busy),
        true);
    if (e_.energy.facility) {
      add("inference.break_even", "inference_break_even_tokens_b",
          {facility(), modeled("e", joules, "J")},
          models::break_even_tokens(*e_.energy.facility, per_token) / kBillion, "1e9",
          "generated tokens after which serving has used as much energy as training", true);
    }
    if (const auto tokens = row_.number(Col::generated_tokens_b)) {
      const double mwh = models::served_energy(*tokens * kBillion, per_token).in(megawatt_hour);
      auto& line =
          add("inference.total", "inference_energy_mwh",
              {{"tokens", *tokens, "1e9", Basis::given, nullptr}, modeled("e", joules, "J")}, mwh,
              "MWh", "", true);
      if (e_.energy.facility) line.share = mwh / facility_mwh();
      emitted("inference_tco2e", mwh, "operational, at the site of the run", true);
    }
  }

  const RunRow& row_;
  const Scenario& s_;
  const Estimate& e_;
  const hardware::Defaults& defaults_;
  std::vector<Line> lines_;
};

}  // namespace

std::vector<Line> lines_beside(const RunRow& row, const Result& result,
                               const Catalogue& catalogue) {
  return Beside{row, result, catalogue}.lines();
}

std::vector<Step> explain(const RunRow& row, const Result& result, const Catalogue& catalogue) {
  auto steps = explain(result, catalogue);
  for (auto& line : lines_beside(row, result, catalogue)) steps.push_back(std::move(line));
  return steps;
}

}  // namespace pretrain::planner
