#include "os/real_disk.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace millrace::os {
namespace {

using base::Code;
using base::Error;
using base::Result;

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_;
};

class RealFile final : public File {
 public:
  RealFile(int descriptor, Path path, std::uint64_t size)
      : descriptor_(descriptor), path_(std::move(path)), size_(size) {}

  Result<void> append(std::string_view bytes) override {
    while (!bytes.empty()) {
      const auto offset = static_cast<off_t>(size_.load());
      const ssize_t count = ::pwrite(descriptor_.number(), bytes.data(), bytes.size(), offset);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return error_from_errno(errno, "write", path_);
      size_ += static_cast<std::uint64_t>(count);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) const override {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t count = ::pread(descriptor_.number(), into + done, size - done,
                                    static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return error_from_errno(errno, "read", path_);
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  Result<void> sync() override {
    if (::fdatasync(descriptor_.number()) != 0) return error_from_errno(errno, "fdatasync", path_);
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    if (::ftruncate(descriptor_.number(), static_cast<off_t>(size)) != 0) {
      return error_from_errno(errno, "truncate", path_);
    }
    size_ = size;
    return {};
  }

  std::uint64_t size() const override { return size_; }

 private:
  const Descriptor descriptor_;
  const Path path_;
  std::atomic<std::uint64_t> size_;
};

FileInfo info_of(const Path& path, const struct ::stat& state) {
  const auto modified =
      std::chrono::seconds(state.st_mtim.tv_sec) + std::chrono::nanoseconds(state.st_mtim.tv_nsec);
  return {
      .name = path.filename().string(),
      .size = static_cast<std::uint64_t>(state.st_size),
      .modified_at = base::Time(std::chrono::duration_cast<std::chrono::microseconds>(modified)),
      .is_directory = S_ISDIR(state.st_mode)};
}

Result<void> sync_path(const Path& path, int flags) {
  const Descriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC));
  if (!descriptor.is_open()) return error_from_errno(errno, "open", path);
  if (::fsync(descriptor.number()) != 0) return error_from_errno(errno, "fsync", path);
  return {};
}

}  // namespace

Error error_from_errno(int number, const char* what, const Path& path) {
  Code code = Code::Unavailable;
  if (number == ENOENT || number == ENOTDIR) code = Code::NotFound;
  if (number == ENOSPC || number == EDQUOT || number == EMFILE || number == ENFILE) {
    code = Code::Exhausted;
  }
  if (number == EACCES || number == EPERM || number == EROFS) code = Code::Denied;
  return {code, fmt::format("{}: {}", what, std::generic_category().message(number)),
          path.string()};
}

Result<std::unique_ptr<File>> RealDisk::open(const Path& path, OpenMode mode) {
  int flags = O_CLOEXEC;
  if (mode == OpenMode::Read) flags |= O_RDONLY;
  if (mode == OpenMode::Append) flags |= O_RDWR;
  if (mode == OpenMode::CreateNew) flags |= O_RDWR | O_CREAT | O_EXCL;
  const int number = ::open(path.c_str(), flags, 0644);
  if (number < 0) return error_from_errno(errno, "open", path);
  struct ::stat state{};
  if (::fstat(number, &state) != 0) {
    const int cause = errno;
    ::close(number);
    return error_from_errno(cause, "stat", path);
  }
  return std::unique_ptr<File>(
      std::make_unique<RealFile>(number, path, static_cast<std::uint64_t>(state.st_size)));
}

Result<void> RealDisk::rename(const Path& from, const Path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return error_from_errno(errno, "rename", to);
  return {};
}

Result<Renamed> RealDisk::rename_no_replace(const Path& from, const Path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
    return Renamed::Done;
  }
  if (errno == EEXIST) return Renamed::TargetExists;
  if (errno != EINVAL && errno != ENOSYS) return error_from_errno(errno, "rename", to);
  // A file system without RENAME_NOREPLACE: a hard link has the same one winner.
  if (::link(from.c_str(), to.c_str()) != 0) {
    if (errno == EEXIST) return Renamed::TargetExists;
    return error_from_errno(errno, "link", to);
  }
  if (::unlink(from.c_str()) != 0) return error_from_errno(errno, "unlink", from);
  return Renamed::Done;
}

Result<void> RealDisk::remove(const Path& path) {
  if (::remove(path.c_str()) != 0 && errno != ENOENT) {
    return error_from_errno(errno, "remove", path);
  }
  return {};
}

Result<std::vector<FileInfo>> RealDisk::list(const Path& directory) {
  std::error_code error;
  std::vector<FileInfo> entries;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    if (auto info = TRY(stat(it->path()))) entries.push_back(std::move(*info));
  }
  if (error) return error_from_errno(error.value(), "list", directory);
  std::ranges::sort(entries, {}, &FileInfo::name);
  return entries;
}

Result<void> RealDisk::make_directories(const Path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return error_from_errno(error.value(), "mkdir", directory);
  return {};
}

Result<std::optional<FileInfo>> RealDisk::stat(const Path& path) {
  struct ::stat state{};
  if (::stat(path.c_str(), &state) == 0) return std::optional(info_of(path, state));
  if (errno == ENOENT || errno == ENOTDIR) return std::optional<FileInfo>();
  return error_from_errno(errno, "stat", path);
}

Result<void> RealDisk::sync_file(const Path& path) {
  return sync_path(path, O_RDONLY);
}
Result<void> RealDisk::sync_directory(const Path& directory) {
  return sync_path(directory.empty() ? Path(".") : directory, O_RDONLY | O_DIRECTORY);
}

Result<std::uint64_t> RealDisk::space_free(const Path& path) {
  struct ::statvfs state{};
  if (::statvfs(path.c_str(), &state) != 0) return error_from_errno(errno, "statvfs", path);
  return std::uint64_t{state.f_bavail} * state.f_frsize;
}

}  // namespace millrace::os
