#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "lake/schema.hpp"

namespace millrace::lake {

/// What DuckDB says of one column of a file that it wrote: `min`, `max`, `null_count`, `has_nan`, …
using ColumnFacts = std::map<std::string, std::string>;

/// Delta's statistics of a file, as JSON: numRecords, minValues, maxValues, nullCount of the first
/// 32 leaf columns. `facts` is by DuckDB's path of the column: `"a"`, `"st"."x"`. Shape   Bounds
/// are true for every row, so that readers may skip: texts are cut to 32 characters, a cut
///         maximum goes up; timestamps are cut to milliseconds, a cut maximum goes up; bounds of
///         columns with NaN are left out.
/// Source  Delta protocol, "Per-file Statistics".
std::string statistics_json(const Schema& schema, std::int64_t record_count,
                            const std::map<std::string, ColumnFacts>& facts);

}  // namespace millrace::lake
