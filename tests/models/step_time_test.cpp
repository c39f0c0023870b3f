#include "models/step_time.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>

#include "models/parameters.hpp"
#include "tests/models/step_runs.hpp"

namespace pretrain::models {
namespace {

double seconds(Time t) { return t.in(second); }

Architecture t5(double layers) {
  auto a = gpt(layers, 1024, 16, 32128);
  a.type = ModelType::encoder_decoder;
  a.decoder_layers = layers / 2;
  return a;
}

Architecture bert() {
  auto a = gpt(24, 1024, 16, 30522);
  a.type = ModelType::encoder;
  return a;
}

Architecture vit() {
  auto a = gpt(24, 1024, 16, 0);
  a.type = ModelType::vision;
  a.patch_values = 768;
  a.classes = 1000;
  return a;
}

/// Experts that work in a narrower width than the model.
Architecture latent_moe() {
  auto a = mixtral_8x7b();
  a.experts = 64;
  a.experts_per_token = 8;
  a.expert_ffn_hidden = 4096;
  a.expert_latent = 1024;
  return a;
}

Architecture mamba() {
  Architecture a;
  a.layers = a.ssm_layers = a.mixer_only_layers = 48;
  a.hidden = 2048;
  a.state_space = StateSpace::mamba2;
  a.ssm_inner = 4096;
  a.ssm_heads = 64;
  a.ssm_state = 128;
  a.ssm_groups = 1;
  a.ssm_conv = 4;
  a.vocab = 50288;
  return a;
}

struct Named {
  std::string name;
  Architecture architecture;
};

std::vector<Named> every_kind() {
  auto windowed = llama_8b();
  windowed.window = 1024;
  windowed.window_share = 0.75;
  auto narrow = gpt(12, 768, 12, 50257);
  auto predicting = llama_8b();
  predicting.mtp_layers = 1;
  auto weighed = llama_8b();
  weighed.details.attention_gate = true;
  return {{"llama-8b", llama_8b()},
          {"llama-405b", llama_405b()},
          {"gpt-175b", gpt3_175b()},
          {"gpt-124m", narrow},
          {"one block", gpt(1, 64, 1, 100)},
          {"windows", windowed},
          {"multi-token", predicting},
          {"gated attention", weighed},
          {"mixtral", mixtral_8x7b()},
          {"deepseek-v3", deepseek_v3()},
          {"latent experts", latent_moe()},
          {"nemotron-3-nano", nemotron_3_nano()},
          {"mamba", mamba()},
          {"t5", t5(48)},
          {"bert", bert()},
          {"vit", vit()}};
}

// ---- What a device reaches

TEST(StepSpeed, CeilingFollowsThePowerLimit) {
  auto c = step_constants();
  const auto share = [&](double watts) {
    auto d = h100();
    d.watts = watts;
    return step_speed(d, {}, c).products / d.peak;
  };
  double before = 0;
  for (double watts = 50; watts < 3000; watts *= 1.1) {
    EXPECT_GT(share(watts), before) << watts;
    EXPECT_LT(share(watts), c.ceiling) << watts;
    before = share(watts);
  }
  // With all the power it asks for, the issue limit; with little, what the power sustains.
  EXPECT_NEAR(share(1e6), c.ceiling, 1e-6);
  const double starved = 20 / 989.4 / 0.7;
  EXPECT_NEAR(share(20), c.power_limit * 0.7 * std::pow(starved, c.power_share) * c.hopper, 1e-3);
  // One die at 750 and 1000 W: 1.19 (AMD, measured achievable FLOPs, 2025).
  auto d = h100();
  d.generation = Generation::cdna3;
  d.maker = Maker::amd;
  d.peak = d.peak_half = 1307.4e12;
  const auto at = [&](double watts) {
    d.watts = watts;
    return step_speed(d, {}, c).products;
  };
  EXPECT_GT(at(1000) / at(750), 1.1);
  EXPECT_LT(at(1000) / at(750), 1.3);
}

TEST(StepSpeed, UnknownPowerIsThatOfAnH100) {
  auto unknown = h100();
  unknown.watts = 0;
  auto usual = h100();
  usual.watts = 0.7 * 989.4;
  EXPECT_DOUBLE_EQ(step_speed(unknown, {}, step_constants()).products,
                   step_speed(usual, {}, step_constants()).products);
}

TEST(StepSpeed, FormatsSpeedUpProductsAlone) {
  const auto half = step_speed(h100(), {}, step_constants());
  const auto fp8 = step_speed(in_fp8(h100()), {}, step_constants());
  EXPECT_DOUBLE_EQ(fp8.half, half.half);
  EXPECT_DOUBLE_EQ(fp8.core, half.core);
  EXPECT_DOUBLE_EQ(fp8.products, 2 * step_constants().fp8 * half.products);
  EXPECT_EQ(half.cast_bytes, 0);
  EXPECT_GT(fp8.cast_bytes, 0);
}

TEST(StepSpeed, TpusHaveNoKernelsToLaunch) {
  const auto tpu = step_speed(tpu_v5e(), {.stack = Stack::xla}, step_constants());
  EXPECT_EQ(tpu.kernel, 0);
  EXPECT_EQ(tpu.host, 0);
  EXPECT_EQ(tpu.misaligned, 0);
  EXPECT_EQ(step_speed(h100(), {.stack = Stack::xla}, step_constants()).host, 0);
  EXPECT_GT(step_speed(h100(), {}, step_constants()).host, 0);
}

TEST(StepSpeed, SoftwareOfOtherYearsIsNoFurtherThanTheMeasuredOnes) {
  const auto factor = [](double year) {
    return step_speed(h100(), {.year = year}, step_constants()).year;
  };
  EXPECT_GT(factor(2022), factor(2025));
  EXPECT_GT(factor(2025), factor(2026));
  EXPECT_EQ(factor(2010), factor(2021));
  EXPECT_EQ(factor(2040), factor(2027));
}

/// Whether twice the constant changes what the device reaches.
bool matters(double StepConstants::*constant, const StepDevice& device, const StepStack& stack) {
  auto c = step_constants();
  const auto before = step_speed(device, stack, c);
  c.*constant *= 2;
  const auto after = step_speed(device, stack, c);
  for (const auto part :
       {&StepSpeed::products, &StepSpeed::half, &StepSpeed::core, &StepSpeed::core_backward,
        &StepSpeed::memory, &StepSpeed::traffic, &StepSpeed::cast_bytes, &StepSpeed::host,
        &StepSpeed::tp_exposed, &StepSpeed::year}) {
    if (after.*part != before.*part) return true;
  }
  return after.links.near != before.links.near || after.links.far != before.links.far;
}

TEST(StepSpeed, GenerationsHaveTheirOwnCeiling) {
  using C = StepConstants;
  struct Factor {
    Generation generation;
    double C::*constant;
  };
  const std::array named{
      Factor{Generation::volta, &C::volta},     Factor{Generation::ampere, &C::ampere},
      Factor{Generation::hopper, &C::hopper},   Factor{Generation::blackwell, &C::blackwell},
      Factor{Generation::gb200, &C::gb200},     Factor{Generation::cdna3, &C::cdna3},
      Factor{Generation::cdna4, &C::cdna4},     Factor{Generation::tpu_v4, &C::tpu_v4},
      Factor{Generation::tpu_v5e, &C::tpu_v5e}, Factor{Generation::tpu_v5p, &C::tpu_v5p},
      Factor{Generation::tpu_v6e, &C::tpu_v6e}, Factor{Generation::tpu_v7, &C::tpu_v7}};
  for (const auto& device : named) {
    auto d = h100();
    d.generation = device.generation;
    for (const auto& factor : named) {
      const bool own =
          factor.generation == device.generation ||
          (device.generation == Generation::gb200 && factor.generation == Generation::blackwell);
      EXPECT_EQ(matters(factor.constant, d, {}), own)
          << static_cast<int>(device.generation) << " and " << static_cast<int>(factor.generation);
    }
    d.generation = Generation::other;
    EXPECT_FALSE(matters(device.constant, d, {})) << static_cast<int>(device.generation);
  }
  EXPECT_TRUE(matters(&C::power_limit_tpu, tpu_v5e(), {.stack = Stack::xla}));
  EXPECT_FALSE(matters(&C::power_limit_tpu, h100(), {}));
}

TEST(StepSpeed, FormatsHaveTheirOwnCeiling) {
  using C = StepConstants;
  const auto formats = [](StepFormat format, Stack stack) {
    auto d = in_fp8(h100());
    d.format = format;
    std::string found;
    for (const auto& [name, constant] :
         std::initializer_list<std::pair<const char*, double C::*>>{{"fp8 ", &C::fp8},
                                                                    {"fp8_torch ", &C::fp8_torch},
                                                                    {"fp8_xla ", &C::fp8_xla},
                                                                    {"mx ", &C::mx},
                                                                    {"fp4 ", &C::fp4},
                                                                    {"cast ", &C::cast}}) {
      if (matters(constant, d, {.stack = stack})) found += name;
    }
    return found;
  };
  EXPECT_EQ(formats(StepFormat::half, Stack::megatron), "");
  EXPECT_EQ(formats(StepFormat::fp8, Stack::megatron), "fp8 cast ");
  EXPECT_EQ(formats(StepFormat::fp8, Stack::fsdp), "fp8_torch cast ");
  EXPECT_EQ(formats(StepFormat::fp8, Stack::xla), "fp8_xla cast ");
  EXPECT_EQ(formats(StepFormat::mxfp8, Stack::megatron), "fp8 mx cast ");
  EXPECT_EQ(formats(StepFormat::fp4, Stack::megatron), "mx fp4 cast ");
}

TEST(StepSpeed, StacksHaveTheirOwnKernels) {
  using C = StepConstants;
  const auto kernels = [](const StepDevice& d, const StepStack& stack) {
    std::string found;
    for (const auto& [name, constant] : std::initializer_list<std::pair<const char*, double C::*>>{
             {"attention ", &C::attention},
             {"fa2 ", &C::attention_hopper_fa2},
             {"hopper ", &C::attention_hopper},
             {"blackwell ", &C::attention_blackwell},
             {"tpu ", &C::attention_tpu},
             {"backward ", &C::attention_backward},
             {"backward_new ", &C::attention_backward_new},
             {"elementwise ", &C::elementwise},
             {"elementwise_torch ", &C::elementwise_torch},
             {"elementwise_old ", &C::elementwise_old},
             {"host ", &C::host},
             {"host_torch ", &C::host_torch},
             {"host_old ", &C::host_old},
             {"exposed ", &C::tp_exposed},
             {"legacy ", &C::tp_legacy},
             {"torch ", &C::tp_torch},
             {"scale ", &C::scaleup},
             {"scaleout ", &C::scaleout},
             {"ici ", &C::ici},
             {"dcn ", &C::dcn},
             {"megatron ", &C::megatron},
             {"megatron_old ", &C::megatron_old},
             {"fsdp ", &C::fsdp},
             {"xla_tpu ", &C::xla_tpu},
             {"xla_gpu ", &C::xla_gpu},
             {"other ", &C::other_stack}}) {
      if (matters(constant, d, stack)) found += name;
    }
    return found;
  };
  EXPECT_EQ(kernels(h100(), {}),
            "hopper backward_new elementwise host exposed scale scaleout megatron ");
  EXPECT_EQ(kernels(h100(), {.year = 2023.5}),
            "fa2 backward_new elementwise host exposed scale scaleout megatron ");
  EXPECT_EQ(kernels(h100(), {.stack = Stack::fsdp}),
            "fa2 backward elementwise_torch host_torch torch scale scaleout fsdp ");
  EXPECT_EQ(kernels(h100(), {.stack = Stack::xla}),
            "hopper backward_new elementwise exposed scale scaleout xla_gpu ");
  EXPECT_EQ(kernels(b200(), {}),
            "blackwell backward_new elementwise host exposed scale scaleout megatron ");
  EXPECT_EQ(kernels(a100(), {.year = 2021, .legacy = true}),
            "attention backward elementwise_old host_old legacy scale scaleout megatron_old ");
  EXPECT_EQ(kernels(a100(), {.stack = Stack::other}),
            "attention backward elementwise host_torch exposed scale scaleout other ");
  EXPECT_EQ(kernels(tpu_v5e(), {.stack = Stack::xla}),
            "tpu backward elementwise exposed ici dcn xla_tpu ");
  const auto tpu = step_speed(tpu_v5e(), {.stack = Stack::xla}, step_constants());
  EXPECT_DOUBLE_EQ(tpu.links.near, 200e9 * step_constants().ici);
  EXPECT_DOUBLE_EQ(tpu.links.far, 3.125e9 * step_constants().dcn);
}

// ---- A block

/// Forward and backward of a product as equations.csv has it (step.product).
double by_hand(const StepSpeed& v, const StepConstants& c, double rows, double width,
               double depth) {
  const double excess = (1 + v.wave / (rows * width)) * (1 + c.depth / depth);
  const double compute = 2 * rows * width * depth * excess / v.products;
  const double inputs = 2 * rows * (depth + width);
  const double weights = width * depth;
  const auto roof = [](double x, double y) {
    return std::pow(std::pow(x, 4) + std::pow(y, 4), 0.25);
  };
  return roof(compute, (inputs + 2 * weights) / v.memory) + v.kernel +
         roof(2 * compute, (2 * inputs + 2 * weights + 2 * 4 * weights) / v.memory) + 2 * v.kernel;
}

TEST(StepTime, ProductsAreThoseOfTheFormula) {
  for (const double hidden : {256.0, 4096.0}) {
    for (const double tokens : {64.0, 4096.0}) {
      auto r = replicas(gpt(8, hidden, hidden / 64, 0));
      r.shard.seq_len = tokens;
      const auto v = step_speed(r.device, r.stack, r.constants);
      const auto product = [&](double width, double depth) {
        return by_hand(v, r.constants, tokens, width, depth);
      };
      EXPECT_NEAR(
          r.block().block.products / (product(3 * hidden, hidden) + product(hidden, hidden) +
                                      product(4 * hidden, hidden) + product(hidden, 4 * hidden)),
          1, 1e-9)
          << hidden << " " << tokens;
    }
  }
}

TEST(StepTime, FrozenWeightsHaveNoGradient) {
  auto r = replicas(gpt(8, 16384, 128, 0));
  r.shard.micro_batch = 8;
  const double trained = r.block().block.products;
  r.shard.frozen = true;
  EXPECT_NEAR(r.block().block.products / trained, 2.0 / 3, 0.01);
}

TEST(StepTime, LargeProductsRunAtTheCeiling) {
  // Wide enough that tiles, depth, memory and launches do not count.
  auto r = replicas(gpt(8, 65536, 512, 0));
  r.shard.seq_len = 8192;
  r.shard.micro_batch = 8;
  const auto block = r.block();
  const double tokens = 8 * 8192;
  const double flop = 3 * token_work(r.architecture, 8192).blocks() / 8 * tokens;
  const double rate = step_speed(r.device, r.stack, r.constants).products;
  EXPECT_GT(block.block.products, flop / rate);
  EXPECT_LT(block.block.products, 1.02 * flop / rate);
}

TEST(StepTime, SmallProductsStayBelowTheCeiling) {
  double before = 0;
  for (const double hidden : {256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0}) {
    const auto r = replicas(gpt(8, hidden, hidden / 64, 0));
    const double flop = token_work(r.architecture, 4096).blocks() / 8 * 3 * 4096;
    const double reached =
        flop / r.block().block.products / step_speed(r.device, r.stack, r.constants).products;
    EXPECT_GT(reached, before) << hidden;
    EXPECT_LT(reached, 1) << hidden;
    before = reached;
  }
  EXPECT_GT(before, 0.8);
}

TEST(StepTime, FewRowsWaitForTheWeights) {
  // One token: a product takes as long as its weights take to arrive.
  auto r = replicas(llama_8b());
  r.shard.seq_len = 1;
  const auto speed = step_speed(r.device, r.stack, r.constants);
  const auto model = r.model();
  const double weights = model.split_params * 2 / speed.memory;
  EXPECT_GT(r.block().block.products, weights);
}

TEST(StepTime, MisalignedWidthsCostMore) {
  const auto products = [](double hidden, Maker maker) {
    auto r = replicas(gpt(8, hidden, 80, 0));
    r.device.maker = maker;
    r.shard.tp = 8;
    return r.block().block.products / (hidden * hidden);
  };
  // 14,400 / 8 = 1,800 is no multiple of 64, 14,336 / 8 = 1,792 is.
  EXPECT_GT(products(14400, Maker::nvidia), 1.1 * products(14336, Maker::nvidia));
  EXPECT_NEAR(products(14400, Maker::amd), products(14336, Maker::amd),
              0.01 * products(14336, Maker::amd));
  // A depth that tiles do not divide costs as much as such a width: two matrices, one of each.
  auto r = replicas(gpt(8, 8192, 64, 0));
  r.architecture.ffn_hidden = 32800;
  const double all = r.block().block.products;
  r.constants.misaligned = 1e-9;
  const double aligned = r.block().block.products;
  const double ffn = 2 * 32800.0 / (2 * 32800 + 4 * 8192);
  // 32,800 is a multiple of 32: a third of the penalty.
  EXPECT_NEAR(all / aligned - 1, ffn * step_constants().misaligned / 3, 0.02);
}

TEST(StepTime, AttentionGrowsWithTheSequence) {
  const auto attention = [](double seq_len) {
    auto r = replicas(llama_8b());
    r.shard.seq_len = seq_len;
    return r.block().block.attention / seq_len;
  };
  // Work of a token doubles with the sequence; short ones do not fill the kernel.
  for (double s = 1024; s < 1e6; s *= 2) {
    EXPECT_GT(attention(2 * s), 1.5 * attention(s)) << s;
    EXPECT_LT(attention(2 * s), 2 * attention(s)) << s;
  }
  EXPECT_NEAR(attention(2e6) / attention(1e6), 2, 1e-3);

  // Forward as many FLOPs as the causal mask leaves, backward 2.5 times as many (dao-2023).
  auto r = replicas(llama_8b());
  r.shard.seq_len = 1e6;
  const auto speed = step_speed(r.device, r.stack, r.constants);
  const double flop = token_work(r.architecture, 1e6).attention_causal / 32 * 1e6;
  EXPECT_NEAR(r.block().block.attention, flop / speed.core + 2.5 * flop / speed.core_backward,
              1e-3 * r.block().block.attention);
}

TEST(StepTime, WindowsBoundTheAttention) {
  auto windowed = llama_8b();
  windowed.window = 4096;
  windowed.window_share = 1;
  const auto attention = [](const Architecture& a, double seq_len) {
    auto r = replicas(a);
    r.shard.seq_len = seq_len;
    return r.block().block.attention / seq_len;
  };
  EXPECT_DOUBLE_EQ(attention(windowed, 4096), attention(llama_8b(), 4096));
  EXPECT_LT(attention(windowed, 131072), 3 * attention(windowed, 4096));
  EXPECT_GT(attention(llama_8b(), 131072), 10 * attention(windowed, 131072));
}

TEST(StepTime, FusedAttentionIsFaster) {
  for (const double s : {2048.0, 8192.0}) {
    auto r = replicas(gpt3_175b());
    r.shard.seq_len = s;
    const double fused = r.block().block.attention;
    r.stack.flash_attention = false;
    EXPECT_GT(r.block().block.attention, 1.5 * fused) << s;
  }
}

TEST(StepTime, NarrowHeadsReachLess) {
  // The same work in twice as many heads.
  auto wide = llama_8b();
  auto narrow = llama(32, 4096, 64, 14336);
  const double at_128 = replicas(wide).block().block.attention;
  const double at_64 = replicas(narrow).block().block.attention;
  EXPECT_GT(at_64, 1.1 * at_128);
  EXPECT_LT(at_64, 1.5 * at_128);
}

TEST(StepTime, SmallModelsWaitForMemory) {
  const auto share = [](double hidden) {
    auto r = replicas(gpt(12, hidden, hidden / 64, 0));
    r.shard.micro_batch = 16;
    const auto block = r.block().block;
    return block.traffic / block.total();
  };
  double before = 1;
  for (double hidden = 512; hidden <= 16384; hidden *= 2) {
    EXPECT_LT(share(hidden), before) << hidden;
    before = share(hidden);
  }
  EXPECT_GT(share(768), 0.15);
  EXPECT_LT(share(16384), 0.04);

  // Bytes of norms and residuals (5 h), of queries, keys and values (2 q), of the feed-forward
  // layer (2 f), in 16 bits; 1.6 times as many backward.
  const auto r = replicas(gpt(12, 1024, 16, 0));
  const double values = 10 * 1024.0 + 2 * 3 * 1024.0 + 2 * 4096.0;
  const double bytes = 2 * 4096 * values * (1 + 1.6);
  EXPECT_NEAR(r.block().block.traffic, bytes * step_speed(r.device, r.stack, r.constants).traffic,
              1e-9);
}

TEST(StepTime, SequenceParallelismSharesOutTheNorms) {
  auto r = megatron(llama_70b(), 8, 1, 1, 8);
  const double shared = r.block().block.traffic;
  r.shard.sequence_parallel = false;
  EXPECT_GT(r.block().block.traffic, 2 * shared);
  r.shard.tp = 1;
  const double alone = r.block().block.traffic;
  r.shard.sequence_parallel = true;
  EXPECT_DOUBLE_EQ(r.block().block.traffic, alone);
}

TEST(StepTime, HostIsAFloorNotAnAddend) {
  // With much to do the launches hide, with little the device waits for them.
  auto big = replicas(llama_70b());
  big.shard.micro_batch = 4;
  const auto busy = big.block().block;
  EXPECT_LT(busy.host, 1e-3 * busy.total());

  auto small = replicas(gpt(12, 256, 4, 0));
  small.shard.seq_len = 64;
  small.constants.host = 10;  // ms
  const auto idle = small.block().block;
  // Two halves of a block, forward and backward.
  EXPECT_NEAR(idle.total(), 4 * 10e-3 / 2, 1e-4);
  // Ten times the work takes no longer.
  small.shard.micro_batch = 10;
  EXPECT_NEAR(small.block().block.total(), idle.total(), 0.01 * idle.total());

  // Never less than either, never more than both.
  for (double host = 0.01; host < 100; host *= 2) {
    auto r = replicas(llama_8b());
    r.constants.host = 1e-9;
    const double device = r.block().block.total();
    r.constants.host = host;
    const double launches = 4 * host * 1e-3 / 2;
    EXPECT_GE(r.block().block.total(), std::max(device, launches) * (1 - 1e-9)) << host;
    EXPECT_LE(r.block().block.total(), device + launches) << host;
  }
}

TEST(StepTime, ExpertsCostMoreThanTheirFlops) {
  // As many active FLOPs as one dense layer: 2 of 8 experts of half its width.
  auto dense = llama_8b();
  auto experts = dense;
  experts.type = ModelType::moe;
  experts.moe_layers = experts.layers;
  experts.ffn_hidden = 0;
  experts.experts = 8;
  experts.experts_per_token = 2;
  experts.expert_ffn_hidden = dense.ffn_hidden / 2;
  const auto r = replicas(dense);
  const auto m = replicas(experts);
  EXPECT_NEAR(token_work(experts, 4096).blocks(), token_work(dense, 4096).blocks(),
              1e-3 * token_work(dense, 4096).blocks());
  EXPECT_GT(m.block().block.total(), 1.1 * r.block().block.total());
  EXPECT_GT(m.block().block.routing, 0);
  EXPECT_EQ(r.block().block.routing, 0);

  // Finer experts: the same FLOPs, less for each to do, and more copies to move.
  auto fine = experts;
  fine.experts = 64;
  fine.experts_per_token = 16;
  fine.expert_ffn_hidden = dense.ffn_hidden / 16;
  const auto f = replicas(fine);
  EXPECT_GT(f.block().block.total(), m.block().block.total());
  EXPECT_GT(f.block().block.routing, 2 * m.block().block.routing);
  EXPECT_GT(f.block().block.products, m.block().block.products);
}

TEST(StepTime, ExpertsOfOtherNodesAreFartherAway) {
  auto r = replicas(mixtral_8x7b(), 64);
  EXPECT_EQ(r.block().block.all_to_all, 0);
  r.shard.ep = 8;
  const double inside = r.block().block.all_to_all;
  EXPECT_GT(inside, 0);
  r.device.domain = 2;
  EXPECT_GT(r.block().block.all_to_all, 2 * inside);
}

TEST(StepTime, UnfusedAttentionWritesItsScores) {
  auto r = replicas(gpt3_175b());
  r.stack.flash_attention = false;
  r.shard.recompute = Recompute::selective;
  const auto v = step_speed(r.device, r.stack, r.constants);
  // As if nothing was masked: forward once, backward twice; each score of each head moves 22 bytes.
  const double flop = token_work(r.architecture, 4096).attention_full / 96 * 4096;
  const double shallow = 1 + v.depth_half / 128 / 2;
  const double scores = 96 * 4096.0 * 4096 * r.constants.attention_unfused / v.memory;
  const auto block = r.block().block;
  EXPECT_NEAR(block.attention, 3 * flop * shallow / v.half + 22 * scores, 1e-9 * block.attention);
  // Selective recomputation does the core again (korthikanti-2022, Sec. 5).
  EXPECT_NEAR(block.recompute, flop * shallow / v.half + 8 * scores, 1e-9 * block.recompute);
}

TEST(StepTime, ScansMoveBytesOrDoProducts) {
  auto r = replicas(mamba());
  const auto v = step_speed(r.device, r.stack, r.constants);
  const auto m = r.model();
  const double bytes = r.constants.scan * m.scan_bytes / v.memory;
  const double work = m.scan_flop / (0.55 * v.half);
  const double longer = std::pow(std::pow(bytes, 4) + std::pow(work, 4), 0.25);
  EXPECT_NEAR(r.block().block.attention, 3 * 4096 * longer, 1e-9);
}

TEST(StepTime, HeadsPredictWhatIsTrainedOn) {
  const auto head = [](const Architecture& a) { return replicas(a).block().head; };
  auto decoder = bert();
  decoder.type = ModelType::dense;
  // Of a masked model 15% of the tokens, of an encoder-decoder those of the decoder.
  EXPECT_LT(head(bert()), 0.25 * head(decoder));
  EXPECT_GT(head(bert()), 0.15 * head(decoder));
  auto single = t5(24);
  single.type = ModelType::dense;
  single.decoder_layers = 0;
  EXPECT_NEAR(head(t5(48)) / head(single), 0.5, 0.1);
  EXPECT_EQ(head(vit()), 0);
  // A module for multi-token prediction is a block and logits more.
  auto ahead = llama_8b();
  ahead.mtp_layers = 1;
  EXPECT_NEAR(head(ahead), 2 * head(llama_8b()) + replicas(llama_8b()).block().block.total(),
              0.02 * head(ahead));
  // Three products of 16 bits, and twelve bytes of each logit.
  const auto r = replicas(llama_8b());
  const auto v = step_speed(r.device, r.stack, r.constants);
  const double logits = 4096.0 * 128256;
  EXPECT_NEAR(head(llama_8b()), 6 * logits * 4096 / v.half + 12 * logits / v.memory,
              0.1 * head(llama_8b()));
}

TEST(StepTime, OnlyProductsWithWeightsOfBlocksTakeTheFormat) {
  auto r = replicas(llama_8b(), 64);
  const auto half = r.block();
  r.device = in_fp8(h100());
  const auto fp8 = r.block();
  EXPECT_LT(fp8.block.products, 0.65 * half.block.products);
  EXPECT_EQ(fp8.block.attention, half.block.attention);
  EXPECT_EQ(fp8.head, half.head);
  EXPECT_GT(fp8.block.traffic, half.block.traffic);

  // Gradients of 3.5 instead of 4 bytes, weights of 2.
  r.shard.seq_len = 1;
  r.device.links.far = 1e8;
  const double low = seconds(r.time().dp);
  r.device = h100();
  r.device.links.far = 1e8;
  EXPECT_NEAR(low / seconds(r.time().dp), 5.5 / 6, 0.01);
}

TEST(StepTime, CompressedQueriesAndKeysAreSharedOutWithTheSequence) {
  // What latent attention compresses to is not divided by tensor parallelism, its tokens are.
  auto r = megatron(deepseek_v3(), 8, 1, 1, 8);
  r.shard.ep = 8;
  const double shared = r.block().block.products;
  r.shard.sequence_parallel = false;
  EXPECT_GT(r.block().block.products, 1.02 * shared);
}

TEST(StepTime, RoutingMovesEachCopy) {
  auto r = replicas(mixtral_8x7b());
  const auto v = step_speed(r.device, r.stack, r.constants);
  const double values = r.constants.permute * 4096 + 3 * 14336;
  EXPECT_NEAR(r.block().block.routing, 2.6 * 2 * 2 * 4096 * values / v.memory, 1e-9);
  // Narrower copies where experts work in a latent width.
  EXPECT_LT(replicas(latent_moe()).block().block.routing, 2 * r.block().block.routing);
}

TEST(StepTime, KeysAndValuesGoAround) {
  auto r = replicas(llama_8b());
  r.shard.cp = 4;
  r.shard.tp = 2;
  const auto v = step_speed(r.device, r.stack, r.constants);
  // 8 heads of 128 for keys and values each, in 16 bits, halved by tp; forward and backward.
  const double bytes = 2 * (2 * 8 * 128) / 2 * 4096;
  EXPECT_NEAR(r.block().block.cp,
              2 * r.constants.cp_exposed * gather_time(bytes, group_of(4, 2, 8), v.links), 1e-12);
}

/// Whether twice the constant changes the time of the step.
bool matters(double StepConstants::*constant, StepRun r) {
  const double before = r.seconds();
  r.constants.*constant *= 2;
  return r.seconds() != before;
}

TEST(StepTime, ConstantsMatterWhereTheyApply) {
  using C = StepConstants;
  auto megatron_run = replicas(llama_8b());
  auto torch = fully_sharded(llama_8b(), 8);
  auto xla = torch;
  xla.stack.stack = Stack::xla;
  const auto recomputations = [](StepRun r, Recompute recompute, bool stated) {
    r.shard.recompute = recompute;
    r.shard.recompute_stated = stated;
    std::string found;
    for (const auto& [name, constant] : std::initializer_list<std::pair<const char*, double C::*>>{
             {"full_xla ", &C::full_xla},
             {"selective ", &C::selective},
             {"selective_torch ", &C::selective_torch},
             {"selective_xla ", &C::selective_xla},
             {"unknown_xla ", &C::unknown_xla},
             {"unknown_more ", &C::unknown_more}}) {
      if (matters(constant, r)) found += name;
    }
    return found;
  };
  for (const auto& r : {megatron_run, torch, xla}) {
    EXPECT_EQ(recomputations(r, Recompute::none, true), "");
  }
  EXPECT_EQ(recomputations(megatron_run, Recompute::full, true), "");
  EXPECT_EQ(recomputations(xla, Recompute::full, true), "full_xla ");
  EXPECT_EQ(recomputations(megatron_run, Recompute::selective, true), "selective ");
  EXPECT_EQ(recomputations(torch, Recompute::selective, true), "selective_torch ");
  EXPECT_EQ(recomputations(xla, Recompute::selective, true), "selective_xla ");
  for (const auto recompute : {Recompute::none, Recompute::selective, Recompute::full}) {
    EXPECT_EQ(recomputations(xla, recompute, false), "unknown_xla ");
  }
  EXPECT_EQ(recomputations(torch, Recompute::none, false), "");
  EXPECT_EQ(recomputations(torch, Recompute::selective, false), "selective_torch ");
  EXPECT_EQ(recomputations(torch, Recompute::full, false), "unknown_more ");

  // Experts.
  auto experts = replicas(mixtral_8x7b());
  for (const auto constant : {&C::expert_gemm, &C::expert_floor, &C::expert_kernels, &C::permute}) {
    EXPECT_TRUE(matters(constant, experts));
    EXPECT_FALSE(matters(constant, megatron_run));
  }
  EXPECT_FALSE(matters(&C::all_to_all, experts));
  experts.shard.ep = 8;
  EXPECT_TRUE(matters(&C::all_to_all, experts));
  EXPECT_TRUE(matters(&C::all_to_all_exposed, experts));
  // Whole-step graphs came late, to racks.
  experts.stack.year = 2026.5;
  EXPECT_FALSE(matters(&C::expert_graphs, experts));
  experts.device.domain = 72;
  EXPECT_TRUE(matters(&C::expert_graphs, experts));
  experts.device = tpu_v5e();
  EXPECT_TRUE(matters(&C::permute_tpu, experts));
  for (const auto constant : {&C::permute, &C::expert_floor, &C::expert_kernels}) {
    EXPECT_FALSE(matters(constant, experts));
  }

  // Context parallelism of torch slows the core down.
  EXPECT_FALSE(matters(&C::cp_torch, torch));
  torch.shard.cp = 2;
  EXPECT_TRUE(matters(&C::cp_torch, torch));
  megatron_run.shard.cp = 2;
  EXPECT_FALSE(matters(&C::cp_torch, megatron_run));
  EXPECT_FALSE(matters(&C::scan, megatron_run));
  EXPECT_TRUE(matters(&C::scan, replicas(mamba())));
  EXPECT_FALSE(matters(&C::step, xla));
  EXPECT_TRUE(matters(&C::step, torch));
}

TEST(StepTime, FullRecomputationCostsAForwardPass) {
  for (const auto& [name, a] : every_kind()) {
    auto r = megatron(a, 4, 1, 8, 8);
    const double kept = r.seconds();
    EXPECT_EQ(seconds(r.time().recompute), 0) << name;
    r.shard.recompute = Recompute::full;
    const auto block = r.block().block;
    const double pass = block.recompute / (block.total() - block.recompute);
    // A third of forward and backward; where the launches set the pace, half.
    EXPECT_GT(pass, 0.25) << name;
    EXPECT_LT(pass, 0.51) << name;
    EXPECT_GT(r.seconds(), kept) << name;
  }
  for (const auto& a : {llama_70b(), gpt3_175b()}) {
    auto r = megatron(a, 8, 1, 8, 8);
    r.shard.recompute = Recompute::full;
    const double share = r.time().recompute / r.time().total();
    EXPECT_GT(share, 0.2);
    EXPECT_LT(share, 0.3);
    const double full = r.seconds();
    r.shard.recompute = Recompute::none;
    EXPECT_GT(full / r.seconds(), 1.25);
    EXPECT_LT(full / r.seconds(), 1.4);
  }
}

TEST(StepTime, SelectiveRecomputationIsBetweenNoneAndFull) {
  for (const auto stack : {Stack::megatron, Stack::fsdp, Stack::xla}) {
    auto r = fully_sharded(llama_8b(), 8);
    r.stack.stack = stack;
    const auto at = [&](Recompute recompute) {
      r.shard.recompute = recompute;
      return r.seconds();
    };
    EXPECT_LT(at(Recompute::none), at(Recompute::selective));
    EXPECT_LT(at(Recompute::selective), at(Recompute::full));
  }
}

// ---- The schedule

TEST(StepTime, ShardedWeightsNeedTheNetwork) {
  auto r = fully_sharded(llama_70b(), 64);
  const double fast = seconds(r.time().fsdp);
  EXPECT_GT(fast, 0);
  r.device.links.far /= 4;
  EXPECT_GT(seconds(r.time().fsdp), 3 * fast);
  r.device.links = {};
  EXPECT_LT(seconds(r.time().fsdp), 0.01 * r.seconds());

  // More tokens for each gather hide it.
  auto wide = fully_sharded(llama_70b(), 64);
  wide.shard.micro_batch = 8;
  EXPECT_LT(wide.time().fsdp / wide.time().total(), 0.5 * (fast / r.seconds()) + 1e-3);

  // Two gathers and a scatter of 2 bytes a parameter are the least that the network carries.
  auto slow = fully_sharded(llama_70b(), 64);
  slow.device.links.far = 1e8;
  const double params = parameters(llama_70b()).total();
  const double far = slow.device.links.far * slow.constants.scaleout;
  EXPECT_GT(slow.seconds(), 3 * 2 * params / 8 * 63 / 64 / far);
  EXPECT_LT(slow.seconds(), 1.2 * 3 * 2 * params / 8 * 63 / 64 / far);
  EXPECT_EQ(seconds(replicas(llama_8b()).time().fsdp), 0);
}

TEST(StepTime, BubbleIsThatOfTheSchedule) {
  // Without a head the stages are even, and the bubble is (p - 1) / (v m) (narayanan-2021, 2.2).
  auto a = gpt(48, 4096, 32, 0);
  for (const double p : {2.0, 4.0, 8.0}) {
    for (const double v : {1.0, 2.0, 3.0}) {
      for (const double m : {1.0, 8.0, 64.0}) {
        auto r = megatron(a, 8, p, 4, m);
        r.schedule.interleave = v;
        const auto t = r.time();
        const double even = seconds(t.products + t.attention + t.traffic + t.head + t.routing +
                                    t.recompute + t.host + t.tp + t.cp + t.all_to_all + t.fsdp);
        // With fewer micro-batches than stages, chunks wait for the first to come round.
        const double waits = std::max(0.0, p - m) * (1 - 1 / v);
        EXPECT_NEAR(seconds(t.pipeline) / even, ((p - 1) / v + waits) / m, 1e-9) << p << v << m;
      }
    }
  }
  EXPECT_EQ(seconds(megatron(a, 8, 1, 4, 8).time().pipeline), 0);
}

TEST(StepTime, TheSlowestStageSetsThePace) {
  // The head stands on the last stage only.
  auto even = megatron(llama(48, 4096, 32, 14336, 0), 1, 4, 1, 64);
  auto headed = megatron(llama(48, 4096, 32, 14336, 512000), 1, 4, 1, 64);
  EXPECT_GT(headed.time().pipeline / headed.time().total(),
            even.time().pipeline / even.time().total() + 0.05);
  // Embedding and head in the place of a block each: 126 blocks on 16 stages (grattafiori-2024).
  const auto balanced = megatron(llama_405b(), 8, 16, 1, 1024);
  EXPECT_LT(balanced.time().pipeline / balanced.time().total(), 0.05);
  // 81 blocks on 8 stages: 11 on one of them.
  const auto uneven = megatron(llama(81, 8192, 64, 28672, 0), 8, 8, 1, 1024);
  EXPECT_NEAR(uneven.time().pipeline / uneven.time().total(), 1 - 81.0 / 88, 0.02);
}

// A micro-batch passes all stages, one after the other, however they are cut into chunks.
TEST(StepTime, NoStepIsShorterThanOneMicroBatchThroughAllStages) {
  for (const double m : {1.0, 2.0, 4.0, 8.0, 16.0}) {
    for (const double v : {1.0, 2.0, 12.0}) {
      auto r = megatron(gpt(96, 12288, 96, 0), 8, 8, 1, m);
      r.schedule.interleave = v;
      EXPECT_GE(r.seconds(), 96 * r.block().block.total()) << m << " " << v;
    }
  }
}

TEST(StepTime, ChunksThatDoNotDivideTheStageGainNothing) {
  const auto run = [](double v) {
    auto r = megatron(llama_8b(), 1, 4, 1, 64);
    r.schedule.interleave = v;
    return r.seconds();
  };
  for (const double v : {3.0, 5.0}) EXPECT_GE(run(v), run(8)) << v;
}

TEST(StepTime, MoreBlocksTakeLonger) {
  // On stages only in whole rounds: a block less on the last one makes room for the head.
  for (const double p : {1.0, 2.0, 4.0, 8.0}) {
    double before = 0;
    for (double layers = 24; layers <= 48; layers += p) {
      const double time = megatron(llama(layers, 4096, 32, 14336), 1, p, 1, 64).seconds();
      EXPECT_GE(time, before) << layers << " blocks on " << p;
      before = time;
    }
  }
}

TEST(StepTime, EncoderDecodersUpdateAllOfTheirParameters) {
  const auto r = replicas(t5(48), 1);
  const double bytes = 26 * parameters(t5(48)).total();
  EXPECT_NEAR(seconds(r.time().optimizer), r.updates(bytes), 0.02 * seconds(r.time().optimizer));
}

TEST(StepTime, MoreMicroBatchesMakeASmallerBubble) {
  double before = 1;
  for (double m = 1; m < 1000; m *= 2) {
    const auto t = megatron(gpt(48, 4096, 32, 0), 8, 8, 4, m).time();
    EXPECT_LT(t.pipeline / t.total(), before) << m;
    before = t.pipeline / t.total();
  }
  EXPECT_LT(before, 0.02);
}

TEST(StepTime, GradientsHideBehindTheBackwardPass) {
  // Long steps hide them but for a share, short ones do not.
  auto r = replicas(llama_8b(), 64);
  r.shard.micro_batch = 8;
  const auto exchange = [](StepRun run) {
    run.stack.legacy = true;  // nothing hides
    run.stack.flash_attention = true;
    return seconds(run.time().dp);
  };
  const double hidden = seconds(r.time().dp);
  EXPECT_LT(hidden, 0.3 * exchange(r) * 2);
  EXPECT_GT(hidden, 0);
  auto brief = replicas(llama_8b(), 64);
  brief.shard.seq_len = 128;
  EXPECT_GT(seconds(brief.time().dp), 2 * hidden);

  // Nothing to exchange: one replica, or frozen weights.
  EXPECT_EQ(seconds(replicas(llama_8b(), 1).time().dp), 0);
  r.shard.frozen = true;
  EXPECT_EQ(seconds(r.time().dp), 0);
  EXPECT_EQ(seconds(r.time().optimizer), 0);

  // Reduce-scatter of gradients and gather of weights: 4 and 2 bytes a parameter.
  auto bare = replicas(llama_8b(), 64);
  bare.shard.seq_len = 1;
  bare.device.links.far = 1e8;
  const double far = bare.device.links.far * bare.constants.scaleout / bare.software();
  const double bytes = 6 * parameters(llama_8b()).total() / 8 * 63 / 64;
  EXPECT_NEAR(seconds(bare.time().dp), bytes / far, 0.03 * bytes / far);
}

TEST(StepTime, OptimizerIsSharedOut) {
  auto r = replicas(llama_8b(), 1);
  const double alone = seconds(r.time().optimizer);
  // 26 bytes of each parameter, read and written.
  EXPECT_NEAR(alone, r.updates(26 * parameters(llama_8b()).total()), 0.001 * alone);
  for (const double dp : {2.0, 64.0}) {
    r.schedule.dp = dp;
    EXPECT_NEAR(seconds(r.time().optimizer), alone / dp, 1e-9 * alone);
  }
  r.schedule.sharding = Sharding::none;
  EXPECT_NEAR(seconds(r.time().optimizer), alone, 1e-9 * alone);
  // A rank holds 1/(tp pp) of the weights.
  const auto split = megatron(llama(32, 4096, 32, 14336, 0), 4, 4, 1, 8);
  const auto whole = megatron(llama(32, 4096, 32, 14336, 0), 1, 1, 1, 8);
  EXPECT_NEAR(seconds(split.time().optimizer), seconds(whole.time().optimizer) / 16,
              0.01 * seconds(whole.time().optimizer) / 16);
}

TEST(StepTime, NoPartIsNegative) {
  // So long that the gathers vanish beside the work.
  for (const double length : {1.0, 4096.0, 1e6, 1e9}) {
    auto r = fully_sharded(llama_8b(), 64);
    r.shard.seq_len = length;
    const auto t = r.time();
    for (const auto& part : kStepParts) {
      EXPECT_GE(seconds(t.*part.part), 0) << part.name << " at " << length;
    }
  }
}

TEST(StepTime, FrozenWeightsAreGatheredTwice) {
  auto r = fully_sharded(llama_70b(), 64);
  r.device.links.far = 1e8;  // nothing but the network counts
  const double trained = r.seconds();
  r.shard.frozen = true;
  EXPECT_NEAR(r.seconds() / trained, 2.0 / 3, 0.02);
}

TEST(StepTime, MessagesGoFromStageToStage) {
  auto r = megatron(llama(32, 4096, 32, 14336, 0), 4, 4, 2, 16);
  r.schedule.interleave = 2;
  const auto v = step_speed(r.device, r.stack, r.constants);
  // There and back, for each micro-batch and chunk, in 16 bits.
  const double bytes = 2 * 16 * 2 * 2 * 4096.0 * 4096 / 4;
  const double exposed = r.constants.p2p * r.software();
  EXPECT_NEAR(seconds(r.time().p2p), exposed * bytes / v.links.far, 1e-9);
  // The next stage is in the same node.
  r.schedule.dp = 1;
  EXPECT_NEAR(seconds(r.time().p2p), exposed * bytes / v.links.near, 1e-9);
}

TEST(StepTime, ExpertsHaveTheirOwnRing) {
  auto r = replicas(mixtral_8x7b(), 64);
  r.shard.ep = 8;
  r.shard.seq_len = 1;
  r.device.links.far = 1e8;
  const double far = r.device.links.far * r.constants.scaleout / r.software();
  const auto p = parameters(r.architecture);
  const double rest = p.total() - p.routed_experts;
  // Eight experts on the devices of a node: each device sends its own through its own card. What
  // all of them share goes through eight cards.
  const double bytes = 6 * (p.routed_experts / 8 * 7 / 8 + rest * 63 / 64 / 8);
  EXPECT_NEAR(seconds(r.time().dp), bytes / far, 0.03 * bytes / far);
  // The states of all of them are shared out over all devices.
  EXPECT_NEAR(seconds(r.time().optimizer), r.updates(26 * p.total() / 64),
              0.001 * seconds(r.time().optimizer));
  // Without expert parallelism they are split as everything else.
  auto split = megatron(mixtral_8x7b(), 4, 1, 1, 8);
  EXPECT_NEAR(seconds(split.time().optimizer), split.updates(26 * p.total() / 4),
              0.001 * seconds(split.time().optimizer));
}

TEST(StepTime, EmbeddingAndHeadStandOnTheOuterStages) {
  const auto a = llama(32, 4096, 32, 14336, 512000);
  auto r = megatron(a, 1, 4, 1, 8);
  const auto m = r.model();
  const double stage = (parameters(a).total() - m.edge_params) / 4 + m.edge_params / 2;
  EXPECT_NEAR(seconds(r.time().optimizer), r.updates(26 * stage),
              0.001 * seconds(r.time().optimizer));
}

TEST(StepTime, ATpuSliceIsOneNode) {
  auto r = fully_sharded(llama_8b(), 256);
  r.device = tpu_v5e();
  r.stack.stack = Stack::xla;
  const auto slowed = [&] {
    return seconds(r.time().total()) / seconds(r.time().total() - r.time().scale);
  };
  EXPECT_NEAR(slowed(), 1, 1e-9);
  r.schedule.dp = 512;
  EXPECT_NEAR(slowed(), 1 + r.constants.jitter, 1e-9);
}

TEST(StepTime, BlocksHoldTheParametersOfTheModel) {
  for (const auto& [name, a] : every_kind()) {
    if (a.decoder_layers > 0) continue;  // a token runs through half of the blocks
    const auto m = step_model(a, 2048);
    const double total =
        m.layers * (m.split_params + m.whole_params + m.expert_params) + m.edge_params;
    EXPECT_NEAR(total, parameters(a).total(), 0.01 * parameters(a).total()) << name;
  }
}

TEST(StepTime, BlocksDoTheWorkOfTheModel) {
  // Products at the peak and nothing else: the FLOPs of the model.
  for (const auto& [name, a] : every_kind()) {
    if (a.mtp_layers > 0) continue;
    const auto m = step_model(a, 2048);
    const auto product = [](const StepModel::Product& x) { return 2 * x.width * x.depth; };
    double work = 0;
    for (std::size_t i = 0; i < m.attentions; ++i) {
      work += m.attention_layers * product(m.attention[i]);
    }
    for (std::size_t i = 0; i < m.ssms; ++i) work += m.ssm_layers * product(m.ssm[i]);
    work += 2 * m.dense_layers * m.ffn_matrices * m.hidden * m.ffn;
    work += 2 * m.moe_layers * m.ffn_matrices *
            (m.experts_met * m.expert * m.expert_depth + m.shared * m.hidden);
    if (m.moe_layers > 0 && m.expert_depth != m.hidden) {
      work += 2 * m.moe_layers * 2 * m.expert_depth * m.hidden;
    }
    const auto counted = token_work(a, 2048);
    EXPECT_NEAR(work, counted.blocks() - counted.router, 0.001 * work) << name;
    EXPECT_NEAR(m.attention_layers * m.core_flop, counted.attention_causal,
                0.001 * counted.attention_causal)
        << name;
    EXPECT_NEAR(m.ssm_layers * m.scan_flop, counted.state_space, 0.001 * counted.state_space)
        << name;
  }
}

/// A plan that may not even fit, of any kind of run.
StepRun random_run(std::mt19937& random, const Architecture& a) {
  const auto pick = [&](auto... of) {
    const std::array values{static_cast<double>(of)...};
    return values[std::uniform_int_distribution<std::size_t>{0, values.size() - 1}(random)];
  };
  StepRun r;
  r.architecture = a;
  const std::array devices{a100(), h100(), b200(), tpu_v5e(), in_fp8(h100()), StepDevice{}};
  r.device = devices[static_cast<std::size_t>(pick(0, 1, 2, 3, 4, 5))];
  if (r.device.peak == 0) {  // hardly anything is known
    r.device.peak = r.device.peak_half = 1e13;
    r.device.memory = 1e11;
  }
  r.stack.stack = static_cast<Stack>(static_cast<int>(pick(0, 1, 2, 3, 4)));
  r.stack.year = pick(2018, 2022.5, 2024, 2025, 2026.5, 2030);
  r.stack.legacy = pick(0, 0, 1) > 0;
  r.stack.flash_attention = pick(0, 1, 1) > 0;
  r.shard.tp = pick(1, 1, 2, 4, 8, 16);
  r.shard.cp = pick(1, 1, 2, 8);
  r.shard.ep = a.experts > 0 ? pick(1, 2, 8, 64) : 1;
  r.shard.sequence_parallel = pick(0, 1) > 0;
  r.shard.seq_len = pick(1, 128, 2048, 8192, 131072, 1e6);
  r.shard.micro_batch = pick(1, 1, 4, 64);
  r.shard.recompute = static_cast<Recompute>(static_cast<int>(pick(0, 1, 2)));
  r.shard.recompute_stated = pick(0, 1) > 0;
  r.shard.frozen = pick(0, 0, 0, 1) > 0;
  r.schedule.pp = pick(1, 1, 2, 3, 8, 64);
  r.schedule.interleave = pick(1, 1, 2, 5);
  r.schedule.dp = pick(1, 2, 8, 24, 4096);
  r.schedule.sharding = static_cast<Sharding>(static_cast<int>(pick(0, 1, 2, 3)));
  r.schedule.micro_batches = pick(1, 2, 16, 1024);
  return r;
}

std::string described(const StepRun& r) {
  std::string text;
  for (const auto& [what, value] : std::initializer_list<std::pair<const char*, double>>{
           {"device", r.device.peak},
           {"stack", static_cast<double>(r.stack.stack)},
           {"year", r.stack.year},
           {"legacy", r.stack.legacy ? 1 : 0},
           {"flash", r.stack.flash_attention ? 1 : 0},
           {"tp", r.shard.tp},
           {"cp", r.shard.cp},
           {"ep", r.shard.ep},
           {"s", r.shard.seq_len},
           {"b", r.shard.micro_batch},
           {"recompute", static_cast<double>(r.shard.recompute)},
           {"stated", r.shard.recompute_stated ? 1 : 0},
           {"frozen", r.shard.frozen ? 1 : 0},
           {"pp", r.schedule.pp},
           {"v", r.schedule.interleave},
           {"dp", r.schedule.dp},
           {"sharding", static_cast<double>(r.schedule.sharding)},
           {"m", r.schedule.micro_batches}}) {
    text += std::string{what} + " " + std::to_string(value) + " ";
  }
  return text;
}

TEST(StepTime, PartsAddUp) {
  std::mt19937 random{20240229};
  for (const auto& [name, a] : every_kind()) {
    for (int i = 0; i < 2000; ++i) {
      const auto r = random_run(random, a);
      const auto t = r.time();
      double sum = 0;
      const double total = seconds(t.total());
      ASSERT_TRUE(std::isfinite(total)) << name << ": " << described(r);
      ASSERT_GT(total, 0) << name << ": " << described(r);
      for (const auto& part : kStepParts) {
        const double time = seconds(t.*part.part);
        sum += time;
        ASSERT_TRUE(std::isfinite(time)) << part.name << " of " << name << ": " << described(r);
        ASSERT_GE(time, -1e-12 * total) << part.name << " of " << name << ": " << described(r);
      }
      ASSERT_NEAR(sum, total, 1e-9 * total) << name << ": " << described(r);
    }
  }
}

// No device does more than its peak, whatever the plan.
TEST(StepTime, NothingIsFasterThanThePeak) {
  std::mt19937 random{17};
  for (const auto& [name, a] : every_kind()) {
    for (int i = 0; i < 2000; ++i) {
      auto r = random_run(random, a);
      // Interleaving needs a micro-batch for each stage.
      r.schedule.micro_batches = std::max(r.schedule.micro_batches, r.schedule.pp);
      const auto work = token_work(a, r.shard.seq_len);
      const double passes = r.shard.frozen ? 2 : 3;
      const double flop =
          passes * (work.blocks() - work.router) + 3 * (work.attention_causal + work.state_space);
      const auto t = r.time();
      const double rate = r.tokens() * flop / seconds(t.total() - t.scale) / r.devices();
      ASSERT_LT(rate, r.device.peak) << name << ": " << described(r);
    }
  }
}

TEST(StepTime, StackIsAFactorOfAllParts) {
  auto r = replicas(llama_8b(), 8);
  const auto t = r.time();
  EXPECT_EQ(t.scale, Time{}) << "one node";
  auto slower = r;
  slower.constants.megatron *= 1.25;
  const auto u = slower.time();
  for (const auto& part : kStepParts) {
    EXPECT_NEAR(seconds(u.*part.part), 1.25 * seconds(t.*part.part), 1e-12) << part.name;
  }
  // Each doubling of the nodes adds the same share.
  r.schedule.dp = 64;
  const auto eight = r.time();
  EXPECT_NEAR(seconds(eight.total()) / seconds(eight.total() - eight.scale),
              1 + 3 * r.constants.jitter, 1e-9);
}

// A planner that compares plans would exploit a cliff.
TEST(StepTime, NearbyShapesTakeNearlyAsLong) {
  std::mt19937 random{7};
  struct Dimension {
    const char* name;
    std::function<void(StepRun&, double)> scale;
  };
  const std::array dimensions{
      Dimension{"sequence", [](StepRun& r, double x) { r.shard.seq_len *= x; }},
      Dimension{"micro-batch", [](StepRun& r, double x) { r.shard.micro_batch *= x; }},
      Dimension{"hidden", [](StepRun& r, double x) { r.architecture.hidden *= x; }},
      Dimension{"ffn", [](StepRun& r, double x) { r.architecture.ffn_hidden *= x; }},
      Dimension{"expert", [](StepRun& r, double x) { r.architecture.expert_ffn_hidden *= x; }},
      Dimension{"vocab", [](StepRun& r, double x) { r.architecture.vocab *= x; }},
      Dimension{"head", [](StepRun& r, double x) { r.architecture.head_dim *= x; }},
      Dimension{"window", [](StepRun& r, double x) { r.architecture.window *= x; }},
      Dimension{"peak",
                [](StepRun& r, double x) {
                  r.device.peak *= x;
                  r.device.peak_half *= x;
                }},
      Dimension{"watts", [](StepRun& r, double x) { r.device.watts *= x; }},
      Dimension{"memory", [](StepRun& r, double x) { r.device.memory *= x; }},
      Dimension{"near", [](StepRun& r, double x) { r.device.links.near *= x; }},
      Dimension{"far", [](StepRun& r, double x) { r.device.links.far *= x; }},
      Dimension{"micro-batches", [](StepRun& r, double x) { r.schedule.micro_batches *= x; }},
  };
  for (const auto& [name, a] : every_kind()) {
    for (int i = 0; i < 200; ++i) {
      auto r = random_run(random, a);
      r.constants.misaligned = 1e-9;
      const double before = r.seconds();
      for (const auto& d : dimensions) {
        // Off 16 bytes they lose the tensor cores: no near shape.
        if (d.name == std::string_view{"head"} && !r.stack.flash_attention) continue;
        auto near = r;
        d.scale(near, 1.01);
        ASSERT_NEAR(near.seconds(), before, 0.05 * before)
            << d.name << " of " << name << ": " << described(r);
      }
    }
  }
}

TEST(StepTime, BetterHardwareIsNeverSlower) {
  std::mt19937 random{11};
  struct Part {
    const char* name;
    std::function<void(StepDevice&)> improve;
  };
  const std::array parts{
      Part{"peak",
           [](StepDevice& d) {
             d.peak *= 1.5;
             d.peak_half *= 1.5;
           }},
      Part{"power", [](StepDevice& d) { d.watts *= 1.5; }},
      Part{"memory", [](StepDevice& d) { d.memory *= 1.5; }},
      Part{"near", [](StepDevice& d) { d.links.near *= 1.5; }},
      Part{"far", [](StepDevice& d) { d.links.far *= 1.5; }},
  };
  for (const auto& [name, a] : every_kind()) {
    for (int i = 0; i < 500; ++i) {
      const auto r = random_run(random, a);
      for (const auto& part : parts) {
        auto better = r;
        part.improve(better.device);
        ASSERT_LE(better.seconds(), r.seconds() * (1 + 1e-9))
            << part.name << " of " << name << ": " << described(r);
      }
    }
  }
}

TEST(StepTime, MoreWorkTakesLonger) {
  std::mt19937 random{13};
  for (const auto& [name, a] : every_kind()) {
    for (int i = 0; i < 500; ++i) {
      const auto r = random_run(random, a);
      auto longer = r;
      longer.shard.seq_len *= 2;
      ASSERT_GT(longer.seconds(), r.seconds()) << name << ": " << described(r);
      auto more = r;
      more.schedule.micro_batches *= 2;
      ASSERT_GT(more.seconds(), r.seconds()) << name << ": " << described(r);
      auto deeper = r;
      deeper.shard.recompute = Recompute::full;
      auto kept = r;
      kept.shard.recompute = Recompute::none;
      ASSERT_GE(deeper.seconds(), kept.seconds()) << name << ": " << described(r);
    }
  }
}

}  // namespace
}  // namespace pretrain::models
