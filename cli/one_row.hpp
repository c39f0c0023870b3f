#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/files.hpp"
#include "models/core/input_error.hpp"
#include "models/core/text.hpp"
#include "planner/run_table.hpp"

namespace pretrain::cli {

/// A row of a table, with texts of its own: the first, or the first of some name or id.
class OneRow : public planner::TableJob {
 public:
  explicit OneRow(std::string where) : where_{std::move(where)} {}

  struct RowPart : Part {
    void clear() override { found.clear(); }
    std::vector<std::pair<planner::RunRow, std::vector<std::pair<planner::Col, std::string>>>>
        found;
  };
  std::unique_ptr<Part> make_part() const override { return std::make_unique<RowPart>(); }
  void row(const planner::RunRow& row, Part& base) const override {
    if (!where_.empty() && !equal_ignoring_case(row.text(planner::Col::name), where_) &&
        !equal_ignoring_case(row.text(planner::Col::id), where_)) {
      return;
    }
    auto& part = dynamic_cast<RowPart&>(base);
    std::vector<std::pair<planner::Col, std::string>> texts;
    for (std::size_t i = 0; i < planner::kColumns; ++i) {
      const auto col = static_cast<planner::Col>(i);
      if (row.has(col) && !planner::column_of(col).numeric()) {
        texts.emplace_back(col, std::string{row.text(col)});
      }
    }
    part.found.emplace_back(row, std::move(texts));
  }
  void deliver(Part& base) override {
    for (auto& found : dynamic_cast<RowPart&>(base).found) {
      ++count;
      if (count == 1) found_ = std::move(found);
    }
  }
  void remark(const std::string& text) override { tell(text); }

  planner::RunRow row() {
    if (count == 0) {
      throw InputError({"--where", 0, 0}, fmt::format("no run '{}'", shortened(where_)),
                       "names and ids are taken as they stand in the table");
    }
    auto row = found_.first;
    std::string what;
    std::string help;
    for (const auto& [col, text] : found_.second) row.set(col, text, 0, 0, what, help);
    return row;
  }
  std::size_t count = 0;

 private:
  std::string where_;
  std::pair<planner::RunRow, std::vector<std::pair<planner::Col, std::string>>> found_;
};

}  // namespace pretrain::cli
