#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/time_zone.hpp"
#include "verify/generator.hpp"
#include "verify/sender.hpp"

namespace millrace::verify {

/// A row as the pipeline shows it.
struct SeenRow {
  std::string key;
  std::string owner;
  std::int64_t cents = 0;
  bool flag = false;
  config::CalendarDay day;
};

/// What rows are, against what they must be.
struct RowFindings {
  std::uint64_t expected = 0;    ///< different keys that were delivered and are no rejects
  std::uint64_t seen = 0;        ///< rows
  std::uint64_t lost = 0;        ///< expected keys without a row
  std::uint64_t doubled = 0;     ///< rows beyond the first of their key
  std::uint64_t unexpected = 0;  ///< rows whose key belongs into the rejects
  std::uint64_t wrong = 0;       ///< rows whose customer, amount or day is another
  std::uint64_t flagged_right = 0, flagged_wrongly = 0, not_flagged_wrongly = 0,
                not_flagged_right = 0;
  std::vector<std::string> examples;  ///< a few keys of what is amiss, with what

  /// Of the flagged rows, the share that should be; 1 if none is flagged.
  double precision() const;
  /// Of the rows that should be flagged, the share that is; 1 if there is none.
  double recall() const;
};

/// The sum of an owner's rows of a day.
struct Total {
  std::uint64_t rows = 0;
  std::int64_t cents = 0;
  bool operator==(const Total&) const = default;
};
using Totals = std::map<std::pair<std::string, config::CalendarDay>, Total>;

struct TotalFindings {
  std::uint64_t groups = 0;  ///< of an owner and a day, that should be there or are
  std::uint64_t wrong = 0;
  Total expected;  ///< over all groups
  Total seen;
  std::vector<std::string> examples;
};

/// Records that must end in the rejects, by the stage that rejects them.
struct ExpectedRejects {
  std::uint64_t decode = 0;
  std::uint64_t expect = 0;
  std::uint64_t unique = 0;
  std::uint64_t count() const { return decode + expect + unique; }
};

/// What must be there after the generator's first `count` records were sent, all but those in
/// `failed`. Summed up in whole cents from the labels, by no database.
class Truth {
 public:
  Truth(Generator generator, std::uint64_t count, std::span<const BodyRange> failed);

  RowFindings compare(std::span<const SeenRow> rows) const;
  const Totals& totals() const { return totals_; }
  const ExpectedRejects& rejects() const { return rejects_; }
  std::uint64_t row_count() const { return row_count_; }

 private:
  struct Row {
    std::string owner;
    std::int64_t cents = 0;
    config::CalendarDay day;
    bool flag = false;
    bool is_expected = false;  // false: it may be there, for nobody knows whether it was delivered
  };
  std::unordered_map<std::string, Row> rows_;  // by key
  std::uint64_t row_count_ = 0;
  Totals totals_;
  ExpectedRejects rejects_;
};

/// Compares totals that a job computed with what they must be.
TotalFindings compare(const Totals& expected, const Totals& seen);

/// Adds each of `more`.
void add(Totals& totals, const Totals& more);

}  // namespace millrace::verify
