#pragma once

#include <compare>
#include <stdexcept>

namespace pretrain {

/// Exponents of the base dimensions that the project needs, and no others. `device` is one of
/// them: watts per accelerator are not watts until multiplied by a number of accelerators.
struct Dim {
  int flop{};
  int byte{};
  int second{};
  int joule{};
  int gram{};  ///< of CO2 equivalent
  int mm2{};
  int device{};

  friend constexpr bool operator==(Dim, Dim) = default;
  friend constexpr Dim operator+(Dim a, Dim b) {
    return {a.flop + b.flop, a.byte + b.byte, a.second + b.second, a.joule + b.joule,
            a.gram + b.gram, a.mm2 + b.mm2,   a.device + b.device};
  }
  friend constexpr Dim operator-(Dim a, Dim b) {
    return {a.flop - b.flop, a.byte - b.byte, a.second - b.second, a.joule - b.joule,
            a.gram - b.gram, a.mm2 - b.mm2,   a.device - b.device};
  }
};

/// A number that knows its dimension. Made only as `number * unit`; read only as
/// `quantity.in(unit)`: no raw number enters or leaves unnamed.
template <Dim D>
class Quantity {
 public:
  constexpr Quantity() = default;
  static constexpr Quantity base(double v) { return Quantity{v}; }
  constexpr double in(Quantity unit) const { return value_ / unit.value_; }

  friend constexpr Quantity operator+(Quantity a, Quantity b) {
    return Quantity{a.value_ + b.value_};
  }
  friend constexpr Quantity operator-(Quantity a, Quantity b) {
    return Quantity{a.value_ - b.value_};
  }
  friend constexpr Quantity operator*(double k, Quantity q) { return Quantity{k * q.value_}; }
  friend constexpr Quantity operator*(Quantity q, double k) { return k * q; }
  friend constexpr Quantity operator/(Quantity q, double k) { return Quantity{q.value_ / k}; }
  friend constexpr auto operator<=>(Quantity, Quantity) = default;

 private:
  explicit constexpr Quantity(double v) : value_{v} {}
  template <Dim A, Dim B>
  friend constexpr auto operator*(Quantity<A> a, Quantity<B> b);
  template <Dim A, Dim B>
  friend constexpr auto operator/(Quantity<A> a, Quantity<B> b);
  double value_{};
};

/// Dimensions add; what cancels decays to double.
template <Dim A, Dim B>
constexpr auto operator*(Quantity<A> a, Quantity<B> b) {
  if constexpr (A + B == Dim{}) {
    return a.value_ * b.value_;
  } else {
    return Quantity<A + B>::base(a.value_ * b.value_);
  }
}

/// Dimensions subtract; what cancels decays to double.
template <Dim A, Dim B>
constexpr auto operator/(Quantity<A> a, Quantity<B> b) {
  if constexpr (A == B) {
    return a.value_ / b.value_;
  } else {
    return Quantity<A - B>::base(a.value_ / b.value_);
  }
}

using Flop = Quantity<Dim{.flop = 1}>;
using Bytes = Quantity<Dim{.byte = 1}>;
using Time = Quantity<Dim{.second = 1}>;
using Energy = Quantity<Dim{.joule = 1}>;
using Power = Quantity<Dim{.second = -1, .joule = 1}>;
using Mass = Quantity<Dim{.gram = 1}>;
using Area = Quantity<Dim{.mm2 = 1}>;
using Devices = Quantity<Dim{.device = 1}>;
using DeviceRate = Quantity<Dim{.flop = 1, .second = -1, .device = -1}>;
using DevicePower = Quantity<Dim{.second = -1, .joule = 1, .device = -1}>;
using DeviceTime = Quantity<Dim{.second = 1, .device = 1}>;
using DeviceMass = Quantity<Dim{.gram = 1, .device = -1}>;
using CarbonIntensity = Quantity<Dim{.joule = -1, .gram = 1}>;

inline constexpr auto flop = Flop::base(1.0);
inline constexpr auto byte = Bytes::base(1.0);
inline constexpr auto gibibyte = 1073741824.0 * byte;
inline constexpr auto second = Time::base(1.0);
inline constexpr auto hour = 3600.0 * second;
inline constexpr auto day = 24.0 * hour;
inline constexpr auto year = 365.0 * day;
inline constexpr auto joule = Energy::base(1.0);
inline constexpr auto watt = joule / second;
inline constexpr auto kilowatt_hour = 3.6e6 * joule;
inline constexpr auto megawatt_hour = 3.6e9 * joule;
inline constexpr auto gram = Mass::base(1.0);
inline constexpr auto kilogram = 1e3 * gram;
inline constexpr auto tonne = 1e6 * gram;
inline constexpr auto mm2 = Area::base(1.0);
inline constexpr auto cm2 = 100.0 * mm2;
inline constexpr auto device = Devices::base(1.0);
inline constexpr auto teraflops = 1e12 * flop / second;

/// A share in [0, 1]. `Fraction::of(45)` throws: 45 % is written 0.45, once and for all.
class Fraction {
 public:
  constexpr Fraction() = default;
  static constexpr Fraction of(double v) {
    if (!(v >= 0.0 && v <= 1.0)) throw std::domain_error("a fraction must lie in [0, 1]");
    return Fraction{v};
  }
  constexpr double value() const { return value_; }
  friend constexpr auto operator<=>(Fraction, Fraction) = default;

 private:
  explicit constexpr Fraction(double v) : value_{v} {}
  double value_{};
};

}  // namespace pretrain
