#include "models/step_constants.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "models/core/input_error.hpp"
#include "models/core/number.hpp"
#include "models/core/table.hpp"
#include "models/core/text.hpp"

namespace pretrain::models {

namespace {

constexpr double kLeast = 1e-9;
constexpr double kMost = 1e9;
constexpr double kMostSpread = 10;

/// A cell with the quotes that it needs.
std::string quoted(std::string_view text) {
  if (text.find_first_of(",\"") == std::string_view::npos) return std::string{text};
  std::string cell = "\"";
  for (const char c : text) {
    if (c == '"') cell += '"';
    cell += c;
  }
  return cell + '"';
}

}  // namespace

StepConstantTable StepConstantTable::read(std::string_view text, std::string file) {
  const auto table =
      Table::read(text, std::move(file),
                  {"constant", "meaning", "unit", "prior", "prior_sd", "source", "locator",
                   "checked", "value", "sd", "moved", "informed_by", "correlations"});
  if (table.size() == 0) {
    throw InputError({table.file(), 1, 0}, "no constants",
                     "the rows are those of the file that ships with the program, in its order");
  }
  StepConstantTable result;
  for (std::size_t i = 0; i < table.size(); ++i) {
    StepConstantRow row;
    row.name = table.required_text(i, "constant");
    const auto at = result.rows.size();
    if (at >= kStepConstants || row.name != kStepConstantMembers[at].name) {
      table.fail(i, "constant",
                 at < kStepConstants ? fmt::format("constant '{}' where '{}' is expected", row.name,
                                                   kStepConstantMembers[at].name)
                                     : fmt::format("constant '{}' is unknown", row.name),
                 "the rows are those of the file that ships with the program, in its order");
    }
    row.meaning = table.text(i, "meaning");
    row.unit = table.text(i, "unit");
    row.prior = table.required_number(i, "prior", kLeast, kMost);
    row.prior_sd = table.required_number(i, "prior_sd", kLeast, kMostSpread);
    row.source = table.text(i, "source");
    row.locator = table.text(i, "locator");
    row.checked = table.choice(i, "checked", {"read", "unverified"}) == "read";
    row.value = table.required_number(i, "value", kLeast, kMost);
    row.sd = table.required_number(i, "sd", 0, kMostSpread);
    row.moved = table.flag(i, "moved").value_or(false);
    row.informed_by = table.text(i, "informed_by");
    for (const auto cell : split(table.text(i, "correlations"), ';')) {
      const auto number = parse_number(cell, "");
      if (!number.ok() || !(number.value >= -1 && number.value <= 1)) {
        table.fail(i, "correlations", fmt::format("'{}' is not a correlation", cell),
                   "numbers from -1 to 1, separated by semicolons");
      }
      row.correlations.push_back(number.value);
    }
    result.rows.push_back(std::move(row));
  }
  if (result.rows.size() != kStepConstants) {
    table.fail(
        table.size() - 1, "constant",
        fmt::format("constant '{}' is missing", kStepConstantMembers[result.rows.size()].name),
        "the rows are those of the file that ships with the program, in its order");
  }
  return result;
}

std::string StepConstantTable::text(std::string_view head) const {
  std::string out{head};
  out +=
      "constant,meaning,unit,prior,prior_sd,source,locator,checked,value,sd,moved,informed_by,"
      "correlations\n";
  for (const auto& r : rows) {
    std::string correlations;
    for (const double c : r.correlations) {
      correlations += fmt::format("{}{:.2f}", correlations.empty() ? "" : ";", c);
    }
    out += fmt::format("{},{},{},{:g},{:g},{},{},{},{:.5g},{:.3f},{},{},{}\n", r.name,
                       quoted(r.meaning), r.unit, r.prior, r.prior_sd, r.source, quoted(r.locator),
                       r.checked ? "read" : "unverified", r.value, r.sd, r.moved,
                       quoted(r.informed_by), correlations);
  }
  return out;
}

StepConstants StepConstantTable::values() const {
  StepConstants c;
  for (std::size_t i = 0; i < kStepConstants; ++i) {
    c.*kStepConstantMembers[i].member = rows[i].value;
  }
  return c;
}

StepConstants StepConstantTable::priors() const {
  StepConstants c;
  for (std::size_t i = 0; i < kStepConstants; ++i) {
    c.*kStepConstantMembers[i].member = rows[i].prior;
  }
  return c;
}

}  // namespace pretrain::models
