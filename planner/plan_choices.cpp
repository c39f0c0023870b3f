#include "planner/plan_choices.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/core/whole.hpp"

namespace pretrain::planner {

namespace {

using models::Recompute;
using models::Sharding;

/// Sequences of so many tokens a device are not divided further.
constexpr double kLong = 16384;

bool power_of_two(double x) { return std::exp2(std::round(std::log2(x))) == x; }

std::vector<double> powers(double most) {
  std::vector<double> list;
  for (double x = 1; x <= most; x *= 2) list.push_back(x);
  return list;
}

template <class T>
std::vector<T> or_usual(const std::vector<T>& stated, std::vector<T> usual) {
  return stated.empty() ? std::move(usual) : stated;
}

/// Numbers up to `most` that powers of two, layers, or layers with both edges suggest.
std::vector<double> suggested(double layers, double most, bool with_powers) {
  std::vector<double> list;
  for (double x = 1; x <= std::min(most, layers); ++x) {
    if ((with_powers && power_of_two(x)) || divides(x, layers) || divides(x, layers + 2)) {
      list.push_back(x);
    }
  }
  return list;
}

}  // namespace

Divisible divisible(const Scenario& s, double domain) {
  const auto& a = s.architecture;
  return {a.layers,
          a.heads,
          a.experts,
          *s.work_seq_len,
          domain,
          s.counted,
          s.plan.stack != models::Stack::xla};
}

PlanChoices::PlanChoices(const PlanSpace& space, const Divisible& run)
    : run_{run}, sharding_stated_{!space.sharding.empty()} {
  constexpr double kMostTensor = 64;
  constexpr double kMostStages = 128;
  constexpr double kMostChunks = 32;
  constexpr double kMostMicroBatch = 64;
  tp = or_usual(space.tp, powers(std::min(kMostTensor, run.domain)));
  cp = or_usual(space.cp, powers(std::max(1.0, 2 * run.seq_len / kLong)));
  ep = or_usual(space.ep, powers(std::max(1.0, run.experts)));
  pp = or_usual(space.pp,
                run.pipelines ? suggested(run.layers, kMostStages, true) : std::vector<double>{1});
  interleave = or_usual(space.interleave, suggested(run.layers, kMostChunks, false));
  micro_batch = or_usual(space.micro_batch, powers(kMostMicroBatch));
  recompute = or_usual(space.recompute, {Recompute::none, Recompute::selective, Recompute::full});
  sharding =
      or_usual(space.sharding, {Sharding::none, Sharding::zero1, Sharding::zero2, Sharding::zero3});
  sequence_parallel = or_usual(space.sequence_parallel, {true, false});
  overlap = or_usual(space.overlap, {true});
  scatter_gather = or_usual(space.scatter_gather, {true});
  near = or_usual(space.near, {NearGroups{}});
}

bool PlanChoices::heads_divide(double degree) const {
  return degree == 1 || (!run_.counted && power_of_two(degree)) || divides(degree, run_.heads);
}

bool PlanChoices::experts_divide(double degree) const {
  return degree == 1 ||
         (run_.experts > 0 && degree <= run_.experts && divides(degree, run_.experts));
}

bool PlanChoices::experts_divide(double degree, double ranks) const {
  return experts_divide(degree) && (degree == 1 || divides(degree, ranks));
}

bool PlanChoices::stages_divide(double stages, double chunks) const {
  return stages <= run_.layers &&
         (chunks == 1 || divides(stages * chunks, run_.layers) || edges_count(stages, chunks));
}

bool PlanChoices::turns_divide(double stages, double chunks, double micro_batches) {
  return chunks == 1 || divides(stages, micro_batches);
}

bool PlanChoices::edges_count(double stages, double chunks) const {
  return stages > 1 && !divides(stages * chunks, run_.layers) &&
         divides(stages * chunks, run_.layers + 2);
}

std::vector<bool> PlanChoices::tensor_places(double degree) const {
  std::vector<bool> places{near.front().tp};
  const auto other = [&](const NearGroups& groups) { return groups.tp != places.front(); };
  if (degree > 1 && std::any_of(near.begin(), near.end(), other)) {
    places.push_back(!places.front());
  }
  return places;
}

/// Whether no earlier assignment is the same for such groups.
bool PlanChoices::near_counts(std::size_t at, bool tensor, bool data, bool pipeline) const {
  const auto same = [&](const NearGroups& a, const NearGroups& b) {
    return (!tensor || a.tp == b.tp) && (!data || a.dp == b.dp) && (!pipeline || a.pp == b.pp);
  };
  for (std::size_t i = 0; i < at; ++i) {
    if (same(near[i], near[at])) return false;
  }
  return true;
}

/// With one replica all ways to share its state are none. Megatron's pipelines share the
/// optimizer's alone; other ways are taken where they are asked for.
bool PlanChoices::sharding_counts(Sharding kind, double replicas, double stages) const {
  if (replicas <= 1) return kind == sharding.front();
  const bool usual = kind == Sharding::none || kind == Sharding::zero1;
  return usual || stages == 1 || sharding_stated_;
}

std::uint64_t PlanChoices::census(double devices, double batch, std::uint64_t sites,
                                  PlanCounts& counts) const {
  const auto n = [](const auto& list) { return static_cast<std::uint64_t>(list.size()); };
  // Of a shard and its schedule, all that is chosen beside.
  const std::uint64_t variants = n(sharding) * n(overlap) * n(scatter_gather) * n(near);
  const std::uint64_t modes = n(sequence_parallel);
  const std::uint64_t beside = variants * n(recompute) * sites;
  const std::uint64_t others = n(micro_batch) * modes * beside;
  const std::uint64_t rest = n(ep) * n(interleave) * others;
  std::uint64_t valid = 0;
  for (const double tensor : tp) {
    for (const double context : cp) {
      for (const double stages : pp) {
        counts.space += rest;
        const double replica = tensor * context * stages;
        if (replica > devices || !divides(replica, devices)) {
          counts.devices_uneven += rest;
          continue;
        }
        const double dp = devices / replica;
        // Chunks of layers that come out even; with the micro-batches that take turns in them.
        std::uint64_t even_chunks = 0;
        std::uint64_t shared = 0;
        std::uint64_t good = 0;
        for (const double chunks : interleave) {
          const bool idle = chunks > 1 && stages == 1;
          if (!idle && !stages_divide(stages, chunks)) continue;
          ++even_chunks;
          for (const double micro : micro_batch) {
            const bool whole = divides(dp * micro, batch) &&
                               (idle || turns_divide(stages, chunks, batch / dp / micro));
            shared += whole ? 1U : 0U;
            good += whole && !idle ? 1U : 0U;
          }
        }
        std::uint64_t good_experts = 0;
        if (heads_divide(tensor)) {
          for (const double degree : ep) {
            good_experts += experts_divide(degree, dp * context * tensor) ? 1U : 0U;
          }
        }
        std::uint64_t good_variants = 0;
        for (const bool sequence : sequence_parallel) {
          if (sequence && tensor == 1 && modes > 1) continue;
          for_variants(tensor, dp * context, stages, sequence && tensor > 1, {},
                       [&](const Variant&) { ++good_variants; });
        }
        const std::uint64_t even = good_experts * even_chunks;
        counts.model_uneven += (n(ep) * n(interleave) - even) * others;
        counts.batch_uneven += (even * n(micro_batch) - good_experts * shared) * modes * beside;
        const std::uint64_t real = good_experts * good * good_variants;
        counts.pointless +=
            (good_experts * shared * modes * variants - real) * n(recompute) * sites;
        valid += real * n(recompute) * sites;
      }
    }
  }
  return valid;
}

double PlanChoices::nearest_count(double devices, double batch) const {
  const double micro = *std::min_element(micro_batch.begin(), micro_batch.end());
  for (double count = devices - 1; count >= devices / 2 && count >= 1; --count) {
    for (const double tensor : tp) {
      if (!heads_divide(tensor)) continue;
      for (const double context : cp) {
        for (const double stages : pp) {
          const double replica = tensor * context * stages;
          if (stages > run_.layers || !divides(replica, count)) continue;
          if (divides(count / replica * micro, batch)) return count;
        }
      }
    }
  }
  return 0;
}

}  // namespace pretrain::planner
