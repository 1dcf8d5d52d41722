#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/telemetry.hpp"
#include "config/time_zone.hpp"
#include "http/router.hpp"
#include "http/server.hpp"

namespace millrace::verify {

/// What the fake does wrong, each once.
struct Faults {
  bool loses_a_row = false;
  bool doubles_a_row = false;
  bool flags_at_the_limit = false;  ///< `>=` instead of `>`
  bool forgets_a_reject = false;
  bool adds_a_cent_to_a_total = false;
  bool job_fails = false;
  bool report_is_wrong = false;
  bool hides_rows = false;  ///< no row is ever seen
};

/// An instance of the reference job for tests, written once more without a database: it knows the
/// questions that `evaluate` asks by how they begin.
/// Threads: safe from any.
class FakeInstance {
 public:
  explicit FakeInstance(Faults faults);
  ~FakeInstance();
  std::uint16_t port() const { return server_->port(); }

 private:
  struct Row {
    std::string order_id, customer_id, day;
    std::int64_t cents = 0;
    bool is_fraud = false;
  };
  void add_routes();
  void ingest(http::Exchange& exchange);
  void take(const std::string& line);
  std::string reject_stage(const nlohmann::json& order) const;
  std::string answer(const std::string& sql);
  std::string rows_answer(const std::string& sql) const;
  std::string totals_answer(bool is_of_job) const;
  void run_job(http::Exchange& exchange);
  std::string report_answer() const;

  Faults faults_;
  config::TimeZone zone_;
  base::SystemClock clock_;
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  http::Router router_;
  std::mutex mutex_;
  std::vector<Row> rows_;                       // Guarded by mutex_.
  std::map<std::string, std::size_t> rejects_;  // by stage; guarded by mutex_.
  std::size_t record_count_ = 0;                // Guarded by mutex_.
  std::map<std::pair<std::string, std::string>, std::pair<std::size_t, std::int64_t>>
      totals_;  // by day and customer; guarded by mutex_.
  std::unique_ptr<http::Server> server_;
};

}  // namespace millrace::verify
