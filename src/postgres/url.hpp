#pragma once

#include <string>

#include "base/result.hpp"

namespace millrace::postgres {

/// Errors  Invalid: not a `postgres://user:password@host:port/database?option=value`, or one with
/// an option that libpq does not know.
base::Result<void> check_url(const std::string& url);

/// `user@host:port/database`, without password and options: what may be shown.
std::string safe_url(const std::string& url);

}  // namespace millrace::postgres
