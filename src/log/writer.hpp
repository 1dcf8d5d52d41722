#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "log/events.hpp"
#include "log/log.hpp"
#include "log/shard_list.hpp"
#include "log/shard_map.hpp"

namespace millrace::log {

/// One append that waits to become durable.
struct PendingAppend {
  std::vector<NewRecord> records;
  std::shared_ptr<const void> owner;
  std::function<void(base::Result<std::vector<OffsetRange>>, std::span<const NewRecord>)> appended;
  std::shared_ptr<const ShardMap> map;  ///< in which the records' shards are open
  base::Time received_at;
  std::uint64_t bytes = 0;  ///< of keys and bodies
};

/// The thread that makes appends durable: it takes all that waits, writes and syncs once for each
/// shard touched, and then tells everybody. It also drops what retention lets it.
/// Threads: safe from any.
class Writer {
 public:
  struct Parts {
    const StreamOptions& options;
    std::chrono::microseconds retention_time;
    ShardList& shards;
    std::shared_ptr<const ShardMap> map;
    const base::Clock& clock;
    Events& events;
  };
  explicit Writer(Parts parts);
  ~Writer() { close(); }

  /// Which shards take records now.
  std::shared_ptr<const ShardMap> map() const;
  /// Queues an append, or answers it at once with what is in its way. False: nothing was done, for
  /// its map is no longer the one that counts.
  [[nodiscard]] bool append(PendingAppend& append);
  /// From now on records go where `map` says; returns when all that were queued before are written.
  /// All its shards must be in the list.
  void change_map(std::shared_ptr<const ShardMap> map);
  void change_retention(std::chrono::microseconds time) { retention_time_ = time; }
  void release(std::span<const base::Offset> positions);
  bool wait(const std::function<bool()>& is_there, std::chrono::microseconds timeout,
            std::stop_token stop);
  /// All but the shards.
  StreamStatus status() const;
  void close();

 private:
  using Full = Events::Full;
  struct Outcome {
    base::Offset first;
    std::optional<base::Error> error;
  };

  std::optional<base::Error> refusal(const PendingAppend& append);
  void run(const std::stop_token& stop);
  std::vector<PendingAppend> take_group();
  void commit(std::vector<PendingAppend>& appends);
  std::vector<std::vector<OffsetRange>> encode(const std::vector<PendingAppend>& appends);
  void after_group(const std::vector<PendingAppend>& appends, const std::vector<Outcome>& outcomes);
  void retain();
  bool drop_one(base::Time now, const std::vector<base::Offset>& released);
  void measure();
  void set_full(Full full);  // the caller holds mutex_

  const StreamOptions options_;
  ShardList& shards_;
  const base::Clock& clock_;
  Events& events_;
  // Of the writer's thread, by shard:
  std::vector<GroupWriter> groups_;
  std::vector<std::uint32_t> before_;  // an append's records: how many there were in the group
  std::atomic<std::chrono::microseconds> retention_time_;
  std::atomic<std::uint64_t> disk_bytes_{0};

  mutable std::mutex mutex_;
  std::condition_variable_any wake_;     // for the writer
  std::condition_variable_any durable_;  // for readers
  // All below: guarded by mutex_.
  std::shared_ptr<const ShardMap> map_;
  std::deque<PendingAppend> queue_;
  std::uint64_t queued_ = 0;            // appends, ever
  std::uint64_t written_ = 0;           // of those: have their outcome
  std::uint64_t queue_bytes_ = 0;       // also of what is being written
  std::vector<base::Offset> released_;  // empty: nothing was released yet
  bool is_retention_due_ = true;
  bool is_closed_ = false;
  Full full_ = Full::No;
  std::string last_error_;

  std::mutex close_mutex_;
  std::jthread thread_;  // the last member: it uses all others
};

}  // namespace millrace::log
