#include "validation/gpu_calibration.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "planner/step_question.hpp"
#include "tests/planner/rows.hpp"
#include "tests/support.hpp"
#include "validation/step_fit.hpp"

namespace pretrain::validation {
namespace {

using planner::shipped_catalogue;

/// What an H200 would tell whose large products reach so many TFLOP/s.
hardware::GpuRates rates_of(double tflops, double gb_per_s) {
  hardware::GpuRates rates;
  rates.name = "NVIDIA H200";
  rates.gemm.push_back({8192, false, {tflops, tflops, tflops, 4}});
  rates.copy_gb_per_s = {gb_per_s, gb_per_s, gb_per_s, 4};
  rates.optimizer_gb_per_s = gb_per_s;
  for (const auto& shape : hardware::usual_gpu_shapes()) {
    auto& b = rates.blocks.emplace_back();
    b.shape = shape;
    const double seconds = 1.03 * shape.product_flop() / (tflops * 1e12);
    b.part_s = {seconds, seconds / 4, seconds / 20, seconds / 20};
    b.step_s = {1.35 * seconds, seconds, 2 * seconds, 8};
  }
  return rates;
}

double value_of(const models::StepConstantTable& table, std::string_view name) {
  for (const auto& row : table.rows) {
    if (row.name == name) return row.value;
  }
  return 0;
}

TEST(GpuCalibration, FollowsWhatWasMeasured) {
  const auto& shipped = shipped_catalogue();
  const auto before = shipped.step_constant_table();
  const auto slow = calibrate(rates_of(560, 3300), "h200-sxm", shipped);
  const auto fast = calibrate(rates_of(820, 4500), "h200-sxm", shipped);
  EXPECT_EQ(slow.generation, "hopper");
  EXPECT_EQ(slow.groups, 5U);
  EXPECT_LT(value_of(slow.constants, "hopper"), value_of(before, "hopper"));
  EXPECT_GT(value_of(fast.constants, "hopper"), value_of(before, "hopper"));
  EXPECT_LT(value_of(slow.constants, "hbm"), value_of(before, "hbm"));
  EXPECT_GT(value_of(fast.constants, "hbm"), value_of(before, "hbm"));
  // Told from the others, and nearer than before.
  EXPECT_GT(slow.before_median, 0.1);
  EXPECT_LT(slow.after_median, slow.before_median / 2);
  // Software is not told by kernels of ours: but for what went together, it stays.
  EXPECT_NEAR(value_of(slow.constants, "elementwise_torch") / value_of(before, "elementwise_torch"),
              1, 0.08);
  EXPECT_NEAR(value_of(slow.constants, "cluster"), 1, 1e-3);
}

TEST(GpuCalibration, WhatIsPredictedAlreadyChangesNothing) {
  const auto& shipped = shipped_catalogue();
  auto rates = rates_of(700, 4000);
  // Just what the constants say.
  const auto found = calibrate(rates, "h200-sxm", shipped);
  for (auto& b : rates.blocks) {
    for (const auto& f : found.findings) {
      if (f.group == b.shape.name && f.what == "matrix products") b.part_s[0] *= f.before;
    }
  }
  for (const auto& f : found.findings) {
    if (f.what == "a large product") rates.gemm[0].tflops.median /= f.before;
    if (f.group == "memory") {
      rates.copy_gb_per_s.median = rates.optimizer_gb_per_s = 4000 / f.before;
    }
  }
  const auto same = calibrate(rates, "h200-sxm", shipped);
  EXPECT_LT(same.before_median, 1e-6);
  for (const auto& row : same.constants.rows) {
    EXPECT_NEAR(row.value / value_of(shipped.step_constant_table(), row.name), 1, 1e-3) << row.name;
    // Nothing is known less well.
    if (row.name == "hopper" || row.name == "hbm") continue;  // but what cards differ in
    EXPECT_LE(row.sd, 1.02 * row.prior_sd + 1e-9) << row.name;
  }
}

TEST(GpuCalibration, FusedAttentionIsLearntWhereItIs) {
  auto rates = rates_of(700, 4000);
  const auto without = calibrate(rates, "h200-sxm", shipped_catalogue());
  for (auto& b : rates.blocks) {
    b.fused_by = "cuDNN";
    // 400 TFLOP/s, of what is masked, too.
    b.fused_forward_s = 4 * b.shape.tokens() *
                        static_cast<double>(b.shape.seq_len * b.shape.heads * b.shape.head_width) /
                        400e12;
  }
  const auto with = calibrate(rates, "h200-sxm", shipped_catalogue());
  EXPECT_EQ(with.findings.size(), without.findings.size() + 3);
  EXPECT_LT(value_of(with.constants, "attention_hopper"),
            0.97 * value_of(without.constants, "attention_hopper"));
}

TEST(GpuCalibration, LevelsOfADevice) {
  hardware::GpuRates rates;
  EXPECT_FALSE(levels_of(rates, 700));
  rates.idle.watts = 70;
  rates.waiting.watts = 120;
  rates.copying.watts = 385;
  rates.largest_product.watts = 700;
  const auto levels = levels_of(rates, 700);
  ASSERT_TRUE(levels);
  EXPECT_NEAR(*levels->traffic, 0.5, 1e-9);
  EXPECT_NEAR(*levels->wait, 50.0 / 630, 1e-9);
  EXPECT_EQ(levels->limit_w, 700);
  // A sensor that says the same always tells nothing.
  rates.largest_product.watts = 71;
  EXPECT_FALSE(levels_of(rates, 700));
}

}  // namespace
}  // namespace pretrain::validation
