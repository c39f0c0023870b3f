#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/breakdown.hpp"
#include "cli/estimate_job.hpp"
#include "planner/beside.hpp"

namespace pretrain::cli {

namespace {

using Json = nlohmann::ordered_json;
using planner::Col;

Json json_inputs(const planner::Result& result, const planner::Catalogue& catalogue) {
  Json inputs = Json::object();
  for (const auto& input : planner::inputs_of(result)) {
    Json entry;
    if (const auto* number = std::get_if<double>(&input.value)) {
      entry["value"] = *number;
    } else {
      entry["value"] = std::get<std::string_view>(input.value);
    }
    if (!input.unit.empty()) entry["unit"] = input.unit;
    entry["basis"] = name_of(input.basis);
    if (input.origin != nullptr) entry["source"] = source_text(input.origin, catalogue);
    inputs[std::string{input.column}] = std::move(entry);
  }
  return inputs;
}

Json json_compared(const planner::Comparisons& comparisons) {
  Json compared = Json::object();
  for (const auto& c : comparisons) {
    // The contract wants a prediction in every comparison: what has none is told in `not_compared`.
    if (!c.predicted) continue;
    Json entry{{"predicted", *c.predicted}};
    if (c.low) entry["low"] = *c.low;
    if (c.high) entry["high"] = *c.high;
    entry["reported"] = c.reported;
    if (c.delta) entry["delta"] = *c.delta;
    if (!c.reason.empty()) entry["reason"] = c.reason;
    if (!c.scope.empty()) entry["scope"] = c.scope;
    if (!c.convention.empty()) entry["convention"] = c.convention;
    if (!c.basis.empty()) entry["basis"] = c.basis;
    compared[std::string{planner::info_of(c.key).name}] = std::move(entry);
  }
  return compared;
}

Json json_not_compared(const planner::Comparisons& comparisons) {
  Json list = Json::object();
  for (const auto& c : comparisons) {
    if (c.predicted) continue;
    list[std::string{planner::info_of(c.key).name}] = {{"reported", c.reported},
                                                       {"reason", c.reason}};
  }
  return list;
}

Json json_trace(const planner::RunRow& row, const planner::Result& result,
                const planner::Catalogue& catalogue) {
  Json trace = Json::array();
  for (const auto& step : planner::explain(row, result, catalogue)) {
    const auto& equation = catalogue.equations().find(step.equation);
    Json values = Json::object();
    for (const auto& term : step.terms) {
      Json entry{{"value", term.value}};
      if (!term.unit.empty()) entry["unit"] = term.unit;
      entry["basis"] = name_of(term.basis);
      if (term.origin != nullptr) entry["source"] = source_text(term.origin, catalogue);
      values[std::string{term.symbol}] = std::move(entry);
    }
    std::string source = catalogue.sources().citation(equation.source);
    if (!equation.locator.empty()) source += ", " + std::string{equation.locator};
    if (source.empty()) source = std::string{equation.status};
    trace.push_back({{"equation", step.equation},
                     {"name", step.result_name},
                     {"formula", equation.formula},
                     {"values", std::move(values)},
                     {"result", step.result},
                     {"unit", step.unit},
                     {"source", std::move(source)},
                     {"basis", name_of(Basis::model)}});
  }
  return trace;
}

}  // namespace

std::string json_run(const planner::RunRow& row, const planner::Result& result,
                     const planner::Catalogue& catalogue) {
  Json run;
  run["name"] = row.has(Col::name) ? row.text(Col::name) : row.text(Col::id);
  if (row.has(Col::id)) run["id"] = row.text(Col::id);
  const auto status = result.status();
  run["status"] = planner::name_of(status);
  if (status != planner::Status::ok) {
    run["reason"] = planner::reason(result);
    run["help"] = planner::remedy(result, catalogue);
  }
  Json warnings = Json::array();
  for (const auto& warning : result.warnings)
    warnings.push_back(planner::to_text(warning, catalogue));
  if (result.ok) {
    run["inputs"] = json_inputs(result, catalogue);
    Json predicted_json = Json::object();
    const planner::Predicted predicted{result};
    for (std::size_t i = 0; i < planner::kKeys; ++i) {
      const auto key = static_cast<planner::Key>(i);
      if (const auto value = predicted[key]) {
        const auto& info = planner::info_of(key);
        Json entry{{"value", *value}};
        if (const auto low = predicted.low(key)) entry["low"] = *low;
        if (const auto high = predicted.high(key)) entry["high"] = *high;
        entry["unit"] = info.unit;
        predicted_json[std::string{info.name}] = std::move(entry);
      }
    }
    run["predicted"] = std::move(predicted_json);
    Json drivers = Json::array();
    for (const auto& driver : predicted.drivers()) {
      if (driver.factor > 1) {
        drivers.push_back({{"input", driver.input}, {"factor", driver.factor}});
      }
    }
    run["drivers"] = std::move(drivers);
    const planner::Comparisons comparisons{row, result, predicted, catalogue};
    if (!comparisons.empty()) {
      run["compared"] = json_compared(comparisons);
      Json delta = Json::object();
      for (const auto& c : comparisons) {
        if (c.delta) delta[std::string{planner::info_of(c.key).name}] = *c.delta;
      }
      run["delta"] = std::move(delta);
      auto missing = json_not_compared(comparisons);
      if (!missing.empty()) run["not_compared"] = std::move(missing);
    }
    if (auto breakdown = json_breakdown(result); !breakdown.empty()) {
      run["breakdown"] = std::move(breakdown);
    }
    const auto& carbon = result.estimate.carbon;
    for (const auto& line : planner::lines_beside(row, result, catalogue)) {
      Json entry{{"value", line.result}};
      if (line.low) entry["low"] = *line.low;
      if (line.high) entry["high"] = *line.high;
      entry["unit"] = line.unit;
      if (line.share) entry["share_of_training_energy"] = *line.share;
      entry["equation"] = line.equation;
      if (!line.note.empty()) entry["note"] = line.note;
      run["extra_lines"][std::string{line.result_name}] = std::move(entry);
    }
    if (carbon.embodied) run["embodied_scope"] = embodied_scope_of(carbon);
  }
  run["warnings"] = std::move(warnings);
  if (result.ok) run["trace"] = json_trace(row, result, catalogue);
  return run.dump();
}

std::string json_document(const planner::Catalogue& catalogue, std::string_view runs,
                          std::string_view more) {
  const Json head{{"version", PRETRAIN_VERSION}, {"catalogue", catalogue.hash()}};
  return fmt::format("{{\"planner\": {},\n{}\"runs\": [\n{}\n]}}\n", head.dump(), more, runs);
}

}  // namespace pretrain::cli
