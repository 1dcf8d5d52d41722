#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "config/pipeline.hpp"

namespace millrace::decode {

struct SplitLimits {
  std::size_t records_max = 100'000;
  std::size_t record_bytes_max = std::size_t{1} << 20;
};

/// Records of one body. The views point into the body, or into `owned`.
struct SplitBody {
  std::vector<std::string_view> records;
  std::vector<std::unique_ptr<std::string>> owned;
};

/// Splits a body of JSON: one array, one object that may span lines, or one value per line. A
/// record that is no good JSON is split off all the same: the worker rejects it alone. Errors
/// Invalid: where the records end cannot be told, or a record is too large, with the byte.
base::Result<SplitBody> split_json(std::string_view body, const SplitLimits& limits);

/// Splits a body of NDJSON: each line that is not blank is a record, whatever stands in it.
/// Errors  Invalid: a record is too large, or there are too many, with the byte.
base::Result<SplitBody> split_ndjson(std::string_view body, const SplitLimits& limits);

/// Splits a body of CSV with a header line into rows in the order of the source's schema. Where the
/// header is the schema, rows are taken as they are. Columns that the header lacks become NULL.
/// Errors  Invalid: an unknown column (unless unknown fields are ignored), a missing header, an
/// open quote,
///         with the byte or the line.
base::Result<SplitBody> split_csv(std::string_view body, const config::Source& source,
                                  const SplitLimits& limits);

/// The end of the CSV row that starts at `from` (its line break, or the end of `text`); npos if a
/// quoted field stays open. A quote opens a field only where the field starts: one that stands
/// astray in a field spoils its own row and not those after it.
std::size_t csv_row_end(std::string_view text, std::size_t from, char delimiter = ',');

}  // namespace millrace::decode
