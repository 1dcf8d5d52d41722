#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/pipeline.hpp"
#include "os/disk.hpp"
#include "source/file_journal.hpp"

namespace millrace::source {

/// A file as its store shows it now.
struct StoredFile {
  std::string name;  ///< by which the journal knows it
  std::uint64_t bytes = 0;
  std::string stamp = {};  ///< if it is another one, the file may have changed
};

/// A file's bytes as they are stored.
/// Threads: one at a time.
class StoredBytes {
 public:
  virtual ~StoredBytes() = default;
  /// Reads up to `size` bytes at `offset`; fewer only at the file's end.
  virtual base::Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) = 0;
  virtual std::uint64_t size() const = 0;
};

/// Where the files of a source lie: those whose names match its glob.
/// Errors  Unavailable: try again.
/// Threads: one at a time.
class FileStore {
 public:
  virtual ~FileStore() = default;

  /// For people: the path, or `s3://bucket/key`.
  virtual std::string place_of(const std::string& name) const = 0;
  /// Files, sorted by name: those that are new since the last call and some of the others, so that
  /// calls that follow each other give them all.
  virtual base::Result<std::vector<StoredFile>> list() = 0;
  virtual base::Result<std::optional<StoredFile>> stat(const std::string& name) = 0;
  /// Fills in by which of its bytes, or by what else, a new file is known again.
  virtual base::Result<void> identify(const StoredFile& file, FoundFile& found) = 0;
  /// Whether `now` is that file still, though it may have grown.
  virtual base::Result<bool> is_same(const StoredFile& now, const FoundFile& known) = 0;
  /// Whether files can grow, or else are whole from the beginning.
  virtual bool can_grow() const = 0;
  virtual base::Result<std::unique_ptr<StoredBytes>> open(const StoredFile& file) = 0;
};

/// The files of a folder on a disk.
/// Errors  Invalid: a glob that is none of one folder.
base::Result<std::unique_ptr<FileStore>> open_local_files(const config::Source& source,
                                                          os::Disk& disk);

/// The bytes of a file on a disk.
base::Result<std::unique_ptr<StoredBytes>> open_local_bytes(os::Disk& disk, const os::Path& path);

/// The error of a source that reads no files, or of a glob whose wildcards stand too early.
base::Error no_glob(const config::Source& source, const std::string& glob);

}  // namespace millrace::source
