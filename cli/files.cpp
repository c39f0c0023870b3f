#include "cli/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <utility>

#include "cli/text_table.hpp"
#include "models/core/input_error.hpp"
#include "models/core/json_fields.hpp"
#include "models/core/text.hpp"
#include "planner/catalogue.hpp"

namespace pretrain::cli {

namespace fs = std::filesystem;

namespace {

/// The file aside, for the signal handler; empty when there is none.
char g_aside[4096];

extern "C" void remove_aside(int signal) {
  if (g_aside[0] != '\0') ::unlink(g_aside);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

/// Ctrl-C and its like leave no file behind.
void guard_aside(const std::string& path) {
  if (path.size() >= sizeof g_aside) return;
  std::memcpy(g_aside, path.c_str(), path.size() + 1);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) continue;
    action.sa_handler = remove_aside;
    ::sigaction(signal, &action, nullptr);
  }
}

}  // namespace

InputFile::InputFile(const std::string& path) : name_{path}, stream_{&file_} {
  if (path == "-") {
    name_ = "standard input";
    std::ios::sync_with_stdio(false);
    stream_ = &std::cin;
    return;
  }
  std::error_code error;
  if (fs::is_directory(path, error)) {
    throw InputError({path, 0, 0}, "this is a folder, not a file", "name a CSV or YAML run table");
  }
  file_.open(path, std::ios::binary);
  if (!file_) {
    const int reason = errno;
    throw InputError({path, 0, 0}, fmt::format("cannot be read: {}", std::strerror(reason)),
                     reason == ENOENT
                         ? "check the name; `planner init > my.csv` makes a table to fill in"
                         : "check the permissions of the file");
  }
}

std::string read_whole(const std::string& path) {
  constexpr std::size_t kMost = std::size_t{256} << 20;
  InputFile input{path};
  std::string text;
  std::array<char, 1 << 16> part;
  while (input.stream().read(part.data(), part.size()), input.stream().gcount() > 0) {
    text.append(part.data(), static_cast<std::size_t>(input.stream().gcount()));
    if (text.size() > kMost) {
      throw InputError({path, 0, 0}, "larger than 256 MiB", "an hourly file has a few megabytes");
    }
  }
  return text;
}

bool file_exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

OutputFile::OutputFile(std::string path) : path_{std::move(path)} {
  if (path_.empty()) return;
  std::error_code ignored;
  if (fs::is_directory(path_, ignored)) {
    throw InputError({path_, 0, 0}, "this is a folder", "name the file to write");
  }
  struct stat existing {};
  const bool exists = ::stat(path_.c_str(), &existing) == 0;
  if (exists && !S_ISREG(existing.st_mode)) {  // a pipe or device cannot be renamed over
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor_ < 0) fail("opened for writing", errno);
    return;
  }
  // A link keeps pointing where it points: what it names is replaced.
  if (const auto target = fs::canonical(path_, ignored); !ignored) path_ = target.string();
  if (exists && ::access(path_.c_str(), W_OK) != 0) fail("written", errno);
  aside_ = path_ + ".XXXXXX";
  descriptor_ = ::mkstemp(aside_.data());
  if (descriptor_ < 0) {
    const int error = errno;
    aside_.clear();
    fail("written", error);
  }
  guard_aside(aside_);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  const mode_t mode = exists ? existing.st_mode & 07777U : 0666U & ~mask;
  if (::fchmod(descriptor_, mode) != 0) {
    const int error = errno;
    ::close(descriptor_);
    ::unlink(aside_.c_str());
    fail("given its permissions", error);
  }
}

OutputFile::~OutputFile() {
  if (path_.empty()) return;
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!aside_.empty()) ::unlink(aside_.c_str());
  g_aside[0] = '\0';
}

void OutputFile::fail(const char* action, int error) const {
  const std::string name = path_.empty() ? "standard output" : path_;
  throw InputError({name, 0, 0}, fmt::format("cannot be {}: {}", action, std::strerror(error)),
                   path_.empty() ? "check where the output goes; --output FILE writes a file whole "
                                   "or not at all"
                   : error == ENOSPC || error == EDQUOT
                       ? "free some space, or choose another place; nothing was left half-written"
                       : "choose a place that you may write to");
}

void OutputFile::write(std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(descriptor_, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) {
        pollfd ready{descriptor_, POLLOUT, 0};
        ::poll(&ready, 1, -1);
        continue;
      }
      fail("written", errno);
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void OutputFile::commit() {
  if (aside_.empty()) return;
  if (::fsync(descriptor_) != 0) fail("written", errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail("written", errno);
  if (::rename(aside_.c_str(), path_.c_str()) != 0) fail("renamed to its place", errno);
  aside_.clear();
  g_aside[0] = '\0';
}

void write_answer(const std::string& path, std::string_view text) {
  OutputFile out{path};
  out.write(text);
  out.commit();
}

std::string read_beside(const std::string& path, const std::string& beside) {
  std::vector<fs::path> places;
  const fs::path wanted{path};
  if (wanted.is_relative() && !beside.empty() && beside != "-") {
    places.push_back(fs::path{beside}.parent_path() / wanted);
  }
  if (places.empty() || places.front() != wanted) places.push_back(wanted);
  std::error_code failed;
  for (const auto& place : places) {
    if (!fs::exists(place, failed)) continue;
    if (fs::is_directory(place, failed)) {
      throw InputError({place.string(), 0, 0}, "is a folder",
                       "give the config.json in it, or a YAML file");
    }
    if (!fs::is_regular_file(place, failed)) {
      throw InputError({place.string(), 0, 0}, "is no regular file",
                       "give the path of a config.json or of a YAML file");
    }
    std::ifstream in{place, std::ios::binary};
    std::string text;
    constexpr std::size_t kBlock = std::size_t{1} << 16;
    // One byte more than is taken, for the reader to refuse with its own words.
    const std::size_t most = JsonFields::kMostBytes + 1;
    while (in && text.size() < most) {
      const std::size_t before = text.size();
      text.resize(before + std::min(kBlock, most - before));
      in.read(text.data() + before, static_cast<std::streamsize>(text.size() - before));
      text.resize(before + static_cast<std::size_t>(in.gcount()));
    }
    if (!in.eof() && !in) {
      throw InputError({place.string(), 0, 0}, "cannot be read", "is it a readable file?");
    }
    return text;
  }
  const bool hub = wanted.is_relative() && !path.ends_with(".json") && !path.ends_with(".yaml") &&
                   !path.ends_with(".yml") && std::count(path.begin(), path.end(), '/') == 1;
  if (hub) {
    throw InputError({path, 0, 0}, "no such file",
                     "if this is a model of a hub, save its config.json and give the path of that; "
                     "`planner list architectures` shows the shipped names");
  }
  throw InputError({path, 0, 0}, "no such file",
                   places.size() > 1
                       ? fmt::format("looked for {} and {}", places[0].string(), places[1].string())
                       : "paths count from the working folder");
}

std::map<std::string, std::string> read_data_directory(const std::string& path) {
  std::map<std::string, std::string> texts;
  std::error_code error;
  const auto known = planner::Catalogue::table_names();
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (entry.path().extension() != ".csv") continue;
    const std::string name = entry.path().filename().string();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw InputError({entry.path().string(), 0, 0}, "no table of the program has this name",
                       fmt::format("did you mean {}?", quoted_list(nearest(known, name, 3), "or")));
    }
    InputFile file{entry.path().string()};
    std::ostringstream text;
    text << file.stream().rdbuf();
    if (file.stream().bad() || !text) {
      throw InputError({file.name(), 0, 0}, "the file cannot be read to its end", "");
    }
    texts[name] = text.str();
  }
  if (error) {
    throw InputError({path, 0, 0}, "the data folder cannot be read: " + error.message(),
                     "--data names a folder with tables such as devices.csv");
  }
  if (texts.empty()) {
    throw InputError({path, 0, 0}, "the data folder holds no table",
                     fmt::format("it may hold: {}", fmt::join(known, ", ")));
  }
  return texts;
}

void tell(std::string_view text) {
  std::string lines;
  while (!text.empty()) {
    const auto stop = text.find('\n');
    lines += printable(text.substr(0, stop)) + '\n';
    text = stop == std::string_view::npos ? std::string_view{} : text.substr(stop + 1);
  }
  std::cerr << lines << std::flush;
}

bool color_wanted() {
  const char* refused = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || std::string_view{terminal} == "dumb";
  return ::isatty(1) == 1 && !dumb && (refused == nullptr || *refused == '\0');
}

std::string utc_text(std::chrono::system_clock::time_point time, const char* format) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[64];
  return {text, std::strftime(text, sizeof text, format, &utc)};
}

std::string utc_now() { return utc_text(std::chrono::system_clock::now()); }

}  // namespace pretrain::cli
