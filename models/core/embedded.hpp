#pragma once

#include <span>
#include <string_view>

namespace pretrain {

/// A data table that was linked into the program.
struct EmbeddedFile {
  std::string_view name;
  const char* begin;
  const char* end;

  std::string_view text() const { return {begin, end}; }
};

namespace models {
/// The tables of models/: equations.csv, sources.csv, architectures.csv.
std::span<const EmbeddedFile> embedded_files();
}  // namespace models

}  // namespace pretrain
