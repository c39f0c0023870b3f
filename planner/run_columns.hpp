#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pretrain::planner {

/// The columns of a run table, in the order in which they are written.
enum class Col : std::uint8_t {
#define NUMBER(name, ...) name,
#define WHOLE(name, ...) name,
#define COUNT(name, ...) name,
#define DAYS(name, ...) name,
#define TEXT(name, ...) name,
#define CHOICE(name, ...) name,
#define FLAG(name, ...) name,
#include "planner/run_columns.def"
#undef NUMBER
#undef WHOLE
#undef COUNT
#undef DAYS
#undef TEXT
#undef CHOICE
#undef FLAG
};

enum class Kind : std::uint8_t { number, whole, count, days, text, choice, flag };

enum class Role : std::uint8_t {
  label,       ///< not used by the chain
  input,       ///< known before the run
  measured,    ///< known only after the run; ignored when predicting blind
  reported,    ///< published result to compare with
  provenance,  ///< where the row comes from
};

/// What a column holds.
struct Column {
  std::string_view name;
  Kind kind{};
  Role role{};
  std::string_view unit;
  double low{};
  double high{};
  std::string_view help;     ///< what a number out of range most likely means
  std::string_view choices;  ///< of a choice, separated by spaces
  std::string_view meaning;

  constexpr bool numeric() const {
    return kind == Kind::number || kind == Kind::whole || kind == Kind::count || kind == Kind::days;
  }
};

inline constexpr std::size_t kColumns = static_cast<std::size_t>(Col::notes) + 1;

extern const std::array<Column, kColumns> kRunColumns;

/// Columns that say how the work is divided: what a search chooses.
inline constexpr std::array kPlanColumns{Col::tp,
                                         Col::pp,
                                         Col::dp,
                                         Col::cp,
                                         Col::ep,
                                         Col::interleave,
                                         Col::recompute,
                                         Col::micro_batch_seqs,
                                         Col::sharding,
                                         Col::sequence_parallel,
                                         Col::micro_batches,
                                         Col::edges_as_layers,
                                         Col::overlap_gradients,
                                         Col::scatter_gather,
                                         Col::near_groups};

inline const Column& column_of(Col col) { return kRunColumns[static_cast<std::size_t>(col)]; }

/// The column of that name, letter by letter.
std::optional<Col> find_column(std::string_view name);

/// The column that LLMCarbon's header means by this name, in any case.
std::optional<Col> find_llmcarbon_column(std::string_view name);

}  // namespace pretrain::planner
