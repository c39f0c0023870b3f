#pragma once

#include <array>

#include "models/architecture.hpp"

namespace pretrain::models {

/// A matrix product with weights: a token's vector of `in` numbers becomes one of `out`.
struct Projection {
  double in = 0;
  double out = 0;

  double weights() const { return in * out; }
};

/// Those of one state-space mixer in the order in which a token meets them; unused ones are 0.
using StateSpaceProjections = std::array<Projection, 7>;
StateSpaceProjections state_space_projections(const Architecture& architecture);

/// Channels that the convolution runs over: values, keys and queries (Mamba-2: x, B and C).
double state_space_channels(const Architecture& architecture);

/// Tokens that the scan turns into matrix products at a time; 1 where it has none.
///   Mamba-2: chunk_size 128 of the Nemotron models; delta rule: the chunk of
///   flash-linear-attention
double state_space_chunk(const Architecture& architecture);

/// Parameters of one state-space mixer without the norm before it.
///
/// @eq      params.state_space
/// @source  gu-2023, Sec. 3; dao-2024, Sec. 7; yang-2024, Sec. 3; kimi-linear-2025, Sec. 4
///          projections, the convolution (Mamba with bias), decay and step of each head or channel,
///          the norm of what the scan gives
/// @derived tensor by tensor from the published modules: Mamba-1 as in Jamba, with a step of rank
///          h / 16 and norms of step, B and C
/// @domain  ssm_layers > 0
double state_space_parameters(const Architecture& architecture);

/// Forward work of one token in one state-space mixer beside its projections.
struct StateSpaceWork {
  double convolution = 0;
  double scan = 0;

  double total() const { return convolution + scan; }
};

/// @eq      flops.state_space
/// @source  dao-2024, Sec. 6 (block decomposition); yang-2024, Sec. 3.3 (chunkwise delta rule);
///          gu-2023, Sec. 3.3 (selective scan)
///          2 k per channel of the convolution; Mamba-2 over chunks of q tokens: 2 q n g (C B^T),
///          2 q d (scores times x), 4 n d (into the state and out of it), 2 n d / q (passing it
///          on); delta rule: 6 q n + q^2 / 3 of a head (K K^T, Q K^T, the triangular inverse and
///          its product with K), 4 q d (with values), 6 n d (state); Mamba-1: 6 n d
/// @assumes whole tiles where the mask leaves half of them, as the kernels do
/// @domain  ssm_layers > 0
StateSpaceWork state_space_work(const Architecture& architecture);

/// Bytes that convolution and scan of one token read and write forward, in half precision: they,
/// not the FLOPs, take the time.
///
/// @eq      traffic.state_space
/// @derived from the kernels of mamba-ssm (mamba_chunk_scan_combined) and flash-linear-attention
///          (chunk_gated_delta_rule), each tensor once each way; new chunk states in fp32
/// @domain  ssm_layers > 0
double state_space_bytes(const Architecture& architecture);

}  // namespace pretrain::models
