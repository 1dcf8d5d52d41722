#include "kinesis/shard_position.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "kinesis/fault.hpp"
#include "kinesis/sequence_number.hpp"

namespace millrace::kinesis {

using base::Code;
using base::Offset;
using base::Result;
using base::ShardId;

namespace {

constexpr auto kIteratorLife = std::chrono::minutes(5);
constexpr std::uint64_t kPageBytes = std::uint64_t{10} << 20;

Result<Offset> of_sequence_number(const Subject& subject, ShardId shard,
                                  const StartingPosition& position) {
  if (!position.sequence_number) {
    return fault(
        kInvalidArgument,
        fmt::format("Must either specify (1) AT_SEQUENCE_NUMBER and StartingSequenceNumber "
                    "or (2) AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (3) "
                    "TRIM_HORIZON and no StartingSequenceNumber or (4) LATEST and no "
                    "StartingSequenceNumber or (5) AT_TIMESTAMP and Timestamp; type {} came "
                    "without one.",
                    position.type));
  }
  const auto number = SequenceNumber::parse(*position.sequence_number);
  const auto file = subject.stream->description();
  const auto created = std::chrono::floor<std::chrono::seconds>(file->shards.at(shard).created_at);
  if (number && number->shard != shard) {
    return fault(
        kInvalidArgument,
        fmt::format("Invalid StartingSequenceNumber. It encodes {}, while it was used in a "
                    "call to a shard with {}",
                    shard_name(number->shard), shard_name(shard)));
  }
  if (!number || number->shard_created_at != created) {
    return fault(kInvalidArgument,
                 fmt::format("StartingSequenceNumber {} used in GetShardIterator on shard {} in "
                             "stream {} is invalid.",
                             *position.sequence_number, shard_name(shard), subject.name));
  }
  return position.type == "AT_SEQUENCE_NUMBER" ? number->offset() : number->offset_after();
}

}  // namespace

Result<Offset> resolve(const Context& context, const Subject& subject, ShardId shard,
                       const StartingPosition& position) {
  const auto& stream = *subject.stream;
  Offset offset = stream.oldest(shard);
  if (position.type == "LATEST") offset = stream.end(shard);
  if (position.type == "AT_TIMESTAMP") {
    if (!position.time) {
      return fault(kInvalidArgument, "Must specify Timestamp with the type AT_TIMESTAMP.");
    }
    if (*position.time > context.clock.now() + std::chrono::seconds(1)) {
      return fault(kInvalidArgument, "The timestamp argument is in the future.");
    }
    offset = TRY(stream.offset_at(shard, *position.time));
  }
  if (position.type.ends_with("SEQUENCE_NUMBER")) {
    offset = TRY(of_sequence_number(subject, shard, position));
  }
  return std::clamp(offset, stream.oldest(shard), stream.end(shard));
}

std::string iterator_of(const Context& context, const Cursor& cursor) {
  Fields fields;
  fields.put(cursor.subject.name);
  fields.put(cursor.subject.stream->incarnation());
  fields.put(cursor.shard.value());
  fields.put(cursor.next.value());
  return context.tokens.seal(TokenKind::ShardIterator, fields.bytes(), context.clock.now());
}

Result<Cursor> cursor_of(const Context& context, const Call& call, const std::string& token) {
  const auto opened = context.tokens.open(TokenKind::ShardIterator, token);
  if (!opened) return fault(kInvalidArgument, "Invalid ShardIterator.");
  const auto age = context.clock.now() - opened->sealed_at;
  if (age > kIteratorLife) {
    return fault(
        kExpiredIterator,
        fmt::format("Iterator expired. The iterator was created at time {} while right now "
                    "it is {} which is further in the future than the tolerated delay of "
                    "300000 milliseconds.",
                    base::format_time(opened->sealed_at), base::format_time(context.clock.now())));
  }
  Fields fields(opened->content);
  const auto name = fields.text();
  const auto incarnation = fields.text();
  const ShardId shard(fields.number());
  const Offset next(fields.number());
  auto stream = context.streams.find(name);
  if (!fields.is_whole() || !stream || stream->incarnation() != incarnation) {
    return no_stream(call, name);
  }
  return Cursor{{std::move(stream), name, stream_arn(call.account(), name)}, shard, next};
}

Result<Page> read_page(const Context& context, Cursor& cursor, std::size_t records_max) {
  const auto& stream = *cursor.subject.stream;
  // In this order: what is closed has its end.
  const auto file = stream.description();
  Page page;
  for (;;) {
    cursor.next = std::max(cursor.next, stream.oldest(cursor.shard));
    auto read = stream.read(cursor.shard, cursor.next, kPageBytes);
    if (read) {
      page.batch = std::move(read).value();
      break;
    }
    if (read.error().code != Code::Exhausted) return std::move(read).error();
    // Retention dropped it just now: on with what is the oldest then.
  }
  auto& records = page.batch.records;
  if (records.size() > records_max) records.resize(records_max);
  if (!records.empty()) cursor.next = records.back().offset.next();
  const auto end = stream.end(cursor.shard);
  page.is_finished = !file->shards.at(cursor.shard).is_open() && cursor.next >= end;
  if (cursor.next < end && !records.empty()) {
    const auto behind = context.clock.now() - records.back().received_at;
    page.millis_behind = std::max<std::int64_t>(
        0, std::chrono::duration_cast<std::chrono::milliseconds>(behind).count());
  }
  return page;
}

void write_records(const Cursor& cursor, const Page& page, DocumentWriter& out) {
  const auto file = cursor.subject.stream->description();
  const auto created_at = file->shards.at(cursor.shard).created_at;
  out.begin_list("Records");
  for (const auto& record : page.batch.records) {
    out.begin_object();
    out.text("SequenceNumber", SequenceNumber::of(cursor.shard, created_at, record.offset).text());
    out.time("ApproximateArrivalTimestamp", record.received_at);
    out.key("Data");
    out.blob(record.bytes);
    out.text("PartitionKey", record.partition_key);
    out.end_object();
  }
  out.end_list();
}

void write_children(const Cursor& cursor, DocumentWriter& out) {
  const auto file = cursor.subject.stream->description();
  out.begin_list("ChildShards");
  for (const auto child : file->shards.children(cursor.shard)) {
    const auto& info = file->shards.at(child);
    out.begin_object();
    out.text("ShardId", shard_name(child));
    out.begin_list("ParentShards");
    if (info.parent) out.text(shard_name(*info.parent));
    if (info.adjacent_parent) out.text(shard_name(*info.adjacent_parent));
    out.end_list();
    out.begin_object("HashKeyRange");
    out.text("StartingHashKey", log::decimal(info.range.first));
    out.text("EndingHashKey", log::decimal(info.range.last));
    out.end_object();
    out.end_object();
  }
  out.end_list();
}

}  // namespace millrace::kinesis
