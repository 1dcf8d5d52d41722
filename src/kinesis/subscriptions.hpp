#pragma once

#include <atomic>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "kinesis/call.hpp"
#include "kinesis/shard_position.hpp"

namespace millrace::kinesis {

/// Enhanced fan-out: answers to SubscribeToShard, which go on for five minutes.
/// Threads: one for each subscription; `start` from any.
class Subscriptions {
 public:
  explicit Subscriptions(const Context& context) : context_(context) {}
  /// Waits for their ends: whoever sends their answers must have stopped.
  ~Subscriptions() { end(); }

  /// Answers the call. A subscription of the same consumer to the same shard ends.
  void start(std::shared_ptr<Call> call);
  /// Tells all of them to end, and takes no more. Waits for none: a client that does not read holds
  /// its own up until the server cuts it off.
  void end();

 private:
  struct Running {
    std::string key;  // consumer and shard
    std::atomic<bool> is_over{false};
    std::jthread thread;
  };

  base::Result<Cursor> cursor_of_call(const Call& call) const;
  void run(Call& call, Cursor cursor, const std::stop_token& stop) const;

  const Context& context_;
  std::mutex mutex_;
  std::list<Running> running_;  // Guarded by mutex_.
  bool is_ended_ = false;       // Guarded by mutex_.
};

}  // namespace millrace::kinesis
