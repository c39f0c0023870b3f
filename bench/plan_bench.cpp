// How long does the best plan take? plans_covered: plans of the space per second that divide the
// run, judged or cut off by a bound; plans_judged: those that no bound cut off.
#include <benchmark/benchmark.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "planner/catalogue.hpp"
#include "planner/plan_engine.hpp"

namespace pretrain::planner {

namespace {

RunRow gpt3() {
  RunRow row;
  row.clear();
  row.begin(nullptr, 1);
  std::string what;
  std::string help;
  const std::vector<std::pair<Col, std::string_view>> cells{{Col::name, "GPT-3"},
                                                            {Col::architecture, "gpt3-175b"},
                                                            {Col::device, "a100-sxm-80"},
                                                            {Col::devices, "4096"},
                                                            {Col::tokens_b, "300"},
                                                            {Col::seq_len, "2048"},
                                                            {Col::global_batch_seqs, "4096"},
                                                            {Col::dtype, "bf16"},
                                                            {Col::region, "USA"}};
  for (const auto& [col, cell] : cells) row.set(col, cell, 0, 1, what, help);
  return row;
}

PlanSpace calculon() {
  const std::string name = PRETRAIN_SOURCE_DIR "/db/spaces/calculon-gpt3.yaml";
  std::ifstream file{name};
  return read_plan_space(std::string{std::istreambuf_iterator<char>{file}, {}}, name);
}

/// Five devices, 128 counts, 8 regions, with the usual ways to divide.
PlanSpace huge() {
  PlanSpace space;
  space.devices = {"a100-sxm-80", "h100-sxm", "h200-sxm", "b200-sxm", "mi300x"};
  for (double count = 64; count <= 8192; count += 64) space.counts.push_back(count);
  space.regions = {"USA", "FRA", "DEU", "SWE", "NOR", "POL", "IND", "CHN"};
  return space;
}

void search(benchmark::State& state, const PlanSpace& space, Objective objective, bool prune) {
  static const Catalogue tables;
  const auto row = gpt3();
  PlanSearchOptions options;
  options.objective = objective;
  options.others = false;
  options.prune = prune;
  options.threads = static_cast<unsigned>(state.range(0));
  PlanCounts counts;
  for (auto _ : state) {
    const auto found = search_plans(row, space, options, tables);
    counts = found.counts;
    benchmark::DoNotOptimize(found.best.front().figures.days);
  }
  const auto rate = [&](std::uint64_t plans) {
    return benchmark::Counter(static_cast<double>(plans) * static_cast<double>(state.iterations()),
                              benchmark::Counter::kIsRate);
  };
  state.counters["plans_covered"] = rate(counts.judged + counts.bounded);
  state.counters["plans_judged"] = rate(counts.judged);
}

BENCHMARK_CAPTURE(search, calculon, calculon(), Objective::time, true)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(search, calculon_exhaustive, calculon(), Objective::time, false)
    ->Arg(1)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(search, usual, PlanSpace{}, Objective::time, true)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(search, huge_carbon, huge(), Objective::carbon, true)
    ->Arg(2)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace

}  // namespace pretrain::planner
