#include "log/stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <future>

#include "log/stream_file.hpp"
#include "log/writer.hpp"

namespace millrace::log {

using base::Code;
using base::Error;
using base::Offset;
using base::Result;
using base::ShardId;

class Stream::State {
 public:
  State(StreamOptions options_in, const Tools& tools)
      : options(std::move(options_in)), clock(tools.clock), events(tools.telemetry, options.name) {}

  const Shard& shard(ShardId id) const { return *shards.at(static_cast<std::size_t>(id.value())); }

  const StreamOptions options;
  const base::Clock& clock;
  Events events;
  StreamFile file;
  Writer::Shards shards;
  mutable std::atomic<std::uint64_t> turn{0};
  std::unique_ptr<Writer> writer;
};

namespace {

Result<void> check(const StreamOptions& options) {
  const auto refuse = [&](std::string_view what, auto value, std::string_view range) {
    return Error{Code::Invalid, fmt::format("stream '{}': {} is {}; it must be {}", options.name,
                                            what, value, range)};
  };
  if (options.shards < 1 || options.shards > kShardsMax) {
    return refuse("shards", options.shards, fmt::format("from 1 to {}", kShardsMax));
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
  auto state = std::make_unique<State>(std::move(options), tools);
  const StreamOptions& settings = state->options;
  state->file = TRY(open_stream_file(tools.disk, folder, settings.shards, tools.random));
  // So that a small log too has segments that can go while others fill.
  const std::uint64_t segment_bytes_max =
      settings.retention_bytes / 4 / static_cast<std::uint64_t>(settings.shards);
  std::size_t segments = 0;
  for (int i = 0; i < settings.shards; ++i) {
    const ShardOptions shard{.folder = shard_folder(folder, i),
                             .id = ShardId(i),
                             .incarnation = state->file.incarnation_bytes,
                             .segment_bytes = std::min(settings.segment_bytes, segment_bytes_max),
                             .segment_age = settings.segment_age};
    state->shards.push_back(
        TRY(Shard::open(shard, {tools.disk, tools.clock, tools.random, state->events})));
    segments += state->shards.back()->segment_count();
  }
  state->events.opened(
      state->file.incarnation, segments,
      std::chrono::duration_cast<std::chrono::microseconds>(tools.clock.steady_now() - start));
  state->writer = std::make_unique<Writer>(settings, state->shards, tools.clock, state->events);
  return std::unique_ptr<Stream>(new Stream(std::move(state)));
}

void Stream::append(std::vector<NewRecord> records, std::shared_ptr<const void> owner,
                    Appended appended) {
  std::uint64_t bytes = 0;
  if (auto error = check_records(state_->options, records, bytes, shard_count())) {
    return appended(std::move(*error));
  }
  if (records.empty()) return appended(std::vector<OffsetRange>());
  state_->writer->append({.records = std::move(records),
                          .owner = std::move(owner),
                          .appended = std::move(appended),
                          .received_at = state_->clock.now(),
                          .bytes = bytes});
}

Result<std::vector<OffsetRange>> Stream::append_and_wait(std::vector<NewRecord> records) {
  std::promise<Result<std::vector<OffsetRange>>> promise;
  append(std::move(records), nullptr,
         [&](Result<std::vector<OffsetRange>> result) { promise.set_value(std::move(result)); });
  return promise.get_future().get();
}

ShardId Stream::shard_of(std::string_view partition_key) const {
  const auto count = static_cast<std::uint64_t>(shard_count());
  const std::uint64_t number = partition_key.empty()
                                   ? state_->turn.fetch_add(1, std::memory_order_relaxed)
                                   : checksum(partition_key, 0);
  return ShardId(static_cast<std::int64_t>(number % count));
}

const std::string& Stream::incarnation() const {
  return state_->file.incarnation;
}

int Stream::shard_count() const {
  return static_cast<int>(state_->shards.size());
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

bool Stream::wait_beyond(std::span<const Offset> positions, std::chrono::microseconds timeout,
                         std::stop_token stop) const {
  const auto is_there = [&] {
    for (std::size_t i = 0; i < std::min(positions.size(), state_->shards.size()); ++i) {
      if (state_->shards[i]->end() > positions[i]) return true;
    }
    return false;
  };
  return state_->writer->wait(is_there, timeout, std::move(stop));
}

Result<void> Stream::release(std::span<const Offset> positions) {
  if (positions.size() != state_->shards.size()) {
    return Error{Code::Invalid, fmt::format("{} positions were released of a stream of {} shards",
                                            positions.size(), state_->shards.size())};
  }
  state_->writer->release(positions);
  return {};
}

StreamStatus Stream::status() const {
  StreamStatus status = state_->writer->status();
  for (const auto& shard : state_->shards) {
    status.shards.push_back(
        {.oldest = shard->oldest(), .end = shard->end(), .bytes = shard->bytes()});
  }
  return status;
}

void Stream::close() {
  state_->writer->close();
}

}  // namespace millrace::log
