#include "models/memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/parameters.hpp"
#include "tests/models/architectures.hpp"

namespace pretrain::models {
namespace {

double gib(Bytes bytes) { return bytes.in(gibibyte); }

/// With the layer norms and biases of GPT-3.
Architecture gpt(double layers, double hidden, double heads) {
  auto a = models::gpt(layers, hidden, heads, 51200);
  a.details.norm = Norm::layer;
  a.details.qkv_bias = a.details.attention_bias = a.details.ffn_bias = true;
  return a;
}

Architecture llama_70b(double layers) {
  Architecture a;
  a.layers = layers;
  a.hidden = 8192;
  a.heads = 64;
  a.kv_heads = 8;
  a.head_dim = a.v_head_dim = 128;
  a.ffn_hidden = 28672;
  a.gated = true;
  a.vocab = 128256;
  return a;
}

MemoryRecipe korthikanti_recipe() {
  MemoryRecipe r;
  r.flash_attention = false;
  r.dropout = true;
  return r;
}

/// As in the measurements of simumax: Megatron, distributed optimizer, fused loss.
MemoryRecipe simumax_recipe() {
  MemoryRecipe r;
  r.seq_len = 4096;
  r.micro_batches = 4;
  r.loss = Loss::fused;
  return r;
}

// Table 2 of the paper: bytes of one layer, s b h (34 + 5 a s / h) and its relatives.
TEST(MemoryActivations, MeetTable2OfKorthikanti) {
  const auto a = gpt(96, 12288, 96);
  auto r = korthikanti_recipe();
  const auto b = block_activations(a, false, r);
  const double s = 2048;
  const double h = 12288;
  const double scores = 5.0 * 96 * s / h;
  const auto total = [&](double t, bool sequence, bool core) {
    return (b.sequence / (sequence ? t : 1) + (b.tensor + (core ? b.core * s : 0)) / t) / h;
  };
  EXPECT_NEAR(total(1, false, true), 34 + scores, 1e-9);
  for (const double t : {2.0, 8.0}) {
    EXPECT_NEAR(total(t, false, true), 10 + 24 / t + scores / t, 1e-9) << t;
    EXPECT_NEAR(total(t, true, true), (34 + scores) / t, 1e-9) << t;
    EXPECT_NEAR(total(t, false, false), 10 + 24 / t, 1e-9) << t;
    EXPECT_NEAR(total(t, true, false), 34 / t, 1e-9) << t;
  }
  EXPECT_DOUBLE_EQ(b.input, 2 * h);  // full recomputation
  r.flash_attention = true;
  EXPECT_DOUBLE_EQ(block_activations(a, false, r).core, 0);
}

// Figure 1 of the paper: GiB of activations on the first stage, tensor parallelism 8.
TEST(MemoryActivations, MeetFigure1OfKorthikanti) {
  struct Case {
    double layers, hidden, heads, pp, interleave, micro_batch, baseline, selective;
  };
  for (const auto& c : {Case{48, 6144, 64, 1, 1, 4, 59.25, 9.5625},
                        Case{96, 12288, 96, 8, 3, 1, 66.84375, 12.3515625},
                        Case{105, 20480, 128, 35, 3, 1, 114.0234375, 23.076171875},
                        Case{128, 25600, 160, 64, 1, 1, 131.25, 26.5625}}) {
    const auto a = gpt(c.layers, c.hidden, c.heads);
    auto r = korthikanti_recipe();
    r.micro_batch = c.micro_batch;
    r.micro_batches = 512;
    MemoryPlan plan;
    plan.tp = 8;
    plan.pp = c.pp;
    plan.interleave = c.interleave;
    const auto b = block_activations(a, false, r);
    const double tokens = r.seq_len * r.micro_batch;
    const double layers = c.layers / c.pp * in_flight(plan, r.micro_batches, 0);
    const double baseline = b.sequence + (b.tensor + b.core * r.seq_len) / 8;
    EXPECT_NEAR(gib(tokens * layers * baseline * byte), c.baseline, 1e-6) << c.hidden;
    const double selective = (b.sequence + b.tensor) / 8;
    EXPECT_NEAR(gib(tokens * layers * selective * byte), c.selective, 1e-6) << c.hidden;
  }
}

TEST(MemoryActivations, DropoutBelongsToTheGpt3Generation) {
  EXPECT_TRUE(usual_dropout(gpt(96, 12288, 96)));
  EXPECT_FALSE(usual_dropout(llama_70b(80)));
  EXPECT_FALSE(usual_dropout(deepseek_v3(61, 3)));
}

TEST(MemoryActivations, RoutedTokensAreKeptOncePerExpert) {
  auto a = deepseek_v3(61, 3);
  MemoryRecipe r;
  const auto eight = block_activations(a, true, r);
  a.experts_per_token = 4;
  const auto four = block_activations(a, true, r);
  EXPECT_DOUBLE_EQ(eight.routed, 2 * four.routed);
  EXPECT_DOUBLE_EQ(eight.experts, 2 * four.experts);
  EXPECT_DOUBLE_EQ(eight.routed, 8 * 2.0 * 7168);
}

TEST(MemoryActivations, OfAHybridByKind) {
  const auto a = nemotron_3_nano();
  const MemoryRecipe r;
  const BlockKind mixer{Mixer::state_space, FeedForward::none, 1};
  const auto mamba = block_activations(a, mixer, r);
  // Input of the norm and of the first product; what the first product and the scan give, and what
  // the last product reads.
  EXPECT_EQ(mamba.sequence, 4 * 2688);
  EXPECT_EQ(mamba.tensor, 2 * (10304 + 2 * 4096));
  EXPECT_EQ(mamba.core + mamba.routed + mamba.experts, 0);
  // A block of two parts keeps what both keep.
  const auto attention = block_activations(a, {Mixer::attention, FeedForward::none, 1}, r);
  const auto experts = block_activations(a, {Mixer::none, FeedForward::experts, 1}, r);
  const auto both = block_activations(a, true, r);
  EXPECT_EQ(attention.sequence + experts.sequence, both.sequence);
  EXPECT_EQ(attention.tensor + experts.tensor, both.tensor);
  EXPECT_EQ(attention.routed + experts.routed, both.routed);
  EXPECT_EQ(attention.modules_sequence + experts.modules_sequence, both.modules_sequence);
  // Latent experts are sent less.
  auto latent = a;
  latent.expert_latent = 672;
  EXPECT_EQ(block_activations(latent, true, r).routed, both.routed / 4);
}

TEST(MemoryDevice, AHybridHoldsAllItsParameters) {
  auto a = nemotron_3_nano();
  MemoryPlan plan;
  MemoryRecipe r;
  const double count = parameters(a).total();
  const auto bytes = [&](double stage) {
    return stage_memory(a, plan, r, stage).state().in(byte) / r.state.total();
  };
  EXPECT_NEAR(bytes(0) / count, 1, 1e-12);
  plan.pp = 4;
  EXPECT_NEAR((bytes(0) + bytes(1) + bytes(2) + bytes(3)) / count, 1, 1e-12);
  // Two modules for multi-token prediction with one set of weights.
  plan.pp = 1;
  a.mtp_layers = 2;
  a.details.mtp_shared = true;
  const double module = mtp_parameters(a) - 3 * 2688;  // its norms are not counted
  EXPECT_NEAR((bytes(0) - count) / module, 1, 1e-5);
  a.details.mtp_shared = false;
  EXPECT_NEAR((bytes(0) - count) / (2 * module), 1, 1e-5);
}

TEST(MemoryDevice, ActivationsOfAHybridAreThoseOfItsBlocks) {
  const auto a = nemotron_3_nano();
  MemoryPlan plan;
  MemoryRecipe r;
  r.seq_len = 4096;
  const auto kept = [&](const Architecture& of) {
    return stage_memory(of, plan, r, 0).activations.in(byte);
  };
  // One Mamba block more.
  auto longer = a;
  ++longer.layers;
  ++longer.ssm_layers;
  ++longer.mixer_only_layers;
  const auto mamba = block_activations(a, {Mixer::state_space, FeedForward::none, 1}, r);
  EXPECT_NEAR(kept(longer) - kept(a), 4096 * (mamba.sequence + mamba.tensor), 1);
}

TEST(MemoryInFlight, FollowsTheSchedule) {
  MemoryPlan plan;
  plan.pp = 8;
  EXPECT_DOUBLE_EQ(in_flight(plan, 100, 0), 8);
  EXPECT_DOUBLE_EQ(in_flight(plan, 100, 7), 1);
  EXPECT_DOUBLE_EQ(in_flight(plan, 3, 0), 3);
  plan.interleave = 3;
  EXPECT_DOUBLE_EQ(in_flight(plan, 100, 0), 8 * (1 + 7.0 / (8 * 3)));
  EXPECT_DOUBLE_EQ(in_flight(plan, 1, 0), 1);
  for (double stage = 1; stage < 8; ++stage) {
    EXPECT_LE(in_flight(plan, 100, stage), in_flight(plan, 100, stage - 1));
  }
}

TEST(MemoryState, MeetsTheBytesOfTheDocuments) {
  EXPECT_DOUBLE_EQ(state_bytes(Stack::megatron, Optimizer::adam).total(), 18);
  EXPECT_DOUBLE_EQ(state_bytes(Stack::deepspeed, Optimizer::adam).total(), 20);
  EXPECT_DOUBLE_EQ(state_bytes(Stack::fsdp, Optimizer::adam).total(), 16);
  EXPECT_DOUBLE_EQ(state_bytes(Stack::xla, Optimizer::adam).total(), 16);
  for (const auto stack : {Stack::megatron, Stack::deepspeed, Stack::fsdp, Stack::xla}) {
    const double adam = state_bytes(stack, Optimizer::adam).total();
    for (const auto optimizer : {Optimizer::adam_8bit, Optimizer::adafactor, Optimizer::lion,
                                 Optimizer::sgd_momentum, Optimizer::muon}) {
      EXPECT_LT(state_bytes(stack, optimizer).total(), adam);
      EXPECT_GE(state_bytes(stack, optimizer).optimizer, 0);
    }
  }
}

// Measured peaks (max allocated) on B200, GiB.
TEST(MemoryDevice, MeetsMeasuredPeaksOfMegatron) {
  const auto dense = llama_70b(12);
  MemoryPlan plan;
  plan.sharding = Sharding::zero1;
  plan.sequence_parallel = true;
  const auto r = simumax_recipe();
  plan.tp = 8;
  EXPECT_NEAR(gib(peak_memory(dense, plan, r).allocated()), 28.29, 0.02 * 28.29);
  plan.tp = 2;
  plan.dp = 4;
  EXPECT_NEAR(gib(peak_memory(dense, plan, r).allocated()), 60.68, 0.02 * 60.68);
  plan.tp = 1;
  plan.pp = 2;
  const auto piped = peak_memory(dense, plan, r);
  EXPECT_NEAR(gib(piped.allocated()), 66.55, 0.02 * 66.55);
  EXPECT_EQ(piped.stage, 0);

  const auto moe = deepseek_v3(4, 1);
  plan.ep = 4;
  const auto experts = peak_memory(moe, plan, r);
  EXPECT_NEAR(gib(experts.allocated()), 114.0, 0.02 * 114.0);
  EXPECT_EQ(experts.stage, 1);  // two blocks with experts
}

TEST(MemoryDevice, OneStageHoldsTheWholeModel) {
  for (const auto& a : {gpt(24, 2048, 16), llama_70b(80), deepseek_v3(61, 3)}) {
    const MemoryRecipe r;
    const auto m = stage_memory(a, MemoryPlan{}, r, 0);
    EXPECT_NEAR(m.weights.in(byte) / (2 * parameters(a).total()), 1, 1e-12);
    EXPECT_NEAR(m.state().in(byte) / (18 * parameters(a).total()), 1, 1e-12);
  }
}

TEST(MemoryDevice, StagesSumToTheModel) {
  for (const auto& a : {llama_70b(80), deepseek_v3(61, 3)}) {
    for (const double pp : {2.0, 4.0, 16.0}) {
      for (const bool edges : {false, true}) {
        MemoryPlan plan;
        plan.pp = pp;
        plan.edges_as_layers = edges;
        double sum = 0;
        for (double stage = 0; stage < pp; ++stage) {
          sum += stage_memory(a, plan, MemoryRecipe{}, stage).weights.in(byte) / 2;
        }
        EXPECT_NEAR(sum / parameters(a).total(), 1, 1e-12) << pp << edges;
      }
    }
  }
}

TEST(MemoryDevice, TiedEmbeddingIsCopiedToTheLastStage) {
  const auto a = gpt(24, 2048, 16);
  MemoryPlan plan;
  plan.pp = 4;
  double sum = 0;
  for (double stage = 0; stage < 4; ++stage) {
    sum += stage_memory(a, plan, MemoryRecipe{}, stage).weights.in(byte) / 2;
  }
  EXPECT_NEAR(sum, parameters(a).total() + a.vocab * a.hidden, 1);
}

TEST(MemoryDevice, PredictingAheadAddsABlockToTheLastStage) {
  auto a = deepseek_v3(61, 3);
  MemoryPlan plan;
  plan.pp = 4;
  const auto first = stage_memory(a, plan, MemoryRecipe{}, 0);
  const auto last = stage_memory(a, plan, MemoryRecipe{}, 3);
  a.mtp_layers = 1;
  EXPECT_EQ(stage_memory(a, plan, MemoryRecipe{}, 0).allocated(), first.allocated());
  const auto ahead = stage_memory(a, plan, MemoryRecipe{}, 3);
  const double added = (ahead.weights - last.weights).in(byte) / 2;
  EXPECT_NEAR(added / mtp_parameters(a), 1, 1e-5);  // but for three norms
  EXPECT_GT(ahead.activations, last.activations);
}

TEST(MemoryDevice, PeakIsTheWorstOfAllStages) {
  for (const auto& a : {gpt(96, 12288, 96), llama_70b(80), deepseek_v3(61, 3)}) {
    for (const double pp : {1.0, 2.0, 4.0, 8.0, 16.0}) {
      for (const double m : {1.0, 4.0, 64.0}) {
        MemoryPlan plan;
        plan.pp = pp;
        plan.ep = a.experts > 0 ? 8 : 1;
        plan.dp = 8;
        auto r = simumax_recipe();
        r.micro_batches = m;
        for (const double interleave : {1.0, 2.0}) {
          plan.interleave = interleave;
          double worst = 0;
          for (double stage = 0; stage < pp; ++stage) {
            worst = std::max(worst, gib(stage_memory(a, plan, r, stage).allocated()));
          }
          EXPECT_DOUBLE_EQ(gib(peak_memory(a, plan, r).allocated()), worst) << pp << " " << m;
        }
      }
    }
  }
}

TEST(MemoryDevice, GrowsWithWhatIsHeld) {
  const auto a = deepseek_v3(61, 3);
  MemoryPlan plan;
  plan.pp = 4;
  plan.ep = 8;
  plan.dp = 16;
  const auto needed = [&](auto change) {
    MemoryPlan p = plan;
    auto r = simumax_recipe();
    change(p, r);
    return gib(peak_memory(a, p, r).allocated());
  };
  const double base = needed([](auto&, auto&) {});
  EXPECT_GT(needed([](auto&, auto& r) { r.micro_batch = 2; }), base);
  EXPECT_GT(needed([](auto&, auto& r) { r.seq_len = 8192; }), base);
  EXPECT_GT(needed([](auto&, auto& r) { r.flash_attention = false; }), base);
  EXPECT_GT(needed([](auto&, auto& r) { r.fused_kernels = false; }), base);
  EXPECT_LT(needed([](auto&, auto& r) { r.fp8 = true; }), base);
  EXPECT_LT(needed([](auto&, auto& r) { r.offload_optimizer = true; }), base);
  EXPECT_LT(needed([](auto&, auto& r) { r.offload_activations = true; }), base);
  EXPECT_LT(needed([](auto& p, auto&) { p.cp = 2; }), base);
  EXPECT_LT(needed([](auto& p, auto&) { p.ep = 16; }), base);
  const auto recompute = [&](Recompute mode, bool modules = false) {
    return needed([mode, modules](auto&, auto& r) {
      r.flash_attention = false;
      r.recompute = mode;
      r.recompute_modules = modules;
    });
  };
  EXPECT_GT(recompute(Recompute::none), recompute(Recompute::selective));
  EXPECT_GT(recompute(Recompute::selective), recompute(Recompute::selective, true));
  EXPECT_GT(recompute(Recompute::selective, true), recompute(Recompute::full));
}

TEST(MemoryDevice, ZeroStagesFollowEachOther) {
  const auto a = llama_70b(80);
  MemoryPlan plan;
  plan.dp = 64;
  for (const auto stack : {Stack::fsdp, Stack::deepspeed, Stack::xla}) {
    MemoryRecipe r;
    r.stack = stack;
    r.state = state_bytes(stack, Optimizer::adam);
    double before = 1e9;
    for (const auto sharding :
         {Sharding::none, Sharding::zero1, Sharding::zero2, Sharding::zero3}) {
      plan.sharding = sharding;
      const double now = gib(peak_memory(a, plan, r).state());
      EXPECT_LT(now, before);
      before = now;
    }
    EXPECT_NEAR(before, r.state.total() * parameters(a).total() / 64 / 1073741824, 1e-6);
  }
}

TEST(MemoryDevice, TensorParallelismDividesState) {
  const auto a = llama_70b(80);
  MemoryPlan plan;
  plan.sequence_parallel = true;
  const auto one = peak_memory(a, plan, MemoryRecipe{});
  plan.tp = 8;
  const auto eight = peak_memory(a, plan, MemoryRecipe{});
  EXPECT_NEAR(one.state() / eight.state(), 8, 0.01);  // norms stay whole
  EXPECT_NEAR(one.activations / eight.activations, 8, 1e-9);
  EXPECT_GT(one.logits / eight.logits, 7);  // the input of the head is gathered
}

TEST(MemoryDevice, StaysFiniteAtTheEdges) {
  auto a = deepseek_v3(2, 0);
  MemoryPlan plan;
  plan.pp = 4;  // more stages than layers
  plan.ep = 1024;
  plan.tp = 16;
  MemoryRecipe r;
  r.seq_len = 1;
  r.micro_batch = 0.5;
  for (double stage = 0; stage < 4; ++stage) {
    const auto m = stage_memory(a, plan, r, stage);
    EXPECT_TRUE(std::isfinite(gib(m.total())));
    EXPECT_GE(gib(m.allocated()), 0);
  }
}

TEST(MemoryFit, FillsWhatIsUnknownNoFurtherThanNeeded) {
  const auto a = llama_70b(80);
  FitQuestion q;
  q.plan.tp = 8;
  q.plan.pp = 4;
  q.plan.dp = 16;
  q.recipe.seq_len = 4096;
  q.recipe.micro_batches = 64;
  q.micro_batch = 1;
  const auto roomy = fit(a, q, 288 * gibibyte);
  EXPECT_TRUE(roomy.fits);
  EXPECT_EQ(roomy.recipe.recompute, Recompute::none);
  EXPECT_EQ(roomy.plan.sharding, Sharding::none);
  EXPECT_FALSE(roomy.chose_state);

  const auto small = fit(a, q, 32 * gibibyte);
  EXPECT_TRUE(small.fits);
  EXPECT_EQ(small.plan.sharding, Sharding::zero1);
  EXPECT_LE(small.memory.allocated(), small.capacity);
}

TEST(MemoryFit, SaysWhatWouldHelp) {
  const auto a = llama_70b(80);
  FitQuestion q;
  q.plan.dp = 64;
  q.recipe.seq_len = 8192;
  q.recipe.micro_batches = 4;
  q.micro_batch = 2;
  q.recompute = Recompute::none;
  q.sharding = Sharding::zero1;
  const auto verdict = fit(a, q, 80 * gibibyte);
  EXPECT_FALSE(verdict.fits);
  EXPECT_GT(verdict.memory.allocated(), verdict.capacity);
}

TEST(MemoryFit, KnownRunsOutOfMemoryAreRefused) {
  // BigScience: 181 B, tensor parallelism 8, no pipeline, 48 replicas, ZeRO-1: out of 80 GB.
  auto a = gpt(72, 14336, 64);
  a.vocab = 250880;
  FitQuestion q;
  q.plan.tp = 8;
  q.plan.dp = 48;
  q.recipe.stack = Stack::deepspeed;
  q.recipe.state = state_bytes(Stack::deepspeed, Optimizer::adam);
  q.recipe.micro_batches = 42;
  q.state_known = true;
  q.recompute = Recompute::full;
  q.sharding = Sharding::zero1;
  q.micro_batch = 1;
  EXPECT_FALSE(fit(a, q, 80 * gibibyte).fits);
}

TEST(MemoryDevice, ReportedIsAllocatedAndTheReserve) {
  EXPECT_DOUBLE_EQ(memory_reserve(100.0 * gibibyte).in(gibibyte), 7.3);
  const auto a = gpt(24, 2048, 16);
  const auto m = peak_memory(a, {}, {});
  EXPECT_DOUBLE_EQ(m.total().in(gibibyte), 1.053 * m.allocated().in(gibibyte) + 2);
}

}  // namespace
}  // namespace pretrain::models
