#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/telemetry.hpp"
#include "flow/deduper.hpp"
#include "flow/generation.hpp"
#include "flow/micro_batch.hpp"
#include "flow/rows_run.hpp"
#include "flow/shard_counts.hpp"
#include "flow/table_plan.hpp"
#include "lookup/lookup.hpp"

namespace millrace::flow {

/// How far a table has got on one shard of one life of its source.
struct Progress {
  std::optional<std::int64_t> committed;   ///< as the table has it
  std::int64_t next = 0;                   ///< what is read next
  std::optional<base::Time> newest_event;  ///< before `next`
  ShardCounts counts = {};                 ///< of the records before `next`
};

/// What became of records, for the commit and the metrics.
struct Counts {
  std::int64_t records = 0;  ///< that came in
  std::int64_t rows = 0;     ///< that came out
  std::int64_t rejected = 0;
  std::int64_t filtered = 0;                   ///< records without a row, by the SQL's own WHERE
  std::map<std::string, std::int64_t> warned;  ///< by expectation

  void add(const Counts& other);
};

/// The hot rows of one coming commit, closed.
struct Sealed {
  std::shared_ptr<Generation> rows;
  std::shared_ptr<Generation> rejects;
  std::vector<lake::Transaction::Position> positions;            ///< that the commit moves
  std::vector<std::pair<std::string, std::int64_t>> notes = {};  ///< counts and marks beside them
  std::map<std::string, base::Time> newest_events;               ///< by app id
  Counts counts;
};

/// A table at work: takes micro-batches, holds the hot rows of the coming commit, remembers how far
/// it is. Nothing it holds survives it: after a restart all is read from the table.
/// Threads: one at a time.
class TableFlow {
 public:
  struct Parts {
    TablePlan plan;
    std::vector<lookup::Lookup*> lookups;  ///< in the order of the plan's
    lake::Table* table = nullptr;  ///< null: nothing is kept, and only `begin` and `apply` work
    std::string pipeline;
    std::chrono::microseconds lateness{0};
    DedupeOptions dedupe;
    ClaimStore* claims = nullptr;  ///< for `unique`, if other processes write to the table
    bool keeps_positions = true;   ///< `source::Source::keeps_positions`
    const base::Clock* clock = nullptr;
    base::Telemetry telemetry;
  };
  explicit TableFlow(Parts parts);
  TableFlow(const TableFlow&) = delete;
  TableFlow& operator=(const TableFlow&) = delete;
  ~TableFlow();

  const std::string& name() const { return plan_.table.name; }
  const TablePlan& plan() const { return plan_; }
  lake::Table& table() const { return *table_; }

  /// `millrace/<pipeline>/<table>/<source>/`: what the app ids of one source begin with.
  std::string app_prefix(const std::string& source) const;
  std::string app_id(const std::string& source, const std::string& incarnation,
                     std::int64_t shard) const;
  /// Takes up a shard where the table stands; from `oldest` on if it never read it.
  void resume(const std::string& id, base::Offset oldest, std::optional<base::Time> newest_event);
  /// Takes up a shard of which nothing was read.
  void begin(const std::string& id) { progress_[id] = {}; }
  /// Reads the claimed keys back from the table.
  base::Result<void> rebuild_dedupe(const OfShards& shards = std::nullopt);
  /// Adds those that rows of these shards claim: they were given to us.
  base::Result<void> add_claims_of(const std::vector<std::int64_t>& shards);
  /// Positions that keep the last `apply` waiting: `SharedClaims::abandoned`.
  std::map<std::string, std::int64_t> abandoned() const;
  /// Of a shard that another worker reads: it stands where the table says.
  void follow(const std::string& id);
  /// True if everything that was taken of the shard is committed.
  bool is_settled(const std::string& id) const;
  /// Forgets the hot rows, and those that were sealed: another worker was faster. All shards must
  /// be resumed then.
  void drop();

  /// Processes the rows of a micro-batch that the table does not have yet. `rows` are the batch's
  /// own chunks, or what the parent has for it; `until` is how far they go on each of its shards.
  /// Nothing is visible before `take_over`.
  /// Shape   the chunks that came out, for the tables that read this one.
  /// Errors  Exhausted, Unavailable, Cancelled: nothing was changed; try again.
  base::Result<Chunks> apply(const MicroBatch& batch, const Chunks& rows,
                             const std::vector<base::Offset>& until);
  /// What the last `apply` rejected: it lives as long as the micro-batch, or until the next one.
  const std::vector<Reject>& rejected() const;
  const Counts& counted() const;
  /// Where the table will stand on each shard of `batch` after `take_over`.
  std::vector<base::Offset> reached(const MicroBatch& batch) const;
  /// Adds what `apply` made to the hot rows.
  void take_over();

  /// Why the table stopped taking rows (`otherwise: halt`); empty if it runs.
  const std::string& halted() const { return halted_; }
  /// Stops it because its parent stopped.
  void halt(std::string why) { halted_ = std::move(why); }

  bool has_uncommitted() const;
  std::uint64_t hot_bytes() const { return rows_->bytes() + rejects_->bytes(); }
  const Progress& progress(const std::string& id) const { return progress_.at(id); }
  bool reads(const std::string& id) const { return progress_.contains(id); }
  const std::map<std::string, Progress>& all_progress() const { return progress_; }

  std::shared_ptr<Generation> rows() const { return rows_; }
  std::shared_ptr<Generation> rejects() const { return rejects_; }
  /// Closes the open generation and begins the next.
  Sealed seal();
  /// The sealed rows are in the table now.
  void committed(const Sealed& sealed);

 private:
  struct Work;  // one call of `apply`

  base::Result<void> check(Work& work);
  void judge(Work& work, const RowSet& rows, const std::vector<sql::Chunk>& verdicts,
             std::size_t first);
  void stop_at_halts(Work& work);
  base::Result<void> select(Work& work);
  void number_rows(Work& work, sql::Chunk& chunk) const;
  base::Result<void> drop_duplicates(Work& work);
  void add_outcomes(Work& work) const;
  void count(Work& work) const;
  void count_records(Work& work) const;
  Chunks with_lookups(const Chunks& rows) const;
  RowSet not_yet_taken(const Work& work, const Chunks& rows) const;
  void reject(Work& work, Stage stage, std::string reason, std::string detail, const RowAt& at);
  void begin_generation();

  TablePlan plan_;
  const std::vector<lookup::Lookup*> lookups_;
  lake::Table* const table_;
  const std::string pipeline_;
  const base::Clock& clock_;
  base::Telemetry telemetry_;

  std::optional<Deduper> dedupe_;
  std::map<std::string, Progress> progress_;
  std::shared_ptr<Generation> rows_;
  std::shared_ptr<Generation> rejects_;
  Counts counts_;
  Reached reached_;  // of the shards that were read since the start
  std::string halted_;
  std::unique_ptr<Work> done_;  // between `apply` and `take_over`
};

}  // namespace millrace::flow
