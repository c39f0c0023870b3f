#include "models/registers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "models/core/text.hpp"

namespace pretrain::models {

EquationRegister EquationRegister::read(std::string_view text, std::string file) {
  EquationRegister result;
  result.tables_.push_back(
      Table::read(text, std::move(file),
                  {"id", "quantity", "formula", "source", "locator", "status", "header", "test"}));
  const Table& table = result.tables_.front();
  for (std::size_t row = 0; row < table.size(); ++row) {
    result.equations_.push_back(
        {table.required_text(row, "id"), table.required_text(row, "quantity"),
         table.required_text(row, "formula"), table.text(row, "source"), table.text(row, "locator"),
         table.choice(row, "status", {"verbatim", "derived", "fitted", "assumption"}),
         table.required_text(row, "header"), table.required_text(row, "test")});
  }
  return result;
}

const Equation& EquationRegister::find(std::string_view id) const {
  const auto found = std::find_if(equations_.begin(), equations_.end(),
                                  [id](const Equation& e) { return e.id == id; });
  if (found == equations_.end()) {
    throw std::logic_error(fmt::format("equation '{}' is not in equations.csv", id));
  }
  return *found;
}

SourceRegister SourceRegister::read(std::string_view text, std::string file) {
  SourceRegister result;
  result.tables_.push_back(Table::read(
      text, std::move(file), {"key", "title", "authors", "year", "url", "licence", "retrieved"}));
  const Table& table = result.tables_.front();
  for (std::size_t row = 0; row < table.size(); ++row) {
    result.sources_.push_back({table.required_text(row, "key"), table.required_text(row, "title"),
                               table.text(row, "authors"), table.text(row, "year"),
                               table.text(row, "url"), table.text(row, "licence")});
  }
  return result;
}

const Source* SourceRegister::find(std::string_view key) const {
  const auto found = std::find_if(sources_.begin(), sources_.end(),
                                  [key](const Source& s) { return s.key == key; });
  return found == sources_.end() ? nullptr : &*found;
}

std::string SourceRegister::citation(std::string_view keys) const {
  std::string text;
  for (const auto key : split(keys, ';')) {
    if (!text.empty()) text += "; ";
    const Source* source = find(key);
    if (source == nullptr) {
      text += key;
    } else if (source->url.empty()) {
      text += source->title;
    } else {
      text += fmt::format("{} ({})", source->title, source->url);
    }
  }
  return text;
}

}  // namespace pretrain::models
