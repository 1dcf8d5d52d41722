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

/// How the columns that a table should have differ from those that it has.
struct SchemaChange {
  std::vector<std::string> added;    ///< names, in the order of the columns
  std::vector<std::string> refused;  ///< what cannot be done to a table with rows, and the mend
  bool is_reordered = false;

  bool is_none() const { return added.empty() && refused.empty() && !is_reordered; }
};

/// Columns are told apart by their names; their types are compared as they are stored. Columns may
/// be added and reordered; one that is gone or of another type is refused.
SchemaChange schema_change(const Schema& ours, const Schema& stored);

}  // namespace millrace::lake
