#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "hardware/kernels/gpu_block.hpp"

// The training step on a driver that computes on the CPU: against the same mathematics in double
// precision, written down here once more, whose gradients are differences.

namespace pretrain::hardware {

void PrintTo(const GpuShape& shape, std::ostream* out) { *out << shape.name; }

namespace {

CudaLibraries simulated() { return {PRETRAIN_SIM_CUDA, {PRETRAIN_SIM_CUDA}, {"libnone.so"}}; }

class GpuKernels : public testing::Test {
 protected:
  static void simulate(const char* words) { setenv("CUDA_SIM", words, 1); }
  void TearDown() override { unsetenv("CUDA_SIM"); }

  static std::unique_ptr<Gpu> opened() {
    std::string why;
    auto gpu = Gpu::open(simulated(), why);
    EXPECT_TRUE(gpu) << why;
    return gpu;
  }
};

using Numbers = std::vector<double>;

double wide(std::uint16_t x) {
  const std::uint32_t bits = static_cast<std::uint32_t>(x) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return static_cast<double>(value);
}

Numbers bf16_of(Gpu& gpu, std::uintptr_t at, std::size_t n) {
  std::vector<std::uint16_t> raw(n);
  gpu.read(at, raw.data(), 2 * n);
  Numbers numbers;
  for (const auto x : raw) numbers.push_back(wide(x));
  return numbers;
}

Numbers fp32_of(Gpu& gpu, std::uintptr_t at, std::size_t n) {
  std::vector<float> raw(n);
  gpu.read(at, raw.data(), 4 * n);
  return {raw.begin(), raw.end()};
}

using Tensor = GpuBlocks::Tensor;

/// The blocks in double precision.
struct Reference {
  GpuShape s;
  std::vector<std::array<Numbers, GpuBlocks::kTensors>> weights;
  Numbers input;
  Numbers loss_weights;

  std::size_t h() const { return static_cast<std::size_t>(s.hidden); }
  std::size_t t() const { return static_cast<std::size_t>(s.seq_len * s.sequences); }

  Numbers norm(const Numbers& x, const Numbers& gain) const {
    Numbers y(x.size());
    for (std::size_t r = 0; r < t(); ++r) {
      double squares = 0;
      for (std::size_t i = 0; i < h(); ++i) squares += x[r * h() + i] * x[r * h() + i];
      const double scale = 1 / std::sqrt(squares / static_cast<double>(h()) + 1e-5);
      for (std::size_t i = 0; i < h(); ++i) y[r * h() + i] = x[r * h() + i] * scale * gain[i];
    }
    return y;
  }
  Numbers times(const Numbers& x, const Numbers& w, std::size_t in) const {
    const std::size_t out = w.size() / in;
    Numbers y(t() * out);
    for (std::size_t r = 0; r < t(); ++r) {
      for (std::size_t o = 0; o < out; ++o) {
        double sum = 0;
        for (std::size_t i = 0; i < in; ++i) sum += x[r * in + i] * w[o * in + i];
        y[r * out + o] = sum;
      }
    }
    return y;
  }
  Numbers attention(Numbers qkv) const {
    const auto heads = static_cast<std::size_t>(s.heads);
    const auto kv = static_cast<std::size_t>(s.kv_heads);
    const auto d = static_cast<std::size_t>(s.head_width);
    const auto n = static_cast<std::size_t>(s.seq_len);
    const std::size_t w = (heads + 2 * kv) * d;
    for (std::size_t r = 0; r < t(); ++r) {
      for (std::size_t head = 0; head < heads + kv; ++head) {
        for (std::size_t k = 0; k < d / 2; ++k) {
          const double angle = static_cast<double>(r % n) *
                               std::pow(1e4, -static_cast<double>(k) / static_cast<double>(d / 2));
          double& a = qkv[r * w + head * d + k];
          double& b = qkv[r * w + head * d + k + d / 2];
          const double x = a * std::cos(angle) - b * std::sin(angle);
          b = a * std::sin(angle) + b * std::cos(angle);
          a = x;
        }
      }
    }
    Numbers out(t() * heads * d);
    for (std::size_t r = 0; r < t(); ++r) {
      const std::size_t first = r / n * n;
      for (std::size_t head = 0; head < heads; ++head) {
        const std::size_t key = heads + head / (heads / kv);
        Numbers p;
        double sum = 0;
        for (std::size_t j = first; j <= r; ++j) {
          double score = 0;
          for (std::size_t k = 0; k < d; ++k) {
            score += qkv[r * w + head * d + k] * qkv[j * w + key * d + k];
          }
          p.push_back(std::exp(score / std::sqrt(static_cast<double>(d))));
          sum += p.back();
        }
        for (std::size_t j = first; j <= r; ++j) {
          for (std::size_t k = 0; k < d; ++k) {
            out[(r * heads + head) * d + k] += p[j - first] / sum * qkv[j * w + (key + kv) * d + k];
          }
        }
      }
    }
    return out;
  }
  Numbers active(const Numbers& up) const {
    const auto f = static_cast<std::size_t>(s.ffn);
    Numbers y(t() * f);
    for (std::size_t r = 0; r < t(); ++r) {
      for (std::size_t i = 0; i < f; ++i) {
        if (s.gated) {
          const double g = up[r * 2 * f + i];
          y[r * f + i] = g / (1 + std::exp(-g)) * up[r * 2 * f + f + i];
        } else {
          const double x = up[r * f + i];
          y[r * f + i] =
              0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
        }
      }
    }
    return y;
  }

  Numbers output() const {
    Numbers x = input;
    for (const auto& w : weights) {
      const auto of = [&](Tensor tensor) -> const Numbers& {
        return w[static_cast<std::size_t>(tensor)];
      };
      const auto out = attention(times(norm(x, of(Tensor::norm1)), of(Tensor::qkv), h()));
      const auto a = times(out, of(Tensor::out), out.size() / t());
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += a[i];
      const auto y = times(active(times(norm(x, of(Tensor::norm2)), of(Tensor::up), h())),
                           of(Tensor::down), static_cast<std::size_t>(s.ffn));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
    }
    return x;
  }
  double loss() const {
    const auto y = output();
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * loss_weights[i];
    return sum;
  }
  double gradient(double& of) {
    constexpr double kStep = 1e-4;
    const double before = of;
    of = before + kStep;
    const double more = loss();
    of = before - kStep;
    const double less = loss();
    of = before;
    return (more - less) / (2 * kStep);
  }
};

class GpuBlocksOfShape : public GpuKernels, public testing::WithParamInterface<GpuShape> {};

TEST_P(GpuBlocksOfShape, ComputeWhatTheMathematicsSays) {
  simulate("run=1");
  const auto gpu = opened();
  ASSERT_TRUE(gpu);
  GpuBlocks blocks{*gpu, GetParam(), nullptr};
  EXPECT_FALSE(blocks.fused());
  Reference reference{GetParam(), {}, {}, {}};
  const std::size_t cells = reference.t() * reference.h();
  reference.input = bf16_of(*gpu, blocks.input(), cells);
  reference.loss_weights = bf16_of(*gpu, blocks.loss_weights(), cells);
  for (int b = 0; b < GetParam().blocks; ++b) {
    auto& own = reference.weights.emplace_back();
    for (std::size_t k = 0; k < GpuBlocks::kTensors; ++k) {
      const auto tensor = static_cast<Tensor>(k);
      own[k] = bf16_of(*gpu, blocks.weights(b, tensor), blocks.elements(tensor));
    }
  }
  blocks.step(false);
  // Forward: each of many sums in bf16 is off by some thousandths.
  const auto y = bf16_of(*gpu, blocks.output(), cells);
  const auto expected = reference.output();
  double off = 0;
  double size = 0;
  for (std::size_t i = 0; i < cells; ++i) {
    off += (y[i] - expected[i]) * (y[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  EXPECT_GT(size, 0);
  EXPECT_LT(std::sqrt(off / size), 0.01);
  // Backward: of each tensor a few weights.
  for (int b = 0; b < GetParam().blocks; ++b) {
    for (std::size_t k = 0; k < GpuBlocks::kTensors; ++k) {
      const auto tensor = static_cast<Tensor>(k);
      auto& w = reference.weights[static_cast<std::size_t>(b)][k];
      const auto got = fp32_of(*gpu, blocks.gradients(b, tensor), w.size());
      double wrong = 0;
      double scale = 0;
      const std::size_t stride = std::max<std::size_t>(1, w.size() / 23);
      for (std::size_t i = k; i < w.size(); i += stride) {
        const double true_gradient = reference.gradient(w[i]);
        wrong += (got[i] - true_gradient) * (got[i] - true_gradient);
        scale += true_gradient * true_gradient;
      }
      EXPECT_GT(scale, 0);
      EXPECT_LT(std::sqrt(wrong / scale), 0.03) << "block " << b << ", tensor " << k;
    }
  }
  const auto of_input = bf16_of(*gpu, blocks.input_gradient(), cells);
  double wrong = 0;
  double scale = 0;
  for (std::size_t i = 0; i < cells; i += cells / 29) {
    const double true_gradient = reference.gradient(reference.input[i]);
    wrong += (of_input[i] - true_gradient) * (of_input[i] - true_gradient);
    scale += true_gradient * true_gradient;
  }
  EXPECT_LT(std::sqrt(wrong / scale), 0.03);
}

TEST_P(GpuBlocksOfShape, LearnByAdamW) {
  simulate("run=1");
  const auto gpu = opened();
  ASSERT_TRUE(gpu);
  GpuBlocks blocks{*gpu, GetParam(), nullptr};
  const auto n = blocks.elements(Tensor::up);
  const auto before = bf16_of(*gpu, blocks.weights(0, Tensor::up), n);
  blocks.step(false);
  const auto gradient = fp32_of(*gpu, blocks.gradients(0, Tensor::up), n);
  // The gradients of the second step are added to those of the first: it does not change signs.
  for (int i = 0; i < 60; ++i) blocks.step(true);
  EXPECT_EQ(fp32_of(*gpu, blocks.gradients(0, Tensor::up), n), Numbers(n, 0.0));
  const auto after = bf16_of(*gpu, blocks.weights(0, Tensor::up), n);
  std::size_t downhill = 0;
  std::size_t moved = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (before[i] == after[i]) continue;
    ++moved;
    downhill += (after[i] < before[i]) == (gradient[i] > 0) ? 1U : 0U;
  }
  EXPECT_GT(moved, n / 5);
  EXPECT_GT(downhill, 3 * moved / 4);
}

INSTANTIATE_TEST_SUITE_P(Shapes, GpuBlocksOfShape,
                         testing::Values(GpuShape{"gelu", 32, 4, 4, 8, 48, false, 6, 2, 2},
                                         GpuShape{"gated, keys shared", 32, 4, 2, 8, 40, true, 5, 3,
                                                  2},
                                         GpuShape{"wide heads", 16, 2, 1, 16, 64, true, 9, 1, 1}),
                         [](const auto& of) { return "Shape" + std::to_string(of.index); });

TEST_F(GpuKernels, PartsOfAStepAreThoseOfTheQueue) {
  simulate("run=0 tflops=500 gb_per_s=3000");
  const auto gpu = opened();
  ASSERT_TRUE(gpu);
  const auto shape = usual_gpu_shapes()[1];
  GpuBlocks blocks{*gpu, shape, nullptr};
  blocks.step();
  const auto parts = blocks.parts();
  // Products at 500 TFLOP/s; the keys' and values' are narrower.
  EXPECT_NEAR(parts[0], shape.product_flop() / 500e12, 0.05 * parts[0]);
  // 34 bytes of a parameter.
  EXPECT_NEAR(parts[3], 34 * shape.params() / 3000e9, 0.05 * parts[3]);
  EXPECT_GT(parts[1], 0);
  EXPECT_GT(parts[2], 0);
}

TEST_F(GpuKernels, ReasonsWhyThereIsNone) {
  std::string why;
  EXPECT_FALSE(Gpu::open({"libnone.so", {}, {}}, why));
  EXPECT_EQ(why, "no CUDA driver (libnone.so is not there)");
  EXPECT_FALSE(Gpu::open({PRETRAIN_SIM_CUDA, {"libnone.so"}, {}}, why));
  EXPECT_NE(why.find("no cuBLASLt"), std::string::npos);
  simulate("devices=0");
  EXPECT_FALSE(Gpu::open(simulated(), why));
  EXPECT_NE(why.find("CUDA_VISIBLE_DEVICES"), std::string::npos);
  simulate("capability=75");
  EXPECT_FALSE(Gpu::open(simulated(), why));
  EXPECT_NE(why.find("Ampere and later"), std::string::npos);
  simulate("old=1");
  EXPECT_FALSE(Gpu::open(simulated(), why));
  EXPECT_NE(why.find("older than the compiler"), std::string::npos);
  EXPECT_NE(why.find("CUDA 12.4"), std::string::npos);
}

TEST_F(GpuKernels, WideModelsAskForTheMemoryThatTheirRowsTake) {
  simulate("run=0");
  const auto gpu = opened();
  // 48 KB of a row alone, without what the kernels declare.
  const GpuShape wide{"wide", 12288, 96, 96, 128, 49152, false, 12288, 1, 1};
  GpuBlocks blocks{*gpu, wide, nullptr};
  EXPECT_NO_THROW(blocks.step());
}

TEST_F(GpuKernels, WhatTheGpuRefusesIsSaid) {
  simulate("fail_at=40");
  const auto gpu = opened();
  ASSERT_TRUE(gpu);
  try {
    GpuBlocks blocks{*gpu, usual_gpu_shapes()[0], nullptr};
    blocks.step();
    FAIL() << "nothing was refused";
  } catch (const GpuError& e) {
    EXPECT_NE(std::string{e.what()}.find("simulated refusal"), std::string::npos) << e.what();
  }
  simulate("memory_gb=1");
  const auto small = opened();
  EXPECT_THROW((GpuBlocks{*small, usual_gpu_shapes()[2], nullptr}), GpuError);
}

TEST_F(GpuKernels, BytesOfBlocksAreWhatTheyTake) {
  simulate("run=0");
  const auto gpu = opened();
  for (const auto& shape : usual_gpu_shapes()) {
    const auto before = static_cast<double>(gpu->free_bytes());
    const GpuBlocks blocks{*gpu, shape, nullptr};
    const double taken = before - static_cast<double>(gpu->free_bytes());
    EXPECT_NEAR(GpuBlocks::bytes_of(shape, false) / taken, 1, 0.03) << shape.name;
  }
}

}  // namespace
}  // namespace pretrain::hardware
