#include "models/carbon.hpp"

namespace pretrain::models {

Mass operational_carbon(Energy energy, CarbonIntensity intensity) { return energy * intensity; }

Mass offset_carbon(Mass operational, Fraction offset_share) {
  return offset_share.value() * operational;
}

Mass total_carbon(Mass operational, Mass embodied) { return operational + embodied; }

}  // namespace pretrain::models
