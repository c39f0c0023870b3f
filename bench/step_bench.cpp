// How fast is a plan judged? Inputs change, so that nothing is hoisted that a search could not
// hoist.
#include <benchmark/benchmark.h>

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "planner/catalogue.hpp"
#include "planner/estimate.hpp"
#include "planner/plan_search.hpp"

namespace pretrain::planner {

namespace {

using Cells = std::vector<std::pair<Col, std::string_view>>;

/// Llama 3.1 405B with every part of its plan.
const Cells kKnownPlan = {{Col::name, "405B"},
                          {Col::architecture, "llama-3.1-405b"},
                          {Col::device, "h100-sxm"},
                          {Col::devices, "1024"},
                          {Col::tokens_b, "15000"},
                          {Col::seq_len, "8192"},
                          {Col::global_batch_seqs, "1024"},
                          {Col::micro_batch_seqs, "1"},
                          {Col::dtype, "bf16"},
                          {Col::recompute, "selective"},
                          {Col::tp, "8"},
                          {Col::pp, "9"},
                          {Col::dp, "14"},
                          {Col::cp, "1"},
                          {Col::interleave, "7"},
                          {Col::sharding, "zero1"},
                          {Col::sequence_parallel, "true"},
                          {Col::framework_family, "megatron"}};

const Cells kExperts = {{Col::name, "DeepSeek-V3"},
                        {Col::architecture, "deepseek-v3"},
                        {Col::device, "h100-sxm"},
                        {Col::devices, "2048"},
                        {Col::tokens_b, "14800"},
                        {Col::seq_len, "4096"},
                        {Col::global_batch_seqs, "15360"},
                        {Col::micro_batch_seqs, "1"},
                        {Col::dtype, "fp8"},
                        {Col::recompute, "full"},
                        {Col::tp, "1"},
                        {Col::pp, "16"},
                        {Col::dp, "128"},
                        {Col::ep, "64"},
                        {Col::sharding, "zero1"},
                        {Col::framework_family, "megatron"}};

RunRow row_of(const Cells& cells) {
  RunRow row;
  row.clear();
  row.begin(nullptr, 1);
  std::string what;
  std::string help;
  for (const auto& [col, cell] : cells) row.set(col, cell, 0, 1, what, help);
  return row;
}

const Catalogue& catalogue() {
  static const Catalogue tables;
  return tables;
}

// A parsed row with a known plan: blanks, memory, step time, days, energy.
void estimate_known_plan(benchmark::State& state, const Cells& cells) {
  std::vector<RunRow> rows(8, row_of(cells));
  std::string what;
  std::string help;
  const std::array<std::string_view, 4> tokens = {"300", "310", "320", "330"};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].set(Col::tokens_b, tokens[i % tokens.size()], 0, 1, what, help);
  }
  Result result;
  std::size_t i = 0;
  for (auto _ : state) {
    estimate_row(rows[i++ % rows.size()], catalogue(), {}, result);
    benchmark::DoNotOptimize(result.estimate);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(estimate_known_plan, dense, kKnownPlan);
BENCHMARK_CAPTURE(estimate_known_plan, experts, kExperts);

StepQuestion question_of(const Cells& cells) {
  Result result;
  estimate_row(row_of(cells), catalogue(), {}, result);
  return *result.estimate.step.question;
}

// The stages of a search, from the outside in.
void stage_speed(benchmark::State& state) {
  auto q = question_of(kKnownPlan);
  for (auto _ : state) {
    q.device.watts += 1e-9;
    benchmark::DoNotOptimize(models::step_speed(q.device, q.stack, catalogue().step_constants()));
  }
}
BENCHMARK(stage_speed);

void stage_shard(benchmark::State& state, const Cells& cells) {
  auto q = question_of(cells);
  const auto& c = catalogue().step_constants();
  const auto speed = models::step_speed(q.device, q.stack, c);
  for (auto _ : state) {
    q.shard.micro_batch += 1e-9;
    benchmark::DoNotOptimize(models::shard_time(q.model, speed, q.shard, c));
  }
}
BENCHMARK_CAPTURE(stage_shard, dense, kKnownPlan);
BENCHMARK_CAPTURE(stage_shard, experts, kExperts);

void stage_schedule(benchmark::State& state) {
  auto q = question_of(kKnownPlan);
  const auto& c = catalogue().step_constants();
  const auto speed = models::step_speed(q.device, q.stack, c);
  const auto shard = models::shard_time(q.model, speed, q.shard, c);
  for (auto _ : state) {
    q.schedule.micro_batches += 1e-9;
    benchmark::DoNotOptimize(models::step_time(q.model, speed, shard, q.schedule, c));
  }
}
BENCHMARK(stage_schedule);

// All usual plans of one run.
void fastest(benchmark::State& state, const Cells& cells) {
  Result result;
  EstimateOptions options;
  options.plan = PlanMode::usual;
  estimate_row(row_of(cells), catalogue(), options, result);
  const auto basis = *plan_basis(result.scenario, result.estimate.work);
  const auto& usual = *result.estimate.fit.verdict;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        fastest_plan(result.scenario, basis, 1024, usual, catalogue().step_constants()));
  }
}
BENCHMARK_CAPTURE(fastest, dense, kKnownPlan)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(fastest, experts, kExperts)->Unit(benchmark::kMicrosecond);

}  // namespace

}  // namespace pretrain::planner

BENCHMARK_MAIN();
