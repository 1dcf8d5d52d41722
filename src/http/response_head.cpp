#include "http/response_head.hpp"

#include <fmt/format.h>

#include <array>
#include <iterator>

#include "base/text.hpp"

namespace millrace::http {
namespace {

bool is_ours(std::string_view name) {
  using base::equal_ignoring_case;
  return equal_ignoring_case(name, "Content-Length") || equal_ignoring_case(name, "Connection") ||
         equal_ignoring_case(name, "Transfer-Encoding") || equal_ignoring_case(name, "Date");
}

// They have no meaning in HTTP/2, and clients take them for an error.
bool is_of_connection(std::string_view name) {
  using base::equal_ignoring_case;
  return equal_ignoring_case(name, "Keep-Alive") || equal_ignoring_case(name, "Upgrade") ||
         equal_ignoring_case(name, "Proxy-Connection");
}

void append_clean(std::string& into, std::string_view text) {
  const auto begin = into.size();
  into += text;
  for (auto i = begin; i < into.size(); ++i) {
    const auto byte = static_cast<unsigned char>(into[i]);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) into[i] = ' ';
  }
}

}  // namespace

void append_head(std::string& into, int status, const Headers& headers, const Framing& framing) {
  const auto out = std::back_inserter(into);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\n", status, reason_of(status));
  if (!framing.date.empty()) {
    into += "Date: ";
    into += framing.date;
    into += "\r\n";
  }
  for (const auto& [name, value] : headers) {
    if (is_ours(name)) continue;
    append_clean(into, name);
    into += ": ";
    append_clean(into, value);
    into += "\r\n";
  }
  if (!is_bodiless(status)) {
    if (framing.length) {
      fmt::format_to(out, "Content-Length: {}\r\n", *framing.length);
    } else if (framing.version == Version::Http11) {
      into += "Transfer-Encoding: chunked\r\n";
    }
  }
  if (!framing.is_keep_alive) {
    into += "Connection: close\r\n";
  } else if (framing.version == Version::Http10) {
    into += "Connection: keep-alive\r\n";
  }
  into += "\r\n";
}

std::vector<Header> http2_fields(int status, const Headers& headers, const Framing& framing) {
  std::vector<Header> fields;
  fields.reserve(headers.size() + 3);
  fields.push_back({":status", std::to_string(status)});
  if (!framing.date.empty()) fields.push_back({"date", std::string(framing.date)});
  for (const auto& [name, value] : headers) {
    if (is_ours(name) || is_of_connection(name)) continue;
    std::string clean_name;
    std::string clean_value;
    append_clean(clean_name, name);
    append_clean(clean_value, value);
    for (char& c : clean_name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    fields.push_back({std::move(clean_name), std::string(base::trimmed(clean_value))});
  }
  if (framing.length && !is_bodiless(status)) {
    fields.push_back({"content-length", std::to_string(*framing.length)});
  }
  return fields;
}

bool is_bodiless(int status) {
  return status < 200 || status == 204 || status == 304;
}

std::string format_http_date(base::Time time) {
  static constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed",
                                                    "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return fmt::format(
      "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[std::chrono::weekday(day).c_encoding()],
      static_cast<unsigned>(date.day()), kMonths[static_cast<unsigned>(date.month()) - 1],
      static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
      clock.seconds().count());
}

}  // namespace millrace::http
