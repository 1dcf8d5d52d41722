#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "sql/type.hpp"

namespace millrace::lake {

/// A table's columns, as its metadata says them.
using Schema = std::vector<sql::Column>;

/// The columns as Delta's `schemaString`.
/// Errors  Invalid: a column's type has no home in Delta Lake.
/// Source  Delta protocol, "Schema Serialization Format".
base::Result<std::string> schema_string(const Schema& schema);

/// Reads a `schemaString`. JSON columns come back as VARCHAR: Delta has no JSON type.
/// Errors  Corrupt: not a schema. Invalid: a type that we do not read.
base::Result<Schema> parse_schema_string(const std::string& text);

/// A column's type once it is stored.
sql::Type stored_type(const sql::Type& type);

/// True if rows of `ours` may be written into a table of `stored`: the same names and stored types.
base::Result<void> check_same_schema(const Schema& ours, const Schema& stored);

}  // namespace millrace::lake
