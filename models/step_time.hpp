#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "models/architecture.hpp"
#include "models/collectives.hpp"
#include "models/core/units.hpp"
#include "models/memory.hpp"
#include "models/recipe.hpp"
#include "models/step_constants.hpp"
#include "models/training_compute.hpp"

// The time of one optimizer step, in stages that a search runs through from the outside in:
// what a device reaches (once per device, format and stack), a block of one shard (once per tp, cp,
// ep, micro-batch and recomputation), and the schedule (pp, interleave, dp, sharding).
// Lengths are in tokens, bandwidths in B/s, rates in FLOP/s, times in seconds.

namespace pretrain::models {

/// Devices that share kernels and a process.
enum class Generation : std::uint8_t {
  other,
  volta,
  ampere,
  hopper,
  blackwell,
  gb200,
  cdna3,
  cdna4,
  tpu_v4,
  tpu_v5e,
  tpu_v5p,
  tpu_v6e,
  tpu_v7,
};

enum class Maker : std::uint8_t { nvidia, amd, google, other };

/// Format of the operands of matrix products with weights; everything else stays in 16 bits.
enum class StepFormat : std::uint8_t { half, fp8, mxfp8, fp4 };

/// What a data sheet says of a device.
struct StepDevice {
  Generation generation = Generation::other;
  Maker maker = Maker::other;
  StepFormat format = StepFormat::half;
  double peak = 0;       ///< in the format
  double peak_half = 0;  ///< in 16 bits
  double watts = 0;      ///< power limit; 0: unknown
  double memory = 0;     ///< bandwidth
  Links links;           ///< nominal
  double domain = 1;     ///< devices that the near links join
  double per_node = 8;   ///< devices of a node
};

/// Which software runs the step.
struct StepStack {
  Stack stack = Stack::megatron;
  double year = 2025;   ///< of its release
  bool legacy = false;  ///< before fused kernels, overlap and interleaving; DeepSpeed's pipeline
  bool flash_attention = true;   ///< scores are never stored
  bool blocking_stages = false;  ///< DeepSpeed's pipeline: sending hides nothing
};

/// What a device reaches with a stack.
struct StepSpeed {
  StepDevice device;
  StepStack stack;
  double products = 0;       ///< of large matrix products with weights
  double half = 0;           ///< of those that stay in 16 bits
  double core = 0;           ///< of the attention core, forward, long sequences, wide heads
  double core_backward = 0;  ///< of its backward pass
  double memory = 0;
  double traffic = 0;     ///< s for each byte of element-wise traffic
  double cast_bytes = 0;  ///< for each element whose format is changed
  double kernel = 0;      ///< s, of starting one
  double wave = 0;        ///< outputs
  double depth_half =
      0;  ///< depth that fills the pipelines, in 16 bits; in fewer more, as they are faster
  double misaligned = 0;
  double host = 0;  ///< s, to launch one pass of a block
  double tp_exposed = 0;
  Links links;
  double year = 1;  ///< factor of the stack and its year
};

/// @eq      step.ceiling
/// @derived smooth minimum of the issue limit and of what the power limit sustains,
///          e = (p^-4 + c^-4)^(-1/4), p = constant x W per TFLOP/s
/// @assumes unknown power: as much per FLOP as an H100
StepSpeed step_speed(const StepDevice& device, const StepStack& stack,
                     const StepConstants& constants);

/// Share of the attention core's time that its forward pass has, with fused kernels.
double core_forward_share(const StepSpeed& speed);

/// What of an architecture the time of a step needs, counted once for many plans.
struct StepModel {
  struct Product {
    double width = 0;
    double depth = 0;
    enum class Split : std::uint8_t { width, depth, none } split = Split::width;
  };
  // Blocks that a token runs through, by what they are made of.
  double layers = 0;
  double attention_layers = 0;
  double ssm_layers = 0;
  double dense_layers = 0;
  double moe_layers = 0;
  // Parameters of a mean block: divided by tp, on each rank, of routed experts; and at the edges.
  double split_params = 0;
  double whole_params = 0;
  double expert_params = 0;
  double edge_params = 0;

  double hidden = 0;
  std::array<Product, 6> attention;  ///< projections of one attention
  std::size_t attentions = 0;
  double core_flop = 0;  ///< attention core of one token and block, forward
  double scores = 0;     ///< elements of one token's rows of the score matrix
  double head_width = 0;
  double qkv_width = 0;
  double kv_width = 0;
  std::array<Product, 7> ssm;  ///< projections of one state-space mixer
  std::size_t ssms = 0;
  double ssm_inner = 0;
  double scan_flop = 0;   ///< of one token and block, forward
  double scan_bytes = 0;  ///< the same
  double ffn_matrices = 0;
  double ffn = 0;
  double expert = 0;
  double expert_depth = 0;  ///< width that experts work in: hidden, or the latent one
  double experts = 0;
  double experts_met = 0;
  double shared = 0;
  double vocab = 0;
  double predicted = 1;  ///< share of the tokens that have logits
  double mtp = 0;
};

/// `memory` and `work`: of the same architecture and sequence.
StepModel step_model(const Architecture& architecture, double seq_len, const MemoryBasis& memory,
                     const TokenWork& work);
StepModel step_model(const Architecture& architecture, double seq_len);

/// How a block is shared out and what of it is done twice.
struct StepShard {
  double tp = 1;
  double cp = 1;
  double ep = 1;
  bool sequence_parallel = false;
  bool tp_near = true;  ///< its ranks stand in a scale-up domain as far as it reaches
  double seq_len = 2048;
  double micro_batch = 1;  ///< sequences of a replica at a time
  Recompute recompute = Recompute::none;
  bool recompute_stated = true;  ///< otherwise it is what the memory demands
  bool frozen = false;           ///< weights without gradient (LoRA)
};

/// Time of one block and micro-batch, forward and backward, by what it is spent on.
struct BlockTime {
  double products = 0;
  double attention = 0;
  double traffic = 0;
  double routing = 0;
  double host = 0;  ///< the device waits for launches
  double recompute = 0;
  double tp = 0;
  double cp = 0;
  double all_to_all = 0;

  double total() const {
    return products + attention + traffic + routing + host + recompute + tp + cp + all_to_all;
  }
};

/// One shard of the model at one micro-batch.
struct ShardTime {
  StepShard shard;
  BlockTime block;  ///< mean over the blocks
  double head = 0;  ///< logits, loss, and modules for multi-token prediction
  double tokens = 0;
  double params = 0;         ///< of a block, on one rank
  double expert_params = 0;  ///< the same of routed experts
  double edge_params = 0;
};

/// @eq      step.product   step.attention   step.traffic   step.host   step.experts step.recompute
/// @source  williams-2009 (roofline); nvidia-gemm-guide (tiles, alignment); korthikanti-2022, Sec.
/// 4
ShardTime shard_time(const StepModel& model, const StepSpeed& speed, const StepShard& shard,
                     const StepConstants& constants);

/// How shards make a step.
struct StepSchedule {
  double pp = 1;
  double interleave = 1;
  double dp = 1;
  Sharding sharding = Sharding::none;
  double micro_batches = 1;    ///< of a replica and step
  bool overlap = true;         ///< gradients are exchanged while the backward pass runs
  bool scatter_gather = true;  ///< each tensor-parallel rank sends a part to the next stage
  bool dp_near = true;         ///< replicas stand in a scale-up domain as far as it reaches
  bool pp_near = true;         ///< and so do stages
};

/// Time of one step by what it is spent on, as far as nothing else hides it. The parts add up.
struct StepTime {
  Time products;    ///< matrix products of the blocks
  Time attention;   ///< attention core
  Time traffic;     ///< norms, activations and whatever else only moves bytes
  Time head;        ///< logits, loss, multi-token prediction
  Time routing;     ///< permuting tokens for the experts
  Time recompute;   ///< forward passes done again
  Time teacher;     ///< its forward pass, in distillation
  Time host;        ///< the device waits for kernels to be launched
  Time tp;          ///< collectives of tensor parallelism
  Time cp;          ///< keys and values on their way
  Time all_to_all;  ///< tokens on their way to their experts
  Time fsdp;        ///< gathering sharded weights
  Time dp;          ///< gradients
  Time pipeline;    ///< bubble, uneven stages
  Time p2p;         ///< messages between stages
  Time optimizer;
  Time step;   ///< what a step costs however small
  Time scale;  ///< lost between many nodes, and in runs whose plan nobody tuned

  Time total() const {
    return products + attention + traffic + head + routing + recompute + teacher + host + tp + cp +
           all_to_all + fsdp + dp + pipeline + p2p + optimizer + step + scale;
  }
};

struct StepPart {
  std::string_view name;
  Time StepTime::*part;
};
inline constexpr std::array<StepPart, 18> kStepParts{{
    {"matrix products", &StepTime::products},
    {"attention core", &StepTime::attention},
    {"memory traffic", &StepTime::traffic},
    {"logits and loss", &StepTime::head},
    {"expert routing", &StepTime::routing},
    {"recomputation", &StepTime::recompute},
    {"teacher's forward pass", &StepTime::teacher},
    {"host launches", &StepTime::host},
    {"tensor-parallel collectives", &StepTime::tp},
    {"context-parallel exchange", &StepTime::cp},
    {"expert all-to-all", &StepTime::all_to_all},
    {"gathering sharded weights", &StepTime::fsdp},
    {"gradient exchange", &StepTime::dp},
    {"pipeline bubble", &StepTime::pipeline},
    {"stage messages", &StepTime::p2p},
    {"optimizer", &StepTime::optimizer},
    {"step overhead", &StepTime::step},
    {"scale and slack", &StepTime::scale},
}};

/// Share of the rest of a step that is lost between nodes.
double lost_in_scale(const StepSpeed& speed, double devices, const StepConstants& constants);

/// No more than the total of `step_time`, s, whatever sharding, overlap and places, but for what is
/// lost in scale: what a search may cut by, in a few operations.
double least_step_time(const StepModel& model, const StepSpeed& speed, const ShardTime& shard,
                       const StepSchedule& schedule);

/// @eq      step.time   step.pipeline   step.sharded   step.gradients   step.optimizer
/// @source  narayanan-2021, Sec. 2.2 (bubble (p - 1) / v); rajbhandari-2020, Sec. 7 (volumes)
StepTime step_time(const StepModel& model, const StepSpeed& speed, const ShardTime& shard,
                   const StepSchedule& schedule, const StepConstants& constants);

}  // namespace pretrain::models
