#pragma once

#include <chrono>
#include <fstream>
#include <istream>
#include <map>
#include <string>
#include <string_view>

namespace pretrain::cli {

/// The whole of a file that an option names. Throws InputError when it cannot be read or has more
/// than 256 MiB.
std::string read_whole(const std::string& path);
bool file_exists(const std::string& path);

/// A file to read, or standard input for "-". Throws InputError when it cannot be opened.
class InputFile {
 public:
  explicit InputFile(const std::string& path);
  std::istream& stream() { return *stream_; }
  /// The name shown in messages.
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::ifstream file_;
  std::istream* stream_;
};

/// The text of a small file. A path that is not absolute is looked for in the folder of `beside`
/// (a table that names it; "-" and empty: none), then in the working folder. Throws InputError
/// when there is none, or when it is larger than any description of a model.
std::string read_beside(const std::string& path, const std::string& beside);

/// Where the answer goes: standard output, or a file that appears whole or not at all.
class OutputFile {
 public:
  /// Empty path: standard output. Otherwise a file beside the target is written, and renamed by
  /// commit(). Throws InputError when it cannot be made.
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::string_view text);
  /// Everything was written: flushes, and gives the file its name.
  void commit();

 private:
  [[noreturn]] void fail(const char* action, int error) const;

  std::string path_;
  std::string aside_;
  int descriptor_ = 1;
};

/// Writes a whole answer to standard output or `path`.
void write_answer(const std::string& path, std::string_view text);

/// The text of every *.csv file of a directory by file name. Throws InputError when the directory
/// cannot be read or holds a file that no table of the program has the name of.
std::map<std::string, std::string> read_data_directory(const std::string& path);

/// Tells something on standard error, without control characters that could steer a terminal.
void tell(std::string_view text);

/// Whether standard output is a terminal that may show colors (NO_COLOR is honored).
bool color_wanted();

/// As UTC in ISO 8601, or as strftime has it.
std::string utc_text(std::chrono::system_clock::time_point time,
                     const char* format = "%Y-%m-%dT%H:%M:%SZ");
std::string utc_now();

}  // namespace pretrain::cli
