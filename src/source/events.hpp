#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/telemetry.hpp"

namespace millrace::source::events {

void files_found(base::Telemetry telemetry, const std::string& source, std::size_t count,
                 const std::string& first);
void file_finished(base::Telemetry telemetry, const std::string& source, const std::string& file,
                   std::uint64_t bytes);
void records_read(base::Telemetry telemetry, const std::string& source, std::uint64_t records,
                  std::uint64_t bytes);
/// New files cannot be looked for.
void look_failed(base::Telemetry telemetry, const std::string& source, const std::string& error);
/// A file that was read to its end is another one now; what it holds is not read again.
void file_changed_too_late(base::Telemetry telemetry, const std::string& source,
                           const std::string& file, const std::string& how);
void file_grew_too_late(base::Telemetry telemetry, const std::string& source,
                        const std::string& file);

/// Of Kinesis: a page was taken.
void records_fetched(base::Telemetry telemetry, const std::string& source, std::int64_t records,
                     std::uint64_t bytes);
/// How much older than now the newest record is that was fetched of a shard.
void behind(base::Telemetry telemetry, const std::string& source, std::int64_t shard,
            std::chrono::milliseconds behind);
/// `is_first`: it went well before; only then there is a log line.
void fetch_failed(base::Telemetry telemetry, const std::string& source, bool is_throttled,
                  bool is_first, const base::Error& error);
void shard_ended(base::Telemetry telemetry, const std::string& source, const std::string& shard,
                 std::int64_t position);
/// The operator wanted reading to go on behind records that are no longer retained.
void records_lost(base::Telemetry telemetry, const std::string& source, const std::string& shard,
                  std::int64_t position);
/// Of Kafka: records without a value were passed over.
void tombstones_skipped(base::Telemetry telemetry, const std::string& source, std::int64_t count);
/// The topic has more partitions than before.
void partitions_found(base::Telemetry telemetry, const std::string& source, std::size_t count,
                      std::size_t all);
/// How many partitions of a shared topic are ours, and how often more some came or went.
void shared(base::Telemetry telemetry, const std::string& source, std::size_t owned,
            std::uint64_t more_rebalances);
/// Tables know the source, its state folder does not.
void state_lost(base::Telemetry telemetry, const std::string& source);

}  // namespace millrace::source::events
