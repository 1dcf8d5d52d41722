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
#include "log/shard.hpp"

namespace millrace::log {

/// One append that waits to become durable.
struct PendingAppend {
  std::vector<NewRecord> records;
  std::shared_ptr<const void> owner;
  std::function<void(base::Result<std::vector<OffsetRange>>)> appended;
  base::Time received_at;
  std::uint64_t bytes = 0;  ///< of keys and bodies
};

/// The thread that makes appends durable: it takes all that waits, writes and syncs once for each
/// shard touched, and then tells everybody. It also drops what retention lets it.
/// Threads: safe from any.
class Writer {
 public:
  using Shards = std::vector<std::unique_ptr<Shard>>;
  Writer(const StreamOptions& options, Shards& shards, const base::Clock& clock, Events& events);
  ~Writer() { close(); }

  /// Queues an append, or answers it at once with what is in its way.
  void append(PendingAppend append);
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
  Shards& shards_;
  const base::Clock& clock_;
  Events& events_;
  std::vector<GroupWriter> groups_;  // by shard; of the writer's thread
  std::atomic<std::uint64_t> disk_bytes_{0};

  mutable std::mutex mutex_;
  std::condition_variable_any wake_;     // for the writer
  std::condition_variable_any durable_;  // for readers
  // All below: guarded by mutex_.
  std::deque<PendingAppend> queue_;
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
