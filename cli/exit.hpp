#pragma once

namespace pretrain::cli {

/// Exit statuses of the program.
enum class Exit {
  ok = 0,
  no = 1,         ///< the answer is no: infeasible, over a threshold
  bad_input = 2,  ///< something the user can mend
  internal = 3,   ///< a bug of ours
};

}  // namespace pretrain::cli
