#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "config/pipeline.hpp"
#include "flow/check.hpp"
#include "flow/committer.hpp"
#include "flow/cut_board.hpp"
#include "flow/rejects_table.hpp"
#include "flow/replay.hpp"
#include "flow/source_loop.hpp"
#include "lookup/lookup.hpp"
#include "source/source.hpp"

namespace millrace::flow {

enum class UnknownSource : std::uint8_t {
  Stop,    ///< a table that has read another life of its source refuses this one
  Accept,  ///< it begins anew with this one, and keeps what it has
};

struct WorkerOptions {
  SourceLoopOptions loop;  ///< hot_bytes_max is for all sources together
  std::uint64_t dedupe_bytes_max = std::uint64_t{128} << 20;  ///< of one table; then it spills
  UnknownSource unknown_source = UnknownSource::Stop;
  /// How often the commits of other workers are looked for, where there may be some.
  std::chrono::microseconds follow_every = std::chrono::seconds(1);
};

/// What a worker is made of; all must outlive it.
struct WorkerParts {
  const config::Pipeline& pipeline;
  std::map<std::string, source::Source*> sources;
  std::map<std::string, std::shared_ptr<decode::SchemaRegistry>> registries;  ///< by source
  std::map<std::string, lookup::Lookup*> lookups;
  lake::Tools tools;  ///< its engine runs the tables' SQL and writes their files
  CutBoard& board;
  os::Path folder;  ///< the data folder: `tables/`, `replay/`, `scratch/`
  WorkerOptions options;
  ClaimStore* claims = nullptr;  ///< for `unique`, if other processes write the same tables
};

/// The stream half at work: reads the sources in micro-batches, keeps hot rows, commits.
/// It owns a thread for each source and one that commits.
/// Threads: safe from any.
class Worker {
 public:
  /// Plans all tables, opens or makes them, rolls their rejects forward, takes up where they stand.
  /// Errors  the first that is wrong; `check_pipeline` names all that are wrong with a file.
  static base::Result<std::unique_ptr<Worker>> open(WorkerParts parts);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  /// Stops without a commit: what is uncommitted is read again at the next start.
  ~Worker();

  /// Begins. `on_fatal` is called once, from a thread of the worker, if it cannot go on: it was
  /// fenced, or a source is damaged. The process should end then.
  void start(std::function<void(const base::Error&)> on_fatal);

  /// Waits until what is durable in the sources now is in the hot rows of all tables that run.
  /// Errors  Unavailable: not in time.
  base::Result<void> catch_up(std::chrono::microseconds timeout);
  /// Commits what is in the hot rows of all tables now.
  /// Errors  Unavailable: a commit failed, or is not done by `until`; it is tried again meanwhile.
  base::Result<void> commit_now(std::optional<base::SteadyTime> until = std::nullopt);
  /// Both: whoever's records were acknowledged finds them committed.
  /// Errors  Unavailable: they could not be read in time.
  base::Result<void> take_in(std::chrono::microseconds timeout);
  /// Looks no more for commits of others: tables of other owners may leave the board then.
  void end_following() { follow_thread_ = {}; }
  /// Ends the threads. With a commit, what is in the hot rows is committed before.
  enum class Commit : std::uint8_t { No, Yes };
  base::Result<void> stop(Commit commit);

  /// The time up to which a table's committed rows are complete, but for late records; none if
  /// nothing is known yet.
  std::optional<base::Time> watermark(std::string_view table) const;
  std::vector<TableStatus> status() const;
  /// Of a shared source: our shards, and when each was given to us; none: all are ours.
  std::optional<std::map<std::int32_t, std::uint64_t>> shards_of(const std::string& source) const;
  /// The columns of the tables, and the relations that SQL over their rows reads.
  const Plans& plans() const { return plans_; }

  /// Puts the chosen rejects into the stream once more.
  base::Result<ReplayStarted> replay(const ReplayRequest& request);

 private:
  struct Coming {
    SourceLoop* loop = nullptr;
    std::size_t table = 0;
    CommitJob job;
  };

  explicit Worker(WorkerParts parts) : parts_(std::move(parts)) {}
  base::Result<void> open_loops();
  base::Result<std::unique_ptr<TableFlow>> open_table(TablePlan plan, const config::Source& source);
  base::Result<void> check_pipeline(const TableFlow& table) const;
  base::Result<void> resume(TableFlow& table, const config::Source& source);
  void run_loop(SourceLoop& loop, const std::stop_token& stopping);
  void run_commits(const std::stop_token& stopping);
  bool commit(Coming& coming, const std::stop_token& stopping);
  void drop(CommitJob& job) const;
  void follow(const std::stop_token& stopping);
  base::Result<bool> try_resume(TableFlow& table, const config::Source& source);
  base::Result<void> check_replay(const ReplayRequest& request) const;
  void fail(const base::Error& error);

  WorkerParts parts_;
  Plans plans_;
  std::unique_ptr<RejectsTable> rejects_;
  std::unique_ptr<Committer> committer_;
  std::vector<std::unique_ptr<lake::Table>> tables_;
  std::vector<std::unique_ptr<SourceLoop>> loops_;
  std::mutex replay_mutex_;  // one at a time writes manifests

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Coming> coming_;                         // Guarded by mutex_.
  std::function<void(const base::Error&)> on_fatal_;  // Guarded by mutex_.
  std::jthread commit_thread_;
  std::jthread follow_thread_;
  std::vector<std::jthread> loop_threads_;
};

}  // namespace millrace::flow
