#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pretrain::cli {

/// How a command ended.
struct ChildEnd {
  int code = 0;    ///< of its exit; 128 + n where signal n ended it, as shells say it
  int signal = 0;  ///< that ended it; 0: none
};

/// A command that runs beside us. Its input is ours; its output comes through pipes, so that it can
/// be read on the way.
class Child {
 public:
  /// Throws InputError where it cannot be started.
  explicit Child(const std::vector<std::string>& words);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  int out() const { return out_; }  ///< -1: closed
  int err() const { return err_; }
  void close_out() { close(out_); }
  void close_err() { close(err_); }

  void signal(int number) const;
  /// Absent while it runs.
  std::optional<ChildEnd> poll();

 private:
  static void close(int& file);

  pid_t pid_ = -1;
  int out_ = -1;
  int err_ = -1;
  std::optional<ChildEnd> end_;
};

/// A stream of the child, passed on byte by byte, and its lines.
class Relay {
 public:
  /// Of each line without its end; of a long one the beginning.
  using Each = std::function<void(const std::string&)>;

  Relay(int to, Each each) : to_{to}, each_{std::move(each)} {}

  /// Passes on what there is, but no more than a megabyte, so that signals and clocks are looked at
  /// between; false at the end, or where nobody reads it any longer.
  bool pass(int from);
  /// Whether the last that was written ended a line.
  bool at_line_start() const { return fresh_; }

 private:
  bool write(std::string_view part);
  void find_lines(std::string_view part);

  int to_;
  Each each_;
  std::string line_;
  bool fresh_ = true;
};

/// Whether a process is the child, or was started by it. One that is not to be seen from here is
/// not told from one of its own.
bool belongs_to(unsigned process, pid_t child);

/// Signals that somebody sends to us, for the child: TERM, HUP, INT, QUIT, USR1, USR2. What a
/// terminal sends goes to the child anyway and is not passed on.
class SignalRelay {
 public:
  SignalRelay();
  ~SignalRelay();
  SignalRelay(const SignalRelay&) = delete;
  SignalRelay& operator=(const SignalRelay&) = delete;

  /// Readable when a signal came, or the child changed.
  int file() const { return pipe_[0]; }
  /// Numbers that came since, without those of the terminal and of the child.
  std::vector<int> take() const;

 private:
  int pipe_[2] = {-1, -1};
};

}  // namespace pretrain::cli
