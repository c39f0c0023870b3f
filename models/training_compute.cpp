#include "models/training_compute.hpp"

#include <cassert>

namespace pretrain::models {

Flop training_compute(double params, double tokens) {
  assert(params >= 0.0 && tokens >= 0.0);
  return kFlopPerParamToken * params * tokens * flop;
}

double tokens_reached(Flop compute, double params) {
  assert(params > 0.0);
  return compute.in(flop) / (kFlopPerParamToken * params);
}

}  // namespace pretrain::models
