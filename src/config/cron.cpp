#include "config/cron.hpp"

#include <date/date.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "base/text.hpp"

namespace millrace::config {
namespace {

using base::Code;
using base::Error;
using base::Result;
using std::chrono::minutes;

// Four years hold each date once, but for February 29th around a century's turn.
constexpr int kDaysAheadMax = 366 * 9;

struct FieldRule {
  std::string_view name;
  int first;
  int last;
  std::vector<std::string_view> words;
};

const std::array<FieldRule, 5>& field_rules() {
  static const std::array<FieldRule, 5> kRules{{
      {"minute", 0, 59, {}},
      {"hour", 0, 23, {}},
      {"day of month", 1, 31, {}},
      {"month",
       1,
       12,
       {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
      {"day of week", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
  }};
  return kRules;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(separator, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

Error wrong(const FieldRule& rule, std::string_view text) {
  return {Code::Invalid,
          fmt::format("the {} '{}' is not within {} to {}, a list, a range or a step", rule.name,
                      base::printable(text), rule.first, rule.last)};
}

Result<int> number_of(const FieldRule& rule, std::string_view text) {
  for (std::size_t i = 0; i < rule.words.size(); ++i) {
    if (base::equal_ignoring_case(text, rule.words[i])) return rule.first + static_cast<int>(i);
  }
  int number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || number < rule.first ||
      number > rule.last) {
    return wrong(rule, text);
  }
  return number;
}

// One item of a list: `*`, `5`, `1-5`, each with `/step`.
template <std::size_t N>
Result<void> add_item(const FieldRule& rule, std::string_view item, std::bitset<N>& into) {
  const auto parts = split(item, '/');
  int first = rule.first, last = rule.last, step = 1;
  if (parts.size() > 2) return wrong(rule, item);
  if (parts[0] != "*") {
    const auto ends = split(parts[0], '-');
    if (ends.size() > 2) return wrong(rule, item);
    first = TRY(number_of(rule, ends[0]));
    last = parts.size() == 1 ? first : rule.last;
    if (ends.size() == 2) last = TRY(number_of(rule, ends[1]));
  }
  if (parts.size() == 2) {
    const auto read = std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), step);
    const bool is_whole = read.ptr == parts[1].data() + parts[1].size();
    if (read.ec != std::errc{} || !is_whole || step < 1) return wrong(rule, item);
  }
  if (last < first) return wrong(rule, item);
  for (int number = first; number <= last; number += step) {
    into.set(static_cast<std::size_t>(number) % N);
  }
  return {};
}

template <std::size_t N>
Result<void> read_field(const FieldRule& rule, std::string_view text, std::bitset<N>& into) {
  for (const auto item : split(text, ',')) TRY(add_item(rule, item, into));
  return {};
}

std::string_view without_nickname(std::string_view text) {
  if (text == "@hourly") return "0 * * * *";
  if (text == "@daily" || text == "@midnight") return "0 0 * * *";
  if (text == "@weekly") return "0 0 * * 0";
  if (text == "@monthly") return "0 0 1 * *";
  if (text == "@yearly" || text == "@annually") return "0 0 1 1 *";
  return text;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view text) {
  Cron cron;
  cron.text_ = text;
  std::string plain(without_nickname(base::trimmed(text)));
  std::ranges::replace(plain, '\t', ' ');
  std::vector<std::string_view> fields;
  for (const auto part : split(plain, ' ')) {
    if (!part.empty()) fields.push_back(part);
  }
  if (fields.size() != 5) {
    return Error{
        Code::Invalid,
        fmt::format("a schedule has five fields (minute, hour, day of month, month, day of "
                    "week), like \"0 1 * * *\"; '{}' has {}",
                    base::printable(text), fields.size())};
  }
  const auto& rules = field_rules();
  TRY(read_field(rules[0], fields[0], cron.minutes_));
  TRY(read_field(rules[1], fields[1], cron.hours_));
  TRY(read_field(rules[2], fields[2], cron.month_days_));
  TRY(read_field(rules[3], fields[3], cron.months_));
  TRY(read_field(rules[4], fields[4], cron.week_days_));
  cron.has_any_month_day_ = fields[2].starts_with('*');
  cron.has_any_week_day_ = fields[4].starts_with('*');
  cron.follows_real_time_ = fields[0].starts_with('*') || fields[1].starts_with('*');
  const CalendarDay start(std::chrono::days(20'000));
  for (int i = 0; i < kDaysAheadMax; ++i) {
    if (cron.fits(start + std::chrono::days(i))) return cron;
  }
  return Error{Code::Invalid,
               fmt::format("the schedule '{}' never fires: no month has such a day", text)};
}

bool Cron::fits(CalendarDay day) const {
  const date::year_month_day calendar{date::sys_days(day)};
  const date::weekday week_day{date::sys_days(day)};
  if (!months_.test(static_cast<unsigned>(calendar.month()))) return false;
  const bool by_month = month_days_.test(static_cast<unsigned>(calendar.day()));
  const bool by_week = week_days_.test(week_day.c_encoding());
  if (has_any_month_day_ || has_any_week_day_) return by_month && by_week;
  return by_month || by_week;
}

std::optional<minutes> Cron::first_minute(minutes from) const {
  for (auto minute = from.count(); minute < 24 * 60; ++minute) {
    const auto index = static_cast<std::size_t>(minute);
    if (hours_.test(index / 60) && minutes_.test(index % 60)) return minutes(minute);
  }
  return std::nullopt;
}

std::vector<base::Time> Cron::moments_of(CalendarDay day, minutes minute,
                                         const TimeZone& zone) const {
  const std::chrono::local_time<std::chrono::microseconds> wall(day.time_since_epoch() + minute);
  if (follows_real_time_) return zone.all_at(wall);
  return {zone.at(wall)};
}

base::Time Cron::next_after(base::Time time, const TimeZone& zone) const {
  // From some wall time before, so that an hour that is repeated is not passed over.
  const auto wall = zone.wall(time) - std::chrono::hours(3);
  CalendarDay day(std::chrono::floor<std::chrono::days>(wall).time_since_epoch());
  auto from = std::chrono::floor<minutes>(wall.time_since_epoch() - day.time_since_epoch());
  // First moments come in the order of the wall; a second one of an earlier wall time may come
  // before the first moment of a later one.
  std::optional<base::Time> earliest;
  for (;;) {
    for (auto minute = fits(day) ? first_minute(from) : std::nullopt; minute;
         minute = first_minute(*minute + minutes(1))) {
      const auto moments = moments_of(day, *minute, zone);
      for (const auto moment : moments) {
        if (moment > time && (!earliest || moment < *earliest)) earliest = moment;
      }
      if (!moments.empty() && moments.front() > time) return *earliest;
    }
    day += std::chrono::days(1);
    from = minutes(0);
  }
}

}  // namespace millrace::config
