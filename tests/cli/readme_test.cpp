#include <fmt/format.h>

// Every command in the README runs, and the output that it shows is what the program prints.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/cli/program.hpp"

namespace pretrain::cli {
namespace {

/// The lines of the README's code blocks.
std::vector<std::string> code_lines() {
  std::istringstream readme{file_text(source("README.md"))};
  std::vector<std::string> lines;
  bool code = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("```")) {
      code = !code;
    } else if (code) {
      lines.push_back(line);
    }
  }
  return lines;
}

/// The words of a command; the description behind it begins after three spaces.
std::vector<std::string> words_of(const std::string& line) {
  std::istringstream text{line.substr(0, line.find("   "))};
  std::vector<std::string> words;
  for (std::string word; text >> word;) words.push_back(word);
  return words;
}

TEST(Readme, CommandsRun) {
  Program planner;
  planner.write("my.csv", planner({"init"}).out);
  std::string grid = "time,MISO\n";
  for (int month = 1; month <= 12; ++month) {
    grid += "2026-" + std::string(month < 10 ? "0" : "") + std::to_string(month) + "-01,400\n";
  }
  planner.write("grid.csv", grid);
  std::size_t ran = 0;
  for (const auto& line : code_lines()) {
    auto words = words_of(line);
    if (words.empty() || words.front() != "planner") continue;
    words.erase(words.begin());
    if (words.size() > 2 && words[words.size() - 2] == ">") words.resize(words.size() - 2);
    std::vector<std::vector<std::string>> commands{words};
    if (line.find("path|check|export|import") != std::string::npos) {
      commands = {{"db", "path"}, {"db", "check"}, {"db", "export"}};
    }
    for (auto& command : commands) {
      for (auto& word : command) {
        if (word.starts_with("db/") || word.starts_with("validation/")) word = source(word);
      }
      const auto result = planner.run(command);
      EXPECT_EQ(result.status, 0) << line << "\n" << result.err;
      EXPECT_FALSE(result.out.empty()) << line;
      ++ran;
    }
  }
  EXPECT_GE(ran, 10U);
}

TEST(Readme, ShowsWhatTheProgramPrints) {
  const std::string prompt = "$ ./dev ";
  std::string command;
  std::string shown;
  std::size_t compared = 0;
  const auto compare = [&] {
    if (command.empty()) return;
    ASSERT_FALSE(shown.empty()) << command;
    auto words = words_of(command);
    for (auto& word : words) {
      if (word == "db/database.csv") word = source(word);
    }
    EXPECT_EQ(Program{}.run(words).out.substr(0, shown.size()), shown) << command;
    ++compared;
    command.clear();
    shown.clear();
  };
  std::istringstream readme{file_text(source("README.md"))};
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with(prompt)) {
      compare();
      command = line.substr(prompt.size());
    } else if (line.starts_with("```")) {
      compare();
    } else if (!command.empty()) {
      shown += line + "\n";
    }
  }
  EXPECT_GE(compared, 2U);
}

/// The text between two marks of the README.
TEST(Readme, AccuracyIsWhatValidatePrints) {
  const std::string begin = "<!-- validate: begin -->\n";
  const std::string end = "<!-- validate: end -->";
  const auto readme = file_text(source("README.md"));
  const auto from = readme.find(begin);
  const auto to = readme.find(end);
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos);
  const auto printed = Program{}({"validate", "--format", "markdown"});
  ASSERT_EQ(printed.status, 0) << printed.err;
  if (std::getenv("PRETRAIN_UPDATE_GOLDEN") != nullptr) {
    std::ofstream out{source("README.md"), std::ios::binary};
    out << readme.substr(0, from) << begin << printed.out << readme.substr(to);
    return;
  }
  EXPECT_EQ(readme.substr(from + begin.size(), to - from - begin.size()), printed.out)
      << "PRETRAIN_UPDATE_GOLDEN=1 writes it";
}

/// What reports say of this version.
TEST(Readme, AccuracyTableIsWhatValidateFinds) {
  std::string table =
      "# Errors of this version on published runs that it has not seen (planner validate, split "
      "grouped): written and held by a test.\n"
      "quantity,runs,median_abs_error,within_20,held\n";
  constexpr int kFew = 5;
  const auto scores = Program{}({"validate", "--format", "json"}).json()["summary"];
  for (const auto& s : scores) {
    if (s["predictor"] != "planner" || s["group"] != "all" || s["n"].get<int>() < kFew) continue;
    table +=
        fmt::format("{},{},{:.4f},{:.4f},{}\n", s["quantity"].get<std::string>(), s["n"].get<int>(),
                    s["median_abs_error"].get<double>(), s["within_20"].get<double>(),
                    s["coverage"].is_number() ? fmt::format("{:.4f}", s["coverage"].get<double>())
                                              : std::string{});
  }
  const auto path = source("validation/accuracy.csv");
  if (std::getenv("PRETRAIN_UPDATE_GOLDEN") != nullptr) {
    std::ofstream{path, std::ios::binary} << table;
    return;
  }
  EXPECT_EQ(file_text(path), table) << "PRETRAIN_UPDATE_GOLDEN=1 writes it";
}

TEST(Readme, MemoryErrorsAreThoseOfValidate) {
  const auto readme = file_text(source("README.md"));
  const auto scores =
      Program{}({"validate", source("validation/cases/memory.csv"), "--format", "json"})
          .json()["summary"];
  std::size_t found = 0;
  for (const auto& [group, name] :
       std::map<std::string, std::string>{{"family=megatron", "Megatron with everything known"},
                                          {"family=fsdp_torch", "torch FSDP"},
                                          {"family=deepspeed", "DeepSpeed"}}) {
    for (const auto& score : scores) {
      if (score["group"] != group || score["quantity"] != "memory_gib_per_device") continue;
      char text[128];
      std::snprintf(text, sizeof text, "%s %.1f%% (%d runs)", name.c_str(),
                    100 * score["median_abs_error"].get<double>(), score["n"].get<int>());
      EXPECT_CONTAINS(readme, text);
      ++found;
    }
  }
  EXPECT_EQ(found, 3U);
}

TEST(Readme, RefusalsAndChoicesAreThoseOfValidate) {
  const auto audit = Program{}({"validate", "--format", "json"}).json()["plan_audit"];
  const auto readme = file_text(source("README.md"));
  const auto& fit = audit["fit"];
  EXPECT_CONTAINS(readme, fmt::format("Of 2,{} published plans that ran, {} are refused",
                                      fit["ran"].get<int>() - 2000, fit["ran_refused"].get<int>()));
  const int told = fit["out_of_memory"].get<int>() - fit["out_of_memory_let_through"].get<int>();
  EXPECT_EQ(told, 4);  // of them one is tight
  const auto& all = audit["scores"][0];
  EXPECT_CONTAINS(readme, fmt::format("the mean loss is {:.1f}%, against {:.0f}% for a plan by "
                                      "chance, and ranks correlate by {:.2f}",
                                      100 * all["mean_regret"].get<double>(),
                                      100 * all["mean_regret_by_chance"].get<double>(),
                                      all["mean_spearman"].get<double>()));
}

TEST(Readme, DeltasAreThoseOfABlindRun) {
  const auto readme = file_text(source("README.md"));
  const auto result =
      Program{}({"estimate", source("db/database.csv"), "--blind", "--format", "json"});
  ASSERT_EQ(result.status, 0);
  const auto json = result.json();
  for (const auto& run : json.at("runs")) {
    const double delta = 100.0 * run.at("delta").at("operational_tco2e").get<double>();
    char text[64];
    std::snprintf(text, sizeof text, std::abs(delta) < 10 ? "%+.1f%% (%s)" : "%+.0f%% (%s)", delta,
                  run.at("name").get<std::string>().c_str());
    EXPECT_CONTAINS(readme, text);
  }
}

TEST(Readme, MedianErrorOfDeviceHoursIsThatOfABlindRun) {
  const auto result = Program{}({"estimate", source("db/runs.csv"), "--blind", "--format", "json"});
  const auto json = result.json();
  std::vector<double> errors;
  for (const auto& run : json.at("runs")) {
    const auto delta = run.value("delta", Json::object());
    if (delta.contains("device_hours")) {
      errors.push_back(std::abs(delta.at("device_hours").get<double>()));
    }
  }
  ASSERT_FALSE(errors.empty());
  std::sort(errors.begin(), errors.end());
  const double median = errors[errors.size() / 2];
  char text[64];
  std::snprintf(text, sizeof text, "error of device-hours is %.0f%% (%zu runs)", 100 * median,
                errors.size());
  EXPECT_CONTAINS(file_text(source("README.md")), text);
}

}  // namespace
}  // namespace pretrain::cli
