#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/telemetry.hpp"
#include "flow/reject.hpp"
#include "flow/table_flow.hpp"

namespace millrace::flow::events {

void processed(base::Telemetry telemetry, const std::string& table, const Counts& counts,
               const std::vector<Reject>& rejects);
void halted(base::Telemetry telemetry, const std::string& table, const std::string& why);
void committed(base::Telemetry telemetry, const std::string& table, const Counts& counts,
               std::chrono::nanoseconds took);
void commit_failed(base::Telemetry telemetry, const std::string& table, const base::Error& error);
void maintenance_failed(base::Telemetry telemetry, const std::string& table,
                        const base::Error& error);
void micro_batch(base::Telemetry telemetry, const std::string& source, std::size_t records,
                 std::chrono::nanoseconds took);
/// The log has it only if it `is_new`.
void micro_batch_failed(base::Telemetry telemetry, const std::string& source,
                        const base::Error& error, bool is_new = true);
void source_accepted(base::Telemetry telemetry, const std::string& table, const std::string& source,
                     const std::string& incarnation);
/// Another worker had moved a shard that a commit would have moved.
void fenced(base::Telemetry telemetry, const std::string& source, const std::string& why);
/// `gained` and `kept` are numbers of shards that this worker has now.
void share_taken(base::Telemetry telemetry, const std::string& source, std::size_t gained,
                 std::size_t kept, std::size_t all);
/// A store was asked for the claims of so many keys.
void claimed(base::Telemetry telemetry, const std::string& table, std::size_t keys,
             std::chrono::nanoseconds took);
/// A record of `key` had claimed it, and never came into the table.
void claim_taken_over(base::Telemetry telemetry, const std::string& table, const std::string& key);
/// The positions before `next` belong to no record: whoever had given them away is gone.
void passed_over(base::Telemetry telemetry, const std::string& app_id, std::int64_t next);
/// What other workers committed could not be looked at; `is_first`: it could before.
void follow_failed(base::Telemetry telemetry, bool is_first, const base::Error& error);
/// The position of `app_id` was moved by who did not count.
void counts_begun_anew(base::Telemetry telemetry, const std::string& app_id, std::int64_t counted,
                       std::int64_t position);
void stopped(base::Telemetry telemetry, const std::string& source, const base::Error& error);
void gauges(base::Telemetry telemetry, const std::string& table, std::int64_t hot_rows,
            std::uint64_t hot_bytes, std::int64_t lag_records);

}  // namespace millrace::flow::events
