#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/telemetry.hpp"
#include "lake/snapshot.hpp"
#include "os/disk.hpp"

namespace millrace::lake {

/// What keeps copies in their place: they may go when the last of these goes.
using Pins = std::vector<std::shared_ptr<const void>>;

/// Copies of data files that lie elsewhere, on this machine's disk, up to a sum of bytes. Data
/// files never change under their name, so a copy stays true. What is not there is read where it
/// lies and brought in the background, so that nobody waits for it. Files are written aside, synced
/// and renamed: after a crash each is whole or not there.
/// Threads: safe from any; it has some to bring files.
class FileCache {
 public:
  struct Options {
    os::Path folder;
    std::uint64_t bytes_max = std::uint64_t{2} << 30;
    std::size_t threads = 2;
    std::size_t waiting_max = 10'000;  ///< files that are to be brought
  };
  /// Gives all bytes of a file of that size, in order.
  using Write = std::function<base::Result<void>(std::string_view bytes)>;
  using Fetch = std::function<base::Result<void>(const os::Path& path, std::uint64_t bytes,
                                                 const Write& write, const std::stop_token& stop)>;

  /// Takes up what is in the folder, and drops what is too much.
  static base::Result<std::unique_ptr<FileCache>> open(Options options, os::Disk& disk, Fetch fetch,
                                                       base::Telemetry telemetry);
  ~FileCache();

  /// `scan_sql` of a snapshot, or of some of its files, from copies where there are any; they stay
  /// while `pins` lives.
  std::string scan_sql(const os::Path& root, const Snapshot& snapshot, Pins& pins);
  std::string scan_sql(const os::Path& root, const Metadata& metadata, const Files& files,
                       Pins& pins);

  /// Takes over a file of this machine as the copy of `path`. False: it was left where it is.
  bool keep(const os::Path& draft, const os::Path& path, std::uint64_t bytes);
  void forget(const os::Path& path);

  const os::Path& folder() const { return options_.folder; }
  std::uint64_t bytes() const;
  /// Waits until nothing more is to be brought.
  void settle();

 private:
  struct Copy {
    os::Path path;
    std::uint64_t bytes = 0;
    std::uint64_t used = 0;  ///< larger: later
  };
  using Name = std::string;

  FileCache(Options options, os::Disk& disk, Fetch fetch, base::Telemetry telemetry)
      : options_(std::move(options)),
        disk_(disk),
        fetch_(std::move(fetch)),
        telemetry_(telemetry) {}

  base::Result<void> take_up(const os::Path& folder);
  base::Result<void> bring(const os::Path& path, std::uint64_t bytes, const std::stop_token& stop);
  void work(const std::stop_token& stop);
  Name name_of(const os::Path& path) const;
  // The caller holds mutex_.
  std::shared_ptr<const Copy> find(const Name& name, std::uint64_t bytes);
  void want(const os::Path& path, std::uint64_t bytes);
  bool make_room(std::uint64_t bytes);
  void drop(std::map<Name, std::shared_ptr<Copy>>::iterator copy);
  void insert(const Name& name, const os::Path& path, std::uint64_t bytes);

  const Options options_;
  os::Disk& disk_;
  const Fetch fetch_;
  const base::Telemetry telemetry_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<Name, std::shared_ptr<Copy>> copies_;            // Guarded by mutex_.
  std::uint64_t bytes_ = 0;                                 // Guarded by mutex_.
  std::uint64_t used_next_ = 0;                             // Guarded by mutex_.
  std::deque<std::pair<os::Path, std::uint64_t>> waiting_;  // Guarded by mutex_.
  std::set<Name> wanted_;                                   // Guarded by mutex_: also under way
  std::vector<std::jthread> threads_;
};

/// `scan_sql` of a snapshot, or of `files` of it: from the copies of `cache`, if there is one.
std::string scan_sql(FileCache* cache, const os::Path& root, const Snapshot& snapshot,
                     const std::optional<Files>& files, Pins& pins);

}  // namespace millrace::lake
