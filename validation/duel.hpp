#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace pretrain::validation {

/// Sizes of two predictors' errors on one run.
struct Paired {
  double ours{};
  double theirs{};
  std::string_view group;  ///< runs that share a model and a device
};

/// Mean difference of errors, ours minus theirs, with its 95% confidence interval.
struct Difference {
  double mean{};
  double low{};
  double high{};

  bool won() const { return high < 0; }
};

/// Paired bootstrap that draws whole groups (Efron 1979; Davison & Hinkley 1997, Sec. 3.8): the
/// same pairs give the same interval. Absent with fewer than two groups.
std::optional<Difference> paired_bootstrap(std::span<const Paired> pairs, std::uint64_t seed = 1);

/// Wilson (1927) score interval of a share, at 95% confidence.
struct ShareInterval {
  double low{};
  double high{};
};
ShareInterval wilson(double share, double n);

}  // namespace pretrain::validation
