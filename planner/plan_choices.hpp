#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "models/memory.hpp"
#include "planner/plan_space.hpp"
#include "planner/scenario.hpp"

namespace pretrain::planner {

/// What of a run says how it can be divided.
struct Divisible {
  double layers = 0;
  double heads = 0;
  double experts = 0;
  double seq_len = 0;
  double domain = 1;      ///< devices that are linked directly
  bool counted = true;    ///< the dimensions are known, not made up from a size
  bool pipelines = true;  ///< the framework has them
};

Divisible divisible(const Scenario& scenario, double domain);

/// What of a schedule is chosen beside its degrees; `near` is a place in the list.
struct Variant {
  models::Sharding sharding = models::Sharding::none;
  bool overlap = true;
  bool scatter_gather = true;
  std::uint8_t near = 0;

  friend auto operator<=>(const Variant&, const Variant&) = default;
};

/// Why plans of the space are none.
struct PlanCounts {
  std::uint64_t space = 0;           ///< all combinations of the lists
  std::uint64_t devices_uneven = 0;  ///< tp pp cp does not divide the devices
  std::uint64_t batch_uneven = 0;    ///< replicas and micro-batches do not share the batch
  std::uint64_t model_uneven = 0;    ///< heads, layers or experts do not divide
  std::uint64_t pointless =
      0;  ///< the same as another, or not done: interleaving without stages, and so on
  std::uint64_t judged = 0;       ///< time computed
  std::uint64_t bounded = 0;      ///< no better than what was found, by a bound or the region
  std::uint64_t too_large = 0;    ///< of the judged: does not fit
  std::uint64_t over_limits = 0;  ///< of the judged: breaks a limit
};

/// The lists that a search goes through for one run, with what is usual where the space says
/// nothing, and what of them goes together.
class PlanChoices {
 public:
  PlanChoices(const PlanSpace& space, const Divisible& run);

  std::vector<double> tp;
  std::vector<double> cp;
  std::vector<double> ep;
  std::vector<double> pp;
  std::vector<double> interleave;
  std::vector<double> micro_batch;
  std::vector<models::Recompute> recompute;
  std::vector<models::Sharding> sharding;
  std::vector<bool> sequence_parallel;
  std::vector<bool> overlap;
  std::vector<bool> scatter_gather;
  std::vector<NearGroups> near;

  bool heads_divide(double degree) const;
  bool experts_divide(double degree) const;
  bool experts_divide(double degree, double ranks) const;
  bool stages_divide(double stages, double chunks) const;
  /// Whether interleaved stages take turns with so many micro-batches: a multiple of the stages.
  ///
  /// @source  narayanan-2021   Sec. 2.2.2: the schedule requires it; Megatron-LM refuses others
  static bool turns_divide(double stages, double chunks, double micro_batches);
  /// Whether embedding and head have to count as a layer each for the chunks to be even.
  bool edges_count(double stages, double chunks) const;
  /// Ways in which tensor parallel groups may stand: within a domain or not.
  std::vector<bool> tensor_places(double degree) const;

  /// Calls `each` with every variant of a schedule that is not the same as an earlier one. `where`:
  /// how tensor parallel groups stand; absent: any way.
  template <class Each>
  void for_variants(double degree, double ranks, double stages, bool sequence,
                    std::optional<bool> where, Each each) const {
    const bool messages = stages > 1 && degree > 1 && !sequence;
    for (std::size_t n = 0; n < near.size(); ++n) {
      if (where && degree > 1 && near[n].tp != *where) continue;
      if (!near_counts(n, degree > 1, ranks > 1, stages > 1)) continue;
      for (const auto kind : sharding) {
        if (!sharding_counts(kind, ranks, stages)) continue;
        for (const bool overlapped : overlap) {
          if (ranks <= 1 && overlapped != overlap.front()) continue;
          for (const bool parts : scatter_gather) {
            if (!messages && parts != scatter_gather.front()) continue;
            each(Variant{kind, overlapped, parts, static_cast<std::uint8_t>(n)});
          }
        }
      }
    }
  }

  /// Counts the plans for so many devices and sequences by what becomes of them, without looking at
  /// each, `sites` times.
  /// @returns those that divide the run
  std::uint64_t census(double devices, double batch, std::uint64_t sites, PlanCounts& counts) const;
  /// The largest number of devices below, down to a half, that some plan divides; 0: none.
  double nearest_count(double devices, double batch) const;

 private:
  bool near_counts(std::size_t at, bool tensor, bool data, bool pipeline) const;
  bool sharding_counts(models::Sharding kind, double replicas, double stages) const;

  Divisible run_;
  bool sharding_stated_;
};

}  // namespace pretrain::planner
