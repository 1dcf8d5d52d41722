#include "os/private_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "os/real_disk.hpp"

namespace millrace::os {

using base::Code;
using base::Error;
using base::Result;

namespace {

Error failed(const char* call, const Path& path) {
  return {Code::Unavailable, fmt::format("{}: {}", call, std::strerror(errno)), path.string()};
}

}  // namespace

Result<void> write_private_file(const Path& path, std::string_view bytes) {
  Path unfinished = path;
  unfinished += ".new";
  RealDisk disk;
  TRY(disk.remove(unfinished));
  const int file = ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return failed("open", unfinished);
  const ssize_t written = ::write(file, bytes.data(), bytes.size());
  const bool is_whole = written == static_cast<ssize_t>(bytes.size()) && ::fsync(file) == 0;
  const auto error = failed("write", unfinished);
  ::close(file);
  if (!is_whole) return error;
  TRY(disk.rename(unfinished, path));
  return disk.sync_directory(path.parent_path());
}

}  // namespace millrace::os
