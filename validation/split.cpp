#include "validation/split.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "models/core/text.hpp"

namespace pretrain::validation {

namespace {

constexpr bool digit(char c) { return c >= '0' && c <= '9'; }

/// Lower-case letters and digits, and points between digits: "3.1" is not "31".
std::string plain(std::string_view text) {
  const std::string lower = lowered(text);
  std::string result;
  for (std::size_t i = 0; i < lower.size(); ++i) {
    const char c = lower[i];
    const bool decimal =
        c == '.' && i > 0 && digit(lower[i - 1]) && i + 1 < lower.size() && digit(lower[i + 1]);
    if ((c >= 'a' && c <= 'z') || digit(c) || decimal || static_cast<unsigned char>(c) >= 0x80) {
      result += c;
    }
  }
  return result;
}

/// The name without remarks. A name that is nothing else is kept.
std::string without_remarks(std::string_view name) {
  std::string result;
  std::size_t depth = 0;
  for (const char c : name) {
    if (c == '(') ++depth;
    if (depth == 0 && c == ',') break;
    if (depth == 0) result += c;
    if (c == ')' && depth > 0) --depth;
  }
  return plain(result).empty() ? std::string{name} : result;
}

/// Models of the same dimensions throughout, vocabulary included.
struct SameShape {
  std::string_view name;
  std::string_view counts_as;
};
constexpr std::array kSameShape{
    SameShape{"llama17b", "llama27b"},
    SameShape{"llama113b", "llama213b"},
    SameShape{"llama3.18b", "llama38b"},
    SameShape{"llama3.170b", "llama370b"},
};

bool cut_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Takes the part up to the next '/' off the front.
std::string_view next_part(std::string_view& path) {
  const auto stop = path.find('/');
  const auto part = path.substr(0, stop);
  path = stop == std::string_view::npos ? std::string_view{} : path.substr(stop + 1);
  return part;
}

std::string joined(std::string_view a, std::string_view b) {
  return b.empty() ? std::string{a} : fmt::format("{}/{}", a, b);
}

/// "2104.04473v3.pdf" and "2104.04473" are one paper.
std::string_view paper_number(std::string_view part) {
  std::size_t end = 0;
  while (end < part.size() && (digit(part[end]) || part[end] == '.')) ++end;
  while (end > 0 && part[end - 1] == '.') --end;
  return end > 0 ? part.substr(0, end) : part;
}

}  // namespace

std::string group_key(std::string_view model, std::string_view device) {
  std::string name = plain(without_remarks(model));
  for (const auto& [other, counts_as] : kSameShape) {
    if (name == other) name = counts_as;
  }
  return name + "@" + plain(device);
}

std::string source_key(std::string_view url) {
  const std::string lower = lowered(trimmed(url));
  std::string_view rest = lower;
  if (const auto scheme = rest.find("://"); scheme != std::string_view::npos) {
    rest.remove_prefix(scheme + 3);
  }
  rest = rest.substr(0, rest.find_first_of("?#"));
  cut_prefix(rest, "www.");
  const auto domain = next_part(rest);
  const auto first = next_part(rest);
  if (domain == "github.com") {
    auto repository = next_part(rest);
    if (repository.ends_with(".git")) repository.remove_suffix(4);
    if (!first.empty()) return joined(first, repository);
  }
  if (domain == "arxiv.org" && !rest.empty()) return joined(domain, paper_number(next_part(rest)));
  return joined(domain, first);
}

std::size_t fold_of(std::string_view group) {
  return static_cast<std::size_t>(fnv1a(group) % kFolds);
}

Split Split::read(std::string_view text, std::string file) {
  Split split;
  split.tables_.push_back(Table::read(text, std::move(file), {"id", "group", "source", "fold"}));
  const auto& table = split.tables_.front();
  split.placements_.reserve(table.size());
  for (std::size_t row = 0; row < table.size(); ++row) {
    Placement placed;
    placed.id = table.required_text(row, "id");
    placed.group = table.required_text(row, "group");
    placed.source = table.required_text(row, "source");
    const double fold = table.required_number(row, "fold", 0, kFolds - 1);
    placed.fold = static_cast<std::size_t>(fold);
    if (static_cast<double>(placed.fold) != fold) {
      table.fail(row, "fold", fmt::format("fold {} is no whole number", fold), "folds are counted");
    }
    if (!split.by_id_.emplace(placed.id, row).second) {
      table.fail(row, "id", fmt::format("id '{}' stands twice", placed.id), "keep one of them");
    }
    const auto first = split.by_group_.emplace(placed.group, row).first->second;
    if (first < row && split.placements_[first].fold != placed.fold) {
      table.fail(row, "fold", fmt::format("group '{}' stands in two folds", placed.group),
                 "a group is held out as a whole");
    }
    split.placements_.push_back(placed);
  }
  return split;
}

const Placement* Split::find_group(std::string_view group) const {
  const auto found = by_group_.find(group);
  return found == by_group_.end() ? nullptr : &placements_[found->second];
}

const Placement* Split::find(std::string_view id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &placements_[found->second];
}

}  // namespace pretrain::validation
