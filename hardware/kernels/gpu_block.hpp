#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "hardware/kernels/cuda.hpp"
#include "hardware/kernels/gpu.hpp"

namespace pretrain::hardware {

/// Fused attention of a whole sequence to a whole sequence: what is masked is computed, too.
class FusedAttention {
 public:
  virtual ~FusedAttention() = default;
  virtual const std::string& name() const = 0;
  /// Before version 9.21 the library has none that a program may ask for by itself.
  virtual bool has_backward() const = 0;
  virtual std::size_t workspace_bytes() const = 0;
  /// Queries, keys and values side by side in each row of `qkv`.
  virtual void forward(std::uintptr_t qkv, std::uintptr_t out, std::uintptr_t statistics,
                       std::uintptr_t workspace) = 0;
  virtual void backward(std::uintptr_t qkv, std::uintptr_t out, std::uintptr_t statistics,
                        std::uintptr_t out_gradient, std::uintptr_t qkv_gradient,
                        std::uintptr_t workspace) = 0;

  /// That of cuDNN; null with the reason where it has none for these shapes.
  static std::unique_ptr<FusedAttention> open(Gpu& gpu, const GpuShape& shape, std::string& why);
};

/// Blocks of a decoder and their optimizer on a GPU, in bf16 with fp32 states:
/// norm, queries keys and values, rotation, attention, projection, norm, feed-forward; the
/// gradients of all of it; AdamW. The loss is the sum of what comes out, times random numbers.
class GpuBlocks {
 public:
  /// `library`: fused attention for these shapes, or null with the reason why not. Where it has but
  /// one direction, attention is made of products and a softmax, too.
  GpuBlocks(Gpu& gpu, const GpuShape& shape, std::shared_ptr<FusedAttention> library,
            std::string why_not = {});
  ~GpuBlocks();
  GpuBlocks(const GpuBlocks&) = delete;
  GpuBlocks& operator=(const GpuBlocks&) = delete;

  /// Bytes that such blocks need, fused or not.
  static double bytes_of(const GpuShape& shape, bool fused);

  /// Puts one step into the queue.
  void step(bool with_optimizer = true);
  /// Seconds of the last step by part, measured on the device; waits for it.
  std::array<double, kGpuParts> parts();

  /// Whether the library has the forward pass of fused attention; it alone, into the queue.
  bool has_fused_forward() const;
  void fused_forward();
  const std::string& fused_forward_by() const;

  const std::string& attention() const;
  bool fused() const;

  // What a test reads and writes.
  enum class Tensor : std::uint8_t { norm1, qkv, out, norm2, up, down };
  static constexpr std::size_t kTensors = 6;
  std::uintptr_t weights(int block, Tensor tensor) const;    ///< bf16
  std::uintptr_t gradients(int block, Tensor tensor) const;  ///< fp32
  std::size_t elements(Tensor tensor) const;
  std::uintptr_t input() const;
  std::uintptr_t output() const;
  std::uintptr_t loss_weights() const;
  std::uintptr_t input_gradient() const;

 private:
  struct State;
  std::unique_ptr<State> s_;
};

}  // namespace pretrain::hardware
