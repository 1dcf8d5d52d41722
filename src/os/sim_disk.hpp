#pragma once

#include <map>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/random.hpp"
#include "os/disk.hpp"
#include "os/real_disk.hpp"

namespace millrace::os {

/// What becomes of unsynced bytes and names in a power cut. All three are allowed to a real disk.
enum class Survival : std::uint8_t {
  Nothing,     ///< only what was synced is left
  Random,      ///< by the seed: a prefix of each unsynced tail; all unsynced names or none
  Everything,  ///< as if the process alone had been killed
};

struct SimDiskOptions {
  Path root;  ///< a real folder; made if missing; what is in it already counts as durable
  std::uint64_t seed = 1;
  Survival unsynced = Survival::Random;
};

/// A disk whose power can be cut at any call, and which then forgets what was not synced.
///
/// Files are real ones below `root`, under their real paths, so that others (DuckDB) can read and
/// write them. Beside them it keeps in memory what would survive: a file's bytes as of its last
/// sync
/// (`File::sync` or `sync_file`), a folder's names as of its last `sync_directory`. A name leads to
/// a file, not to bytes: a file renamed after its sync keeps its durable bytes, and a durable name
/// of a file that was never synced leads to a prefix of it.
///
/// Calls that change or sync something are counted. To try every crash: run once, read `calls()`,
/// then run again with `cut_at(n)` for each n, `power_cycle()`, recover, and look.
/// Threads: safe from any. Files must not outlive the disk.
class SimDisk final : public Disk {
 public:
  static base::Result<std::unique_ptr<SimDisk>> open(const SimDiskOptions& options);

  /// Cuts the power at the `nth_call` (from 1) since the start or the last power cycle: it and all
  /// calls after it fail with Unavailable. The failing call itself may have been done, wholly or in
  /// part, unless `Survival::Nothing`.
  void cut_at(std::uint64_t nth_call);
  /// How many calls were counted since the start or the last power cycle.
  std::uint64_t calls() const;
  bool is_off() const;
  /// Cuts the power if it is still on, leaves in `root` what survived, and switches on again. Files
  /// opened before stay dead.
  base::Result<void> power_cycle();
  /// As if the process alone had been killed and begun anew: nothing is forgotten, and what was not
  /// synced still is not. Files opened before stay dead.
  void kill_cycle();

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
  friend class SimFile;

  // A file or folder through all its names.
  struct Node {
    std::string bytes;                           // as of its last sync
    std::uint64_t intact = ~std::uint64_t{0};    // how many of `bytes` no later truncate took away
    std::map<std::string, std::uint64_t> names;  // of a folder: name to node, as of its last sync
    bool is_directory = false;
  };
  // Tells live files apart, also when the file system gives an inode number out again.
  struct Identity {
    std::uint64_t inode = 0;
    std::int64_t born_ns = 0;
    auto operator<=>(const Identity&) const = default;
  };
  // What one path holds after a power cut.
  struct Survivor {
    Path path;
    std::string bytes;
    bool is_directory = false;
  };
  enum class Step : std::uint8_t { Go, GoThenFail, Fail };

  explicit SimDisk(const SimDiskOptions& options);

  // All of these: the caller holds mutex_.
  Step count_call();
  template <class Work>
  auto counted(Work work) -> decltype(work());
  base::Result<void> need_power(std::uint64_t life) const;
  void switch_on();
  static base::Result<std::optional<Identity>> identity_of(const Path& path);
  base::Result<std::uint64_t> node_at(const Path& path);
  void forget_identity(const Path& path);
  base::Result<void> keep_bytes(std::uint64_t node, const Path& path);
  base::Result<void> keep_names(const Path& directory);
  base::Result<void> keep_all(const Path& directory);
  std::string surviving_bytes(const Node& node, const std::optional<std::string>& live);
  base::Result<void> collect_survivors(std::uint64_t node, const Path& path,
                                       std::vector<Survivor>& into);
  base::Result<void> find_live(const Path& directory);

  const Path root_;
  const Survival unsynced_;
  base::Random random_;
  RealDisk real_;

  mutable std::mutex mutex_;
  // All below: guarded by mutex_.
  std::map<Identity, std::uint64_t> known_;
  std::unordered_map<std::uint64_t, Node> nodes_;
  std::unordered_map<std::uint64_t, Path> live_paths_;  // filled by a power cycle
  std::uint64_t node_next_ = 0;
  std::uint64_t calls_ = 0;
  std::uint64_t cut_at_ = ~std::uint64_t{0};
  std::uint64_t life_ = 0;
  bool is_off_ = false;
};

}  // namespace millrace::os
