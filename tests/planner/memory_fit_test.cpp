#include "planner/memory_fit.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/parameters.hpp"
#include "planner/explain.hpp"
#include "tests/planner/rows.hpp"

namespace pretrain::planner {
namespace {

const std::string kHeader = "architecture,device,devices,tokens_b,tp,pp,dp,";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

const models::FitVerdict& verdict(const OneRun& run) {
  const auto& fit = run.result().estimate.fit;
  if (!fit.verdict) throw std::logic_error("no memory: " + run.failure().what);
  return *fit.verdict;
}

std::string input_of(const OneRun& run, std::string_view column, Basis basis) {
  for (const auto& input : inputs_of(run.result())) {
    if (input.column != column || input.basis != basis) continue;
    if (const auto* text = std::get_if<std::string_view>(&input.value)) return std::string{*text};
    return fmt::format("{:g}", std::get<double>(input.value));
  }
  return "absent";
}

TEST(MemoryFit, MeetsPublishedPeaksOfMegatron) {
  std::ifstream in{std::string{PRETRAIN_SOURCE_DIR} + "/validation/cases/memory.csv"};
  ASSERT_TRUE(in);
  std::size_t compared = 0;
  for_each_row(in, "memory.csv", [&](const RunRow& row) {
    if (row.text(Col::framework_family) != "megatron" ||
        row.text(Col::memory_kind) != "allocated") {
      return;
    }
    Result result;
    estimate_row(row, shipped_catalogue(), {}, result);
    const Comparisons comparisons{row, result, Predicted{result}, shipped_catalogue()};
    const auto* memory = comparisons.find(Key::memory_gib_per_device);
    ASSERT_TRUE(memory != nullptr && memory->delta) << row.text(Col::id);
    EXPECT_NEAR(*memory->delta, 0, 0.05) << row.text(Col::id);
    EXPECT_EQ(memory->scope, "allocated");
    EXPECT_EQ(result.status(), Status::ok) << row.text(Col::id);
    ++compared;
  });
  EXPECT_GE(compared, 19U);
}

TEST(MemoryFit, PublishedRunsThatRanOutOfMemoryAreRefused) {
  std::ifstream in{std::string{PRETRAIN_SOURCE_DIR} + "/validation/cases/memory.csv"};
  std::size_t refused = 0;
  for_each_row(in, "memory.csv", [&](const RunRow& row) {
    if (row.text(Col::memory_kind) != "oom") return;
    Result result;
    estimate_row(row, shipped_catalogue(), {}, result);
    if (result.status() == Status::infeasible) ++refused;
  });
  EXPECT_GE(refused, 3U) << "of six, of which three are nearer to the edge than the model is good";
}

TEST(MemoryFit, ModelsTooLargeForTheirDevicesAreInfeasible) {
  const OneRun run{joined(kHeader + "seq_len", "llama-3.1-405b,H100,8,15600,1,1,8,8192")};
  EXPECT_TRUE(run.ok()) << "there are predictions";
  EXPECT_EQ(run.result().status(), Status::infeasible);
  EXPECT_GT(run[Key::memory_gib_per_device], 80);
  EXPECT_GT(run[Key::training_days], 0);
  const auto why = reason(run.result());
  EXPECT_TRUE(contains(why, " GiB of 78 usable on h100-sxm: weights ")) << why;
  EXPECT_TRUE(contains(why, "(tp 1, pp 1, dp 8, sharding zero3, recompute full")) << why;
  const auto help = remedy(run.result(), shipped_catalogue());
  EXPECT_TRUE(help.starts_with("what would make it fit: ")) << help;
  EXPECT_TRUE(contains(help, " devices with sharding zero3, full recomputation")) << help;

  // Meta's own plan fits.
  const OneRun meta{joined(kHeader + "seq_len,global_batch_seqs,framework_family",
                           "llama-3.1-405b,H100,16384,15600,8,16,128,8192,2048,megatron")};
  EXPECT_EQ(meta.result().status(), Status::ok) << reason(meta.result());
  EXPECT_EQ(reason(meta.result()), "");
  EXPECT_EQ(remedy(meta.result(), shipped_catalogue()), "");
}

TEST(MemoryFit, RemediesAreTriedAndMakeItFit) {
  const std::string header = kHeader + "seq_len,micro_batch_seqs,recompute,sharding";
  const std::string row = "llama-3.1-8b,H100,16,1000,1,1,16,8192,4,";
  const OneRun none{joined(header, row + "none,zero1")};
  ASSERT_EQ(none.result().status(), Status::infeasible);
  const auto help = remedy(none.result(), shipped_catalogue());
  // "what would make it fit: A: x GiB; or B: y GiB", and they do.
  EXPECT_TRUE(contains(help, "recomputation: ") && contains(help, "; or ")) << help;
  EXPECT_EQ(OneRun(joined(header, row + "full,zero1")).result().status(), Status::ok) << help;
  EXPECT_TRUE(contains(help, "full recomputation")) << help;
}

TEST(MemoryFit, WhatIsOpenIsChosenAndSaid) {
  const OneRun open{joined("architecture,device,devices,tokens_b", "llama-3.1-8b,H100,64,1000")};
  EXPECT_TRUE(open.result().estimate.fit.chose_plan);
  EXPECT_EQ(input_of(open, "tp", Basis::model), "1");
  EXPECT_EQ(input_of(open, "dp", Basis::model), "64");
  EXPECT_EQ(input_of(open, "sharding", Basis::model), "zero3");
  EXPECT_NE(input_of(open, "recompute", Basis::model), "absent");
  EXPECT_NE(input_of(open, "micro_batch_seqs", Basis::model), "absent");
  EXPECT_EQ(input_of(open, "weight_bytes", Basis::model), "2");
  // Recomputation follows the micro-batch: of one sequence everything can be kept.
  const OneRun short_one{joined("architecture,device,devices,tokens_b,micro_batch_seqs",
                                "llama-3.1-8b,H100,64,1000,1")};
  EXPECT_EQ(input_of(short_one, "micro_batch_seqs", Basis::given), "1");
  EXPECT_EQ(input_of(short_one, "recompute", Basis::model), "none");

  const OneRun partly{joined("architecture,device,devices,tokens_b,tp,framework_family,recompute",
                             "llama-3.1-8b,H100,64,1000,2,megatron,full")};
  EXPECT_FALSE(partly.result().estimate.fit.chose_plan);
  EXPECT_EQ(input_of(partly, "tp", Basis::given), "2");
  EXPECT_EQ(input_of(partly, "pp", Basis::fallback), "1") << "published plans leave it blank";
  EXPECT_EQ(input_of(partly, "dp", Basis::model), "32");
  EXPECT_EQ(input_of(partly, "recompute", Basis::given), "full");
  EXPECT_EQ(verdict(partly).recipe.stack, models::Stack::megatron);

  // Only how sequences are divided says nothing of the model.
  const OneRun sequences{joined("architecture,device,devices,tokens_b,cp,seq_len",
                                "llama-3.1-8b,H100,64,1000,4,131072")};
  EXPECT_TRUE(sequences.result().estimate.fit.chose_plan);
  EXPECT_EQ(verdict(sequences).plan.cp, 4);

  // A plan that is given is used when predicting blind, too.
  const OneRun blind{joined("architecture,device,devices,tokens_b,tp", "llama-3.1-8b,H100,64,1,4"),
                     kBlind};
  EXPECT_EQ(verdict(blind).plan.tp, 4);
  // The devices of a whole plan need not be told again.
  const OneRun devices{joined("architecture,device,tp,pp,dp", "llama-3.1-8b,H100,2,2,8")};
  EXPECT_EQ((*devices.result().estimate.duration.devices).in(device), 32);
}

TEST(MemoryFit, ParametersAloneHaveAUsualShape) {
  const std::string header = "params_b,device,devices,tokens_b,";
  const OneRun dense{joined(header + "tp,seq_len", "70,H100,64,1000,8,4096")};
  const OneRun llama{
      joined("architecture,device,devices,tokens_b,tp,seq_len", "llama-2-70b,H100,64,1000,8,4096")};
  expect_near(dense[Key::memory_gib_per_device], llama[Key::memory_gib_per_device], 0.1);
  EXPECT_FALSE(dense.scenario().counted) << "the work is still that of the parameters";
  EXPECT_EQ(input_of(dense, "layers", Basis::model),
            fmt::format("{:g}", dense.scenario().architecture.layers));
  EXPECT_EQ(dense[Key::training_flops], 6 * 70e9 * 1000e9);
  // A mixture keeps its totals.
  const OneRun mixture{
      joined("type,active_params_b," + header + "sharding", "moe,12.9,46.7,H100,64,1000,zero3")};
  expect_near(models::parameters(mixture.scenario().architecture).total(), 46.7e9, 0.01);
  expect_near(models::parameters(mixture.scenario().architecture).active(), 12.9e9, 0.1);
}

TEST(MemoryFit, RowsThatDoNotSayHowTheyAreTrainedAreNotJudged) {
  // Those of LLMCarbon: the first usual plan that fits, and no verdict where none does.
  const OneRun run{joined("params_b,device,devices,tokens_b", "175,V100,10000,300")};
  EXPECT_EQ(run.result().status(), Status::ok);
  EXPECT_TRUE(run.result().estimate.fit.chose_plan);
  EXPECT_TRUE(verdict(run).fits);
  EXPECT_LE(run[Key::memory_gib_per_device], verdict(run).capacity.in(gibibyte));
  const OneRun crowded{joined("params_b,device,devices,tokens_b", "1000,V100,8,300")};
  EXPECT_FALSE(verdict(crowded).fits);
  EXPECT_FALSE(crowded.result().estimate.fit.judged);
  EXPECT_EQ(crowded.result().status(), Status::ok) << "the shape is only a usual one";
  EXPECT_TRUE(crowded.has(Key::training_days));
  // What is counted, or says how it is trained, is judged.
  for (const auto& csv :
       {joined("architecture,device,devices,tokens_b", "llama-3.1-405b,V100,8,300"),
        joined("params_b,device,devices,tokens_b,seq_len", "1000,V100,8,300,2048")}) {
    EXPECT_EQ(OneRun(csv).result().status(), Status::infeasible) << csv;
  }
  // The regression needs no plan.
  const OneRun regressed{joined("params_b,device,devices,tokens_b", "175,V100,10000,300"), kSixNd};
  EXPECT_FALSE(regressed.has(Key::memory_gib_per_device));
}

TEST(MemoryFit, OpenBatchesTakeWhatFitsOfAUsualOne) {
  constexpr double kUsualTokens = 32768;
  for (const char* cells :
       {"llama-3.1-8b,H100,64,", "llama-3.1-70b,H100,64,8192", "llama-2-7b,A100-40GB,8,2048",
        "gpt2-xl,V100,8,1024", "llama-3.1-8b,tpu-v5p,64,65536"}) {
    const OneRun run{joined("architecture,device,devices,seq_len", cells)};
    const auto& v = verdict(run);
    const double tokens = v.recipe.micro_batch * v.recipe.seq_len;
    EXPECT_TRUE(v.fits) << cells;
    EXPECT_LE(tokens, std::max(kUsualTokens, v.recipe.seq_len)) << cells;
    EXPECT_GE(v.recipe.micro_batch, 1) << cells;
  }
  const OneRun roomy{joined("architecture,device,devices,seq_len", "gpt2-medium,H100,8,1024")};
  EXPECT_EQ(verdict(roomy).recipe.micro_batch * 1024, kUsualTokens);
  // In Megatron one sequence is usual, or as many tokens in shorter ones.
  const OneRun megatron{joined("architecture,device,devices,seq_len,framework_family",
                               "gpt2-medium,H100,8,1024,megatron")};
  EXPECT_EQ(verdict(megatron).recipe.micro_batch, 2);
}

// ---- whose plan

const std::string kPlanned =
    "architecture,device,devices,seq_len,global_batch_seqs,tp,pp,micro_batch_seqs,"
    "framework_family,recompute,cp";
const std::vector<std::string> kPlans{
    "llama-3.1-8b,H100,64,8192,512,2,1,1,megatron,none,",
    "llama-3.1-8b,H100,64,8192,512,,,,fsdp_torch,full,",
    "llama-3.1-8b,MI300X,64,8192,512,1,1,2,,selective,",
    "llama-3.1-8b,H100,64,131072,64,4,1,1,megatron,none,4",
    "llama-3.1-70b,H100,512,8192,1024,8,4,1,megatron,none,",
    "llama-3.1-405b,H100,16384,8192,2048,8,16,1,megatron,selective,",
    "llama-2-70b,A100,256,4096,1024,8,4,1,megatron,selective,",
    "llama-2-7b,A100,64,4096,1024,1,1,4,fsdp_torch,full,",
    "llama-3.1-8b,tpu-v5p,256,8192,512,,,,maxtext_xla,full,",
    "gpt2-xl,V100,8,1024,512,1,1,8,,full,",
    "mixtral-8x7b,H100,128,4096,1024,4,2,1,megatron,none,",
    "nemotron-3-super,B200,512,8192,3072,2,1,1,megatron,selective,"};

TEST(PlanSearch, TheBestPlanIsNeverSlower) {
  std::size_t compared = 0;
  for (const auto& cells : kPlans) {
    const auto csv = joined(kPlanned, cells);
    const OneRun best{csv, {.plan = PlanMode::best}};
    ASSERT_EQ(best.result().status(), Status::ok) << cells << reason(best.result());
    EXPECT_TRUE(best.result().estimate.fit.chose_plan);
    EXPECT_FALSE(verdict(best).tight) << cells;
    EXPECT_EQ(place_of(best.result().estimate.rate.mfu), "efficiency.step");
    for (const auto mode : {PlanMode::stated, PlanMode::usual}) {
      const OneRun other{csv, {.plan = mode}};
      if (other.result().status() != Status::ok) continue;
      EXPECT_GE(best[Key::tokens_per_s_per_device],
                other[Key::tokens_per_s_per_device] * (1 - 1e-9))
          << cells << (mode == PlanMode::usual ? " usual" : " as stated");
      ++compared;
    }
  }
  EXPECT_GE(compared, 20U);
}

TEST(PlanSearch, TheBestPlanIsNeverSlowerThanOneOfOpenRecomputation) {
  const auto csv = joined(kPlanned, "llama-3.1-8b,V100,64,4096,1024,2,1,1,,,");
  const OneRun stated{csv};
  const OneRun best{csv, {.plan = PlanMode::best}};
  ASSERT_EQ(stated.result().status(), Status::ok);
  EXPECT_GE(best[Key::tokens_per_s_per_device], stated[Key::tokens_per_s_per_device] * (1 - 1e-9));
}

TEST(PlanSearch, ItsOwnPlanIsAmongThoseOfARow) {
  // Degrees that the search itself does not try.
  const auto csv = joined(
      "architecture,device,devices,seq_len,global_batch_seqs,tp,pp,dp,micro_batch_seqs,interleave,"
      "framework_family,sequence_parallel",
      "llama-3.1-405b,H100,1152,8192,1152,8,9,16,1,7,megatron,true");
  const OneRun stated{csv};
  const OneRun best{csv, {.plan = PlanMode::best}};
  ASSERT_EQ(stated.result().status(), Status::ok) << reason(stated.result());
  EXPECT_GE(best[Key::tokens_per_s_per_device], stated[Key::tokens_per_s_per_device] * (1 - 1e-9));
}

TEST(PlanSearch, TheBestPlanIsWhole) {
  for (const auto& cells : kPlans) {
    const OneRun run{joined(kPlanned, cells), {.plan = PlanMode::best}};
    const auto& plan = verdict(run).plan;
    EXPECT_EQ(plan.tp * plan.pp * plan.cp * plan.dp, (*run.scenario().devices).in(device)) << cells;
    EXPECT_GE(*run.scenario().global_batch, plan.dp) << cells;
    const double sequences = plan.dp * verdict(run).recipe.micro_batch;
    EXPECT_EQ(std::fmod(*run.scenario().global_batch, sequences), 0) << cells;
    EXPECT_LE(plan.pp, run.scenario().architecture.layers) << cells;
    EXPECT_EQ(std::fmod(run.scenario().architecture.heads, plan.tp), 0) << cells;
  }
}

TEST(PlanSearch, TimeAndMemoryAreThoseOfOnePlan) {
  for (const auto mode : {PlanMode::stated, PlanMode::usual, PlanMode::best}) {
    for (const auto& cells : kPlans) {
      SCOPED_TRACE(static_cast<int>(mode));
      const OneRun run{joined(kPlanned, cells), {.plan = mode}};
      ASSERT_TRUE(run.ok()) << cells;
      const auto& question = run.result().estimate.step.question;
      ASSERT_TRUE(question) << cells;
      const auto& plan = verdict(run).plan;
      EXPECT_EQ(question->shard.tp, plan.tp) << cells;
      EXPECT_EQ(question->shard.ep, plan.ep) << cells;
      EXPECT_EQ(question->schedule.pp, plan.pp) << cells;
      EXPECT_EQ(question->schedule.dp, plan.dp) << cells;
      EXPECT_EQ(question->shard.micro_batch, verdict(run).recipe.micro_batch) << cells;
    }
  }
}

TEST(PlanSearch, UsualAndBestPassOverTheStatedPlan) {
  const std::string header = "architecture,device,devices,tokens_b,tp,pp,micro_batch_seqs";
  for (const auto mode : {PlanMode::usual, PlanMode::best}) {
    const OneRun stated{joined(header, "llama-3.1-8b,H100,64,1000,8,4,1"), {.plan = mode}};
    const OneRun blank{joined(header, "llama-3.1-8b,H100,64,1000,,,"), {.plan = mode}};
    EXPECT_TRUE(stated.result().estimate.fit.chose_plan);
    EXPECT_EQ(stated[Key::mfu], blank[Key::mfu]);
    EXPECT_EQ(stated[Key::memory_gib_per_device], blank[Key::memory_gib_per_device]);
    EXPECT_EQ(input_of(stated, "tp", Basis::given), "absent");
  }
}

TEST(PlanSearch, WhatAPlanWouldRecomputeIsNotCountedInAnother) {
  // In the convention that counts recomputation, of a plan that does less of it.
  const std::string header =
      "architecture,device,devices,tokens_b,seq_len,global_batch_seqs,tp,micro_batch_seqs,"
      "recompute,reported_flop_convention";
  const auto csv = joined(header, "llama-3.1-8b,H100,64,1000,4096,1024,2,1,full,hardware");
  const OneRun best{csv, {.plan = PlanMode::best}};
  ASSERT_NE(verdict(best).recipe.recompute, models::Recompute::full);
  const OneRun given{csv};
  EXPECT_LT(best[Key::tflops_per_device] / best[Key::tokens_per_s_per_device],
            0.99 * given[Key::tflops_per_device] / given[Key::tokens_per_s_per_device]);
}

TEST(PlanSearch, ShapesThatAreOnlyUsualAreNotJudged) {
  for (const auto mode : {PlanMode::stated, PlanMode::usual, PlanMode::best}) {
    const OneRun run{joined("params_b,device,devices,tokens_b", "1000,V100,8,300"), {.plan = mode}};
    EXPECT_EQ(run.result().status(), Status::ok) << static_cast<int>(mode);
  }
}

TEST(PlanSearch, NoMoreReplicasThanSequences) {
  const std::string header = "architecture,device,devices,tokens_b,seq_len,global_batch_seqs,tp";
  for (const auto mode : {PlanMode::stated, PlanMode::usual, PlanMode::best}) {
    for (const char* tp : {"", "2"}) {
      const OneRun run{joined(header, "llama-2-7b,H100,256,100,4096,64," + std::string{tp}),
                       {.plan = mode}};
      // Refused, or with a plan that has a sequence for each replica.
      if (run.result().status() != Status::ok) continue;
      EXPECT_LE(verdict(run).plan.dp, 64) << static_cast<int>(mode) << " tp " << tp;
      expect_near(run[Key::iteration_s], run.result().estimate.step.time.total().in(second), 1e-9);
    }
  }
}

TEST(PlanSearch, AStepHasTheStatedBatch) {
  const std::string header =
      "architecture,device,devices,tokens_b,seq_len,global_batch_seqs,micro_batch_seqs,tp,"
      "framework_family,recompute,micro_batches";
  // The second asks for more than there is, the third for less.
  for (const char* cells : {"llama-2-7b,B200,64,100,4096,1024,2,1,megatron,none,",
                            "llama-2-7b,B200,1024,100,4096,1024,2,1,megatron,none,",
                            "llama-2-7b,B200,64,100,4096,1024,2,1,megatron,none,2"}) {
    const OneRun run{joined(header, cells)};
    ASSERT_TRUE(run.result().estimate.step.question) << cells;
    expect_near(run.result().estimate.step.question->batch_tokens, 1024.0 * 4096);
    expect_near(run[Key::iteration_s], run.result().estimate.step.time.total().in(second), 1e-9);
  }
}

// ---- contradictions, questions

TEST(MemoryFit, ContradictionsAreErrors) {
  expect_failure(joined(kHeader + "seq_len", "llama-2-7b,H100,12,1,3,1,4,4096"),
                 "tp 3 does not divide 32 heads", Col::tp);
  expect_failure(joined(kHeader + "seq_len", "llama-2-7b,H100,64,1,1,64,1,4096"),
                 "pp 64 is more than 32 layers", Col::pp);
  expect_failure(joined(kHeader + "interleave", "llama-2-7b,H100,64,10,2,4,8,12"),
                 "interleave 12 x pp 4 is more than 32 layers", Col::interleave);
  expect_failure(joined(kHeader + "ep", "mixtral-8x7b,H100,16,1,1,1,16,16"),
                 "ep 16 is more than 8 experts", Col::ep);
  expect_failure(joined(kHeader + "ep", "llama-2-7b,H100,16,1,1,1,16,2"),
                 "ep 2 of a model without experts", Col::ep);
  expect_failure(joined("architecture,device,devices,tp,pp", "llama-3.1-70b,H100,64,8,16"),
                 "needs 128 devices, there are 64", Col::devices);
  expect_failure(
      joined("architecture,device,devices,dp,global_batch_seqs", "llama-2-7b,H100,64,64,8"),
      "dp 64 replicas share 8 sequences", Col::global_batch_seqs);
}

TEST(MemoryFit, FullPrecisionKeepsTwiceAsMuch) {
  const std::string header =
      "architecture,device,devices,seq_len,tp,pp,dp,micro_batch_seqs,recompute,sharding,dtype";
  const std::string row = "gpt2-medium,H100,8,1024,1,1,8,4,none,none,";
  const OneRun half{joined(header, row + "bf16")};
  const OneRun full{joined(header, row + "fp32")};
  const auto& a = verdict(half).memory;
  const auto& b = verdict(full).memory;
  expect_near(b.activations / a.activations, 2);
  expect_near(b.state().in(byte), 16 * full[Key::total_params]);
}

TEST(MemoryFit, ALighterOptimizerKeepsLess) {
  const auto state = [](const std::string& optimizer) {
    const OneRun run{
        joined("architecture,device,devices,seq_len,tp,pp,dp,sharding,recompute,"
               "framework_family,optimizer",
               "llama-3.2-1b,H100,8,4096,1,1,8,none,full,megatron," + optimizer)};
    return verdict(run).memory.state().in(byte) / run[Key::total_params];
  };
  expect_near(state("adam"), 18, 1e-6);
  double before = state("adam");
  for (const char* lighter : {"adam_8bit", "adafactor"}) {
    EXPECT_LT(state(lighter), before) << lighter;
  }
  EXPECT_LT(state("lion"), before);
  EXPECT_EQ(state("lion"), state("muon"));
}

TEST(MemoryFit, WhatIsChosenLeavesTheAllocatorRoom) {
  // All of the plan is open: nothing that was chosen may be tight where something else is not.
  for (const char* devices : {"16", "32", "64", "128", "512"}) {
    const OneRun run{joined("architecture,device,devices,seq_len,global_batch_seqs",
                            std::string{"llama-3.1-70b,H100,"} + devices + ",8192,1024")};
    const auto& v = verdict(run);
    if (!v.fits) continue;
    EXPECT_EQ(run.warning(Oddity::memory_tight) != nullptr, v.tight) << devices;
    EXPECT_TRUE(v.tight || v.memory.total() <= 80.0 * gibibyte) << devices;
  }
}

TEST(MemoryFit, NumbersAreChangedOnlyAfterRecomputing) {
  const OneRun run{joined("architecture,device,devices,seq_len,tp,pp,dp,micro_batch_seqs,sharding",
                          "gpt2-xl,v100-sxm2-32,8,1024,1,1,8,4,none")};
  const auto& v = verdict(run);
  EXPECT_TRUE(v.fits);
  EXPECT_FALSE(v.chose_state) << "recomputation is enough";
  EXPECT_EQ(v.recipe.recompute, models::Recompute::full);
}

TEST(MemoryFit, TheTeacherOfADistillationIsSaidToBeMissing) {
  const OneRun run{joined("architecture,device,devices,phase,teacher_params_b",
                          "llama-3.1-8b,H100,8,distill,405")};
  EXPECT_TRUE(run.warning(Oddity::teacher_memory));
}

TEST(MemoryFit, WhatDoesNotComeOutEvenIsQuestioned) {
  const auto asked = [](const std::string& header, const std::string& cells, Oddity oddity) {
    const OneRun run{joined(header, cells)};
    EXPECT_TRUE(run.ok()) << cells << run.failure().what;
    return run.warning(oddity) != nullptr;
  };
  EXPECT_TRUE(asked(kHeader + "seq_len", "llama-2-7b,H100,64,1,2,1,8,4096", Oddity::plan_devices));
  EXPECT_FALSE(asked(kHeader + "seq_len", "llama-2-7b,H100,16,1,2,1,8,4096", Oddity::plan_devices));
  EXPECT_TRUE(asked("layers,hidden,heads,kv_heads,ffn_hidden,gated_ffn,vocab,device,devices,tp",
                    "32,3072,24,12,8192,true,32000,H100,16,8", Oddity::plan_kv_heads));
  const std::string batch = kHeader + "micro_batch_seqs,global_batch_seqs";
  EXPECT_TRUE(asked(batch, "llama-2-7b,H100,16,1,2,1,8,3,256", Oddity::plan_batch));
  EXPECT_FALSE(asked(batch, "llama-2-7b,H100,16,1,2,1,8,4,256", Oddity::plan_batch));
  EXPECT_TRUE(asked(kHeader + "ep", "mixtral-8x7b,H100,16,1,1,1,16,3", Oddity::plan_experts));
  EXPECT_TRUE(asked(kHeader + "ep", "mixtral-8x7b,H100,20,1,1,1,20,8", Oddity::plan_ranks));
  EXPECT_TRUE(
      asked(kHeader + "offload", "llama-2-7b,H100,16,1,2,1,8,disk", Oddity::unknown_offload));
  // Data parallelism that was counted without that of experts.
  const OneRun beside{joined(kHeader + "ep", "mixtral-8x7b,H100,16,1,1,1,2,8")};
  EXPECT_TRUE(beside.warning(Oddity::plan_ep_beside_dp));
  EXPECT_EQ(verdict(beside).plan.dp, 16);
}

TEST(MemoryFit, ADefaultNodeIsNoVerdict) {
  const OneRun run{joined("architecture,device,tokens_b", "llama-3.1-405b,H100,15600")};
  EXPECT_EQ(run.result().status(), Status::ok);
  EXPECT_TRUE(run.warning(Oddity::default_too_small));
  EXPECT_FALSE(verdict(run).fits);
}

TEST(MemoryFit, StatedBytesAndKindsAreUsed) {
  const std::string header = kHeader + "sharding,offload,recompute,micro_batch_seqs,";
  const std::string row = "llama-2-7b,H100,8,1,1,1,8,none,";
  const OneRun adam{
      joined(header + "weight_bytes,gradient_bytes,optimizer_bytes", row + ",full,1,2,2,4")};
  expect_near(verdict(adam).memory.state().in(byte), 8 * adam[Key::total_params]);
  const OneRun host{joined(header + "weight_bytes,gradient_bytes,optimizer_bytes",
                           row + "optimizer,full,1,2,2,4")};
  expect_near(verdict(host).memory.state().in(byte), 2 * adam[Key::total_params]);
  // Adapters: the weights alone.
  const OneRun lora{joined("phase," + header + "seq_len", "lora," + row + ",full,1,2048")};
  expect_near(verdict(lora).memory.state().in(byte), 2 * adam[Key::total_params]);
  // What a device shows is more than what the framework asks for.
  const OneRun kinds{
      joined(header + "memory_kind,reported_memory_gib", row + ",full,1,reserved,50")};
  const auto compared = kinds.compared();
  const auto* memory = compared.find(Key::memory_gib_per_device);
  ASSERT_NE(memory, nullptr);
  EXPECT_GT(*memory->predicted, kinds[Key::memory_gib_per_device]);
  EXPECT_LT(*memory->predicted, verdict(kinds).memory.total().in(gibibyte));
  const OneRun part{
      joined(header + "memory_kind,reported_memory_gib", row + ",full,1,activations,5")};
  EXPECT_FALSE(part.compared().find(Key::memory_gib_per_device)->reason.empty());
}

TEST(MemoryFit, WhateverComesIsFinite) {
  // The ends of the allowed ranges: each row has a finite memory, or none.
  for (const std::string model : {"1,64,1", "100000,10000000,1", "2,128,2", "80,8192,64"}) {
    for (const std::string plan : {",,,", "1,1,1,1", "2,2,,", ",,10000000,", "1,2,3,1000000"}) {
      for (const std::string batch : {",", "1,", "1000000000,0.001", ",1000000000"}) {
        for (const std::string seq : {"", "1", "1000000000"}) {
          for (const std::string devices : {"", "1", "100000000"}) {
            const auto csv = joined(
                "layers,hidden,heads,tp,pp,dp,cp,global_batch_seqs,micro_batch_seqs,seq_len,"
                "devices,device",
                fmt::format("{},{},{},{},{},A100", model, plan, batch, seq, devices));
            const OneRun run{csv};
            if (run.ok() && run.has(Key::memory_gib_per_device)) {
              const double memory = run[Key::memory_gib_per_device];
              EXPECT_TRUE(std::isfinite(memory) && memory > 0) << csv;
            }
            if (run.result().status() != Status::ok) {
              EXPECT_FALSE(reason(run.result()).empty()) << csv;
              EXPECT_FALSE(remedy(run.result(), shipped_catalogue()).empty()) << csv;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace pretrain::planner
