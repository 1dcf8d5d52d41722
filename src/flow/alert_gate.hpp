#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "config/pipeline.hpp"
#include "flow/alert.hpp"

namespace millrace::flow {

/// Decides which rows go, and which go together: docs/alerts.md, "Grouping and throttling".
/// Threads: one at a time.
class AlertGate {
 public:
  explicit AlertGate(const config::Alert& alert, std::size_t groups_max = 100'000);

  /// Puts back what is known of messages before this life of the program.
  void restore_group(const std::optional<std::string>& group, base::Time last,
                     std::int64_t suppressed);
  void restore_window(base::Time at, std::int64_t messages);

  struct Passed {
    std::vector<AlertMessage> messages;  ///< that are to be sent now
    bool is_suppressed = false;          ///< the row was; it is given back in `row`
    AlertRow row = {};
  };
  Passed pass(AlertRow row, base::SteadyTime now);
  /// Messages that have been gathered long enough; all of them with `All::Yes`.
  enum class All : std::uint8_t { No, Yes };
  std::vector<AlertMessage> flush(base::SteadyTime now, All all = All::No);
  std::optional<base::SteadyTime> next_flush() const;

  std::size_t group_count() const { return groups_.size(); }
  /// Of the rows that are being gathered.
  std::size_t open_bytes() const { return open_bytes_; }

 private:
  struct Group {
    base::Time last{};  ///< when the row that opened the last message was received
    std::int64_t suppressed = 0;
    bool has_sent = false;
  };
  struct Open {
    AlertMessage message;
    std::size_t bytes = 0;
    base::SteadyTime due;
  };

  bool may_open(const AlertRow& row, const Group* group) const;
  bool is_full(const Open& open, const AlertRow& next) const;
  AlertMessage close(const std::string& key);
  void forget_old();

  const std::chrono::microseconds wait_;
  const std::chrono::microseconds every_;
  const std::optional<config::Rate> at_most_;
  const std::size_t groups_max_;
  std::unordered_map<std::string, Group> groups_;
  std::map<std::int64_t, std::int64_t> windows_;  // messages by number of the span `at_most` counts
  std::map<std::string, Open> open_;
  std::size_t open_bytes_ = 0;
  base::Time newest_{};
};

}  // namespace millrace::flow
