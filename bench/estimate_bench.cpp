// Is it fast enough? One question per benchmark; inputs change, so that nothing is hoisted.
#include <benchmark/benchmark.h>

#include <array>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "planner/catalogue.hpp"
#include "planner/draws.hpp"
#include "planner/estimate.hpp"
#include "planner/predicted.hpp"
#include "planner/run_table.hpp"
#include "planner/run_writer.hpp"

namespace pretrain::planner {

namespace {

using Cells = std::vector<std::pair<Col, std::string_view>>;

/// GPT-3 as LLMCarbon states it.
const Cells kGpt3 = {{Col::name, "GPT3"},
                     {Col::type, "dense"},
                     {Col::params_b, "175"},
                     {Col::tokens_b, "300"},
                     {Col::intensity_kg_per_kwh, "0.429"},
                     {Col::pue, "1.1"},
                     {Col::device, "V100"},
                     {Col::device_tdp_w, "300"},
                     {Col::system_power_w, "330"},
                     {Col::peak_tflops, "125"},
                     {Col::achieved_tflops, "24.6"},
                     {Col::mfu, "0.197"},
                     {Col::devices, "10000"},
                     {Col::total_zettaflops, "314"},
                     {Col::reported_days, "14.8"},
                     {Col::reported_tco2e_operational, "552.1"},
                     {Col::reported_energy_mwh, "1287"}};

RunRow gpt3() {
  RunRow row;
  row.clear();
  row.begin(nullptr, 1);
  std::string what;
  std::string help;
  for (const auto& [col, cell] : kGpt3) row.set(col, cell, 0, 1, what, help);
  return row;
}

const Catalogue& catalogue() {
  static const Catalogue tables;
  return tables;
}

/// Takes the rows of a table and forgets them.
class Forget : public TableJob {
 public:
  std::unique_ptr<Part> make_part() const override { return std::make_unique<Nothing>(); }
  void row(const RunRow& row, Part&) const override {
    benchmark::DoNotOptimize(row.number(Col::tokens_b));
  }
  void deliver(Part&) override {}
  void remark(const std::string&) override {}

 private:
  struct Nothing : Part {
    void clear() override {}
  };
};

std::string table_of_gpt3(int rows) {
  std::vector<Col> columns;
  for (const auto& [col, cell] : kGpt3) columns.push_back(col);
  const RunWriter writer{columns};
  std::string text;
  writer.header(text);
  RunRow row = gpt3();
  std::string tokens;
  std::string what;
  std::string help;
  for (int i = 0; i < rows; ++i) {
    tokens = std::to_string(300 + i);
    row.set(Col::tokens_b, tokens, 0, 1, what, help);
    writer.row(text, row);
  }
  return text;
}

// How long does the chain take, once blanks are filled?
void estimate_scenario(benchmark::State& state) {
  const RunRow row = gpt3();
  Result result;
  estimate_row(row, catalogue(), {}, result);
  Scenario scenario = result.scenario;
  for (auto _ : state) {
    scenario.tokens.value += 1.0;
    result.warnings.clear();
    benchmark::DoNotOptimize(
        estimate(scenario, catalogue(), result.estimate, result.warnings, result.failure));
    benchmark::DoNotOptimize(result.estimate);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(estimate_scenario);

// And together with filling the blanks of a row, as `planner estimate` does?
void estimate_llmcarbon_row(benchmark::State& state) {
  std::vector<RunRow> rows(16, gpt3());
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
    benchmark::DoNotOptimize(result);
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(estimate_llmcarbon_row);

// How many rows of CSV are read per second, on one thread?
void read_csv_rows(benchmark::State& state) {
  constexpr int kRows = 1000;
  std::istringstream in{table_of_gpt3(kRows)};
  Forget job;
  for (auto _ : state) {
    in.clear();
    in.seekg(0);
    read_run_table(in, "bench.csv", 1, job);
  }
  state.SetItemsProcessed(state.iterations() * kRows);
}
BENCHMARK(read_csv_rows);

// How long does a number take on its way out?
void format_number(benchmark::State& state) {
  std::string out;
  double value = 1287.123456789;
  for (auto _ : state) {
    out.clear();
    append_number(out, value);
    benchmark::DoNotOptimize(out.data());
    value *= 1.0000001;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(format_number);

// And all predicted numbers of a row?
void format_predicted(benchmark::State& state) {
  RunRow row = gpt3();
  Result result;
  estimate_row(row, catalogue(), {}, result);
  std::string out;
  for (auto _ : state) {
    out.clear();
    result.estimate.duration.days.value = result.estimate.duration.days.value * 1.0000001;
    const Predicted predicted{result};
    for (std::size_t i = 0; i < kKeys; ++i) {
      if (const auto value = predicted[static_cast<Key>(i)]) append_number(out, *value);
      out += ',';
    }
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(format_predicted);

/// A run of which every number has an interval.
RunRow uncertain() {
  RunRow row;
  row.clear();
  row.begin(nullptr, 1);
  std::string what;
  std::string help;
  for (const auto& [col, cell] :
       std::initializer_list<std::pair<Col, std::string_view>>{{Col::architecture, "llama-2-7b"},
                                                               {Col::device, "h100-sxm"},
                                                               {Col::devices, "128"},
                                                               {Col::tokens_b, "2000"},
                                                               {Col::region, "us-central1"}}) {
    row.set(col, cell, 0, 0, what, help);
  }
  return row;
}

double all_ends(const Result& result) {
  const Predicted predicted{result};
  double sum = 0;
  for (const auto key : Predicted::kUncertain) {
    sum += predicted.low(key).value_or(0) + predicted.high(key).value_or(0);
  }
  return sum;
}

// And the ends of all their intervals, in closed form?
void close_intervals(benchmark::State& state) {
  const RunRow row = uncertain();
  Result result;
  estimate_row(row, catalogue(), {}, result);
  for (auto _ : state) {
    result.estimate.spreads.time.up *= 1.0000001;
    benchmark::DoNotOptimize(all_ends(result));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(close_intervals)->Unit(benchmark::kMicrosecond);

// And by draws that are there already, as in a table?
void draw_intervals(benchmark::State& state) {
  const RunRow row = uncertain();
  const Draws draws{static_cast<std::size_t>(state.range(0)), 1};
  Result result;
  estimate_row(row, catalogue(), {.draws = &draws}, result);
  for (auto _ : state) {
    result.estimate.spreads.time.up *= 1.0000001;
    benchmark::DoNotOptimize(all_ends(result));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(draw_intervals)->Arg(200)->Arg(10000)->Unit(benchmark::kMicrosecond);

// How long does it take to make them?
void make_draws(benchmark::State& state) {
  std::uint64_t seed = 0;
  for (auto _ : state) {
    const Draws draws{static_cast<std::size_t>(state.range(0)), ++seed};
    benchmark::DoNotOptimize(draws.of(Draws::pue).data());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(make_draws)->Arg(10000)->Unit(benchmark::kMicrosecond);

// How long does it take to find a device, by id or by a name that people use?
void find_device(benchmark::State& state) {
  const std::array<std::string_view, 4> names = {"V100", "TPUv4", "a100-sxm-80", "NVIDIA H100"};
  const auto& devices = catalogue().devices();
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(devices.find(names[i++ % names.size()]));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find_device);

// And a region?
void find_region(benchmark::State& state) {
  const std::array<std::string_view, 4> names = {"USA", "France", "us-central1", "Germany"};
  const auto& grid = catalogue().grid(Grid::current);
  std::size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(grid.find(names[i++ % names.size()]));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(find_region);

// What does the first row cost, with the tables that it needs still to be read?
void start_catalogue(benchmark::State& state) {
  const RunRow row = gpt3();
  Result result;
  for (auto _ : state) {
    const Catalogue fresh;
    estimate_row(row, fresh, {}, result);
    benchmark::DoNotOptimize(result);
  }
}
BENCHMARK(start_catalogue)->Unit(benchmark::kMicrosecond);

}  // namespace

}  // namespace pretrain::planner
