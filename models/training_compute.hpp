#pragma once

#include "models/core/units.hpp"

namespace pretrain::models {

/// Compute of the whole training run, forward and backward. A mixture of experts counts the
/// parameters that a token meets (`params` is then the active count).
///
/// @eq      flops.6nd
/// @source  kaplan-2020, Sec. 1.3 and 2.1   C = 6 N B S, with B S = D tokens
/// @domain  params, tokens >= 0; attention scores and recomputation NOT included
Flop training_compute(double params, double tokens);

/// Tokens that a given compute trains on.
///
/// @eq      tokens.6nd
/// @derived flops.6nd solved for D
/// @domain  params > 0
double tokens_reached(Flop compute, double params);

/// Compute per token of one parameter: the 6 of 6 N D.
inline constexpr double kFlopPerParamToken = 6.0;

}  // namespace pretrain::models
