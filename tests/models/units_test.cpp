#include "models/core/units.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <type_traits>

namespace pretrain {
namespace {

// What must NOT compile is tested at compile time, with no extra build step.
template <class A, class B>
concept Addable = requires(A a, B b) {
  a + b;
};
template <class A, class B>
concept Subtractable = requires(A a, B b) {
  a - b;
};
template <class A, class B>
concept Comparable = requires(A a, B b) {
  a < b;
};
template <class A, class B>
concept ReadableIn = requires(A a, B b) {
  a.in(b);
};

static_assert(Addable<Energy, Energy>);
static_assert(!Addable<Energy, Time>, "joules and seconds must not add");
static_assert(!Addable<Energy, double>, "a bare number has no unit");
static_assert(!Addable<double, Energy>, "a bare number has no unit");
static_assert(!Addable<Mass, DeviceMass>, "kg and kg per device must not add");
static_assert(!Subtractable<Power, Energy>);
static_assert(Comparable<Power, Power>);
static_assert(!Comparable<DevicePower, Power>, "W per device is not W");
static_assert(!Comparable<Energy, double>);
static_assert(ReadableIn<Energy, Energy>);
static_assert(!ReadableIn<Energy, Power>, "kWh are not read in watts");
static_assert(!std::is_convertible_v<double, Energy>);
static_assert(!std::is_constructible_v<Energy, double>);
static_assert(!std::is_convertible_v<Energy, double>);
static_assert(!std::is_convertible_v<double, Fraction>);
static_assert(!std::is_constructible_v<Fraction, double>);

// The chain: rate x time, power x time, energy x intensity.
static_assert(std::is_same_v<decltype(100.0 * (watt / device) * (8.0 * device) * hour), Energy>);
static_assert(std::is_same_v<decltype(DevicePower{} * DeviceTime{}), Energy>);
static_assert(!std::is_same_v<decltype(DevicePower{} * Time{}), Energy>,
              "without a number of devices it is energy per device");
static_assert(std::is_same_v<decltype(DeviceRate{} * DeviceTime{}), Flop>);
static_assert(std::is_same_v<decltype(Flop{} / (DeviceRate{} * Devices{})), Time>);
static_assert(std::is_same_v<decltype(Energy{} * CarbonIntensity{}), Mass>);
static_assert(std::is_same_v<decltype(DeviceMass{} * Devices{}), Mass>);
static_assert(std::is_same_v<decltype(hour / second), double>, "what cancels is a number");
static_assert(sizeof(Energy) == sizeof(double));
static_assert(std::is_trivially_copyable_v<Energy>);

static_assert(day / hour == 24.0);
static_assert(year / day == 365.0);
static_assert(kilowatt_hour / joule == 3.6e6);
static_assert(megawatt_hour / kilowatt_hour == 1000.0);
static_assert(tonne / kilogram == 1000.0);
static_assert(cm2 / mm2 == 100.0);
static_assert(gibibyte / byte == 1024.0 * 1024.0 * 1024.0);
static_assert(teraflops * second / flop == 1e12);
static_assert(Energy{} == 0.0 * joule);
static_assert(Fraction::of(0.45).value() == 0.45);
static_assert(Fraction{} < Fraction::of(1.0));

TEST(Units, FractionRefusesPercent) {
  EXPECT_THROW(Fraction::of(45), std::domain_error);
  EXPECT_THROW(Fraction::of(-0.01), std::domain_error);
  EXPECT_THROW(Fraction::of(std::numeric_limits<double>::quiet_NaN()), std::domain_error);
  EXPECT_DOUBLE_EQ(Fraction::of(0).value(), 0.0);
  EXPECT_DOUBLE_EQ(Fraction::of(1).value(), 1.0);
}

TEST(Units, ReadsInTheUnitThatIsNamed) {
  const Energy used = 400.0 * (watt / device) * (8.0 * device) * (10.0 * hour);
  EXPECT_DOUBLE_EQ(used.in(kilowatt_hour), 32.0);
  EXPECT_DOUBLE_EQ((used * (500.0 * gram / kilowatt_hour)).in(kilogram), 16.0);
}

}  // namespace
}  // namespace pretrain
