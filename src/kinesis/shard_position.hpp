#pragma once

#include <optional>
#include <string>

#include "kinesis/call.hpp"

namespace millrace::kinesis {

/// Where a reader begins in a shard, as GetShardIterator and SubscribeToShard ask for it.
struct StartingPosition {
  std::string type;  ///< AT_SEQUENCE_NUMBER, …
  const std::string* sequence_number = nullptr;
  std::optional<base::Time> time;
};

/// The offset of a position now; never one that is no longer retained.
/// Errors  InvalidArgumentException: what the type needs is missing, or another shard's.
base::Result<base::Offset> resolve(const Context& context, const Subject& subject,
                                   base::ShardId shard, const StartingPosition& position);

/// Where a shard iterator points to.
struct Cursor {
  Subject subject;
  base::ShardId shard;
  base::Offset next;
};

std::string iterator_of(const Context& context, const Cursor& cursor);
/// Errors  ExpiredIteratorException; InvalidArgumentException: it is none of ours.
/// ResourceNotFoundException: the stream is gone, or was made anew.
base::Result<Cursor> cursor_of(const Context& context, const Call& call, const std::string& token);

/// What was read of a shard, to be written as an answer or an event.
struct Page {
  base::RecordBatch batch;
  std::int64_t millis_behind = 0;
  bool is_finished = false;  ///< the shard is closed, and this was its end
};
/// Reads on; moves `cursor` behind what was read.
base::Result<Page> read_page(const Context& context, Cursor& cursor, std::size_t records_max);

void write_records(const Cursor& cursor, const Page& page, DocumentWriter& out);
/// `"ChildShards": […]`
void write_children(const Cursor& cursor, DocumentWriter& out);

}  // namespace millrace::kinesis
