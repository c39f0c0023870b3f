#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "models/registers.hpp"
#include "tests/support.hpp"

namespace pretrain {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot{PRETRAIN_SOURCE_DIR};

// Folder -> what it may include; the whole architecture in one table.
const std::map<std::string, std::set<std::string>> kAllowed{
    {"models", {"models"}},
    {"hardware", {"hardware", "models"}},
    {"planner", {"planner", "hardware", "models"}},
    {"db", {"db", "planner", "hardware", "models"}},
    {"validation", {"validation", "planner", "hardware", "models"}},
    {"cli", {"cli", "db", "validation", "planner", "hardware", "models"}},
};

/// The sources below a folder; none when it does not exist.
std::vector<fs::path> sources_below(const std::string& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(kRoot / folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
    const auto extension = entry.path().extension();
    if (extension == ".cpp" || extension == ".hpp" || extension == ".def" || extension == ".in") {
      files.push_back(entry.path());
    }
  }
  return files;
}

std::string text_of(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// First group of every match in a file, line by line.
std::vector<std::string> matches(const fs::path& path, const std::regex& pattern) {
  std::vector<std::string> found;
  std::istringstream in{text_of(path)};
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_search(line, match, pattern)) found.push_back(match[1]);
  }
  return found;
}

std::set<std::string> ids_in_code() {
  const std::regex tag{R"(^///\s*@eq\s+(.*\S))"};
  std::set<std::string> ids;
  for (const auto& path : sources_below("models")) {
    for (const auto& listed : matches(path, tag)) {
      std::istringstream words{listed};
      for (std::string id; words >> id;) {
        EXPECT_TRUE(ids.insert(id).second) << id << " stands twice, again in " << path;
      }
    }
  }
  return ids;
}

models::EquationRegister equations() {
  return models::EquationRegister::read(shipped(models::embedded_files(), "equations.csv"),
                                        "equations.csv");
}

/// A program of its own, which reads and writes files as the command line does.
bool is_program(const fs::path& path) { return path.parent_path() == kRoot / "validation" / "fit"; }

TEST(Layering, FoldersIncludeOnlyWhatIsBelowThem) {
  const std::regex include{R"(^\s*#\s*include\s+"([a-z_]+)/)"};
  for (const auto& [folder, may] : kAllowed) {
    for (const auto& path : sources_below(folder)) {
      for (const auto& used : matches(path, include)) {
        EXPECT_TRUE(may.contains(used)) << path << " includes " << used << "/";
      }
    }
  }
}

TEST(Layering, ProjectHeadersAreNamedFromTheRoot) {
  const std::regex include{R"(^\s*#\s*include\s+"([^"/]+)\")"};
  for (const auto& [folder, may] : kAllowed) {
    for (const auto& path : sources_below(folder)) {
      EXPECT_EQ(matches(path, include), std::vector<std::string>{}) << path;
    }
  }
}

TEST(Layering, OnlyCliPrintsAndOpensFiles) {
  const std::regex include{R"(^\s*#\s*include\s+<(iostream|fstream)>)"};
  for (const auto& [folder, may] : kAllowed) {
    if (folder == "cli") continue;
    for (const auto& path : sources_below(folder)) {
      if (is_program(path)) continue;
      // Sensors are files of the system, and so is the name of its CPU.
      const auto name = path.string();
      if (name.find("hardware/sensors/") != std::string::npos) continue;
      if (name.find("hardware/kernels/") != std::string::npos) continue;
      EXPECT_EQ(matches(path, include), std::vector<std::string>{}) << path;
    }
  }
}

TEST(Layering, LibrariesStayInTheirFolder) {
  const std::regex include{R"(^\s*#\s*include\s+[<"](yaml-cpp/|sqlite3|nlohmann/|CLI/|Eigen/))"};
  for (const auto& [folder, may] : kAllowed) {
    for (const auto& path : sources_below(folder)) {
      for (const auto& library : matches(path, include)) {
        const bool at_home =
            (library == "yaml-cpp/" && folder == "planner" && path.extension() == ".cpp") ||
            (library == "sqlite3" && folder == "db") ||
            (library == "nlohmann/" && folder == "models" && path.extension() == ".cpp") ||
            (library == "Eigen/" && folder == "validation" && path.extension() == ".cpp") ||
            (library == "Eigen/" && path.string().find("hardware/kernels/") != std::string::npos &&
             path.extension() == ".cpp") ||
            (library == "CLI/" && is_program(path)) ||
            ((library == "nlohmann/" || library == "CLI/") && folder == "cli");
        EXPECT_TRUE(at_home) << path << " includes " << library;
      }
    }
  }
}

TEST(Traceability, CodeAndEquationRegisterAgree) {
  std::set<std::string> registered;
  const auto table = equations();
  for (const auto& equation : table.all()) registered.emplace(equation.id);
  EXPECT_EQ(ids_in_code(), registered);
}

TEST(Traceability, EachEquationStandsInItsHeader) {
  const auto table = equations();
  for (const auto& equation : table.all()) {
    std::string pattern{equation.id};
    for (std::size_t dot = 0; (dot = pattern.find('.', dot)) != std::string::npos; dot += 2) {
      pattern.insert(dot, 1, '\\');
    }
    const std::regex tag{"^///\\s*@eq\\s.*\\b(" + pattern + ")(\\s|$)"};
    EXPECT_FALSE(matches(kRoot / equation.header, tag).empty())
        << equation.id << " is not in " << equation.header;
  }
}

TEST(Traceability, EachRegisteredTestExists) {
  const std::regex declaration{R"(\bTEST(?:_[FP])?\(\s*(\w+)\s*,\s*(\w+)\s*\))"};
  std::set<std::string> tests;
  for (const auto& path : sources_below("tests")) {
    const std::string text = text_of(path);
    for (std::sregex_iterator match{text.begin(), text.end(), declaration}, end; match != end;
         ++match) {
      tests.insert((*match)[1].str() + "." + (*match)[2].str());
    }
  }
  const auto table = equations();
  for (const auto& equation : table.all()) {
    EXPECT_TRUE(tests.contains(std::string{equation.test}))
        << equation.id << " names " << equation.test;
  }
}

}  // namespace
}  // namespace pretrain
