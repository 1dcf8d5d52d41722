#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "batch/reports.hpp"
#include "serve/query.hpp"
#include "serve/report_results.hpp"

namespace millrace::serve {

/// One question for a report.
struct ReportQuestion {
  const config::Report* report = nullptr;
  std::string key;  ///< the report and the values of its parameters
  Question question;
};

/// Answers reports. Who asks the same before anything changed in the tables that it reads, or in
/// the partitions of its one table, gets the same rows, from memory; so does, with `max_age`, who
/// asks soon enough. Who asks shortly before they would be too old has them computed anew for those
/// who come after. Equal questions at one time are computed once: whoever comes before a
/// computation took its cut shares it. Threads: safe from any.
class ReportAnswers {
 public:
  ReportAnswers(const ApiParts& parts, Queries& queries, http::Workers& workers);
  ~ReportAnswers();

  /// Answers the exchange, now or later. It is left out when its time is up or its client goes
  /// away; the computation goes on for others who wait.
  void answer(const std::shared_ptr<http::Exchange>& exchange, ReportQuestion asked);
  /// Ends what is computed for nobody who waits, and begins nothing like it any more.
  void stop_renewing();

 private:
  struct Waiter;
  struct Flight;
  using Outcome = base::Result<std::shared_ptr<const ReportResult>>;

  static std::map<std::string, batch::ReportReads> reads_of_all(const ApiParts& parts);
  static flow::Editions editions_of(const batch::ReportReads& reads, const flow::Cut& cut);
  bool may_be_given(const ReportQuestion& asked, const flow::Editions& of,
                    base::SteadyTime taken_at, const flow::Editions& now) const;
  std::shared_ptr<Waiter> waiter_of(const std::shared_ptr<http::Exchange>& exchange,
                                    ReportQuestion asked);
  void leave(Waiter& waiter);
  std::shared_ptr<Flight> flight_of(const ReportQuestion& asked, base::SteadyTime until,
                                    bool is_ahead) const;
  void run(const std::shared_ptr<Flight>& flight);
  Outcome compute(Flight& flight);
  std::shared_ptr<const ReportResult> unchanged(const Flight& flight, const flow::Seen& seen);
  void end(Flight& flight, const Outcome& outcome);
  void deliver(const std::shared_ptr<Waiter>& waiter,
               const std::shared_ptr<const ReportResult>& result, const char* how);
  void write(const Waiter& waiter, const ReportResult& result) const;
  base::Result<void> send(const Waiter& waiter, const ReportResult& result, Outlet& out) const;
  double seconds_since(base::SteadyTime time) const;
  void fail(const Waiter& waiter, base::Error error, bool has_started = false) const;

  // The caller holds mutex_.
  std::shared_ptr<Flight> renewal_of(const ReportResult& known, const ReportQuestion& asked,
                                     const flow::Editions& now);
  std::shared_ptr<const ReportResult> find(const ReportQuestion& asked, const flow::Editions& now);
  std::shared_ptr<Flight> flight_for(const ReportQuestion& asked, const flow::Editions& now);
  void forget(const Flight& flight);

  const ApiParts& parts_;
  Queries& queries_;
  http::Workers& workers_;
  const std::map<std::string, batch::ReportReads> reads_;  // by report
  std::mutex mutex_;
  ReportResults results_;                                                // Guarded by mutex_.
  std::map<std::string, std::vector<std::shared_ptr<Flight>>> flights_;  // Guarded by mutex_.
  std::size_t waiting_ = 0;  // Guarded by mutex_. In all flights.
  bool is_renewing_ = true;  // Guarded by mutex_.
};

}  // namespace millrace::serve
