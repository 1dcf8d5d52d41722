#pragma once

#include <duckdb.h>

#include <string_view>

#include "base/result.hpp"

namespace millrace::sql {

/// Turns DuckDB's message (with `errors_as_json` on) and kind into an error of ours.
base::Error error_from(std::string_view message, duckdb_error_type kind);

}  // namespace millrace::sql
