#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "batch/run_row.hpp"
#include "lake/table.hpp"

namespace millrace::batch {

/// The right to run one partition of a job, until it expires.
struct Claim {
  std::string run_id;
  std::string job;
  std::string partition;
  Trigger trigger = Trigger::Schedule;
  base::Time started_at;
  std::int64_t value = 0;  ///< of the claim's position in the table
  /// What computes the run, if it may go on when this process ends: `glue`, `spark`.
  std::string engine = {};
  std::chrono::microseconds time{0};  ///< until it expires; 0: as the table says

  base::Time expires_at() const { return base::Time(std::chrono::microseconds(value / 2)); }
};

/// Somebody else has the claim.
struct Held {
  base::Time until;
};

struct RunFilter {
  std::string job;  ///< empty: all
  std::string partition;
  std::size_t limit = 100;
};

/// The table `_runs`: the history of all runs, one row each, and the claims of those that are under
/// way. A claim is a position of the table (`txn`), so that one of several claimants wins: an odd
/// number is a claim, twice the time of its expiry in microseconds plus one; an even one is free.
/// A position `…/schedule` says up to which firing a job's schedule was dealt with.
/// Threads: safe from any.
class RunsTable {
 public:
  struct Options {
    std::string pipeline;
    std::chrono::microseconds claim_time = std::chrono::minutes(5);
    std::size_t files_max = 64;  ///< more are compacted
  };
  /// Rows that a run committed although it could not say so; none if it did not commit.
  using CommittedRows = std::function<std::optional<std::int64_t>(const Claim&)>;

  static base::Result<std::unique_ptr<RunsTable>> open(const os::Path& root,
                                                       const lake::Tools& tools, Options options);

  lake::Table& table() { return *table_; }

  using Claimed = std::variant<Claim, Held>;
  /// A claim that is given back, with the row of its run; without one nothing was run.
  struct Ended {
    Claim claim;
    std::optional<RunRow> row;
  };

  /// Takes the claims of partitions in one commit; also those that have expired, whose runs then
  /// get their rows. Shape  one for each that is wanted.
  base::Result<std::vector<Claimed>> claim(std::vector<Claim> wanted,
                                           const CommittedRows& committed);
  base::Result<Claimed> claim(Claim wanted, const CommittedRows& committed);
  /// Moves the expiry of claims on in one commit, and takes those out that were lost to others.
  base::Result<void> renew(std::vector<Claim>& claims);
  bool is_due_for_renewal(const Claim& claim) const;
  /// Takes those out that were lost to others.
  base::Result<void> keep_held(std::vector<Claim>& claims);
  /// Writes rows and gives claims back in one commit. Those that were lost are left out: who took
  /// them wrote what could be known of their runs. Shape  how many were not lost.
  base::Result<std::size_t> finish(std::vector<Ended> ended);
  /// The same for one. Errors  Unavailable: the claim was lost.
  base::Result<void> finish(const Claim& claim, const RunRow& row);
  /// Ends what a process that is gone left claimed. To be called when no other process can be alive
  /// that uses this table, but for those of other engines: their claims end when they expire.
  base::Result<void> end_abandoned(const CommittedRows& committed);
  /// The claims of a job's runs that an engine computes, expired or not.
  base::Result<std::vector<Claim>> claims_of(const std::string& job, std::string_view engine);

  /// The newest runs first.
  base::Result<std::vector<RunRow>> runs(const RunFilter& filter);
  /// The last run of each partition of a job.
  base::Result<std::vector<RunRow>> last_runs(const std::string& job);
  /// When a run of a job last succeeded.
  base::Result<std::optional<base::Time>> last_success(const std::string& job);
  /// True if the partition is claimed now.
  bool is_running(const std::string& job, const std::string& partition) const;

  /// The firing up to which a job's schedule was dealt with; none for a new job.
  std::optional<base::Time> scheduled_until(const std::string& job) const;
  base::Result<void> set_scheduled_until(const std::string& job, base::Time firing) {
    return set_scheduled_until(std::vector{job}, firing);
  }
  base::Result<void> set_scheduled_until(const std::vector<std::string>& jobs, base::Time firing);

 private:
  RunsTable(std::unique_ptr<lake::Table> table, Options options)
      : table_(std::move(table)), options_(std::move(options)) {}

  std::string app_id(const std::string& job, const std::string& partition) const;
  std::int64_t value_for(base::Time expiry, std::optional<std::int64_t> before) const;
  std::string app_id(const Claim& claim) const { return app_id(claim.job, claim.partition); }
  base::Result<std::vector<lake::AddFile>> files_of(const std::vector<RunRow>& rows);
  base::Result<std::vector<Claim>> find_claims(std::map<std::string, std::int64_t> wanted);
  base::Result<std::vector<RunRow>> rows_of_ended(const std::map<std::string, std::int64_t>& claims,
                                                  const CommittedRows& committed);
  /// Commits; false if the position stood elsewhere.
  base::Result<bool> commit(lake::Transaction change);
  base::Result<std::vector<RunRow>> read(const std::string& sql);
  void maintain();

  const std::unique_ptr<lake::Table> table_;
  const Options options_;
};

}  // namespace millrace::batch
