#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "models/core/table.hpp"
#include "planner/catalogue.hpp"
#include "planner/run_columns.hpp"
#include "tests/cli/json_schema.hpp"
#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

constexpr double kMostDelta = 1e-12;  // the arithmetic of LLMCarbon's code, not a prediction

const std::string& database() {
  static const std::string path = source("db/database.csv");
  return path;
}

void expect_valid(const std::string& document) {
  static const JsonSchema schema{Json::parse(file_text(source("tests/estimate.schema.json")))};
  for (const auto& fault : schema.faults(Json::parse(document))) ADD_FAILURE() << fault;
}

double number(const std::string& text) {
  double value = std::nan("");
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// ---- the contract

TEST(JsonSchema, FindsWhatIsWrong) {
  const Json schema = Json::parse(file_text(source("tests/estimate.schema.json")));
  const JsonSchema contract{schema};
  const Json good = Json::parse(R"({"planner": {"version": "1", "catalogue": "c"}, "runs": [
    {"name": "x", "status": "ok", "inputs": {"pue": {"value": 1.1, "basis": "given"}},
     "predicted": {"mfu": {"value": 0.4, "unit": "1"}}},
    {"name": "y", "status": "error", "reason": "why"}]})");
  EXPECT_TRUE(contract.faults(good).empty());
  const auto broken = [&](const char* pointer, const Json& value) {
    Json bad = good;
    bad[Json::json_pointer{pointer}] = value;
    return contract.faults(bad).size();
  };
  EXPECT_EQ(broken("/runs", "none"), 1U);
  EXPECT_EQ(broken("/planner", Json::object()), 2U);
  EXPECT_EQ(broken("/runs/0/status", "fine"), 2U) << "no such status, and then no reason";
  EXPECT_EQ(broken("/runs/0/status", "error"), 1U) << "an error without a reason";
  EXPECT_EQ(broken("/runs/0/predicted/speed", {{"value", 1}, {"unit", "1"}}), 1U);
  EXPECT_EQ(broken("/runs/0/predicted/mfu/value", nullptr), 1U);
  EXPECT_EQ(broken("/runs/0/inputs/pue/basis", "guessed"), 1U);
  EXPECT_EQ(broken("/runs/0/inputs/pue/value", nullptr), 1U);
  EXPECT_EQ(broken("/runs/0/warnings", Json::array({1})), 1U);
  EXPECT_EQ(broken("/runs/0/trace", Json::array({Json::object()})), 7U);
  Json unknown = schema;
  unknown["$defs"]["value"]["minimum"] = 0;
  EXPECT_THROW(JsonSchema{unknown}, std::logic_error);
}

TEST(EstimateCommand, JsonReproducesLlmcarbonAndKeepsTheContract) {
  const Program planner;
  const auto ran = planner({"estimate", database(), "--format", "json"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  expect_valid(ran.out);
  const auto document = ran.json();
  EXPECT_EQ(document["planner"]["catalogue"], planner::Catalogue{}.hash());
  EXPECT_EQ(planner({"--version"}).out,
            "planner " + document["planner"]["version"].get<std::string>() + "\n");
  ASSERT_EQ(document["runs"].size(), 5U);
  const auto expected = Table::read(file_text(source("validation/llmcarbon.csv")), "llmcarbon.csv",
                                    {"name", "quantity", "expected"});
  std::size_t compared = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (expected.text(i, "quantity") != "operational_tco2e_delta") continue;
    const auto run = std::find_if(
        document["runs"].begin(), document["runs"].end(),
        [&](const Json& r) { return r["name"] == std::string{expected.text(i, "name")}; });
    ASSERT_NE(run, document["runs"].end());
    EXPECT_NEAR((*run)["delta"]["operational_tco2e"].get<double>(),
                expected.required_number(i, "expected", -1, 1), kMostDelta)
        << (*run)["name"];
    ++compared;
  }
  EXPECT_EQ(compared, 5U);
}

TEST(EstimateCommand, EveryPublishedRunIsComputedOrHasAReason) {
  const Program planner;
  const auto ran = planner({"estimate", source("db/runs.csv"), "--format", "json"});
  expect_valid(ran.out);
  std::size_t failed = 0;
  const auto document = ran.json();
  EXPECT_EQ(document["runs"].size(), 82U);
  for (const auto& run : document["runs"]) {
    if (run["status"] == "ok") {
      EXPECT_FALSE(run["predicted"].empty()) << run["name"];
      EXPECT_FALSE(run["trace"].empty()) << run["name"];
      continue;
    }
    EXPECT_FALSE(run["reason"].get<std::string>().empty()) << run["name"];
    EXPECT_FALSE(run["help"].get<std::string>().empty()) << run["name"];
    EXPECT_EQ(run["status"], "error") << run["name"] << " was trained: it fits";
    ++failed;
    EXPECT_FALSE(run.contains("predicted")) << run["name"];
  }
  EXPECT_EQ(ran.status, failed > 0 ? 2 : 0);
  EXPECT_EQ(count_of(ran.err, ": error: "), failed) << ran.err;
  EXPECT_EQ(count_of(ran.err, "\n  help: "), failed) << "each with its remedy";
}

TEST(EstimateCommand, ErrorRowsKeepTheContractToo) {
  Program planner;
  const auto file = planner.write("r.csv",
                                  "name,device,device_hours,region\n"
                                  "a,A100,100,FRA\nb,H1000,100,FRA\nc,A100,,\n,V100,5,\n");
  const auto ran = planner({"estimate", file, "--format", "json"});
  EXPECT_EQ(ran.status, 2);
  expect_valid(ran.out);
  const auto runs = ran.json()["runs"];
  ASSERT_EQ(runs.size(), 4U);
  EXPECT_EQ(runs[0]["status"], "ok");
  EXPECT_EQ(runs[1]["status"], "error");
  EXPECT_CONTAINS(runs[1]["reason"].get<std::string>(), "unknown device 'H1000'");
  EXPECT_EQ(runs[2]["status"], "error");
  EXPECT_EQ(runs[3]["status"], "ok");
  EXPECT_CONTAINS(ran.err, "r.csv:3:3: error: b: unknown device 'H1000'");
  // People see it too, and the rows beside it.
  const auto table = planner({"estimate", file});
  EXPECT_EQ(table.status, 2);
  EXPECT_CONTAINS(table.out, "(not computed)");
  EXPECT_CONTAINS(table.out, "Not computed: b: unknown device 'H1000'");
}

TEST(EstimateCommand, WhatDoesNotFitIsInfeasible) {
  Program planner;
  const std::string header = "name,architecture,device,devices,tokens_b,tp,pp,seq_len,region\n";
  const std::string wide = "wide,llama-3.1-405b,H100,8,100,1,1,8192,FRA\n";
  const std::string narrow = "narrow,llama-3.1-8b,H100,8,100,1,1,8192,FRA\n";
  const auto file = planner.write("r.csv", header + wide + narrow);
  const auto json = planner({"estimate", file, "--format", "json"});
  EXPECT_EQ(json.status, 1) << "the answer is no";
  expect_valid(json.out);
  const auto run = json.json()["runs"][0];
  EXPECT_EQ(run["status"], "infeasible");
  EXPECT_CONTAINS(run["reason"].get<std::string>(), "GiB of 78 usable on h100-sxm");
  EXPECT_CONTAINS(run["help"].get<std::string>(), "what would make it fit: ");
  EXPECT_TRUE(run["predicted"].contains("training_days")) << "predictions stay";
  const auto memory = run["breakdown"]["memory_gib_per_device"];
  double total = 0;
  for (const char* part :
       {"weights", "gradients", "optimizer", "activations", "logits", "buffers"}) {
    total += memory[part].get<double>();
  }
  EXPECT_NEAR(total, run["predicted"]["memory_gib_per_device"]["value"].get<double>(), 1e-9);
  EXPECT_NEAR(memory["device_reports"].get<double>(), total + memory["reserve"].get<double>(),
              1e-9);
  EXPECT_LT(memory["headroom"].get<double>(), 0);
  EXPECT_EQ(memory["plan"]["dp"], 8);
  EXPECT_EQ(run["inputs"]["tp"]["basis"], "given");
  EXPECT_EQ(json.json()["runs"][1]["status"], "ok");
  EXPECT_CONTAINS(json.err, "1 run does not fit in the memory of a device");

  const auto table = planner({"estimate", file});
  EXPECT_EQ(table.status, 1);
  EXPECT_CONTAINS(table.out, "Memory [GiB]");
  EXPECT_CONTAINS(table.out, "Does not fit: wide: needs ");
  const auto csv = planner({"estimate", file, "--format", "csv"});
  EXPECT_EQ(csv.status, 1);
  EXPECT_EQ(CsvAnswer{csv.out}.rows[0].at("status"), "infeasible");
  // A row that is wrong weighs more; what fits is no news.
  const auto wrong =
      planner.write("w.csv", header + wide + "tp,llama-2-7b,H100,8,1,3,1,4096,FRA\n");
  const auto both = planner({"estimate", wrong});
  EXPECT_EQ(both.status, 2);
  EXPECT_CONTAINS(both.err, "w.csv:3:24: error: tp: tp 3 does not divide 32 heads");
  EXPECT_EQ(planner({"estimate", planner.write("n.csv", header + narrow)}).status, 0);
}

TEST(EstimateCommand, PublishedMemoryIsCompared) {
  const Program planner;
  const auto ran = planner({"estimate", source("validation/cases/memory.csv"), "--format", "json"});
  expect_valid(ran.out);
  std::size_t compared = 0;
  const auto document = ran.json();
  for (const auto& run : document["runs"]) {
    if (run.value("delta", Json::object()).contains("memory_gib_per_device")) ++compared;
  }
  EXPECT_GT(compared, 150U);
  EXPECT_FALSE(ran.err.find("unknown column") != std::string::npos) << ran.err;
}

// ---- formats

const char* const kCsvHeader =
    "id,name,status,reason,total_params,active_params,training_flops,iteration_s,"
    "tokens_per_s_per_device,tflops_per_device,mfu,hfu,memory_gib_per_device,training_days,"
    "device_hours,device_power_w,device_energy_mwh,node_energy_mwh,facility_energy_mwh,"
    "operational_tco2e,embodied_tco2e,total_tco2e,delta_iteration_s,"
    "delta_tokens_per_s_per_device,delta_tflops_per_device,delta_mfu,"
    "delta_memory_gib_per_device,delta_training_days,delta_device_hours,delta_device_power_w,delta_"
    "device_energy_mwh,delta_node_energy_mwh,"
    "delta_facility_energy_mwh,delta_operational_tco2e,delta_embodied_tco2e,tokens_b,devices,"
    "compared_scope";

TEST(EstimateCommand, FormatsAgreeOnEveryValue) {
  const Program planner;
  for (const auto& file : {database(), source("db/runs.csv")}) {
    const auto json = planner({"estimate", file, "--format", "json"});
    const auto lines = planner({"estimate", file, "--format", "jsonl"});
    const auto csv = planner({"estimate", file, "--format", "csv"});
    EXPECT_EQ(json.status, lines.status);
    EXPECT_EQ(json.status, csv.status);
    EXPECT_EQ(json.err, lines.err);
    EXPECT_EQ(json.err, csv.err);
    const auto runs = json.json()["runs"];
    std::istringstream in{lines.out};
    std::size_t count = 0;
    for (std::string line; std::getline(in, line); ++count) {
      ASSERT_LT(count, runs.size());
      EXPECT_TRUE(Json::parse(line) == runs[count]) << line;
    }
    EXPECT_EQ(count, runs.size());

    const CsvAnswer answer{csv.out};
    EXPECT_EQ(answer.header(), kCsvHeader);
    ASSERT_EQ(answer.rows.size(), runs.size());
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const auto& run = runs[i];
      for (const auto& [column, cell] : answer.rows[i]) {
        Json wanted;
        if (column == "id" || column == "name" || column == "status" || column == "reason") {
          EXPECT_EQ(cell, run.value(column, "")) << column;
          continue;
        }
        if (column == "compared_scope") {
          std::string scope;
          const auto all = run.value("compared", Json::object());
          for (const auto& [quantity, compared] : all.items()) {
            // That of energy and carbon; memory has kinds of its own.
            if (quantity != "memory_gib_per_device") scope = compared.value("scope", scope);
          }
          if (!scope.empty()) {
            EXPECT_EQ(cell, scope) << run["name"];
          }
          continue;
        }
        if (column.starts_with("delta_")) {
          wanted = run.value("delta", Json::object()).value(column.substr(6), Json{});
        } else if (column == "tokens_b" || column == "devices") {
          wanted = run.value("inputs", Json::object())
                       .value(column, Json::object())
                       .value("value", Json{});
        } else {
          wanted = run.value("predicted", Json::object())
                       .value(column, Json::object())
                       .value("value", Json{});
        }
        EXPECT_EQ(cell.empty(), wanted.is_null()) << column << " of " << run["name"];
        if (!cell.empty() && !wanted.is_null()) {
          EXPECT_EQ(number(cell), wanted.get<double>()) << column << " of " << run["name"];
        }
      }
    }
  }
}

TEST(EstimateCommand, Markdown) {
  const Program planner;
  const auto ran = planner({"estimate", database(), "--format", "markdown"});
  EXPECT_EQ(ran.status, 0);
  std::istringstream in{ran.out};
  std::vector<std::string> table;
  for (std::string line; std::getline(in, line) && line.starts_with('|');) table.push_back(line);
  ASSERT_EQ(table.size(), 2U + 5U + 1U) << "header, rule, runs, total";
  for (const auto& line : table) {
    EXPECT_EQ(count_of(line, "|"), count_of(table.front(), "|")) << line;
  }
  EXPECT_TRUE(table[0].starts_with("| Run |")) << table[0];
  EXPECT_TRUE(table[1].starts_with("| --- |")) << table[1];
  EXPECT_TRUE(table[3].starts_with("| GPT3 | 175B | 300B | 10,000 |")) << table[3];
  EXPECT_TRUE(table[7].starts_with("| Total |")) << table[7];

  // A cell cannot break out of its table.
  Program odd;
  const auto file = odd.write("r.csv", "name,device,device_hours\n\"a|b\nc\",A100,5\n");
  EXPECT_CONTAINS(odd({"estimate", file, "--format", "markdown"}).out, "| a\\|b c |");
}

TEST(EstimateCommand, TablesAreAsReviewed) {
  const Program planner;
  expect_golden("database.txt", planner({"estimate", database()}).out);
  expect_golden("explain_gpt3.txt",
                planner({"estimate", database(), "--where", "GPT3", "--explain"}).out);
}

TEST(EstimateCommand, ExplainGoesWithFormatsForPeople) {
  const Program planner;
  const auto markdown = planner({"estimate", database(), "--explain", "--format", "markdown"});
  EXPECT_EQ(markdown.status, 0);
  EXPECT_EQ(count_of(markdown.out, "how each number was found"), 5U);
  EXPECT_CONTAINS(markdown.out, "C = f D");
  for (const char* format : {"csv", "jsonl"}) {
    const auto ran = planner({"estimate", database(), "--explain", "--format", format});
    EXPECT_EQ(ran.status, 2);
    EXPECT_EQ(ran.out, "");
    EXPECT_CONTAINS(ran.err, "--explain: error: ");
    EXPECT_CONTAINS(ran.err, "  help: ");
  }
}

TEST(EstimateCommand, ColorsOnATerminalOnly) {
  Program planner;
  EXPECT_FALSE(contains(planner({"estimate", database()}).out, "\x1b"));
  if (!Program::has_terminals()) GTEST_SKIP() << "no pseudo-terminals here";
  EXPECT_CONTAINS(planner.on_terminal({"estimate", database()}).out, "\x1b[");
  EXPECT_FALSE(
      contains(planner.on_terminal({"estimate", database(), "--format", "csv"}).out, "\x1b"));
  planner.environment["NO_COLOR"] = "1";
  EXPECT_FALSE(contains(planner.on_terminal({"estimate", database()}).out, "\x1b"));
  planner.environment["NO_COLOR"] = "";
  EXPECT_CONTAINS(planner.on_terminal({"estimate", database()}).out, "\x1b[");
  planner.environment["TERM"] = "dumb";
  EXPECT_FALSE(contains(planner.on_terminal({"estimate", database()}).out, "\x1b"));
}

TEST(EstimateCommand, NamesCannotSteerTheTerminal) {
  Program planner;
  const auto file = planner.write("r.csv",
                                  "name,device,device_hours,\x1b[31mcolumn\n"
                                  "\x1b[2Jname,A100,5,\nb,\x1b]0;title\x07,5,\n");
  const auto wrong = planner.write("w.csv", "type,device\n\x1b[31mdense,A100\n");
  for (const auto& ran : {planner({"estimate", file}), planner({"estimate", wrong}),
                          planner({"estimate", file, "--where", "\x1b[31mx"}),
                          planner({"estimate", file, "--format", "markdown", "--explain"}),
                          planner({"compare", file})}) {
    EXPECT_FALSE(contains(ran.out, "\x1b")) << ran.out;
    EXPECT_FALSE(contains(ran.err, "\x1b")) << ran.err;
    EXPECT_FALSE(contains(ran.err, "\x07")) << ran.err;
  }
}

// ---- input, selection, output

TEST(EstimateCommand, StandardInput) {
  Program planner;
  planner.stdin_text = file_text(database());
  const auto ran = planner({"estimate", "-", "--format", "csv"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.out, planner({"estimate", database(), "--format", "csv"}).out);
  planner.stdin_text = "runs:\n- {name: a, device: A100, device_hours: 5}\n";
  const auto yaml = planner({"estimate", "-", "--format", "csv"});
  EXPECT_EQ(yaml.status, 0);
  EXPECT_EQ(CsvAnswer{yaml.out}.rows.size(), 1U);
  planner.stdin_text = "name,devices\na,400W\n";
  EXPECT_CONTAINS(planner({"estimate", "-"}).err, "standard input:2:3: error: '400W'");
}

TEST(EstimateCommand, WhereSelectsByNameOrId) {
  Program planner;
  const auto file = planner.write("r.csv",
                                  "id,name,device,device_hours\n"
                                  "r1,Alpha,A100,1\nr2,beta,A100,2\nr3,beta,A100,3\n");
  const auto names = [&](const std::string& where) {
    std::string text;
    const auto ran = planner({"estimate", file, "--where", where, "--format", "csv"});
    EXPECT_EQ(ran.status, 0) << ran.err;
    for (const auto& row : CsvAnswer{ran.out}.rows) text += row.at("id") + " ";
    return text;
  };
  EXPECT_EQ(names("Alpha"), "r1 ");
  EXPECT_EQ(names("ALPHA"), "r1 ");
  EXPECT_EQ(names("Beta"), "r2 r3 ");
  EXPECT_EQ(names("r3"), "r3 ");
  for (const char* format : {"table", "json", "markdown"}) {
    const auto ran = planner({"estimate", file, "--where", "alpah", "--format", format});
    EXPECT_EQ(ran.status, 2);
    EXPECT_EQ(ran.out, "") << format;
    EXPECT_CONTAINS(ran.err, "r.csv: error: no run is named 'alpah'");
    EXPECT_CONTAINS(ran.err, "  help: did you mean 'Alpha'");
  }
}

TEST(EstimateCommand, BlindIgnoresMeasurements) {
  const Program planner;
  const auto seeing = planner({"estimate", database(), "--format", "json"}).json();
  const auto blind = planner({"estimate", database(), "--format", "json", "--blind"}).json();
  for (std::size_t i = 0; i < 5; ++i) {
    const auto& inputs = blind["runs"][i]["inputs"];
    for (const char* column : {"mfu", "system_power_w", "goodput"}) {
      EXPECT_NE(inputs[column]["basis"], "given") << column;
      EXPECT_FALSE(inputs[column].value("source", "").empty()) << column;
    }
    EXPECT_EQ(inputs["params_b"], seeing["runs"][i]["inputs"]["params_b"]);
    EXPECT_TRUE(blind["runs"][i]["delta"].contains("operational_tco2e"));
    EXPECT_NE(blind["runs"][i]["delta"], seeing["runs"][i]["delta"]);
  }
}

TEST(EstimateCommand, BlankedRowsAreFilledInWithABasis) {
  // LLMCarbon's runs with all that it demands beside the architecture taken away.
  const std::set<std::string> kBlanked{"achieved TFLOPs/s", "hardware efficiency",
                                       "device TPD (W)",    "avg. system power (W)",
                                       "peak TFLOPs/s",     "PUE",
                                       "CO2eq/KWh"};
  const CsvAnswer table{file_text(database())};
  std::string text;
  for (const auto& [column, cell] : table.rows.front()) text += column + ",";
  text += "region\n";
  for (const auto& row : table.rows) {
    for (const auto& [column, cell] : row) text += (kBlanked.contains(column) ? "" : cell) + ",";
    text += "us-central1\n";
  }
  Program planner;
  const auto ran = planner({"estimate", planner.write("blank.csv", text), "--format", "json"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  expect_valid(ran.out);
  const auto runs = ran.json()["runs"];
  ASSERT_EQ(runs.size(), 5U);
  for (const auto& run : runs) {
    EXPECT_EQ(run["status"], "ok") << run["name"];
    for (const char* key : {"operational_tco2e", "embodied_tco2e", "total_tco2e"}) {
      EXPECT_GT(run["predicted"][key].value("value", 0.0), 0.0) << key << " of " << run["name"];
    }
    for (const char* column :
         {"mfu", "device_tdp_w", "system_power_w", "peak_tflops", "pue", "intensity_kg_per_kwh"}) {
      const auto input = run["inputs"].value(column, Json::object());
      EXPECT_TRUE(input.value("value", 0.0) > 0) << column << " of " << run["name"];
      const auto basis = input.value("basis", "");
      EXPECT_TRUE(basis == "catalogue" || basis == "model" || basis == "default")
          << column << ": " << basis;
      EXPECT_FALSE(input.value("source", "").empty()) << column << " has no source";
    }
  }
}

TEST(EstimateCommand, OutputAppearsWholeOrNotAtAll) {
  Program planner;
  const auto wanted = planner({"estimate", database(), "--format", "json"}).out;
  auto ran = planner({"estimate", database(), "--format", "json", "--output", "new.json"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(file_text(planner.path("new.json")), wanted);

  planner.write("old.csv", "old");
  ::chmod(planner.path("old.csv").c_str(), 0640);
  const auto wrong = planner.write("w.csv", "name,device,device_hours\na,A100,5\nb,A100,-1\n");
  for (const char* format : {"csv", "json", "table"}) {
    ran = planner({"estimate", wrong, "--format", format, "-o", "old.csv"});
    EXPECT_EQ(ran.status, 2);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(file_text(planner.path("old.csv")), "old") << format;
  }
  ran = planner({"estimate", database(), "--format", "csv", "-o", "old.csv"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(file_text(planner.path("old.csv")),
            planner({"estimate", database(), "--format", "csv"}).out);
  struct stat status {};
  ASSERT_EQ(::stat(planner.path("old.csv").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U) << "permissions of the old file";
  // Colors are for terminals.
  if (Program::has_terminals()) {
    planner.on_terminal({"estimate", database(), "-o", "table.txt"});
  } else {
    planner({"estimate", database(), "-o", "table.txt"});
  }
  EXPECT_FALSE(contains(file_text(planner.path("table.txt")), "\x1b"));
  EXPECT_EQ(planner({"estimate", database(), "-o", "/dev/null"}).status, 0);
  EXPECT_TRUE(fs::is_character_file("/dev/null")) << "renamed over a device";

  std::set<std::string> files;
  for (const auto& entry : fs::directory_iterator(planner.path(""))) {
    files.insert(entry.path().filename().string());
  }
  EXPECT_EQ(files, (std::set<std::string>{"new.json", "old.csv", "table.txt", "w.csv"}))
      << "something was left beside the answer";
}

TEST(EstimateCommand, DataFolderReplacesTables) {
  Program planner;
  fs::create_directory(planner.path("data"));
  auto text = file_text(source("hardware/data/pue.csv"));
  const auto at = text.find(",,1.54");
  ASSERT_NE(at, std::string::npos);
  planner.write("data/pue.csv", std::string{text}.replace(at, 6, ",,2.50"));
  const auto file = planner.write("r.csv", "device,device_hours\nA100,5\n");
  const auto ran = planner({"estimate", file, "--data", "data", "--format", "json"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.json()["runs"][0]["inputs"]["pue"]["value"], 2.5);
  EXPECT_NE(ran.json()["planner"]["catalogue"], planner::Catalogue{}.hash());
  planner.write("data/pue.csv", std::string{text}.replace(at, 6, ",,0.54"));
  const auto wrong = planner({"estimate", file, "--data", "data"});
  EXPECT_EQ(wrong.status, 2);
  EXPECT_EQ(wrong.out, "");
  EXPECT_CONTAINS(wrong.err, "data/pue.csv:");
  EXPECT_CONTAINS(wrong.err, "0.54");
  EXPECT_EQ(planner({"estimate", file, "--data", "nowhere"}).status, 2);
  planner.write("data/devcies.csv", "x\n");
  EXPECT_CONTAINS(planner({"estimate", file, "--data", "data"}).err, "devices.csv");
}

TEST(EstimateCommand, WarningsOfAKindAreCounted) {
  Program planner;
  std::string text = "name,params_b,device,devices,tokens_b,region\n";
  for (int i = 0; i < 1000; ++i)
    text += "r" + std::to_string(i) + ",0.1,a100-sxm-80,8,1,atlantis\n";
  const auto ran =
      planner({"estimate", planner.write("r.csv", text), "--format", "csv", "--method", "6nd"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_EQ(count_of(ran.err, "unknown region 'atlantis'"), 1U) << "the same name, once";
  EXPECT_EQ(count_of(ran.err, "outside the 1e9"), 20U);
  EXPECT_CONTAINS(ran.err, "980 more warnings of a kind shown above");
}

// ---- the time of a step

/// Runs whose rate follows from the time of a step, with published numbers beside it.
const char* const kTimed =
    "id,name,architecture,device,devices,tokens_b,seq_len,global_batch_seqs,tp,micro_batch_seqs,"
    "reported_days,reported_mfu,reported_iteration_s,reported_device_power_w,region\n"
    "s,stated,llama-2-7b,a100-sxm-80,64,1000,4096,1024,2,1,45,0.5,15,350,FRA\n"
    "o,open,llama-2-7b,a100-sxm-80,64,1000,4096,1024,,,45,0.5,15,350,FRA\n"
    "t,tpu,llama-2-7b,tpu-v4,64,1000,4096,1024,,,45,0.5,15,,us-east-1\n"
    "m,mixture,mixtral-8x7b,h100-sxm,64,1000,4096,1024,,,45,0.4,15,350,FRA\n";

const std::set<std::string>& of_rate() {
  static const std::set<std::string> names{
      "mfu",         "tokens_per_s_per_device", "tflops_per_device",
      "iteration_s", "training_days",           "device_hours"};
  return names;
}

TEST(EstimateCommand, WhatIsUncertainHasAnInterval) {
  const Program planner;
  const auto file = planner.write("r.csv", kTimed);
  const auto ran = planner({"estimate", file, "--format", "json"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  expect_valid(ran.out);
  const auto document = ran.json();
  ASSERT_EQ(document["runs"].size(), 4U);
  for (const auto& run : document["runs"]) {
    SCOPED_TRACE(run["name"].get<std::string>());
    std::set<std::string> with;
    for (const auto& [name, quantity] : run["predicted"].items()) {
      EXPECT_EQ(quantity.contains("low"), quantity.contains("high")) << name;
      if (!quantity.contains("low")) continue;
      with.insert(name);
      EXPECT_LT(quantity["low"].get<double>(), quantity["value"].get<double>()) << name;
      EXPECT_LT(quantity["value"].get<double>(), quantity["high"].get<double>()) << name;
      EXPECT_GT(quantity["low"].get<double>(), 0) << name;
    }
    auto uncertain = of_rate();
    uncertain.insert({"device_power_w", "device_energy_mwh", "node_energy_mwh",
                      "facility_energy_mwh", "operational_tco2e", "embodied_tco2e", "total_tco2e"});
    EXPECT_EQ(with, uncertain);
    ASSERT_EQ(run["drivers"].size(), 3U);
    EXPECT_GE(run["drivers"][0]["factor"], run["drivers"][2]["factor"]);
    for (const auto& [name, compared] : run["compared"].items()) {
      EXPECT_EQ(compared.contains("low"), uncertain.contains(name)) << name;
      const auto& predicted = run["predicted"][name];
      EXPECT_EQ(compared.value("low", Json{}), predicted.value("low", Json{})) << name;
      EXPECT_EQ(compared.value("high", Json{}), predicted.value("high", Json{})) << name;
    }
  }
}

TEST(EstimateCommand, IntervalsAreAsWideAsAsked) {
  const Program planner;
  const auto file = planner.write("r.csv", kTimed);
  const auto runs = [&](const std::string& level) {
    const auto ran = planner({"estimate", file, "--format", "json", "--interval", level});
    EXPECT_EQ(ran.status, 0) << ran.err;
    return ran.json()["runs"];
  };
  const auto none = runs("0");
  const auto half = runs("0.5");
  const auto wide = runs("0.9");
  EXPECT_TRUE(wide == planner({"estimate", file, "--format", "json"}).json()["runs"])
      << "0.9 is the default";
  for (std::size_t i = 0; i < none.size(); ++i) {
    EXPECT_FALSE(contains(none[i].dump(), "\"low\"") || contains(none[i].dump(), "\"high\""));
    for (const auto& name : of_rate()) {
      const auto& narrow = half[i]["predicted"][name];
      const auto& broad = wide[i]["predicted"][name];
      EXPECT_LT(broad["low"].get<double>(), narrow["low"].get<double>()) << name;
      EXPECT_LT(narrow["high"].get<double>(), broad["high"].get<double>()) << name;
      EXPECT_EQ(narrow["value"], none[i]["predicted"][name]["value"]) << name;
      EXPECT_EQ(narrow["value"], broad["value"]) << "the prediction stays";
    }
  }
  // People see it too, unless it is not wanted.
  EXPECT_CONTAINS(planner({"estimate", file}).out, "90%");
  EXPECT_CONTAINS(planner({"estimate", file, "--interval", "0.5"}).out, "50%");
  EXPECT_FALSE(contains(planner({"estimate", file, "--interval", "0"}).out, "for 90%"));
}

TEST(EstimateCommand, DrawnIntervalsAreThoseOfTheSeed) {
  const Program planner;
  const auto file = planner.write("r.csv", kTimed);
  const auto drawn = [&](const char* samples, const char* seed) {
    const auto ran =
        planner({"estimate", file, "--format", "json", "--samples", samples, "--seed", seed});
    EXPECT_EQ(ran.status, 0) << ran.err;
    return ran.out;
  };
  const auto first = drawn("200", "7");
  EXPECT_EQ(drawn("200", "7"), first);
  EXPECT_NE(drawn("200", "8"), first);
  const auto closed = planner({"estimate", file, "--format", "json"}).json()["runs"];
  const auto runs = Json::parse(drawn("5000", "1"))["runs"];
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (const auto& [name, quantity] : closed[i]["predicted"].items()) {
      const auto& other = runs[i]["predicted"][name];
      EXPECT_EQ(other["value"], quantity["value"]) << name;
      EXPECT_EQ(other.contains("low"), quantity.contains("low")) << name;
    }
  }
}

TEST(EstimateCommand, CsvHasColumnsForTheIntervalsThatAreAskedFor) {
  const Program planner;
  const auto file = planner.write("r.csv", kTimed);
  const CsvAnswer plain{planner({"estimate", file, "--format", "csv"}).out};
  EXPECT_EQ(plain.header(), kCsvHeader);
  EXPECT_EQ(
      CsvAnswer{planner({"estimate", file, "--format", "csv", "--interval", "0"}).out}.header(),
      kCsvHeader);
  const auto ran = planner({"estimate", file, "--format", "csv", "--interval", "0.8"});
  const CsvAnswer answer{ran.out};
  std::string wanted = kCsvHeader;
  wanted.insert(
      wanted.find(",tokens_b,"),
      ",iteration_s_low,iteration_s_high,tokens_per_s_per_device_low,tokens_per_s_per_device_high,"
      "tflops_per_device_low,tflops_per_device_high,mfu_low,mfu_high,hfu_low,hfu_high,"
      "training_days_low,training_days_high,device_hours_low,device_hours_high,"
      "device_power_w_low,device_power_w_high,device_energy_mwh_low,device_energy_mwh_high,"
      "node_energy_mwh_low,node_energy_mwh_high,facility_energy_mwh_low,facility_energy_mwh_high,"
      "operational_tco2e_low,operational_tco2e_high,embodied_tco2e_low,embodied_tco2e_high,"
      "total_tco2e_low,total_tco2e_high");
  EXPECT_EQ(answer.header(), wanted);
  const auto runs =
      planner({"estimate", file, "--format", "json", "--interval", "0.8"}).json()["runs"];
  ASSERT_EQ(answer.rows.size(), runs.size());
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (const auto& name : of_rate()) {
      for (const char* end : {"low", "high"}) {
        EXPECT_EQ(number(answer.rows[i].at(name + "_" + end)),
                  runs[i]["predicted"][name][end].get<double>())
            << name;
      }
    }
    EXPECT_EQ(answer.rows[i].at("hfu_low"), "");
    // The other columns stay what they are.
    for (const auto& [column, cell] : plain.rows[i]) EXPECT_EQ(answer.rows[i].at(column), cell);
  }
  // A rate that is not predicted has blank ends.
  const auto given =
      planner.write("g.csv", "device,params_b,tokens_b,devices,mfu\nH100,7,1,8,0.4\n");
  const auto blank = planner({"estimate", given, "--format", "csv", "--interval", "0.8"});
  EXPECT_EQ(CsvAnswer{blank.out}.rows.at(0).at("mfu_low"), "");
}

TEST(EstimateCommand, AStepIsBrokenDownAndTraced) {
  const Program planner;
  const auto file = planner.write("r.csv", kTimed);
  const auto document = planner({"estimate", file, "--format", "json"}).json();
  for (const auto& run : document["runs"]) {
    SCOPED_TRACE(run["name"].get<std::string>());
    const auto step = run["breakdown"]["step_time_s"];
    double sum = 0;
    for (const auto& [name, part] : step.items()) {
      if (name == "total" || name == "per_device") continue;
      ASSERT_TRUE(part.is_number()) << name;
      sum += part.get<double>();
    }
    const double total = step["total"].get<double>();
    EXPECT_GT(total, 0);
    EXPECT_NEAR(sum, total, 1e-9 * total);
    EXPECT_NEAR(run["predicted"]["iteration_s"]["value"].get<double>(), total, 1e-9 * total)
        << "a step is one iteration";
    EXPECT_EQ(run["inputs"]["mfu"]["basis"], "model");
    EXPECT_TRUE(run["inputs"]["mfu"]["source"].get<std::string>().starts_with("efficiency.step"));

    std::map<std::string, Json> trace;
    for (const auto& entry : run["trace"]) trace[entry["equation"].get<std::string>()] = entry;
    ASSERT_TRUE(trace.contains("step.time") && trace.contains("efficiency.step"));
    EXPECT_EQ(trace["step.time"]["result"].get<double>(), total);
    EXPECT_EQ(trace["efficiency.step"]["result"], run["predicted"]["mfu"]["value"]);
    EXPECT_EQ(trace["efficiency.step"]["values"]["t"]["value"].get<double>(), total);
    EXPECT_FALSE(trace.contains("efficiency.llmcarbon"));
    // The factor of the trace is that of the intervals.
    const auto& mfu = run["predicted"]["mfu"];
    EXPECT_NEAR(trace["step.interval"]["result"].get<double>(),
                mfu["value"].get<double>() / mfu["low"].get<double>(), 1e-9);
  }
  const auto regressed =
      planner({"estimate", file, "--format", "json", "--method", "6nd"}).json()["runs"];
  for (const auto& run : regressed) {
    EXPECT_FALSE(run["breakdown"].contains("step_time_s"));
    EXPECT_FALSE(run["predicted"]["mfu"].contains("low"));
  }
}

TEST(EstimateCommand, MeasuredEfficiencyAndRecomputationGoTogether) {
  const Program planner;
  const auto file = planner.write(
      "r.csv",
      "architecture,device,devices,tokens_b,mfu,recompute\nllama-2-7b,h100-sxm,64,100,0.4,full\n");
  for (const auto* format : {"json", "jsonl", "csv", "table"}) {
    const auto ran = planner.run({"estimate", file, "--format", format, "--explain"});
    EXPECT_LE(ran.status, 2) << format;
    EXPECT_EQ(planner.run({"estimate", file, "--format", format}).status, 0) << format;
  }
}

TEST(EstimateCommand, PlansAreThoseAskedFor) {
  const Program planner;
  const auto file = planner.write("r.csv", kTimed);
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"estimate", file, "--format", "json"});
    const auto ran = planner.run(more);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return ran.out;
  };
  const auto given = run({});
  EXPECT_EQ(run({"--plan", "given"}), given);
  const auto best = run({"--plan", "best"});
  EXPECT_EQ(run({"--choose-plan"}), best);
  EXPECT_EQ(planner.run({"estimate", file, "--plan", "usual", "--choose-plan"}).status, 2)
      << "two plans are asked for";
  const auto usual = Json::parse(run({"--plan", "usual"}))["runs"];
  const auto fastest = Json::parse(best)["runs"];
  const auto stated = Json::parse(given)["runs"];
  const auto rate = [](const Json& one) {
    return one["predicted"]["tokens_per_s_per_device"]["value"].get<double>();
  };
  for (std::size_t i = 0; i < stated.size(); ++i) {
    EXPECT_GE(rate(fastest[i]), rate(usual[i])) << stated[i]["name"];
    EXPECT_GE(rate(fastest[i]), rate(stated[i])) << stated[i]["name"];
    EXPECT_EQ(fastest[i]["inputs"]["tp"]["basis"], "model");
    EXPECT_EQ(usual[i]["inputs"]["tp"]["basis"], "model");
  }
  EXPECT_EQ(stated[0]["inputs"]["tp"]["basis"], "given");
  EXPECT_EQ(rate(usual[1]), rate(stated[1])) << "nothing of it was stated";
}

TEST(EstimateCommand, HelpAndVersion) {
  const Program planner;
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"--help"}, {"estimate", "--help"}, {"--version"}}) {
    const auto ran = planner.run(arguments);
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.err, "");
    EXPECT_FALSE(ran.out.empty());
  }
}

}  // namespace
}  // namespace pretrain::cli
