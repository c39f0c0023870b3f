#include "models/core/input_error.hpp"

#include <fmt/format.h>

#include <utility>

namespace pretrain {

namespace {

std::string joined(const std::vector<Problem>& problems) {
  std::string text;
  for (const auto& problem : problems) {
    if (!text.empty()) text += '\n';
    text += to_text(problem);
  }
  return text;
}

}  // namespace

std::string to_text(const Problem& problem) {
  std::string text = problem.where.file;
  if (problem.where.line > 0) {
    text += fmt::format(":{}", problem.where.line);
    if (problem.where.column > 0) text += fmt::format(":{}", problem.where.column);
  }
  if (!text.empty()) text += ": ";
  text += "error: " + problem.what;
  if (!problem.help.empty()) text += "\n  help: " + problem.help;
  return text;
}

InputError::InputError(Location where, std::string what, std::string help)
    : InputError(std::vector{Problem{std::move(where), std::move(what), std::move(help)}}) {}

InputError::InputError(std::vector<Problem> problems)
    : std::runtime_error(joined(problems)), problems_(std::move(problems)) {}

}  // namespace pretrain
