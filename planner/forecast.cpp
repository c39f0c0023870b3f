#include "planner/forecast.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "models/step_spread.hpp"

namespace pretrain::planner {

namespace {

constexpr std::size_t kMostBatches = 512;
/// Intervals before the steady ones are longer than so many times the median.
constexpr double kWarm = 1.15;
/// Share by which the rest of a run may drift from its beginning (checkpoints, evaluations, other
/// jobs in the network), at the very beginning: it shrinks with what is done.
constexpr double kDrift = 0.03;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

void Forecast::add(double seconds, double step, std::optional<double> joules) {
  const Point now{seconds, step, joules};
  if (!started_ || step < last_.step) {
    // A run that begins anew: from a checkpoint, or another phase.
    started_ = true;
    last_ = now;
    batches_.clear();
    per_batch_ = 1;
    in_last_ = 0;
    return;
  }
  if (step == last_.step) return;
  Batch one{now.seconds - last_.seconds, now.step - last_.step, {}};
  if (now.joules && last_.joules) one.joules = *now.joules - *last_.joules;
  last_ = now;
  const auto join = [](Batch& a, const Batch& b) {
    a.seconds += b.seconds;
    a.steps += b.steps;
    a.joules = a.joules && b.joules ? std::optional{*a.joules + *b.joules} : std::nullopt;
  };
  if (in_last_ > 0 && in_last_ < per_batch_) {
    join(batches_.back(), one);
    ++in_last_;
    return;
  }
  if (batches_.size() == kMostBatches) {
    for (std::size_t i = 0; i < kMostBatches / 2; ++i) {
      auto pair = batches_[2 * i];
      join(pair, batches_[2 * i + 1]);
      batches_[i] = pair;
    }
    batches_.resize(kMostBatches / 2);
    per_batch_ *= 2;
  }
  batches_.push_back(one);
  in_last_ = 1;
}

std::size_t Forecast::steady_from() const {
  if (batches_.size() < 2) return batches_.size();
  std::vector<double> each;
  for (const auto& b : batches_) each.push_back(b.seconds / b.steps);
  const double usual = median(each);
  // Never more than a half: what lasts is no warm-up.
  std::size_t from = 0;
  while (from < batches_.size() / 2 && each[from] > kWarm * usual) ++from;
  return from;
}

double Forecast::steady_steps() const {
  double steps = 0;
  for (std::size_t i = steady_from(); i < batches_.size(); ++i) steps += batches_[i].steps;
  return steps;
}

std::optional<double> Forecast::step_s() const {
  double seconds = 0;
  double steps = 0;
  for (std::size_t i = steady_from(); i < batches_.size(); ++i) {
    seconds += batches_[i].seconds;
    steps += batches_[i].steps;
  }
  return steps > 0 ? std::optional{seconds / steps} : std::nullopt;
}

std::optional<double> Forecast::step_j() const {
  double joules = 0;
  double steps = 0;
  for (std::size_t i = steady_from(); i < batches_.size(); ++i) {
    if (!batches_[i].joules) continue;
    joules += *batches_[i].joules;
    steps += batches_[i].steps;
  }
  return steps > 0 ? std::optional{joules / steps} : std::nullopt;
}

std::optional<RunForecast> Forecast::predict(double total, double level) const {
  const auto from = steady_from();
  const std::size_t n = batches_.size() - from;
  constexpr std::size_t kLeast = 3;
  if (n < kLeast || !(total > 0)) return std::nullopt;
  const double mean = *step_s();
  const double left = std::max(0.0, total - last_.step);
  // Of a batch: variance, and its correlation with the next.
  double variance = 0;
  double product = 0;
  double before = 0;
  for (std::size_t i = from; i < batches_.size(); ++i) {
    const double off = batches_[i].seconds / batches_[i].steps - mean;
    variance += off * off;
    if (i > from) product += off * before;
    before = off;
  }
  const double correlation = variance > 0 ? std::clamp(product / variance, 0.0, 0.99) : 0;
  variance /= static_cast<double>(n - 1);
  const double independent =
      std::max(1.0, static_cast<double>(n) * (1 - correlation) / (1 + correlation));
  const double of_batch = steady_steps() / static_cast<double>(n);
  // Of the mean, of the sum of what is left around it, and of what may come.
  const double error = left * std::sqrt(variance / independent);
  const double scatter = std::sqrt(variance * of_batch * left);
  const double drift = kDrift * left * mean * left / total;
  // Few batches: Student's t, by the expansion of Fisher (1925).
  const double z = level > 0 ? models::normal_quantile(0.5 + level / 2) : 0;
  const double freedom = std::max(1.0, independent - 1);
  const double t = z + (z * z * z + z) / (4 * freedom) +
                   (5 * std::pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * freedom * freedom);
  const double half =
      std::sqrt(t * t * (error * error + scatter * scatter) + z * z * drift * drift);
  RunForecast forecast;
  const double elapsed = last_.seconds;
  const double mid = elapsed + left * mean;
  forecast.seconds = {mid, std::max(elapsed, mid - half), mid + half};
  const double mean_half = t * std::sqrt(variance / independent);
  forecast.step_s = {mean, std::max(0.0, mean - mean_half), mean + mean_half};
  if (const auto each = step_j(); each && last_.joules) {
    const double used = *last_.joules;
    const double rest = left * *each;
    const double share = left > 0 ? half / (left * mean) : 0;
    forecast.joules =
        Expected{used + rest, used + std::max(0.0, rest * (1 - share)), used + rest * (1 + share)};
  }
  return forecast;
}

}  // namespace pretrain::planner
