#pragma once

#include "models/core/units.hpp"

namespace pretrain::models {

/// Emissions of the electricity used, by the average intensity of the grid (location-based).
///
/// @eq      carbon.operational
/// @source  patterson-2021, Sec. 2.5   tCO2e = KWh x kg CO2e per KWh / 1000
Mass operational_carbon(Energy energy, CarbonIntensity intensity);

/// By contracts and certificates instead of the grid: a line of its own beside the location-based
/// figure.
///
/// @eq      carbon.market
/// @source  ghg-scope-2, chapter 4   activity data x market-based emission factor
inline Mass market_carbon(Energy energy, CarbonIntensity market) {
  return operational_carbon(energy, market);
}

/// Emissions of the part of the electricity that carbon-free sources do not match.
///
/// @eq      carbon.carbon_free
/// @derived (1 - share) x emissions
Mass unmatched_carbon(Mass operational, Fraction carbon_free);

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
