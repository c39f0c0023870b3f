#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/architecture.hpp"
#include "models/core/known.hpp"
#include "models/family.hpp"

namespace pretrain::models {

/// A cell of a partly known architecture.
enum class Field : std::uint8_t {
#define FIELD(name, low, high) name,
#include "models/architecture_fields.def"
#undef FIELD
};

struct FieldInfo {
  std::string_view name;  ///< the column of tables and of the run table
  double low;
  double high;
};

#define FIELD(name, low, high) +1
inline constexpr std::size_t kFields = 0
#include "models/architecture_fields.def"
    ;
#undef FIELD
extern const std::array<FieldInfo, kFields> kFieldInfo;
inline const FieldInfo& info_of(Field field) { return kFieldInfo[static_cast<std::size_t>(field)]; }

/// What is known of an architecture: from a catalogue row, a config.json or the cells of a run,
/// the later filling only what the earlier left blank.
struct ArchitectureSpec {
  std::string_view type;  ///< the word of the run table; empty: unknown
  Basis type_basis = Basis::absent;
  const Family* family = nullptr;
  Details details;  ///< of the family, or as a configuration changed them
  bool has_details = false;
  bool plain = true;    ///< false: its dimensions give its count only roughly
  bool hybrid = false;  ///< has blocks of a kind that is not known: they do not give it at all
  std::array<Known<double>, kFields> cells{};

  Known<double>& operator[](Field field) { return cells[static_cast<std::size_t>(field)]; }
  const Known<double>& operator[](Field field) const {
    return cells[static_cast<std::size_t>(field)];
  }
  /// Blank cells are taken from `other`; family, details and type too where they are blank.
  void fill_from(const ArchitectureSpec& other);
};

/// Stated totals, to choose between readings of what the dimensions leave open.
struct StatedParams {
  std::optional<double> total;
};

/// A partly known architecture made whole, or why that is not possible.
struct Completion {
  enum class State : std::uint8_t {
    whole,    ///< every dimension that matters for the count is known
    assumed,  ///< some are the usual values of such models: see `assumed`
    missing,  ///< too little is known: see `missing`
    beyond,   ///< a kind of model that these formulas do not describe: see `what`
    wrong,    ///< the dimensions contradict each other: see `what`
  };
  State state = State::missing;
  Architecture architecture;
  std::bitset<kFields> assumed;
  /// Blank, and taken at what most models have: no shared experts, experts in every layer, as many
  /// key-value heads as heads, heads of hidden / heads. Good unless a stated count speaks against.
  std::bitset<kFields> guessed;
  std::bitset<kFields> missing;
  Field field = Field::layers;  ///< wrong: the cell to look at
  std::string what;
  std::string help;

  bool usable() const { return state == State::whole || state == State::assumed; }
};

/// Fills what is blank with the rules of the family, then with the usual values, and checks that
/// the dimensions agree with each other.
Completion complete(const ArchitectureSpec& spec, StatedParams stated);

/// The shape of a dense decoder of so many parameters: hidden and layers in the proportion of
/// published models, and a feed-forward width that meets the count.
///
/// @eq      architecture.usual_shape
/// @source  kaplan-2020, Sec. 3.1; grattafiori-2024, Table 3
///          hidden / layers about 128, heads of 128, 8 key-value heads, vocabulary 128,256
/// @domain  params >= 1e6
/// @returns an architecture whose count is within 1% of `params` above 1e8
Architecture usual_shape(double params);

}  // namespace pretrain::models
