#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "decode/cell.hpp"
#include "decode/decoder.hpp"

namespace millrace::decode {

/// Reads one record of one format into a row of the declared columns (and of `_extra`, the one
/// after them, if unknown fields are kept).
class RowReader {
 public:
  virtual ~RowReader() = default;
  /// Fetches what reading these records needs.
  /// Errors  Unavailable: it is not to be had at the moment.
  virtual base::Result<void> prepare(const base::RecordBatch& /*batch*/) { return {}; }
  /// On a misfit the row's content is undefined.
  virtual Fit read(std::string_view record, std::size_t row, std::vector<CellWriter>& cells) = 0;
};

/// Reads one JSON value, given as text, into a cell: a CSV field of a nested column.
class JsonValueReader {
 public:
  virtual ~JsonValueReader() = default;
  /// On a misfit the cell's content is undefined.
  virtual Fit read_value(std::string_view text, std::size_t row, CellWriter& cell) = 0;
};

std::unique_ptr<RowReader> make_json_reader(const DecoderOptions& options);
std::unique_ptr<JsonValueReader> make_json_value_reader(const DecoderOptions& options);
std::unique_ptr<RowReader> make_csv_reader(const DecoderOptions& options);
/// Avro and Protobuf.
std::unique_ptr<RowReader> make_packed_reader(const DecoderOptions& options);

}  // namespace millrace::decode
