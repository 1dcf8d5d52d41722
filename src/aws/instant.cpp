#include "aws/instant.hpp"

#include <aws/common/date_time.h>

#include "aws/library.hpp"

namespace millrace::aws {

std::string format_amz_date(base::Time time) {
  const auto text = base::format_time(time);  // 2026-01-31T23:59:59.000000Z
  std::string compact;
  for (const char c : text.substr(0, text.find('.'))) {
    if (c != '-' && c != ':') compact += c;
  }
  return compact + "Z";
}

std::optional<base::Time> parse_amz_date(std::string_view text) {
  const auto bytes = cursor(text);
  for (const auto format : {AWS_DATE_FORMAT_ISO_8601_BASIC, AWS_DATE_FORMAT_RFC822}) {
    aws_date_time read{};
    if (aws_date_time_init_from_str_cursor(&read, &bytes, format) == AWS_OP_SUCCESS) {
      const auto since_epoch = std::chrono::milliseconds(aws_date_time_as_millis(&read));
      return base::Time(since_epoch);
    }
  }
  return std::nullopt;
}

}  // namespace millrace::aws
