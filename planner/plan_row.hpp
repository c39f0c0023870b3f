#pragma once

#include <bitset>
#include <deque>
#include <string>
#include <string_view>

#include "planner/plan_engine.hpp"
#include "planner/run_row.hpp"

namespace pretrain::planner {

/// Fills a cell that the program writes itself. Throws InputError where it cannot hold.
void set_cell(RunRow& row, Col col, std::string_view cell);

/// Takes out the plan of a row, and what was measured of it.
void clear_plan(RunRow& row);

/// Days, hours, speed and draw that a row states: not of another plan or device.
bool states_measured(const RunRow& row);
void clear_measured(RunRow& row);

/// Puts how a plan divides the work into a row, and its batch where the row has none; `texts` keeps
/// what its cells point to. @returns the cells that were filled
std::bitset<kColumns> set_plan(RunRow& row, const FoundPlan& plan, std::deque<std::string>& texts);

/// The row with a plan and its cluster and place in its cells; `texts` keeps what they point to.
RunRow row_of_plan(const RunRow& row, const FoundPlan& plan, std::deque<std::string>& texts);

}  // namespace pretrain::planner
