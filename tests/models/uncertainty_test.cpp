#include "models/uncertainty.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "models/step_spread.hpp"

namespace pretrain::models {
namespace {

TEST(Uncertainty, ARangeIsMet) {
  const Spread s = spread_of(0.5, 1, 4);
  EXPECT_DOUBLE_EQ(std::exp(-s.down), 0.5);
  EXPECT_DOUBLE_EQ(std::exp(s.up), 4);
  const Spread none = spread_of(3, 3, 3);
  EXPECT_EQ(none.down + none.up, 0);
  EXPECT_DOUBLE_EQ(inverse(s).down, s.up);
  EXPECT_DOUBLE_EQ(inverse(s).up, s.down);
}

/// A draw of a factor: of logarithms that are normal on each side.
double drawn(Spread s, double z) {
  const double of_90 = normal_quantile(0.95);
  return std::exp(z / of_90 * (z > 0 ? s.up : s.down));
}

/// Ends of the interval that holds 90% of the draws.
template <class Draw>
Spread simulated(Draw draw) {
  std::mt19937_64 random{20261121};
  std::normal_distribution<double> normal;
  std::vector<double> all(200000);
  for (auto& value : all) value = std::log(draw([&] { return normal(random); }));
  std::sort(all.begin(), all.end());
  const auto at = [&](double share) {
    return all[static_cast<std::size_t>(share * static_cast<double>(all.size()))];
  };
  return {-at(0.05), at(0.95)};
}

TEST(Uncertainty, ProductsAreAsDrawn) {
  constexpr Spread a{0.3, 0.3};
  constexpr Spread b{0.2, 0.2};
  const Spread exact = product(a, b);
  const Spread draws = simulated([&](auto z) { return drawn(a, z()) * drawn(b, z()); });
  EXPECT_NEAR(exact.down / draws.down, 1, 0.02);
  EXPECT_NEAR(exact.up / draws.up, 1, 0.02);
  // With a factor that is known, nothing changes.
  EXPECT_DOUBLE_EQ(product(a, {}).up, a.up);
}

TEST(Uncertainty, SumsOfLogarithmsAreAsDrawn) {
  // Skewed either way, of different widths; the last may not fall below a floor.
  const std::vector<std::vector<Spread>> cases{
      {{0.3, 0.3}, {0.2, 0.2}},
      {{0.4, 0.4}, {0.1, 0.33}, {0.26, 0.05}},
      {{0.1, 1.2}, {0.3, 0.7}, {0.16, 1.04}},
      {{0.35, 0.35}, {0.05, 0.5}, {0.1, 0.12}, {0.33, 0.16}, {0.22, 0.22}}};
  for (const auto& factors : cases) {
    LogSum sum;
    for (const auto s : factors) sum.add(s);
    const Spread draws = simulated([&](auto z) {
      double value = 1;
      for (const auto s : factors) value *= drawn(s, z());
      return value;
    });
    const Spread closed = sum.ends(normal_quantile(0.95));
    EXPECT_NEAR(std::exp(closed.up) / std::exp(draws.up), 1, 0.02);
    EXPECT_NEAR(std::exp(-closed.down) / std::exp(-draws.down), 1, 0.02);
  }
  // One factor is met exactly, and so is nothing.
  LogSum one;
  one.add({0.2, 0.9});
  EXPECT_NEAR(one.ends(normal_quantile(0.95)).up, 0.9, 1e-6);
  EXPECT_NEAR(one.ends(normal_quantile(0.95)).down, 0.2, 1e-6);
  EXPECT_EQ(LogSum{}.ends(1.6).up, 0);
  LogSum floored;
  floored.add({0.9, 0.2}, 0.4);
  EXPECT_DOUBLE_EQ(floored.ends(normal_quantile(0.95)).down, 0.4);
}

TEST(Uncertainty, AFloorIsInTheMoments) {
  constexpr double kFloor = 0.3;
  LogSum sum;
  sum.add({0.5, 0.5}, kFloor);
  sum.add({0.2, 0.3});
  const Spread draws = simulated([&](auto z) {
    return std::max(std::exp(-kFloor), drawn({0.5, 0.5}, z())) * drawn({0.2, 0.3}, z());
  });
  const Spread closed = sum.ends(normal_quantile(0.95));
  EXPECT_NEAR(std::exp(closed.up - draws.up), 1, 0.02);
  EXPECT_NEAR(std::exp(draws.down - closed.down), 1, 0.02);
}

TEST(Uncertainty, MixturesAreAsDrawn) {
  for (const double share : {0.5, 0.9, 0.98}) {
    LogSum first;
    first.add({0.22, 0.22});
    first.add({0.33, 0.16});
    LogSum second;
    second.add({0.1, 1.2});
    second.add({0.3, 0.7});
    second.add({0.16, 1.04});
    const Spread draws = simulated([&](auto z) {
      const double a = drawn({0.22, 0.22}, z()) * drawn({0.33, 0.16}, z());
      const double b = drawn({0.1, 1.2}, z()) * drawn({0.3, 0.7}, z()) * drawn({0.16, 1.04}, z());
      return share * a + (1 - share) * b;
    });
    const Spread closed = ends_of_mixture({}, first, second, share, normal_quantile(0.95));
    EXPECT_NEAR(std::exp(closed.up - draws.up), 1, 0.02) << share;
    EXPECT_NEAR(std::exp(draws.down - closed.down), 1, 0.02) << share;
  }
}

TEST(Uncertainty, SumsAreAsDrawn) {
  // A part of 90% and one of 10%, as operational and embodied carbon are.
  constexpr Spread a{0.25, 0.25};
  constexpr Spread b{0.5, 0.5};
  const Spread exact = sum(a, b, 0.9);
  const Spread draws = simulated([&](auto z) { return 0.9 * drawn(a, z()) + 0.1 * drawn(b, z()); });
  EXPECT_NEAR(std::exp(exact.up) / std::exp(draws.up), 1, 0.02);
  EXPECT_NEAR(std::exp(exact.down) / std::exp(draws.down), 1, 0.02);
  // A sum of one part is that part.
  EXPECT_NEAR(sum(a, b, 1).up, a.up, 1e-12);
  EXPECT_NEAR(sum(a, b, 0).down, b.down, 1e-12);
}

}  // namespace
}  // namespace pretrain::models
