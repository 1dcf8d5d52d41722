#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "batch/checks_table.hpp"
#include "batch/runner.hpp"
#include "batch/warehouse.hpp"

namespace millrace::batch {

struct LoadsParts {
  const config::Pipeline& pipeline;
  lake::Tools tools;  ///< its engine reads the lake
  RunsTable& runs;
  ChecksTable& checks;
  flow::CutBoard& board;  ///< shows what both say to queries
  os::Path scratch;       ///< for files on their way
  OpenAws aws;
};

/// How a job's table and its warehouse agree.
struct LoadStatus {
  std::string warehouse;
  std::string table;
  bool is_known = false;               ///< the warehouse has been asked what it has
  std::set<std::string> waiting = {};  ///< labels of partitions that are not loaded, if known
  std::string error = {};              ///< why the last load failed; empty if it did not
  std::map<std::string, std::string> unproven = {};  ///< by label: how lake and warehouse differ
};

/// Brings results of jobs into warehouses: docs/warehouses.md. It owns a thread for each warehouse,
/// so that one that is down delays nobody else.
/// Threads: safe from any.
class Loads {
 public:
  explicit Loads(const LoadsParts& parts);
  Loads(const Loads&) = delete;
  Loads& operator=(const Loads&) = delete;
  ~Loads();

  /// A job that has `load`; it must outlive this. Before `start`.
  void add(const RunnableJob& job);
  bool has(std::string_view job) const { return jobs_.contains(job); }

  /// Begins to load what waits, now and whenever a run ended.
  void start();
  /// Ends the threads and a load under way, which leaves the warehouse as it was.
  void stop();

  /// Loads all partitions that wait, oldest first, until the warehouse is down; or one partition,
  /// whether it waits or not.
  /// Errors  what kept it from starting; a load that failed is an outcome.
  base::Result<std::vector<RunRow>> load(std::string_view job, Trigger trigger,
                                         const std::optional<Partition>& only = {});

  /// Compares what is loaded with the lake, all of it or one partition: one run.
  /// Errors  what kept it from starting; sides that differ, or a warehouse that cannot be asked,
  ///         are a run that failed.
  base::Result<RunRow> prove(std::string_view job, const std::optional<Partition>& only,
                             Trigger trigger, const std::stop_token& stop);

  LoadStatus status(std::string_view job) const;

  /// How loads of a job are called in `_runs`: `daily_sales@reporting`.
  static std::string run_name(const config::Job& job);
  /// How its proofs are: `daily_sales@reporting:proof`.
  static std::string proof_name(const config::Job& job) { return run_name(job) + ":proof"; }

 private:
  struct Place;
  struct Job;
  struct Wanted {
    Partition partition;
    LoadMark mark;
    bool is_again = false;
  };

  void run_due(Place& place, const std::stop_token& stop);
  base::Result<std::vector<Wanted>> waiting(Job& job, Trigger trigger, const std::stop_token& stop);
  std::vector<Wanted> not_loaded(const Job& job, const Ledger& ledger) const;
  base::Result<std::vector<Wanted>> not_loaded_by_history(const Job& job) const;
  Ledger all_but(const Job& job, const std::vector<Wanted>& missing) const;
  base::Result<RunRow> run(Job& job, const Wanted& wanted, Trigger trigger,
                           const std::stop_token& stop);
  template <class Work>
  auto attempt(Job& job, RunRow& row, const std::stop_token& stop, Work work) -> decltype(work());
  base::Result<std::vector<RunRow>> load_within(Job& job, Trigger trigger,
                                                const std::optional<Partition>& only,
                                                const std::stop_token& stop);
  static std::string select_of(const Job& job, const lake::Snapshot& snapshot,
                               const Partition& partition);
  base::Result<std::string> differences(Job& job, const Partition& partition,
                                        const std::string& select, const std::stop_token& stop);
  std::string prove(Job& job, const PartitionLoad& load, const RunRow& row,
                    const std::stop_token& stop);
  struct Proven;
  base::Result<Proven> compare(Job& job, const std::optional<Partition>& only,
                               const std::stop_token& stop);
  struct Provable;
  base::Result<Proven> compare_each(Job& job, const Provable& provable,
                                    const std::stop_token& stop);
  base::Result<std::string> why_not_provable(Job& job, const Partition& partition,
                                             const std::stop_token& stop) const;
  base::Result<std::set<Partition>> provable(const Job& job, const lake::Snapshot& snapshot,
                                             const Ledger& ledger) const;
  void keep_proofs(Job& job, const RunRow& row, const std::map<Partition, std::string>& found);
  void keep_unproven(const Job& job, const RunRow& row, const base::Error& error);
  void keep_checks(const std::vector<ChecksTable::Checked>& checked);
  void recall_proofs(Job& job);
  void note(Job& job, const std::optional<Wanted>& wanted, const base::Error* error);

  const LoadsParts parts_;
  std::map<std::string, std::unique_ptr<Place>> places_;
  std::map<std::string, std::unique_ptr<Job>, std::less<>> jobs_;
  std::stop_source stopping_;
};

}  // namespace millrace::batch
