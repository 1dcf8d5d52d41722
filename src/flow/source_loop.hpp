#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "decode/decoder.hpp"
#include "flow/committer.hpp"
#include "flow/lane.hpp"

namespace millrace::flow {

/// How a table is, for status pages and metrics.
struct TableStatus {
  /// How far the table is in one shard of its source.
  struct Position {
    base::ShardId shard;
    std::string app_id;                     ///< under which its commits carry it
    std::int64_t next = 0;                  ///< rows of records before it are visible
    std::optional<std::int64_t> committed;  ///< before it: committed; none yet: not even 0
    bool is_ours = true;                    ///< false: another worker's, known by its commits
    std::optional<base::Time> until;  ///< another's: its committed rows go up to this event time
  };

  std::string name;
  std::string source;  ///< at the head of its chain
  std::int64_t hot_rows = 0;
  std::uint64_t hot_bytes = 0;
  std::vector<Position> positions;
  bool is_shared = false;        ///< several workers read the source
  std::int64_t lag_records = 0;  ///< durable in our shards, not yet read; never too few
  std::optional<base::Time> committed_at;
  std::optional<base::Time> watermark;  ///< of the committed rows
  std::string halted;                   ///< why it stopped taking rows; empty if it runs
  std::string error;                    ///< why its last commit failed; empty if it did not
  std::string source_error;             ///< why its source cannot be read; empty if it can
};

struct SourceLoopOptions {
  std::uint64_t batch_bytes_max = 4U << 20;  ///< of one micro-batch's records
  /// Of its tables' rows. From half of it on they are committed; above it reading waits.
  std::uint64_t hot_bytes_max = std::uint64_t{128} << 20;
  /// A shard that another worker moved is left alone so long: whose it is will be known then.
  std::chrono::microseconds rest_when_overtaken = std::chrono::seconds(4);
};

/// The work on one source: reads it in micro-batches, runs its tables, and gives their hot rows
/// away to be committed.
/// Threads: `run` and what it calls on one; the rest from any.
class SourceLoop {
 public:
  struct Parts {
    const config::Source* source = nullptr;
    source::Source* stream = nullptr;
    std::shared_ptr<decode::SchemaRegistry> registry;  ///< of Avro and Protobuf
    std::vector<std::unique_ptr<TableFlow>> tables;    ///< parents first
    std::vector<std::optional<std::size_t>> parents;   ///< of each table, if it reads another
    std::vector<std::unique_ptr<ReplaySource>> replays;
    const lake::Tools* tools = nullptr;
    CutBoard* board = nullptr;
    SourceLoopOptions options;
    /// Takes sealed rows to be committed; `committed` or `commit_failed` is the answer.
    std::function<void(SourceLoop&, std::size_t table, CommitJob)> submit;
    /// Takes in the rejects that others' commits to a table name: whoever made one may have died
    /// before it did.
    std::function<base::Result<void>(const TableFlow&)> follow_rejects;
  };
  explicit SourceLoop(Parts parts);

  const config::Source& source() const { return *parts_.source; }
  const std::vector<std::unique_ptr<TableFlow>>& tables() const { return parts_.tables; }

  /// Works until it is told to stop, or until it cannot go on.
  base::Result<void> run(const std::stop_token& stopping);

  void committed(std::size_t table, CommitJob job);
  void commit_failed(std::size_t table, const base::Error& error);
  void add_replay(std::unique_ptr<ReplaySource> replay);

  /// Whether other workers may read other shards of the source.
  bool is_shared() const { return is_shared_; }
  /// Jobs of an older term than this are void: another worker was faster than one of them.
  std::uint64_t term() const { return term_; }
  /// A job met another worker's commit: everything that is not committed is dropped and read anew,
  /// as far as it is ours. Ends the term.
  void fenced(const std::string& why);
  /// What commits to `table` say about the newest event times of shards.
  void followed(const std::string& table, const std::map<std::string, base::Time>& events);
  /// True if all shards are read here.
  bool has_all_shards() const;
  /// The shards that are read here, and when each was given to us; those of replays, too.
  std::map<std::int32_t, std::uint64_t> held_shards() const;
  /// How often a term ended.
  std::uint64_t fences() const { return term_; }

  /// As `Worker` has them.
  base::Result<void> catch_up(std::chrono::microseconds timeout);
  base::Result<void> commit_now(std::optional<base::SteadyTime> until = std::nullopt);
  std::vector<TableStatus> status() const;

 private:
  struct TableState {
    std::optional<base::SteadyTime> hot_since;  // of the open generation
    bool is_committing = false;
    std::uint64_t sealed_bytes = 0;
    std::int64_t sealed_rows = 0;
    std::map<std::string, base::Time> committed_events;  // by app id
    std::optional<base::Time> committed_at;
    std::map<std::string, std::int64_t> asked;  // by app id: how far it was asked to commit
  };

  base::Result<void> step(const std::stop_token& stopping);
  base::Result<bool> share_source();
  base::Result<void> drop_uncommitted();
  void resume_all(std::size_t table);
  base::Result<void> take_share(const source::Share& share);
  base::Result<void> gain(const std::vector<std::size_t>& gained);
  base::Result<void> note_begins(std::size_t table, const std::vector<std::size_t>& gained);
  bool is_settled(std::size_t shard) const;
  void leave(std::size_t shard);
  bool has_leaving(std::size_t table) const;
  void follow_others();
  std::vector<std::int64_t> our_shards() const;
  std::string id_of(std::size_t table, std::size_t shard) const;
  void add_new_shards();
  void take_messages();
  void take_committed(std::size_t table, const CommitJob& job);
  void seal_due();
  bool take_asked();
  bool has_reached_asked(std::size_t table) const;
  bool seal_after_parents(std::size_t table, std::vector<bool>& sealed);
  void seal(std::size_t table);
  std::uint64_t hot_bytes() const;
  bool is_full() const;
  std::optional<std::vector<base::Offset>> read_from(Lane& lane) const;
  base::Result<bool> read_lane(Lane& lane, const std::stop_token& stopping);
  base::Result<bool> process(Lane& lane, MicroBatch& batch, const std::stop_token& stopping);
  base::Result<void> leave_untaken(base::Error error);
  void tell_untaken(const base::Error& error);
  base::Result<void> pass_over_abandoned();
  base::Result<void> apply_all(Lane& lane, const MicroBatch& batch);
  void wait(const std::stop_token& stopping);
  void publish_status();
  base::Result<void> release() const;
  std::optional<base::Time> watermark_of(std::size_t table) const;
  std::optional<base::Time> committed_until(std::size_t table, std::size_t shard) const;
  std::int64_t lag_of(const TableStatus& table) const;

  Parts parts_;
  decode::Decoder decoder_;
  std::string unreadable_;          // why the last micro-batch had to wait; empty: it had not
  std::deque<Lane> lanes_;          // the source itself, then replays
  std::vector<TableState> states_;  // of each table
  std::uint64_t batch_bytes_;       // shrinks when memory is short
  base::SteadyTime published_at_{};
  std::uint64_t commits_taken_ = 0;  // the newest ask that `asked` of the tables is for
  bool is_dirty_ = false;            // something changed since the status was published
  const bool is_shared_;
  std::shared_ptr<const source::Share> share_;  // that was taken last
  bool has_to_share_ = false;                   // something of it is still to be done
  base::SteadyTime share_at_{};                 // not before
  std::uint64_t my_term_ = 0;                   // of what is hot
  std::atomic<std::uint64_t> term_{0};

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  // All below: guarded by mutex_.
  std::deque<std::pair<std::size_t, CommitJob>> committed_;
  std::deque<std::unique_ptr<ReplaySource>> new_replays_;
  std::vector<TableStatus> status_;
  std::map<std::string, std::map<std::string, base::Time>> followed_;  // by table, app id
  bool has_all_shards_ = true;
  std::map<std::int32_t, std::uint64_t> held_;
  std::vector<base::Offset> reached_;  // of the source's shards, by all tables that run
  std::uint64_t commits_asked_ = 0;
  std::uint64_t commits_done_ = 0;
  std::uint64_t commit_failures_ = 0;
  std::optional<base::Error> ended_;
};

}  // namespace millrace::flow
