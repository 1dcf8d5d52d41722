#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "batch/engine_runs.hpp"
#include "batch/freshness.hpp"
#include "batch/loads.hpp"
#include "batch/runner.hpp"
#include "batch/stream_state.hpp"
#include "config/pipeline.hpp"
#include "flow/cut_board.hpp"

namespace millrace::batch {

struct JobsOptions {
  std::chrono::microseconds claim_time = std::chrono::minutes(5);
  /// So many partitions of a job are computed at once; 0: two for each core, at most 8.
  std::size_t threads = 0;
  /// How often the clock is looked at, in real time.
  std::chrono::microseconds poll = std::chrono::seconds(1);
};

/// What jobs are made of; all must outlive them.
struct JobsParts {
  const config::Pipeline& pipeline;
  lake::Tools
      tools;  ///< its engine is not locked, shows times in the pipeline's zone, and runs SQL
  flow::CutBoard& board;  ///< has the pipeline's tables
  StreamState& stream;
  os::Path folder;  ///< the data folder, of which this is the only process
  JobsOptions options = {};
  OpenAws aws = {};  ///< for warehouses and engines on AWS
};

enum class PartitionState : std::uint8_t {
  Fresh,
  Stale,    ///< runs at the next scheduled time
  Due,      ///< its time has come
  Filling,  ///< stale, but rows of it may still be on their way
  Failed,   ///< stale, and its last run failed
  Blocked,  ///< stale, and a run that it depends on failed
  Running,
  Final,  ///< it stays as it is: rows that it was computed from are no longer kept
};
std::string_view name_of(PartitionState state);

struct PartitionStatus {
  std::string partition;
  PartitionState state = PartitionState::Fresh;
  std::int64_t rows = 0;
  std::optional<base::Time> ran_at;  ///< the start of its last run
  std::optional<bool> is_loaded;     ///< in the warehouse; none: there is none, or it is not known
};

struct JobStatus {
  std::string name;
  std::string at;    ///< its schedule; empty: runs when asked to
  std::string each;  ///< `day`, `hour`, or empty
  std::optional<base::Time> next_run_at;
  std::optional<RunRow> last_run;
  std::optional<LoadStatus> load;           ///< none: it has no warehouse
  std::vector<PartitionStatus> partitions;  ///< oldest first
};

/// The batch half: all jobs of a pipeline, their schedule and their runs; of one job those of one
/// call at a time. It owns the thread of the schedule, and one for each job that it finds due.
/// Threads: safe from any.
class Jobs {
 public:
  /// Checks the jobs, opens or makes their tables and `_runs`, shows them on the board, and ends
  /// what an earlier process left unfinished.
  /// Errors  the first that is wrong; `check_jobs` names all that are wrong with a file.
  static base::Result<std::unique_ptr<Jobs>> open(const JobsParts& parts);
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;
  ~Jobs();

  /// Begins to run what is due, at once what was missed.
  void start();
  /// Ends the schedule and a run under way: it is recorded as failed, and its partition is as it
  /// was. Nothing runs after it.
  void stop();

  /// Runs what is due now, job by job. The thread of the schedule does the same at each look at the
  /// clock, but each job in a thread of its own.
  void run_due();
  /// Whether some wait, for records on their way or for each other.
  bool has_due() const;
  /// Loads what the warehouses lack of all jobs: without `start`, nobody else does.
  base::Result<std::vector<RunRow>> load_due();

  /// Commits the hot rows and runs one partition, fresh or not, or each stale one, oldest first.
  /// Errors  NotFound: no such job. Invalid: no such partition. Else what kept it from starting; a
  ///         run that failed is an outcome.
  base::Result<std::vector<RunRow>> run(std::string_view job,
                                        const std::optional<std::string>& partition = {});

  enum class DryRun : std::uint8_t { No, Yes };
  /// Commits the hot rows and runs each stale partition from `from` to `to`, both included, oldest
  /// first; the others are skipped, so that a backfill that was broken off goes on where it was.
  base::Result<std::vector<RunRow>> backfill(std::string_view job, std::string_view from,
                                             std::string_view to, DryRun dry_run = DryRun::No);

  /// Loads what its warehouse lacks, oldest first, or one partition once more.
  /// Errors  NotFound: no such job, or the partition has not run. Invalid: the job has no `load`.
  base::Result<std::vector<RunRow>> load(std::string_view job,
                                         const std::optional<std::string>& partition = {});

  /// Compares what its warehouse has with the lake: all that is loaded, or one partition.
  /// Errors  as `load`.
  base::Result<RunRow> prove(std::string_view job,
                             const std::optional<std::string>& partition = {});
  bool has_warehouse(std::string_view job) const { return loads_->has(job); }
  /// The same by the clock, of all; what may pass is tried again.
  base::Result<RunRow> prove_by_clock(std::string_view job, const std::stop_token& stop);

  /// All jobs with their newest partitions.
  base::Result<std::vector<JobStatus>> list(std::size_t partitions_max = 400,
                                            const std::optional<std::string>& name = {});
  base::Result<std::vector<RunRow>> runs(const RunFilter& filter = {});
  /// Where runs are claimed and written down.
  RunsTable& runs_table() { return *runs_; }
  ChecksTable& checks_table() { return *checks_; }

 private:
  struct Job;
  struct Due;

  explicit Jobs(const JobsParts& parts, config::TimeZone zone);
  base::Result<void> open_tables();
  base::Result<void> add_job(JobPlan plan);
  std::unique_ptr<Engine> engine_of(const config::Job& job) const;
  base::Result<Job*> find(std::string_view name);
  base::Result<std::optional<Partition>> partition_of(const Job& job,
                                                      const std::optional<std::string>& text) const;
  static base::Error why_final(const Job& job, const Partition& partition);
  base::Result<void> load_after(const Job& job, Trigger trigger, std::vector<RunRow>& rows);
  enum class Only : std::uint8_t { Any, Stale };
  base::Result<std::vector<RunRow>> run_all(Job& job, std::vector<Partition> partitions,
                                            Trigger trigger, Only only);
  base::Result<std::vector<RunRow>> run_where_it_belongs(Job& job, const RunRequest& request);
  base::Result<void> adopt(Job& job);
  base::Result<std::vector<Partition>> stale_of(Job& job, const std::vector<Partition>& partitions);

  void note_firings();
  void begin_due();
  void look_at(Job& job);
  base::Result<void> run_due(Job& job, base::Time firing);
  base::Result<bool> run_due_partitions(Job& job, base::Time firing);
  std::optional<base::Time> last_firing(Job& job) const;
  void note_failed(Job& job, const std::vector<Partition>& partitions,
                   const std::vector<RunRow>& rows) const;
  base::Result<void> recall_failed(Job& job) const;
  using Coming = std::map<Partition, base::Time>;
  base::Result<Coming> still_to_come(const Job& job, base::Time firing,
                                     const std::vector<Partition>& own) const;
  base::Result<std::set<Partition>> owed(const Job& job, base::Time until) const;
  base::Time next_made(const Job& job) const;
  bool is_filling(const Job& job, const Partition& partition) const;
  bool waits_for_other(const Job& job, const Partition& partition) const;
  bool waits_for_others(const Job& job) const;
  bool is_blocked(const Job& job, const std::optional<Partition>& partition) const;
  bool is_due(const Job& job) const;
  const Job* find_job(const std::string& name) const;

  base::Result<void> count_stale(Job& job);
  base::Result<JobStatus> status_of(Job& job, std::size_t partitions_max);
  base::Result<PartitionState> state_of(Job& job, const Partition& partition, const RunRow* last);

  const JobsParts parts_;
  const config::TimeZone zone_;
  std::unique_ptr<RunsTable> runs_;
  std::unique_ptr<ChecksTable> checks_;
  std::unique_ptr<Runner> runner_;
  std::unique_ptr<EngineRuns> engine_runs_;
  std::vector<std::unique_ptr<Job>> jobs_;  // each after those that it reads
  std::unique_ptr<Loads> loads_;
  std::stop_source stopping_;
  std::atomic<int> running_ = 0;  // calls of the runner
  std::mutex schedule_mutex_;     // one look at the clock at a time
  std::jthread thread_;
};

}  // namespace millrace::batch
