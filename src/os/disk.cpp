#include "os/disk.hpp"

#include <fmt/format.h>

#include <atomic>

namespace millrace::os {
namespace {

using base::Code;
using base::Error;
using base::Result;

// A name beside `path` that no other writer uses: the dot keeps table readers from looking at it.
Path temporary_beside(const Path& path) {
  static std::atomic<std::uint64_t> count{0};
  const auto stamp = std::chrono::steady_clock::now().time_since_epoch().count();
  return path.parent_path() /
         fmt::format(".{}.{:x}.{}.tmp", path.filename().string(), stamp, count.fetch_add(1));
}

Result<void> write_and_sync(Disk& disk, const Path& path, std::string_view bytes) {
  auto file = TRY(disk.open(path, OpenMode::CreateNew));
  TRY(file->append(bytes));
  return file->sync();
}

}  // namespace

Result<std::string> read_file(Disk& disk, const Path& path, std::uint64_t bytes_max) {
  auto file = TRY(disk.open(path, OpenMode::Read));
  if (file->size() > bytes_max) {
    return Error{Code::Exhausted,
                 fmt::format("the file has {} bytes, more than {}", file->size(), bytes_max),
                 path.string()};
  }
  std::string bytes(file->size(), '\0');
  bytes.resize(TRY(file->read_at(0, bytes.data(), bytes.size())));
  return bytes;
}

Result<void> write_file(Disk& disk, const Path& path, std::string_view bytes) {
  const Path temporary = temporary_beside(path);
  auto written = write_and_sync(disk, temporary, bytes);
  if (written) written = disk.rename(temporary, path);
  if (!written) {
    (void)disk.remove(temporary).has_value();
    return written;
  }
  return disk.sync_directory(path.parent_path());
}

Result<Renamed> write_new_file(Disk& disk, const Path& path, std::string_view bytes) {
  const Path temporary = temporary_beside(path);
  if (auto written = write_and_sync(disk, temporary, bytes); !written) {
    (void)disk.remove(temporary).has_value();
    return std::move(written).error();
  }
  const Renamed renamed = TRY(disk.rename_no_replace(temporary, path));
  if (renamed == Renamed::TargetExists) {
    TRY(disk.remove(temporary));
    return renamed;
  }
  TRY(disk.sync_directory(path.parent_path()));
  return renamed;
}

Result<void> make_directories_durably(Disk& disk, const Path& directory) {
  if (directory.empty() || TRY(disk.stat(directory))) return {};
  const Path parent = directory.parent_path();
  TRY(make_directories_durably(disk, parent));
  TRY(disk.make_directories(directory));
  return disk.sync_directory(parent.empty() ? Path(".") : parent);
}

Result<void> remove_all(Disk& disk, const Path& directory) {
  if (!TRY(disk.stat(directory))) return {};
  for (const auto& entry : TRY(disk.list(directory))) {
    const Path path = directory / entry.name;
    TRY(entry.is_directory ? remove_all(disk, path) : disk.remove(path));
  }
  return disk.remove(directory);
}

}  // namespace millrace::os
