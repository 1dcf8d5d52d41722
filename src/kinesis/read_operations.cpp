#include "kinesis/fault.hpp"
#include "kinesis/operations.hpp"
#include "kinesis/shard_position.hpp"

namespace millrace::kinesis {

using base::Result;

namespace {

constexpr std::int64_t kRecordsMax = 10000;

}  // namespace

Result<void> get_shard_iterator(const Context& context, const Call& call, DocumentWriter& out) {
  const auto subject = TRY(subject_of(context, call));
  const auto shard =
      TRY(shard_of(call, subject, *subject.stream->description(), *call.text("ShardId")));
  const auto next = TRY(resolve(context, subject, shard,
                                {.type = *call.text("ShardIteratorType"),
                                 .sequence_number = call.text("StartingSequenceNumber"),
                                 .time = call.time("Timestamp")}));
  out.begin_object();
  out.text("ShardIterator", iterator_of(context, {subject, shard, next}));
  out.end_object();
  return {};
}

Result<void> get_records(const Context& context, const Call& call, DocumentWriter& out) {
  auto cursor = TRY(cursor_of(context, call, *call.text("ShardIterator")));
  const auto limit = static_cast<std::size_t>(call.integer("Limit").value_or(kRecordsMax));
  const auto page = TRY(read_page(context, cursor, limit));
  out.begin_object();
  write_records(cursor, page, out);
  if (page.is_finished) {
    write_children(cursor, out);
  } else {
    out.text("NextShardIterator", iterator_of(context, cursor));
  }
  out.integer("MillisBehindLatest", page.millis_behind);
  out.end_object();
  return {};
}

}  // namespace millrace::kinesis
