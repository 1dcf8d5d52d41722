#pragma once

#include <duckdb.h>

#include <cstdint>
#include <map>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace millrace::sql {

/// What clocks in a zone were set to, in microseconds east of UTC. ICU, from which this comes, says
/// it in a quarter of a microsecond; a day has 86,400 million of them and one or two answers. So it
/// is asked once for each zone and five and a half years, and remembered.
/// Threads: safe from any.
class UtcOffsets {
 public:
  /// All instants from `from` up to `until` (not in it) have one offset. Microseconds since 1970.
  struct Span {
    std::int64_t from = 0;
    std::int64_t until = 0;
    std::int64_t offset = 0;
    bool holds(std::int64_t instant) const { return from <= instant && instant < until; }
  };

  /// Errors  Invalid: there is no such zone.
  base::Result<Span> find(std::string_view zone, std::int64_t instant);

 private:
  using Spans = std::map<std::int64_t, Span>;  // by their end
  std::shared_mutex mutex_;
  std::map<std::string, Spans, std::less<>> zones_;  // Guarded by mutex_.
  std::size_t span_count_ = 0;                       // Guarded by mutex_.
};

/// Makes `instant AT TIME ZONE 'name'` of DuckDB's ICU quick, with the same answers.
base::Result<void> add_local_time(duckdb_connection connection);

}  // namespace millrace::sql
