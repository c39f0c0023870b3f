// Device code of a training step of transformer blocks: all that is no matrix product. Each kernel
// reads and writes what a fused one has to, once, most of them 16 bytes at a time. Compiled to PTX, which the
// driver compiles for its GPU; and, by the tests, for the CPU.

#ifdef __CUDACC__
#define KERNEL extern "C" __global__ void
#define INSIDE static __device__ __forceinline__
#define ROW_BUFFER(name) extern __shared__ float name[]
#else
#include "tests/hardware/sim_kernels.hpp"
#endif

typedef unsigned long long Count;
typedef unsigned short Bf16;

struct alignas(16) Eight {
  Bf16 v[8];
};
struct alignas(16) Four {
  float v[4];
};
struct alignas(8) FourBf16 {
  Bf16 v[4];
};

INSIDE float wide(Bf16 x) {
  union {
    unsigned bits;
    float value;
  } u;
  u.bits = static_cast<unsigned>(x) << 16;
  return u.value;
}

/// Rounds to nearest, ties to even. No NaN comes here.
INSIDE Bf16 narrow(float x) {
  union {
    unsigned bits;
    float value;
  } u;
  u.value = x;
  u.bits += 0x7FFFu + ((u.bits >> 16) & 1u);
  return static_cast<Bf16>(u.bits >> 16);
}

/// Sum over the threads of a block, to all of them.
INSIDE float block_sum(float x) {
  __shared__ float parts[256];  // as many as a block has threads
  parts[threadIdx.x] = x;
  __syncthreads();
  for (unsigned n = blockDim.x / 2; n > 0; n /= 2) {
    if (threadIdx.x < n) parts[threadIdx.x] += parts[threadIdx.x + n];
    __syncthreads();
  }
  const float sum = parts[0];
  __syncthreads();
  return sum;
}

INSIDE float block_max(float x) {
  __shared__ float parts[256];  // as many as a block has threads
  parts[threadIdx.x] = x;
  __syncthreads();
  for (unsigned n = blockDim.x / 2; n > 0; n /= 2) {
    if (threadIdx.x < n) parts[threadIdx.x] = fmaxf(parts[threadIdx.x], parts[threadIdx.x + n]);
    __syncthreads();
  }
  const float most = parts[0];
  __syncthreads();
  return most;
}

INSIDE unsigned hash(unsigned x) {
  x ^= x >> 16;
  x *= 0x7FEB352Du;
  x ^= x >> 15;
  x *= 0x846CA68Bu;
  return x ^ (x >> 16);
}

/// About normal, with mean 0 and variance 1: a sum of four uniform numbers.
INSIDE float noise(Count at, unsigned seed) {
  const unsigned h = hash(static_cast<unsigned>(at) ^ hash(seed + static_cast<unsigned>(at >> 32)));
  const float sum = static_cast<float>(h & 255u) + static_cast<float>((h >> 8) & 255u) +
                    static_cast<float>((h >> 16) & 255u) + static_cast<float>(h >> 24);
  return (sum - 510.0f) * (1.7320508f / 256.0f);
}

INSIDE Count first_of_grid() {
  return static_cast<Count>(blockIdx.x) * blockDim.x + threadIdx.x;
}
INSIDE Count grid_threads() { return static_cast<Count>(gridDim.x) * blockDim.x; }

/// What launching costs.
KERNEL nothing() {}

KERNEL fill(Eight* out, Count eights, float scale, unsigned seed) {
  for (Count i = first_of_grid(); i < eights; i += grid_threads()) {
    Eight e;
    for (int k = 0; k < 8; ++k) e.v[k] = narrow(scale * noise(8 * i + k, seed));
    out[i] = e;
  }
}

KERNEL fill_value(Bf16* out, Count n, float value) {
  for (Count i = first_of_grid(); i < n; i += grid_threads()) out[i] = narrow(value);
}

/// fp32 copies of bf16 weights, and optimizer states of 0.
KERNEL master_of(const Bf16* weights, float* master, float* first, float* second, float* gradient,
                 Count n) {
  for (Count i = first_of_grid(); i < n; i += grid_threads()) {
    master[i] = wide(weights[i]);
    first[i] = 0;
    second[i] = 0;
    gradient[i] = 0;
  }
}

/// Bytes that are numbers of e4m3: no NaN.
KERNEL fill_bytes(unsigned char* out, Count n, unsigned seed) {
  for (Count i = first_of_grid(); i < n; i += grid_threads()) {
    const unsigned h = hash(static_cast<unsigned>(i) ^ seed);
    out[i] = static_cast<unsigned char>((h & 0x80u) | (0x20u + (h & 0x1Fu)));
  }
}

KERNEL copy(const Four* in, Four* out, Count fours) {
  for (Count i = first_of_grid(); i < fours; i += grid_threads()) out[i] = in[i];
}

/// sum = x + y, normal = sum / rms(sum) * gain; a block of threads for each row. `inverse`: 1 / rms.
/// y may be null: sum is x then, and not written.
KERNEL add_norm(const Eight* x, const Eight* y, Eight* sum, Eight* normal, const Eight* gain,
                float* inverse, unsigned eights, float epsilon) {
  ROW_BUFFER(row);
  const Count start = static_cast<Count>(blockIdx.x) * eights;
  float squares = 0;
  for (unsigned i = threadIdx.x; i < eights; i += blockDim.x) {
    Eight e = x[start + i];
    if (y != nullptr) {
      const Eight other = y[start + i];
      for (int k = 0; k < 8; ++k) e.v[k] = narrow(wide(e.v[k]) + wide(other.v[k]));
      sum[start + i] = e;
    }
    for (int k = 0; k < 8; ++k) {
      const float value = wide(e.v[k]);
      squares += value * value;
      row[k * eights + i] = value;
    }
  }
  const float scale = rsqrtf(block_sum(squares) / static_cast<float>(8 * eights) + epsilon);
  if (threadIdx.x == 0) inverse[blockIdx.x] = scale;
  for (unsigned i = threadIdx.x; i < eights; i += blockDim.x) {
    const Eight g = gain[i];
    Eight e;
    for (int k = 0; k < 8; ++k) e.v[k] = narrow(row[k * eights + i] * scale * wide(g.v[k]));
    normal[start + i] = e;
  }
}

/// out = residual + gradient of x through the norm; each block of threads has rows of its own and
/// adds what they say of the gain into its row of `partial` (gridDim.x of them).
KERNEL norm_backward(const Eight* x, const Eight* gradient, const Eight* gain, const float* inverse,
                     const Eight* residual, Eight* out, float* partial, unsigned rows,
                     unsigned eights) {
  ROW_BUFFER(of_gain);
  for (unsigned i = threadIdx.x; i < 8 * eights; i += blockDim.x) of_gain[i] = 0;
  __syncthreads();
  const float width = static_cast<float>(8 * eights);
  for (unsigned r = blockIdx.x; r < rows; r += gridDim.x) {
    const Count start = static_cast<Count>(r) * eights;
    const float scale = inverse[r];
    float product = 0;
    for (unsigned i = threadIdx.x; i < eights; i += blockDim.x) {
      const Eight xs = x[start + i];
      const Eight ds = gradient[start + i];
      const Eight gs = gain[i];
      for (int k = 0; k < 8; ++k) {
        const float d = wide(ds.v[k]);
        const float value = wide(xs.v[k]) * scale;
        product += d * wide(gs.v[k]) * value;
        of_gain[k * eights + i] += d * value;
      }
    }
    const float mean = block_sum(product) / width;
    for (unsigned i = threadIdx.x; i < eights; i += blockDim.x) {
      const Eight xs = x[start + i];
      const Eight ds = gradient[start + i];
      const Eight gs = gain[i];
      const Eight before = residual[start + i];
      Eight e;
      for (int k = 0; k < 8; ++k) {
        const float value = wide(xs.v[k]) * scale;
        const float d = scale * (wide(ds.v[k]) * wide(gs.v[k]) - value * mean);
        e.v[k] = narrow(wide(before.v[k]) + d);
      }
      out[start + i] = e;
    }
  }
  __syncthreads();
  for (unsigned i = threadIdx.x; i < 8 * eights; i += blockDim.x) {
    partial[static_cast<Count>(blockIdx.x) * 8 * eights + i] = of_gain[i % 8 * eights + i / 8];
  }
}

/// Adds the rows of `partial` to `gradient`.
KERNEL add_rows(const float* partial, float* gradient, unsigned rows, unsigned width) {
  for (Count i = first_of_grid(); i < width; i += grid_threads()) {
    float sum = 0;
    for (unsigned r = 0; r < rows; ++r) sum += partial[static_cast<Count>(r) * width + i];
    gradient[i] += sum;
  }
}

/// Turns the queries and keys of each token by its place, in place; `sign` -1: back. A row holds
/// `heads` heads to turn, of `stride` values in all. The pairs are the halves of a head.
KERNEL rotate(Bf16* rows, unsigned tokens, unsigned seq_len, unsigned heads, unsigned head_width,
              unsigned stride, float sign) {
  const unsigned half = head_width / 2;
  const Count pairs = static_cast<Count>(tokens) * heads * half;
  for (Count p = first_of_grid(); p < pairs; p += grid_threads()) {
    const unsigned k = static_cast<unsigned>(p % half);
    const Count rest = p / half;
    const unsigned head = static_cast<unsigned>(rest % heads);
    const Count token = rest / heads;
    const float place = static_cast<float>(token % seq_len);
    const float angle = place * exp2f(-13.287712f * static_cast<float>(k) / static_cast<float>(half));
    const float c = cosf(angle);
    const float s = sign * sinf(angle);
    Bf16* at = rows + token * stride + head * head_width + k;
    const float a = wide(at[0]);
    const float b = wide(at[half]);
    at[0] = narrow(a * c - b * s);
    at[half] = narrow(a * s + b * c);
  }
}

INSIDE float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

/// SwiGLU: `in` has gate and value of each row side by side.
KERNEL gated(const Eight* in, Eight* out, unsigned rows, unsigned eights) {
  const Count all = static_cast<Count>(rows) * eights;
  for (Count i = first_of_grid(); i < all; i += grid_threads()) {
    const Count start = i / eights * 2 * eights + i % eights;
    const Eight gate = in[start];
    const Eight value = in[start + eights];
    Eight e;
    for (int k = 0; k < 8; ++k) {
      const float g = wide(gate.v[k]);
      e.v[k] = narrow(g * sigmoid(g) * wide(value.v[k]));
    }
    out[i] = e;
  }
}

KERNEL gated_backward(const Eight* in, const Eight* gradient, Eight* out, unsigned rows,
                      unsigned eights) {
  const Count all = static_cast<Count>(rows) * eights;
  for (Count i = first_of_grid(); i < all; i += grid_threads()) {
    const Count start = i / eights * 2 * eights + i % eights;
    const Eight gate = in[start];
    const Eight value = in[start + eights];
    const Eight ds = gradient[i];
    Eight of_gate;
    Eight of_value;
    for (int k = 0; k < 8; ++k) {
      const float g = wide(gate.v[k]);
      const float s = sigmoid(g);
      const float d = wide(ds.v[k]);
      of_gate.v[k] = narrow(d * wide(value.v[k]) * s * (1.0f + g * (1.0f - s)));
      of_value.v[k] = narrow(d * g * s);
    }
    out[start] = of_gate;
    out[start + eights] = of_value;
  }
}

/// GELU, by its tanh.
INSIDE float gelu_tanh(float x) { return tanhf(0.7978845608f * (x + 0.044715f * x * x * x)); }

KERNEL gelu(const Eight* in, Eight* out, Count eights) {
  for (Count i = first_of_grid(); i < eights; i += grid_threads()) {
    const Eight x = in[i];
    Eight e;
    for (int k = 0; k < 8; ++k) {
      const float value = wide(x.v[k]);
      e.v[k] = narrow(0.5f * value * (1.0f + gelu_tanh(value)));
    }
    out[i] = e;
  }
}

KERNEL gelu_backward(const Eight* in, const Eight* gradient, Eight* out, Count eights) {
  for (Count i = first_of_grid(); i < eights; i += grid_threads()) {
    const Eight x = in[i];
    const Eight ds = gradient[i];
    Eight e;
    for (int k = 0; k < 8; ++k) {
      const float value = wide(x.v[k]);
      const float t = gelu_tanh(value);
      const float slope = 0.7978845608f * (1.0f + 0.134145f * value * value);
      e.v[k] = narrow(wide(ds.v[k]) *
                      (0.5f * (1.0f + t) + 0.5f * value * (1.0f - t * t) * slope));
    }
    out[i] = e;
  }
}

/// Scores of one query to probabilities of the keys up to its place, in place; a block of threads
/// for each row of `keys` values.
KERNEL softmax(Bf16* scores, unsigned queries, unsigned keys) {
  ROW_BUFFER(row);
  Bf16* const at = scores + static_cast<Count>(blockIdx.x) * keys;
  const unsigned seen = blockIdx.x % queries + 1;
  float most = -3.0e38f;
  for (unsigned j = threadIdx.x; j < seen; j += blockDim.x) {
    row[j] = wide(at[j]);
    most = fmaxf(most, row[j]);
  }
  most = block_max(most);
  float sum = 0;
  for (unsigned j = threadIdx.x; j < seen; j += blockDim.x) {
    row[j] = expf(row[j] - most);
    sum += row[j];
  }
  sum = block_sum(sum);
  for (unsigned j = threadIdx.x; j < keys; j += blockDim.x) {
    at[j] = j < seen ? narrow(row[j] / sum) : narrow(0.0f);
  }
}

/// Gradient of probabilities to that of scores, in place, times `scale`.
KERNEL softmax_backward(const Bf16* probabilities, Bf16* gradient, unsigned queries, unsigned keys,
                        float scale) {
  const Bf16* const p = probabilities + static_cast<Count>(blockIdx.x) * keys;
  Bf16* const d = gradient + static_cast<Count>(blockIdx.x) * keys;
  const unsigned seen = blockIdx.x % queries + 1;
  float product = 0;
  for (unsigned j = threadIdx.x; j < seen; j += blockDim.x) product += wide(p[j]) * wide(d[j]);
  product = block_sum(product);
  for (unsigned j = threadIdx.x; j < keys; j += blockDim.x) {
    d[j] = j < seen ? narrow(scale * wide(p[j]) * (wide(d[j]) - product)) : narrow(0.0f);
  }
}

/// AdamW with fp32 states; gradients are 0 afterwards. `correct1`, `correct2`: 1 / (1 - beta^step).
KERNEL adamw(FourBf16* weights, Four* master, Four* first, Four* second, Four* gradient, Count fours,
             float rate, float decay, float correct1, float correct2) {
  const float beta1 = 0.9f;
  const float beta2 = 0.95f;
  for (Count i = first_of_grid(); i < fours; i += grid_threads()) {
    const Four g = gradient[i];
    Four m = first[i];
    Four v = second[i];
    Four w = master[i];
    FourBf16 rounded;
    Four none;
    for (int k = 0; k < 4; ++k) {
      m.v[k] = beta1 * m.v[k] + (1.0f - beta1) * g.v[k];
      v.v[k] = beta2 * v.v[k] + (1.0f - beta2) * g.v[k] * g.v[k];
      w.v[k] = w.v[k] * (1.0f - rate * decay) -
               rate * (m.v[k] * correct1) / (sqrtf(v.v[k] * correct2) + 1.0e-8f);
      rounded.v[k] = narrow(w.v[k]);
      none.v[k] = 0;
    }
    first[i] = m;
    second[i] = v;
    master[i] = w;
    weights[i] = rounded;
    gradient[i] = none;
  }
}
