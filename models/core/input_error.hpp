#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace pretrain {

/// Where in the user's files something is wrong. Lines and columns count from 1, in bytes;
/// 0 means that the place is the file (or the option) as a whole.
struct Location {
  std::string file;
  std::size_t line{};
  std::size_t column{};
};

/// One thing that is wrong, and how to mend it.
struct Problem {
  Location where;
  std::string what;
  std::string help;
};

/// Reads like a compiler diagnostic, so that editors can jump to it:
///   runs.csv:7:24: error: '400W' is not a number
///     help: use digits and '.', no unit, no thousands separator
std::string to_text(const Problem& problem);

/// Wrong input: a file, a row, an option. Never a bug in this program.
/// Carries one or more problems, in the order in which they stand in the file.
class InputError : public std::runtime_error {
 public:
  InputError(Location where, std::string what, std::string help);
  explicit InputError(std::vector<Problem> problems);
  const std::vector<Problem>& problems() const noexcept { return problems_; }

 private:
  std::vector<Problem> problems_;
};

}  // namespace pretrain
