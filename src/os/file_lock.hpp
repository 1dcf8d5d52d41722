#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "os/disk.hpp"

namespace millrace::os {

/// Who holds a lock. `address` is empty until the holder has said it.
struct LockHolder {
  std::int64_t process = 0;
  std::string address;

  bool operator==(const LockHolder&) const = default;
};

/// A file that one process at a time holds, and that says who does. The operating system lets go of
/// it when the process ends, however it ends; the file itself stays.
/// Threads: one at a time.
class FileLock {
 public:
  /// Takes the lock; makes the file if missing. Its folder must exist.
  /// Errors  Unavailable: another process holds it; the message says which.
  static base::Result<FileLock> take(const Path& path);
  /// Says who holds the lock, without taking it; nothing if nobody does.
  static base::Result<std::optional<LockHolder>> holder(const Path& path);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

  /// Writes down where this process can be reached (`http://127.0.0.1:8080`).
  base::Result<void> say_address(std::string_view address);

 private:
  FileLock(int descriptor, Path path) : descriptor_(descriptor), path_(std::move(path)) {}

  int descriptor_;
  Path path_;
};

}  // namespace millrace::os
