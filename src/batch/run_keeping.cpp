#include "batch/run_keeping.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "batch/events.hpp"

namespace millrace::batch {
namespace {

constexpr auto kClaimLook = std::chrono::milliseconds(500);

}  // namespace

void keep_checks(ChecksTable& table, base::Telemetry telemetry, const std::string& job,
                 const std::vector<JudgedRun>& runs) {
  std::vector<ChecksTable::Checked> checked;
  for (const auto& [row, results] : runs) {
    for (const auto& result : results) events::checked(telemetry, row.job, result);
    checked.push_back({.run = {.run_id = row.run_id,
                               .job = row.job,
                               .partition = row.partition,
                               .at = row.ended_at},
                       .results = results});
  }
  if (const auto added = table.add(checked); !added) {
    events::checks_not_kept(telemetry, job, added.error().text());
  }
}

void keep_claims(const std::stop_token& stop, const std::function<void()>& renew) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    changed.wait_for(lock, stop, kClaimLook, [] { return false; });
    if (!stop.stop_requested()) renew();
  }
}

}  // namespace millrace::batch
