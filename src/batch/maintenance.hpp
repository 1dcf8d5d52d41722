#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "batch/jobs.hpp"
#include "batch/maintained.hpp"
#include "batch/runs_table.hpp"
#include "batch/stream_proofs.hpp"
#include "config/pipeline.hpp"
#include "config/time_zone.hpp"
#include "flow/cut_board.hpp"

namespace millrace::batch {

/// What maintenance is made of; all must outlive it.
struct MaintenanceParts {
  const config::Pipeline& pipeline;
  lake::Tools tools;  ///< its engine rewrites files; the stream does not use it
  flow::CutBoard& board;
  RunsTable& runs;
  std::map<std::string, std::string> incarnations = {};  ///< of the sources' present lives
  StreamProofs* proofs = nullptr;  ///< proves each stream's table after it is in order; null: no
  Jobs* jobs = nullptr;            ///< proves what warehouses have of each job; null: no
  /// How often the clock is looked at, in real time.
  std::chrono::microseconds poll = std::chrono::seconds(1);
};

struct TableMaintenance {
  std::string table;
  std::chrono::microseconds keep{0};    ///< 0: for ever
  std::optional<base::Time> kept_from;  ///< older rows may have been removed; none: none were
  std::optional<RunRow> last_run;
};

struct MaintenanceStatus {
  std::string at;  ///< its schedule; empty: it runs when asked to
  std::optional<base::Time> next_run_at;
  std::vector<TableMaintenance> tables;
};

/// Puts the tables in order, one after the other: removes rows that are not kept, makes large files
/// of small ones, writes a checkpoint, and deletes commits and files that nobody needs any more.
/// Each table's is a run in `_runs`, called `maintenance@orders`. It gives way to all who write. By
/// the clock each table is then proven: what a stream filled, and what a warehouse has of a job.
/// It owns the thread of its schedule.
/// Threads: safe from any.
class Maintenance {
 public:
  static base::Result<std::unique_ptr<Maintenance>> open(const MaintenanceParts& parts);
  Maintenance(const Maintenance&) = delete;
  Maintenance& operator=(const Maintenance&) = delete;
  ~Maintenance() { stop(); }

  /// Begins to run when it is due, at once if it was missed.
  void start();
  /// Ends the schedule and what is under way: that is recorded as failed. Nothing runs after it.
  void stop();

  /// Runs what is due now: the thread of the schedule does this at each look at the clock.
  void run_due();
  /// Runs all tables now, or one.
  /// Errors  NotFound: no such table. Else what kept it from starting; a run that failed is an
  ///         outcome.
  base::Result<std::vector<RunRow>> run(const std::optional<std::string>& table);
  /// What the clock would do if it was due: all tables, and the proofs.
  /// Errors  what kept it from starting, of the first that could not be begun.
  base::Result<std::vector<RunRow>> run_all();
  base::Result<MaintenanceStatus> status();

  /// To the engine that rewrites files.
  base::Result<sql::Connection> connect() const { return parts_.tools.engine.connect(); }

  /// What a table's maintenance is called among the runs.
  static std::string run_name(std::string_view table);
  static bool is_run_name(std::string_view job);

 private:
  struct Work;

  Maintenance(const MaintenanceParts& parts, config::TimeZone zone) : parts_(parts), zone_(zone) {}

  base::Result<void> begin_schedules();
  std::vector<std::string> names() const;
  std::chrono::microseconds keep_of(const std::string& table) const;
  base::Result<void> run_due(const std::string& table);
  base::Result<RunRow> run_one(const std::string& table, Trigger trigger);
  base::Result<std::vector<RunRow>> prove(const std::string& table);
  std::string proof_name(const std::string& table) const;
  void run_work(Work& work, RunRow& row, Claim& claim);
  base::Result<void> do_all(Work& work);
  base::Result<void> remove_old(Work& work);
  base::Result<void> compact(Work& work);
  base::Result<void> tidy_log(Work& work);
  base::Result<void> vacuum(Work& work);
  base::Result<void> go_on(Work& work);

  const MaintenanceParts parts_;
  const config::TimeZone zone_;
  std::mutex run_mutex_;  // one table at a time
  std::stop_source stopping_;
  std::jthread thread_;
};

}  // namespace millrace::batch
