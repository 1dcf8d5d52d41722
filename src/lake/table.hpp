#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/telemetry.hpp"
#include "lake/snapshot.hpp"
#include "lake/store.hpp"
#include "sql/instance.hpp"

namespace millrace::lake {

/// What a table works with; all must outlive it.
class FileCache;

struct Tools {
  os::Disk& disk;         ///< of this machine, for what is not yet or never in a table
  sql::Instance& engine;  ///< reads and writes checkpoints and data files
  const base::Clock& clock;
  base::Random& random;
  base::Telemetry telemetry;
  Store* store = nullptr;      ///< where tables lie; null: on `disk`
  os::Path tables = {};        ///< the folder of all tables in `store`; empty: the data folder's
  FileCache* cache = nullptr;  ///< copies of their files on `disk`; null: none

  /// The folder of all tables of the pipeline whose data folder is `data`.
  os::Path tables_of(const os::Path& data) const {
    return tables.empty() ? data / "tables" : tables;
  }
};

struct TableOptions {
  int checkpoint_commits = 20;                ///< a checkpoint every so many commits
  std::uint64_t checkpoint_bytes = 4U << 20;  ///< or bytes of commit files
  std::chrono::microseconds log_retention = std::chrono::hours(24 * 30);
  std::chrono::microseconds deleted_file_retention = std::chrono::hours(24 * 7);
  int commit_attempts = 30;
};

/// The operation of a commit that adds columns and changes no row.
inline constexpr const char* kAddColumns = "ADD COLUMNS";

/// A change of a table: all of it, or nothing.
struct Transaction {
  /// A position that the commit moves, if it stands where we think.
  struct Position {
    std::string app_id;
    std::optional<std::int64_t> expected;  ///< none: must be absent
    std::int64_t next = 0;
  };

  std::string operation = "WRITE";
  std::map<std::string, std::string> parameters;
  std::vector<AddFile> adds;
  std::vector<RemoveFile> removes;
  std::vector<Position> positions;
  /// Numbers that are set with the positions, whatever stood there: app id, number.
  std::vector<std::pair<std::string, std::int64_t>> notes;
  /// Nobody else may have changed these partitions since `read_version`: what replaces a partition.
  std::vector<PartitionValues> replaced_partitions;
  std::optional<Metadata> metadata;     ///< the table's new one
  base::TableVersion read_version{-1};  ///< what the change was computed from; -1: nothing was read
  std::string extra = "{}";             ///< a JSON object of ours for the commit's first line
};

struct Committed {
  base::TableVersion version;
  std::shared_ptr<const Snapshot> snapshot;
};

/// Another writer was there first, in a way that spoils our change.
struct Conflict {
  enum class What : std::uint8_t { Position, Partition, Metadata, DeletedFile };
  What what = What::Position;
  std::string detail;
};

/// One Delta table in a folder of a store.
/// Threads: safe from any; commits of one process go one after the other.
class Table {
 public:
  /// Reads the newest version.
  /// Errors  NotFound: no table here. Corrupt: a commit is missing or damaged, with its file.
  ///         Invalid: it needs a feature that we do not have.
  static base::Result<std::unique_ptr<Table>> open(const os::Path& root, const Tools& tools,
                                                   const TableOptions& options = {});
  /// Opens the table, or makes it if there is none. Columns that it lacks are added, in a commit
  /// `kAddColumns`: old rows have NULL there.
  /// Errors  Invalid: a column is gone or of another type, or it is partitioned by others; with
  ///         the mend.
  static base::Result<std::unique_ptr<Table>> open_or_create(
      const os::Path& root, const Schema& schema, const std::vector<std::string>& partition_columns,
      const Tools& tools, const TableOptions& options = {});

  const os::Path& root() const { return root_; }
  std::shared_ptr<const Snapshot> snapshot() const;
  /// Looks for versions of other writers first.
  base::Result<std::shared_ptr<const Snapshot>> refresh();

  /// Puts `transaction` into the log. Its data files must be durable. Races are won by one; the
  /// loser looks at what came in between and tries again unless it conflicts. Errors  Exhausted:
  /// disk full. Unavailable: nothing was committed. Unknown: it may have been; `refresh`
  ///         and compare positions.
  base::Result<std::variant<Committed, Conflict>> commit(const Transaction& transaction);

  /// The commits after `after`, oldest first, up to the snapshot's.
  /// Errors  NotFound: some are no longer kept.
  base::Result<std::vector<Commit>> commits_after(base::TableVersion after) const;
  /// The newest commits that are still kept, newest first.
  base::Result<std::vector<CommitInfo>> history(std::size_t count) const;

  enum class When : std::uint8_t {
    Due,  ///< there were so many commits, or bytes, since the last
    Now,  ///< there was one
  };
  /// Writes a checkpoint if it is time. Now, and with the first of a day, it then drops commits
  /// that are older than the retention and older than `keep_from`: all of the log is listed for it.
  base::Result<void> maintain(base::TableVersion keep_from, When when = When::Due);
  base::Result<void> checkpoint();

  /// A data file, by its path in `AddFile`, was written for a commit that is still to come: until
  /// then `vacuum` by this object leaves it, however long the commit is held up.
  void await_commit_of(const std::string& path) const;
  std::set<std::string> awaited_files() const;
  /// Removes a data file whose commit will not come; as far as that can be done.
  void discard_file(const std::string& path) const;

  const Tools& tools() const { return tools_; }
  /// Where the table lies.
  Store& store() const { return store_; }
  const TableOptions& options() const { return options_; }

 private:
  Table(os::Path root, const Tools& tools, const TableOptions& options)
      : root_(std::move(root)),
        log_(root_ / "_delta_log"),
        tools_(tools),
        options_(options),
        disk_store_(tools.disk),
        store_(tools.store ? *tools.store : disk_store_),
        log_kept_from_(keep_log_from()) {}

  os::Path commit_path(std::int64_t version) const;
  base::Result<void> settle_names() const;
  base::Result<void> add_columns(const Schema& schema);
  base::Result<Commit> read_commit(std::int64_t version) const;
  base::Result<std::shared_ptr<const Snapshot>> load() const;
  base::Result<std::vector<os::FileInfo>> list_log() const;
  base::Result<Snapshot> load_checkpoint(const os::Path& path, std::int64_t version) const;
  base::Result<Snapshot> read_checkpoint(const os::Path& file, std::int64_t version) const;
  base::Result<std::shared_ptr<const Snapshot>> advance(std::shared_ptr<const Snapshot> from) const;
  base::Result<std::optional<Conflict>> find_conflict(const Transaction& transaction,
                                                      const Snapshot& now) const;
  base::Result<Commit> commit_of(const Transaction& transaction, const Snapshot& base) const;
  base::Result<std::optional<Committed>> try_commit(const Snapshot& base, const Commit& commit);
  base::Result<bool> put_commit(const Commit& commit, const std::string& bytes) const;
  base::Result<bool> is_ours(const Commit& commit) const;
  void publish(std::shared_ptr<const Snapshot> snapshot);
  std::chrono::sys_days keep_log_from() const;
  base::Result<void> clean_log(base::TableVersion keep_from, std::chrono::sys_days cutoff);

  const os::Path root_;
  const os::Path log_;
  const Tools tools_;
  const TableOptions options_;
  mutable LocalStore disk_store_;
  Store& store_;
  std::mutex commit_mutex_;  // one commit of this process at a time
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_;  // Guarded by mutex_.
  std::int64_t checkpointed_version_ = -1;    // Guarded by mutex_.
  std::uint64_t bytes_since_checkpoint_ = 0;  // Guarded by mutex_.
  std::chrono::sys_days log_kept_from_;       // Guarded by mutex_. When it was looked through last.
  mutable std::set<std::string> awaited_;     // Guarded by mutex_. Files of coming commits.
};

}  // namespace millrace::lake
