#include "planner/run_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "planner/run_writer.hpp"
#include "tests/support.hpp"

namespace pretrain::planner {
namespace {

/// A row as "column=value ..." in the order of the columns, whatever the order of the file.
std::string shown(const RunRow& row) {
  std::string text;
  for (std::size_t i = 0; i < kColumns; ++i) {
    const auto col = static_cast<Col>(i);
    if (!row.has(col)) continue;
    text += std::string{text.empty() ? "" : " "} + std::string{column_of(col).name} + "=";
    if (const auto number = column_of(col).numeric() ? row.number(col) : std::nullopt) {
      append_number(text, *number);
    } else {
      text += row.text(col);
    }
  }
  return text;
}

/// Keeps what was delivered, in order.
class Rows : public TableJob {
 public:
  std::vector<std::string> rows;
  std::vector<std::size_t> lines;
  std::vector<std::string> remarks;
  std::size_t most = std::string::npos;  ///< deliver() throws when there are more

  std::unique_ptr<Part> make_part() const override { return std::make_unique<RowsPart>(); }
  void row(const RunRow& row, Part& part) const override {
    auto& mine = dynamic_cast<RowsPart&>(part);
    mine.rows.push_back(shown(row));
    mine.lines.push_back(row.line());
  }
  void deliver(Part& part) override {
    const std::unique_lock alone{delivering_, std::try_to_lock};
    EXPECT_TRUE(alone.owns_lock()) << "two parts at a time";
    auto& mine = dynamic_cast<RowsPart&>(part);
    rows.insert(rows.end(), mine.rows.begin(), mine.rows.end());
    lines.insert(lines.end(), mine.lines.begin(), mine.lines.end());
    if (rows.size() > most) throw std::runtime_error("no room");
  }
  void remark(const std::string& text) override { remarks.push_back(text); }

 private:
  struct RowsPart : Part {
    std::vector<std::string> rows;
    std::vector<std::size_t> lines;
    void clear() override {
      rows.clear();
      lines.clear();
    }
  };
  std::mutex delivering_;
};

void read(const std::string& text, Rows& rows, const std::string& file = "runs.csv",
          unsigned threads = 1) {
  std::istringstream in{text};
  read_run_table(in, file, threads, rows);
}

std::vector<std::string> rows_of(const std::string& text, const std::string& file = "runs.csv") {
  Rows rows;
  read(text, rows, file);
  EXPECT_TRUE(rows.remarks.empty()) << rows.remarks.front();
  return rows.rows;
}

/// The problems of a wrong table, as diagnostics; `rows` gets what was delivered before them.
std::vector<std::string> problems_of(const std::string& text, const std::string& file, Rows& rows,
                                     unsigned threads = 1) {
  std::vector<std::string> texts;
  try {
    read(text, rows, file, threads);
    ADD_FAILURE() << "was read without complaint:\n" << text.substr(0, 300);
  } catch (const InputError& e) {
    for (const auto& problem : e.problems()) {
      EXPECT_FALSE(problem.help.empty()) << problem.what;
      texts.push_back(to_text(problem));
    }
  }
  texts.resize(std::max<std::size_t>(texts.size(), 1));
  return texts;
}

std::string problem(const std::string& text, const std::string& file = "runs.csv") {
  Rows rows;
  return problems_of(text, file, rows).front();
}

#define EXPECT_CONTAINS(text, part)                                                               \
  EXPECT_NE(std::string{text}.find(part), std::string::npos) << "'" << (part) << "' is not in:\n" \
                                                             << (text)

// ---- the header

TEST(RunTable, BothHeadersInAnyOrder) {
  const std::vector<std::string> kOurs{
      "name=a type=moe params_b=619 active_params_b=2.3 tokens_b=1000 device=TPUV3 devices=8 "
      "device_tdp_w=450 peak_tflops=123 system_power_w=288 intensity_kg_per_kwh=0.177 pue=1.09 "
      "mfu=0.39 achieved_tflops=48 total_zettaflops=13.3 reported_days=3.1 "
      "reported_energy_mwh=24.1 reported_tco2e_operational=4.3"};
  EXPECT_EQ(
      rows_of("name,type,parameter # (B),base model param. # (B),token # (B),CO2eq/KWh,PUE,"
              "computing device,device TPD (W),avg. system power (W),peak TFLOPs/s,"
              "achieved TFLOPs/s,hardware efficiency,device #,total zettaFLOPs,training days,"
              "actual tCO2eq,energy MWh\n"
              "a,MoE,619,2.3,1000,0.177,1.09,TPUV3,450,288,123,48,0.39,8,13.3,3.1,4.3,24.1\n"),
      kOurs);
  EXPECT_EQ(
      rows_of("ENERGY mwh,Training Days,actual tCO2eq,total zettaFLOPs,device #,"
              "hardware efficiency,achieved TFLOPs/s,peak TFLOPs/s,avg. system power (W),"
              "device TPD (W),computing device,Pue,CO2eq/kwh,token # (b),"
              "base model param. # (B),parameter # (B),Type,NAME\n"
              "24.1,3.1,4.3,13.3,8,0.39,48,123,288,450,TPUV3,1.09,0.177,1000,2.3,619,moe,a\n"),
      kOurs);
  EXPECT_EQ(
      rows_of("reported_energy_mwh,reported_days,reported_tco2e_operational,"
              "total_zettaflops,devices,mfu,achieved_tflops,peak_tflops,system_power_w,"
              "device_tdp_w,device,pue,intensity_kg_per_kwh,tokens_b,active_params_b,"
              "params_b,type,name\n"
              "24.1,3.1,4.3,13.3,8,0.39,48,123,288,450,TPUV3,1.09,0.177,1000,2.3,619,moe,a\n"),
      kOurs);
}

TEST(RunTable, ColumnsThatAreUnknownOrStandTwice) {
  Rows rows;
  read("name,devcie,device\nx,y,A100\n", rows);
  ASSERT_EQ(rows.remarks.size(), 1U) << "one remark for the column, not one for each row";
  EXPECT_EQ(rows.remarks.front(),
            "runs.csv:1:6: warning: unknown column 'devcie' is ignored; the nearest known one is "
            "'device'");
  EXPECT_EQ(rows.rows, std::vector<std::string>{"name=x device=A100"});

  EXPECT_EQ(problem("name,device,params_b,device\nx,A100,1,V100\n"),
            "runs.csv:1:22: error: column 'device' stands twice: here and as column 2\n"
            "  help: keep one of them");
  // The same column under both of its names, or in another case.
  EXPECT_CONTAINS(problem("devices,device #\n1,1\n"), "runs.csv:1:9: error: column 'device #'");
  EXPECT_CONTAINS(problem("pue,PUE\n1.1,1.1\n"), "runs.csv:1:5: error: column 'PUE' stands twice");
  Rows none;
  EXPECT_EQ(problems_of("name,name,device,device\na,b,c,d\n", "runs.csv", none).size(), 2U)
      << "all of them in one go";

  EXPECT_CONTAINS(problem("a,b,c\n1,2,3\n"), "runs.csv:1:1: error: the first row has no known");
  EXPECT_CONTAINS(problem("# remark\n\n1,2,3\n"), "runs.csv:3:1: error: the first row has no");
  EXPECT_CONTAINS(problem(""), "the file is empty");
  EXPECT_CONTAINS(problem("\xEF\xBB\xBF"), "the file is empty");
  EXPECT_CONTAINS(problem("# only\n# remarks\n"), "the file is empty");
  EXPECT_CONTAINS(problem("name,device\n"), "no runs: the table has a header and nothing below it");
  EXPECT_CONTAINS(problem("name,device\n,\n# x\n , \n"), "no runs");
}

// ---- dialects

TEST(RunTable, DialectsGiveTheSameRows) {
  const std::vector<std::string> kWanted{"name=a device=A100 devices=8 pue=1.1",
                                         "name=b device=V100 pue=1.2"};
  const std::string kHeader = "name,device,devices,pue";
  EXPECT_EQ(rows_of(kHeader + "\na,A100,8,1.1\nb,V100,,1.2\n"), kWanted);
  EXPECT_EQ(rows_of(kHeader + "\na,A100,8,1.1\nb,V100,,1.2"), kWanted) << "no last line break";
  EXPECT_EQ(rows_of(kHeader + "\r\na,A100,8,1.1\r\nb,V100,,1.2\r\n"), kWanted) << "CRLF";
  EXPECT_EQ(rows_of("\xEF\xBB\xBF" + kHeader + "\na,A100,8,1.1\nb,V100,,1.2\n"), kWanted) << "mark";
  EXPECT_EQ(rows_of("name;device;devices;pue\na;A100;8;1.1\nb;V100;;1.2\n"), kWanted)
      << "semicolons";
  EXPECT_EQ(rows_of("# a, remark; with \"both\n" + kHeader +
                    "\n\n# one more\na,A100,8,1.1\n  \n\t\n#\nb,V100,,1.2\n#end"),
            kWanted)
      << "comments and blank lines";
  EXPECT_EQ(
      rows_of(
          "\"name\",\"device\",devices,\"pue\"\n\"a\",\"A100\",\"8\",1.1\nb,\"V100\",\"\",1.2\n"),
      kWanted)
      << "quotes";
  EXPECT_EQ(rows_of("name , device ,devices\t, pue\n a ,A100 , 8, 1.1 \nb,V100, ,1.2\n"), kWanted)
      << "padding";
  EXPECT_EQ(rows_of("name,device,devices,pue,,\na,A100,8,1.1,,\nb,V100,,1.2,,\n,,,,,\n"), kWanted)
      << "empty columns and rows, as spreadsheets leave them";
  EXPECT_EQ(rows_of(kHeader + "\na,A100,8,1.1,,,\nb,V100,,1.2\n"), kWanted) << "widened row";
  EXPECT_EQ(rows_of("name\n\"x \"\"y\"\"\nz, #;\"\n"),
            std::vector<std::string>{"name=x \"y\"\nz, #;"});
  EXPECT_EQ(rows_of("name;pue\n\"a;b,c\";1.1\n"), std::vector<std::string>{"name=a;b,c pue=1.1"});
}

TEST(RunTable, FormatByEndingElseByBeginning) {
  EXPECT_EQ(detect_format("a.YML", "name,device"), TableFormat::yaml);
  EXPECT_EQ(detect_format("a.yaml", ""), TableFormat::yaml);
  EXPECT_EQ(detect_format("a.csv", "- name: x"), TableFormat::csv);
  EXPECT_EQ(detect_format("standard input", "name,device\n"), TableFormat::csv);
  EXPECT_EQ(detect_format("standard input", ""), TableFormat::csv);
  for (const char* yaml : {"- name: x", "---\n- a", "# remark\n\nruns:\n", "[{name: x}]", "-\n"}) {
    EXPECT_EQ(detect_format("standard input", yaml), TableFormat::yaml) << yaml;
  }
  // What was read ahead to find out is not lost.
  const std::string long_remark = "# " + std::string(10000, 'x') + "\n";
  EXPECT_EQ(rows_of(long_remark + "name\na\n", "standard input"),
            std::vector<std::string>{"name=a"});
  EXPECT_EQ(rows_of("- name: a\n" + long_remark + "- name: b\n", "standard input"),
            (std::vector<std::string>{"name=a", "name=b"}));
}

// ---- cells

TEST(RunTable, CountsAndDurationsAsPeopleTypeThem) {
  EXPECT_EQ(rows_of("params_b,active_params_b,tokens_b,days\n"
                    "175B,12900M,1.5T,60d\n175,12.9,1500,1440h\n1.75e2,12.9B,1500B,8w\n"),
            (std::vector<std::string>{"params_b=175 active_params_b=12.9 tokens_b=1500 days=60",
                                      "params_b=175 active_params_b=12.9 tokens_b=1500 days=60",
                                      "params_b=175 active_params_b=12.9 tokens_b=1500 days=56"}));
  // A plain number is in the unit of the column: 300e9 there would be 300 billion billions.
  EXPECT_CONTAINS(problem("tokens_b\n300e9\n"), "tokens_b 300e9 is too large");
  EXPECT_CONTAINS(problem("tokens_b\n300e9\n"), "tokens_b counts billions");
  EXPECT_CONTAINS(problem("devices\n1K\n"), "'1K' is not a number");
  EXPECT_CONTAINS(problem("days\n60y\n"), "60y");
}

TEST(RunTable, BlankIsAbsentAndNeverZero) {
  std::istringstream in{"name,params_b,devices,tie_embeddings,type,mtp_layers\nx,,,,,\ny,,,,,0\n"};
  class Job : public Rows {
   public:
    void row(const RunRow& row, Part& part) const override {
      Rows::row(row, part);
      EXPECT_FALSE(row.has(Col::params_b));
      EXPECT_EQ(row.number(Col::params_b), std::nullopt);
      EXPECT_EQ(row.number(Col::devices), std::nullopt);
      EXPECT_EQ(row.flag(Col::tie_embeddings), std::nullopt);
      EXPECT_EQ(row.text(Col::type), "");
      const bool zero = row.text(Col::name) == "y";
      EXPECT_EQ(row.number(Col::mtp_layers), zero ? std::optional{0.0} : std::nullopt);
    }
  };
  Job job;
  read_run_table(in, "runs.csv", 1, job);
  EXPECT_EQ(job.rows.size(), 2U);
}

TEST(RunTable, RaggedRowsHaveAPlace) {
  EXPECT_EQ(problem("name,device,pue\na,A100,1.1\nb,A100,1,5\n"),
            "runs.csv:3:10: error: the row has 4 cells, the header has 3\n"
            "  help: quote a cell that contains a comma, and write 1.5 for 1,5");
  EXPECT_CONTAINS(problem("name,device,pue\na,A100\n"),
                  "runs.csv:2:3: error: the row has 2 cells, the header has 3");
  EXPECT_CONTAINS(problem("name;device\na\n"), "runs.csv:2:1: error: the row has 1 cell");
  // Columns count bytes of the line, also behind a cell of several lines.
  EXPECT_CONTAINS(problem("name,pue\n\"x\ny\",1.1,zz\n"), "runs.csv:3:8: error: the row has 3");
}

TEST(RunTable, PlacesOfWrongCells) {
  EXPECT_CONTAINS(problem("name,devices\na,8\nb,400W\n"), "runs.csv:3:3: error: '400W'");
  EXPECT_CONTAINS(problem("name,devices\n\"a \"\"b\"\"\n\",400W\n"), "runs.csv:3:3: error: '400W'");
  EXPECT_CONTAINS(problem("\xEF\xBB\xBFname,devices\r\na,-1\r\n"),
                  "runs.csv:2:3: error: devices -1");
  EXPECT_CONTAINS(problem("# x\n\nname,devices\n# y\na,1.5\n"), "runs.csv:5:3: error: devices 1.5");
  // A header of several lines moves the lines below it, doubled quotes in it or not.
  EXPECT_CONTAINS(problem("name,devices,\"unit\n(x)\"\na,-1,\n"),
                  "runs.csv:3:3: error: devices -1");
  EXPECT_CONTAINS(problem("name,devices,\"\"\"x\"\"\n\"\na,-1,\n"),
                  "runs.csv:3:3: error: devices -1");
  EXPECT_CONTAINS(problem("type\ndens\n"), "one of: dense, moe");
  EXPECT_CONTAINS(problem("tie_embeddings\n1\n"), "one of: true, false");
}

TEST(RunTable, TwentyProblemsInOneGoThenStop) {
  std::string text = "name,devices,pue\n";
  std::string yaml;
  for (int i = 0; i < 5; ++i) {
    text += "good,8,1.1\n";
    yaml += "- name: good\n  devices: 8\n  pue: 1.1\n";
  }
  for (int i = 0; i < 15; ++i) {
    text += "bad,-1,0.5\nfine,8,1.1\n";
    yaml += "- name: bad\n  devices: -1\n  pue: 0.5\n- name: fine\n";
  }
  Rows rows;
  const auto problems = problems_of(text, "runs.csv", rows);
  ASSERT_EQ(problems.size(), kMostProblems);
  EXPECT_CONTAINS(problems[0], "runs.csv:7:5: error: devices -1 is negative");
  EXPECT_CONTAINS(problems[1], "runs.csv:7:8: error: pue 0.5 is too small");
  EXPECT_CONTAINS(problems[19], "runs.csv:25:8: error: pue 0.5");
  EXPECT_EQ(rows.rows, std::vector<std::string>(5, "name=good devices=8 pue=1.1"));

  Rows yaml_rows;
  const auto yaml_problems = problems_of(yaml, "runs.yaml", yaml_rows);
  ASSERT_EQ(yaml_problems.size(), kMostProblems);
  EXPECT_CONTAINS(yaml_problems[0], "runs.yaml:17:12: error: devices -1 is negative");
  EXPECT_EQ(yaml_rows.rows, rows.rows);

  // Fewer are told too, those of syntax among them.
  Rows few;
  EXPECT_EQ(problems_of("name,devices\na,x\nb,y\"z\"\nc,8\nd,1,2\n", "runs.csv", few).size(), 3U);
}

// ---- YAML

TEST(RunTableYaml, ThreeShapes) {
  const std::vector<std::string> kWanted{"name=a device=A100 devices=8"};
  EXPECT_EQ(rows_of("- name: a\n  device: A100\n  devices: 8\n", "x.yaml"), kWanted);
  EXPECT_EQ(rows_of("- {devices: 8, device: A100, name: a}\n", "x.yaml"), kWanted);
  EXPECT_EQ(rows_of("runs:\n  - name: a\n    device: A100\n    devices: 8\n", "x.yaml"), kWanted);
  EXPECT_EQ(rows_of("runs: [{name: a, device: \"A100\", devices: '8'}]\n", "x.yaml"), kWanted);
  EXPECT_EQ(rows_of("name: a\ndevice: A100\ndevices: 8\n", "x.yaml"), kWanted);
  EXPECT_EQ(rows_of("%YAML 1.2\n---\n- name: a\n  device: A100\n  devices: 8\n...\n", "x.yaml"),
            kWanted);
  EXPECT_EQ(rows_of("\xEF\xBB\xBF- name: a\r\n  device: A100\r\n  devices: 8\r\n", "x.yaml"),
            kWanted);
  EXPECT_EQ(rows_of("- name: a\n---\n- name: b\n", "x.yaml"),
            (std::vector<std::string>{"name=a", "name=b"}))
      << "several documents";
  EXPECT_EQ(rows_of("- name: a\n  devices:\n  pue: ~\n  year: null\n  type: ''\n", "x.yaml"),
            std::vector<std::string>{"name=a"})
      << "every way to write nothing is blank";
  EXPECT_EQ(rows_of("- {\"parameter # (B)\": 175B, 'token # (B)': 1.5T, days: 60d}\n", "x.yaml"),
            std::vector<std::string>{"params_b=175 tokens_b=1500 days=60"});
}

TEST(RunTableYaml, WhatIsRefusedHasAPlace) {
  const auto yaml = [](const std::string& text) { return problem(text, "x.yaml"); };
  EXPECT_CONTAINS(yaml("- name: a\n  device: x\n  name: b\n"),
                  "x.yaml:3:3: error: key 'name' stands twice in one run");
  EXPECT_CONTAINS(yaml("- \"device #\": 8\n  devices: 8\n"),
                  "x.yaml:2:3: error: key 'devices' stands");
  EXPECT_CONTAINS(yaml("- name: &n a\n- name: *n\n"), "x.yaml:2:9: error: an alias");
  EXPECT_CONTAINS(yaml("- &r {name: a}\n- *r\n"), "x.yaml:2:3: error: an alias");
  EXPECT_CONTAINS(yaml("- device: [A100, V100]\n"),
                  "x.yaml:1:11: error: a list where a single value is wanted");
  EXPECT_CONTAINS(yaml("- device:\n    name: x\n"),
                  "error: a mapping where a single value is wanted");
  EXPECT_CONTAINS(yaml("- name: a\n\tdevice: x\n"), "x.yaml:2:1: error: not valid YAML");
  EXPECT_CONTAINS(yaml("- {name: a\n"), "x.yaml:1:");
  EXPECT_CONTAINS(yaml("- name: a\n  devices: 400W\n"), "x.yaml:2:12: error: '400W'");
  EXPECT_CONTAINS(yaml("hello\n"), "x.yaml:1:1: error: 'hello' where a run is wanted");
  EXPECT_CONTAINS(yaml("- a\n- b\n"), "x.yaml:1:3: error: 'a' where a run is wanted");
  EXPECT_CONTAINS(yaml("runs:\n- name: a\nmore: 1\n"),
                  "x.yaml:3:1: error: key 'more' beside 'runs'");
  EXPECT_CONTAINS(yaml("- [a, b]\n"), "x.yaml:1:3: error: a list where");
  for (const char* empty : {"", "# remark\n", "---\n", "[]\n", "runs: []\n"}) {
    EXPECT_CONTAINS(yaml(empty), "x.yaml: error: no runs in this file");
  }
  EXPECT_CONTAINS(yaml(std::string(20000, '[')), "x.yaml:1:")
      << "depth must not overflow the stack";

  Rows rows;
  read("- name: a\n  devcie: x\n- name: b\n  tokens: 4\n", rows, "x.yaml");
  EXPECT_EQ(rows.rows, (std::vector<std::string>{"name=a", "name=b"}));
  ASSERT_EQ(rows.remarks.size(), 2U);
  EXPECT_CONTAINS(rows.remarks[0], "x.yaml:2:3: warning: unknown column 'devcie'");
  EXPECT_CONTAINS(rows.remarks[0], "'device'");
}

TEST(RunTableYaml, UnknownKeyIsRemarkedOnceForTheTable) {
  Rows rows;
  read("- name: a\n  devcie: x\n- name: b\n  devcie: y\n", rows, "x.yaml");
  EXPECT_EQ(rows.remarks.size(), 1U) << "an unknown column draws one warning";
}

TEST(RunTableYaml, BytesThatAreNoTextHaveTheirPlace) {
  EXPECT_CONTAINS(problem("- name: a\n  device: caf\xE9\n", "x.yaml"),
                  "x.yaml:2:14: error: byte 0xE9");
  EXPECT_CONTAINS(problem("- name: \"\\x00\"\n", "x.yaml"), "x.yaml:1:");
}

TEST(RunTableYaml, QuoteThatIsNeverClosedIsRefused) {
  EXPECT_CONTAINS(problem("- name: a\n  device: \"A100\n", "x.yaml"), "x.yaml:2:11: error:");
}

TEST(RunTableYaml, SameTableAsCsv) {
  EXPECT_EQ(rows_of("id,name,type,params_b,device,devices,days,tie_embeddings,notes\n"
                    "r1,\"a, b\",dense,1.5T,A100,8,60d,true,\"x: \"\"y\"\"\"\n"
                    "r2,c,MoE,,V100,,1.5,FALSE,# 1\n"),
            rows_of("- id: r1\n  name: a, b\n  type: dense\n  params_b: 1.5T\n  device: A100\n"
                    "  devices: 8\n  days: 60d\n  tie_embeddings: true\n  notes: 'x: \"y\"'\n"
                    "- id: r2\n  name: c\n  type: MoE\n  device: V100\n  days: 1.5\n"
                    "  tie_embeddings: FALSE\n  notes: \"# 1\"\n",
                    "x.yaml"));
}

// ---- streams

/// Large enough for a dozen chunks; every row is unlike the others.
std::string large_table(std::size_t count) {
  std::string text = "id,name,params_b,device,devices,days,notes\n";
  for (std::size_t i = 0; i < count; ++i) {
    text += "r" + std::to_string(i) + ",run " + std::to_string(i) + "," +
            std::to_string(1 + i % 1000) + ".25,A100," + std::to_string(1 + i) + "," +
            (i % 3 == 0 ? "" : std::to_string(1 + i % 90)) +
            (i % 100 == 0 ? ",\"two\nlines, \"\"quoted\"\"\"\n" : ",plain\n");
  }
  return text;
}

TEST(RunTable, ThreadsChangeNothing) {
  constexpr std::size_t kRows = 50000;
  const auto text = large_table(kRows);
  Rows one;
  Rows four;
  read(text, one, "runs.csv", 1);
  read(text, four, "runs.csv", 4);
  ASSERT_EQ(one.rows.size(), kRows);
  EXPECT_EQ(one.rows.front(),
            "id=r0 name=run 0 params_b=1.25 device=A100 devices=1 "
            "notes=two\nlines, \"quoted\"");
  EXPECT_TRUE(std::is_sorted(one.lines.begin(), one.lines.end()));
  EXPECT_EQ(one.lines.back(), 1 + kRows + kRows / 100);
  EXPECT_TRUE(one.rows == four.rows);
  EXPECT_TRUE(one.lines == four.lines);
}

TEST(RunTable, ErrorInTheMiddleDeliversWhatStandsBefore) {
  constexpr std::size_t kRows = 50000;
  constexpr std::size_t kBad = 30000;
  auto text = large_table(kRows);
  const auto at = text.find("\nr" + std::to_string(kBad) + ",");
  ASSERT_NE(at, std::string::npos);
  const auto line =
      2 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  text.insert(at + 1, "bad,x,-1,A100,,,\n");
  for (const unsigned threads : {1U, 4U}) {
    Rows rows;
    const auto problems = problems_of(text, "runs.csv", rows, threads);
    EXPECT_EQ(problems.size(), 1U);
    EXPECT_CONTAINS(problems.front(),
                    "runs.csv:" + std::to_string(line) + ":7: error: params_b -1 is negative");
    ASSERT_EQ(rows.rows.size(), kBad) << threads;
    EXPECT_CONTAINS(rows.rows.back(), "id=r29999 ");
  }
  // An open quote turns the rest of the file inside out; what stands before it stays.
  Rows rows;
  problems_of(text.substr(0, at) + "\nx,\"open" + text.substr(at), "runs.csv", rows, 4);
  EXPECT_EQ(rows.rows.size(), kBad);
}

TEST(RunTable, JobThatThrowsStopsTheReading) {
  const auto text = large_table(50000);
  for (const unsigned threads : {1U, 4U}) {
    Rows rows;
    rows.most = 20000;
    EXPECT_THROW(read(text, rows, "runs.csv", threads), std::runtime_error);
    EXPECT_LT(rows.rows.size(), 45000U) << "went on after the failure";
  }
}

TEST(RunTableYaml, ErrorInTheMiddleDeliversWhatStandsBefore) {
  std::string good;
  for (int i = 0; i < 300; ++i) good += "- name: r" + std::to_string(i) + "\n";
  for (const char* bad :
       {"- devices: -1\n", "- device: [a]\n", "- name: &n x\n  id: *n\n", "- name: x\n\tid: y\n"}) {
    Rows rows;
    problems_of(good + bad, "x.yaml", rows);
    EXPECT_EQ(rows.rows.size(), 300U) << bad;
  }
}

}  // namespace
}  // namespace pretrain::planner
