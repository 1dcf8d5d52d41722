#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace millrace::aws {

/// `20260131T235959Z`, as in `X-Amz-Date`.
std::string format_amz_date(base::Time time);

/// Reads it, and the HTTP form `Sat, 31 Jan 2026 23:59:59 GMT`. Nothing for anything else.
std::optional<base::Time> parse_amz_date(std::string_view text);

}  // namespace millrace::aws
