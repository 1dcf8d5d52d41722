#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "flow/alert_gate.hpp"
#include "flow/alert_history.hpp"
#include "flow/alert_outbox.hpp"
#include "flow/alert_progress.hpp"
#include "flow/alert_reader.hpp"

namespace millrace::flow {

struct DeliveryStatus {
  DeliveryName name;
  std::size_t queued = 0;   ///< messages
  std::int64_t behind = 0;  ///< visible records whose alerts have not ended
  std::int64_t sent = 0;    ///< rows, since the start
  std::int64_t dead = 0;
  std::int64_t suppressed = 0;
  std::int64_t retries = 0;
  std::optional<base::Time> sent_at;  ///< the last
  std::string error;                  ///< of the last attempt; empty if it succeeded
};

/// One alert and one of its targets at work: reads the table's rows as they appear, and sends.
/// It owns a thread that reads, and those of its outbox. Threads: safe from any.
class Delivery {
 public:
  struct Parts {
    DeliveryName name;
    AlertReader reader;
    AlertGate gate;
    Reached positions;  ///< where it takes up
    std::unique_ptr<AlertSink> sink;
    std::unique_ptr<AlertSink> dead_letter;
    sql::Instance& engine;
    const CutBoard& board;
    const base::Clock& clock;
    base::Random& random;
    base::Telemetry telemetry;
    OutboxOptions outbox;
    bool keeps_all_rows = true;  ///< see config::Alert
    /// Where several workers share the source: the shards that are ours, and when each was given
    /// to us. Empty: all are.
    std::function<std::map<std::int32_t, std::uint64_t>()> ours = {};
    /// Where the delivery stands now, as all workers have written it down.
    std::function<base::Result<AlertReader::Start>()> start = {};
    /// True while what was settled cannot be written down fast enough.
    std::function<bool()> has_to_wait;
  };
  explicit Delivery(Parts parts);
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;
  ~Delivery() { stop(std::chrono::microseconds(0)); }

  const DeliveryName& name() const { return parts_.name; }
  void start();
  /// Reads no more, and gives what is being sent `grace`.
  void stop(std::chrono::microseconds grace);
  /// From now on nothing is gathered any longer than it must be.
  void hurry() { is_in_hurry_ = true; }
  /// All rows that are visible now have ended.
  bool is_done() const;

  /// What was settled since the last call, and the positions that hold with it.
  Settled take_settled();
  /// Sends a message of dead rows once more, and settles it if it was sent.
  AlertAttempt send_again(AlertMessage message);
  DeliveryStatus status() const;

 private:
  void run(const std::stop_token& stop);
  bool has_room() const;
  bool take(AlertReader::Step step);
  base::Result<void> take_share();
  void send_gathered();
  enum class Keep : std::uint8_t { No, Yes };
  /// With `Keep::No` nothing of it is written down, but that it ended.
  void settle(SettledRow row, Keep keep);
  void settle(AlertMessage message, AlertOutcome outcome, Keep keep);
  std::int64_t behind(const Reached& positions) const;

  Parts parts_;
  std::atomic<bool> is_in_hurry_{false};

  mutable std::mutex mutex_;
  // All below: guarded by mutex_.
  AlertProgress progress_;
  std::map<std::int32_t, std::uint64_t> ours_;  // if the source is shared
  std::vector<SettledRow> settled_;
  std::int64_t sent_ = 0, dead_ = 0, suppressed_ = 0;
  std::optional<base::Time> sent_at_;

  AlertOutbox outbox_;
  std::jthread thread_;  // the last member: it uses all others
};

}  // namespace millrace::flow
