#pragma once

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/embedded.hpp"
#include "models/core/embedded.hpp"
#include "models/core/input_error.hpp"
#include "models/core/text.hpp"

namespace pretrain {

/// The text of a table that ships with the program.
inline std::string_view shipped(std::span<const EmbeddedFile> files, std::string_view name) {
  for (const auto& file : files) {
    if (file.name == name) return file.text();
  }
  ADD_FAILURE() << name << " is not shipped";
  return {};
}

/// The first problem that `act` throws.
template <class Act>
Problem problem_of(Act act) {
  try {
    act();
  } catch (const InputError& e) {
    return e.problems().front();
  }
  ADD_FAILURE() << "no InputError was thrown";
  return {};
}

/// The same as a compiler diagnostic.
template <class Act>
std::string diagnostic_of(Act act) {
  return to_text(problem_of(act));
}

/// The parts of a cell that are separated by ';'.
inline std::vector<std::string_view> keys_of(std::string_view cell) {
  std::vector<std::string_view> keys;
  while (!cell.empty()) {
    const auto stop = cell.find(';');
    const auto key = trimmed(cell.substr(0, stop));
    if (!key.empty()) keys.push_back(key);
    cell = stop == std::string_view::npos ? std::string_view{} : cell.substr(stop + 1);
  }
  return keys;
}

}  // namespace pretrain
