#include "planner/run_columns.hpp"

#include "models/core/text.hpp"

namespace pretrain::planner {

constexpr std::array<Column, kColumns> kRunColumns = {{
#define NUMBER(name, role, unit, low, high, help, meaning) \
  {#name, Kind::number, Role::role, unit, low, high, help, "", meaning},
#define WHOLE(name, role, unit, low, high, help, meaning) \
  {#name, Kind::whole, Role::role, unit, low, high, help, "", meaning},
#define COUNT(name, role, unit, low, high, help, meaning) \
  {#name, Kind::count, Role::role, unit, low, high, help, "", meaning},
#define DAYS(name, role, unit, low, high, help, meaning) \
  {#name, Kind::days, Role::role, unit, low, high, help, "", meaning},
#define TEXT(name, role, meaning) {#name, Kind::text, Role::role, "", 0, 0, "", "", meaning},
#define CHOICE(name, role, choices, meaning) \
  {#name, Kind::choice, Role::role, "", 0, 0, "", choices, meaning},
#define FLAG(name, role, meaning) \
  {#name, Kind::flag, Role::role, "", 0, 0, "", "true false", meaning},
#include "planner/run_columns.def"
#undef NUMBER
#undef WHOLE
#undef COUNT
#undef DAYS
#undef TEXT
#undef CHOICE
#undef FLAG
}};

std::optional<Col> find_column(std::string_view name) {
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (kRunColumns[i].name == name) return static_cast<Col>(i);
  }
  return std::nullopt;
}

std::optional<Col> find_llmcarbon_column(std::string_view name) {
  struct Alias {
    std::string_view name;
    Col col;
  };
  static constexpr Alias kAliases[] = {
      {"parameter # (B)", Col::params_b},
      {"base model param. # (B)", Col::active_params_b},
      {"token # (B)", Col::tokens_b},
      {"CO2eq/KWh", Col::intensity_kg_per_kwh},
      {"computing device", Col::device},
      {"device TPD (W)", Col::device_tdp_w},
      {"avg. system power (W)", Col::system_power_w},
      {"peak TFLOPs/s", Col::peak_tflops},
      {"achieved TFLOPs/s", Col::achieved_tflops},
      {"hardware efficiency", Col::mfu},
      {"device #", Col::devices},
      {"total zettaFLOPs", Col::total_zettaflops},
      {"training days", Col::reported_days},
      {"actual tCO2eq", Col::reported_tco2e_operational},
      {"energy MWh", Col::reported_energy_mwh},
  };
  for (const auto& alias : kAliases) {
    if (equal_ignoring_case(alias.name, name)) return alias.col;
  }
  return std::nullopt;
}

}  // namespace pretrain::planner
