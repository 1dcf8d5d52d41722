#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/time_zone.hpp"

namespace millrace::config {

/// A schedule as crontab(5) writes it: minute, hour, day of month, month, day of week; `*`, lists,
/// ranges, steps, names (`jan`, `mon`), `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. If
/// both days are restricted (do not start with `*`), either fits.
class Cron {
 public:
  /// Errors  Invalid: which field is wrong, or that it never fires.
  static base::Result<Cron> parse(std::string_view text);

  const std::string& text() const { return text_; }
  /// The first time after `time`, in the wall clock of `zone`. A wall time that a clock change
  /// leaves out fires at the change; one that it repeats fires once. Schedules with `*` in the
  /// minute or the hour follow the real time instead: nothing in the gap, both of the repeated
  /// hours.
  base::Time next_after(base::Time time, const TimeZone& zone) const;

 private:
  bool fits(CalendarDay day) const;
  std::vector<base::Time> moments_of(CalendarDay day, std::chrono::minutes minute,
                                     const TimeZone& zone) const;
  std::optional<std::chrono::minutes> first_minute(std::chrono::minutes from) const;

  std::string text_;
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> month_days_;
  std::bitset<13> months_;
  std::bitset<7> week_days_;  // 0: Sunday
  bool has_any_month_day_ = true;
  bool has_any_week_day_ = true;
  bool follows_real_time_ = false;
};

}  // namespace millrace::config
