#include "validation/score.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>
#include <vector>

namespace pretrain::validation {

namespace {

bool positive(double x) { return std::isfinite(x) && x > 0; }

/// What differs by less is equal: 1.1 / 1 - 1 is an error of 10%, and three thirds are one.
constexpr double kRounding = 1e-12;

/// Shares add up to 1 only within rounding.
double share(double part, double total) { return std::clamp(part / total, 0.0, 1.0); }

/// The rows that have a ratio, with weights of at most 1: sums of large ones may not be numbers.
std::vector<Scored> legible(std::span<const Scored> rows) {
  std::vector<Scored> kept;
  kept.reserve(rows.size());
  double heaviest = 0;
  for (const auto& row : rows) {
    if (!positive(row.predicted) || !positive(row.reported) || !positive(row.weight)) continue;
    if (!positive(row.predicted / row.reported)) continue;
    heaviest = std::max(heaviest, row.weight);
    kept.push_back(row);
  }
  for (auto& row : kept) row.weight /= heaviest;
  return kept;
}

bool has_interval(const Scored& row) {
  return row.low && row.high && positive(*row.low) && *row.high >= *row.low &&
         positive(*row.high / *row.low);
}

}  // namespace

namespace {

/// Values that count with their share of the weight, smallest first.
std::vector<std::pair<double, double>> ranked(std::span<const double> values,
                                              std::span<const double> weights) {
  assert(values.size() == weights.size());
  std::vector<std::pair<double, double>> sorted;
  sorted.reserve(values.size());
  double heaviest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i]) || !positive(weights[i])) continue;
    sorted.emplace_back(values[i], weights[i]);
    heaviest = std::max(heaviest, weights[i]);
  }
  std::sort(sorted.begin(), sorted.end());
  double total = 0;
  for (auto& [value, weight] : sorted) total += weight /= heaviest;
  for (auto& [value, weight] : sorted) weight /= total;
  return sorted;
}

}  // namespace

double conformal_share(double level, std::size_t units) {
  return units > 0 ? std::min(1.0, level * (1 + 1 / static_cast<double>(units))) : 1;
}

std::optional<double> weighted_quantile(std::span<const double> values,
                                        std::span<const double> weights, double share) {
  const auto sorted = ranked(values, weights);
  if (sorted.empty()) return std::nullopt;
  double below = 0;
  for (const auto& [value, weight] : sorted) {
    below += weight;
    if (below >= share - kRounding) return value;
  }
  return sorted.back().first;
}

std::optional<double> weighted_median(std::span<const double> values,
                                      std::span<const double> weights) {
  const auto sorted = ranked(values, weights);
  if (sorted.empty()) return std::nullopt;
  constexpr double kHalf = 0.5;
  double below = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    below += sorted[i].second;
    if (below < kHalf - kRounding) continue;
    const double value = sorted[i].first;
    if (below > kHalf + kRounding || i + 1 == sorted.size()) return value;
    // Halves first: the sum of two large values may not be a number.
    return value / 2 + sorted[i + 1].first / 2;
  }
  return sorted.back().first;
}

Summary summarize(std::span<const Scored> all, double level) {
  const auto rows = legible(all);
  Summary summary;
  summary.n = rows.size();
  if (rows.empty()) return summary;

  std::vector<double> errors, weights, widths, width_weights;
  double total = 0, abs_log = 0, sum_log = 0;
  double within_10 = 0, within_20 = 0, within_30 = 0;
  double with_interval = 0, covered = 0, winkler = 0;
  for (const auto& row : rows) {
    const double ratio = row.predicted / row.reported;
    const double error = std::abs(ratio - 1);
    errors.push_back(error);
    weights.push_back(row.weight);
    total += row.weight;
    abs_log += row.weight * std::abs(std::log(ratio));
    sum_log += row.weight * std::log(ratio);
    if (error <= 0.1 + kRounding) within_10 += row.weight;
    if (error <= 0.2 + kRounding) within_20 += row.weight;
    if (error <= 0.3 + kRounding) within_30 += row.weight;
    if (!has_interval(row)) continue;
    const double low = std::log(*row.low);
    const double high = std::log(*row.high);
    const double reported = std::log(row.reported);
    const double missed = std::max({low - reported, reported - high, 0.0});
    widths.push_back(std::exp((high - low) / 2));
    width_weights.push_back(row.weight);
    with_interval += row.weight;
    if (row.reported >= *row.low && row.reported <= *row.high) covered += row.weight;
    winkler += row.weight * (high - low + 2 / (1 - level) * missed);
  }
  summary.median_abs_error = weighted_median(errors, weights);
  summary.mean_abs_log_error = abs_log / total;
  summary.bias = std::expm1(sum_log / total);
  summary.within_10 = share(within_10, total);
  summary.within_20 = share(within_20, total);
  summary.within_30 = share(within_30, total);
  if (with_interval > 0) {
    summary.coverage = share(covered, with_interval);
    summary.median_width = weighted_median(widths, width_weights);
    // A level of 0 or 1 promises nothing that could be scored.
    if (level > 0 && level < 1) summary.interval_score = winkler / with_interval;
  }
  return summary;
}

}  // namespace pretrain::validation
