#pragma once

#include <string_view>

namespace millrace::sql {

/// The name that DuckDB wants its file to have.
inline constexpr std::string_view kHttpfsName = "httpfs.duckdb_extension";

/// DuckDB's signed extension that reads `s3://`, which is part of this program; DuckDB checks its
/// signature when it is loaded from a file. Empty if the build had none.
std::string_view httpfs_extension();

}  // namespace millrace::sql
