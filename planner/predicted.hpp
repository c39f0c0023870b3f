#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "planner/draws.hpp"
#include "planner/estimate.hpp"

namespace pretrain::planner {

/// The predicted quantities, in the order in which they are written.
enum class Key : std::uint8_t {
  total_params,
  active_params,
  training_flops,
  iteration_s,
  tokens_per_s_per_device,
  tflops_per_device,
  mfu,
  hfu,
  memory_gib_per_device,
  training_days,
  device_hours,
  device_power_w,
  device_energy_mwh,
  node_energy_mwh,
  facility_energy_mwh,
  operational_tco2e,
  embodied_tco2e,
  total_tco2e,
};
inline constexpr std::size_t kKeys = static_cast<std::size_t>(Key::total_tco2e) + 1;

struct KeyInfo {
  std::string_view name;
  std::string_view unit;
};
extern const std::array<KeyInfo, kKeys> kKeyInfo;
inline const KeyInfo& info_of(Key key) { return kKeyInfo[static_cast<std::size_t>(key)]; }

/// An input that an interval is due to, and the factor by which it moves the value it drives.
struct Driver {
  std::string_view input;
  double factor = 1;
};

/// Values in the units of their keys; absent where they cannot be computed.
class Predicted {
 public:
  explicit Predicted(const Result& result);
  const std::optional<double>& operator[](Key key) const {
    return values_[static_cast<std::size_t>(key)];
  }
  /// Those that can have an interval.
  static constexpr std::array kUncertain = {Key::iteration_s,
                                            Key::tokens_per_s_per_device,
                                            Key::tflops_per_device,
                                            Key::mfu,
                                            Key::hfu,
                                            Key::training_days,
                                            Key::device_hours,
                                            Key::device_power_w,
                                            Key::device_energy_mwh,
                                            Key::node_energy_mwh,
                                            Key::facility_energy_mwh,
                                            Key::operational_tco2e,
                                            Key::embodied_tco2e,
                                            Key::total_tco2e};
  /// The interval; absent where there is none. No rate is above the peak of the device.
  std::optional<double> low(Key key) const;
  std::optional<double> high(Key key) const;
  /// Of the energy in the scope of a published figure, or of the carbon from it.
  models::Spread energy_spread(std::string_view scope, bool carbon) const;
  /// The share of runs that the intervals are asked to hold; 0: none.
  double interval() const { return interval_; }
  /// The three inputs that widen the interval of the last quantity of the chain most, from the
  /// largest; a factor of 1 ends them.
  std::array<Driver, 3> drivers() const;

 private:
  std::array<std::optional<double>, kKeys> values_;
  models::Spread spread(Key key) const;
  models::Spread spread_of(Key key) const;
  models::Spread at_level(models::Spread spread) const;
  models::Spread step_spread() const;
  models::LogSum booked_sum() const;
  models::LogSum hours_sum() const;
  models::LogSum footprint_sum() const;
  models::Spread ends(const models::LogSum& sum) const;
  double operational_part() const;

  mutable std::array<std::optional<models::Spread>, kKeys> found_;  ///< asked for before
  std::optional<DrawnSpreads> drawn_;  ///< at the level asked for; absent: closed form
  Spreads spreads_;                    ///< at 90%
  double interval_ = 0;
  double level_ = 0;          ///< that scales them to the level asked for
  double faster_ = 0;         ///< logarithm of how much faster the peak of the device is
  bool solved_days_ = false;  ///< they follow from the rate
  bool solved_hours_ = false;
};

/// One published number beside the prediction in its own scope.
struct Comparison {
  Key key{};
  std::optional<double> predicted;
  std::optional<double> low;
  std::optional<double> high;
  double reported{};
  std::optional<double> delta;  ///< predicted / reported - 1
  std::string_view reason;      ///< why there is no delta
  std::string_view scope;
  std::string_view convention;
  std::string_view basis;
};

/// All comparisons of a row, without allocation. Empty when nothing was reported.
class Comparisons {
 public:
  Comparisons() = default;
  Comparisons(const RunRow& row, const Result& result, const Predicted& predicted,
              const Catalogue& catalogue);
  const Comparison* begin() const { return items_.data(); }
  const Comparison* end() const { return items_.data() + size_; }
  bool empty() const { return size_ == 0; }
  /// Null when that quantity was not reported.
  const Comparison* find(Key key) const;

  /// The quantities that can be reported, in order.
  static constexpr std::array kReportable = {
      Key::iteration_s,           Key::tokens_per_s_per_device,
      Key::tflops_per_device,     Key::mfu,
      Key::memory_gib_per_device, Key::training_days,
      Key::device_hours,          Key::device_power_w,
      Key::device_energy_mwh,     Key::node_energy_mwh,
      Key::facility_energy_mwh,   Key::operational_tco2e,
      Key::embodied_tco2e};

 private:
  void add(Comparison comparison);
  std::array<Comparison, kReportable.size()> items_;
  std::size_t size_ = 0;
};

}  // namespace pretrain::planner
