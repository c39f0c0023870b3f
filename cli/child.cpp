#include "cli/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

#include "models/core/input_error.hpp"
#include "models/core/text.hpp"

extern char** environ;

namespace pretrain::cli {

namespace {

constexpr std::array kRelayed{SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};

int g_signal_pipe = -1;

extern "C" void on_signal(int number, siginfo_t* info, void*) {
  const int before = errno;
  // Of the terminal, the child has it already.
  const bool terminal = info != nullptr && info->si_code == SI_KERNEL;
  const auto byte = static_cast<unsigned char>(terminal ? SIGCHLD : number);
  if (g_signal_pipe >= 0) {
    const auto written = ::write(g_signal_pipe, &byte, 1);
    (void)written;
  }
  errno = before;
}

InputError not_started(const std::string& program, int error) {
  const Location where{program, 0, 0};
  if (error == ENOENT) {
    return InputError{where, "no such command", "give its path, or one that is in PATH"};
  }
  if (error == EACCES) {
    return InputError{
        where, "no permission to run it",
        fmt::format("chmod +x {}, or name its interpreter: python {}", program, program)};
  }
  if (error == ENOEXEC) {
    return InputError{where, "no program", "name its interpreter: bash " + program};
  }
  return InputError{where, std::strerror(error), ""};
}

}  // namespace

Child::Child(const std::vector<std::string>& words) {
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(err.data(), O_CLOEXEC) != 0) {
    throw not_started(words.front(), errno);
  }
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err[1], STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t all;
  sigfillset(&all);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  // Python would keep its lines for itself while its output is no terminal.
  setenv("PYTHONUNBUFFERED", "1", 0);
  std::vector<char*> arguments;
  for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int error =
      posix_spawnp(&pid_, arguments.front(), &files, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  ::close(out[1]);
  ::close(err[1]);
  out_ = out[0];
  err_ = err[0];
  if (error != 0) {
    pid_ = -1;
    close(out_);
    close(err_);
    throw not_started(words.front(), error);
  }
  fcntl(out_, F_SETFL, O_NONBLOCK);
  fcntl(err_, F_SETFL, O_NONBLOCK);
}

Child::~Child() {
  close(out_);
  close(err_);
}

void Child::close(int& file) {
  if (file >= 0) ::close(file);
  file = -1;
}

void Child::signal(int number) const {
  if (pid_ > 0 && !end_) ::kill(pid_, number);
}

std::optional<ChildEnd> Child::poll() {
  if (end_ || pid_ < 0) return end_;
  int status = 0;
  const auto got = waitpid(pid_, &status, WNOHANG);
  if (got == 0 || (got < 0 && errno == EINTR)) return std::nullopt;
  ChildEnd end;
  if (got > 0 && WIFSIGNALED(status)) {
    constexpr int kSignaled = 128;
    end.signal = WTERMSIG(status);
    end.code = kSignaled + end.signal;
  } else if (got > 0) {
    end.code = WEXITSTATUS(status);
  }
  end_ = end;
  return end_;
}

bool Relay::pass(int from) {
  std::array<char, 65536> bytes{};
  for (int part = 0; part < 16; ++part) {
    const auto got = ::read(from, bytes.data(), bytes.size());
    if (got == 0) return false;
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    const std::string_view text{bytes.data(), static_cast<std::size_t>(got)};
    if (!write(text)) return false;
    find_lines(text);
  }
  return true;
}

bool Relay::write(std::string_view part) {
  fresh_ = part.back() == '\n';
  while (!part.empty()) {
    const auto got = ::write(to_, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) {
      pollfd wait{to_, POLLOUT, 0};
      ::poll(&wait, 1, 1000);
      continue;
    }
    // Nobody reads it any longer: the child is told by its closed pipe.
    if (got < 0) return false;
    part.remove_prefix(static_cast<std::size_t>(got));
  }
  return true;
}

void Relay::find_lines(std::string_view part) {
  constexpr std::size_t kLongest = 4000;
  while (!part.empty()) {
    const auto end = part.find_first_of("\r\n");
    const auto here = part.substr(0, end);
    if (line_.size() < kLongest) line_ += here.substr(0, kLongest - line_.size());
    if (end == std::string_view::npos) return;
    if (!line_.empty()) each_(line_);
    line_.clear();
    part.remove_prefix(end + 1);
  }
}

bool belongs_to(unsigned process, pid_t child) {
  auto at = static_cast<long>(process);
  for (int depth = 0; depth < 64 && at > 1; ++depth) {
    if (at == child || at == getpid()) return true;
    std::ifstream in{fmt::format("/proc/{}/stat", at)};
    std::string line;
    if (!std::getline(in, line)) return depth == 0;
    // The name may have anything in it: what follows its last parenthesis is the state.
    const auto end = line.rfind(')');
    if (end == std::string::npos || end + 4 > line.size()) return false;
    at = std::strtol(line.c_str() + end + 4, nullptr, 10);
  }
  return false;
}

SignalRelay::SignalRelay() {
  if (pipe2(pipe_, O_CLOEXEC | O_NONBLOCK) != 0) return;
  g_signal_pipe = pipe_[1];
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int number : kRelayed) sigaction(number, &action, nullptr);
  action.sa_flags |= SA_NOCLDSTOP;
  sigaction(SIGCHLD, &action, nullptr);
  // A full disk or a closed pipe is an error of a write, not the end of a run.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
}

SignalRelay::~SignalRelay() {
  for (const int number : kRelayed) ::signal(number, SIG_DFL);
  ::signal(SIGCHLD, SIG_DFL);
  ::signal(SIGPIPE, SIG_DFL);
  ::signal(SIGXFSZ, SIG_DFL);
  g_signal_pipe = -1;
  for (const int file : pipe_) {
    if (file >= 0) ::close(file);
  }
}

std::vector<int> SignalRelay::take() const {
  std::vector<int> numbers;
  std::array<unsigned char, 64> bytes{};
  for (ssize_t got = 0; (got = ::read(pipe_[0], bytes.data(), bytes.size())) > 0;) {
    for (ssize_t i = 0; i < got; ++i) {
      const int number = bytes[static_cast<std::size_t>(i)];
      if (number != SIGCHLD) numbers.push_back(number);
    }
  }
  return numbers;
}

}  // namespace pretrain::cli
