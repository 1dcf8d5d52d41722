#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace millrace::postgres {

/// The address of a PostgreSQL that tests may write to; none: tests that need one are skipped.
/// `tests/with_postgres.py PROGRAM…` starts one and sets it.
inline std::optional<std::string> test_server() {
  const char* url = std::getenv("MILLRACE_TEST_POSTGRES");
  return url ? std::optional<std::string>(url) : std::nullopt;
}

}  // namespace millrace::postgres
