#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "hardware/grid.hpp"

namespace pretrain::planner {

/// What can be odd about a row that is still computed.
enum class Oddity : std::uint8_t {
  ambiguous_device,       ///< name, chosen id
  unknown_device_unused,  ///< name: everything needed was given
  ambiguous_dtype,        ///< the device lacks the format; another was taken
  sparse_peak,            ///< given, catalogue dense peak
  other_peak,             ///< given, catalogue dense peak
  tdp_differs,            ///< given, catalogue
  mfu_conflict,           ///< mfu, achieved / peak
  efficiency_range,       ///< params outside the regression
  zettaflops_differ,      ///< stated, computed
  implied_mfu,            ///< implied, predicted
  implied_idle,           ///< implied, predicted
  few_tokens,             ///< tokens, parameters
  low_precision,          ///< format: the regression is of fp16 runs
  type_beyond_6nd,        ///< type
  dimensions_differ,      ///< params, count from dimensions of which some are usual values
  not_counted,            ///< architecture: no plain transformer
  architecture_note,      ///< a remark of the reader of an architecture file
  teacher_memory,         ///< distillation: memory is without the teacher's
  no_teacher,             ///< distillation: the teacher's forward pass is not counted
  zero_intensity,         ///< region's own in kg/kWh, or 0 when it is not known
  unit_slip,              ///< reported carbon in t, predicted
  no_duration,            ///< energy and carbon absent
  moe_without_active,     ///< work unknown
  no_region,              ///< carbon absent
  hourly_outside,         ///< days; the run is not within the hourly file, or much of it is blank
  unknown_region,         ///< name: carbon absent; a is the grid table
  mixed_grid_scope,       ///< region whose scope its source does not state
  no_embodied,            ///< name: no footprint
  no_power,               ///< no TDP or system power
  phase_as_pretrain,      ///< 6 N D counts all weights as trained
  rough_count,            ///< params, architecture: no plain transformer, no published count
  approximate_params,     ///< from dimensions
  active_differ,          ///< given, counted from the dimensions
  params_differ,          ///< given, counted from the dimensions
  no_efficiency,          ///< peak unknown
  unknown_architecture,   ///< name
  plan_devices,           ///< product of the degrees, devices
  plan_ep_beside_dp,      ///< dp, ep
  plan_ranks,             ///< ep, devices of a pipeline stage
  plan_kv_heads,          ///< tp, key and value heads
  plan_experts,           ///< ep, experts
  plan_batch,             ///< sequences of all replicas at a time, of the step
  plan_micro_batches,     ///< stated, of the batch
  plan_shared,            ///< replicas, sequences
  profile_elsewhere,      ///< profile: learnt on other devices, or another framework
  early,                  ///< devices, days that they need
  regression,             ///< device, type: the time of a step is not modeled
  unknown_offload,        ///< as typed
  memory_tight,           ///< GiB needed, usable
  default_too_small,      ///< assumed devices, GiB needed of each
  count,
};

/// One oddity with the numbers and the name that its text needs. Formatted only when shown.
struct Warning {
  Oddity oddity{};
  double a{};
  double b{};
  std::string_view name;
  std::string_view other;
};

class Catalogue;

/// "did you mean ...?" with the nearest regions by code, alias or place, each by its code.
std::string region_hint(const hardware::GridTable& grid, std::string_view wanted);

/// For people. An unknown name is told with the nearest three that are known.
std::string to_text(const Warning& warning, const Catalogue& catalogue);

/// True for oddities that say the same on every row with the same name: told once per table.
bool once_per_name(Oddity oddity);

/// The warnings of one row, without allocation.
class Warnings {
 public:
  void clear() { size_ = 0; }
  void add(Warning warning) {
    if (size_ < kMost) items_[size_++] = warning;
  }
  const Warning* begin() const { return items_.data(); }
  const Warning* end() const { return items_.data() + size_; }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kMost = static_cast<std::size_t>(Oddity::count);
  std::array<Warning, kMost> items_;
  std::size_t size_ = 0;
};

}  // namespace pretrain::planner
