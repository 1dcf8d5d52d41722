#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "verify/api_client.hpp"
#include "verify/truth.hpp"

namespace millrace::verify {

/// How long a report took and whether it was right.
struct ReportFindings {
  std::chrono::microseconds slowest{0};
  std::string failure;  ///< empty: it answered, rightly
};

/// Asks a running instance of the reference job what became of some records.
/// Errors of all calls  those of ApiClient.
/// Threads: one at a time.
class InstanceCheck {
 public:
  /// From here on `ours` are the records that come after `ends`.
  InstanceCheck(ApiClient& client, const std::map<base::ShardId, base::Offset>& ends);

  /// SQL that is true of our rows.
  const std::string& ours() const { return ours_; }
  /// How many different keys our rows have.
  base::Result<std::uint64_t> count_keys();
  base::Result<RowFindings> rows(const Truth& truth);
  base::Result<ExpectedRejects> rejects();
  /// What the table's rows, ours or not, add up to, per customer and day from `first` on.
  base::Result<Totals> totals_of_table(config::CalendarDay first);
  /// What the job made of some days.
  base::Result<Totals> totals_of_job(std::span<const config::CalendarDay> days);
  /// Asks the report several times and compares it with the job's rows, added up here.
  base::Result<ReportFindings> report(const base::Clock& clock);

 private:
  base::Result<Totals> totals(const std::string& sql);

  ApiClient& client_;
  std::string ours_;
};

/// `12.50`, `12.5` and `12` to whole hundredths.
/// Errors  Corrupt: no number, or a finer one.
base::Result<std::int64_t> read_cents(std::string_view text);

}  // namespace millrace::verify
