#include "cli/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "cli/files.hpp"
#include "models/core/input_error.hpp"

namespace pretrain::cli {

Journal::Journal(std::string path) : path_{std::move(path)} {
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
  if (file_ >= 0) return;
  const bool there = errno == EEXIST;
  throw InputError(
      {path_, 0, 0},
      there ? "is there already" : fmt::format("cannot be made: {}", std::strerror(errno)),
      there ? "name another with --output, or move it" : "name another place with --output");
}

Journal::~Journal() {
  if (file_ >= 0) ::close(file_);
}

void Journal::write(const nlohmann::ordered_json& json) {
  const auto line =
      json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  std::size_t done = 0;
  while (done < line.size()) {
    const auto got = ::write(file_, line.data() + done, line.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      if (!failed_) {
        tell(
            fmt::format("\nwarning: {}: cannot be written ({}): the run goes on, what is measured "
                        "from here on is only told at its end\n",
                        path_, std::strerror(errno)));
      }
      failed_ = true;
      return;
    }
    done += static_cast<std::size_t>(got);
  }
}

DeviceLock::DeviceLock(const std::string& id) {
  const char* folder = std::getenv("XDG_RUNTIME_DIR");
  const std::string path = fmt::format("{}/planner-measure-{}.lock",
                                       folder != nullptr && *folder != '\0' ? folder : "/tmp", id);
  file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  taken_ = file_ >= 0 && flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

DeviceLock::~DeviceLock() {
  if (file_ >= 0) ::close(file_);
}

DeviceLock::DeviceLock(DeviceLock&& other) noexcept
    : file_{std::exchange(other.file_, -1)}, taken_{other.taken_} {}

}  // namespace pretrain::cli
