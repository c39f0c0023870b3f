#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/core/table.hpp"

namespace pretrain::validation {

inline constexpr std::size_t kFolds = 5;

/// Rows of one model on one device: they are held out together, so that nothing of a row that is
/// scored was in training. "llama270b@h100sxm" from the name of an architecture (or of a run,
/// where that is blank) and the id of a device.
///
/// Case and punctuation do not count, but for the point in a number; nor does what a name says in
/// parentheses or after a comma, which is a remark ("GPT-181B (BLOOM tuning)"). Names of one shape,
/// such as those of Llama 3 and 3.1, are one model.
std::string group_key(std::string_view model, std::string_view device);

/// Who measured: "owner/repository" for GitHub, else domain and first part of the path; a paper of
/// arXiv counts for itself. Lower case. Empty for an empty address.
std::string source_key(std::string_view url);

/// Fold in which a group is held out, 0 to kFolds - 1.
std::size_t fold_of(std::string_view group);

/// Where one run belongs.
struct Placement {
  std::string_view id;
  std::string_view group;
  std::string_view source;
  std::size_t fold{};
};

/// The frozen split of the cases: id,group,source,fold. It wins over the functions above, and it
/// also merges groups whose names differ although every dimension agrees.
class Split {
 public:
  /// Throws InputError for an id that stands twice and for a group in two folds.
  static Split read(std::string_view text, std::string file);
  /// Null for an id that no row has.
  const Placement* find(std::string_view id) const;
  /// A row of the group, for its fold; null for a group that no row has.
  const Placement* find_group(std::string_view group) const;
  const std::vector<Placement>& all() const { return placements_; }

 private:
  // Texts point into the table; a vector keeps them in place when the split is moved.
  std::vector<Table> tables_;
  std::vector<Placement> placements_;
  std::unordered_map<std::string_view, std::size_t> by_id_;
  std::unordered_map<std::string_view, std::size_t> by_group_;
};

}  // namespace pretrain::validation
