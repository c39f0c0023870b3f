#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "planner/estimate.hpp"

namespace pretrain::planner {

/// One number that was put into an equation.
struct Term {
  std::string_view symbol;
  double value{};
  std::string_view unit;
  Basis basis = Basis::absent;
  const Origin* origin = nullptr;
};

/// One line of the proof: an equation, what was put in, what came out.
struct Step {
  std::string_view equation;  ///< id in equations.csv
  std::string_view result_name;
  std::vector<Term> terms;
  double result{};
  std::string_view unit;
};

/// The chain of one run, in the order in which it was computed. Reads the stages; computes nothing
/// of its own.
std::vector<Step> explain(const Result& result, const Catalogue& catalogue);

/// One input that was used: a column of the run table, its value and where it comes from.
struct Input {
  std::string_view column;
  std::variant<double, std::string_view> value;
  std::string_view unit;
  Basis basis = Basis::absent;
  const Origin* origin = nullptr;
};

/// Whether a column says how a run is divided and what it keeps in memory.
bool of_memory(std::string_view column);

/// The inputs of a run, solved-for ones included.
std::vector<Input> inputs_of(const Result& result);

}  // namespace pretrain::planner
