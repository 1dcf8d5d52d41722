#include "deploy/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <string_view>

#include "base/text.hpp"

namespace millrace::deploy {
namespace {

using base::Code;
using base::Error;
using base::Result;
using config::Cron;

// The limit of ScheduleExpression.
constexpr std::size_t kExpressionBytesMax = 256;

using Numbers = std::set<int>;

struct Field {
  int first = 0;
  int last = 0;
  std::string_view words;  ///< three letters each
};
constexpr std::array<Field, 5> kFields{{
    {0, 59, ""},
    {0, 23, ""},
    {1, 31, ""},
    {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
    {0, 7, "sunmontuewedthufrisat"},
}};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(separator, at), text.size());
    if (end > at) parts.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

int number_of(const Field& field, std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto word = text.size() == 3 ? field.words.find(text) : std::string_view::npos;
  if (word != std::string_view::npos) return field.first + static_cast<int>(word / 3);
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// `Cron` has checked the text.
Numbers numbers_of(const Field& field, const std::string& text) {
  Numbers numbers;
  for (const auto& item : split(text, ',')) {
    const auto parts = split(item, '/');
    int first = field.first, last = field.last;
    if (parts[0] != "*") {
      const auto ends = split(parts[0], '-');
      first = number_of(field, ends[0]);
      last = ends.size() == 2 ? number_of(field, ends[1]) : parts.size() > 1 ? field.last : first;
    }
    const int step = parts.size() > 1 ? number_of({}, parts[1]) : 1;
    for (int number = first; number <= last; number += step) numbers.insert(number);
  }
  return numbers;
}

/// `1-5,8`
std::string listed(const Numbers& numbers) {
  std::vector<std::string> parts;
  for (auto at = numbers.begin(); at != numbers.end();) {
    const int first = *at;
    int last = first;
    for (++at; at != numbers.end() && *at == last + 1; ++at) last = *at;
    if (last - first >= 2) {
      parts.push_back(fmt::format("{}-{}", first, last));
    } else {
      for (int number = first; number <= last; ++number) parts.push_back(std::to_string(number));
    }
  }
  return base::join(parts, ",");
}

std::string field_text(const Field& field, const Numbers& numbers) {
  const auto all = static_cast<std::size_t>(field.last - field.first + 1);
  return numbers.size() == all ? "*" : listed(numbers);
}

/// Sunday is 1 there.
std::string week_days_text(const Numbers& numbers) {
  Numbers theirs;
  for (const int number : numbers) theirs.insert(number % 7 + 1);
  return theirs.size() == 7 ? "*" : listed(theirs);
}

std::string without_nickname(const std::string& text) {
  static const std::map<std::string, std::string, std::less<>> kNicknames{
      {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
      {"@weekly", "0 0 * * 0"},  {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
      {"@annually", "0 0 1 1 *"}};
  const auto found = kNicknames.find(base::trimmed(text));
  return found == kNicknames.end() ? text : found->second;
}

}  // namespace

Result<std::vector<std::string>> eventbridge_schedules(const Cron& cron) {
  auto plain = without_nickname(cron.text());
  std::ranges::replace(plain, '\t', ' ');
  const auto fields = split(base::trimmed(plain), ' ');
  std::array<Numbers, 5> numbers;
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = numbers_of(kFields[i], fields[i]);
  const auto month_days = field_text(kFields[2], numbers[2]);
  const auto week_days = week_days_text(numbers[4]);
  // A day that begins with `*` restricts together with the other one.
  const bool is_either = !fields[2].starts_with('*') && !fields[4].starts_with('*');
  std::vector<std::pair<std::string, std::string>> days;
  if (is_either && (month_days == "*" || week_days == "*")) {
    days = {{"*", "?"}};
  } else if (is_either) {
    days = {{month_days, "?"}, {"?", week_days}};
  } else if (week_days == "*") {
    days = {{month_days, "?"}};
  } else if (month_days == "*") {
    days = {{"?", week_days}};
  } else {
    return Error{Code::Invalid,
                 fmt::format("the schedule '{}' asks for a day of the month and a day of the week "
                             "at once, which EventBridge cannot say; restrict one of them",
                             base::printable(cron.text()))};
  }
  std::vector<std::string> expressions;
  for (const auto& [month_day, week_day] : days) {
    expressions.push_back(fmt::format("cron({} {} {} {} {} *)", field_text(kFields[0], numbers[0]),
                                      field_text(kFields[1], numbers[1]), month_day,
                                      field_text(kFields[3], numbers[3]), week_day));
    if (expressions.back().size() > kExpressionBytesMax) {
      return Error{Code::Invalid,
                   fmt::format("the schedule '{}' is too long for EventBridge, which takes {} "
                               "characters; use ranges and steps",
                               base::printable(cron.text()), kExpressionBytesMax)};
    }
  }
  return expressions;
}

std::chrono::seconds longest_pause(const Cron& cron) {
  const auto zone = config::TimeZone::find("UTC");
  const base::Time start(std::chrono::sys_days(std::chrono::year(2025) / 1 / 1));
  const base::Time end(std::chrono::sys_days(std::chrono::year(2029) / 1 / 1));
  std::chrono::microseconds longest{0};
  // A schedule of each minute need not be looked at for years.
  constexpr int kFiringsMax = 12000;
  auto last = cron.next_after(start, *zone);
  for (int i = 0; i < kFiringsMax && last < end; ++i) {
    const auto next = cron.next_after(last, *zone);
    longest = std::max<std::chrono::microseconds>(longest, next - last);
    last = next;
  }
  return std::chrono::ceil<std::chrono::seconds>(longest);
}

}  // namespace millrace::deploy
