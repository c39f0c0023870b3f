#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "models/architecture.hpp"
#include "models/core/units.hpp"
#include "models/recipe.hpp"

namespace pretrain::models {

enum class Optimizer : std::uint8_t { adam, adam_8bit, adafactor, lion, sgd_momentum, muon };

/// Which software holds the memory: they keep other copies of weights and gradients.
enum class Stack : std::uint8_t { megatron, deepspeed, fsdp, xla, other };

/// How logits become a loss: kept in several copies; one copy, overwritten by its gradient; or a
/// few tokens at a time.
enum class Loss : std::uint8_t { plain, fused, chunked };

/// How the devices are divided: tp * pp * dp * cp of them; experts over ep of those.
struct MemoryPlan {
  double tp = 1;
  double pp = 1;
  double dp = 1;
  double cp = 1;
  double ep = 1;
  double interleave = 1;  ///< virtual stages of a device (v)
  bool sequence_parallel = false;
  bool edges_as_layers = false;  ///< embedding and head count as a block each in the balance
  bool vocab_parallel = true;    ///< false: embedding whole on each tp rank, logits gathered
  Sharding sharding = Sharding::none;
};

/// Bytes of one parameter: what is used in the matrix products, its gradient, and the rest.
struct StateBytes {
  double weight = 2;
  double gradient = 4;
  double optimizer = 12;  ///< master copy and moments

  double total() const { return weight + gradient + optimizer; }
};

/// The usual state of a stack in mixed precision.
///
/// @eq      memory.state
/// @source  megatron-core-docs, Distributed Optimizer   bf16 with fp32 gradients 18 = 2 + 4 + 12,
///          6 + 12 / d; fp16 with fp16 gradients 20 = 2 + 2 + 16, 4 + 16 / d (so DeepSpeed: an
///          fp32 gradient beside the master copy); all fp32 16 = 4 + 4 + 8 (FSDP, XLA)
/// @assumes adafactor without second moment; lion, momentum and muon with one moment;
///          8-bit Adam with moments of one byte each
StateBytes state_bytes(Stack stack, Optimizer optimizer);

/// What is done in one step of one replica.
struct MemoryRecipe {
  double seq_len = 2048;
  double micro_batch = 1;    ///< sequences of one replica (of the cp group) at a time
  double micro_batches = 1;  ///< of one replica and step (m)
  Recompute recompute = Recompute::none;
  Stack stack = Stack::megatron;
  StateBytes state;
  Loss loss = Loss::plain;
  bool flash_attention = true;  ///< scores never stored
  bool dropout = false;         ///< see usual_dropout
  bool fused_kernels = true;    ///< norms and gates keep their input only
  bool full_precision = false;  ///< fp32 throughout: whatever has two bytes has four
  bool fp8 = false;             ///< inputs of matrix products are kept in one byte
  bool frozen = false;          ///< weights fixed, adapters on attention only (LoRA)
  /// Selective recomputation of norms and feed-forward layers or experts, too (Megatron).
  bool recompute_modules = false;
  /// With zero2 and zero3: gradients stay whole, in fp32, until the last micro-batch.
  bool unsynced_accumulation = false;
  bool offload_optimizer = false;    ///< state and gradients in host memory
  bool offload_activations = false;  ///< what stays for the backward pass, in host memory
};

/// Memory of one device at its peak, by use.
struct DeviceMemory {
  Bytes weights;
  Bytes gradients;
  Bytes optimizer;
  Bytes activations;  ///< kept for the backward pass, and the working set of the block in hand
  Bytes logits;       ///< what the loss needs above that working set
  Bytes buffers;      ///< gathered weights, gradients on their way, placeholders, messages
  Bytes reserve;      ///< lost in the allocator's gaps, and taken by context and collectives
  double stage = 0;

  Bytes state() const { return weights + gradients + optimizer; }
  /// What the framework asks for (torch: max_memory_allocated).
  Bytes allocated() const { return state() + activations + logits + buffers; }
  /// What the device reports as used.
  Bytes total() const { return allocated() + reserve; }
};

/// Whether models of this kind are trained with dropout: the GPT-2 and GPT-3 generation, told by
/// layer norms and biases around a feed-forward layer without gate.
bool usual_dropout(const Architecture& architecture);

/// Activation bytes of one block and token: by what divides them.
struct BlockActivations {
  double sequence = 0;  ///< divided by tp only with sequence parallelism
  double tensor = 0;    ///< divided by tp
  double core = 0;      ///< times the keys seen, divided by tp; absent with flash attention
  double routed = 0;    ///< input of experts: a token once for each; divided by tp where ep > 1
  double experts = 0;   ///< inside them; divided by tp
  double input = 0;     ///< what full recomputation keeps
  double modules_sequence = 0;  ///< left by recompute_modules, divided like sequence
  double modules_tensor = 0;    ///< and like tensor
  double widest = 0;  ///< gradients alive at the widest point of the backward pass (tensor)
};

/// Activations that the backward pass of one block needs, for one token, in bytes.
///
/// @eq      memory.activations.block
/// @source  korthikanti-2022, Sec. 4.1-4.2, Eq. 1, 2 and 4   s b h (34 + 5 a s / h);
///          s b h (10 + 24 / t + 5 a s / (h t)); with sequence parallelism all of it / t
/// @derived with the widths that the paper sets to h and 4 h: queries, keys, values n d, the
///          feed-forward layer n_m f; latent attention keeps its compressed forms; a routed token
///          is kept once for each of its k experts, with the router's fp32 logits and scores
///          (simumax: context parallelism by all-to-all keeps the attention output twice)
///
/// @eq      memory.activations.state_space
/// @source  mamba-ssm, MambaSplitConv1dScanCombinedFn   kept are the output of the first projection
///          (w wide) and of the scan (d); what is between them is computed again
/// @derived with the input of the norm, of the first and of the last projection
///          4 h + 2 (w + 2 d) / t; the same is taken for linear attention
BlockActivations block_activations(const Architecture& architecture, const BlockKind& kind,
                                   const MemoryRecipe& recipe, bool context_parallel = false);
/// Of a block with attention; `experts`: with routed experts.
BlockActivations block_activations(const Architecture& architecture, bool experts,
                                   const MemoryRecipe& recipe, bool context_parallel = false);

/// Micro-batches, in units of a stage's layers, whose activations a stage holds at most.
///
/// @eq      memory.in_flight
/// @source  narayanan-2021, Sec. 2.2   1F1B: p - r of stage r, at most m; interleaved: chunks of
///          its warm-up, 2 (p - 1 - r) + (v - 1) p + 1, each 1 / v of the layers;
///          korthikanti-2022, Sec. 4.2.3   for the first stage 1 + (p - 1) / (p v) times p
double in_flight(const MemoryPlan& plan, double micro_batches, double stage);

/// What of an architecture its memory needs, counted once for many plans.
struct MemoryBasis {
  /// Parameters of a block: divided by tp; the same on all of them; of all routed experts.
  struct Block {
    double sharded = 0;
    double replicated = 0;
    double experts = 0;
    double placeholders = 0;  ///< of its distinct matrices; of the experts one
    double matrix = 0;        ///< the largest matrix, of the experts all of one kind
  };
  const Architecture* architecture = nullptr;
  BlockKinds kinds;  ///< of the stack, and of modules for multi-token prediction
  std::array<Block, BlockKinds::kMost> blocks;  ///< one of each kind
  double first = 0;                             ///< embedding and positions
  double last = 0;         ///< head and final norm, where the head is not the embedding
  double embedding = 0;    ///< of tokens, part of `first`
  double head_matrix = 0;  ///< which gives the logits
  double classes = 0;      ///< logits of a token
};

/// The architecture must outlive it.
MemoryBasis memory_basis(const Architecture& architecture);
MemoryBasis memory_basis(Architecture&&) = delete;

/// Memory of a device of pipeline stage `stage` (0 is the first).
///
/// @eq      memory.device
/// @derived memory.state x parameters of the stage / their share, + memory.activations.block x
///          layers x tokens x memory.in_flight, + the larger of loss and working set, + buffers
/// @assumes as many layers in each stage but the last, which has the rest; leading dense layers
///          first, the blocks of a hybrid spread evenly; tokens routed evenly; experts whole where
///          ep > 1, with dp cp tp / ep copies; recomputation that is selective outside Megatron:
///          every second block; modules for multi-token prediction on the last stage
DeviceMemory stage_memory(const MemoryBasis& basis, const MemoryPlan& plan,
                          const MemoryRecipe& recipe, double stage);
DeviceMemory stage_memory(const Architecture& architecture, const MemoryPlan& plan,
                          const MemoryRecipe& recipe, double stage);

/// The stage that needs most.
DeviceMemory peak_memory(const MemoryBasis& basis, const MemoryPlan& plan,
                         const MemoryRecipe& recipe);
DeviceMemory peak_memory(const Architecture& architecture, const MemoryPlan& plan,
                         const MemoryRecipe& recipe);

/// Sequences of a micro-batch, at most so many, that divide a replica's share of a step evenly;
/// where that takes more than twice as many parts, the last is not full.
double even_micro_batch(double sequences, double most);

/// What a device reports as used beyond what was allocated: the allocator's gaps, and the context.
///
/// @eq      memory.reported
/// @source  simumax, docs/b200/b200_release_v1.2_summary.json   gaps of 5.3%, median of 19 runs;
///          bigscience, chronicles-prequel   "2GB is cuda kernels"
Bytes memory_reserve(Bytes allocated);

/// Memory that a process can allocate on a device of this size: without what context, kernels and
/// collectives take.
///
/// @eq      memory.usable
/// @source  bigscience, chronicles-prequel   "2GB is cuda kernels"
Bytes usable_memory(Bytes device_memory);

/// A configuration of which some parts are not known.
struct FitQuestion {
  MemoryPlan plan;      ///< sharding: see below
  MemoryRecipe recipe;  ///< recompute and micro_batch: see below
  std::optional<Recompute> recompute;
  std::optional<Sharding> sharding;
  std::optional<double> micro_batch;
  /// Of a replica and step; absent: as many as the recipe's micro-batches have.
  std::optional<double> sequences;
  bool selective = true;     ///< the software can recompute parts of a block
  bool state_known = false;  ///< else two-byte gradients, then two-byte moments are allowed
  /// Who chooses a plan gets what it says: usual state, and selective recomputation of the
  /// attention core alone.
  bool exact = false;
};

struct FitVerdict {
  bool fits = false;
  bool tight = false;  ///< only because the allocator's gaps would have to be smaller than usual
  DeviceMemory memory;
  Bytes capacity;       ///< usable
  MemoryPlan plan;      ///< as judged
  MemoryRecipe recipe;  ///< as judged
  bool chose_recompute = false;
  bool chose_sharding = false;
  bool chose_micro_batch = false;
  bool chose_state = false;
};

/// Does it fit? What is not known is filled from the cheapest in time to the smallest in memory,
/// of what is usual in the stack, and no further than needed.
///
/// @eq      memory.fit
/// @derived memory.device of the worst stage against memory.usable
FitVerdict fit(const MemoryBasis& basis, const FitQuestion& question, Bytes device_memory);
FitVerdict fit(const Architecture& architecture, const FitQuestion& question, Bytes device_memory);

}  // namespace pretrain::models
