#include "os/file_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

#include "os/real_disk.hpp"

namespace millrace::os {

using base::Code;
using base::Error;
using base::Result;

namespace {

// The whole file, for writing, owned by the open file and not by the process: two opens in one
// process exclude each other too.
struct ::flock whole_file() {
  struct ::flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

// What stands behind `word ` on its line; empty if there is no such line.
std::string_view value_of(std::string_view text, std::string_view word) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(word) && line.substr(word.size()).starts_with(' ')) {
      return line.substr(word.size() + 1);
    }
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return {};
}

LockHolder read_holder(int descriptor) {
  std::array<char, 1024> bytes{};
  const ssize_t count = ::pread(descriptor, bytes.data(), bytes.size(), 0);
  const std::string_view text(bytes.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  LockHolder holder{.address = std::string(value_of(text, "address"))};
  const std::string_view process = value_of(text, "process");
  std::from_chars(process.data(), process.data() + process.size(), holder.process);
  return holder;
}

Error held_by(const LockHolder& holder, const Path& path) {
  const std::string address = holder.address.empty() ? "" : ", " + holder.address;
  return {
      Code::Unavailable,
      fmt::format("another millrace (process {}{}) uses this data folder", holder.process, address),
      path.string()};
}

}  // namespace

Result<FileLock> FileLock::take(const Path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return error_from_errno(errno, "open", path);
  FileLock taken(descriptor, path);
  auto lock = whole_file();
  if (::fcntl(descriptor, F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return held_by(read_holder(descriptor), path);
    return error_from_errno(errno, "lock", path);
  }
  TRY(taken.say_address(""));
  return taken;
}

Result<std::optional<LockHolder>> FileLock::holder(const Path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) return std::optional<LockHolder>();
  if (descriptor < 0) return error_from_errno(errno, "open", path);
  const FileLock closes_itself(descriptor, path);
  auto lock = whole_file();
  if (::fcntl(descriptor, F_OFD_GETLK, &lock) != 0) return error_from_errno(errno, "lock", path);
  if (lock.l_type == F_UNLCK) return std::optional<LockHolder>();
  return std::optional(read_holder(descriptor));
}

FileLock::FileLock(FileLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<void> FileLock::say_address(std::string_view address) {
  std::string text = fmt::format("process {}\n", ::getpid());
  if (!address.empty()) text += fmt::format("address {}\n", address);
  // Written over the old text in one piece and then cut, so that a reader never finds it empty.
  const ssize_t count = ::pwrite(descriptor_, text.data(), text.size(), 0);
  if (count < 0) return error_from_errno(errno, "write", path_);
  if (static_cast<std::size_t>(count) != text.size()) {
    return error_from_errno(ENOSPC, "write", path_);
  }
  if (::ftruncate(descriptor_, static_cast<off_t>(text.size())) != 0) {
    return error_from_errno(errno, "truncate", path_);
  }
  return {};
}

}  // namespace millrace::os
