#include "models/step_time.hpp"

#include <algorithm>
#include <cmath>

#include "models/core/whole.hpp"
#include "models/state_space.hpp"

namespace pretrain::models {

namespace {

constexpr double kHalf = 2;    // bytes of bf16 and fp16
constexpr double kSingle = 4;  // bytes of fp32
constexpr double kMilli = 1e-3;
constexpr double kAligned = 64;  // elements
constexpr double kWideHead = 128;
/// Element-wise work of the backward pass over that of the forward pass: it reads what was kept and
/// the gradient, and writes one.
constexpr double kBackwardTraffic = 1.6;
/// Values that a fused norm and residual read and write; the same of what turns queries and keys.
/// An activation reads the products before it and writes one: as many as a block has matrices.
constexpr double kNormPasses = 5;
constexpr double kRotaryPasses = 2;
/// The attention core's backward pass recomputes the scores: five products instead of two.
constexpr double kBackwardCore = 2.5;
/// Products of narrow matrices, in a scan.
constexpr double kScanRate = 0.55;
/// Scores in 16 bits: the products and the softmax write and read them 4 times, backward 7 times.
/// Dropout does once more, with a mask of a byte; backward it goes on where the softmax does (3
/// bytes).
constexpr double kScoreBytesForward = 8;
constexpr double kScoreBytesBackward = 14;
constexpr double kDropoutBytesForward = 5;
constexpr double kDropoutBytesBackward = 3;
/// Rows of a head that are no multiple of 16 bytes keep tensor cores from being used: what is left
/// is the rate of fp32 (A100: 19.5 of 312 TFLOP/s; nvidia-gemm-guide, "Tensor Core requirements").
constexpr double kVector = 8;  // elements
constexpr double kScalarRate = 1.0 / 16;
constexpr double kLogitBytes = 12;      // of one logit in loss and gradient
constexpr double kOptimizerBytes = 26;  // read and written of one parameter
constexpr double kGradientBytes = 4;    // fp32
constexpr double kGradientBytesFp8 = 3.5;
constexpr double kMaskedTokens = 0.15;  // of an encoder's tokens are predicted (devlin-2018)
constexpr double kPerNode = 8;
constexpr double kPadded = 128;

double roof(double x, double y) {
  const double x2 = x * x;
  const double y2 = y * y;
  return std::sqrt(std::sqrt(x2 * x2 + y2 * y2));
}

struct Pass {
  double forward = 0;
  double backward = 0;

  double sum() const { return forward + backward; }
  Pass& operator+=(const Pass& o) {
    forward += o.forward;
    backward += o.backward;
    return *this;
  }
};

/// How far a size is from the grid of tiles: 0 on multiples of 64, 1 where 16 does not divide it.
double off_grid(double x) {
  if (divides(kAligned, x)) return 0;
  constexpr double kStep = 1.0 / 3;
  return kStep * (1 + !divides(kAligned / 2, x) + !divides(kAligned / 4, x));
}

/// Times of one shard's work on one device.
class Shard {
 public:
  Shard(const StepModel& m, const StepSpeed& v, const StepShard& s, const StepConstants& c)
      : m_{m}, v_{v}, s_{s}, c_{c} {
    tokens_ = s.micro_batch * s.seq_len / s.cp;
    rows_ = kHalf * tokens_ * v.traffic;
    sequence_ = s.sequence_parallel ? s.tp : 1;
    xla_ = v.stack.stack == Stack::xla;
  }

  ShardTime time() const {
    ShardTime t;
    t.shard = s_;
    t.tokens = tokens_;
    const double host = v_.host / 2;
    add(t.block, m_.attention_layers, [&] { return half(attention_half(), host); });
    add(t.block, m_.ssm_layers, [&] { return half(state_space_half(), host); });
    add(t.block, m_.dense_layers, [&] { return half(dense_half(m_.ffn), host); });
    add(t.block, m_.moe_layers, [&] { return half(routed_half(), experts_host()); });
    t.head = head() + m_.mtp * t.block.total();
    t.params = m_.split_params / s_.tp + m_.whole_params;
    t.expert_params = m_.expert_params / (s_.ep > 1 ? s_.ep : s_.tp);
    t.edge_params = m_.edge_params / s_.tp;
    return t;
  }

 private:
  /// What mixes tokens, or what follows it.
  struct Half {
    Pass products;
    Pass core;
    Pass traffic;
    Pass routing;
    double exchange = 0;  // of tokens with their experts, there and back
    double keys = 0;      // of keys and values

    double forward() const {
      return products.forward + core.forward + traffic.forward + routing.forward;
    }
    double backward() const {
      return products.backward + core.backward + traffic.backward + routing.backward;
    }
  };

  static Pass moved(double forward) { return {forward, kBackwardTraffic * forward}; }

  /// `count` equal products of rows x depth with depth x width: a smooth roofline. Too few tiles
  /// leave cores idle, too short a depth does not fill their pipelines, and sizes that 64 does not
  /// divide waste parts of tiles.
  Pass product(double rate, double rows, double width, double depth, double count = 1) const {
    const double filled = v_.depth_half * rate / v_.half;
    double excess = (1 + v_.wave / (rows * width * count)) * (1 + filled / depth);
    if (v_.misaligned > 0) excess *= 1 + v_.misaligned * (off_grid(width) + off_grid(depth));
    const double compute = 2 * rows * width * depth * count * excess / rate;
    const double in_out = kHalf * rows * (depth + width) * count / v_.memory;
    const double weight = width * depth * count / v_.memory;
    const double once = in_out + kHalf * weight;
    Pass p;
    p.forward = roof(compute, once) + v_.kernel;
    // One product for the inputs' gradient, and one added to the weights', kept in fp32.
    p.backward = s_.frozen
                     ? p.forward
                     : roof(2 * compute, once + in_out + 2 * kSingle * weight) + 2 * v_.kernel;
    return p;
  }

  Pass projection(const StepModel::Product& x) const {
    using Split = StepModel::Product::Split;
    const double width = x.split == Split::width ? x.width / s_.tp : x.width;
    const double depth = x.split == Split::depth ? x.depth / s_.tp : x.depth;
    return product(v_.products, x.split == Split::none ? tokens_ / sequence_ : tokens_, width,
                   depth);
  }

  /// Convolution and scan: their traffic, or their products, whichever takes longer.
  Half state_space_half() const {
    Half h;
    for (std::size_t i = 0; i < m_.ssms; ++i) h.products += projection(m_.ssm[i]);
    const double moves = c_.scan * m_.scan_bytes / v_.memory;
    const double works = m_.scan_flop / (kScanRate * v_.half);
    h.core.forward = tokens_ / s_.tp * roof(moves, works);
    h.core.backward = 2 * h.core.forward;
    h.traffic = moved(rows_ * (kNormPasses * m_.hidden / sequence_ + 3 * m_.ssm_inner / s_.tp) +
                      v_.cast_bytes * tokens_ * v_.traffic * (m_.hidden + m_.ssm_inner) / s_.tp);
    return h;
  }

  Half attention_half() const {
    Half h;
    for (std::size_t i = 0; i < m_.attentions; ++i) h.products += projection(m_.attention[i]);
    h.core = core();
    if (s_.cp > 1) {
      const Group group = group_of(s_.cp, s_.tp, v_.device.domain);
      h.keys = c_.cp_exposed *
               gather_time(kHalf * m_.kv_width / s_.tp * tokens_ * s_.cp, group, v_.links);
    }
    h.traffic =
        moved(rows_ * (kNormPasses * m_.hidden / sequence_ + kRotaryPasses * m_.qkv_width / s_.tp) +
              v_.cast_bytes * tokens_ * v_.traffic * (m_.hidden + m_.qkv_width) / s_.tp);
    return h;
  }

  Pass core() const {
    if (m_.core_flop <= 0) return {};
    const double flop = tokens_ * m_.core_flop / s_.tp;
    Pass p;
    if (v_.stack.flash_attention) {
      const double narrow =
          m_.head_width < kWideHead ? std::pow(m_.head_width / kWideHead, c_.attention_narrow) : 1;
      const double filled = narrow * s_.seq_len / (s_.seq_len + c_.attention_short);
      p.forward = flop / (v_.core * filled);
      p.backward = kBackwardCore * flop / (v_.core_backward * filled);
    } else {
      // Masked scores are computed and thrown away.
      const double scores = tokens_ * m_.scores / s_.tp * c_.attention_unfused / v_.memory;
      // Models had dropout until about then.
      const double dropout = v_.stack.legacy ? 1 : 0;
      const bool ragged = v_.device.maker == Maker::nvidia && !divides(kVector, m_.head_width);
      // Half of the products are as deep as a head is wide, the others as a sequence is long.
      const double shallow = 1 + 0.5 * v_.depth_half / m_.head_width;
      const double rate = v_.half * (ragged ? kScalarRate : 1 / shallow);
      p.forward = 2 * flop / rate + (kScoreBytesForward + dropout * kDropoutBytesForward) * scores;
      p.backward =
          4 * flop / rate + (kScoreBytesBackward + dropout * kDropoutBytesBackward) * scores;
    }
    if (s_.cp > 1 && v_.stack.stack == Stack::fsdp) {
      p.forward *= c_.cp_torch;
      p.backward *= c_.cp_torch;
    }
    return p;
  }

  Half dense_half(double width) const {
    Half h;
    h.traffic = moved(rows_ * kNormPasses * m_.hidden / sequence_);
    if (width <= 0) return h;
    const double f = width / s_.tp;
    h.products = product(v_.products, tokens_, (m_.ffn_matrices - 1) * f, m_.hidden);
    h.products += product(v_.products, tokens_, m_.hidden, f);
    h.traffic += moved(rows_ * m_.ffn_matrices * f +
                       v_.cast_bytes * tokens_ * v_.traffic * (m_.hidden + width) / s_.tp);
    return h;
  }

  Half routed_half() const {
    Half h = dense_half(m_.shared);
    const bool spread = s_.ep > 1;
    const double own = spread ? tokens_ / s_.tp : tokens_;  // tokens that this rank routes
    const double f = spread ? m_.expert : m_.expert / s_.tp;
    const double local = m_.experts / s_.ep;
    const double copies = own * m_.experts_met;
    const double rate = v_.products * c_.expert_gemm;
    const double depth = m_.expert_depth;
    const double permute = v_.device.maker == Maker::google ? c_.permute_tpu : c_.permute;
    h.products += product(rate, copies / local, (m_.ffn_matrices - 1) * f, depth, local);
    h.products += product(rate, copies / local, depth, f, local);
    if (depth != m_.hidden) {
      h.products += product(v_.products, own, depth, m_.hidden);
      h.products += product(v_.products, own, m_.hidden, depth);
    }
    h.routing = moved(kHalf * copies * (permute * depth + 3 * f) / v_.memory +
                      v_.cast_bytes * copies * v_.traffic * (depth + f));
    if (spread) {
      const Group group = group_of(s_.ep, 1, v_.device.domain);
      const Links links{v_.links.near * c_.all_to_all, v_.links.far * c_.all_to_all,
                        v_.links.wired};
      h.exchange = 2 * c_.all_to_all_exposed *
                   exchange_time(kHalf * copies * depth, m_.experts_met, group, links);
    }
    return h;
  }

  /// To launch one pass of a block's experts.
  double experts_host() const {
    if (v_.device.maker == Maker::google) return 0;
    double host = kMilli * (c_.expert_floor + c_.expert_kernels * m_.experts / s_.ep);
    constexpr double kGraphs = 2026.4;
    if (v_.stack.year > kGraphs && v_.device.domain > kPerNode) host *= c_.expert_graphs;
    return host;
  }

  double head() const {
    if (m_.vocab <= 0) return 0;
    const double tokens = m_.predicted * tokens_;
    double logits = m_.vocab / s_.tp;
    // Megatron pads the vocabulary.
    if (v_.stack.stack == Stack::megatron) logits = kPadded * std::ceil(logits / kPadded);
    const Pass p = product(v_.half, tokens, logits, m_.hidden);
    return (1 + m_.mtp) * (p.sum() + kLogitBytes * tokens * logits / v_.memory);
  }

  /// Share of the forward pass that is done again, and of its attention core.
  struct Again {
    double pass = 0;
    double core = 0;
  };
  Again again() const {
    const bool megatron = v_.stack.stack == Stack::megatron;
    if (!s_.recompute_stated) {
      if (xla_) return {c_.unknown_xla, 0};
      // As many blocks as memory demands. Before selective recomputation there was but one way.
      if (s_.recompute == Recompute::full) return {v_.stack.legacy ? 1 : c_.unknown_more, 0};
    }
    switch (s_.recompute) {
      case Recompute::none:
        break;
      case Recompute::full:
        return {xla_ ? c_.full_xla : 1, 0};
      case Recompute::selective:
        if (xla_) return {c_.selective_xla, 0};
        if (!megatron) return {c_.selective_torch, 0};
        return v_.stack.flash_attention ? Again{c_.selective, 0} : Again{0, 1};
    }
    return {};
  }

  /// It takes as long as its launches at least, in each direction.
  BlockTime half(const Half& h, double host) const {
    BlockTime t;
    const double forward = larger(h.forward(), host);
    const double backward = larger(h.backward(), host);
    t.products = h.products.sum();
    t.attention = h.core.sum();
    t.traffic = h.traffic.sum();
    t.routing = h.routing.sum();
    t.host = forward + backward - h.forward() - h.backward();
    double tp = 0;
    if (s_.tp > 1) {
      // An all-reduce in each direction.
      const double domain = v_.device.domain;
      const Group group = group_of(s_.tp, s_.tp_near ? 1 : domain, domain);
      tp = 2 * v_.tp_exposed * gather_time(kHalf * tokens_ * m_.hidden, group, v_.links);
    }
    t.tp = 2 * tp;
    t.cp = 2 * h.keys;
    t.all_to_all = 2 * h.exchange;
    const Again r = again();
    t.recompute = r.pass * (forward + tp + h.keys + h.exchange) + r.core * h.core.forward;
    return t;
  }

  /// Adds the part that so many of the blocks have to the mean block.
  template <class Time>
  void add(BlockTime& mean, double count, Time time) const {
    if (count <= 0) return;
    const BlockTime t = time();
    const double share = count / m_.layers;
    mean.products += share * t.products;
    mean.attention += share * t.attention;
    mean.traffic += share * t.traffic;
    mean.routing += share * t.routing;
    mean.host += share * t.host;
    mean.recompute += share * t.recompute;
    mean.tp += share * t.tp;
    mean.cp += share * t.cp;
    mean.all_to_all += share * t.all_to_all;
  }

  const StepModel& m_;
  const StepSpeed& v_;
  const StepShard& s_;
  const StepConstants& c_;
  double tokens_ = 0;    // of a micro-batch, on one rank
  double rows_ = 0;      // s for one value of each token
  double sequence_ = 1;  // that norms are divided by
  bool xla_ = false;
};

/// Work and a wait that partly hide each other: the q-norm, between their sum and their maximum.
double joined(double work, double wait, double q) {
  if (!(wait > 0 && work > 0)) return work + wait;
  // Rounding of what is large must not take away from it.
  return std::max(work, std::pow(std::pow(work, q) + std::pow(wait, q), 1 / q));
}

/// How the stages of a pipeline share the work of a micro-batch.
struct Stages {
  double average = 0;  ///< s of a stage
  double slowest = 0;
  double waits = 0;  ///< micro-batches that pass while it fills and drains
};

/// `block`, `edge`: s of a block, and of what stands at the ends.
Stages stages_of(const StepModel& m, const StepSchedule& plan, double block, double edge) {
  const double p = plan.pp;
  const double chunks = std::max(1.0, plan.interleave);
  Stages s;
  s.average = (m.layers * block + edge) / p;
  s.slowest = s.average;
  if (p <= 1) return s;
  if (divides(p, m.layers)) {
    s.slowest = m.layers / p * block + edge;
  } else if (divides(p, m.layers + 2)) {
    // Embedding and head count as a block each.
    const double layers = (m.layers + 2) / p;
    s.slowest = std::max(layers * block, (layers - 1) * block + edge);
  } else {
    // Whole blocks; the last stage, with the head, has what is left.
    const double layers = std::ceil(m.layers / p);
    const double last = std::max(0.0, m.layers - (p - 1) * layers);
    s.slowest = std::max({layers * block, last * block + edge, s.average});
  }
  // With fewer micro-batches than stages the chunks wait for each other.
  s.waits = (p - 1) / chunks + std::max(0.0, p - plan.micro_batches) * (1 - 1 / chunks);
  return s;
}

}  // namespace

StepModel step_model(const Architecture& a, double seq_len) {
  return step_model(a, seq_len, memory_basis(a), token_work(a, seq_len));
}

StepModel step_model(const Architecture& a, double seq_len, const MemoryBasis& memory,
                     const TokenWork& work) {
  using Split = StepModel::Product::Split;
  StepModel m;
  // A token of an encoder-decoder runs through one of the stacks.
  const bool two = a.decoder_layers > 0;
  const double share = two ? 0.5 : 1;
  m.layers = share * a.layers;
  m.attention_layers = share * a.attention_blocks();
  m.ssm_layers = share * a.ssm_layers;
  m.dense_layers = share * a.dense_layers();
  m.moe_layers = share * a.moe_layers;
  for (std::size_t i = 0; i < memory.kinds.size(); ++i) {
    const double of_mean = memory.kinds[i].count / m.layers;
    m.split_params += of_mean * memory.blocks[i].sharded;
    m.whole_params += of_mean * memory.blocks[i].replicated;
    m.expert_params += of_mean * memory.blocks[i].experts;
  }
  m.edge_params = memory.first + memory.last;
  m.hidden = a.hidden;

  const double attentions = attention_layers(a);  // with cross-attention
  if (attentions > 0) {
    const auto add = [&](double width, double depth, Split split) {
      m.attention[m.attentions++] = {width, depth, split};
    };
    const double blocks = m.attention_layers + a.mtp_layers;
    const double repeat = attentions / blocks;
    if (a.latent()) {
      if (a.q_lora_rank > 0) {
        add(a.q_lora_rank, a.hidden, Split::none);
        add(a.query_width(), a.q_lora_rank, Split::width);
      } else {
        add(a.query_width(), a.hidden, Split::width);
      }
      add(a.kv_lora_rank + a.rope_head_dim, a.hidden, Split::none);
      add(a.heads * (a.head_dim + a.v_head_dim), a.kv_lora_rank, Split::width);
      m.qkv_width = 2 * a.query_width() + a.value_width();
    } else {
      m.qkv_width = a.query_width() + a.kv_heads * (a.head_dim + a.v_head_dim);
      add(m.qkv_width * repeat, a.hidden, Split::width);
    }
    add(a.hidden, a.value_width() * repeat, Split::depth);
    if (a.details.attention_gate) add(a.value_width(), a.hidden, Split::width);
    m.kv_width = m.qkv_width - a.query_width();
    m.core_flop = work.attention_causal / blocks;
    m.scores = a.heads * seq_len * repeat;
    m.head_width = a.head_dim + a.rope_head_dim;
  }
  if (a.ssm_layers > 0) {
    for (const auto& x : state_space_projections(a)) {
      if (x.in <= 0 || x.out <= 0) continue;
      m.ssm[m.ssms++] = {x.out, x.in, x.out == a.hidden ? Split::depth : Split::width};
    }
    m.ssm_inner = a.ssm_inner;
    m.scan_flop = state_space_work(a).total();
    m.scan_bytes = state_space_bytes(a);
  }
  m.ffn_matrices = a.ffn_matrices();
  m.ffn = a.ffn_hidden;
  m.expert = a.expert_ffn_hidden;
  m.expert_depth = a.expert_width();
  m.experts = a.experts;
  m.experts_met = a.experts_per_token;
  m.shared = a.shared_ffn_hidden;
  m.vocab = a.type == ModelType::vision ? 0 : a.vocab;
  m.mtp = a.mtp_layers;
  if (a.type == ModelType::encoder) m.predicted = kMaskedTokens;
  if (two) m.predicted = share;
  return m;
}

ShardTime shard_time(const StepModel& model, const StepSpeed& speed, const StepShard& shard,
                     const StepConstants& constants) {
  return Shard{model, speed, shard, constants}.time();
}

double core_forward_share(const StepSpeed& v) {
  return 1 / (1 + kBackwardCore * v.core / v.core_backward);
}

double lost_in_scale(const StepSpeed& v, double devices, const StepConstants& c) {
  const bool tpu = v.device.maker == Maker::google;
  const double together = tpu ? v.device.domain : std::min(v.device.domain, kPerNode);
  const double lost = c.jitter * std::log2(std::max(1.0, devices / together));
  return (1 + lost) * c.cluster - 1;
}

double least_step_time(const StepModel& m, const StepSpeed& v, const ShardTime& x,
                       const StepSchedule& plan) {
  const auto s = stages_of(m, plan, x.block.total(), x.head);
  // Sums of the same parts in another order round differently.
  constexpr double kSlack = 1 - 1e-9;
  return kSlack * v.year * (plan.micro_batches * s.slowest + s.waits * s.average);
}

StepTime step_time(const StepModel& m, const StepSpeed& v, const ShardTime& x,
                   const StepSchedule& plan, const StepConstants& c) {
  const auto& shard = x.shard;
  const double p = plan.pp;
  const double chunks = std::max(1.0, plan.interleave);
  const double micro = plan.micro_batches;

  // Data parallel groups; routed experts have their own.
  const double ranks = plan.dp * shard.cp;
  const double domain = v.device.domain;
  const double beside = shard.tp_near ? shard.tp : 1;
  const Group group = group_of(ranks, plan.dp_near ? beside : domain, domain);
  const Group expert_group =
      shard.ep > 1 ? group_of(std::max(1.0, ranks * shard.tp / shard.ep), shard.ep, v.device.domain)
                   : group;

  // Fully sharded weights are gathered for each pass, their gradients scattered.
  const double work = x.block.total();
  double block = work;
  double edge = x.head;
  if (plan.sharding == Sharding::zero3) {
    const double passes = shard.frozen ? 2 : 3;
    const double wait = passes * (gather_time(kHalf * x.params, group, v.links) +
                                  gather_time(kHalf * x.expert_params, expert_group, v.links));
    block = joined(work, wait, c.fsdp_overlap);
    edge =
        joined(x.head, passes * gather_time(kHalf * x.edge_params, group, v.links), c.fsdp_overlap);
  }

  const auto [average, slowest, waits] = stages_of(m, plan, block, edge);

  StepTime t;
  const double blocks = micro * m.layers / p;
  const auto in_step = [&](double part) { return blocks * part * second; };
  t.products = in_step(x.block.products);
  t.attention = in_step(x.block.attention);
  t.traffic = in_step(x.block.traffic);
  t.routing = in_step(x.block.routing);
  t.recompute = in_step(x.block.recompute);
  t.host = in_step(std::max(0.0, x.block.host));
  t.tp = in_step(x.block.tp);
  t.cp = in_step(x.block.cp);
  t.all_to_all = in_step(x.block.all_to_all);
  t.fsdp = in_step(block - work) + micro / p * (edge - x.head) * second;
  t.head = micro / p * x.head * second;
  t.pipeline = (micro * (slowest - average) + waits * average) * second;
  if (p > 1) {
    const bool inside = plan.pp_near && beside * (plan.dp_near ? ranks : 1) < domain;
    const double link = inside ? rate_among(2, v.links) : v.links.far;
    if (link > 0) {
      // Each rank sends its part, which is gathered on the other side.
      const bool parts = plan.scatter_gather || shard.sequence_parallel;
      const double message = kHalf * x.tokens * m.hidden / (parts ? shard.tp : 1) / link;
      const double exposed = v.stack.blocking_stages ? 1 : c.p2p;
      t.p2p = exposed * micro * chunks * 2 * message * second;
    }
  }

  if (!shard.frozen) {
    const double stage = m.layers / p;
    const double params = stage * x.params + x.edge_params / std::min(p, 2.0);
    const double experts = stage * x.expert_params;
    if (plan.sharding != Sharding::zero3 && ranks > 1) {
      const bool half = v.stack.legacy && v.stack.stack == Stack::megatron;
      const double gradient = half                                  ? kHalf
                              : v.device.format == StepFormat::half ? kGradientBytes
                                                                    : kGradientBytesFp8;
      // Back come gradients, or the weights that the optimizer made of its share.
      const double both = gradient + (plan.sharding == Sharding::none ? gradient : kHalf);
      const double exchange = gather_time(both * params, group, v.links) +
                              gather_time(both * experts, expert_group, v.links);
      // Interleaved chunks finish one after the other while the last micro-batches run through.
      // No more than all of it, or less work would take longer.
      const double window = v.stack.legacy || !plan.overlap ? 0
                                                            : std::min(c.dp_window, 1.0) * slowest *
                                                                  (1 + (chunks - 1) * p) / chunks;
      const double over = exchange - window;
      const double soft = 0.5 * (over + std::sqrt(over * over + 0.01 * exchange * exchange));
      t.dp = larger(soft, c.dp_exposed * exchange) * second;
    }
    const bool whole = plan.sharding == Sharding::none;
    const double own = params / (whole ? 1 : ranks) + experts / (whole ? 1 : expert_group.ranks);
    t.optimizer = kOptimizerBytes * own / v.memory * second;
  }
  if (v.stack.stack != Stack::xla) t.step = c.step * kMilli * second;

  // How good the software is shows in every part; what many nodes lose stands beside them.
  for (const auto& part : kStepParts) t.*part.part = v.year * (t.*part.part);
  t.scale = lost_in_scale(v, shard.tp * p * ranks, c) * t.total();
  return t;
}

}  // namespace pretrain::models
