#include "planner/nccl_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <sstream>

#include "models/core/input_error.hpp"
#include "models/core/text.hpp"

namespace pretrain::planner {

namespace {

constexpr double kMebibyte = 1048576;

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in{line};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::string operation_of(std::string_view word) {
  const auto end = word.find("_perf");
  if (end == std::string_view::npos) return {};
  auto start = word.substr(0, end).find_last_of("/ \t");
  start = start == std::string_view::npos ? 0 : start + 1;
  return std::string{word.substr(start, end - start)};
}

}  // namespace

std::optional<double> NcclLog::bandwidth() const {
  constexpr double kLeast = 8 * kMebibyte;
  double largest = 0;
  for (const auto& row : rows) largest = std::max(largest, row.bytes);
  if (largest < kLeast) return std::nullopt;
  double sum = 0;
  double count = 0;
  for (const auto& row : rows) {
    if (row.bytes < largest / 4) continue;
    sum += row.bus_gb_per_s;
    ++count;
  }
  return sum / count;
}

bool is_nccl_log(std::string_view text) {
  return text.find("busbw") != std::string_view::npos &&
         text.find("algbw") != std::string_view::npos;
}

NcclLog read_nccl_log(const std::string& text, const std::string& file) {
  NcclLog log;
  log.operation = operation_of(file);
  std::set<std::string> hosts;
  std::optional<std::size_t> bus;  // column of the first bandwidth of the bus
  std::istringstream lines{text};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const auto plain = trimmed(line);
    if (plain.empty()) continue;
    if (plain.front() == '#') {
      if (plain.find("_perf") != std::string_view::npos) log.operation = operation_of(plain);
      const auto words = words_of(line);
      const auto found = std::find(words.begin(), words.end(), "busbw");
      if (found != words.end() && words.front() == "#") {
        // Without the sign that begins the line.
        bus = static_cast<std::size_t>(found - words.begin()) - 1;
      }
      const auto rank = std::find(words.begin(), words.end(), "Rank");
      const auto on = std::find(words.begin(), words.end(), "on");
      const auto device = std::find(words.begin(), words.end(), "device");
      if (rank != words.end() && on != words.end() && device != words.end() &&
          on + 1 != words.end()) {
        ++log.ranks;
        hosts.insert(*(on + 1));
        // Behind the number of the device and its place on the bus.
        const auto bracket = line.find(']');
        if (bracket != std::string::npos) log.device = trimmed(line.substr(bracket + 1));
      }
      continue;
    }
    if (!bus) continue;
    const auto words = words_of(line);
    if (words.size() <= *bus ||
        words.front().find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    char* end = nullptr;
    const double value = std::strtod(words[*bus].c_str(), &end);
    if (end == words[*bus].c_str() || *end != '\0' || !std::isfinite(value) || value < 0) {
      throw InputError({file, number, 0},
                       fmt::format("'{}' is no bandwidth", shortened(words[*bus])),
                       "give the output of nccl-tests as it was printed");
    }
    log.rows.push_back({std::strtod(words.front().c_str(), nullptr), value});
  }
  log.hosts = hosts.size();
  if (log.rows.empty()) {
    throw InputError({file, 0, 0}, "no table of nccl-tests",
                     "give the output of all_reduce_perf or another test, with its header");
  }
  return log;
}

}  // namespace pretrain::planner
