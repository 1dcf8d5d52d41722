#include "log/stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <utility>

#include "log/stream_state.hpp"

namespace millrace::log {

using base::Code;
using base::Error;
using base::Offset;
using base::Result;
using base::ShardId;

namespace {

Result<void> check(const StreamOptions& options) {
  const auto refuse = [&](std::string_view what, auto value, std::string_view range) {
    return Error{Code::Invalid, fmt::format("stream '{}': {} is {}; it must be {}", options.name,
                                            what, value, range)};
  };
  if (options.shards < 1 || options.shards > kOpenShardsMax) {
    return refuse("shards", options.shards, fmt::format("from 1 to {}", kOpenShardsMax));
  }
  if (options.retention_bytes < kRetentionBytesMin) {
    return refuse("retention_bytes", options.retention_bytes,
                  fmt::format("{} at least", kRetentionBytesMin));
  }
  if (options.record_bytes_max < 1 || options.record_bytes_max > kRecordBytesMax) {
    return refuse("record_bytes_max", options.record_bytes_max,
                  fmt::format("from 1 to {}", kRecordBytesMax));
  }
  if (options.segment_bytes < 1 || options.queue_bytes_max < 1) {
    return refuse("segment_bytes or queue_bytes_max", 0, "1 at least");
  }
  return {};
}

std::optional<Error> check_records(const StreamOptions& options,
                                   const std::vector<NewRecord>& records, std::uint64_t& bytes,
                                   int shard_count) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const std::uint64_t size = records[i].partition_key.size() + records[i].bytes.size();
    if (size > options.record_bytes_max) {
      return Error{Code::Invalid,
                   fmt::format("record {} of the append has {} bytes with its key; {} is the limit",
                               i, size, options.record_bytes_max)};
    }
    if (records[i].shard.value() < 0 || records[i].shard.value() >= shard_count) {
      return Error{Code::Invalid, fmt::format("stream '{}' has {} shards, no shard {}",
                                              options.name, shard_count, records[i].shard.value())};
    }
    bytes += size;
  }
  if (bytes > std::min(options.retention_bytes, kAppendBytesMax)) {
    return Error{Code::Invalid, fmt::format("an append of {} bytes is more than stream '{}' takes",
                                            bytes, options.name)};
  }
  return std::nullopt;
}

}  // namespace

Stream::Stream(std::unique_ptr<State> state) : state_(std::move(state)) {}
Stream::~Stream() = default;

Result<std::unique_ptr<Stream>> Stream::open(os::Path folder, StreamOptions options,
                                             const Tools& tools) {
  TRY(check(options));
  const auto start = tools.clock.steady_now();
  auto state = std::make_unique<State>(std::move(folder), std::move(options), tools);
  auto file = TRY(
      open_stream_file(tools.disk, state->folder, state->options, tools.random, tools.clock.now()));
  const auto map = std::make_shared<const ShardMap>(file.shards);
  const auto retention_time = file.retention;
  state->incarnation = file.incarnation;
  state->publish(std::move(file));
  TRY(state->open_shards(*map));
  std::size_t segments = 0;
  for (std::size_t i = 0; i < state->shards.size(); ++i) {
    segments += state->shards[i].segment_count();
  }
  state->events.opened(
      state->description()->incarnation, segments,
      std::chrono::duration_cast<std::chrono::microseconds>(tools.clock.steady_now() - start));
  state->writer = std::make_unique<Writer>(Writer::Parts{.options = state->options,
                                                         .retention_time = retention_time,
                                                         .shards = state->shards,
                                                         .map = map,
                                                         .clock = tools.clock,
                                                         .events = state->events});
  return std::unique_ptr<Stream>(new Stream(std::move(state)));
}

namespace {

// Those whose shard was closed go where their keys belong now.
void reroute(const ShardMap& map, std::vector<NewRecord>& records) {
  for (auto& record : records) {
    if (!map.at(record.shard).is_open()) record.shard = map.route(record.hash_key);
  }
}

}  // namespace

void Stream::append(std::vector<NewRecord> records, std::shared_ptr<const void> owner,
                    Appended appended) {
  PendingAppend append{.records = std::move(records),
                       .owner = std::move(owner),
                       .appended = std::move(appended),
                       .map = {},
                       .received_at = state_->tools.clock.now(),
                       .bytes = 0};
  do {
    append.map = state_->writer->map();
    append.bytes = 0;
    if (auto error =
            check_records(state_->options, append.records, append.bytes, append.map->count())) {
      return append.appended(std::move(*error), append.records);
    }
    if (append.records.empty()) return append.appended(std::vector<OffsetRange>(), {});
    reroute(*append.map, append.records);
  } while (!state_->writer->append(append));
}

Result<std::vector<OffsetRange>> Stream::append_and_wait(std::vector<NewRecord> records) {
  std::promise<Result<std::vector<OffsetRange>>> promise;
  append(std::move(records), nullptr, [&](Result<std::vector<OffsetRange>> result, auto) {
    promise.set_value(std::move(result));
  });
  return promise.get_future().get();
}

std::shared_ptr<const StreamFile> Stream::description() const {
  return state_->description();
}

std::shared_ptr<const ShardMap> Stream::shard_map() const {
  return state_->writer->map();
}

Stream::Place Stream::place(const ShardMap& map, std::string_view partition_key) const {
  const HashKey key = partition_key.empty()
                          ? map.key_in_turn(state_->turn.fetch_add(1, std::memory_order_relaxed))
                          : hash_key_of(partition_key);
  return {.shard = map.route(key), .hash_key = key};
}

ShardId Stream::shard_of(std::string_view partition_key) const {
  return place(*shard_map(), partition_key).shard;
}

const std::string& Stream::incarnation() const {
  return state_->incarnation;
}

Origin Stream::origin() const {
  return state_->options.origin;
}

int Stream::shard_count() const {
  return state_->description()->shards.count();
}

Offset Stream::oldest(ShardId shard) const {
  return state_->shard(shard).oldest();
}

Offset Stream::end(ShardId shard) const {
  return state_->shard(shard).end();
}

Result<base::RecordBatch> Stream::read(ShardId shard, Offset from, std::uint64_t bytes_max) const {
  return state_->shard(shard).read(from, bytes_max);
}

Result<Offset> Stream::offset_at(ShardId shard, base::Time time) const {
  constexpr std::uint64_t kReadBytes = 1_MiB;
  for (Offset at = state_->shard(shard).near(time);;) {
    const auto batch = TRY(read(shard, at, kReadBytes));
    for (const auto& record : batch.records) {
      if (record.received_at >= time) return record.offset;
    }
    if (batch.records.empty()) return at;
    at = batch.next;
  }
}

bool Stream::wait_beyond(std::span<const Offset> positions, std::chrono::microseconds timeout,
                         std::stop_token stop) const {
  const auto is_there = [&] {
    for (std::size_t i = 0; i < std::min(positions.size(), state_->shards.size()); ++i) {
      if (state_->shards[i].end() > positions[i]) return true;
    }
    return false;
  };
  return state_->writer->wait(is_there, timeout, std::move(stop));
}

Result<void> Stream::release(std::span<const Offset> positions) {
  if (positions.size() > state_->shards.size()) {
    return Error{Code::Invalid, fmt::format("{} positions were released of a stream of {} shards",
                                            positions.size(), state_->shards.size())};
  }
  state_->writer->release(positions);
  return {};
}

StreamStatus Stream::status() const {
  StreamStatus status = state_->writer->status();
  for (int i = 0; i < shard_count(); ++i) {
    const Shard& shard = state_->shard(ShardId(i));
    status.shards.push_back({.oldest = shard.oldest(), .end = shard.end(), .bytes = shard.bytes()});
  }
  return status;
}

void Stream::close() {
  state_->writer->close();
}

}  // namespace millrace::log
