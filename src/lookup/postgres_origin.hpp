#pragma once

#include <memory>

#include "lookup/origin.hpp"

namespace millrace::lookup {

/// The rows of a table or a SELECT of PostgreSQL; `from` of `lookup` is a `config::LookupPostgres`.
/// They are brought into a file of `scratch`. A numeric without a precision becomes a DOUBLE, lists
/// and ranges JSON or text, as DuckDB's own reader of PostgreSQL has them.
/// Errors  Invalid: the SELECT. Else as `postgres::Connection::open`.
std::unique_ptr<Origin> make_postgres_origin(const config::Lookup& lookup, os::Disk& disk,
                                             const os::Path& scratch);

}  // namespace millrace::lookup
