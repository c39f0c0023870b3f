#include "cli/html.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "cli/embedded.hpp"

namespace pretrain::cli {

namespace {

std::string_view shipped_file(std::string_view name) {
  for (const auto& file : embedded_files()) {
    if (file.name == name) return file.text();
  }
  throw std::logic_error(fmt::format("no file '{}' in the program", name));
}

/// JSON within a script: no end of a script, no comment, no line that JavaScript would end.
std::string in_script(const nlohmann::ordered_json& json) {
  std::string text;
  for (const char c : json.dump(-1, ' ', true)) {
    if (c == '<') {
      text += "\\u003c";
    } else if (c == '>') {
      text += "\\u003e";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

TextTable html_table(const std::vector<HtmlColumn>& columns) {
  std::vector<TextTable::Column> named;
  for (const auto& column : columns) named.push_back({column.header, column.header, column.number});
  return TextTable{std::move(named)};
}

std::string html_of(const TextTable& table, const std::string& caption) {
  std::string head;
  const auto& columns = table.columns();
  for (const auto& column : columns) {
    head += fmt::format("<th scope=\"col\"{}>{}</th>", column.number ? " class=\"n\"" : "",
                        escaped(column.header));
  }
  std::string rows;
  for (const auto& row : table.shown_rows()) {
    rows += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const char* tag = i == 0 ? "th" : "td";
      rows += fmt::format("<{0}{1}{2}>{3}</{0}>", tag, i == 0 ? " scope=\"row\"" : "",
                          columns[i].number ? " class=\"n\"" : "", escaped(row[i]));
    }
    rows += "</tr>\n";
  }
  return fmt::format(
      "<div class=\"wide\"><table>{}<thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>\n",
      caption.empty() ? "" : fmt::format("<caption>{}</caption>", escaped(caption)), head, rows);
}

std::string html_figure(const std::string& id, const std::string& caption, const std::string& words,
                        const TextTable& table) {
  return fmt::format(
      "<figure><figcaption>{1}</figcaption>\n"
      "<div class=\"chart\" id=\"{0}\" role=\"img\" aria-label=\"{2}\"></div>\n"
      "<details><summary>{1}: the numbers</summary>{3}</details></figure>\n",
      escaped(id), escaped(caption), escaped(words), html_of(table));
}

nlohmann::ordered_json html_names_axis(const std::vector<std::string>& names) {
  return {{"type", "category"},
          {"inverse", true},
          {"data", names},
          {"axisLabel",
           {{"width", 120}, {"overflow", "break"}, {"lineHeight", 13}, {"formatter", "fn:name"}}}};
}

std::string html_page(const std::string& title, const std::string& body,
                      const nlohmann::ordered_json& charts) {
  const auto library = shipped_file("echarts.min.js");
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src "
      "'unsafe-inline'; style-src 'unsafe-inline'; img-src data:\">\n"
      "<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n{}",
      escaped(title), shipped_file("page.css"), body);
  if (!library.empty()) {
    page += fmt::format("<script type=\"application/json\" id=\"charts\">{}</script>\n",
                        in_script(charts));
    page += fmt::format("<script>\n/*\n{}*/\n{}\n</script>\n<script>\n{}</script>\n",
                        shipped_file("echarts_licence.txt"), library, shipped_file("page.js"));
  }
  return page + "</body>\n</html>\n";
}

}  // namespace pretrain::cli
