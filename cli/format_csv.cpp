#include "cli/estimate_job.hpp"
#include "planner/run_writer.hpp"

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
  out += ",tokens_b,devices\n";
  return out;
}

void append_csv_row(std::string& out, const planner::RunRow& row, const planner::Result& result,
                    const planner::Catalogue& catalogue) {
  using planner::Col;
  planner::append_csv_cell(out, row.text(Col::id));
  out += ',';
  planner::append_csv_cell(out, row.text(Col::name));
  out += result.ok ? ",ok," : ",error,";
  if (!result.ok) planner::append_csv_cell(out, result.failure.what);
  const auto append = [&out](std::optional<double> value) {
    out += ',';
    if (value) planner::append_number(out, *value);
  };
  const planner::Predicted predicted{result};
  for (std::size_t i = 0; i < planner::kKeys; ++i) append(predicted[static_cast<planner::Key>(i)]);
  const planner::Comparisons compared{row, result, catalogue};
  for (const auto key : planner::Comparisons::kReportable) {
    const auto* comparison = compared.find(key);
    append(comparison != nullptr ? comparison->delta : std::nullopt);
  }
  constexpr double kBillion = 1e9;
  const auto& solved = result.estimate.duration;
  append(solved.tokens ? std::optional{*solved.tokens / kBillion} : std::nullopt);
  append(solved.devices ? std::optional{(*solved.devices).in(device)} : std::nullopt);
  out += '\n';
}

}  // namespace pretrain::cli
