#include "hardware/kernels/gpu_block.hpp"

#include <algorithm>
#include <cmath>

namespace pretrain::hardware {

namespace {

using std::int64_t;
using std::size_t;
using std::uintptr_t;

constexpr unsigned kThreads = 256;
constexpr size_t kBf16 = 2;
constexpr size_t kFp32 = 4;
constexpr float kEpsilon = 1e-5F;

size_t to_size(int64_t n) { return static_cast<size_t>(n); }
unsigned to_unsigned(int64_t n) { return static_cast<unsigned>(n); }

/// A matrix of weights with what the optimizer keeps of it.
struct Weights {
  int64_t out = 0;
  int64_t in = 0;
  GpuMemory values;  // bf16, rows of outputs
  GpuMemory master;
  GpuMemory first;
  GpuMemory second;
  GpuMemory gradient;  // fp32

  int64_t elements() const { return out * in; }
};

/// What a block keeps for its backward pass.
struct Kept {
  GpuMemory x;        // stream before attention
  GpuMemory normal1;  // its norm
  GpuMemory inverse1;
  GpuMemory qkv;
  GpuMemory out;         // of attention
  GpuMemory statistics;  // of fused attention, or the probabilities
  GpuMemory middle;      // stream before the feed-forward
  GpuMemory normal2;
  GpuMemory inverse2;
  GpuMemory up;
  GpuMemory active;
};

}  // namespace

struct GpuBlocks::State {
  Gpu& gpu;
  GpuShape shape;
  std::string attention;
  std::shared_ptr<FusedAttention> library;
  FusedAttention* fused = nullptr;  // the library's, where it has both directions
  GpuMemory workspace;

  std::vector<std::array<Weights, kTensors>> weights;
  std::vector<Kept> kept;
  GpuMemory input;
  GpuMemory projected;  // what a block's half adds to the stream
  GpuMemory output;
  GpuMemory output_inverse;
  GpuMemory loss_weights;
  // Gradients that live from one operation to the next.
  GpuMemory stream_gradient;
  GpuMemory middle_gradient;
  GpuMemory normal_gradient;
  GpuMemory active_gradient;
  GpuMemory up_gradient;
  GpuMemory out_gradient;
  GpuMemory qkv_gradient;
  GpuMemory score_gradient;
  GpuMemory partial;
  unsigned partial_rows = 1;
  int steps = 0;

  // A mark ends a part; the first one begins the step.
  std::vector<GpuMoment> moments;
  std::vector<GpuPart> ended;

  int64_t tokens() const { return shape.seq_len * shape.sequences; }
  int64_t query_width() const { return shape.heads * shape.head_width; }
  int64_t qkv_width() const { return (shape.heads + 2 * shape.kv_heads) * shape.head_width; }
  int64_t up_width() const { return (shape.gated ? 2 : 1) * shape.ffn; }

  State(Gpu& own, const GpuShape& of) : gpu{own}, shape{of} {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    for (auto* moment : moments) gpu.forget(moment);
  }

  void allocate() {
    const auto t = to_size(tokens());
    const auto h = to_size(shape.hidden);
    const auto row = [&](int64_t width) { return gpu.allocate(kBf16 * t * to_size(width)); };
    unsigned seed = 1;
    for (int b = 0; b < shape.blocks; ++b) {
      auto& w = weights.emplace_back();
      const auto make = [&](Tensor tensor, int64_t out, int64_t in) {
        auto& m = w[static_cast<size_t>(tensor)];
        m.out = out;
        m.in = in;
        const auto n = to_size(m.elements());
        m.values = gpu.allocate(kBf16 * n);
        for (auto* state : {&m.master, &m.first, &m.second, &m.gradient}) {
          *state = gpu.allocate(kFp32 * n);
        }
        if (out == 1) {
          gpu.launch("fill_value", grid(m.elements()), m.values.at(),
                     static_cast<unsigned long long>(n), 1.0F);
        } else {
          // Outputs of about the size of their inputs.
          fill(m.values, m.elements(), 1 / std::sqrt(static_cast<float>(in)), seed++);
        }
        gpu.launch("master_of", grid(m.elements()), m.values.at(), m.master.at(), m.first.at(),
                   m.second.at(), m.gradient.at(), static_cast<unsigned long long>(n));
      };
      make(Tensor::norm1, 1, shape.hidden);
      make(Tensor::qkv, qkv_width(), shape.hidden);
      make(Tensor::out, shape.hidden, query_width());
      make(Tensor::norm2, 1, shape.hidden);
      make(Tensor::up, up_width(), shape.hidden);
      make(Tensor::down, shape.hidden, shape.ffn);
      auto& k = kept.emplace_back();
      k.x = row(shape.hidden);
      k.normal1 = row(shape.hidden);
      k.inverse1 = gpu.allocate(kFp32 * t);
      k.qkv = row(qkv_width());
      k.out = row(query_width());
      k.statistics = gpu.allocate(statistics_bytes(shape, fused != nullptr));
      k.middle = row(shape.hidden);
      k.normal2 = row(shape.hidden);
      k.inverse2 = gpu.allocate(kFp32 * t);
      k.up = row(up_width());
      k.active = row(shape.ffn);
    }
    input = row(shape.hidden);
    projected = row(shape.hidden);
    output = row(shape.hidden);
    output_inverse = gpu.allocate(kFp32 * t);
    loss_weights = row(shape.hidden);
    stream_gradient = row(shape.hidden);
    middle_gradient = row(shape.hidden);
    normal_gradient = row(shape.hidden);
    active_gradient = row(shape.ffn);
    up_gradient = row(up_width());
    out_gradient = row(query_width());
    qkv_gradient = row(qkv_width());
    if (library) workspace = gpu.allocate(std::max<size_t>(1, library->workspace_bytes()));
    if (fused == nullptr) score_gradient = gpu.allocate(statistics_bytes(shape, false));
    constexpr unsigned kBlocksOfCore = 2;
    partial_rows = std::min(to_unsigned(tokens()),
                            kBlocksOfCore * static_cast<unsigned>(std::max(1, gpu.cores())));
    partial = gpu.allocate(kFp32 * partial_rows * h);
    fill(input, tokens() * shape.hidden, 1, seed++);
    fill(loss_weights, tokens() * shape.hidden, 1, seed++);
  }

  static size_t statistics_bytes(const GpuShape& s, bool fused) {
    const auto rows = to_size(s.sequences * s.heads * s.seq_len);
    return fused ? kFp32 * rows : kBf16 * rows * to_size(s.seq_len);
  }

  static GpuLaunch grid(int64_t items) {
    constexpr int64_t kMost = 1 << 16;
    const int64_t blocks = (items + kThreads - 1) / kThreads;
    return {to_unsigned(std::clamp<int64_t>(blocks, 1, kMost)), kThreads, 0};
  }
  GpuLaunch rows_of(int64_t rows, int64_t shared_floats) const {
    return {to_unsigned(rows), kThreads, to_unsigned(static_cast<int64_t>(kFp32) * shared_floats)};
  }

  void fill(const GpuMemory& memory, int64_t elements, float scale, unsigned seed) {
    const int64_t items = elements / kEight;
    gpu.launch("fill", grid(items), memory.at(), static_cast<unsigned long long>(items), scale,
               seed);
  }

  // ---- marks

  void begin() {
    ended.clear();
    place_mark();
  }
  void end(GpuPart part) {
    // One mark for what follows each other in one part.
    if (!ended.empty() && ended.back() == part) {
      gpu.mark(moments[ended.size()]);
      return;
    }
    ended.push_back(part);
    place_mark();
  }
  void place_mark() {
    if (moments.size() <= ended.size()) moments.push_back(gpu.moment());
    gpu.mark(moments[ended.size()]);
  }

  // ---- products; tokens by rows are columns to the library

  /// y = x w^T
  void forward(const Weights& w, uintptr_t x, uintptr_t y) {
    GpuProduct p;
    p.m = w.out;
    p.n = tokens();
    p.k = w.in;
    p.transpose_a = true;
    p.lda = w.in;
    p.ldb = w.in;
    p.ldc = w.out;
    gpu.multiply(p, w.values.at(), x, y);
  }

  /// dx = dy w, and dw += dy^T x
  void backward(const Weights& w, uintptr_t x, uintptr_t dy, uintptr_t dx) {
    GpuProduct p;
    p.m = w.in;
    p.n = tokens();
    p.k = w.out;
    p.lda = w.in;
    p.ldb = w.out;
    p.ldc = w.in;
    gpu.multiply(p, w.values.at(), dy, dx);
    GpuProduct g;
    g.m = w.in;
    g.n = w.out;
    g.k = tokens();
    g.transpose_b = true;
    g.lda = w.in;
    g.ldb = w.out;
    g.ldc = w.in;
    g.out = GpuFormat::fp32;
    g.beta = 1;
    gpu.multiply(g, x, dy, w.gradient.at());
  }

  // ---- attention as products and a softmax: of each sequence, the heads that share keys one after
  // the other, all keys at once

  /// A product for every head of keys.
  GpuProduct per_head(int64_t m, int64_t n, int64_t k) const {
    GpuProduct p;
    p.m = m;
    p.n = n;
    p.k = k;
    p.count = static_cast<std::int32_t>(shape.kv_heads);
    return p;
  }
  int64_t group() const { return shape.heads / shape.kv_heads; }
  int64_t square() const { return shape.seq_len * shape.seq_len; }
  uintptr_t scores_at(uintptr_t all, int64_t sequence, int64_t g) const {
    return all + kBf16 * to_size((sequence * group() + g) * shape.kv_heads * square());
  }

  template <class Each>
  void each_head(Each each) {
    for (int64_t sequence = 0; sequence < shape.sequences; ++sequence) {
      for (int64_t g = 0; g < group(); ++g) {
        const auto row = to_size(sequence * shape.seq_len);
        // Queries, keys and values of the first head that is meant, in a row.
        const auto place = [&](uintptr_t rows, int64_t width, int64_t head) {
          return rows + kBf16 * (row * to_size(width) + to_size(head * shape.head_width));
        };
        each(sequence, g, place);
      }
    }
  }

  unsigned score_rows() const { return to_unsigned(shape.sequences * shape.heads * shape.seq_len); }

  void plain_attention(Kept& k) {
    const auto w = qkv_width();
    const auto d = shape.head_width;
    const auto n = shape.seq_len;
    each_head([&](int64_t sequence, int64_t g, auto place) {
      // Transposed scores: keys by queries.
      auto p = per_head(n, n, d);
      p.transpose_a = true;
      p.lda = p.ldb = w;
      p.ldc = n;
      p.alpha = 1 / std::sqrt(static_cast<float>(d));
      p.stride_a = d;
      p.stride_b = group() * d;
      p.stride_c = square();
      gpu.multiply(p, place(k.qkv.at(), w, shape.heads), place(k.qkv.at(), w, g),
                   scores_at(k.statistics.at(), sequence, g));
    });
    gpu.launch("softmax", rows_of(score_rows(), n), k.statistics.at(), to_unsigned(n),
               to_unsigned(n));
    each_head([&](int64_t sequence, int64_t g, auto place) {
      auto p = per_head(d, n, n);
      p.lda = w;
      p.ldb = n;
      p.ldc = query_width();
      p.stride_a = d;
      p.stride_b = square();
      p.stride_c = group() * d;
      gpu.multiply(p, place(k.qkv.at(), w, shape.heads + shape.kv_heads),
                   scores_at(k.statistics.at(), sequence, g), place(k.out.at(), query_width(), g));
    });
  }

  void plain_attention_backward(Kept& k) {
    const auto w = qkv_width();
    const auto d = shape.head_width;
    const auto n = shape.seq_len;
    const auto keys = shape.heads;
    const auto values = shape.heads + shape.kv_heads;
    each_head([&](int64_t sequence, int64_t g, auto place) {
      // Of the probabilities.
      auto p = per_head(n, n, d);
      p.transpose_a = true;
      p.lda = w;
      p.ldb = query_width();
      p.ldc = n;
      p.stride_a = d;
      p.stride_b = group() * d;
      p.stride_c = square();
      gpu.multiply(p, place(k.qkv.at(), w, values), place(out_gradient.at(), query_width(), g),
                   scores_at(score_gradient.at(), sequence, g));
      // Of the values: heads that share them add up.
      auto v = per_head(d, n, n);
      v.transpose_b = true;
      v.lda = query_width();
      v.ldb = n;
      v.ldc = w;
      v.stride_a = group() * d;
      v.stride_b = square();
      v.stride_c = d;
      v.beta = g > 0 ? 1.0F : 0.0F;
      gpu.multiply(v, place(out_gradient.at(), query_width(), g),
                   scores_at(k.statistics.at(), sequence, g), place(qkv_gradient.at(), w, values));
    });
    const float scale = 1 / std::sqrt(static_cast<float>(d));
    gpu.launch("softmax_backward", rows_of(score_rows(), 0), k.statistics.at(), score_gradient.at(),
               to_unsigned(n), to_unsigned(n), scale);
    each_head([&](int64_t sequence, int64_t g, auto place) {
      auto q = per_head(d, n, n);
      q.lda = w;
      q.ldb = n;
      q.ldc = w;
      q.stride_a = d;
      q.stride_b = square();
      q.stride_c = group() * d;
      gpu.multiply(q, place(k.qkv.at(), w, keys), scores_at(score_gradient.at(), sequence, g),
                   place(qkv_gradient.at(), w, g));
      auto to_keys = per_head(d, n, n);
      to_keys.transpose_b = true;
      to_keys.lda = w;
      to_keys.ldb = n;
      to_keys.ldc = w;
      to_keys.stride_a = group() * d;
      to_keys.stride_b = square();
      to_keys.stride_c = d;
      to_keys.beta = g > 0 ? 1.0F : 0.0F;
      gpu.multiply(to_keys, place(k.qkv.at(), w, g), scores_at(score_gradient.at(), sequence, g),
                   place(qkv_gradient.at(), w, keys));
    });
  }

  // ---- what is no product

  static constexpr int64_t kEight = 8;
  unsigned eights(int64_t width) const { return to_unsigned(width / kEight); }

  void add_norm(uintptr_t x, uintptr_t y, uintptr_t sum, const Weights& gain, uintptr_t normal,
                uintptr_t inverse) {
    gpu.launch("add_norm", rows_of(tokens(), shape.hidden), x, y, sum, normal, gain.values.at(),
               inverse, eights(shape.hidden), kEpsilon);
  }

  /// out = residual + gradient through the norm of x
  void norm_backward(uintptr_t x, uintptr_t gradient, const Weights& gain, uintptr_t inverse,
                     uintptr_t residual, uintptr_t out) {
    gpu.launch("norm_backward", rows_of(partial_rows, shape.hidden), x, gradient, gain.values.at(),
               inverse, residual, out, partial.at(), to_unsigned(tokens()), eights(shape.hidden));
    gpu.launch("add_rows", grid(shape.hidden), partial.at(), gain.gradient.at(), partial_rows,
               to_unsigned(shape.hidden));
  }

  void rotate(uintptr_t rows, float sign) {
    const auto heads = shape.heads + shape.kv_heads;  // queries and keys
    gpu.launch("rotate", grid(tokens() * heads * shape.head_width / 2), rows, to_unsigned(tokens()),
               to_unsigned(shape.seq_len), to_unsigned(heads), to_unsigned(shape.head_width),
               to_unsigned(qkv_width()), sign);
  }

  // ---- a step

  void forward() {
    for (size_t b = 0; b < kept.size(); ++b) {
      auto& w = weights[b];
      auto& k = kept[b];
      const auto of = [&](Tensor t) -> const Weights& { return w[static_cast<size_t>(t)]; };
      // The stream before a block: that before the last feed-forward and what it adds.
      if (b == 0) {
        add_norm(input.at(), 0, 0, of(Tensor::norm1), k.normal1.at(), k.inverse1.at());
      } else {
        add_norm(kept[b - 1].middle.at(), projected.at(), k.x.at(), of(Tensor::norm1),
                 k.normal1.at(), k.inverse1.at());
      }
      end(GpuPart::traffic);
      forward(of(Tensor::qkv), k.normal1.at(), k.qkv.at());
      end(GpuPart::products);
      rotate(k.qkv.at(), 1);
      end(GpuPart::traffic);
      if (fused != nullptr) {
        fused->forward(k.qkv.at(), k.out.at(), k.statistics.at(), workspace.at());
      } else {
        plain_attention(k);
      }
      end(GpuPart::attention);
      forward(of(Tensor::out), k.out.at(), projected.at());
      end(GpuPart::products);
      add_norm(stream(b), projected.at(), k.middle.at(), of(Tensor::norm2), k.normal2.at(),
               k.inverse2.at());
      end(GpuPart::traffic);
      forward(of(Tensor::up), k.normal2.at(), k.up.at());
      end(GpuPart::products);
      if (shape.gated) {
        gpu.launch("gated", grid(tokens() * shape.ffn / kEight), k.up.at(), k.active.at(),
                   to_unsigned(tokens()), eights(shape.ffn));
      } else {
        gpu.launch("gelu", grid(tokens() * shape.ffn / kEight), k.up.at(), k.active.at(),
                   static_cast<unsigned long long>(tokens() * shape.ffn / kEight));
      }
      end(GpuPart::traffic);
      forward(of(Tensor::down), k.active.at(), projected.at());
      end(GpuPart::products);
    }
    // What comes out, for whoever reads it: the norm beside it is thrown away.
    add_norm(kept.back().middle.at(), projected.at(), output.at(), weights.back()[0],
             normal_gradient.at(), output_inverse.at());
    end(GpuPart::traffic);
  }

  uintptr_t stream(size_t block) const { return block == 0 ? input.at() : kept[block].x.at(); }

  void backward() {
    uintptr_t from = loss_weights.at();
    for (size_t b = kept.size(); b-- > 0;) {
      auto& w = weights[b];
      auto& k = kept[b];
      const auto of = [&](Tensor t) -> const Weights& { return w[static_cast<size_t>(t)]; };
      backward(of(Tensor::down), k.active.at(), from, active_gradient.at());
      end(GpuPart::products);
      if (shape.gated) {
        gpu.launch("gated_backward", grid(tokens() * shape.ffn / kEight), k.up.at(),
                   active_gradient.at(), up_gradient.at(), to_unsigned(tokens()),
                   eights(shape.ffn));
      } else {
        gpu.launch("gelu_backward", grid(tokens() * shape.ffn / kEight), k.up.at(),
                   active_gradient.at(), up_gradient.at(),
                   static_cast<unsigned long long>(tokens() * shape.ffn / kEight));
      }
      end(GpuPart::traffic);
      backward(of(Tensor::up), k.normal2.at(), up_gradient.at(), normal_gradient.at());
      end(GpuPart::products);
      norm_backward(k.middle.at(), normal_gradient.at(), of(Tensor::norm2), k.inverse2.at(), from,
                    middle_gradient.at());
      end(GpuPart::traffic);
      backward(of(Tensor::out), k.out.at(), middle_gradient.at(), out_gradient.at());
      end(GpuPart::products);
      if (fused != nullptr) {
        fused->backward(k.qkv.at(), k.out.at(), k.statistics.at(), out_gradient.at(),
                        qkv_gradient.at(), workspace.at());
      } else {
        plain_attention_backward(k);
      }
      end(GpuPart::attention);
      rotate(qkv_gradient.at(), -1);
      end(GpuPart::traffic);
      backward(of(Tensor::qkv), k.normal1.at(), qkv_gradient.at(), normal_gradient.at());
      end(GpuPart::products);
      norm_backward(stream(b), normal_gradient.at(), of(Tensor::norm1), k.inverse1.at(),
                    middle_gradient.at(), stream_gradient.at());
      end(GpuPart::traffic);
      from = stream_gradient.at();
    }
  }

  void optimize() {
    constexpr float kRate = 1e-5F;
    constexpr float kDecay = 0.1F;
    constexpr double kBeta1 = 0.9;
    constexpr double kBeta2 = 0.95;
    constexpr int64_t kFour = 4;
    ++steps;
    const auto correct1 = static_cast<float>(1 / (1 - std::pow(kBeta1, steps)));
    const auto correct2 = static_cast<float>(1 / (1 - std::pow(kBeta2, steps)));
    for (auto& block : weights) {
      for (auto& w : block) {
        const int64_t fours = w.elements() / kFour;
        gpu.launch("adamw", grid(fours), w.values.at(), w.master.at(), w.first.at(), w.second.at(),
                   w.gradient.at(), static_cast<unsigned long long>(fours), kRate, kDecay, correct1,
                   correct2);
      }
    }
    end(GpuPart::optimizer);
  }
};

GpuBlocks::GpuBlocks(Gpu& gpu, const GpuShape& shape, std::shared_ptr<FusedAttention> library,
                     std::string why)
    : s_{std::make_unique<State>(gpu, shape)} {
  s_->library = std::move(library);
  if (s_->library && s_->library->has_backward()) {
    s_->fused = s_->library.get();
    s_->attention = s_->library->name();
  } else {
    if (s_->library) why = s_->library->name() + " has no backward pass for it";
    s_->attention = "matrix products and softmax";
    if (!why.empty()) s_->attention += " (" + why + ")";
  }
  s_->allocate();
  gpu.wait();
}

GpuBlocks::~GpuBlocks() {
  // Nothing may be in the queue when its memory goes.
  try {
    s_->gpu.wait();
  } catch (const GpuError&) {
  }
}

double GpuBlocks::bytes_of(const GpuShape& s, bool fused) {
  const double t = s.tokens();
  const auto h = static_cast<double>(s.hidden);
  const auto f = static_cast<double>(s.ffn);
  const double up = (s.gated ? 2 : 1) * f;
  const auto d = static_cast<double>(s.head_width);
  const double q = static_cast<double>(s.heads) * d;
  const double qkv = q + 2 * static_cast<double>(s.kv_heads) * d;
  const double scores = static_cast<double>(State::statistics_bytes(s, fused));
  const double kept = kBf16 * t * (4 * h + qkv + q + up + f) + scores;
  const double passing = kBf16 * t * (7 * h + f + up + q + qkv) + (fused ? 0 : scores);
  constexpr double kStates = 4 * kFp32 + kBf16;
  return s.blocks * kept + passing + kStates * s.params();
}

void GpuBlocks::step(bool with_optimizer) {
  s_->begin();
  s_->forward();
  s_->backward();
  if (with_optimizer) s_->optimize();
}

std::array<double, kGpuParts> GpuBlocks::parts() {
  s_->gpu.wait();
  std::array<double, kGpuParts> seconds{};
  for (size_t i = 0; i < s_->ended.size(); ++i) {
    seconds[static_cast<size_t>(s_->ended[i])] +=
        s_->gpu.seconds_between(s_->moments[i], s_->moments[i + 1]);
  }
  return seconds;
}

const std::string& GpuBlocks::attention() const { return s_->attention; }
bool GpuBlocks::has_fused_forward() const { return s_->library != nullptr; }

void GpuBlocks::fused_forward() {
  auto& k = s_->kept.front();
  s_->library->forward(k.qkv.at(), k.out.at(), k.statistics.at(), s_->workspace.at());
}

const std::string& GpuBlocks::fused_forward_by() const { return s_->library->name(); }

bool GpuBlocks::fused() const { return s_->fused != nullptr; }

uintptr_t GpuBlocks::weights(int block, Tensor tensor) const {
  return s_->weights[static_cast<size_t>(block)][static_cast<size_t>(tensor)].values.at();
}
uintptr_t GpuBlocks::gradients(int block, Tensor tensor) const {
  return s_->weights[static_cast<size_t>(block)][static_cast<size_t>(tensor)].gradient.at();
}
size_t GpuBlocks::elements(Tensor tensor) const {
  return to_size(s_->weights.front()[static_cast<size_t>(tensor)].elements());
}
uintptr_t GpuBlocks::input() const { return s_->input.at(); }
uintptr_t GpuBlocks::output() const { return s_->output.at(); }
uintptr_t GpuBlocks::loss_weights() const { return s_->loss_weights.at(); }
uintptr_t GpuBlocks::input_gradient() const { return s_->stream_gradient.at(); }

}  // namespace pretrain::hardware
