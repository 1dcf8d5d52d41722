// The part of a stream that changes what it is.

#include <fmt/format.h>

#include <utility>

#include "log/stream_state.hpp"

namespace millrace::log {

using base::Code;
using base::Error;
using base::Result;
using base::ShardId;

Stream::State::State(os::Path folder_in, StreamOptions options_in, const Tools& tools_in)
    : folder(std::move(folder_in)),
      options(std::move(options_in)),
      tools(tools_in),
      events(tools.telemetry, options.name) {}

const Shard& Stream::State::shard(ShardId id) const {
  return shards[static_cast<std::size_t>(id.value())];
}

std::shared_ptr<const StreamFile> Stream::State::description() const {
  const std::lock_guard lock(mutex_);
  return file_;
}

void Stream::State::publish(StreamFile file) {
  auto next = std::make_shared<const StreamFile>(std::move(file));
  const std::lock_guard lock(mutex_);
  file_ = std::move(next);
}

Result<void> Stream::State::open_shards(const ShardMap& map) {
  // So that a small log too has segments that can go while others fill.
  const std::uint64_t segment_bytes_max =
      options.retention_bytes / 4 / static_cast<std::uint64_t>(map.open_count());
  for (int i = static_cast<int>(shards.size()); i < map.count(); ++i) {
    const ShardOptions shard{.folder = shard_folder(folder, i),
                             .id = ShardId(i),
                             .incarnation = description()->incarnation_bytes,
                             .segment_bytes = std::min(options.segment_bytes, segment_bytes_max),
                             .segment_age = options.segment_age};
    shards.add(TRY(Shard::open(shard, {tools.disk, tools.clock, tools.random, events})));
  }
  return {};
}

// The file is what makes the new shards real: their folders are there before, their records come
// after. When it is written, records go to them; those that wait for the old shards still get in,
// and only then are the old ones shown as closed, with an end that does not move any more. If the
// process ends on the way, the old shards end with what they have.
Result<void> Stream::State::reshard(const std::function<Result<ShardMap>(const ShardMap&)>& plan) {
  const std::lock_guard one_at_a_time(changing_);
  StreamFile file = *description();
  auto map = TRY(plan(file.shards));
  if (map.count() == file.shards.count()) return {};
  TRY(open_shards(map));
  file.shards = std::move(map);
  TRY(write_stream_file(tools.disk, folder, file));
  writer->change_map(std::make_shared<const ShardMap>(file.shards));
  const int before = description()->shards.count();
  events.resharded(before, file.shards.count(), file.shards.open_count());
  publish(std::move(file));
  return {};
}

Result<void> Stream::State::change(const std::function<Result<void>(StreamFile&)>& change) {
  const std::lock_guard one_at_a_time(changing_);
  StreamFile file = *description();
  TRY(change(file));
  TRY(write_stream_file(tools.disk, folder, file));
  writer->change_retention(file.retention);
  publish(std::move(file));
  return {};
}

Result<void> Stream::split(ShardId shard, HashKey second_first) {
  return state_->reshard([&](const ShardMap& map) {
    return map.split(shard, second_first, state_->tools.clock.now());
  });
}

Result<void> Stream::merge(ShardId shard, ShardId adjacent) {
  return state_->reshard(
      [&](const ShardMap& map) { return map.merge(shard, adjacent, state_->tools.clock.now()); });
}

Result<void> Stream::spread(int shard_count) {
  if (shard_count < 1 || shard_count > kOpenShardsMax) {
    return Error{Code::Invalid, fmt::format("stream '{}': shards is {}; it must be from 1 to {}",
                                            state_->options.name, shard_count, kOpenShardsMax)};
  }
  return state_->reshard(
      [&](const ShardMap& map) { return map.spread(shard_count, state_->tools.clock.now()); });
}

Result<void> Stream::change(const std::function<Result<void>(StreamFile&)>& change) {
  return state_->change(change);
}

}  // namespace millrace::log
