#include <thread>

#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

constexpr const char* kTable =
    "id,name,params_b,device,devices,tokens_b,region\n"
    "r1,first,7,A100,64,100,FRA\nr2,second,30,H100,512,600,us-central1\n,third,1,V100,8,10,\n";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(DbCommand, SavedRunsAreListed) {
  const Program planner;
  planner.write("r.csv", kTable);
  const auto saved = planner({"estimate", "r.csv", "--save", "--format", "json"});
  EXPECT_EQ(saved.status, 0) << saved.err;
  EXPECT_EQ(saved.out, planner({"estimate", "r.csv", "--format", "json"}).out)
      << "saving changes nothing about the answer";
  EXPECT_CONTAINS(saved.err, "saved 3 runs to ");
  const auto listed = planner({"list", "runs", "--format", "json"}).json();
  ASSERT_EQ(listed.size(), 3U);
  const auto runs = saved.json()["runs"];
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(listed[i]["name"], runs[i]["name"]);
    EXPECT_EQ(listed[i].value("id", ""), runs[i].value("id", ""));
    EXPECT_EQ(listed[i]["catalogue"], saved.json()["planner"]["catalogue"]);
    for (const char* key :
         {"training_days", "facility_energy_mwh", "operational_tco2e", "embodied_tco2e"}) {
      const auto wanted = runs[i]["predicted"].value(key, Json::object());
      EXPECT_EQ(listed[i].contains(key), !wanted.empty()) << key << ": unknown is not 0";
      if (!wanted.empty()) {
        EXPECT_EQ(listed[i][key], wanted["value"]) << key;
      }
    }
  }
  EXPECT_CONTAINS(planner({"list", "runs"}).out, "second");
  const auto check = planner({"db", "check"});
  EXPECT_EQ(check.status, 0);
  EXPECT_CONTAINS(check.out, "sound, schema version 2, 3 runs");

  // The same ids again: nothing of the second time is kept, not even what is new.
  planner.write("again.csv", "id,name,device,device_hours\nr9,new,A100,5\nr1,old,A100,5\n");
  const auto again = planner({"estimate", "again.csv", "--save"});
  EXPECT_EQ(again.status, 2);
  EXPECT_EQ(again.out, "");
  EXPECT_CONTAINS(again.err, "r1");
  EXPECT_CONTAINS(again.err, "  help: ");
  EXPECT_CONTAINS(planner({"db", "check"}).out, " 3 runs");
  // Rows that cannot be predicted are not saved; the others are.
  planner.write("part.csv", "id,name,device,device_hours\np1,good,A100,5\np2,bad,A1000,5\n");
  const auto part = planner({"estimate", "part.csv", "--save"});
  EXPECT_EQ(part.status, 2);
  EXPECT_CONTAINS(part.err, "saved 1 run to");
  EXPECT_CONTAINS(planner({"db", "check"}).out, " 4 runs");
}

TEST(DbCommand, PathByOptionThenVariableThenFolder) {
  Program planner;
  const auto path = [&](std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"db", "path"});
    const auto ran = planner.run(more);
    EXPECT_EQ(ran.status, 0) << ran.err;
    return ran.out;
  };
  EXPECT_EQ(path({"--db", "x.db"}), "x.db\n");
  EXPECT_EQ(planner({"db", "--db", "x.db", "path"}).out, "x.db\n") << "the option in front";
  EXPECT_EQ(path(), planner.environment["PLANNER_DB"] + "\n");
  planner.environment["PLANNER_DB"] = "";
  EXPECT_EQ(path(), planner.environment["XDG_DATA_HOME"] + "/planner/planner.db\n");
  planner.environment.erase("PLANNER_DB");
  EXPECT_EQ(path(), planner.environment["XDG_DATA_HOME"] + "/planner/planner.db\n");
  planner.environment.erase("XDG_DATA_HOME");
  EXPECT_EQ(path(), planner.environment["HOME"] + "/.local/share/planner/planner.db\n");
  planner.environment.erase("HOME");
  const auto none = planner({"db", "path"});
  EXPECT_EQ(none.status, 2);
  EXPECT_EQ(none.out, "");
  EXPECT_CONTAINS(none.err, "  help: ");

  // The folder is made when something is saved.
  planner.environment["HOME"] = planner.folder() + "/fresh";
  planner.write("r.csv", kTable);
  EXPECT_EQ(planner({"estimate", "r.csv", "--save"}).status, 0);
  EXPECT_TRUE(fs::exists(planner.folder() + "/fresh/.local/share/planner/planner.db"));
  EXPECT_EQ(planner({"estimate", "r.csv", "--save", "--db", "x.db"}).status, 0);
  EXPECT_TRUE(fs::exists(planner.path("x.db")));
  EXPECT_EQ(planner({"list", "runs", "--db", "x.db", "--format", "json"}).json().size(), 3U);
}

TEST(DbCommand, WhatASearchFillsInIsNotSavedAsTheUsers) {
  Program planner;
  planner.write("r.csv", "name,params_b,tokens_b,device,devices\nx,8,600,H100,256\n");
  const std::vector<std::string> words{"estimate", "r.csv",  "--save", "--db",
                                       "a.db",     "--plan", "best"};
  EXPECT_EQ(planner.run(words).status, 0);
  const auto run = Json::parse(lines_of(planner({"db", "export", "--db", "a.db"}).out)[0]);
  EXPECT_EQ(run["inputs"].size(), 5U) << run["inputs"];
  EXPECT_EQ(run["estimate"]["inputs"]["tp"]["basis"], "model");
}

TEST(DbCommand, ExportAndImportRoundTrip) {
  Program planner;
  planner.write("r.csv", kTable);
  planner({"estimate", "r.csv", "--save", "--db", "a.db"});
  const auto exported = planner({"db", "export", "--db", "a.db"});
  EXPECT_EQ(exported.status, 0);
  EXPECT_EQ(exported.err, "");
  ASSERT_EQ(lines_of(exported.out).size(), 3U);
  for (const auto& line : lines_of(exported.out)) {
    const auto run = Json::parse(line);
    EXPECT_EQ(run["estimate"]["status"], "ok");
    EXPECT_EQ(run["inputs"]["name"], run["name"]);
  }
  planner.write("all.jsonl", exported.out);
  const auto imported = planner({"db", "import", "all.jsonl", "--db", "b.db"});
  EXPECT_EQ(imported.status, 0) << imported.err;
  EXPECT_EQ(imported.out, "");
  EXPECT_CONTAINS(imported.err, "imported 3 runs into b.db");
  EXPECT_EQ(planner({"db", "export", "--db", "b.db"}).out, exported.out);
  planner.stdin_text = exported.out;
  EXPECT_EQ(planner({"db", "import", "-", "--db", "c.db"}).status, 0);
  EXPECT_EQ(planner({"db", "export", "--db", "c.db"}).out, exported.out);
  EXPECT_EQ(planner({"db", "export", "--db", "a.db", "-o", "out.jsonl"}).out, "");
  EXPECT_EQ(file_text(planner.path("out.jsonl")), exported.out);
  // Into a store that has them already.
  const auto twice = planner({"db", "import", "all.jsonl", "--db", "b.db"});
  EXPECT_EQ(twice.status, 2);
  EXPECT_CONTAINS(twice.err, "all.jsonl:1: error: ");
  EXPECT_CONTAINS(twice.err, "nothing was imported");
  EXPECT_EQ(planner({"db", "export", "--db", "b.db"}).out, exported.out);
}

TEST(DbCommand, BrokenImportsImportNothing) {
  Program planner;
  planner.write("r.csv", kTable);
  planner({"estimate", "r.csv", "--save", "--db", "a.db"});
  const auto lines = lines_of(planner({"db", "export", "--db", "a.db"}).out);
  ASSERT_EQ(lines.size(), 3U);
  auto nameless = Json::parse(lines[1]);
  nameless.erase("name");
  auto typed = Json::parse(lines[1]);
  typed["training_days"] = "many";
  auto dated = Json::parse(lines[1]);
  dated["saved_at"] = "yesterday";
  auto negative = Json::parse(lines[1]);
  negative["facility_energy_mwh"] = -1;
  auto flat = Json::parse(lines[1]);
  flat["inputs"] = 5;
  for (const std::string& broken :
       {std::string{"{\"id\": "}, std::string{"[]"}, std::string{"7"}, std::string{"\xFF"},
        lines[0], nameless.dump(), typed.dump(), dated.dump(), negative.dump(), flat.dump(),
        std::string(100000, '[')}) {
    planner.write("b.jsonl", lines[0] + "\n" + broken + "\n" + lines[2] + "\n");
    const auto ran = planner({"db", "import", "b.jsonl", "--db", "b.db"});
    EXPECT_EQ(ran.status, 2) << broken.substr(0, 200) << ran.err;
    EXPECT_EQ(ran.out, "");
    EXPECT_CONTAINS(ran.err, "b.jsonl:2: error: ");
    EXPECT_CONTAINS(ran.err, "nothing was imported");
    EXPECT_CONTAINS(ran.err, "  help: ");
    const auto check = planner({"db", "check", "--db", "b.db"});
    EXPECT_TRUE(check.status == 2 || contains(check.out, " 0 runs")) << check.out;
  }
  EXPECT_EQ(planner({"db", "import", "nowhere.jsonl", "--db", "b.db"}).status, 2);
}

TEST(DbCommand, StoresOfOthersAreRefused) {
  Program planner;
  planner.write("r.csv", kTable);
  planner({"estimate", "r.csv", "--save", "--db", "a.db"});
  // SQLite keeps the schema version at byte 60 of the file, the most significant byte first.
  auto bytes = file_text(planner.path("a.db"));
  ASSERT_GT(bytes.size(), 64U);
  ASSERT_EQ(bytes[63], 2);
  bytes[63] = 99;
  planner.write("newer.db", bytes);
  planner.write("text.db", "this is no database\n" + std::string(2000, 'x'));
  for (const char* store : {"newer.db", "text.db"}) {
    const auto before = file_text(planner.path(store));
    for (const auto& ran :
         {planner({"db", "check", "--db", store}), planner({"db", "export", "--db", store}),
          planner({"list", "runs", "--db", store}),
          planner({"estimate", "r.csv", "--save", "--db", store})}) {
      EXPECT_EQ(ran.status, 2) << store << ran.err;
      EXPECT_EQ(ran.out, "");
      EXPECT_CONTAINS(ran.err, std::string{store} + ": error: ");
      EXPECT_CONTAINS(ran.err, "  help: ");
    }
    EXPECT_TRUE(file_text(planner.path(store)) == before) << store << " was changed";
  }
  EXPECT_CONTAINS(planner({"db", "check", "--db", "newer.db"}).err, "newer");
}

TEST(DbCommand, SeveralPlannersSaveAtOnce) {
  const Program one;
  one.write("r.csv", "name,device,device_hours\na,A100,5\nb,A100,6\n");
  const auto store = one.folder() + "/shared.db";
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      const Program other;
      const auto ran = other({"estimate", one.path("r.csv").string(), "--save", "--db", store});
      EXPECT_EQ(ran.status, 0) << ran.err;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_CONTAINS(one({"db", "check", "--db", store}).out, " 8 runs");
}

TEST(DbCommand, InputsComeBackAsARunTable) {
  const Program planner;
  const auto saved = planner({"estimate", source("db/database.csv"), "--save", "--format", "csv"});
  ASSERT_EQ(saved.status, 0) << saved.err;
  const auto table = planner({"db", "export", "--format", "csv"});
  ASSERT_EQ(table.status, 0) << table.err;
  planner.write("again.csv", table.out);
  const auto again = planner({"estimate", "again.csv", "--format", "csv"});
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(again.out, saved.out);
}

}  // namespace
}  // namespace pretrain::cli
