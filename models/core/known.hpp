#pragma once

#include <cstdint>
#include <string_view>

namespace pretrain {

/// Where a value comes from, in order of preference.
enum class Basis : std::uint8_t {
  absent,     ///< unknown; never the same as zero
  given,      ///< stated in the row
  catalogue,  ///< looked up in a data table
  model,      ///< computed by an equation
  fallback,   ///< a stated default
};

/// The word used in output.
constexpr std::string_view name_of(Basis basis) {
  switch (basis) {
    case Basis::absent:
      return "absent";
    case Basis::given:
      return "given";
    case Basis::catalogue:
      return "catalogue";
    case Basis::model:
      return "model";
    case Basis::fallback:
      return "default";
  }
  return "absent";
}

/// The place that a value can be traced to: a row of a data table or an equation.
struct Origin {
  std::string_view place;    ///< e.g. "devices.csv a100-sxm-80" or "efficiency.llmcarbon"
  std::string_view source;   ///< key (or keys, by ';') in sources.csv
  std::string_view locator;  ///< table, section or page in that source
  bool checked = true;       ///< whether the number was read in the source
};

/// A value together with its basis; absent until set.
template <class T>
struct Known {
  T value{};
  Basis basis = Basis::absent;
  const Origin* origin = nullptr;

  explicit constexpr operator bool() const { return basis != Basis::absent; }
  constexpr const T& operator*() const { return value; }
  constexpr const T* operator->() const { return &value; }
};

template <class T>
constexpr Known<T> given(T value) {
  return {value, Basis::given, nullptr};
}

template <class T>
constexpr Known<T> known(T value, Basis basis, const Origin* origin) {
  return {value, basis, origin};
}

}  // namespace pretrain
