#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/record.hpp"
#include "flow/reject.hpp"
#include "sql/chunk.hpp"

namespace millrace::flow {

/// What was durably there when the worker looked: the records of some shards of one source, decoded
/// once for all tables that read it.
struct MicroBatch {
  std::string source;
  std::string incarnation;
  std::vector<base::RecordBatch> batches;                 ///< one per shard at most
  std::vector<base::Offset> first;                        ///< of each of `batches`: where it starts
  std::vector<std::shared_ptr<const sql::Chunk>> chunks;  ///< the rows, in the order of the batches
  std::vector<std::optional<base::Time>> newest_events;   ///< of each of `batches`
  std::vector<Reject> undecoded;
  std::optional<ReplayPart> replay;  ///< set: its records are a replay's

  /// The record at a position; null if it is not in the batch.
  const base::Record* find(base::ShardId shard, base::Offset offset) const;
  std::optional<base::Time> newest_event(base::ShardId shard) const;
};

}  // namespace millrace::flow
