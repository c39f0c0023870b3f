// Is an architecture read, counted and fitted fast enough for a search?
#include <benchmark/benchmark.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "models/architecture_catalogue.hpp"
#include "models/huggingface.hpp"
#include "models/memory.hpp"
#include "models/parameters.hpp"
#include "models/training_compute.hpp"
#include "planner/catalogue.hpp"
#include "planner/run_table.hpp"
#include "validation/evaluation.hpp"

namespace pretrain {

namespace {

const planner::Catalogue& catalogue() {
  static const planner::Catalogue tables;
  return tables;
}

const models::ArchitectureSpec& deepseek_v3() {
  return catalogue().architectures().find("deepseek-v3")->spec;
}

models::Architecture whole() { return models::complete(deepseek_v3(), {}).architecture; }

// How long does it take to read the config.json of a model?
void read_config(benchmark::State& state) {
  const std::string text = R"({"model_type": "llama", "hidden_size": 4096,
    "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
    "rope_scaling": {"factor": 8.0, "rope_type": "llama3"}, "tie_word_embeddings": false})";
  const Origin origin{"config.json", "", "", true};
  for (auto _ : state) {
    auto config = models::read_huggingface(text, "config.json", catalogue().families(), &origin);
    benchmark::DoNotOptimize(config);
  }
}
BENCHMARK(read_config)->Unit(benchmark::kMicrosecond);

// And to fill in what it leaves open and check it?
void complete_spec(benchmark::State& state) {
  for (auto _ : state) {
    auto completion = models::complete(deepseek_v3(), {});
    benchmark::DoNotOptimize(completion);
  }
}
BENCHMARK(complete_spec);

// How long does it take to count the parameters?
void count_parameters(benchmark::State& state) {
  auto architecture = whole();
  for (auto _ : state) {
    architecture.layers = architecture.layers == 61 ? 62 : 61;
    benchmark::DoNotOptimize(models::parameters(architecture));
  }
}
BENCHMARK(count_parameters);

// And the work of a token?
void count_work(benchmark::State& state) {
  const auto architecture = whole();
  double seq_len = 1024;
  for (auto _ : state) {
    seq_len = seq_len < 1e6 ? seq_len + 1 : 1024;
    benchmark::DoNotOptimize(models::token_work(architecture, seq_len));
  }
}
BENCHMARK(count_work);

// How many plans per second can be asked whether they fit?
void peak_memory(benchmark::State& state) {
  const auto architecture = whole();
  const auto basis = models::memory_basis(architecture);
  models::MemoryPlan plan;
  plan.pp = 8;
  plan.dp = 16;
  plan.ep = 16;
  plan.sharding = models::Sharding::zero1;
  models::MemoryRecipe recipe;
  recipe.micro_batches = 64;
  std::uint64_t i = 0;
  for (auto _ : state) {
    recipe.micro_batch = static_cast<double>(1 + (i++ & 7U));
    benchmark::DoNotOptimize(models::peak_memory(basis, plan, recipe));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(peak_memory);

// How long does it take to judge all shipped cases with all baselines?
void judge_cases(benchmark::State& state) {
  const auto split = validation::shipped_split();
  validation::Cases cases{catalogue(), split, {}};
  for (const auto& [name, text] : validation::shipped_cases()) {
    std::istringstream in{std::string{text}};
    cases.begin_table(std::string{name});
    planner::read_run_table(in, std::string{name}, 1, cases);
  }
  for (auto _ : state) {
    auto board =
        validation::evaluate(cases.cases(), cases.cases(), validation::SplitMode::leave_source_out,
                             catalogue().step_constant_table(), catalogue().step_spread(), 0.9);
    benchmark::DoNotOptimize(board);
  }
}
BENCHMARK(judge_cases)->Unit(benchmark::kMillisecond);

}  // namespace

}  // namespace pretrain
