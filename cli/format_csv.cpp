#include "cli/estimate_job.hpp"

namespace pretrain::cli {

std::string csv_header() {
  std::string out = "id,name,status,reason";
  for (const auto& info : planner::kKeyInfo) {
    out += ',';
    out += info.name;
  }
  for (const auto key : planner::Comparisons::kReportable) {
    out += ",delta_";
    out += planner::info_of(key).name;
  }
  out += ",tokens_b,devices,compared_scope\n";
  return out;
}

CsvRows::CsvRows() : numbers_{kNumbers} {}

void CsvRows::append(std::string& out, const planner::RunRow& row, const planner::Result& result,
                     const planner::Catalogue& catalogue) {
  using planner::Col;
  planner::append_csv_cell(out, row.text(Col::id));
  out += ',';
  planner::append_csv_cell(out, row.text(Col::name));
  out += result.ok ? ",ok," : ",error,";
  if (!result.ok) planner::append_csv_cell(out, result.failure.what);

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
  for (const auto key : planner::Comparisons::kReportable) {
    const auto* comparison = compared.find(key);
    append(comparison != nullptr ? comparison->delta : std::nullopt);
  }
  constexpr double kBillion = 1e9;
  const auto& solved = result.estimate.duration;
  append(solved.tokens ? std::optional{*solved.tokens / kBillion} : std::nullopt);
  append(solved.devices ? std::optional{(*solved.devices).in(device)} : std::nullopt);
  *end++ = ',';
  out.append(text, static_cast<std::size_t>(end - text));
  for (const auto& comparison : compared) {
    if (comparison.scope.empty()) continue;
    out += comparison.scope;
    break;
  }
  out += '\n';
}

}  // namespace pretrain::cli
