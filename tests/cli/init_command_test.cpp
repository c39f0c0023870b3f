#include "planner/run_columns.hpp"
#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

TEST(InitCommand, TemplateIsARunTable) {
  Program planner;
  const auto made = planner({"init"});
  EXPECT_EQ(made.status, 0);
  EXPECT_EQ(made.err, "");
  planner.write("my.csv", made.out);
  const auto ran = planner({"estimate", "my.csv", "--format", "json"});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_FALSE(contains(ran.err, "unknown column")) << ran.err;
  const auto runs = ran.json()["runs"];
  EXPECT_GE(runs.size(), 3U);
  for (const auto& run : runs) {
    EXPECT_EQ(run["status"], "ok") << run["name"];
    EXPECT_TRUE(run["predicted"].contains("operational_tco2e"))
        << run["name"] << ": an example shows the whole way";
  }
  planner.stdin_text = made.out;
  EXPECT_EQ(planner({"estimate", "-"}).status, 0) << "as a pipe";

  EXPECT_EQ(planner({"init", "-o", "other.csv"}).out, "");
  EXPECT_EQ(file_text(planner.path("other.csv")), made.out);
}

TEST(InitCommand, RemarksExplainEveryColumn) {
  const Program planner;
  const auto text = planner({"init"}).out;
  for (const auto& column : planner::kRunColumns) {
    if (column.role == planner::Role::provenance) continue;
    EXPECT_CONTAINS(text, "#   " + std::string{column.name});
    EXPECT_CONTAINS(text, std::string{column.meaning});
  }
}

}  // namespace
}  // namespace pretrain::cli
