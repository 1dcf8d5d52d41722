#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

#include "log/events.hpp"
#include "log/shard_list.hpp"
#include "log/stream.hpp"
#include "log/stream_file.hpp"
#include "log/writer.hpp"

namespace millrace::log {

/// What a stream is made of; `resharding.cpp` is its part that changes what the stream is.
class Stream::State {
 public:
  State(os::Path folder, StreamOptions options_in, const Tools& tools_in);

  const Shard& shard(base::ShardId id) const;
  /// As readers see it.
  std::shared_ptr<const StreamFile> description() const;
  /// Opens the shards of `map` that are not open yet.
  base::Result<void> open_shards(const ShardMap& map);
  base::Result<void> reshard(const std::function<base::Result<ShardMap>(const ShardMap&)>& plan);
  base::Result<void> change(const std::function<base::Result<void>(StreamFile&)>& change);

  const os::Path folder;
  const StreamOptions options;
  const Tools tools;
  std::string incarnation;  ///< set once, at the start
  Events events;
  ShardList shards;
  mutable std::atomic<std::uint64_t> turn{0};
  std::unique_ptr<Writer> writer;

 private:
  friend class Stream;
  void publish(StreamFile file);

  std::mutex changing_;  // one change at a time
  mutable std::mutex mutex_;
  std::shared_ptr<const StreamFile> file_;  // Guarded by mutex_.
};

}  // namespace millrace::log
