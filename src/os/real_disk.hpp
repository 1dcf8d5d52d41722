#pragma once

#include "os/disk.hpp"

namespace millrace::os {

/// The disk of this machine.
class RealDisk final : public Disk {
 public:
  base::Result<std::unique_ptr<File>> open(const Path& path, OpenMode mode) override;
  base::Result<void> rename(const Path& from, const Path& to) override;
  base::Result<Renamed> rename_no_replace(const Path& from, const Path& to) override;
  base::Result<void> remove(const Path& path) override;
  base::Result<std::vector<FileInfo>> list(const Path& directory) override;
  base::Result<void> make_directories(const Path& directory) override;
  base::Result<std::optional<FileInfo>> stat(const Path& path) override;
  base::Result<void> sync_file(const Path& path) override;
  base::Result<void> sync_directory(const Path& directory) override;
  base::Result<std::uint64_t> space_free(const Path& path) override;
};

/// The error that `errno` says, with the path that it is about.
base::Error error_from_errno(int number, const char* what, const Path& path);

}  // namespace millrace::os
