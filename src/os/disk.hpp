#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace millrace::os {

using Path = std::filesystem::path;

/// An open file. Writes go to its end only.
/// Threads: `read_at` from any; the rest from one at a time.
class File {
 public:
  virtual ~File() = default;

  /// Writes all of `bytes` at the end.
  /// Errors  Exhausted: the disk is full (some bytes may have been written). Unavailable: any
  /// other.
  virtual base::Result<void> append(std::string_view bytes) = 0;

  /// Reads up to `size` bytes at `offset` into `into`; fewer only at the file's end.
  /// Returns how many were read.
  virtual base::Result<std::size_t> read_at(std::uint64_t offset, char* into,
                                            std::size_t size) const = 0;

  /// Brings what was written to stable storage (fdatasync). After an error the file's state is
  /// unknown and it must not be synced or appended to again (see docs/formats/log.md).
  virtual base::Result<void> sync() = 0;

  virtual base::Result<void> truncate(std::uint64_t size) = 0;
  virtual std::uint64_t size() const = 0;
};

struct FileInfo {
  std::string name;
  std::uint64_t size = 0;
  base::Time modified_at;
  bool is_directory = false;
};

enum class OpenMode : std::uint8_t {
  Read,       ///< must exist
  Append,     ///< must exist; reads and appends
  CreateNew,  ///< must not exist; reads and appends
};

enum class Renamed : std::uint8_t { Done, TargetExists };

/// The file system, so that tests can put one in its place that forgets what was not synced.
/// Names survive a power cut only after `sync_directory` of their folder.
/// Errors  NotFound: no such file. Exhausted: disk full. Denied: no permission. Unavailable: other.
/// Threads: safe from any.
class Disk {
 public:
  virtual ~Disk() = default;

  virtual base::Result<std::unique_ptr<File>> open(const Path& path, OpenMode mode) = 0;
  virtual base::Result<void> rename(const Path& from, const Path& to) = 0;
  /// Renames unless `to` exists already: one winner among racing writers.
  virtual base::Result<Renamed> rename_no_replace(const Path& from, const Path& to) = 0;
  /// Removes a file or an empty folder; fine if there is none.
  virtual base::Result<void> remove(const Path& path) = 0;
  /// What is in a folder, sorted by name.
  virtual base::Result<std::vector<FileInfo>> list(const Path& directory) = 0;
  virtual base::Result<void> make_directories(const Path& directory) = 0;
  virtual base::Result<std::optional<FileInfo>> stat(const Path& path) = 0;
  /// Syncs a file that something else (DuckDB) wrote and closed.
  virtual base::Result<void> sync_file(const Path& path) = 0;
  virtual base::Result<void> sync_directory(const Path& directory) = 0;
  /// Bytes that a user without privileges can still write.
  virtual base::Result<std::uint64_t> space_free(const Path& path) = 0;
};

/// Reads a whole file.
/// Errors  NotFound; Exhausted: it is larger than `bytes_max`.
base::Result<std::string> read_file(Disk& disk, const Path& path,
                                    std::uint64_t bytes_max = std::uint64_t{1} << 30);

/// Puts `bytes` at `path`, whole or not at all, and durably: a temporary file, sync, rename, sync
/// of the folder. Replaces what was there.
base::Result<void> write_file(Disk& disk, const Path& path, std::string_view bytes);

/// The same, but only if there is no file at `path` yet.
base::Result<Renamed> write_new_file(Disk& disk, const Path& path, std::string_view bytes);

/// Makes `directory` and its missing parents, durably.
base::Result<void> make_directories_durably(Disk& disk, const Path& directory);

/// Removes a folder and all that is in it; fine if there is none.
base::Result<void> remove_all(Disk& disk, const Path& directory);

}  // namespace millrace::os
