#include "models/carbon.hpp"

namespace pretrain::models {

Mass operational_carbon(Energy energy, CarbonIntensity intensity) { return energy * intensity; }

Mass unmatched_carbon(Mass operational, Fraction carbon_free) {
  return (1 - carbon_free.value()) * operational;
}

Mass offset_carbon(Mass operational, Fraction offset_share) {
  return offset_share.value() * operational;
}

Mass total_carbon(Mass operational, Mass embodied) { return operational + embodied; }

}  // namespace pretrain::models
