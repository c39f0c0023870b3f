#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/text_table.hpp"

// Pages that need nothing but themselves.

namespace pretrain::cli {

/// Text as HTML has it.
std::string escaped(std::string_view text);

/// A table of rows that are ready to read; the first column names them.
struct HtmlColumn {
  std::string header;
  bool number = false;
};
TextTable html_table(const std::vector<HtmlColumn>& columns);
std::string html_of(const TextTable& table, const std::string& caption = "");

/// A chart with its words for those who do not see it, and its numbers as a table.
std::string html_figure(const std::string& id, const std::string& caption, const std::string& words,
                        const TextTable& table);

/// The axis of things below each other; long names take several lines.
nlohmann::ordered_json html_names_axis(const std::vector<std::string>& names);

/// The page around a body: styles, charts (options of Apache ECharts by the id of their figure) and
/// the library that draws them; no network.
std::string html_page(const std::string& title, const std::string& body,
                      const nlohmann::ordered_json& charts);

}  // namespace pretrain::cli
