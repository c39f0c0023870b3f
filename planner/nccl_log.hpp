#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain::planner {

/// What a run of nccl-tests printed.
struct NcclLog {
  std::string
      operation;  ///< all_reduce, all_gather, reduce_scatter, alltoall, ...; empty: not said
  std::size_t ranks = 0;
  std::size_t hosts = 0;
  std::string device;  ///< as the driver names it
  struct Row {
    double bytes = 0;
    double bus_gb_per_s = 0;  ///< out of place
  };
  std::vector<Row> rows;

  /// Mean bandwidth of the bus at the largest messages, GB/s: those of at least a quarter of the
  /// largest. Absent where none has 8 MiB: there latency counts.
  std::optional<double> bandwidth() const;
};

bool is_nccl_log(std::string_view text);

/// Throws InputError where it has no table, or a cell of it is no number.
NcclLog read_nccl_log(const std::string& text, const std::string& file);

}  // namespace pretrain::planner
