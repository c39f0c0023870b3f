#include "models/state_space.hpp"

#include <cmath>

namespace pretrain::models {

namespace {

constexpr double kHalf = 2;        // bytes of bf16
constexpr double kSingle = 4;      // bytes of fp32
constexpr double kPerWeight = 2;   // a multiplication and an addition
constexpr double kStepOver = 16;   // Mamba-1: hidden over the rank of the step
constexpr double kChunkSsd = 128;  // Nemotron-H and Nemotron 3: chunk_size
constexpr double kChunkDelta = 64;

/// Width of all keys of Mamba's groups, of linear attention's key heads.
double key_width(const Architecture& a) { return a.ssm_groups * a.ssm_state; }

double head_width(const Architecture& a) { return a.ssm_inner / a.ssm_heads; }

double step_rank(const Architecture& a) { return std::ceil(a.hidden / kStepOver); }

bool delta_rule(const Architecture& a) {
  return a.state_space == StateSpace::gated_delta_net ||
         a.state_space == StateSpace::kimi_delta_attention;
}

}  // namespace

StateSpaceProjections state_space_projections(const Architecture& a) {
  const double h = a.hidden;
  const double d = a.ssm_inner;
  switch (a.state_space) {
    case StateSpace::none:
      break;
    case StateSpace::mamba1: {  // x and gate; step, B and C; the step of each channel
      const double rank = step_rank(a);
      return {{{h, 2 * d}, {d, rank + 2 * a.ssm_state}, {rank, d}, {d, h}}};
    }
    case StateSpace::mamba2:  // x and gate, B and C, step
      return {{{h, 2 * d + 2 * key_width(a) + a.ssm_heads}, {d, h}}};
    case StateSpace::gated_delta_net:  // values and gate, keys and queries, decay and step
      return {{{h, 2 * d + 2 * key_width(a) + 2 * a.ssm_heads}, {d, h}}};
    case StateSpace::kimi_delta_attention: {  // decay and gate of low rank, step
      const double rank = head_width(a);
      return {{{h, d + 2 * key_width(a)},
               {h, rank},
               {rank, key_width(a)},
               {h, rank},
               {rank, d},
               {h, a.ssm_heads},
               {d, h}}};
    }
  }
  return {};
}

double state_space_channels(const Architecture& a) {
  return a.state_space == StateSpace::mamba1 ? a.ssm_inner : a.ssm_inner + 2 * key_width(a);
}

double state_space_chunk(const Architecture& a) {
  if (delta_rule(a)) return kChunkDelta;
  return a.state_space == StateSpace::mamba2 ? kChunkSsd : 1;
}

double state_space_parameters(const Architecture& a) {
  double count = 0;
  for (const auto& projection : state_space_projections(a)) count += projection.weights();
  const double d = a.ssm_inner;
  const double channels = state_space_channels(a);
  count += channels * a.ssm_conv;
  switch (a.state_space) {
    case StateSpace::none:
      return 0;
    case StateSpace::mamba1:  // biases, decay, skip, norms
      return count + channels + d + d * a.ssm_state + d + step_rank(a) + 2 * a.ssm_state;
    case StateSpace::mamba2:  // bias; decay, skip and bias of the step of each head; norm
      return count + channels + 3 * a.ssm_heads + d;
    case StateSpace::gated_delta_net:  // decay and bias of the step of each head; norm of a head
      return count + 2 * a.ssm_heads + head_width(a);
    case StateSpace::kimi_delta_attention:  // decay of a head and of a channel; norm of a head
      return count + a.ssm_heads + key_width(a) + head_width(a);
  }
  return 0;
}

StateSpaceWork state_space_work(const Architecture& a) {
  const double d = a.ssm_inner;
  const double n = a.ssm_state;
  const double q = state_space_chunk(a);
  StateSpaceWork work;
  work.convolution = kPerWeight * a.ssm_conv * state_space_channels(a);
  switch (a.state_space) {
    case StateSpace::none:
      return {};
    case StateSpace::mamba1:
      work.scan = 6 * n * d;
      break;
    case StateSpace::mamba2:
      work.scan = kPerWeight * (q * n * a.ssm_groups + q * d + 2 * n * d + n * d / q);
      break;
    case StateSpace::gated_delta_net:
    case StateSpace::kimi_delta_attention:
      work.scan = a.ssm_heads * (6 * q * n + q * q / 3) + 4 * q * d + 6 * n * d;
      break;
  }
  return work;
}

double state_space_bytes(const Architecture& a) {
  const double d = kHalf * a.ssm_inner;
  const double keys = kHalf * key_width(a);
  const double q = state_space_chunk(a);
  const double state = a.ssm_inner * a.ssm_state / q;  // of a chunk, for each of its tokens
  const double convolution = 2 * kHalf * state_space_channels(a);
  switch (a.state_space) {
    case StateSpace::none:
      return 0;
    case StateSpace::mamba1:  // x, step, gate and the result; B and C
      return convolution + 4 * d + 2 * kHalf * a.ssm_state;
    case StateSpace::mamba2: {
      const double scores = kSingle * a.ssm_groups * q;
      const double steps = a.ssm_heads * (kHalf + 2 * kSingle);
      const double into = d + keys + 2 * kSingle * a.ssm_heads + kSingle * state;
      const double passing = (kSingle + kHalf) * state;
      const double out = scores + 2 * d + keys + kHalf * state + 2 * kSingle * a.ssm_heads;
      return convolution + steps + into + passing + 2 * keys + scores + out;
    }
    case StateSpace::gated_delta_net:
    case StateSpace::kimi_delta_attention: {
      const double expanded = kHalf * a.ssm_heads * a.ssm_state;  // keys of each value head
      const double inverse = kHalf * a.ssm_heads * q;
      const double prepared = 2 * keys + 2 * d + expanded + 3 * inverse;
      const double passing = keys + expanded + 2 * d + kHalf * state;
      const double out = 2 * keys + 2 * d + kHalf * state;
      return convolution + prepared + passing + out;
    }
  }
  return 0;
}

}  // namespace pretrain::models
