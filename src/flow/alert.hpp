#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "sql/chunk.hpp"

namespace millrace::flow {

/// Where a row of a table stands: shard, offset of its record, index within that.
struct RowPosition {
  std::int32_t shard = 0;
  std::int64_t offset = 0;
  std::int32_t row = 0;
  auto operator<=>(const RowPosition&) const = default;
};

/// A row that alerts.
struct AlertRow {
  RowPosition at;
  base::Time received_at;
  std::string id;  ///< the same in each life of the program
  std::optional<std::string> group;
  std::string data;        ///< JSON, as `select` gives it
  std::string error = {};  ///< why it cannot be sent; empty: it can
};

/// Rows that go together.
struct AlertMessage {
  std::string id;
  std::optional<std::string> group;
  std::int64_t suppressed = 0;  ///< rows of the group that were not sent since its last message
  std::vector<AlertRow> rows;
  int attempts = 0;
  std::string error = {};  ///< of the last attempt
  std::optional<base::SteadyTime> first_tried = {};

  std::size_t bytes() const;
};

/// A message as a sink sends it. The views live as long as the call.
struct OutgoingAlert {
  std::string_view id;
  std::string_view alert;
  std::string_view group;  ///< of the message, else its id: what shares a partition
  std::string_view order;  ///< of the message, else the alert: what a FIFO queue keeps in order
  std::string_view body;   ///< JSON
};

/// What became of an attempt.
struct AlertAttempt {
  enum class What : std::uint8_t { Sent, Retry, Dead };
  What what = What::Sent;
  std::string error = {};
  std::optional<std::chrono::microseconds> retry_after = {};  ///< as the receiver wishes
};

/// A place that messages are sent to. It blocks until the answer is there; what it throws away it
/// says. Threads: safe from any.
class AlertSink {
 public:
  virtual ~AlertSink() = default;
  /// How many messages one call takes.
  virtual std::size_t messages_max() const = 0;
  /// How many calls go on at once.
  virtual std::size_t calls_max() const = 0;
  /// One attempt for each of `messages`, in their order. After a stop all may be `Retry`.
  virtual std::vector<AlertAttempt> send(std::span<const OutgoingAlert> messages,
                                         const std::stop_token& stop) = 0;
};

/// How a row's alert ended.
enum class AlertOutcome : std::uint8_t { Sent, Dead, Suppressed };
std::string_view name_of(AlertOutcome outcome);

struct SettledRow {
  AlertRow row;
  std::string message_id;  ///< empty: it was in none
  AlertOutcome outcome = AlertOutcome::Sent;
  int attempts = 0;
  std::string error;
  base::Time settled_at;
};

/// An alert and one of its targets, and what it reads.
struct DeliveryName {
  std::string pipeline;
  std::string alert;
  std::string target;
  std::string table;
  std::string source;
  std::string incarnation;

  /// Under which the table `_alerts` says whether the delivery is at work: odd if it is.
  std::string marker() const;
  /// Under which `_alerts` has its position in a shard.
  std::string position_id(std::int32_t shard) const;
  /// What the app ids of the table's own positions in this life of its source begin with.
  std::string table_prefix() const;
  std::string table_replay_prefix() const;
};

/// By shard: the positions among a table's `transactions` whose ids begin with `prefix` and end
/// with a shard. What stands beside them, marks of a source, is passed over.
std::map<std::int32_t, std::int64_t> positions_below(
    const std::map<std::string, std::int64_t>& transactions, const std::string& prefix);

/// `3f2504e0-…`: made of the alert and the row's position; replays have lives of their own.
std::string alert_id(const DeliveryName& name, const RowPosition& at);
/// The id of a message: that of its one row, or one made of all of them.
std::string message_id(const std::vector<AlertRow>& rows);

/// The body of a message: docs/alerts.md, "A message".
std::string encode_body(const DeliveryName& name, const AlertMessage& message, bool is_bare);

inline constexpr std::size_t kAlertBytesMax = 200U << 10;  ///< of a message's data
inline constexpr std::size_t kAlertRowsMax = 100;          ///< of a message

}  // namespace millrace::flow
