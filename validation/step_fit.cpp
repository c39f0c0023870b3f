#include "validation/step_fit.hpp"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>

namespace pretrain::validation {

namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using models::kStepConstants;
using models::StepConstants;

/// In standard deviations: where the loss turns from square to linear.
constexpr double kSoft = 1.2;
constexpr Index kConstants = static_cast<Index>(kStepConstants);

}  // namespace

StepConstants constants_at(const models::StepConstantTable& priors,
                           std::span<const double> standardized) {
  StepConstants c;
  for (std::size_t i = 0; i < kStepConstants; ++i) {
    const auto& row = priors.rows[i];
    c.*models::kStepConstantMembers[i].member =
        row.prior * std::exp(row.prior_sd * standardized[i]);
  }
  return c;
}

models::StepConstantTable as_prior(models::StepConstantTable table) {
  for (auto& row : table.rows) {
    row.prior = row.value;
    row.prior_sd = row.sd;
  }
  return table;
}

double predicted_seconds(const planner::StepQuestion& question, const StepConstants& constants,
                         const models::StepPart* without) {
  const auto time = planner::step_time(question, constants);
  const Time total = time.total();
  if (without == nullptr) return total.in(second);
  // What scale costs is a factor of what is left.
  const Time part = time.*without->part;
  if (without->part == &models::StepTime::scale) return (total - part).in(second);
  return total.in(second) * (1 - part / (total - time.scale));
}

double predicted_seconds(const StepLesson& l, const StepConstants& constants,
                         const models::StepPart* without) {
  if (l.seen == Seen::step) return predicted_seconds(l.question, constants, without);
  const auto& q = l.question;
  const auto speed = models::step_speed(q.device, q.stack, constants);
  if (l.seen == Seen::rate) return l.amount / speed.products;
  if (l.seen == Seen::bandwidth) return l.amount / speed.memory;
  const auto shard = models::shard_time(q.model, speed, q.shard, constants);
  const double blocks = q.model.layers * q.schedule.micro_batches;
  if (l.seen == Seen::products) return blocks * shard.block.products;
  const double share = l.seen == Seen::core ? 1 : models::core_forward_share(speed);
  return blocks * share * shard.block.attention;
}

namespace {

/// The priors as a fit walks on them: independent directions, each with a spread of 1.
class Prior {
 public:
  Prior(const models::StepConstantTable& table, bool correlated)
      : table_{table}, root_{MatrixXd::Identity(kConstants, kConstants)} {
    if (!correlated) return;
    MatrixXd correlation = MatrixXd::Identity(kConstants, kConstants);
    for (Index j = 0; j < kConstants; ++j) {
      const auto& row = table.rows[static_cast<std::size_t>(j)].correlations;
      for (Index i = 0; i < std::min(j, static_cast<Index>(row.size())); ++i) {
        correlation(j, i) = correlation(i, j) = row[static_cast<std::size_t>(i)];
      }
    }
    // Printed with two digits, they need not be those of anything: the nearest that are.
    const Eigen::SelfAdjointEigenSolver<MatrixXd> parts{correlation};
    constexpr double kLeast = 1e-3;
    const VectorXd scales = parts.eigenvalues().cwiseMax(kLeast).cwiseSqrt();
    root_ = parts.eigenvectors() * scales.asDiagonal();
  }

  /// Constants in units of their spreads, from a place on the directions.
  VectorXd standardized(const VectorXd& at) const { return root_ * at.head(kConstants); }
  StepConstants constants(const VectorXd& at) const {
    const VectorXd z = standardized(at);
    return constants_at(table_, std::span{z.data(), kStepConstants});
  }
  const MatrixXd& root() const { return root_; }

 private:
  const models::StepConstantTable& table_;
  MatrixXd root_;
};

/// A descent: the derivatives at a point, and one step of Levenberg and Marquardt from it.
class Descent {
 public:
  Descent(const std::vector<StepLesson>& lessons, const Prior& prior,
          const StepFitSettings& settings, VectorXd start, const std::vector<bool>& held_out)
      : lessons_{lessons},
        prior_{prior},
        settings_{settings},
        held_out_{held_out},
        at{std::move(start)} {
    residuals.resize(static_cast<Index>(lessons.size()));
    weights.resize(residuals.size());
    residuals_at(at, residuals);
    cost_ = cost_of(at, residuals);
  }

  void derive() {
    constexpr double kStep = 1e-3;
    jacobian = MatrixXd::Zero(residuals.size(), at.size());
    VectorXd shifted = VectorXd::Zero(residuals.size());
    for (Index j = 0; j < kConstants; ++j) {
      VectorXd next = at;
      next[j] += kStep;
      residuals_at(next, shifted);
      jacobian.col(j) = (shifted - residuals) / kStep;
    }
    for (Index i = 0; i < residuals.size(); ++i) {
      if (held_out(i)) {
        weights[i] = 0;
        continue;
      }
      const auto& l = lesson(i);
      jacobian(i, kConstants + static_cast<Index>(l.source)) = settings_.source_spread / l.noise;
      const double x = residuals[i] / kSoft;
      weights[i] = l.weight / std::sqrt(1 + x * x);
    }
    normal = jacobian.transpose() * weights.asDiagonal() * jacobian;
  }

  /// Whether it is worth another; derive() first.
  bool step() {
    constexpr int kMostTries = 8;
    constexpr double kEnough = 1e-5;  // of the cost
    const VectorXd gradient =
        jacobian.transpose() * (weights.array() * residuals.array()).matrix() + at;
    VectorXd next_residuals = VectorXd::Zero(residuals.size());
    for (int attempt = 0; attempt < kMostTries; ++attempt) {
      MatrixXd damped = normal;
      damped.diagonal().array() += 1;  // the priors
      damped.diagonal() *= 1 + damping_;
      const VectorXd next = at - damped.ldlt().solve(gradient);
      residuals_at(next, next_residuals);
      const double next_cost = cost_of(next, next_residuals);
      if (next_cost < cost_) {
        const bool more = cost_ - next_cost > kEnough * cost_;
        at = next;
        residuals = next_residuals;
        cost_ = next_cost;
        damping_ = std::max(1e-9, damping_ / 5);
        return more;
      }
      damping_ *= 6;
    }
    return false;
  }

 private:
  const StepLesson& lesson(Index i) const { return lessons_[static_cast<std::size_t>(i)]; }
  bool held_out(Index i) const {
    return !held_out_.empty() && held_out_[static_cast<std::size_t>(i)];
  }

  /// Residuals in standard deviations; of what is held out 0.
  void residuals_at(const VectorXd& where, VectorXd& result) const {
    const auto c = prior_.constants(where);
    for (Index i = 0; i < result.size(); ++i) {
      if (held_out(i)) {
        result[i] = 0;
        continue;
      }
      const auto& l = lesson(i);
      const double source =
          settings_.source_spread * where[kConstants + static_cast<Index>(l.source)];
      const double predicted = predicted_seconds(l, c, settings_.without);
      result[i] = (std::log(predicted / l.seconds) + source) / l.noise;
    }
  }

  double cost_of(const VectorXd& where, const VectorXd& r) const {
    double cost = where.squaredNorm();
    for (Index i = 0; i < r.size(); ++i) {
      if (held_out(i)) continue;
      const double x = r[i] / kSoft;
      cost += lesson(i).weight * 2 * kSoft * kSoft * (std::sqrt(1 + x * x) - 1);
    }
    return cost;
  }

  const std::vector<StepLesson>& lessons_;
  const Prior& prior_;
  const StepFitSettings& settings_;
  std::vector<bool> held_out_;
  double damping_ = 1e-3;
  double cost_ = 0;

 public:
  VectorXd at;
  VectorXd residuals;
  VectorXd weights;  // with those of the robust loss
  MatrixXd jacobian;
  MatrixXd normal;  // without the priors
};

StepFit result_of(const VectorXd& at, const Prior& prior, double source_spread, int rounds) {
  StepFit fit;
  const VectorXd z = prior.standardized(at);
  fit.constants.assign(z.data(), z.data() + kConstants);
  for (Index s = kConstants; s < at.size(); ++s) {
    fit.source_effect.push_back(source_spread * at[s]);
  }
  fit.rounds = rounds;
  return fit;
}

int descend(Descent& descent, int most) {
  int round = 0;
  for (bool more = true; more && round < most; ++round) {
    descent.derive();
    more = descent.step();
  }
  return round;
}

}  // namespace

struct StepFitter::State {
  Prior prior;
  std::unique_ptr<Descent> descent = {};
  StepFit fit = {};
};

StepFitter::StepFitter(const std::vector<StepLesson>& lessons,
                       const models::StepConstantTable& priors, const StepFitSettings& settings)
    : lessons_{lessons},
      priors_{priors},
      settings_{settings},
      state_{std::make_unique<State>(State{Prior{priors, settings.correlated}})} {}

StepFitter::~StepFitter() = default;

const StepFit& StepFitter::fit() {
  auto& m = *state_;
  if (m.descent) return m.fit;
  std::size_t sources = 0;
  for (const auto& l : lessons_) sources = std::max(sources, l.source + 1);
  constexpr int kMostRounds = 60;
  m.descent = std::make_unique<Descent>(lessons_, m.prior, settings_,
                                        VectorXd::Zero(kConstants + static_cast<Index>(sources)),
                                        std::vector<bool>{});
  const int rounds = descend(*m.descent, kMostRounds);
  m.fit = result_of(m.descent->at, m.prior, settings_.source_spread, rounds);
  m.descent->derive();
  return m.fit;
}

StepFit StepFitter::without(const std::vector<bool>& held_out) const {
  // Newton's step with the derivatives of the fit of all leads near; a few of its own settle it.
  const auto& m = *state_->descent;
  VectorXd kept = m.weights;
  MatrixXd normal = m.normal;
  for (Index i = 0; i < kept.size(); ++i) {
    if (!held_out[static_cast<std::size_t>(i)]) continue;
    normal.noalias() -= m.weights[i] * m.jacobian.row(i).transpose() * m.jacobian.row(i);
    kept[i] = 0;
  }
  normal.diagonal().array() += 1;
  const VectorXd gradient =
      m.jacobian.transpose() * (kept.array() * m.residuals.array()).matrix() + m.at;
  constexpr int kMostRounds = 4;
  Descent own{lessons_, state_->prior, settings_, m.at - normal.ldlt().solve(gradient), held_out};
  const int rounds = descend(own, kMostRounds);
  return result_of(own.at, state_->prior, settings_.source_spread, rounds);
}

models::StepConstantTable StepFitter::table(const std::vector<std::string>& labels) {
  fit();
  const auto& m = *state_->descent;
  MatrixXd normal = m.normal;
  normal.diagonal().array() += 1;
  // From the directions back to the constants.
  const MatrixXd inverse = normal.inverse();
  const MatrixXd& root = state_->prior.root();
  const MatrixXd covariance =
      root * inverse.topLeftCorner(kConstants, kConstants) * root.transpose();
  const MatrixXd jacobian = m.jacobian.leftCols(kConstants) * root.inverse();
  auto table = priors_;
  const auto c = constants_at(priors_, state_->fit.constants);
  for (Index j = 0; j < kConstants; ++j) {
    auto& row = table.rows[static_cast<std::size_t>(j)];
    row.value = c.*models::kStepConstantMembers[static_cast<std::size_t>(j)].member;
    const double variance = covariance(j, j);
    row.sd = row.prior_sd * std::sqrt(variance);
    // Half of the prior's variance gone: the runs say as much as the prior.
    constexpr double kHalf = 0.5;
    row.moved = variance < kHalf;
    row.correlations.clear();
    for (Index i = 0; i < j; ++i) {
      row.correlations.push_back(covariance(j, i) / std::sqrt(variance * covariance(i, i)));
    }
    // Which lessons bend the cost along this constant.
    std::map<std::string, double> shares;
    double all = 0;
    for (std::size_t i = 0; i < lessons_.size(); ++i) {
      const auto at = static_cast<Index>(i);
      const double information = m.weights[at] * jacobian(at, j) * jacobian(at, j);
      shares[labels[i]] += information;
      all += information;
    }
    std::vector<std::pair<double, std::string>> ranked;
    for (const auto& [label, share] : shares) ranked.emplace_back(share, label);
    std::sort(ranked.rbegin(), ranked.rend());
    row.informed_by.clear();
    constexpr std::size_t kNamed = 4;
    constexpr double kLeast = 0.05;  // of the information; below, and in all below 0.05: nothing
    if (all < kLeast) continue;
    for (std::size_t i = 0; i < std::min(kNamed, ranked.size()); ++i) {
      if (ranked[i].first < kLeast * all) break;
      row.informed_by += fmt::format("{}{} {:.0f}%", row.informed_by.empty() ? "" : "; ",
                                     ranked[i].second, 100 * ranked[i].first / all);
    }
  }
  return table;
}

}  // namespace pretrain::validation
