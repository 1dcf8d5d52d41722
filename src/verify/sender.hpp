#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "base/result.hpp"
#include "http/message.hpp"
#include "verify/generator.hpp"
#include "verify/latencies.hpp"

namespace millrace::verify {

/// Positions of one shard, half open.
struct OffsetRange {
  base::ShardId shard;
  base::Offset first;
  base::Offset end;
  bool operator==(const OffsetRange&) const = default;
};

/// Records of the generator that went in one body: `count` of them from `first` on.
struct BodyRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

struct SendOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string stream = "orders";
  http::Headers headers = {};                ///< more of them, a token for example
  std::optional<std::uint64_t> count;        ///< none: until stopped
  std::uint64_t records_per_body = 1;        ///< at most
  std::chrono::microseconds linger{10'000};  ///< a body's first record waits at most so long for
                                             ///< others
  std::size_t connections = 16;
  bool is_paced = true;  ///< by the schedule; else each connection sends as fast as it is answered
  std::chrono::microseconds give_up_after{60'000'000};  ///< retries of one body
  /// Called for each acknowledged body, on the connections' threads.
  std::function<void(BodyRange, const std::vector<OffsetRange>&)> on_acknowledged = {};
};

/// What became of the records so far, or in the end.
struct SendReport {
  std::uint64_t records_sent = 0;          ///< at least once
  std::uint64_t records_acknowledged = 0;  ///< with a position for each
  std::uint64_t records_failed = 0;
  std::uint64_t slow_downs = 0;           ///< answers that said to come again later: 429 and 503
  std::uint64_t resent_unsure = 0;        ///< bodies sent again that may have been accepted before
  std::vector<BodyRange> failed;          ///< what was given up
  std::vector<std::string> errors;        ///< why: the first few
  std::vector<OffsetRange> acknowledged;  ///< joined, in the order of shards and offsets
  Latencies calm;                         ///< from the time a record was due to its acknowledgement
  Latencies burst;                        ///< the same, of records that were due in a burst
  std::chrono::microseconds behind_max{0};  ///< how late after its time a body was first sent
  std::chrono::microseconds elapsed{0};
};

/// Sends the generator's records to `POST /v1/streams/{stream}/records`. Bodies leave when they are
/// due, however slow the answers to earlier ones are, as long as a connection is free; latencies
/// count from the due time, so that waiting for a connection is not lost from sight (coordinated
/// omission). A body is sent again, unchanged, after 429 and 503 (when Retry-After says), after
/// other 5xx and after a broken connection.
/// `watch` is called about ten times a second with what became of the records so far, without
/// `acknowledged`.
/// Errors  Invalid: an option out of range. Records that could not be delivered are no error here.
base::Result<SendReport> send_records(const Generator& generator, const SendOptions& options,
                                      const base::Clock& clock, const std::stop_token& stop = {},
                                      const std::function<void(const SendReport&)>& watch = {});

/// Reads `{"records":3,"shards":[{"shard":0,"first":17,"end":20}]}`.
/// Errors  Corrupt: another shape, or not `expected` positions in all.
base::Result<std::vector<OffsetRange>> read_acknowledgement(std::string_view body,
                                                            std::uint64_t expected);

/// The same positions in as few ranges as possible, sorted.
std::vector<OffsetRange> joined(std::vector<OffsetRange> ranges);

}  // namespace millrace::verify
