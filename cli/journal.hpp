#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace pretrain::cli {

/// Lines of a file that grows: each is on the disk when the next begins.
class Journal {
 public:
  /// Throws InputError where the file is there already, or cannot be made.
  explicit Journal(std::string path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::string& path() const { return path_; }
  /// A run goes on when its journal cannot: that is told once.
  void write(const nlohmann::ordered_json& json);

 private:
  std::string path_;
  int file_ = -1;
  bool failed_ = false;
};

/// Tells whether another measures the same device: both would count its energy. Held while the
/// program lives, whatever becomes of it.
class DeviceLock {
 public:
  explicit DeviceLock(const std::string& id);
  ~DeviceLock();
  DeviceLock(DeviceLock&& other) noexcept;
  DeviceLock& operator=(DeviceLock&&) = delete;
  bool taken() const { return taken_; }

 private:
  int file_ = -1;
  bool taken_ = false;
};

}  // namespace pretrain::cli
