#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lake/table.hpp"

namespace millrace::batch {

enum class CheckOutcome : std::uint8_t { Passed, Warned, Failed };
std::string_view name_of(CheckOutcome outcome);

/// How one expectation of a run turned out.
struct CheckResult {
  std::string check;
  std::string kind;
  CheckOutcome outcome = CheckOutcome::Passed;
  std::optional<double> value;  ///< what was counted or computed
  std::string detail;           ///< why it does not hold; else empty
};

/// The run whose results are written.
struct CheckedRun {
  std::string run_id;
  std::string job;
  std::string partition;
  base::Time at;
};

/// The table `_checks`: docs/data_quality.md.
/// Threads: safe from any.
class ChecksTable {
 public:
  static base::Result<std::unique_ptr<ChecksTable>> open(const os::Path& root,
                                                         const lake::Tools& tools,
                                                         std::size_t files_max = 64);
  lake::Table& table() { return *table_; }

  struct Checked {
    CheckedRun run;
    std::vector<CheckResult> results;
  };
  /// Writes the results of runs in one commit.
  base::Result<void> add(const std::vector<Checked>& runs);

  /// The values that a check had in the last run of each of the newest `count` partitions other
  /// than `partition`, where that run's check did not fail.
  base::Result<std::vector<double>> values_before(const CheckedRun& run, const std::string& check,
                                                  int count);

  /// The partitions of a job for which a check failed the last time, and why.
  base::Result<std::map<std::string, std::string>> failed_last(const std::string& job,
                                                               const std::string& check);

 private:
  ChecksTable(std::unique_ptr<lake::Table> table, std::size_t files_max)
      : table_(std::move(table)), files_max_(files_max) {}

  const std::unique_ptr<lake::Table> table_;
  const std::size_t files_max_;  // more are compacted
};

}  // namespace millrace::batch
