#include "validation/baselines.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "models/core/text.hpp"
#include "validation/score.hpp"
#include "validation/split.hpp"

namespace pretrain::validation {

namespace {

using Eigen::Index;
using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

/// No logarithm of a run is larger; what is would swamp the sums.
constexpr double kLargest = 1e3;

bool legible(double x) { return std::abs(x) <= kLargest; }

bool teaches(const Sample& sample) {
  return legible(sample.log_mfu) && std::isfinite(sample.weight) && sample.weight > 0;
}

/// The value of a feature, unless it is unknown.
const double* known(const Sample& sample, std::size_t feature) {
  const auto& value = sample.features[feature];
  return value && legible(*value) ? &*value : nullptr;
}

/// One part for each sample, or none at all.
[[maybe_unused]] bool fits(const HeldOut& held_out, std::span<const Sample> samples) {
  return held_out.parts.empty() || held_out.parts.size() == samples.size();
}

/// Standard deviations below this are rounding.
constexpr double kLeastDeviation = 1e-5;

// --- generation median ---------------------------------------------------------------------------

/// The cell of a sample: level 0 has generation, type and format, level 3 has everything.
std::string cell(const Sample& sample, std::size_t level) {
  std::string key;
  const std::array parts{sample.generation, sample.type, sample.dtype};
  for (std::size_t i = 0; i + level < parts.size(); ++i) key.append(parts[i]).push_back('\n');
  return key;
}

/// Median in which each group has the same weight.
std::optional<double> median_of_groups(std::span<const Sample> samples,
                                       std::span<const std::size_t> rows) {
  std::unordered_map<std::string_view, double> group_weight;
  for (const auto row : rows) group_weight[samples[row].group] += samples[row].weight;
  std::vector<double> values, weights;
  for (const auto row : rows) {
    values.push_back(samples[row].log_mfu);
    weights.push_back(samples[row].weight / group_weight[samples[row].group]);
  }
  return weighted_median(values, weights);
}

// --- ridge ---------------------------------------------------------------------------------------

// A sample as a vector: 1, the features (0 where unknown), an indicator for each unknown one,
// ln(MFU). Filling in, centering and scaling are linear in it, so that they can be applied to sums
// of its products after the held-out samples were subtracted.
constexpr Index kColumns = static_cast<Index>(kFeatures);
constexpr Index kFirstIndicator = 1 + kColumns;
constexpr Index kInputs = 1 + 2 * kColumns;
constexpr Index kSize = kInputs + 1;

/// Chosen where there are too few groups to choose by.
constexpr double kDefaultLambda = 0.03;

Vector extended(const Sample& sample, std::span<const double> shift) {
  Vector e = Vector::Zero(kSize);
  e[0] = 1;
  for (std::size_t f = 0; f < kFeatures; ++f) {
    const auto column = static_cast<Index>(f);
    if (const double* value = known(sample, f)) {
      e[1 + column] = *value - shift[f];
    } else {
      e[kFirstIndicator + column] = 1;
    }
  }
  e[kInputs] = sample.log_mfu;
  return e;
}

Eigen::Map<const Matrix> as_matrix(const std::vector<double>& sums) {
  return {sums.data(), kSize, kSize};
}

/// Solves for the coefficients of an extended vector, for several lambdas.
class Equations {
 public:
  explicit Equations(const Matrix& sums) : weight_{sums(0, 0)}, mean_log_{} {
    if (!(weight_ > 0)) return;
    mean_log_ = sums(0, kInputs) / weight_;
    const Vector missing = sums.row(0).segment(kFirstIndicator, kColumns);
    indicator_mean_ = missing / weight_;
    mean_ = Vector::Zero(kColumns);
    for (Index f = 0; f < kColumns; ++f) {
      const double present = weight_ - missing[f];
      if (present > kLeastDeviation * weight_) mean_[f] = sums(0, 1 + f) / present;
    }
    const Matrix rows = centered(sums);                     // kSize x 2 kColumns
    const Matrix products = centered(rows.transpose());     // 2 kColumns square, transposed
    const Vector with_log = rows.row(kInputs).transpose();  // with ln(MFU)
    inverse_scale_ = Vector::Zero(2 * kColumns);
    for (Index c = 0; c < 2 * kColumns; ++c) {
      const double variance = products(c, c) / weight_;
      if (variance > kLeastDeviation * kLeastDeviation) inverse_scale_[c] = 1 / std::sqrt(variance);
    }
    system_ = inverse_scale_.asDiagonal() * (products / weight_) * inverse_scale_.asDiagonal();
    right_ = inverse_scale_.cwiseProduct(with_log / weight_);
  }

  bool empty() const { return !(weight_ > 0); }

  Vector coefficients(double lambda) const {
    Matrix shrunk = system_;
    shrunk.diagonal().array() += lambda;
    const Vector slope = inverse_scale_.cwiseProduct(Vector{shrunk.ldlt().solve(right_)});
    const auto of_features = slope.head(kColumns);
    const auto of_indicators = slope.tail(kColumns);
    Vector result{kInputs};
    result[0] = mean_log_ - mean_.dot(of_features) - indicator_mean_.dot(of_indicators);
    result.segment(1, kColumns) = of_features;
    result.segment(kFirstIndicator, kColumns) = mean_.cwiseProduct(of_features) + of_indicators;
    return result;
  }

 private:
  /// The columns of the features, filled in with the mean, and of the indicators, all centered.
  Matrix centered(const Matrix& sums) const {
    Matrix result{sums.rows(), 2 * kColumns};
    result.leftCols(kColumns) = sums.middleCols(1, kColumns) - sums.col(0) * mean_.transpose() +
                                sums.middleCols(kFirstIndicator, kColumns) * mean_.asDiagonal();
    result.rightCols(kColumns) =
        sums.middleCols(kFirstIndicator, kColumns) - sums.col(0) * indicator_mean_.transpose();
    return result;
  }

  double weight_;
  double mean_log_;
  Vector mean_;
  Vector indicator_mean_;
  Vector inverse_scale_;
  Matrix system_;
  Vector right_;
};

/// Sum of squared errors over the samples of these sums.
double squared_error(const Matrix& sums, const Vector& coefficients) {
  Vector e{kSize};
  e << coefficients, -1.0;
  return std::max(0.0, e.dot(sums * e));
}

double best_lambda(const std::vector<Matrix>& folds, const Matrix& all) {
  std::array<double, RidgeSums::kLambdas.size()> errors{};
  std::size_t used = 0;
  for (const auto& fold : folds) {
    if (!(fold(0, 0) > 0)) continue;
    const Equations equations{all - fold};
    if (equations.empty()) continue;
    ++used;
    for (std::size_t i = 0; i < errors.size(); ++i) {
      errors[i] += squared_error(fold, equations.coefficients(RidgeSums::kLambdas[i]));
    }
  }
  if (used < 2) return kDefaultLambda;
  const auto best = std::min_element(errors.begin(), errors.end()) - errors.begin();
  return RidgeSums::kLambdas[static_cast<std::size_t>(best)];
}

}  // namespace

GenerationMedian GenerationMedian::fit(std::span<const Sample> samples, HeldOut held_out) {
  assert(fits(held_out, samples));
  GenerationMedian result;
  for (std::size_t level = 0; level < kLevels; ++level) {
    std::unordered_map<std::string, std::vector<std::size_t>> cells;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      if (!held_out(i) && teaches(samples[i])) cells[cell(samples[i], level)].push_back(i);
    }
    for (const auto& [key, rows] : cells) {
      if (const auto median = median_of_groups(samples, rows)) {
        result.medians_[level].emplace(key, *median);
      }
    }
  }
  return result;
}

std::optional<double> GenerationMedian::predict(const Sample& sample) const {
  for (std::size_t level = 0; level < kLevels; ++level) {
    const auto found = medians_[level].find(cell(sample, level));
    if (found != medians_[level].end()) return found->second;
  }
  return std::nullopt;
}

NearestNeighbors NearestNeighbors::fit(std::span<const Sample> samples, HeldOut held_out) {
  assert(fits(held_out, samples));
  NearestNeighbors result;
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (!held_out(i) && teaches(samples[i])) rows.push_back(i);
  }
  for (std::size_t f = 0; f < kFeatures; ++f) {
    double count = 0, sum = 0, squares = 0;
    for (const auto row : rows) {
      if (const double* value = known(samples[row], f)) {
        ++count;
        sum += *value;
      }
    }
    if (count == 0) continue;
    result.mean_[f] = sum / count;
    for (const auto row : rows) {
      if (const double* value = known(samples[row], f)) {
        squares += (*value - result.mean_[f]) * (*value - result.mean_[f]);
      }
    }
    const double deviation = std::sqrt(squares / count);
    if (deviation > kLeastDeviation) result.scale_[f] = 1 / deviation;
  }
  result.points_.reserve(rows.size() * kFeatures);
  for (const auto row : rows) {
    const Point point = result.scaled(samples[row]);
    result.points_.insert(result.points_.end(), point.begin(), point.end());
    result.log_mfu_.push_back(samples[row].log_mfu);
    result.weights_.push_back(samples[row].weight);
  }
  return result;
}

NearestNeighbors::Point NearestNeighbors::scaled(const Sample& sample) const {
  Point point{};
  for (std::size_t f = 0; f < kFeatures; ++f) {
    if (const double* value = known(sample, f)) point[f] = (*value - mean_[f]) * scale_[f];
  }
  return point;
}

std::optional<double> NearestNeighbors::predict(const Sample& sample) const {
  const std::size_t size = log_mfu_.size();
  if (size == 0) return std::nullopt;
  const Point wanted = scaled(sample);
  using Points = Eigen::Matrix<double, static_cast<int>(kFeatures), Eigen::Dynamic>;
  const Eigen::Map<const Points> points{points_.data(), kColumns, static_cast<Index>(size)};
  const Eigen::Map<const Eigen::Matrix<double, static_cast<int>(kFeatures), 1>> at{wanted.data()};
  const Vector distances = (points.colwise() - at).colwise().squaredNorm();

  const std::size_t count = std::min(size, kNeighbors);
  std::vector<std::size_t> order(size);
  std::iota(order.begin(), order.end(), std::size_t{0});
  // Equal distances go by order, so that the result does not depend on the library's sort.
  const auto nearer = [&](std::size_t a, std::size_t b) {
    return std::pair{distances[static_cast<Index>(a)], a} <
           std::pair{distances[static_cast<Index>(b)], b};
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    nearer);
  std::vector<double> values, weights;
  double heaviest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(log_mfu_[order[i]]);
    weights.push_back(weights_[order[i]]);
    heaviest = std::max(heaviest, weights.back());
  }
  double sum = 0, total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    sum += weights[i] / heaviest * values[i];
    total += weights[i] / heaviest;
  }
  return sum / total;
}

RidgeSums::RidgeSums(std::span<const Sample> samples)
    : samples_{samples}, inner_(samples.size()), shift_(kFeatures) {
  // Numbers near 0 keep their digits when sums are subtracted; the fit does not depend on it.
  for (std::size_t f = 0; f < kFeatures; ++f) {
    double count = 0, sum = 0;
    for (const auto& sample : samples) {
      if (const double* value = known(sample, f)) {
        ++count;
        sum += *value;
      }
    }
    if (count > 0) shift_[f] = sum / count;
  }
  std::vector<Matrix> folds(kFolds, Matrix::Zero(kSize, kSize));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    // Not fold_of(): within its training samples one of those folds would be empty.
    inner_[i] = static_cast<std::size_t>(fnv1a(samples[i].group) / kFolds % kFolds);
    if (!teaches(samples[i])) continue;
    folds[inner_[i]].selfadjointView<Eigen::Lower>().rankUpdate(extended(samples[i], shift_),
                                                                samples[i].weight);
  }
  for (const auto& fold : folds) {
    const Matrix full = fold.selfadjointView<Eigen::Lower>();
    sums_.emplace_back(full.data(), full.data() + full.size());
  }
}

Ridge RidgeSums::fit(HeldOut held_out) const {
  assert(fits(held_out, samples_));
  Ridge result;
  std::vector<Matrix> subtracted(kFolds, Matrix::Zero(kSize, kSize));
  std::array<std::size_t, kFolds> left{};
  result.low_ = std::numeric_limits<double>::infinity();
  result.high_ = -result.low_;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (!teaches(samples_[i])) continue;
    if (held_out(i)) {
      subtracted[inner_[i]].selfadjointView<Eigen::Lower>().rankUpdate(
          extended(samples_[i], shift_), samples_[i].weight);
    } else {
      ++left[inner_[i]];
      result.low_ = std::min(result.low_, samples_[i].log_mfu);
      result.high_ = std::max(result.high_, samples_[i].log_mfu);
    }
  }
  std::vector<Matrix> folds;
  Matrix all = Matrix::Zero(kSize, kSize);
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    // What is left of nothing is rounding.
    if (left[fold] == 0) continue;
    const Matrix taken = subtracted[fold].selfadjointView<Eigen::Lower>();
    folds.emplace_back(as_matrix(sums_[fold]) - taken);
    all += folds.back();
  }
  if (folds.empty()) return result;
  const Equations equations{all};
  if (equations.empty()) return result;
  result.lambda_ = best_lambda(folds, all);
  const Vector coefficients = equations.coefficients(result.lambda_);
  result.shift_ = shift_;
  result.coefficients_.assign(coefficients.begin(), coefficients.end());
  result.fitted_ = coefficients.allFinite();
  return result;
}

std::optional<double> Ridge::predict(const Sample& sample) const {
  if (!fitted_) return std::nullopt;
  const Vector e = extended(sample, shift_);
  const Eigen::Map<const Vector> coefficients{coefficients_.data(), kInputs};
  return std::clamp(coefficients.dot(e.head(kInputs)), low_, high_);
}

}  // namespace pretrain::validation
