#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "tests/models/step_runs.hpp"

// What is published of how steps scale, with the constants that ship: signs and rough sizes. The
// single runs that the constants are fitted to, and how well, are the matter of validation/.

namespace pretrain::models {
namespace {

/// Megatron in 2021: no fused attention, no sequence parallelism, full recomputation.
StepRun megatron_2021(const Architecture& a, double tp, double pp, double dp, double batch,
                      double micro_batch) {
  auto r = megatron(a, tp, pp, dp, batch / dp / micro_batch);
  r.device = a100();
  r.stack = {.year = 2021, .legacy = true, .flash_attention = false};
  r.shard.seq_len = 2048;
  r.shard.micro_batch = micro_batch;
  r.shard.sequence_parallel = false;
  r.shard.recompute = Recompute::full;
  r.schedule.sharding = Sharding::none;
  return r;
}

/// TFLOP/s of a device as Megatron counts them, recomputation included.
double hardware_tflops(const StepRun& r) {
  return r.mfu(FlopConvention::hardware) * r.device.peak_half / 1e12;
}

double share(const StepRun& r, Time StepTime::*part) {
  const auto t = r.time();
  return t.*part / t.total();
}

// ---- Shapes

// BigScience, chronicles of tr11-176B-ml: hidden 14,400 on 8 devices (1,800 each) ran at 92 to 100
// TFLOP/s where 14,336 (1,792 each) ran at 130 to 133.
TEST(StepTrends, WidthsThatTilesDoNotDivideLoseAQuarter) {
  const auto run = [](double hidden, double heads) {
    auto r = megatron_2021(gpt(72, hidden, heads, 250880), 8, 6, 8, 2048, 4);
    r.stack.year = 2022;
    return hardware_tflops(r);
  };
  const double kept = run(14400, 80) / run(14336, 112);
  EXPECT_GT(kept, 0.65);
  EXPECT_LT(kept, 0.85);
}

// llm-foundry, scripts/train/benchmarking: MFU of MPT on 8 A100 at 2,048 tokens rises from 0.44
// (125M) and 0.52 (350M) to 0.57 (760M), 0.60 (1B) and 0.62 (3B); 0.55 of 30B with full
// recomputation.
TEST(StepTrends, LargerModelsUseADeviceBetterUpToAPoint) {
  const auto mfu = [](double layers, double hidden, double heads, double micro_batch,
                      Recompute recompute) {
    auto r = fully_sharded(gpt(layers, hidden, heads, 50368), 8);
    r.device = a100();
    r.stack.year = 2023;
    r.shard.seq_len = 2048;
    r.shard.micro_batch = micro_batch;
    r.shard.recompute = recompute;
    return r.mfu(FlopConvention::model_full);
  };
  const double m125 = mfu(12, 768, 12, 32, Recompute::none);
  const double m350 = mfu(24, 1024, 16, 32, Recompute::none);
  const double m760 = mfu(24, 1536, 12, 24, Recompute::none);
  const double m1b = mfu(24, 2048, 16, 14, Recompute::none);
  const double m3b = mfu(32, 2560, 20, 10, Recompute::none);
  const double m30b = mfu(48, 7168, 56, 3, Recompute::full);
  EXPECT_NEAR(m125, 0.444, 0.06);
  EXPECT_NEAR(m350, 0.516, 0.06);
  EXPECT_NEAR(m760, 0.569, 0.06);
  EXPECT_NEAR(m1b, 0.599, 0.06);
  EXPECT_NEAR(m3b, 0.621, 0.06);
  EXPECT_NEAR(m30b, 0.553, 0.06);
  EXPECT_LT(m125, m350);
  EXPECT_LT(m350, m760);
  EXPECT_LT(m760, m1b);
  EXPECT_LT(m1b, m3b);
  EXPECT_LT(m30b, m3b);
}

// Launches hide behind the work of a micro-batch, and tiles fill: once they do, more gains nothing.
TEST(StepTrends, LargerMicroBatchesGainLessAndLess) {
  const auto rate = [](double micro_batch) {
    auto r = replicas(llama_8b());
    r.shard.seq_len = 2048;
    r.shard.micro_batch = micro_batch;
    r.schedule.micro_batches = 16 / micro_batch;
    return r.tokens_per_second();
  };
  EXPECT_GT(rate(2) / rate(1), 1.01);
  EXPECT_LT(rate(2) / rate(1), 1.2);
  EXPECT_GT(rate(16) / rate(8), 1);
  EXPECT_LT(rate(16) / rate(8), rate(2) / rate(1));
}

// ---- Sequences

// The work of Llama 3 8B itself, causal: 10% more of a token from 2,048 to 8,192 tokens, three
// times as much at 128k, at the rates of fused kernels (dao-2023, shah-2024).
TEST(StepTrends, LongSequencesAreMostlyAttention) {
  const auto at = [](double seq_len) {
    auto r = replicas(llama_8b());
    r.shard.seq_len = seq_len;
    r.schedule.micro_batches = 131072 / seq_len;
    return r;
  };
  const double moderate = at(8192).tokens_per_second() / at(2048).tokens_per_second();
  EXPECT_GT(moderate, 0.8);
  EXPECT_LT(moderate, 1.0);
  const double far = at(131072).tokens_per_second() / at(8192).tokens_per_second();
  EXPECT_GT(far, 0.2);
  EXPECT_LT(far, 0.4);
  EXPECT_LT(share(at(8192), &StepTime::attention), 0.25);
  EXPECT_GT(share(at(131072), &StepTime::attention), 0.5);
}

// The exchange of keys and values grows with the sequence, the attention that hides it with its
// square; tensor parallelism exchanges every activation.
TEST(StepTrends, ContextParallelismSuitsLongSequences) {
  auto alone = megatron(llama_8b(), 1, 1, 1, 8);
  alone.shard.seq_len = 131072;
  auto context = alone;
  context.shard.cp = 8;
  auto tensor = alone;
  tensor.shard.tp = 8;
  tensor.shard.sequence_parallel = true;
  EXPECT_GT(context.tokens_per_second(), 0.9 * alone.tokens_per_second());
  EXPECT_GT(context.tokens_per_second(), tensor.tokens_per_second());
}

// dao-2022, Table 2: GPT-2 medium trains 1.7 times as fast as with Megatron's kernels of the time.
TEST(StepTrends, FusedAttentionSpeedsUpOldModels) {
  auto r = replicas(gpt(24, 1024, 16, 50257));
  r.device = a100();
  r.stack.year = 2022;
  r.shard.seq_len = 1024;
  r.shard.micro_batch = 8;
  const double fused = r.seconds();
  r.stack.flash_attention = false;
  r.stack.legacy = true;
  EXPECT_GT(r.seconds() / fused, 1.2);
  EXPECT_LT(r.seconds() / fused, 2.0);
}

// ---- Recomputation

// korthikanti-2022, Table 5: the iteration of 530B takes 49.05 s with full recomputation and
// 37.83 s with sequence parallelism and selective recomputation: 30% more throughput.
TEST(StepTrends, SelectiveRecomputationSavesMostOfFull) {
  const auto run = [](Recompute recompute) {
    auto r = megatron_2021(gpt(105, 20480, 128, 51200), 8, 35, 1, 280, 1);
    r.stack.year = 2022;
    r.schedule.interleave = 3;
    r.shard.recompute = recompute;
    r.shard.sequence_parallel = recompute == Recompute::selective;
    return r.seconds();
  };
  EXPECT_NEAR(run(Recompute::full), 49.05, 0.15 * 49.05);
  EXPECT_NEAR(run(Recompute::selective), 37.83, 0.15 * 37.83);
  EXPECT_GT(run(Recompute::full) / run(Recompute::selective), 1.2);
  EXPECT_LT(run(Recompute::full) / run(Recompute::selective), 1.5);
}

// korthikanti-2022, Sec. 5: full recomputation costs 30 to 40% of the time, selective some percent.
TEST(StepTrends, RecomputationOfFusedAttentionIsCheap) {
  const auto run = [](Recompute recompute) {
    auto r = megatron(llama_70b(), 8, 4, 1, 64);
    r.shard.recompute = recompute;
    return r.seconds();
  };
  const double none = run(Recompute::none);
  EXPECT_GT(run(Recompute::full) / none, 1.25);
  EXPECT_LT(run(Recompute::full) / none, 1.40);
  EXPECT_GT(run(Recompute::selective) / none, 1.005);
  EXPECT_LT(run(Recompute::selective) / none, 1.08);
}

// ---- Devices and formats

// llm-foundry, scripts/train/benchmarking, MPT in bf16: an H100 trains twice to two and a half
// times as fast as an A100; the peaks are 3.2 apart, the memories 1.6, the power limits 1.75.
TEST(StepTrends, AnH100IsWorthTwoA100) {
  for (const auto& a : {llama_8b(), llama_70b()}) {
    auto r = megatron(a, a.hidden > 5000 ? 8 : 1, 1, 8, 32);
    const double h = r.tokens_per_second();
    r.device = a100();
    const double gain = h / r.tokens_per_second();
    EXPECT_GT(gain, 1.9);
    EXPECT_LT(gain, 2.7);
  }
}

// MLPerf Training v4.1, GPT-3 175B in FP8 by the same plan: 1,809 tokens/s on a B200, 892 on an
// H100.
TEST(StepTrends, AB200IsWorthTwoH100) {
  auto r = megatron(gpt3_175b(), 4, 8, 2, 128);
  r.shard.seq_len = 2048;
  r.shard.micro_batch = 2;
  r.schedule.interleave = 6;
  r.device = in_fp8(h100());
  const double h = r.tokens_per_second();
  EXPECT_NEAR(h, 892, 0.25 * 892);
  r.device = in_fp8(b200());
  EXPECT_GT(r.tokens_per_second() / h, 1.6);
  EXPECT_LT(r.tokens_per_second() / h, 2.3);
}

// DGX Cloud recipes on H100, FP8 over bf16: Llama 3.1 8B 1.3 (14,049 over 10,682 tokens/s),
// Nemotron-4 15B 1.34, 340B 1.49: between nothing and twice, more for larger models.
TEST(StepTrends, Fp8GainsMoreOnLargerModels) {
  const auto gain = [](StepRun r) {
    const double bf16 = r.seconds();
    r.device = in_fp8(r.device);
    return bf16 / r.seconds();
  };
  auto small = replicas(llama_8b());
  small.shard.seq_len = 8192;
  auto medium = megatron(llama_70b(), 4, 8, 8, 64);
  medium.shard.seq_len = 8192;
  medium.schedule.interleave = 5;
  auto large = megatron(llama_405b(), 8, 16, 4, 64);
  large.shard.seq_len = 8192;
  large.shard.cp = 2;
  large.schedule.interleave = 8;
  EXPECT_GT(gain(small), 1.2);
  EXPECT_GT(gain(medium), gain(small));
  EXPECT_GT(gain(large), gain(medium));
  EXPECT_LT(gain(large), 1.65);
}

// MaxText's tables of Llama on v5e-256: model FLOPs utilization of 0.5 to 0.66 with the weights
// sharded over the whole slice.
TEST(StepTrends, ATpuSliceShardsWeightsWell) {
  for (const auto& a : {llama_8b(), llama_70b()}) {
    auto r = fully_sharded(a, 256);
    r.device = tpu_v5e();
    r.stack.stack = Stack::xla;
    r.shard.recompute = Recompute::full;
    EXPECT_GT(r.mfu(FlopConvention::model_full), 0.45);
    EXPECT_LT(r.mfu(FlopConvention::model_full), 0.68);
    EXPECT_LT(share(r, &StepTime::fsdp), 0.1);
  }
}

// ---- Scale

// narayanan-2021, Table 1: 135 to 163 TFLOP/s of hardware FLOPs from 1.7B to 1T, 43 to 52% of the
// peak, the largest models best.
TEST(StepTrends, MegatronOf2021MeetsItsTable) {
  struct Row {
    double layers, hidden, heads, tp, pp, dp, batch, micro_batch, interleave, tflops;
  };
  double error = 0;
  double largest = 0;
  double smallest = 1e9;
  for (const auto& row :
       {Row{24, 2304, 24, 1, 1, 32, 512, 16, 1, 137}, Row{30, 3072, 32, 2, 1, 32, 512, 16, 1, 138},
        Row{36, 4096, 32, 4, 1, 32, 512, 16, 1, 142}, Row{40, 6144, 48, 8, 1, 32, 1024, 8, 1, 135},
        Row{48, 8192, 64, 8, 2, 32, 1536, 4, 1, 138}, Row{60, 10240, 80, 8, 4, 32, 1792, 2, 3, 140},
        Row{105, 20480, 128, 8, 35, 9, 2520, 1, 3, 163},
        Row{128, 25600, 160, 8, 64, 6, 3072, 1, 1, 163}}) {
    auto r = megatron_2021(gpt(row.layers, row.hidden, row.heads, 51200), row.tp, row.pp, row.dp,
                           row.batch, row.micro_batch);
    r.schedule.interleave = row.interleave;
    const double tflops = hardware_tflops(r);
    EXPECT_NEAR(tflops, row.tflops, 0.15 * row.tflops) << row.hidden;
    error += std::abs(std::log(tflops / row.tflops)) / 8;
    largest = std::max(largest, tflops);
    smallest = std::min(smallest, tflops);
    if (row.hidden >= 20480) {
      EXPECT_GT(tflops, 1.2 * smallest) << row.hidden;
    }
  }
  EXPECT_LT(error, 0.10);
  EXPECT_LT(largest, 0.56 * 312);
}

// narayanan-2021, Fig. 12: GPT-3 175B on 96 A100: interleaving gains 10% and more on small batches,
// less on larger ones, where the bubble is small anyway.
TEST(StepTrends, InterleavingHelpsSmallBatches) {
  const auto gain = [](double batch) {
    auto r = megatron_2021(gpt3_175b(), 8, 12, 1, batch, 1);
    const double plain = r.seconds();
    r.schedule.interleave = 2;
    return plain / r.seconds();
  };
  EXPECT_GT(gain(12), 1.1);
  EXPECT_LT(gain(12), 1.4);
  EXPECT_GT(gain(24), gain(60));
  EXPECT_GT(gain(60), 1.0);
  EXPECT_LT(gain(60), 1.12);
}

// narayanan-2021, Fig. 13: 162B on 64 A100 runs best with tensor parallelism of 8, the size of a
// node; over several nodes it is much slower.
TEST(StepTrends, TensorParallelismEndsAtTheNode) {
  const auto rate = [](double tp) {
    return megatron_2021(gpt(32, 20480, 128, 51200), tp, 64 / tp, 1, 32, 1).tokens_per_second();
  };
  for (const double tp : {2.0, 4.0, 16.0, 32.0}) EXPECT_LT(rate(tp), rate(8)) << tp;
  EXPECT_LT(rate(32), 0.75 * rate(8));
  EXPECT_LT(rate(2), 0.75 * rate(8));

  const auto modern = [](double tp) {
    return megatron(llama_70b(), tp, 1, 64 / tp, tp).tokens_per_second();
  };
  EXPECT_LT(modern(16), 0.85 * modern(8));
  EXPECT_LT(modern(32), 0.75 * modern(16));
}

// DGX Cloud recipes on H100, batch growing with the devices: Nemotron-4 15B keeps 96% of its rate
// from 16 to 2,048 devices, 340B 98% from 256 to 2,048, Llama 3.1 8B 99.5% from 8 to 128.
TEST(StepTrends, WeakScalingLosesAFewPercent) {
  const auto kept = [](StepRun r, double times) {
    const double before = r.tokens_per_second();
    r.schedule.dp *= times;
    return r.tokens_per_second() / before;
  };
  auto nemotron = megatron(gpt(32, 6144, 48, 256000), 2, 1, 8, 4);
  nemotron.shard.micro_batch = 2;
  EXPECT_NEAR(kept(nemotron, 128), 0.957, 0.04);
  EXPECT_NEAR(kept(replicas(llama_8b()), 16), 0.995, 0.03);
  EXPECT_NEAR(kept(megatron(llama_405b(), 8, 8, 4, 16), 8), 0.984, 0.03);
  // Sharded weights: hidden as long as a device has enough to do.
  EXPECT_GT(kept(fully_sharded(llama_8b(), 8), 64), 0.85);
  EXPECT_LT(kept(fully_sharded(llama_8b(), 8), 64), 1);
}

// The same with a fixed batch: Nemotron-4 340B on GB200 keeps 96% from 128 to 512 devices, and
// less where fewer micro-batches remain for the pipeline.
TEST(StepTrends, StrongScalingLosesMore) {
  auto r = megatron(llama_70b(), 4, 4, 8, 64);
  r.schedule.interleave = 5;
  const double before = r.tokens_per_second();
  auto weak = r;
  weak.schedule.dp *= 16;
  auto strong = weak;
  strong.schedule.micro_batches /= 16;
  EXPECT_LT(strong.tokens_per_second(), 0.93 * weak.tokens_per_second());
  EXPECT_GT(strong.tokens_per_second(), 0.6 * before);
  EXPECT_GT(share(strong, &StepTime::pipeline), share(weak, &StepTime::pipeline));
  EXPECT_GT(share(strong, &StepTime::dp), share(weak, &StepTime::dp));
}

// MLPerf Training on H100 in FP8, a batch that hardly grows: GPT-3 175B keeps 66% of its rate from
// 512 (839 tokens/s, v4.0) to 10,752 devices (556), Llama 3.1 405B 89% from 512 (334, v5.0) to
// 8,192 (296).
TEST(StepTrends, LargeFleetsLoseAsMuchAsInMlperf) {
  auto few = megatron(gpt3_175b(), 4, 8, 16, 72);
  few.device = in_fp8(h100());
  few.stack.year = 2024.4;
  few.shard.seq_len = 2048;
  few.shard.micro_batch = 2;
  few.schedule.interleave = 12;
  auto many = few;
  many.shard.micro_batch = 1;
  many.schedule = {
      .pp = 6, .interleave = 8, .dp = 448, .sharding = Sharding::zero1, .micro_batches = 6};
  const double kept = many.tokens_per_second() / few.tokens_per_second();
  EXPECT_GT(kept, 0.55);
  EXPECT_LT(kept, 0.85);

  auto llama = megatron(llama_405b(), 8, 8, 4, 288);
  llama.device = in_fp8(h100());
  llama.shard.seq_len = 8192;
  llama.shard.cp = 2;
  llama.schedule.interleave = 8;
  const double rate = llama.tokens_per_second();
  EXPECT_NEAR(rate, 334, 0.2 * 334);
  llama.schedule.dp = 64;
  llama.schedule.micro_batches = 24;
  EXPECT_NEAR(llama.tokens_per_second() / rate, 0.89, 0.08);
}

// rajbhandari-2020, Sec. 7: fully sharded weights pass the network in every micro-batch, where
// tensor and pipeline parallelism leave it the gradients, once a step. A100 on 100 Gbit/s a node.
TEST(StepTrends, ShardedWeightsSufferOnSlowNetworks) {
  auto r = fully_sharded(llama_70b(), 128);
  r.device = a100();
  const double fast = r.tokens_per_second();
  r.device.links.far /= 16;
  const double sharded = r.tokens_per_second() / fast;
  EXPECT_LT(sharded, 0.4);
  auto p = megatron(llama_70b(), 8, 4, 4, 64);
  p.device = a100();
  const double pipelined = p.tokens_per_second();
  p.device.links.far /= 16;
  EXPECT_GT(p.tokens_per_second() / pipelined, 2 * sharded);
}

// ---- Experts

// Routing moves tokens, experts see few rows each: Mixtral 8x7B reaches less of the peak than a
// dense model of its active width; DeepSeek-V3, with finer experts, less again (DGX Cloud recipes:
// 669 tokens/s on 512 H100).
TEST(StepTrends, ExpertsReachLessOfThePeak) {
  auto mixtral = replicas(mixtral_8x7b(), 64);
  mixtral.shard.ep = 8;
  auto dense = replicas(llama(32, 4096, 32, 2 * 14336, 32000), 64);
  auto deepseek = megatron(deepseek_v3(), 2, 8, 32, 128);
  deepseek.shard.ep = 64;
  EXPECT_LT(mixtral.mfu(), 0.97 * dense.mfu());
  EXPECT_GT(mixtral.mfu(), 0.6 * dense.mfu());
  EXPECT_LT(deepseek.mfu(), 0.75 * mixtral.mfu());
  EXPECT_GT(deepseek.tokens_per_second(), 669 / 1.65);
  EXPECT_LT(deepseek.tokens_per_second(), 669 * 1.65);
}

// megatron-moe-2026: all-to-all is 20 to 60% of the time unless it is overlapped; inside a scale-up
// domain it is a small part.
TEST(StepTrends, SpreadingExpertsOverNodesIsDear) {
  const auto run = [](double ep) {
    auto r = megatron(deepseek_v3(), 1, 8, 64, 64);
    r.shard.ep = ep;
    return r;
  };
  EXPECT_LT(share(run(8), &StepTime::all_to_all), 0.12);
  EXPECT_GT(share(run(64), &StepTime::all_to_all), 0.15);
  EXPECT_LT(share(run(64), &StepTime::all_to_all), 0.6);
  // One domain of 72 devices makes the same exchange cheap.
  auto rack = run(64);
  rack.device.domain = 72;
  EXPECT_LT(share(rack, &StepTime::all_to_all), share(run(64), &StepTime::all_to_all) / 2);
}

// ---- Software

// megatron-bridge, tables of successive releases: the same model on the same device gains some
// percent a year; the step to fused kernels and overlap was larger.
TEST(StepTrends, NewerSoftwareIsFaster) {
  auto r = megatron(llama_70b(), 4, 4, 4, 32);
  r.stack.year = 2024;
  const double before = r.tokens_per_second();
  r.stack.year = 2026;
  EXPECT_GT(r.tokens_per_second(), before);
  EXPECT_LT(r.tokens_per_second(), 1.25 * before);
  r.stack = {.year = 2022, .legacy = true, .flash_attention = false};
  EXPECT_LT(r.tokens_per_second(), 0.85 * before);
}

}  // namespace
}  // namespace pretrain::models
