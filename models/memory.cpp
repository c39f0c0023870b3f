#include "models/memory.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "models/core/whole.hpp"
#include "models/parameters.hpp"
#include "models/state_space.hpp"

namespace pretrain::models {

namespace {

constexpr double kHalf = 2;    // bytes of bf16 and fp16
constexpr double kSingle = 4;  // bytes of fp32

/// CUDA context, kernels and the buffers of collectives: "2GB is cuda kernels" (bigscience,
/// chronicles-prequel).
constexpr double kContextGib = 2.0;

/// Share of the allocated memory that a caching allocator holds on top.
/// From simumax, b200_release_v1.2: max reserved / max allocated - 1 of 19 cases, 0.028 to 0.093,
/// median 0.053.
constexpr double kGaps = 0.053;

/// Parameters that DeepSpeed gathers at once in stage 3, and elements of its buckets.
/// From deepspeed-config: stage3_max_live_parameters 1e9, reduce_bucket_size and
///         allgather_bucket_size 5e8 (defaults)
constexpr double kLiveParameters = 1e9;
constexpr double kBucket = 5e8;

/// Share of an encoder's tokens that are predicted.
/// From devlin-2018, Sec. 3.1.
constexpr double kMasked = 0.15;

/// Bytes of one logit while the loss and its gradient are computed.
///   Megatron and XLA: a half-precision and an fp32 copy (the softmax, in place its gradient);
///   torch: logits, their log-softmax and two gradients of the same type.
double logit_bytes(const MemoryRecipe& r) {
  switch (r.loss) {
    case Loss::chunked:
      return 0;
    case Loss::fused:
      return kHalf;
    case Loss::plain:
      break;
  }
  return r.stack == Stack::fsdp || r.stack == Stack::deepspeed ? 4 * kHalf : kHalf + kSingle;
}

struct Shares {
  double weight = 1;
  double gradient = 1;
  double optimizer = 1;
};

Shares shares_of(Sharding sharding, double ranks) {
  Shares s;
  if (sharding >= Sharding::zero1) s.optimizer = 1 / ranks;
  if (sharding >= Sharding::zero2) s.gradient = 1 / ranks;
  if (sharding >= Sharding::zero3) s.weight = 1 / ranks;
  return s;
}

/// Layers of a stage by kind. Few dense layers lead; many are spread, as the blocks of a hybrid.
using StageLayers = std::array<double, BlockKinds::kMost>;

StageLayers layers_of(const Architecture& a, const BlockKinds& kinds, const MemoryPlan& plan,
                      double stage) {
  const double edges = plan.edges_as_layers && plan.pp > 1 ? 1 : 0;
  const double each = std::ceil((a.layers + 2 * edges) / plan.pp);
  const double begin = std::clamp(stage * each - edges, 0.0, a.layers);
  const double end = std::clamp((stage + 1) * each - edges, 0.0, a.layers);
  StageLayers result{};
  if (a.hybrid()) {
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      result[i] = (end - begin) * kinds[i].count / a.layers;
    }
    return result;
  }
  double dense = (end - begin) * a.dense_layers() / a.layers;
  if (2 * a.moe_layers > a.layers) dense = std::clamp(a.dense_layers() - begin, 0.0, end - begin);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    result[i] = kinds[i].ffn == FeedForward::experts ? end - begin - dense : dense;
  }
  return result;
}

/// The kind of the blocks in modules for multi-token prediction.
FeedForward predicting(const Architecture& a) {
  return a.moe_layers > 0 ? FeedForward::experts : FeedForward::dense;
}

/// Degrees that divide the parameters of routed experts.
struct ExpertShare {
  double parallel = 1;  ///< ep, or ep x tp
  double copies = 1;    ///< ranks that hold the same experts
};

ExpertShare expert_share(const MemoryPlan& plan) {
  const double ranks = plan.tp * plan.dp * plan.cp;
  const double parallel = plan.ep > 1 ? plan.ep : plan.tp;
  return {parallel, std::max(1.0, ranks / parallel)};
}

}  // namespace

StateBytes state_bytes(Stack stack, Optimizer optimizer) {
  StateBytes s;
  switch (optimizer) {
    case Optimizer::adam:
      s.optimizer = 3 * kSingle;
      break;
    case Optimizer::adam_8bit:
      s.optimizer = kSingle + 2;
      break;
    case Optimizer::adafactor:  // a row and a column instead of the second moment
      s.optimizer = kSingle;
      break;
    case Optimizer::lion:
    case Optimizer::sgd_momentum:
    case Optimizer::muon:
      s.optimizer = 2 * kSingle;
      break;
  }
  switch (stack) {
    case Stack::megatron:
    case Stack::other:
      s.gradient = kSingle;
      break;
    case Stack::deepspeed:
      s.gradient = kHalf;
      s.optimizer += kSingle;  // the gradient of the master copy
      break;
    case Stack::fsdp:
    case Stack::xla:  // the master copy is the weight
      s.weight = kSingle;
      s.gradient = kSingle;
      s.optimizer -= kSingle;
      break;
  }
  return s;
}

bool usual_dropout(const Architecture& a) {
  return a.details.norm == Norm::layer && a.details.ffn_bias && !a.gated && a.moe_layers == 0;
}

BlockActivations block_activations(const Architecture& a, const BlockKind& kind,
                                   const MemoryRecipe& r, bool context_parallel) {
  const double h = kHalf * a.hidden;
  const double linear = r.fp8 ? 0.5 : 1;  // of an input that only a matrix product reads
  const double frozen = r.frozen ? 0 : 1;
  // Decoder blocks that attend to an encoder have a second attention.
  const double attentions = 1 + a.decoder_layers / a.layers;
  const double norm = h + (r.fused_kernels ? 0 : (kSingle + kHalf) * a.hidden);  // else in fp32
  const double mask = r.dropout ? a.hidden : 0;                                  // one byte each

  BlockActivations b;
  b.input = h;
  // Input of the norm, input of the product after it, mask: of attention, of the rest.
  if (kind.mixer != Mixer::none) {
    b.sequence = attentions * (norm + linear * h + mask);
    b.modules_sequence = attentions * h;
  }
  if (kind.ffn != FeedForward::none) {
    b.sequence = b.sequence + norm + frozen * linear * h + mask;
    b.modules_sequence += h;
  }
  const double queries = kHalf * a.query_width();
  const double values = kHalf * a.value_width();
  if (kind.mixer == Mixer::state_space) {
    double width = -a.hidden;  // of what the products before the scan give: all but the last
    for (const auto& projection : state_space_projections(a)) width += projection.out;
    b.tensor = kHalf * (width + 2 * a.ssm_inner);
    b.widest = kHalf * width;
  } else if (kind.mixer == Mixer::attention && a.latent()) {
    // Compressed queries, keys and values before and after their norms; expanded for all heads.
    const double compressed =
        2 * kHalf * (a.q_lora_rank + a.kv_lora_rank) + kHalf * a.rope_head_dim;
    b.sequence += compressed;
    b.modules_sequence += compressed;
    b.tensor = 2 * queries + 2 * values;
  } else if (kind.mixer == Mixer::attention) {
    b.tensor = queries + kHalf * a.kv_heads * (a.head_dim + a.v_head_dim) + values;
    b.tensor *= attentions;
  }
  if (kind.mixer == Mixer::attention) {
    if (a.details.attention_gate) b.tensor += 2 * values;  // the gate, and what it leaves
    if (context_parallel) b.tensor += values;              // before and after the exchange
    b.widest = b.tensor;
    if (!r.flash_attention) {
      // Of a score: the softmax; with dropout its mask and what it leaves.
      b.core = attentions * a.heads * (r.dropout ? kHalf + 1 + kHalf : kHalf);
    }
  }
  b.modules_tensor = b.tensor;
  const double factors = a.gated ? 2 : 1;
  // What the gate reads, too, in one byte: activation_func_fp8_input_store of Megatron.
  const double kept = r.fp8 && r.frozen ? 0.5 : 1;
  const auto feed_forward = [&](double width) {
    double bytes = kHalf * width * (kept * factors + frozen * linear);
    if (!r.fused_kernels && a.gated) bytes += kHalf * width;
    return bytes;
  };
  if (kind.ffn == FeedForward::none) return b;
  if (kind.ffn == FeedForward::dense) {
    b.tensor += feed_forward(a.ffn_hidden);
    b.widest = kHalf * factors * a.ffn_hidden;
    return b;
  }
  const double k = a.experts_per_token;
  b.sequence += 2 * kSingle * a.experts + a.experts;  // logits, scores, map
  b.sequence += 2 * kHalf * a.expert_latent;          // what goes to the experts and comes back
  b.routed = k * frozen * linear * kHalf * a.expert_width();
  b.experts = k * feed_forward(a.expert_ffn_hidden);
  if (a.shared_ffn_hidden > 0) b.tensor += feed_forward(a.shared_ffn_hidden);
  b.widest = k * kHalf * (a.expert_width() + factors * a.expert_ffn_hidden);
  return b;
}

BlockActivations block_activations(const Architecture& a, bool experts, const MemoryRecipe& r,
                                   bool context_parallel) {
  return block_activations(
      a, {Mixer::attention, experts ? FeedForward::experts : FeedForward::dense, 1}, r,
      context_parallel);
}

double in_flight(const MemoryPlan& plan, double micro_batches, double stage) {
  const double p = plan.pp;
  const double v = plan.interleave;
  if (v <= 1) return std::max(1.0, std::min(micro_batches, p - stage));
  const double chunks = 2 * (p - 1 - stage) + (v - 1) * p + 1;
  return std::max(1.0, std::min(micro_batches * v, chunks) / v);
}

MemoryBasis memory_basis(const Architecture& a) {
  MemoryBasis basis;
  basis.architecture = &a;
  const double cross = a.decoder_layers / a.layers;
  const auto block = [&](const BlockKind& kind) {
    auto p = block_parameters(a, kind, false);
    if (cross > 0) {
      const auto with = block_parameters(a, kind, true);
      p.attention += cross * (with.attention - p.attention);
      p.norms += cross * (with.norms - p.norms);
    }
    MemoryBasis::Block result;
    const double compressed = a.latent() && kind.mixer == Mixer::attention
                                  ? a.hidden * (a.q_lora_rank + a.kv_lora_rank + a.rope_head_dim)
                                  : 0;
    const double met = p.attention + p.state_space + p.ffn + p.shared_experts;
    result.replicated = p.norms + p.router + p.expert_latent + compressed;
    result.sharded = met - compressed;
    result.experts = p.routed_experts;
    result.placeholders =
        met + p.expert_latent + (a.experts > 0 ? p.routed_experts / a.experts : 0);
    const double feed_forward = p.ffn + p.routed_experts;
    const double inner = p.state_space > 0 ? state_space_projections(a).front().weights() : 0;
    const double mixer = std::max(p.attention / 2, inner);
    result.matrix = std::max(feed_forward / a.ffn_matrices(), mixer);
    return result;
  };
  basis.kinds = block_kinds(a);
  const auto predicts = [&](const BlockKind& kind) {
    return kind.mixer == Mixer::attention && kind.ffn == predicting(a);
  };
  if (a.mtp_layers > 0 && std::none_of(basis.kinds.begin(), basis.kinds.end(), predicts)) {
    basis.kinds.add({Mixer::attention, predicting(a), 0});
  }
  for (std::size_t i = 0; i < basis.kinds.size(); ++i) basis.blocks[i] = block(basis.kinds[i]);

  const auto p = parameters(a);
  basis.first = p.embedding + p.positions;
  basis.embedding = p.embedding;
  double blocks = 0;
  for (std::size_t i = 0; i < basis.kinds.size(); ++i) {
    const auto& one = basis.blocks[i];
    blocks += basis.kinds[i].count * (one.sharded + one.replicated + one.experts);
  }
  basis.last = std::max(0.0, p.total() - basis.first - blocks);
  basis.classes = a.type == ModelType::vision ? a.classes : a.vocab;
  basis.head_matrix = basis.classes * (a.embedding_width > 0 ? a.embedding_width : a.hidden);
  return basis;
}

namespace {

/// Activations of each kind of block, the same on every stage of a plan.
using Blocks = std::array<BlockActivations, BlockKinds::kMost>;

Blocks blocks_of(const MemoryBasis& basis, const MemoryPlan& plan, const MemoryRecipe& r) {
  Blocks blocks;
  for (std::size_t i = 0; i < basis.kinds.size(); ++i) {
    blocks[i] = block_activations(*basis.architecture, basis.kinds[i], r, plan.cp > 1);
  }
  return blocks;
}

DeviceMemory memory_of(const MemoryBasis& basis, const MemoryPlan& plan, const MemoryRecipe& r,
                       const Blocks& blocks, double stage) {
  const Architecture& a = *basis.architecture;
  const bool last = stage >= plan.pp - 1;
  const auto& kinds = basis.kinds;
  auto layers = layers_of(a, kinds, plan, stage);
  auto owned = layers;                           // those with weights of their own
  const double ahead = last ? a.mtp_layers : 0;  // each a block, a projection and a loss more
  const double modules = last ? a.mtp_modules() : 0;
  double all_layers = ahead;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    all_layers += layers[i];
    if (kinds[i].mixer != Mixer::attention || kinds[i].ffn != predicting(a)) continue;
    layers[i] += ahead;
    owned[i] += modules;
  }

  // Parameters.
  const double ranks = plan.dp * plan.cp;
  const auto experts = expert_share(plan);
  double edges = 0;
  double whole = 0;  // of them, not divided by tp
  if (stage <= 0) {
    edges += basis.first;
    if (!plan.vocab_parallel) whole += basis.embedding;
  }
  if (last) {
    edges += basis.last + modules * 2 * a.hidden * a.hidden;
    if (a.tied && plan.pp > 1) edges += basis.head_matrix;  // a copy of the embedding
  }
  double dense_count = 0;
  double expert_count = 0;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const auto& one = basis.blocks[i];
    dense_count += owned[i] * (one.sharded / plan.tp + one.replicated);
    expert_count += owned[i] * one.experts / experts.parallel;
  }
  dense_count += (edges - whole) / plan.tp + whole;
  const auto by_dense = shares_of(plan.sharding, ranks);
  const auto by_expert = shares_of(plan.sharding, experts.copies);

  DeviceMemory m;
  m.stage = stage;
  const double host = r.offload_optimizer ? 0 : 1;
  m.weights =
      r.state.weight * (dense_count * by_dense.weight + expert_count * by_expert.weight) * byte;
  m.optimizer = host * r.state.optimizer *
                (dense_count * by_dense.optimizer + expert_count * by_expert.optimizer) * byte;
  if (r.unsynced_accumulation && plan.sharding >= Sharding::zero2 && r.micro_batches > 1) {
    m.gradients = kSingle * (dense_count + expert_count) * byte;
  } else {
    m.gradients = host * r.state.gradient *
                  (dense_count * by_dense.gradient + expert_count * by_expert.gradient) * byte;
  }

  // Activations.
  const double tokens = r.micro_batch * r.seq_len / plan.cp;
  const double by_sequence = plan.sequence_parallel ? 1 / plan.tp : 1;
  const double by_routed = plan.ep > 1 ? 1 / plan.tp : 1;  // else gathered: each has a part of all
  const double keys = r.seq_len;
  const auto block_bytes = [&](const BlockActivations& b, double core) {
    return tokens * (b.sequence * by_sequence + b.routed * by_routed +
                     (b.tensor + b.experts + core * b.core * keys) / plan.tp);
  };
  double kept = 0;
  double work = 0;  // of the block in hand, in its backward pass
  const auto add = [&](const BlockActivations& b, double count) {
    if (count <= 0) return;
    const double all = block_bytes(b, 1);
    const double input = tokens * b.input * by_sequence;
    const double gradients = tokens * b.widest / plan.tp + 2 * input;
    switch (r.recompute) {
      case Recompute::none:
        kept += count * all;
        work = std::max(work, gradients);
        break;
      case Recompute::selective:
        if (r.stack == Stack::megatron) {
          const double without =
              r.recompute_modules
                  ? tokens * (b.modules_sequence * by_sequence + b.modules_tensor / plan.tp)
                  : block_bytes(b, 0);
          kept += count * without;
          work = std::max(work, gradients + all - without);
        } else {
          kept += count * 0.5 * (all + input);
          work = std::max(work, gradients + all);
        }
        break;
      case Recompute::full:
        kept += count * input;
        work = std::max(work, gradients + all);
        break;
    }
  };
  for (std::size_t i = 0; i < kinds.size(); ++i) add(blocks[i], layers[i]);
  if (r.offload_activations && all_layers > 2) kept *= 2 / all_layers;  // one more on its way
  if (r.stack == Stack::deepspeed && plan.pp > 1) kept += tokens * kHalf * a.hidden;  // its output
  const double flying = in_flight(plan, r.micro_batches, stage);

  // Loss: its peak is at another time than that of a block.
  double loss = 0;
  if (last) {
    const double share = a.type == ModelType::encoder ? kMasked : 1;
    const double rows = a.type == ModelType::vision ? r.micro_batch : tokens * share;
    loss =
        (1 + ahead) * rows * basis.classes * logit_bytes(r) / (plan.vocab_parallel ? plan.tp : 1) +
        2 * tokens * kHalf * a.hidden;
  }

  // Buffers.
  double buffers = 0;
  double passing = 0;  // of them, only while a block is in hand
  double unit = 0;     // parameters of the largest block of the stage
  double matrix = 0;   // of its largest matrix
  double placeholders = 0;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    if (layers[i] <= 0) continue;
    const auto& one = basis.blocks[i];
    const bool routed = kinds[i].ffn == FeedForward::experts;
    unit = std::max(unit, one.sharded / plan.tp + one.replicated + one.experts / experts.parallel);
    matrix = std::max(matrix, one.matrix / (routed ? experts.parallel : plan.tp));
    placeholders += one.placeholders;
  }
  if (plan.sharding == Sharding::zero3 && ranks * experts.copies > 1) {
    if (r.stack == Stack::deepspeed) {
      buffers += kHalf * (std::min(kLiveParameters, dense_count + expert_count) +
                          2 * std::min(kBucket, dense_count + expert_count));
    } else if (r.stack == Stack::xla) {
      // Each matrix is gathered where it is used, the next one ahead; its gradient in fp32.
      passing = matrix * (2 * kHalf + kSingle);
    } else {
      // The edges stay gathered; of blocks the one in hand and the next, the gradient of one and
      // its fp32 copy on the way.
      buffers += kHalf * ((edges - whole) / plan.tp + whole);
      passing = unit * (2 * kHalf + kHalf + kSingle);
    }
  } else if (plan.sharding >= Sharding::zero1 && r.stack == Stack::deepspeed) {
    buffers += 2 * kHalf * std::min(kBucket, dense_count + expert_count);
  }
  if (r.stack == Stack::megatron && plan.sharding != Sharding::zero3) {
    // Gradients are added to the main gradient inside the kernel: what autograd is handed instead
    // is a placeholder for each shape of matrix.
    buffers += kHalf * placeholders / plan.tp;
    if (last) loss += kHalf * basis.head_matrix / plan.tp;
  }
  if (plan.pp > 1) buffers += 2 * tokens * kHalf * a.hidden * by_sequence;

  const double width = r.full_precision ? kSingle / kHalf : 1;
  m.activations = width * (kept * flying + work) * byte;
  m.logits = width * std::max(0.0, loss - work - passing) * byte;
  m.buffers = width * (buffers + passing) * byte;
  m.reserve = memory_reserve(m.allocated());
  return m;
}

}  // namespace

DeviceMemory stage_memory(const MemoryBasis& basis, const MemoryPlan& plan,
                          const MemoryRecipe& recipe, double stage) {
  return memory_of(basis, plan, recipe, blocks_of(basis, plan, recipe), stage);
}

DeviceMemory stage_memory(const Architecture& architecture, const MemoryPlan& plan,
                          const MemoryRecipe& recipe, double stage) {
  return stage_memory(memory_basis(architecture), plan, recipe, stage);
}

DeviceMemory peak_memory(const MemoryBasis& basis, const MemoryPlan& plan,
                         const MemoryRecipe& recipe) {
  const auto blocks = blocks_of(basis, plan, recipe);
  auto worst = memory_of(basis, plan, recipe, blocks, 0);
  const auto consider = [&](double stage) {
    const auto m = memory_of(basis, plan, recipe, blocks, stage);
    if (m.allocated() > worst.allocated()) worst = m;
  };
  if (plan.pp > 1) consider(plan.pp - 1);
  // Need falls with the stage, but for the last; where the first has fewer layers, or has dense
  // ones before experts.
  const Architecture& a = *basis.architecture;
  if (plan.pp > 2) {
    if (plan.edges_as_layers || a.moe_layers > 0) consider(1);
    if (a.moe_layers > 0 && a.dense_layers() > 0) {
      const double edges = plan.edges_as_layers ? 1 : 0;
      const double each = std::ceil((a.layers + 2 * edges) / plan.pp);
      const double mixed = std::floor((a.dense_layers() + edges) / each);
      for (const double stage : {mixed, mixed + 1}) {
        if (stage > 1 && stage < plan.pp - 1) consider(stage);
      }
    }
  }
  return worst;
}

DeviceMemory peak_memory(const Architecture& architecture, const MemoryPlan& plan,
                         const MemoryRecipe& recipe) {
  return peak_memory(memory_basis(architecture), plan, recipe);
}

Bytes memory_reserve(Bytes allocated) { return kGaps * allocated + kContextGib * gibibyte; }

Bytes usable_memory(Bytes device_memory) {
  return std::max(0.0 * byte, device_memory - kContextGib * gibibyte);
}

namespace {

/// What a stack usually allows, from fast to small.
bool usual(Stack stack, Sharding sharding) {
  switch (stack) {
    case Stack::megatron:  // the distributed optimizer; FSDP in it is said where it is used
      return sharding <= Sharding::zero1;
    case Stack::fsdp:
    case Stack::xla:
      return sharding == Sharding::zero3;
    case Stack::deepspeed:
    case Stack::other:
      return true;
  }
  return true;
}

/// Kinds of recomputation from fast to small. Who says "selective" of Megatron does not say of
/// which modules.
struct Kind {
  Recompute recompute;
  bool modules;
};
constexpr std::array<Kind, 4> kRecomputes{{{Recompute::none, false},
                                           {Recompute::selective, false},
                                           {Recompute::selective, true},
                                           {Recompute::full, false}}};

struct Search {
  const MemoryBasis& basis;
  Bytes most;  ///< that may be allocated
  FitVerdict& verdict;

  bool holds() {
    verdict.memory = peak_memory(basis, verdict.plan, verdict.recipe);
    return verdict.memory.allocated() <= most;
  }
};

/// Tries sharding, then recomputation, then smaller state, which changes the numbers.
bool fill_at(const FitQuestion& q, bool fast, Search& search) {
  FitVerdict& v = search.verdict;
  const StateBytes first = q.recipe.state;
  // Two bytes less for gradients, then moments in two bytes each: known options.
  for (int smaller = 0; smaller < (q.state_known || q.exact || fast ? 1 : 3); ++smaller) {
    v.recipe.state = first;
    v.chose_state = smaller > 0;
    if (smaller > 0) v.recipe.state.gradient = std::min(first.gradient, kHalf);
    if (smaller > 1) v.recipe.state.optimizer = std::max(0.0, first.optimizer - 2 * kHalf);
    for (const auto [recompute, modules] : kRecomputes) {
      if (q.recompute && *q.recompute != recompute) continue;
      if (fast && recompute == Recompute::full) continue;
      if (modules && (q.exact || v.recipe.stack != Stack::megatron)) continue;
      if (!q.recompute && !q.selective && recompute == Recompute::selective) continue;
      v.recipe.recompute = recompute;
      v.recipe.recompute_modules = modules;
      v.chose_recompute = !q.recompute;
      for (const auto sharding :
           {Sharding::none, Sharding::zero1, Sharding::zero2, Sharding::zero3}) {
        if (q.sharding ? *q.sharding != sharding : !usual(v.recipe.stack, sharding)) continue;
        v.plan.sharding = sharding;
        v.chose_sharding = !q.sharding;
        if (search.holds()) return true;
      }
    }
  }
  return false;
}

/// Tries what is unknown from fast to small: micro-batches that are large enough without full
/// recomputation, then with it down to one sequence, which changes the whole schedule.
bool fill(const FitQuestion& q, Search& search) {
  constexpr double kEnough = 8192;  // tokens that fill a device
  FitVerdict& v = search.verdict;
  const double sequences =
      q.sequences.value_or(q.recipe.micro_batch * std::max(1.0, q.recipe.micro_batches));
  v.chose_micro_batch = !q.micro_batch;
  // XLA recomputes as a rule; sharded experts, gathered for each micro-batch, want large ones.
  const bool gathered = q.sharding == Sharding::zero3 && search.basis.architecture->moe_layers > 0;
  const bool choice = !q.micro_batch && !q.recompute && q.recipe.stack != Stack::xla && !gathered;
  for (const bool fast : {true, false}) {
    if (fast && !choice) continue;
    const double least = fast ? std::max(1.0, kEnough * q.plan.cp / q.recipe.seq_len) : 1;
    double micro_batch = q.micro_batch.value_or(q.recipe.micro_batch);
    while (true) {
      v.recipe.micro_batch = micro_batch;
      v.recipe.micro_batches = std::max(1.0, std::ceil(sequences / micro_batch));
      if (fill_at(q, fast, search)) return true;
      if (q.micro_batch || micro_batch <= least) break;
      micro_batch = even_micro_batch(sequences, micro_batch / 2);
    }
  }
  return false;
}

}  // namespace

double even_micro_batch(double sequences, double most) {
  const double all = std::max(1.0, std::ceil(sequences));
  const double large = std::clamp(std::floor(most), 1.0, all);
  const double fewest = std::ceil(all / large);
  for (double parts = fewest; parts <= 2 * fewest && parts <= all; ++parts) {
    if (divides(parts, all)) return all / parts;
  }
  return std::ceil(all / fewest);
}

FitVerdict fit(const MemoryBasis& basis, const FitQuestion& q, Bytes device_memory) {
  FitVerdict v;
  v.capacity = usable_memory(device_memory);
  v.plan = q.plan;
  v.recipe = q.recipe;
  // First with room for the allocator's gaps, then without.
  Search roomy{basis, v.capacity / (1 + kGaps), v};
  v.fits = fill(q, roomy);
  if (v.fits) return v;
  Search search{basis, v.capacity, v};
  v.fits = v.tight = fill(q, search);
  return v;
}

FitVerdict fit(const Architecture& a, const FitQuestion& q, Bytes device_memory) {
  return fit(memory_basis(a), q, device_memory);
}

}  // namespace pretrain::models
