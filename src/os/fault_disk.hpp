#pragma once

#include <array>
#include <functional>
#include <mutex>

#include "os/disk.hpp"

namespace millrace::os {

enum class DiskCall : std::uint8_t {
  Open,
  Append,
  Read,
  Sync,
  Truncate,
  Rename,
  Remove,
  List,
  MakeDirectories,
  Stat,
  SyncDirectory,
  SpaceFree
};

enum class Times : std::uint8_t { Once, FromThenOn };

/// Another disk on which chosen calls fail: a full disk, a file system gone read-only, a bad
/// sector. A file's sync and `sync_file` both count as `Sync`, both renames as `Rename`. A failing
/// append writes half of its bytes; every other failing call does nothing. Threads: safe from any.
/// Files must not outlive the disk.
class FaultDisk final : public Disk {
 public:
  explicit FaultDisk(Disk& disk) : disk_(disk) {}

  struct Fault {
    DiskCall call = DiskCall::Append;
    std::uint64_t nth = 1;  ///< from 1, counted from now on
    base::Code code = base::Code::Exhausted;
    Times times = Times::Once;
  };
  /// Sets the one fault of its kind of call.
  void fail(const Fault& fault);
  /// Ends all faults.
  void heal();
  /// Is told of each call before it is made, and may hold it up. Set before the disk is used.
  std::function<void(DiskCall, const Path&)> on_call;
  /// How many calls of that kind were made, failed ones included.
  std::uint64_t calls(DiskCall call) const;

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

 private:
  friend class FaultFile;

  struct Counter {
    std::uint64_t calls = 0;
    std::uint64_t fail_at = 0;  // 0: never
    base::Code code = base::Code::Exhausted;
    Times times = Times::Once;
  };

  base::Result<void> count(DiskCall call, const Path& path);

  Disk& disk_;
  mutable std::mutex mutex_;
  std::array<Counter, 12> counters_;  // Guarded by mutex_. By DiskCall.
};

}  // namespace millrace::os
