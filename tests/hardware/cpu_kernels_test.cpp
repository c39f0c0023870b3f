#include <gtest/gtest.h>

#include <cmath>

#include "hardware/kernels/cpu.hpp"

namespace pretrain::hardware {
namespace {

TEST(CpuKernels, ProductsAreRightWhoeverMultiplies) {
  constexpr int kSize = 37;  // divides by no number of threads
  std::vector<float> a(kSize * kSize);
  std::vector<float> b(kSize * kSize);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(i % 7) - 3;
    b[i] = static_cast<float>(i % 5) - 2;
  }
  for (const auto& names : {MatrixLibrary::usual_names(), std::vector<std::string>{}}) {
    const auto library = MatrixLibrary::open(2, names);
    std::vector<float> c(kSize * kSize, -1);
    library->multiply(a.data(), b.data(), c.data(), kSize);
    for (std::size_t i = 0; i < kSize; ++i) {
      for (std::size_t j = 0; j < kSize; ++j) {
        float sum = 0;
        for (std::size_t k = 0; k < kSize; ++k) sum += a[k * kSize + i] * b[j * kSize + k];
        ASSERT_FLOAT_EQ(c[j * kSize + i], sum) << library->name() << " " << i << " " << j;
      }
    }
  }
  EXPECT_NE(MatrixLibrary::open(1, {"libnothing.so"})->name().find("no tuned BLAS was found"),
            std::string::npos);
}

TEST(CpuKernels, RatesAreThoseOfAMachine) {
  const auto library = MatrixLibrary::open(1, {});
  std::size_t told = 0;
  const auto rates = measure_cpu(*library, 1, 0.6 * second, [&](const std::string&) { ++told; });
  ASSERT_GE(rates.gemm.size(), 2U);
  EXPECT_EQ(told, rates.gemm.size() + 1);
  for (const auto& gemm : rates.gemm) {
    EXPECT_GT(gemm.gflops.median, 0.05) << gemm.size;
    EXPECT_LT(gemm.gflops.median, 1e4) << gemm.size;
    EXPECT_LE(gemm.gflops.low, gemm.gflops.median);
    EXPECT_GE(gemm.gflops.high, gemm.gflops.median);
    EXPECT_GE(gemm.gflops.repetitions, 4U);
  }
  EXPECT_GT(rates.copy_gb_per_s.median, 0.05);
  EXPECT_EQ(rates.name, cpu_name());
  EXPECT_LT(rates.seconds, 20);
}

}  // namespace
}  // namespace pretrain::hardware
