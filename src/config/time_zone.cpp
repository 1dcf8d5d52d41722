#include "config/time_zone.hpp"

#include <date/tz.h>
#include <fmt/format.h>

#include "base/text.hpp"

namespace millrace::config {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::microseconds;

namespace {

// None if the system has no folder of zones: then the library throws whatever it is asked.
std::vector<std::string> zone_names() {
  std::vector<std::string> names;
  try {
    for (const auto& zone : date::get_tzdb().zones) names.push_back(zone.name());
  } catch (const std::exception&) {
    names.clear();
  }
  return names;
}

}  // namespace

Result<TimeZone> TimeZone::find(std::string_view name) {
  try {
    return TimeZone(date::locate_zone(std::string(name)));
  } catch (const std::exception&) {
    const auto names = zone_names();
    if (names.empty()) {
      return Error{Code::NotFound,
                   "this system knows no time zones: /usr/share/zoneinfo is missing (install "
                   "tzdata)"};
    }
    return Error{Code::NotFound, fmt::format("there is no time zone '{}'{}", base::printable(name),
                                             base::did_you_mean(name, names))};
  }
}

std::string TimeZone::name() const {
  return zone_->name();
}

std::chrono::local_time<microseconds> TimeZone::wall(base::Time time) const {
  return std::chrono::local_time<microseconds>(zone_->to_local(time).time_since_epoch());
}

base::Time TimeZone::at(std::chrono::local_time<microseconds> wall) const {
  const date::local_time<microseconds> local(wall.time_since_epoch());
  const auto info = zone_->get_info(local);
  if (info.result == date::local_info::nonexistent) {
    return std::chrono::time_point_cast<microseconds>(info.first.end);
  }
  return base::Time(local.time_since_epoch() - info.first.offset);
}

std::vector<base::Time> TimeZone::all_at(std::chrono::local_time<microseconds> wall) const {
  const date::local_time<microseconds> local(wall.time_since_epoch());
  const auto info = zone_->get_info(local);
  if (info.result == date::local_info::nonexistent) return {};
  std::vector<base::Time> moments{base::Time(local.time_since_epoch() - info.first.offset)};
  if (info.result == date::local_info::ambiguous) {
    moments.emplace_back(local.time_since_epoch() - info.second.offset);
  }
  return moments;
}

CalendarDay TimeZone::day_of(base::Time time) const {
  return CalendarDay(std::chrono::floor<std::chrono::days>(wall(time)).time_since_epoch());
}

std::pair<base::Time, base::Time> TimeZone::day_bounds(CalendarDay day) const {
  const auto start = [&](CalendarDay which) {
    return at(std::chrono::local_time<microseconds>(which.time_since_epoch()));
  };
  return {start(day), start(day + std::chrono::days(1))};
}

std::string format_day(CalendarDay day) {
  return date::format("%F", date::sys_days(day));
}

Result<CalendarDay> parse_day(std::string_view text) {
  const auto start = base::parse_time(std::string(text) + "T00:00:00Z");
  if (!start || text.size() != 10) {
    return Error{Code::Invalid, fmt::format("'{}' is not a day like 2026-11-20", text)};
  }
  return std::chrono::floor<std::chrono::days>(*start);
}

}  // namespace millrace::config
