#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "kinesis/fault.hpp"
#include "kinesis/operations.hpp"
#include "kinesis/sequence_number.hpp"

namespace millrace::kinesis {

using base::Code;
using base::Result;
using base::ShardId;
using base::Time;
using log::ShardInfo;

bool is_visible(const ShardInfo& shard, Time horizon) {
  return shard.is_open() || *shard.closed_at > horizon;
}

void write_shard(const log::Stream& stream, const log::StreamFile& file, ShardId shard,
                 DocumentWriter& out) {
  const auto& info = file.shards.at(shard);
  out.begin_object();
  out.text("ShardId", shard_name(shard));
  if (info.parent) out.text("ParentShardId", shard_name(*info.parent));
  if (info.adjacent_parent) out.text("AdjacentParentShardId", shard_name(*info.adjacent_parent));
  out.begin_object("HashKeyRange");
  out.text("StartingHashKey", log::decimal(info.range.first));
  out.text("EndingHashKey", log::decimal(info.range.last));
  out.end_object();
  out.begin_object("SequenceNumberRange");
  out.text("StartingSequenceNumber", SequenceNumber{shard, info.created_at, 0}.text());
  if (!info.is_open()) {
    out.text("EndingSequenceNumber",
             SequenceNumber::of(shard, info.created_at, stream.end(shard)).text());
  }
  out.end_object();
  out.end_object();
}

namespace {

/// Which shards a list is of.
struct Filter {
  std::string type;  ///< empty: all that are visible
  std::int64_t after = -1;
  Time time{};

  bool takes(const ShardInfo& shard, std::int64_t number, Time horizon) const {
    if (number <= after) return false;
    const auto was_open_at = [&](Time at) {
      return shard.created_at <= at && is_visible(shard, at);
    };
    if (type == "AT_LATEST") return shard.is_open();
    if (type == "AT_TRIM_HORIZON") return was_open_at(horizon);
    if (type == "AT_TIMESTAMP") return was_open_at(std::max(time, horizon));
    if (type == "FROM_TIMESTAMP") return is_visible(shard, std::max(time, horizon));
    return is_visible(shard, horizon);
  }
};

constexpr std::size_t kShardsListed = 1000;

std::string token_of(const Context& context, const Subject& subject, const Filter& filter) {
  Fields fields;
  fields.put(subject.name);
  fields.put(subject.stream->incarnation());
  fields.put(filter.type);
  fields.put(filter.after);
  fields.put(filter.time.time_since_epoch().count());
  return context.tokens.seal(TokenKind::Shards, fields.bytes(), context.clock.now());
}

Result<Filter> filter_of(const Call& call, const Subject& subject, const log::StreamFile& file) {
  Filter filter;
  if (const auto* start = call.text("ExclusiveStartShardId")) {
    filter.after = TRY(shard_of(call, subject, file, *start)).value();
  }
  const Value* asked = call.input().find("ShardFilter");
  if (!asked) return filter;
  filter.type = asked->find("Type")->text;
  const Value* shard = asked->find("ShardId");
  const Value* time = asked->find("Timestamp");
  if (filter.type == "AFTER_SHARD_ID") {
    if (!shard) {
      return fault(kInvalidArgument,
                   "ShardId must be specified when ShardFilter type is AFTER_SHARD_ID.");
    }
    filter.after = std::max(filter.after, TRY(shard_of(call, subject, file, shard->text)).value());
  } else if (filter.type.ends_with("TIMESTAMP")) {
    if (!time) {
      return fault(
          kInvalidArgument,
          fmt::format("Timestamp must be specified when ShardFilter type is {}.", filter.type));
    }
    filter.time = Time(std::chrono::microseconds(time->integer));
  }
  return filter;
}

// A list that is taken up again; `subject` becomes its stream.
Result<Filter> filter_of_token(const Context& context, const Call& call, Subject& subject) {
  const auto opened = context.tokens.open(TokenKind::Shards, *call.text("NextToken"));
  if (!opened) return fault(kInvalidArgument, "NextToken is invalid.");
  if (context.clock.now() - opened->sealed_at > std::chrono::minutes(5)) {
    return fault(kExpiredToken, "NextToken has expired.");
  }
  Fields fields(opened->content);
  subject.name = fields.text();
  const auto incarnation = fields.text();
  Filter filter{.type = fields.text()};
  filter.after = fields.number();
  filter.time = Time(std::chrono::microseconds(fields.number()));
  subject.stream = context.streams.find(subject.name);
  if (!fields.is_whole() || !subject.stream || subject.stream->incarnation() != incarnation) {
    return no_stream(call, subject.name);
  }
  return filter;
}

}  // namespace

Result<void> list_shards(const Context& context, const Call& call, DocumentWriter& out) {
  Subject subject;
  Filter filter;
  if (call.text("NextToken")) {
    if (call.text("StreamName") || call.text("StreamARN")) {
      return fault(kInvalidArgument, "NextToken and StreamName cannot be provided together.");
    }
    filter = TRY(filter_of_token(context, call, subject));
  } else {
    subject = TRY(subject_of(context, call));
    filter = TRY(filter_of(call, subject, *subject.stream->description()));
  }
  const auto file = subject.stream->description();
  const auto limit = std::min(
      kShardsListed, static_cast<std::size_t>(call.integer("MaxResults").value_or(kShardsListed)));
  const auto horizon = horizon_of(*file, context.clock.now());
  out.begin_object();
  out.begin_list("Shards");
  std::size_t written = 0;
  bool has_more = false;
  for (std::int64_t number = 0; number < file->shards.count(); ++number) {
    const ShardId shard(number);
    if (!filter.takes(file->shards.at(shard), number, horizon)) continue;
    has_more = written == limit;
    if (has_more) break;
    write_shard(*subject.stream, *file, shard, out);
    filter.after = number;
    ++written;
  }
  out.end_list();
  if (has_more) out.text("NextToken", token_of(context, subject, filter));
  out.end_object();
  return {};
}

namespace {

// The log's errors about resharding, in AWS' words.
base::Error resharding_fault(const base::Error& error) {
  if (error.code == Code::Exhausted) return fault(kLimitExceeded, error.message);
  return error;
}

}  // namespace

Result<void> split_shard(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  const auto subject = TRY(subject_of(context, call));
  const auto file = subject.stream->description();
  const auto shard = TRY(shard_of(call, subject, *file, *call.text("ShardToSplit")));
  const auto key = log::parse_decimal(*call.text("NewStartingHashKey"));
  const auto& info = file->shards.at(shard);
  if (!info.is_open()) {
    return fault(
        kInvalidArgument,
        fmt::format("Shard {} in stream {} under account {} is closed and cannot be split.",
                    shard_name(shard), subject.name, call.account().id));
  }
  if (!key || *key <= info.range.first || *key > info.range.last) {
    return fault(
        kInvalidArgument,
        fmt::format("NewStartingHashKey {} used in SplitShard() on shard {} in stream {} under "
                    "account {} is not both greater than one plus the shard's StartingHashKey {} "
                    "and less than the shard's EndingHashKey {}.",
                    *call.text("NewStartingHashKey"), shard_name(shard), subject.name,
                    call.account().id, log::decimal(info.range.first),
                    log::decimal(info.range.last)));
  }
  const auto done = subject.stream->split(shard, *key);
  if (!done) return resharding_fault(done.error());
  return {};
}

Result<void> merge_shards(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  const auto subject = TRY(subject_of(context, call));
  const auto file = subject.stream->description();
  const auto shard = TRY(shard_of(call, subject, *file, *call.text("ShardToMerge")));
  const auto adjacent = TRY(shard_of(call, subject, *file, *call.text("AdjacentShardToMerge")));
  const auto done = subject.stream->merge(shard, adjacent);
  if (done) return {};
  if (done.error().code != Code::Invalid) return resharding_fault(done.error());
  return fault(
      kInvalidArgument,
      fmt::format("Shards {} and {} in stream {} under account {} are not an adjacent pair "
                  "of shards eligible for merging.",
                  shard_name(shard), shard_name(adjacent), subject.name, call.account().id));
}

Result<void> update_shard_count(const Context& context, const Call& call, DocumentWriter& out) {
  const auto subject = TRY(subject_of(context, call));
  const std::int64_t target = *call.integer("TargetShardCount");
  const std::int64_t current = subject.stream->description()->shards.open_count();
  if (target > log::kOpenShardsMax) {
    return fault(kLimitExceeded,
                 fmt::format("TargetShardCount {} exceeds the limit of {} shards of a stream.",
                             target, log::kOpenShardsMax));
  }
  if (target > current * 2) {
    return fault(kInvalidArgument,
                 fmt::format("UpdateShardCount cannot scale up over double your current open shard "
                             "count. Current open shard count: {} Target shard count: {}",
                             current, target));
  }
  if (target < (current + 1) / 2) {
    return fault(
        kInvalidArgument,
        fmt::format("UpdateShardCount cannot scale down below half your current open shard "
                    "count. Current open shard count: {} Target shard count: {}",
                    current, target));
  }
  const auto done = subject.stream->spread(static_cast<int>(target));
  if (!done) return resharding_fault(done.error());
  out.begin_object();
  out.text("StreamName", subject.name);
  out.text("StreamARN", subject.arn);
  out.integer("CurrentShardCount", current);
  out.integer("TargetShardCount", target);
  out.end_object();
  return {};
}

}  // namespace millrace::kinesis
