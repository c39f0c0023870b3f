#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/table.hpp"

namespace pretrain::models {

/// One row of equations.csv.
struct Equation {
  std::string_view id;
  std::string_view quantity;
  std::string_view formula;  ///< in ASCII, with the letters of the source
  std::string_view source;   ///< key in the source register
  std::string_view locator;
  std::string_view status;  ///< verbatim, derived, fitted or assumption
  std::string_view header;  ///< file that declares the function
  std::string_view test;    ///< test that holds it
};

/// One row of sources.csv.
struct Source {
  std::string_view key;
  std::string_view title;
  std::string_view authors;
  std::string_view year;
  std::string_view url;
  std::string_view licence;
};

/// All equations by id.
class EquationRegister {
 public:
  static EquationRegister read(std::string_view text, std::string file);
  /// Throws std::logic_error for an id that no row has.
  const Equation& find(std::string_view id) const;
  const std::vector<Equation>& all() const { return equations_; }

 private:
  std::vector<Table> tables_;
  std::vector<Equation> equations_;
};

/// All sources by key.
class SourceRegister {
 public:
  static SourceRegister read(std::string_view text, std::string file);
  /// Null for a key that no row has.
  const Source* find(std::string_view key) const;
  const std::vector<Source>& all() const { return sources_; }
  /// "Title (URL)" of each of the keys, which are separated by ';'.
  std::string citation(std::string_view keys) const;

 private:
  std::vector<Table> tables_;
  std::vector<Source> sources_;
};

}  // namespace pretrain::models
