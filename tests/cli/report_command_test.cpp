#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <regex>

#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

const char* const kTable =
    "name,architecture,tokens_b,device,devices,global_batch_seqs,region\n"
    "\"Llama <b>7B</b> & \"\"co\"\"\",llama-2-7b,1000,h100-sxm,256,1024,DE\n"
    "=HYPERLINK(1),llama-2-13b,1000,h100-sxm,512,1024,DE\n"
    "</script><script>alert(1)</script>,mixtral-8x7b,1000,h100-sxm,512,1024,DE\n";

class ReportCommand : public testing::Test {
 protected:
  void SetUp() override { planner.write("runs.csv", kTable); }
  std::string html(std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"report", "runs.csv", "-o", "r.html"};
    words.insert(words.end(), more.begin(), more.end());
    const auto ran = planner.run(words);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return file_text(planner.path("r.html"));
  }
  Json estimate() const { return planner({"estimate", "runs.csv", "--format", "json"}).json(); }
  Program planner;
};

/// Everything between two texts; empty where they are not there.
std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const auto begin = text.find(from);
  if (begin == std::string::npos) return {};
  const auto end = text.find(to, begin + from.size());
  return text.substr(begin + from.size(), end - begin - from.size());
}

const char* const kNoCharts = "built without charts: npm was not there, or could not fetch them";
bool has_charts(const std::string& page) { return contains(page, "id=\"charts\">"); }

TEST_F(ReportCommand, IsOneFileThatNeedsNothingElse) {
  const auto page = html();
  EXPECT_LT(page.size(), 2U << 20);
  EXPECT_CONTAINS(page, "default-src 'none'");
  const auto body = between(page, "<body>", "<script");
  // What loads something: there is none. Addresses of sources are text.
  for (const char* tag : {"<link", "<img", "<iframe", " src=", "url(", "@import"}) {
    EXPECT_FALSE(contains(body, tag)) << tag;
  }
  for (const char* heading :
       {"The candidates", "Where the energy goes", "Where the time goes", "How sure it is",
        "Elsewhere", "Published runs of similar size", "What regulations and standards ask for",
        "What was put in", "Method, limits, and how well it does", "Appendix"}) {
    EXPECT_CONTAINS(body, heading);
  }
  // Each chart has words and a table.
  const auto figures = count_of(body, "<figure>");
  EXPECT_GE(figures, 7U);
  EXPECT_EQ(count_of(body, "role=\"img\" aria-label=\""), figures);
  EXPECT_EQ(count_of(body, ": the numbers</summary><div class=\"wide\"><table>"), figures);
  EXPECT_CONTAINS(body, "Annex XI, Section 1, 2(d)");
  EXPECT_CONTAINS(body, "SCI for AI");
}

TEST_F(ReportCommand, TextStaysText) {
  const auto page = html();
  EXPECT_CONTAINS(page, "Llama &lt;b&gt;7B&lt;/b&gt; &amp; &quot;co&quot;");
  EXPECT_FALSE(contains(page, "<b>7B"));
  EXPECT_FALSE(contains(page, "<script>alert"));
  EXPECT_FALSE(contains(page, "</script><script>alert"));
  // In a sheet it is no formula.
  EXPECT_CONTAINS(page, "%27%3DHYPERLINK%281%29");
  EXPECT_FALSE(contains(page, "%0A%2C%3DHYPERLINK"));
  EXPECT_CONTAINS(planner({"compare", "runs.csv", "--format", "csv"}).out, "'=HYPERLINK(1)");
  const auto markdown = planner({"report", "runs.csv", "--format", "markdown"}).out;
  EXPECT_CONTAINS(markdown, "| Llama &lt;b>7B&lt;/b> & \"co\" |");
  EXPECT_FALSE(contains(markdown, "<script>"));
}

TEST_F(ReportCommand, NumbersAreThoseOfEveryFormat) {
  const auto page = html();
  const auto run = estimate()["runs"][0];
  for (const char* key : {"training_days", "device_hours", "facility_energy_mwh",
                          "operational_tco2e", "embodied_tco2e", "mfu"}) {
    const auto value = between(page, fmt::format("data-key=\"{}\" data-value=\"", key), "\"");
    ASSERT_FALSE(value.empty()) << key;
    EXPECT_DOUBLE_EQ(std::stod(value), run["predicted"][key]["value"].get<double>()) << key;
  }
  // The charts have them unrounded.
  const auto runs = estimate()["runs"];
  if (has_charts(page)) {
    const auto charts =
        Json::parse(between(page, "<script type=\"application/json\" id=\"charts\">", "</script>"));
    const auto& bars = charts["carbon"]["series"];
    for (std::size_t i = 0; i < runs.size(); ++i) {
      EXPECT_DOUBLE_EQ(bars[0]["data"][i]["value"].get<double>(),
                       runs[i]["predicted"]["operational_tco2e"]["value"].get<double>());
      EXPECT_DOUBLE_EQ(bars[1]["data"][i]["value"].get<double>(),
                       runs[i]["predicted"]["embodied_tco2e"]["value"].get<double>());
      EXPECT_DOUBLE_EQ(bars[2]["data"][i][2].get<double>(),
                       runs[i]["predicted"]["total_tco2e"]["high"].get<double>());
    }
  }
  // The sheet behind the link.
  auto sheet = between(page, "data:text/csv;charset=utf-8,", "\"");
  std::string csv;
  for (std::size_t i = 0; i < sheet.size(); ++i) {
    if (sheet[i] == '%') {
      csv += static_cast<char>(std::stoi(sheet.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      csv += sheet[i];
    }
  }
  const CsvAnswer table{csv};
  ASSERT_EQ(table.rows.size(), 3U);
  EXPECT_DOUBLE_EQ(std::stod(table.rows[2].at("total_tco2e")),
                   runs[2]["predicted"]["total_tco2e"]["value"].get<double>());
  // People's formats round to the same digits as the table does.
  const auto text = planner({"compare", "runs.csv", "--plan", "given"}).out;
  const auto markdown = planner({"report", "runs.csv", "--format", "markdown"}).out;
  const auto row = between(text, "total_tco2e [t]", "\n");
  const std::regex number{R"(\d[\d,.]*)"};
  std::smatch match;
  ASSERT_TRUE(std::regex_search(row, match, number));
  EXPECT_CONTAINS(markdown, "| " + match.str() + " (");
  EXPECT_CONTAINS(page, match.str());
  // The card has grams.
  const auto card = planner({"report", "runs.csv", "--format", "card"}).out;
  EXPECT_NEAR(std::stod(between(card, "emissions: ", "\n")) /
                  (1e6 * run["predicted"]["operational_tco2e"]["value"].get<double>()),
              1, 1e-5);
  EXPECT_CONTAINS(card, "hardware_used: \"256 x h100-sxm\"");
}

TEST_F(ReportCommand, LeversAreThoseOfCompare) {
  const auto page = html({"--levers", "--lever", "region=FR"});
  if (!has_charts(page)) GTEST_SKIP() << kNoCharts;
  const auto charts =
      Json::parse(between(page, "<script type=\"application/json\" id=\"charts\">", "</script>"));
  const auto levers = planner({"compare", "runs.csv", "--plan", "given", "--lever", "region=FR",
                               "--format", "json"})
                          .json()["levers"];
  const auto& bars = charts["levers"]["series"][0]["data"];
  std::size_t i = 0;
  for (const auto& lever : levers) {
    if (lever["kind"] != "site") continue;
    EXPECT_DOUBLE_EQ(bars[++i]["value"].get<double>(), lever["total_tco2e_together"].get<double>());
  }
  EXPECT_GE(i, 3U);
}

TEST_F(ReportCommand, CompareWritesOneOfWhatIsTyped) {
  const std::vector<std::string> words{
      "compare", "--params",  "7e9,13e9", "--tokens", "1e12", "--device",
      "H100",    "--devices", "256",      "--region", "US",   "--mixtures",
      "8",       "--report",  "c.html",   "--format", "json"};
  const auto ran = planner.run(words);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_CONTAINS(ran.err, "report: written to c.html");
  const auto answer = ran.json();
  const auto page = file_text(planner.path("c.html"));
  EXPECT_LT(page.size(), 2U << 20);
  // The choice first, then the numbers of the same runs in the same plans.
  EXPECT_CONTAINS(page, "<p class=\"answer\">7B with 8 experts emits least");
  EXPECT_CONTAINS(page, "Mixtures have so many times");
  EXPECT_CONTAINS(page, "Plans: the fastest that fit");
  EXPECT_CONTAINS(page, "from the command line");
  const auto days = between(page, "data-key=\"training_days\" data-value=\"", "\"");
  EXPECT_DOUBLE_EQ(std::stod(days),
                   answer["runs"][0]["predicted"]["training_days"]["value"].get<double>());
  for (const auto& candidate : answer["candidates"]) {
    EXPECT_CONTAINS(page, candidate["plan"].get<std::string>());
  }
  // What is asked for of each run, not of the first alone.
  EXPECT_EQ(count_of(page, "Annex XI, Section 1, 2(e)"), answer["runs"].size());
}

TEST_F(ReportCommand, HugeTablesStayReadable) {
  std::string table = "name,params_b,tokens_b,device,devices,region\n";
  for (int i = 1; i <= 10000; ++i) {
    table += fmt::format("m{},{:.3f},{},h100-sxm,256,FR\n", i, 1 + 0.01 * i, 100 + i);
  }
  planner.write("runs.csv", table);
  const auto page = html();
  EXPECT_LT(page.size(), 2U << 20);
  EXPECT_CONTAINS(page, "9800 more: planner compare --format csv has all.");
}

TEST_F(ReportCommand, IntervalsAreNamedAsTheyAre) {
  EXPECT_CONTAINS(html(), "In brackets: 90% intervals");
  EXPECT_CONTAINS(html({"--interval", "0.5"}), "In brackets: 50% intervals");
  EXPECT_FALSE(contains(html({"--interval", "0"}), "In brackets"));
}

TEST_F(ReportCommand, WhatCannotBeReportedSaysWhy) {
  planner.write("runs.csv", "name,params_b\nx,7\n");
  const auto card = planner({"report", "runs.csv", "--format", "card"});
  EXPECT_EQ(card.status, 2);
  EXPECT_CONTAINS(card.err, "no emissions to write");
  EXPECT_EQ(planner({"report", "none.csv"}).status, 2);
  const auto wrong = planner({"report", "runs.csv", "--format", "pdf"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_CONTAINS(wrong.err, "pdf");
  // A run without a place has a page all the same.
  planner.write("runs.csv", "name,params_b,tokens_b,device,devices\nx,7,1000,h100-sxm,64\n");
  EXPECT_CONTAINS(html(), "Where the time goes");
}

/// What a command prints.
std::string printed(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return text;
  char buffer[65536];
  for (std::size_t n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  pclose(pipe);
  return text;
}

/// In a real browser: a tab is clicked, a bar is pointed at, and what is told is the JSON's number.
TEST_F(ReportCommand, WorksInABrowser) {
  const auto chromium = printed("command -v chromium || command -v chromium-browser || true");
  if (chromium.empty()) {
    GTEST_SKIP() << "no chromium: apt-get install chromium brings the test of reports in a browser";
  }
  auto page = html();
  if (!has_charts(page)) GTEST_SKIP() << kNoCharts;
  const std::string first =
      "<script>window.errors = []; addEventListener('error', (e) => errors.push(e.message));"
      "document.addEventListener('securitypolicyviolation', (e) => errors.push(e.blockedURI));"
      "</script>";
  const std::string last = R"(<script>
addEventListener("load", () => setTimeout(() => {
  const out = {};
  document.getElementById("sure-tab-1").click();
  out.shown = !document.getElementById("sure-1").hidden && document.getElementById("sure-0").hidden;
  out.drawn = document.querySelector("#tornado-1 svg") !== null;
  const place = document.getElementById("carbon");
  const chart = planner_charts.get("carbon");
  const [x, y] = chart.convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, [1, 1]);
  const box = place.getBoundingClientRect();
  const target = place.querySelector("svg");
  for (const type of ["mouseover", "mousemove"]) {
    target.dispatchEvent(new MouseEvent(type, { bubbles: true, view: window,
      clientX: box.left + x, clientY: box.top + y }));
  }
  setTimeout(() => {
    out.tip = [...place.querySelectorAll("b[data-value]")].map((b) => Number(b.dataset.value));
    out.title = place.querySelector("div b")?.textContent ?? "";
    out.charts = [...document.querySelectorAll(".chart")].filter((c) => c.offsetParent).map((c) => c.querySelector("svg") !== null);
    out.wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
    out.errors = errors;
    const result = document.createElement("pre");
    result.id = "result";
    result.textContent = JSON.stringify(out);
    document.body.append(result);
  }, 500);
}, 300));
</script>)";
  page.insert(page.find("<body>") + 6, first);
  page.insert(page.rfind("</body>"), last);
  planner.write("test.html", page);
  for (const char* size : {"1280,900", "390,800"}) {
    const auto dom = printed(fmt::format(
        "timeout 50 {} --headless=new --no-sandbox --disable-gpu --user-data-dir='{}' "
        "--window-size={} --virtual-time-budget=8000 --dump-dom 'file://{}' 2>/dev/null",
        chromium.substr(0, chromium.find('\n')), planner.path("browser").string(), size,
        planner.path("test.html").string()));
    const auto found = between(dom, "<pre id=\"result\">", "</pre>");
    ASSERT_FALSE(found.empty()) << size;
    auto unescaped = std::regex_replace(found, std::regex{"&lt;"}, "<");
    unescaped = std::regex_replace(unescaped, std::regex{"&gt;"}, ">");
    unescaped = std::regex_replace(unescaped, std::regex{"&amp;"}, "&");
    const auto out = Json::parse(unescaped);
    EXPECT_TRUE(out["shown"].get<bool>()) << size;
    EXPECT_TRUE(out["drawn"].get<bool>()) << size;
    EXPECT_EQ(out["errors"], Json::array()) << size;
    EXPECT_FALSE(out["wide"].get<bool>()) << size << ": the page is wider than the window";
    for (const auto& drawn : out["charts"]) EXPECT_TRUE(drawn.get<bool>()) << size;
    const auto second = estimate()["runs"][1]["predicted"];
    ASSERT_EQ(out["tip"].size(), 2U) << size << out;
    EXPECT_DOUBLE_EQ(out["tip"][0].get<double>(),
                     second["operational_tco2e"]["value"].get<double>());
    EXPECT_DOUBLE_EQ(out["tip"][1].get<double>(), second["embodied_tco2e"]["value"].get<double>());
  }
}

}  // namespace
}  // namespace pretrain::cli
