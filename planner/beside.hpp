#pragma once

#include <optional>
#include <string>
#include <vector>

#include "planner/explain.hpp"
#include "planner/run_row.hpp"

namespace pretrain::planner {

/// A figure that is told beside the run and never part of its totals: an equation with what was put
/// in, and for people what it means.
struct Line : Step {
  std::optional<double> low;
  std::optional<double> high;
  std::optional<double> share;  ///< of the facility energy of the run
  std::string note;
  bool asked = false;  ///< for it alone: by an option or a column of its own
};

/// Market-based carbon, carbon-free share, offsets and the building, where they are known; cost
/// where it is priced; experiments, storage and inference where they are asked for.
std::vector<Line> lines_beside(const RunRow& row, const Result& result, const Catalogue& catalogue);

/// The chain of a run with the lines beside it.
std::vector<Step> explain(const RunRow& row, const Result& result, const Catalogue& catalogue);

}  // namespace pretrain::planner
