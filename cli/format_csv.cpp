#include <fmt/format.h>

#include <array>
#include <iterator>

#include "cli/estimate_job.hpp"

namespace pretrain::cli {

namespace {

/// Lines beside the run that have columns of their own, by what asks for them.
struct LineColumn {
  std::string_view name;
  bool (*wanted)(const planner::Asked& asked);
};
constexpr bool experiments(const planner::Asked& a) { return a.experiments; }
constexpr bool storage(const planner::Asked& a) { return a.storage; }
constexpr bool inference(const planner::Asked& a) { return a.inference; }
constexpr std::array kLineColumns{
    LineColumn{"experiments_energy_mwh", experiments},
    LineColumn{"experiments_tco2e", experiments},
    LineColumn{"experiments_embodied_tco2e", experiments},
    LineColumn{"stored_tb", storage},
    LineColumn{"storage_energy_mwh", storage},
    LineColumn{"storage_tco2e", storage},
    LineColumn{"storage_embodied_tco2e", storage},
    LineColumn{"inference_j_per_token", inference},
    LineColumn{"inference_break_even_tokens_b", inference},
    LineColumn{"inference_energy_mwh", inference},
    LineColumn{"inference_tco2e", inference},
    LineColumn{"cost_of_device_hours",
               [](const planner::Asked& a) { return a.price_per_device_hour.has_value(); }},
    LineColumn{"cost_of_electricity",
               [](const planner::Asked& a) { return a.price_per_kwh.has_value(); }}};

}  // namespace

std::string csv_header(bool intervals, const planner::Asked& asked) {
  std::string out = "id,name,status,reason";
  for (const auto& info : planner::kKeyInfo) {
    out += ',';
    out += info.name;
  }
  for (const auto key : planner::Comparisons::kReportable) {
    out += ",delta_";
    out += planner::info_of(key).name;
  }
  if (intervals) {
    for (const auto key : planner::Predicted::kUncertain) {
      const auto name = planner::info_of(key).name;
      out += fmt::format(",{0}_low,{0}_high", name);
    }
  }
  out += ",tokens_b,devices,compared_scope";
  for (const auto& column : kLineColumns) {
    if (column.wanted(asked)) (out += ',') += column.name;
  }
  out += '\n';
  return out;
}

CsvRows::CsvRows(bool intervals) : intervals_{intervals}, numbers_{kNumbers} {}

void CsvRows::append(std::string& out, const planner::RunRow& row, const planner::Result& result,
                     const planner::Catalogue& catalogue) {
  using planner::Col;
  planner::append_csv_cell(out, row.text(Col::id));
  out += ',';
  planner::append_csv_cell(out, row.text(Col::name));
  const auto status = result.status();
  out += ',';
  out += planner::name_of(status);
  out += ',';
  if (status != planner::Status::ok) planner::append_csv_cell(out, planner::reason(result));

  char text[kNumbers * (planner::NumberColumns::kWidth + 1) + 1];
  char* end = text;
  std::size_t column = 0;
  const auto append = [&](const std::optional<double>& value) {
    *end++ = ',';
    if (value) end = numbers_.write(end, column, *value);
    ++column;
  };
  const planner::Predicted predicted{result};
  for (std::size_t i = 0; i < planner::kKeys; ++i) append(predicted[static_cast<planner::Key>(i)]);
  const planner::Comparisons compared{row, result, predicted, catalogue};
  const auto* comparison = compared.begin();  // in the order of the columns
  for (const auto key : planner::Comparisons::kReportable) {
    const bool here = comparison != compared.end() && comparison->key == key;
    append(here ? (comparison++)->delta : std::nullopt);
  }
  if (intervals_) {
    for (const auto key : planner::Predicted::kUncertain) {
      append(predicted.low(key));
      append(predicted.high(key));
    }
  }
  constexpr double kBillion = 1e9;
  const auto& solved = result.estimate.duration;
  append(solved.tokens ? std::optional{*solved.tokens / kBillion} : std::nullopt);
  append(solved.devices ? std::optional{(*solved.devices).in(device)} : std::nullopt);
  *end++ = ',';
  out.append(text, static_cast<std::size_t>(end - text));
  for (const auto& item : compared) {
    if (item.scope.empty() || item.key == planner::Key::memory_gib_per_device) continue;
    out += item.scope;
    break;
  }
  if (const auto& asked = result.scenario.options.asked; asked.any()) {
    const auto lines =
        result.ok ? planner::lines_beside(row, result, catalogue) : std::vector<planner::Line>{};
    for (const auto& wanted : kLineColumns) {
      if (!wanted.wanted(asked)) continue;
      out += ',';
      for (const auto& line : lines) {
        if (line.result_name == wanted.name)
          fmt::format_to(std::back_inserter(out), "{}", line.result);
      }
    }
  }
  out += '\n';
}

}  // namespace pretrain::cli
