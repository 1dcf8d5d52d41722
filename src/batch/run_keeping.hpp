#pragma once

#include <functional>
#include <stop_token>
#include <vector>

#include "base/telemetry.hpp"
#include "batch/checks_table.hpp"
#include "batch/run_row.hpp"

namespace millrace::batch {

/// A run that has ended, and what was judged of its result.
struct JudgedRun {
  const RunRow& row;
  const std::vector<CheckResult>& checks;
};
/// Tells what was judged and writes it into `_checks`, in one commit; that it could not be written
/// is told as well.
void keep_checks(ChecksTable& table, base::Telemetry telemetry, const std::string& job,
                 const std::vector<JudgedRun>& runs);

/// Calls `renew`, which looks whether claims are due, twice a second until a stop is asked for.
void keep_claims(const std::stop_token& stop, const std::function<void()>& renew);

}  // namespace millrace::batch
