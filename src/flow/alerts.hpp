#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "config/pipeline.hpp"
#include "flow/check.hpp"
#include "flow/delivery.hpp"

namespace millrace::flow {

struct AlertsOptions {
  OutboxOptions outbox;  ///< `retry_for` and `is_bare` are the alert's own
  std::chrono::microseconds commit_every = std::chrono::seconds(5);
  std::uint64_t uncommitted_bytes_max = std::uint64_t{32} << 20;
};

/// What alerts are made of; all must outlive them.
struct AlertsParts {
  const config::Pipeline& pipeline;
  const Plans& plans;                               ///< of the tables, in the engine of `tools`
  std::map<std::string, std::string> incarnations;  ///< by source
  lake::Tools tools;
  CutBoard& board;
  os::Path folder;  ///< the data folder
  /// Of a source that several workers share: our shards, and when each was given to us; none: all
  /// are ours. An empty function: no source is shared.
  std::function<std::optional<std::map<std::int32_t, std::uint64_t>>(const std::string& source)>
      shards_of = {};
  /// Opens a target.
  std::function<base::Result<std::unique_ptr<AlertSink>>(const config::Alert&,
                                                         const config::AlertTarget&)>
      make_sink;
  AlertsOptions options = {};
};

/// Which dead rows are to be sent once more. What is left out chooses all.
struct AlertRetry {
  std::optional<std::string> alert;
  std::vector<std::string> ids;  ///< of rows
  std::size_t limit = 100;
};

struct AlertsRetried {
  std::int64_t sent = 0;
  std::int64_t dead = 0;
  std::string error;  ///< of the last that failed
};

/// The alerts of a pipeline at work, and their history. It owns one thread that writes the history;
/// each delivery has its own. Threads: safe from any.
class Alerts {
 public:
  /// Plans all alerts and makes new ones known, durably. Sends nothing yet.
  /// Errors  the first that is wrong; `check_alerts` names all that are wrong with a file.
  static base::Result<std::unique_ptr<Alerts>> open(AlertsParts parts);
  Alerts(const Alerts&) = delete;
  Alerts& operator=(const Alerts&) = delete;
  /// Stops without a commit.
  ~Alerts();

  /// Begins to send. `on_fatal` is called once if another process writes the history.
  void start(std::function<void(const base::Error&)> on_fatal);
  /// Waits until all rows that are visible now have ended, gathering none any longer.
  /// Errors  Unavailable: not in time.
  base::Result<void> settle_all(std::chrono::microseconds timeout);
  /// Commits what has ended by now.
  base::Result<void> commit_now();
  /// Ends what is being sent, and commits.
  base::Result<void> stop();

  std::vector<DeliveryStatus> status() const;
  /// Sends dead rows once more, each alone, and says what became of them.
  base::Result<AlertsRetried> retry(const AlertRetry& request);

 private:
  explicit Alerts(AlertsParts parts) : parts_(std::move(parts)) {}
  base::Result<void> open_deliveries();
  base::Result<std::unique_ptr<Delivery>> open_delivery(const config::Alert& alert,
                                                        const config::AlertTarget& target);
  DeliveryName name_of(const config::Alert& alert, const std::string& target) const;
  void run(const std::stop_token& stop);
  void collect();  // the caller holds history_mutex_
  Delivery* find(const std::string& alert, const std::string& target) const;

  AlertsParts parts_;
  std::mutex history_mutex_;               // one at a time writes it
  std::unique_ptr<AlertHistory> history_;  // Guarded by history_mutex_. Null: there are no alerts.
  std::vector<std::unique_ptr<Delivery>> deliveries_;

  std::mutex mutex_;
  std::function<void(const base::Error&)> on_fatal_;  // Guarded by mutex_.
  std::condition_variable_any wake_;
  std::jthread thread_;
};

/// The rows at or after `start`'s positions that ended already, and what throttling has to know of
/// the messages before, out of the history.
base::Result<AlertReader::Start> settled_before(AlertHistory& history, const DeliveryName& name);
base::Result<void> restore_gate(AlertHistory& history, const config::Alert& alert,
                                const DeliveryName& name, AlertGate& gate);
/// The dead rows that `request` chooses, each with its delivery's alert and target.
struct DeadRow {
  std::string alert;
  std::string target;
  AlertMessage message;
};
base::Result<std::vector<DeadRow>> dead_rows(AlertHistory& history, const AlertRetry& request);

}  // namespace millrace::flow
