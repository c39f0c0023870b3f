#pragma once

#include "models/core/units.hpp"

// Serving a decoder: prefill at the pace of products, decoding at that of memory. All of a replica
// of one or more devices; bytes and FLOP per token, rates per second.

namespace pretrain::models {

struct ServedModel {
  double params = 0;        ///< all, in memory
  double active = 0;        ///< that a token meets
  double expert_share = 1;  ///< of the routed experts that a token meets; 1: no experts
  double weight_bytes = 2;  ///< of a parameter
  double cache_bytes = 0;   ///< keys and values of a token, in all layers
};

struct ServedLoad {
  double prompt = 0;  ///< tokens of a request
  double output = 0;  ///< tokens that it generates
  double batch = 1;   ///< requests that a replica decodes at a time
};

struct ServingDevice {
  double peak = 0;                 ///< FLOP/s in 16 bits
  double bandwidth = 0;            ///< B/s
  double memory = 0;               ///< B
  double prefill_utilization = 1;  ///< share of the peak
  double decode_utilization = 1;   ///< share of the bandwidth
};

/// Devices of a replica: the smallest power of two that holds weights and caches in nine tenths of
/// its memory.
///
/// @eq      inference.replica
double replica_devices(const ServedModel& model, const ServedLoad& load,
                       const ServingDevice& device);

/// Bytes of weights that one decoding step reads: of routed experts those that any request meets.
///
/// @eq      inference.weights
/// @derived routed experts that a batch misses: (1 - share)^batch
double weights_read(const ServedModel& model, double batch);

/// Time of a device for one generated token, by what it is spent on.
struct TokenTime {
  double prefill = 0;  ///< device seconds: its part of the prompt, 2 N FLOP a token
  double decode = 0;   ///< device seconds: weights and caches, or 2 N FLOP where those are slower
};

/// @eq      inference.prefill   inference.decode
/// @source  kaplan-2020, Sec. 2.1   2 N FLOP for a token forward
/// @derived roofline: a step of the batch reads weights once and the cache of each request
/// @assumes devices of a replica share bytes and FLOP evenly, so that their number cancels
/// @domain  load.batch >= 1, load.output > 0
TokenTime token_time(const ServedModel& model, const ServedLoad& load, const ServingDevice& device);

/// What a device draws with its share of the host, by what it does.
struct ServingDraw {
  Power prefill;
  Power decode;
  Power wait;
};

/// Energy of a generated token at the meter of the site; devices wait for requests when they are
/// not busy.
///
/// @eq      inference.energy
/// @domain  busy in (0, 1], pue >= 1
Energy token_energy(const TokenTime& time, const ServingDraw& draw, double busy, double pue);

/// @eq      inference.total
Energy served_energy(double tokens, Energy per_token);

/// Tokens after which serving has used as much energy as training.
///
/// @eq      inference.break_even
/// @domain  per_token > 0
double break_even_tokens(Energy training, Energy per_token);

}  // namespace pretrain::models
