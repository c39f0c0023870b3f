#include "models/core/text.hpp"

#include <algorithm>
#include <numeric>

namespace pretrain {

namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr bool kept(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<std::string_view> split(std::string_view list, char separator) {
  std::vector<std::string_view> parts;
  while (!list.empty()) {
    const auto stop = list.find(separator);
    const auto part = trimmed(list.substr(0, stop));
    if (!part.empty()) parts.push_back(part);
    list = stop == std::string_view::npos ? std::string_view{} : list.substr(stop + 1);
  }
  return parts;
}

std::string_view normalized_into(std::string_view text, char* buffer, std::size_t capacity) {
  std::size_t size = 0;
  for (const char c : text) {
    const char l = lower(c);
    if (kept(l) && size < capacity) buffer[size++] = l;
  }
  return {buffer, size};
}

std::string normalized(std::string_view text) {
  std::string result(text.size(), '\0');
  result.resize(normalized_into(text, result.data(), result.size()).size());
  return result;
}

std::string lowered(std::string_view text) {
  std::string result{text};
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

std::string_view lowered_into(std::string_view text, char* buffer, std::size_t capacity) {
  const std::size_t size = std::min(text.size(), capacity);
  std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), buffer, lower);
  return {buffer, size};
}

std::uint64_t fnv1a(std::string_view text, std::uint64_t before) {
  for (const char c : text) before = (before ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return before;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kMost = 40;
  if (text.size() <= kMost) return std::string{text};
  std::size_t cut = kMost;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
  return std::string{text.substr(0, cut)} + "...";
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> now(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

std::vector<std::string> nearest(const std::vector<std::string_view>& names,
                                 std::string_view wanted, std::size_t count) {
  const std::string key = normalized(wanted.substr(0, 64));
  struct Candidate {
    std::size_t distance;
    std::string_view name;
  };
  std::vector<Candidate> candidates;
  candidates.reserve(names.size());
  for (const auto name : names) {
    const std::string other = normalized(name);
    std::size_t distance = 2 * edit_distance(key, other);
    const bool inside =
        !key.empty() && !other.empty() &&
        (other.find(key) != std::string::npos || key.find(other) != std::string::npos);
    if (inside) distance /= 2;
    candidates.push_back({distance, name});
  }
  std::stable_sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.name < b.name;
  });
  std::vector<std::string> result;
  for (const auto& candidate : candidates) {
    if (result.size() == count) break;
    if (std::find(result.begin(), result.end(), candidate.name) == result.end()) {
      result.emplace_back(candidate.name);
    }
  }
  return result;
}

std::string quoted_list(const std::vector<std::string>& names, std::string_view last_word) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " " + std::string{last_word} + " " : ", ";
    text += "'" + names[i] + "'";
  }
  return text;
}

}  // namespace pretrain
