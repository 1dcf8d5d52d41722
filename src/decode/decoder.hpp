#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/record.hpp"
#include "base/result.hpp"
#include "config/pipeline.hpp"
#include "decode/writer_schema.hpp"
#include "sql/chunk.hpp"

namespace millrace::decode {

struct DecoderOptions {
  config::Format format = config::Format::Json;
  std::vector<config::Column> schema;
  config::UnknownFields unknown_fields = config::UnknownFields::Ignore;
  std::vector<config::HeaderColumn> headers = {};  ///< more columns, of records' headers
  std::string key_column = {};                     ///< and one of their keys; empty: none
  std::optional<std::string> event_time;  ///< a column: too far after the arrival is an error
  std::chrono::microseconds future_max = std::chrono::minutes(5);
  char csv_delimiter = ',';
  std::string csv_null;
  std::size_t depth_max = 64;
  std::shared_ptr<SchemaRegistry> registry;  ///< of Avro and Protobuf
};

/// A record that does not decode.
struct BadRecord {
  std::size_t index = 0;  ///< in the batch's records
  std::string reason;  ///< one word: `malformed`, `wrong_type`, `out_of_range`, `invalid_utf8`, …
  std::string detail;  ///< the field, what it was, what was expected
};

struct Decoded {
  /// Full but for the last. Long texts lie in the batch's memory, which a chunk keeps; what is made
  /// from it by reference does not.
  std::vector<std::shared_ptr<const sql::Chunk>> chunks;
  std::vector<std::uint32_t> record_of_row;  ///< over all chunks: index in the batch's records
  std::vector<BadRecord> bad;                ///< in the order of the records
};

/// Turns records into column chunks. docs/decoding.md says which value becomes what in which type.
/// Threads: one at a time.
class Decoder {
 public:
  explicit Decoder(DecoderOptions options);
  Decoder(Decoder&&) noexcept;
  ~Decoder();

  /// The declared columns, `_extra` if unknown fields are kept, those of headers and the key, then
  /// _shard, _offset, _received_at.
  const std::vector<sql::Column>& columns() const;

  /// Fetches what decoding `batch` needs: schemas that were not met before. It may block.
  /// Errors  Unavailable: a schema is not to be had at the moment; the records have to wait.
  base::Result<void> prepare(const base::RecordBatch& batch);
  /// One row for each good record, in their order; how the records were cut into batches changes
  /// nothing.
  Decoded decode(const base::RecordBatch& batch);

 private:
  class State;
  std::unique_ptr<State> state_;
};

/// The DuckDB type of a declared one.
sql::Type sql_type(const config::ColumnType& type);

}  // namespace millrace::decode
