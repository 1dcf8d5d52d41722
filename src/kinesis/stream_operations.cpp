#include <fmt/format.h>

#include <algorithm>

#include "kinesis/fault.hpp"
#include "kinesis/operations.hpp"

namespace millrace::kinesis {

using base::Code;
using base::Result;
using std::chrono::hours;

namespace {

constexpr int kOnDemandShards = 4;
constexpr std::size_t kStreamsListed = 100;
constexpr std::size_t kShardsDescribed = 100;
constexpr std::int64_t kOnDemandStreamsMax = 256;
constexpr std::int64_t kRetentionHoursMin = 24;
constexpr std::int64_t kRetentionHoursMax = 8760;

std::int64_t retention_hours(const log::StreamFile& file) {
  return std::chrono::ceil<hours>(file.retention).count();
}

void write_mode(const log::StreamFile& file, DocumentWriter& out) {
  out.begin_object("StreamModeDetails");
  out.text("StreamMode", file.is_on_demand ? "ON_DEMAND" : "PROVISIONED");
  out.end_object();
}

// Over its life it is told no more than how it is called: shards are what was asked for.
bool is_on_demand(const Value* details) {
  return details && details->find("StreamMode")->text == "ON_DEMAND";
}

// What descriptions of a stream have in common.
void write_facts(const Subject& subject, const log::StreamFile& file, DocumentWriter& out) {
  out.text("StreamName", subject.name);
  out.text("StreamARN", subject.arn);
  out.text("StreamStatus", "ACTIVE");
  write_mode(file, out);
  out.integer("RetentionPeriodHours", retention_hours(file));
  out.time("StreamCreationTimestamp", file.created_at);
  out.begin_list("EnhancedMonitoring");
  out.begin_object();
  out.begin_list("ShardLevelMetrics");
  out.end_list();
  out.end_object();
  out.end_list();
  out.text("EncryptionType", "NONE");
}

std::uint64_t bytes_of_kib(std::int64_t kib) {
  return static_cast<std::uint64_t>(kib) << 10;
}

}  // namespace

Result<void> create_stream(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  const std::string& name = *call.text("StreamName");
  const bool on_demand = is_on_demand(call.input().find("StreamModeDetails"));
  const auto asked = call.integer("ShardCount");
  const std::int64_t shards = asked.value_or(on_demand ? kOnDemandShards : 1);
  if (shards > log::kOpenShardsMax) {
    return fault(
        kLimitExceeded,
        fmt::format("This request would exceed the shard limit of a stream ({}). Asked for "
                    "{} shards.",
                    log::kOpenShardsMax, shards));
  }
  if (context.streams.find(name)) {
    return fault(kResourceInUse, fmt::format("Stream {} under account {} already exists.", name,
                                             call.account().id));
  }
  const auto made = context.streams.create(name, static_cast<int>(shards));
  if (!made) {
    const auto& error = made.error();
    if (error.code == Code::Invalid) return fault(kResourceInUse, error.message);
    if (error.code == Code::Exhausted) return fault(kLimitExceeded, error.message);
    return error;
  }
  const Value* tags = call.input().find("Tags");
  const auto size = call.integer("MaxRecordSizeInKiB");
  if (!tags && !size && !on_demand) return {};
  return (*made)->change([&](log::StreamFile& file) -> Result<void> {
    file.is_on_demand = on_demand;
    if (size) file.record_bytes_max = bytes_of_kib(*size);
    for (std::size_t i = 0; tags && i < tags->keys.size(); ++i) {
      file.tags[tags->keys[i]] = tags->items[i].text;
    }
    return {};
  });
}

Result<void> delete_stream(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  const auto subject = TRY(subject_of(context, call));
  const Value* enforce = call.input().find("EnforceConsumerDeletion");
  const auto consumers = subject.stream->description()->consumers.size();
  if (consumers > 0 && !(enforce && enforce->boolean)) {
    return fault(kResourceInUse,
                 fmt::format("Stream {} has {} registered consumers: deregister them, or set "
                             "EnforceConsumerDeletion.",
                             subject.name, consumers));
  }
  const auto removed = context.streams.remove(subject.name);
  if (!removed && removed.error().code == Code::Denied) {
    return fault(kResourceInUse,
                 fmt::format("Stream {} is a source of the pipeline file and cannot be deleted.",
                             subject.name));
  }
  return removed;
}

Result<void> describe_stream(const Context& context, const Call& call, DocumentWriter& out) {
  const auto subject = TRY(subject_of(context, call));
  const auto file = subject.stream->description();
  const auto limit = std::min<std::size_t>(
      static_cast<std::size_t>(call.integer("Limit").value_or(kShardsDescribed)), 10000);
  std::int64_t next = 0;
  if (const auto* start = call.text("ExclusiveStartShardId")) {
    next = TRY(shard_of(call, subject, *file, *start)).value() + 1;
  }
  const auto horizon = horizon_of(*file, context.clock.now());
  out.begin_object();
  out.begin_object("StreamDescription");
  write_facts(subject, *file, out);
  out.begin_list("Shards");
  std::size_t written = 0;
  bool has_more = false;
  for (; next < file->shards.count() && !has_more; ++next) {
    const base::ShardId shard(next);
    if (!is_visible(file->shards.at(shard), horizon)) continue;
    has_more = written == limit;
    if (has_more) break;
    write_shard(*subject.stream, *file, shard, out);
    ++written;
  }
  out.end_list();
  out.boolean("HasMoreShards", has_more);
  out.end_object();
  out.end_object();
  return {};
}

Result<void> describe_stream_summary(const Context& context, const Call& call,
                                     DocumentWriter& out) {
  const auto subject = TRY(subject_of(context, call));
  const auto file = subject.stream->description();
  out.begin_object();
  out.begin_object("StreamDescriptionSummary");
  write_facts(subject, *file, out);
  out.integer("OpenShardCount", file->shards.open_count());
  out.integer("ConsumerCount", std::ssize(file->consumers));
  out.integer("MaxRecordSizeInKiB", static_cast<std::int64_t>(file->record_bytes_max >> 10));
  out.end_object();
  out.end_object();
  return {};
}

Result<void> list_streams(const Context& context, const Call& call, DocumentWriter& out) {
  const auto limit = std::min<std::size_t>(
      static_cast<std::size_t>(call.integer("Limit").value_or(kStreamsListed)), 10000);
  std::string after;
  if (const auto* start = call.text("ExclusiveStartStreamName")) after = *start;
  if (const auto* token = call.text("NextToken")) {
    const auto opened = context.tokens.open(TokenKind::Streams, *token);
    if (!opened) return fault(kInvalidArgument, "NextToken is invalid.");
    if (context.clock.now() - opened->sealed_at > std::chrono::minutes(5)) {
      return fault(kExpiredToken, "NextToken has expired.");
    }
    after = opened->content;
  }
  auto names = context.streams.names();
  std::erase_if(names, [&](const std::string& name) { return name <= after; });
  const bool has_more = names.size() > limit;
  if (has_more) names.resize(limit);
  out.begin_object();
  out.begin_list("StreamNames");
  for (const auto& name : names) out.text(name);
  out.end_list();
  out.begin_list("StreamSummaries");
  for (const auto& name : names) {
    const auto stream = context.streams.find(name);
    if (!stream) continue;
    out.begin_object();
    out.text("StreamName", name);
    out.text("StreamARN", stream_arn(call.account(), name));
    out.text("StreamStatus", "ACTIVE");
    const auto file = stream->description();
    write_mode(*file, out);
    out.time("StreamCreationTimestamp", file->created_at);
    out.end_object();
  }
  out.end_list();
  out.boolean("HasMoreStreams", has_more);
  if (has_more) {
    out.text("NextToken",
             context.tokens.seal(TokenKind::Streams, names.back(), context.clock.now()));
  }
  out.end_object();
  return {};
}

Result<void> describe_limits(const Context& context, const Call& /*call*/, DocumentWriter& out) {
  std::int64_t open = 0;
  std::int64_t on_demand = 0;
  for (const auto& name : context.streams.names()) {
    if (const auto stream = context.streams.find(name)) {
      const auto file = stream->description();
      open += file->shards.open_count();
      on_demand += file->is_on_demand ? 1 : 0;
    }
  }
  out.begin_object();
  out.integer("ShardLimit", 256 * log::kOpenShardsMax);
  out.integer("OpenShardCount", open);
  out.integer("OnDemandStreamCount", on_demand);
  out.integer("OnDemandStreamCountLimit", kOnDemandStreamsMax);
  out.end_object();
  return {};
}

namespace {

enum class Way : std::uint8_t { Longer, Shorter };

Result<void> change_retention(const Context& context, const Call& call, Way way) {
  const auto subject = TRY(subject_of(context, call));
  const std::int64_t asked = *call.integer("RetentionPeriodHours");
  if (asked < kRetentionHoursMin || asked > kRetentionHoursMax) {
    return fault(kInvalidArgument,
                 fmt::format("Retention period hours {} must be between {} hours and {} hours.",
                             asked, kRetentionHoursMin, kRetentionHoursMax));
  }
  return subject.stream->change([&](log::StreamFile& file) -> Result<void> {
    const auto now = retention_hours(file);
    if (way == Way::Longer ? asked < now : asked > now) {
      return fault(kInvalidArgument,
                   fmt::format("Requested retention period ({} hours) for stream {} can not be {} "
                               "than existing retention period ({} hours). Use "
                               "{}StreamRetentionPeriod API.",
                               asked, subject.name, way == Way::Longer ? "shorter" : "longer", now,
                               way == Way::Longer ? "Decrease" : "Increase"));
    }
    file.retention = hours(asked);
    return {};
  });
}

}  // namespace

Result<void> increase_retention(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  return change_retention(context, call, Way::Longer);
}

Result<void> decrease_retention(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  return change_retention(context, call, Way::Shorter);
}

Result<void> update_record_size(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  const auto subject = TRY(subject_of(context, call));
  return subject.stream->change([&](log::StreamFile& file) -> Result<void> {
    file.record_bytes_max = bytes_of_kib(*call.integer("MaxRecordSizeInKiB"));
    return {};
  });
}

Result<void> update_mode(const Context& context, const Call& call, DocumentWriter& /*out*/) {
  const auto subject = TRY(subject_of(context, call));
  return subject.stream->change([&](log::StreamFile& file) -> Result<void> {
    file.is_on_demand = is_on_demand(call.input().find("StreamModeDetails"));
    return {};
  });
}

}  // namespace millrace::kinesis
