#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <string_view>

#include "models/core/embedded.hpp"
#include "models/huggingface.hpp"
#include "models/parameters.hpp"
#include "models/training_compute.hpp"

namespace {

using namespace pretrain;
using namespace pretrain::models;

const std::string kFile = "config.json";

[[noreturn]] void broken(std::string_view promise, std::string_view found) {
  std::cerr << "broken promise: " << promise << ": " << found << "\n";
  std::abort();
}

const FamilyCatalogue& families() {
  static const FamilyCatalogue catalogue = [] {
    for (const auto& file : embedded_files()) {
      if (file.name == "families.csv") return FamilyCatalogue::read(file.text(), "families.csv");
    }
    broken("the families are shipped", "");
  }();
  return catalogue;
}

/// A wrong file names a place that exists, what is wrong and what to do.
void check_problems(const InputError& error, std::string_view text) {
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  if (error.problems().empty()) broken("an error has a problem", error.what());
  for (const auto& problem : error.problems()) {
    if (problem.where.file != kFile || problem.where.line > lines ||
        problem.where.column > text.size() + 1 || problem.what.empty() || problem.help.empty()) {
      broken("a problem has a place and a help", to_text(problem));
    }
  }
}

void check_fields(std::string_view text) {
  try {
    const auto fields = JsonFields::read(text, kFile);
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    for (const auto& field : fields.all()) {
      if (field.line < 1 || field.line > lines || field.column < 1 || field.column > text.size()) {
        broken("a field has a place", fmt::format("{}:{}", field.line, field.column));
      }
      if (!fields.has(field.path)) broken("a field is found by its path", field.path);
    }
  } catch (const InputError& error) {
    check_problems(error, text);
  }
}

/// Counts are finite and not below zero.
void require_count(std::string_view name, double value) {
  if (!(std::isfinite(value) && value >= 0)) {
    broken("counts are finite and not negative", fmt::format("{} {}", name, value));
  }
}

void check_counts(const Architecture& architecture) {
  const auto p = parameters(architecture);
  require_count("embedding", p.embedding);
  require_count("positions", p.positions);
  require_count("attention", p.attention);
  require_count("state_space", p.state_space);
  require_count("expert_latent", p.expert_latent);
  require_count("ffn", p.ffn);
  require_count("routed_experts", p.routed_experts);
  require_count("shared_experts", p.shared_experts);
  require_count("router", p.router);
  require_count("norms", p.norms);
  require_count("head", p.head);
  require_count("active", p.active());
  require_count("mtp", mtp_parameters(architecture));
  if (p.active() > p.total()) broken("active is a part of total", std::to_string(p.active()));

  const auto work = token_work(architecture, 4096);
  require_count("linear work", work.linear());
  require_count("attention", work.attention_causal);
  require_count("state space", work.state_space);
  require_count("mtp work", work.mtp);
  // Rounding apart.
  if (work.attention_causal > work.attention_full * (1 + 1e-12)) {
    broken("a mask saves work", std::to_string(work.attention_causal));
  }
}

void check_config(std::string_view text) {
  static const Origin origin{.place = "config.json", .source = {}, .locator = {}};
  try {
    const auto config = read_huggingface(text, kFile, families(), &origin);
    const auto completion = complete(config.spec, {});
    // Other blocks than those of a transformer are read as far as they are known.
    if (completion.state == Completion::State::beyond) return;
    if (!completion.usable()) broken("what is read is a whole model", completion.what);
    check_counts(completion.architecture);
  } catch (const InputError& error) {
    check_problems(error, text);
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

/// Every other time one value becomes another: random bytes rarely leave a text that is JSON.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned int seed) {
  constexpr std::array<std::string_view, 16> kValues{
      "0",     "1",    "3",    "64",    "1000", "-1",     "-7", "0.5",
      "1e300", "null", "true", "false", "[]",   "[1, 2]", "{}", "\"x\""};
  std::minstd_rand random{seed};
  if (random() % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::string text(data, data + size);
  const auto colons = static_cast<std::size_t>(std::count(text.begin(), text.end(), ':'));
  if (colons == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::size_t at = 0;
  for (std::size_t skip = random() % colons + 1; skip > 0; --skip) at = text.find(':', at) + 1;
  const auto end = std::min(text.find_first_of(",}]\n", at), text.size());
  text.replace(at, end - at, kValues[random() % kValues.size()]);
  text.resize(std::min(text.size(), max_size));
  std::copy(text.begin(), text.end(), data);
  return text.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(data, data + size);
  check_fields(bytes);
  check_config(bytes);
  return 0;
}
