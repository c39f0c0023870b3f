#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "models/core/csv.hpp"

namespace pretrain::cli {

namespace fs = std::filesystem;
using Json = nlohmann::json;

#define EXPECT_CONTAINS(text, part) \
  EXPECT_TRUE(::pretrain::cli::contains(text, part)) << "'" << (part) << "' is not in:\n" << (text)

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

inline std::string file_text(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

/// A file of the source tree.
inline std::string source(const std::string& path) { return PRETRAIN_SOURCE_DIR "/" + path; }

/// Compares with a file of tests/golden, or rewrites it.
inline void expect_golden(const std::string& name, const std::string& text) {
  const auto path = source("tests/golden/" + name);
  const char* update = std::getenv("PRETRAIN_UPDATE_GOLDEN");
  if (update != nullptr && std::string_view{update} == "1") {
    std::ofstream{path, std::ios::binary} << text;
    return;
  }
  EXPECT_EQ(file_text(path), text)
      << "tests/golden/" << name
      << " differs from what the program prints. If the change is meant: "
      << "PRETRAIN_UPDATE_GOLDEN=1 ./dev test, then review the difference";
}

/// What a run of the program left behind.
struct Ran {
  int status = -1;  ///< exit status; 128 + n when signal n ended it
  std::string out;
  std::string err;

  Json json() const { return Json::parse(out); }
};

/// The program in a folder of its own: nothing of the person's settings and stores is seen, and
/// all files are gone at the end.
class Program {
 public:
  Program() {
    std::string name = testing::TempDir() + "planner_cli_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    folder_ = name;
    fs::create_directory(folder_ / "work");
    environment = {{"PATH", "/usr/bin:/bin"},
                   {"TERM", "xterm"},
                   {"HOME", (folder_ / "home").string()},
                   {"XDG_DATA_HOME", (folder_ / "data").string()},
                   {"PLANNER_DB", (folder_ / "planner.db").string()}};
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  std::map<std::string, std::string> environment;
  std::string stdin_text;
  std::string stdout_path;  ///< where standard output goes instead of Ran::out

  /// A file in the folder where the program runs; its name there.
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream out{path(name), std::ios::binary};
    out << text;
    return name;
  }
  fs::path path(const std::string& name) const { return folder_ / "work" / name; }
  std::string folder() const { return folder_.string(); }

  Ran operator()(std::initializer_list<std::string> arguments) const {
    return run(std::vector<std::string>{arguments});
  }

  Ran run(const std::vector<std::string>& arguments) const {
    // Files, not pipes: no output is too long for them.
    const auto in = folder_ / "stdin";
    const auto out = folder_ / "stdout";
    const auto err = folder_ / "stderr";
    std::ofstream{in, std::ios::binary} << stdin_text;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    const std::string target = stdout_path.empty() ? out.string() : stdout_path;
    posix_spawn_file_actions_addopen(&files, 0, in.c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, target.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const pid_t child = spawn(arguments, files);
    posix_spawn_file_actions_destroy(&files);
    Ran ran;
    ran.status = wait(child);
    if (stdout_path.empty()) ran.out = file_text(out);
    ran.err = file_text(err);
    return ran;
  }

  /// Bare containers have no pseudo-terminals.
  static bool has_terminals() {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0) return false;
    ::close(terminal);
    return true;
  }

  /// With standard output on a terminal.
  Ran on_terminal(const std::vector<std::string>& arguments) const {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
      throw std::runtime_error("no pseudo-terminal");
    }
    const auto err = folder_ / "stderr";
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, ptsname(terminal), O_WRONLY | O_NOCTTY, 0);
    posix_spawn_file_actions_addopen(&files, 2, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const pid_t child = spawn(arguments, files);
    posix_spawn_file_actions_destroy(&files);
    Ran ran;
    char buffer[4096];
    for (;;) {  // ends with EIO when the program has closed its side
      const auto got = ::read(terminal, buffer, sizeof buffer);
      if (got <= 0) break;
      ran.out.append(buffer, static_cast<std::size_t>(got));
    }
    ran.status = wait(child);
    ::close(terminal);
    ran.err = file_text(err);
    return ran;
  }

 private:
  pid_t spawn(const std::vector<std::string>& arguments, posix_spawn_file_actions_t& files) const {
    const auto work = folder_ / "work";
    posix_spawn_file_actions_addchdir_np(&files, work.c_str());
    std::vector<std::string> texts{"planner"};
    texts.insert(texts.end(), arguments.begin(), arguments.end());
    const std::size_t count = texts.size();
    for (const auto& [name, value] : environment) texts.push_back(name + "=" + value);
    std::vector<char*> argv;
    std::vector<char*> envp;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      (i < count ? argv : envp).push_back(texts[i].data());
    }
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    pid_t child = 0;
    const int error =
        posix_spawn(&child, PRETRAIN_BINARY, &files, nullptr, argv.data(), envp.data());
    if (error != 0) throw std::runtime_error("cannot start " PRETRAIN_BINARY);
    return child;
  }

  static int wait(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  fs::path folder_;
};

/// A CSV answer as records by column.
class CsvAnswer {
 public:
  explicit CsvAnswer(std::string text) : text_{std::move(text)} {
    header_ = text_.substr(0, text_.find('\n'));
    const std::string file = "answer.csv";
    CsvCursor cursor{text_.data(), text_.data() + text_.size(), ',', 1, file};
    CsvRecord record;
    std::vector<std::string> names;
    while (cursor.next(record)) {
      if (names.empty()) {
        for (const auto& cell : record.cells) names.emplace_back(cell.text);
        continue;
      }
      EXPECT_EQ(record.cells.size(), names.size()) << "line " << record.line;
      auto& row = rows.emplace_back();
      for (std::size_t i = 0; i < std::min(names.size(), record.cells.size()); ++i) {
        row[names[i]] = record.cells[i].text;
      }
    }
  }
  const std::string& header() const { return header_; }
  std::vector<std::map<std::string, std::string>> rows;

 private:
  std::string text_;
  std::string header_;
};

}  // namespace pretrain::cli
