#include <unistd.h>

#include <string>
#include <vector>

#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

/// What every refusal has in common: status 2, nothing on standard output, a remedy.
void expect_refused(const Ran& ran, const std::string& message, const std::string& help) {
  EXPECT_EQ(ran.status, 2) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_CONTAINS(ran.err, message);
  EXPECT_CONTAINS(ran.err, "\n  help: ");
  EXPECT_CONTAINS(ran.err, help);
}

struct Case {
  const char* what;
  std::string text;
  const char* message;  ///< with its place
  const char* help;
};

TEST(BadInput, TablesAreRefusedWithAPlaceAndARemedy) {
  const std::string kBinary{"name,\0\1\2", 8};
  const std::string kUtf16{"\xFF\xFEn\0a\0m\0e\0\n\0", 12};
  const std::vector<Case> cases{
      {"empty", "", "r.csv: error: the file is empty", "planner init"},
      {"header only", "name,device\n", "r.csv: error: no runs", "planner init"},
      {"binary", kBinary, "r.csv:1:6: error: a NUL byte", "CSV or YAML"},
      {"workbook", std::string{"PK\3\4\0\0", 6}, "r.csv:1:1: error: this is a workbook",
       "CSV (UTF-8)"},
      {"UTF-16", kUtf16, "r.csv:1:1: error: this file is UTF-16", "iconv"},
      {"latin-1", "name,device\ncaf\xE9,A100\n", "r.csv:2:4: error: byte 0xE9", "UTF-8"},
      {"unterminated quote", "name,device\n\"a,b\n", "r.csv:2:1: error: the quote opened here",
       "close"},
      {"quote in a cell", "name,device\na\"b\",A100\n", "r.csv:2:2: error: a quote inside",
       "double"},
      {"ragged, long", "name,device\na,A100,5\n", "r.csv:2:8: error: the row has 3 cells",
       "1.5 for 1,5"},
      {"ragged, short", "name,device,devices\na,A100\n", "r.csv:2:3: error: the row has 2 cells",
       ""},
      {"a unit", "name,device_tdp_w\na,400W\n", "r.csv:2:3: error: '400W' is not a number",
       "write 400 without 'W'"},
      {"decimal comma", "name,pue\na,1,5\n", "r.csv:2:5: error: the row has 3 cells",
       "1.5 for 1,5"},
      {"decimal comma, quoted", "name,pue\na,\"1,5\"\n", "r.csv:2:3: error: '1,5' is not a number",
       "decimal point"},
      {"decimal comma, semicolons", "name;pue\na;1,5\n", "r.csv:2:3: error: '1,5' is not a number",
       "decimal point"},
      {"nan", "params_b\nnan\n", "r.csv:2:1: error: 'nan' is not a finite number", "blank"},
      {"inf", "params_b\n-inf\n", "r.csv:2:1: error: '-inf' is not a finite number", "blank"},
      {"overflow", "params_b\n1e999\n", "r.csv:2:1: error: '1e999' is not a", ""},
      {"negative devices", "devices\n-8\n", "r.csv:2:1: error: devices -8 is negative",
       "a number of accelerators"},
      {"fractional devices", "devices\n1.5\n",
       "r.csv:2:1: error: devices 1.5 is not a whole number", ""},
      {"percent", "mfu\n45\n", "r.csv:2:1: error: mfu 45 is too large", "45% is 0.45"},
      {"percent sign", "mfu\n45%\n", "r.csv:2:1: error: '45%' is not a number", "45% is 0.45"},
      {"PUE below 1", "pue\n0.9\n", "r.csv:2:1: error: pue 0.9 is too small", "never below 1"},
      {"grams for kilograms", "intensity_kg_per_kwh\n429\n",
       "r.csv:2:1: error: intensity_kg_per_kwh 429 is too large", "429 g/kWh is 0.429"},
      {"trillions for billions", "tokens_b\n300000\n",
       "r.csv:2:1: error: tokens_b 300000 is too large", "300 for 300e9 tokens"},
      {"FLOP for TFLOP", "peak_tflops\n3.12e14\n", "r.csv:2:1: error: peak_tflops 3.12e14", "312"},
      {"a choice", "type\ndesne\n", "r.csv:2:1: error: type 'desne' is not known", "one of: dense"},
      {"duplicate column", "device,name,device\na,b,c\n",
       "r.csv:1:13: error: column 'device' stands twice", "keep one"},
      {"no known column", "a;b\n1;2\n", "r.csv:1:1: error: the first row has no known column",
       "planner init"},
      {"a cell of 10 MB", "name,device\n" + std::string(10000000, 'x') + ",A100\n",
       "r.csv:2:1: error: a record longer than 1 MiB", ""},
      {"a line of 10 MB", std::string(10000000, 'x'),
       "r.csv:1:1: error: a record longer than 1 MiB", ""},
  };
  const Program planner;
  for (const auto& [what, text, message, help] : cases) {
    SCOPED_TRACE(what);
    planner.write("r.csv", text);
    const auto ran = planner({"estimate", "r.csv"});
    expect_refused(ran, message, help);
    EXPECT_LT(ran.err.size(), 1000U) << "the input is not repeated";
    // As JSON there is no half of a document either; compare reads with the same reader.
    EXPECT_EQ(planner({"estimate", "r.csv", "--format", "json"}).out, "");
    EXPECT_EQ(planner({"compare", "r.csv"}).err, ran.err);
  }
  const std::vector<Case> yaml{
      {"empty", "", "r.yaml: error: no runs", "planner init"},
      {"a tab", "- name: a\n\tpue: 1\n", "r.yaml:2:1: error: not valid YAML", "list of runs"},
      {"twice", "- name: a\n  name: b\n", "r.yaml:2:3: error: key 'name' stands twice", "keep one"},
      {"a list", "- name: [a]\n", "r.yaml:1:9: error: a list", "list of runs"},
      {"an alias", "- name: &a b\n  id: *a\n", "r.yaml:2:7: error: an alias",
       "write the value out"},
      {"a number", "- name: a\n  pue: 0.9\n", "r.yaml:2:8: error: pue 0.9 is too small", "below 1"},
  };
  for (const auto& [what, text, message, help] : yaml) {
    SCOPED_TRACE(what);
    planner.write("r.yaml", text);
    expect_refused(planner({"estimate", "r.yaml"}), message, help);
  }
}

TEST(BadInput, RowsThatCannotBePredictedLeaveTheOthers) {
  const Program planner;
  planner.write("r.csv", "name,device,device_hours\nx,A1000,3\ny,A100,3\n");
  const auto ran = planner({"estimate", "r.csv", "--format", "csv"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_CONTAINS(ran.err, "r.csv:2:3: error: x: unknown device 'A1000'");
  const auto help = ran.err.substr(ran.err.find("  help: "));
  EXPECT_CONTAINS(help, "did you mean 'A100', '");
  EXPECT_EQ(count_of(help.substr(0, help.find('?')), "'"), 6U) << "the three nearest: " << help;
  const CsvAnswer answer{ran.out};
  ASSERT_EQ(answer.rows.size(), 2U);
  EXPECT_EQ(answer.rows[0].at("status"), "error");
  EXPECT_EQ(answer.rows[0].at("reason"), "unknown device 'A1000'");
  EXPECT_EQ(answer.rows[1].at("status"), "ok");
}

TEST(BadInput, TwentyProblemsInOneGo) {
  const Program planner;
  std::string text = "name,devices\n";
  for (int i = 0; i < 100; ++i) text += "x,-1\n";
  planner.write("r.csv", text);
  const auto ran = planner({"estimate", "r.csv"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_EQ(count_of(ran.err, ": error: "), 20U);
  EXPECT_CONTAINS(ran.err, "r.csv:21:3: error: ");
}

TEST(BadInput, StreamsTellRowsBeforeTheError) {
  const Program planner;
  planner.write("r.csv", "name,device,device_hours\na,A100,1\nb,A100,2\nc,A100,-3\nd,A100,4\n");
  for (const char* format : {"csv", "jsonl"}) {
    const auto ran = planner({"estimate", "r.csv", "--format", format});
    EXPECT_EQ(ran.status, 2);
    EXPECT_EQ(count_of(ran.out, "\n"), format == std::string{"csv"} ? 3U : 2U) << ran.out;
    EXPECT_CONTAINS(ran.err, "r.csv:4:8: error: device_hours -3 is negative");
  }
}

TEST(BadInput, FilesThatAreNone) {
  const Program planner;
  fs::create_directory(planner.path("folder"));
  expect_refused(planner({"estimate", "nowhere.csv"}),
                 "nowhere.csv: error: cannot be read: No such file", "planner init > my.csv");
  expect_refused(planner({"estimate", "folder"}), "folder: error: this is a folder", "run table");
  expect_refused(planner({"estimate", "r.csv/x"}), "r.csv/x: error: cannot be read", "");
  planner.write("r.csv", "device,device_hours\nA100,5\n");
  expect_refused(planner({"estimate", "r.csv", "-o", "folder"}), "folder: error: this is a folder",
                 "name the file");
  expect_refused(planner({"estimate", "r.csv", "-o", "nowhere/x.csv"}),
                 "nowhere/x.csv: error: cannot be written: No such file", "");
  expect_refused(planner({"estimate", "r.csv", "--data", "folder"}),
                 "folder: error: the data folder holds no table", "devices.csv");
}

TEST(BadInput, FilesWithoutPermission) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write and read everything";
  const Program planner;
  planner.write("r.csv", "device,device_hours\nA100,5\n");
  fs::create_directory(planner.path("folder"));
  fs::permissions(planner.path("folder"), fs::perms::owner_read | fs::perms::owner_exec);
  expect_refused(planner({"estimate", "r.csv", "-o", "folder/x.csv"}),
                 "folder/x.csv: error: cannot be written: Permission denied", "choose a place");
  planner.write("secret.csv", "x");
  fs::permissions(planner.path("secret.csv"), fs::perms::none);
  expect_refused(planner({"estimate", "secret.csv"}), "cannot be read: Permission denied",
                 "check the permissions");
}

TEST(BadInput, FullDiskIsTold) {
  Program planner;
  planner.stdout_path = "/dev/full";
  const auto database = source("db/database.csv");
  for (const char* format : {"table", "json", "jsonl", "csv", "markdown"}) {
    const auto ran = planner({"estimate", database, "--format", format});
    EXPECT_EQ(ran.status, 2) << format;
    EXPECT_CONTAINS(ran.err, "standard output: error: cannot be written: No space left");
    EXPECT_CONTAINS(ran.err, "  help: check where the output goes");
  }
  EXPECT_EQ(planner({"list", "devices"}).status, 2);
  EXPECT_EQ(planner({"init"}).status, 2);
  EXPECT_EQ(planner({"compare", database}).status, 2);
  EXPECT_EQ(planner({"db", "path"}).status, 2);
  EXPECT_EQ(planner({"--help"}).status, 2) << "an answer that was lost";
  EXPECT_EQ(planner({"estimate", database, "-o", "/dev/full"}).status, 2);
  // What nobody got to see is not saved either.
  const auto ran = planner({"estimate", database, "--save", "--format", "csv"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_FALSE(contains(ran.err, "saved"));
}

TEST(BadInput, OptionsAndSubcommands) {
  const Program planner;
  const auto database = source("db/database.csv");
  const auto refused = [&](const std::vector<std::string>& arguments, const std::string& part) {
    const auto ran = planner.run(arguments);
    EXPECT_EQ(ran.status, 2) << part;
    EXPECT_EQ(ran.out, "") << part;
    EXPECT_CONTAINS(ran.err, part);
    EXPECT_CONTAINS(ran.err, "help") << "where to go from here";
  };
  refused({"estimate", database, "--format", "xml"}, "xml");
  refused({"estimate", database, "--method", "guess"}, "guess");
  refused({"estimate", database, "--embodied", "box"}, "box");
  refused({"estimate", database, "--include", "coffee"}, "coffee");
  refused({"estimate", database, "--price-per-kwh", "-1"}, "--price-per-kwh");
  refused({"estimate", database, "--start", "2026-03-01"}, "--hourly");
  refused({"estimate", database, "--hourly", "nowhere.csv"}, "nowhere.csv");
  refused({"estimate", database, "--hourly", database}, "no column of times");
  for (const char* samples : {"10", "-1", "1.5", "x", "2000000", ""}) {
    refused({"estimate", database, "--samples", samples}, "--samples");
  }
  refused({"estimate", database, "--samples", "100", "--seed", "x"}, "--seed");
  for (const char* level : {"1", "-1", "x", "1.5", "nan", "90%", ""}) {
    refused({"estimate", database, "--interval", level}, "--interval");
  }
  refused({"estimate", database, "--interval", "1"}, "such as 0.9");
  refused({"estimate", database, "--plan", "fastest"}, "--plan");
  refused({"estimate", database, "--nonsense"}, "--nonsense");
  refused({"estimate"}, "file");
  refused({"list", "things"}, "things");
  refused({"list"}, "what");
  refused({"db"}, "subcommand");
  refused({}, "subcommand");
  refused({"estmate", database}, "estmate");
  refused({"db", "pat"}, "pat");
}

TEST(BadInput, RepeatedIdsAreNotSaved) {
  const Program planner;
  std::string text = "id,name,device,device_hours\nr1,a,A100,1\nr2,b,A100,2\nr1,c,A100,3\n";
  planner.write("r.csv", text);
  const auto plain = planner({"estimate", "r.csv", "--format", "csv"});
  EXPECT_EQ(plain.status, 0) << "a warning where nothing is kept";
  EXPECT_CONTAINS(plain.err, "r.csv:4: warning: id 'r1' stands twice");
  expect_refused(planner({"estimate", "r.csv", "--save"}),
                 "r.csv:4: error: id 'r1' stands twice in this table: nothing was saved",
                 "an id of its own");
  const auto check = planner({"db", "check"});
  EXPECT_TRUE(check.status == 2 || contains(check.out, " 0 runs")) << check.out << check.err;
}

}  // namespace
}  // namespace pretrain::cli
