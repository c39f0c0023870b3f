#pragma once

#include "models/core/units.hpp"

namespace pretrain::models {

/// Emissions of the electricity used, by the average intensity of the grid (location-based).
///
/// @eq      carbon.operational
/// @source  patterson-2021, Sec. 2.5   tCO2e = KWh x kg CO2e per KWh / 1000
Mass operational_carbon(Energy energy, CarbonIntensity intensity);

/// The part that the provider says it compensates: a line of its own, never subtracted.
///
/// @eq      carbon.offset
/// @source  mlco2-impact, js/grayscale.js setDetails   offset = co2 x offsetRatio / 100
Mass offset_carbon(Mass operational, Fraction offset_share);

/// Operational and embodied.
///
/// @eq      carbon.total
/// @source  llmcarbon-2024   CO2eq = CO2eq_oper + CO2eq_emb
Mass total_carbon(Mass operational, Mass embodied);

}  // namespace pretrain::models
