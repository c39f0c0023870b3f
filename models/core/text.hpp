#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace pretrain {

/// Without spaces and tabs at both ends.
std::string_view trimmed(std::string_view text);

/// The parts of a list, trimmed, without empty ones.
std::vector<std::string_view> split(std::string_view list, char separator);

/// Lower-case ASCII letters and digits and all non-ASCII bytes: spaces, dashes, underscores, dots
/// and brackets are dropped, so that "TPU-v3", "tpu_v3" and "TPU v3" are one name.
std::string normalized(std::string_view text);

/// The same into a caller's buffer, without allocation. Returns what was written; names longer
/// than the buffer are cut.
std::string_view normalized_into(std::string_view text, char* buffer, std::size_t capacity);

/// Lower-case ASCII; the second without allocation, cut to the buffer.
std::string lowered(std::string_view text);
std::string_view lowered_into(std::string_view text, char* buffer, std::size_t capacity);

/// 64-bit FNV-1a, from the hash of what stands before.
std::uint64_t fnv1a(std::string_view text, std::uint64_t before = 0xcbf29ce484222325ULL);

/// Lets maps with std::string keys be searched by std::string_view, without allocation.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// At most 40 bytes of it, cut at a character, with "..." where something is missing.
std::string shortened(std::string_view text);

/// Number of single-character edits (insert, delete, replace, swap neighbors) from a to b.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The `count` names nearest to `wanted` by edit distance of their normalized forms; names that
/// contain it, or that it contains, come first.
std::vector<std::string> nearest(const std::vector<std::string_view>& names,
                                 std::string_view wanted, std::size_t count);

/// "a, b or c", each in single quotes.
std::string quoted_list(const std::vector<std::string>& names, std::string_view last_word);

}  // namespace pretrain
