#include "verify/append.hpp"

#include <array>

namespace millrace::verify {

using std::chrono::days;
using std::chrono::microseconds;

void append_number(std::string& into, std::uint64_t number, int width) {
  std::array<char, 20> digits;
  std::size_t at = digits.size();
  do {
    digits[--at] = static_cast<char>('0' + number % 10);
    number /= 10;
    --width;
  } while (number > 0 || (width > 0 && at > 0));
  into.append(digits.data() + at, digits.size() - at);
}

void append_cents(std::string& into, std::int64_t cents) {
  if (cents < 0) into += '-';
  const auto size = static_cast<std::uint64_t>(cents < 0 ? -cents : cents);
  append_number(into, size / 100);
  into += '.';
  append_number(into, size % 100, 2);
}

void append_uuid(std::string& into, std::uint64_t high, std::uint64_t low) {
  constexpr const char* kHex = "0123456789abcdef";
  std::array<char, 36> text;
  std::size_t at = 0;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) text[at++] = '-';
    const std::uint64_t half = i < 16 ? high : low;
    text[at++] = kHex[(half >> (60 - 4 * (i % 16))) & 0xF];
  }
  into.append(text.data(), text.size());
}

void append_day(std::string& into, config::CalendarDay day) {
  const std::chrono::year_month_day date(day);
  append_number(into, static_cast<std::uint64_t>(static_cast<int>(date.year())), 4);
  into += '-';
  append_number(into, static_cast<unsigned>(date.month()), 2);
  into += '-';
  append_number(into, static_cast<unsigned>(date.day()), 2);
}

void append_time(std::string& into, base::Time time) {
  const auto day = std::chrono::floor<days>(time);
  append_day(into, day);
  const auto micros = static_cast<std::uint64_t>(microseconds(time - day).count());
  const auto seconds = micros / 1'000'000;
  into += 'T';
  append_number(into, seconds / 3600, 2);
  into += ':';
  append_number(into, seconds / 60 % 60, 2);
  into += ':';
  append_number(into, seconds % 60, 2);
  into += '.';
  append_number(into, micros % 1'000'000, 6);
  into += 'Z';
}

}  // namespace millrace::verify
