#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace date {
class time_zone;
}

namespace millrace::config {

/// A calendar day, as days since 1970-01-01.
using CalendarDay = std::chrono::sys_days;

/// A zone of the IANA database, as this machine has it.
class TimeZone {
 public:
  /// Errors  NotFound: no such zone, with the nearest name.
  static base::Result<TimeZone> find(std::string_view name);

  std::string name() const;
  /// The calendar day of a moment.
  CalendarDay day_of(base::Time time) const;
  /// The moments [start, end) of a calendar day: 23, 24 or 25 hours.
  std::pair<base::Time, base::Time> day_bounds(CalendarDay day) const;
  /// The moment that the clock on the wall shows as `wall`. If it shows it twice, the first; if
  /// never (the clock was put forward over it), the end of the gap.
  base::Time at(std::chrono::local_time<std::chrono::microseconds> wall) const;
  std::chrono::local_time<std::chrono::microseconds> wall(base::Time time) const;
  /// All moments at which the clock on the wall shows `wall`, oldest first: one as a rule, none in
  /// the gap when it is put forward, two when it is put back.
  std::vector<base::Time> all_at(std::chrono::local_time<std::chrono::microseconds> wall) const;

 private:
  explicit TimeZone(const date::time_zone* zone) : zone_(zone) {}
  const date::time_zone* zone_;
};

std::string format_day(CalendarDay day);  ///< `2026-11-20`
base::Result<CalendarDay> parse_day(std::string_view text);

}  // namespace millrace::config
