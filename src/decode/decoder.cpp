#include "decode/decoder.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "decode/row_reader.hpp"

namespace millrace::decode {
namespace {

using Kind = config::ColumnType::Kind;

constexpr const char* kExtra = "_extra";
constexpr std::size_t kShownBytesMax = 60;

/// Texts of the chunk lie in the batch's memory.
struct HeldChunk {
  sql::Chunk chunk;
  std::shared_ptr<const void> owner;
};

config::ColumnType plain(Kind kind) {
  return {.kind = kind};
}

std::unique_ptr<RowReader> make_reader(const DecoderOptions& options) {
  switch (options.format) {
    case config::Format::Json:
      return make_json_reader(options);
    case config::Format::Csv:
      return make_csv_reader(options);
    case config::Format::Avro:
    case config::Format::Protobuf:
      break;
  }
  return make_packed_reader(options);
}

}  // namespace

sql::Type sql_type(const config::ColumnType& type) {
  switch (type.kind) {
    case Kind::Varchar:
      return sql::Type(DUCKDB_TYPE_VARCHAR);
    case Kind::Boolean:
      return sql::Type(DUCKDB_TYPE_BOOLEAN);
    case Kind::TinyInt:
      return sql::Type(DUCKDB_TYPE_TINYINT);
    case Kind::SmallInt:
      return sql::Type(DUCKDB_TYPE_SMALLINT);
    case Kind::Integer:
      return sql::Type(DUCKDB_TYPE_INTEGER);
    case Kind::BigInt:
      return sql::Type(DUCKDB_TYPE_BIGINT);
    case Kind::Float:
      return sql::Type(DUCKDB_TYPE_FLOAT);
    case Kind::Double:
      return sql::Type(DUCKDB_TYPE_DOUBLE);
    case Kind::Decimal:
      return sql::Type::decimal(type.precision, type.scale);
    case Kind::Date:
      return sql::Type(DUCKDB_TYPE_DATE);
    case Kind::TimestampTz:
      return sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ);
    case Kind::Timestamp:
      return sql::Type(DUCKDB_TYPE_TIMESTAMP);
    case Kind::List:
      return sql::Type::list(sql_type(type.fields.at(0).type));
    case Kind::Json:
      return sql::Type::json();
    case Kind::Struct:
      break;
  }
  std::vector<std::pair<std::string, sql::Type>> fields;
  for (const auto& field : type.fields) fields.emplace_back(field.name, sql_type(field.type));
  return sql::Type::structure(fields);
}

class Decoder::State {
 public:
  explicit State(DecoderOptions options)
      : options_(std::move(options)), reader_(make_reader(options_)) {
    for (std::size_t i = 0; i < options_.schema.size(); ++i) {
      const auto& column = options_.schema[i];
      columns_.push_back({column.name, sql_type(column.type)});
      cells_.emplace_back(column.type, record_);
      if (column.name == options_.event_time) event_time_ = i;
    }
    if (options_.unknown_fields == config::UnknownFields::Keep) {
      columns_.push_back({kExtra, sql::Type::json()});
      cells_.emplace_back(plain(Kind::Json), record_);
    }
    header_column_ = columns_.size();
    for (const auto& header : options_.headers) add_text_column(header.column);
    if (!options_.key_column.empty()) add_text_column(options_.key_column);
    shard_column_ = columns_.size();
    columns_.push_back({"_shard", sql::Type(DUCKDB_TYPE_INTEGER)});
    columns_.push_back({"_offset", sql::Type(DUCKDB_TYPE_BIGINT)});
    columns_.push_back({"_received_at", sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ)});
  }

  const std::vector<sql::Column>& columns() const { return columns_; }

  base::Result<void> prepare(const base::RecordBatch& batch) { return reader_->prepare(batch); }

  Decoded decode(const base::RecordBatch& batch) {
    Decoded decoded;
    decoded.record_of_row.reserve(batch.records.size());
    std::optional<sql::Chunk> chunk;
    std::size_t row = 0;
    for (std::size_t index = 0; index < batch.records.size(); ++index) {
      if (!chunk) {
        chunk.emplace(columns_);
        open(*chunk);
      }
      const auto& record = batch.records[index];
      if (auto misfit = read(record, row)) {
        for (auto& cell : cells_) cell.reset(row);
        for (auto& cell : header_cells_) cell.reset(row);
        decoded.bad.push_back({index, std::move(misfit->reason), std::move(misfit->detail)});
        continue;
      }
      shards_[row] = static_cast<std::int32_t>(batch.shard.value());
      offsets_[row] = record.offset.value();
      received_[row] = record.received_at.time_since_epoch().count();
      decoded.record_of_row.push_back(static_cast<std::uint32_t>(index));
      if (++row == sql::kChunkRows) finish(decoded, batch, chunk, row);
    }
    if (row > 0) finish(decoded, batch, chunk, row);
    return decoded;
  }

 private:
  void add_text_column(const std::string& name) {
    columns_.push_back({name, sql::Type(DUCKDB_TYPE_VARCHAR)});
    header_cells_.emplace_back(plain(Kind::Varchar), record_);
  }

  void open(sql::Chunk& chunk) {
    for (std::size_t i = 0; i < cells_.size(); ++i) cells_[i].open(chunk.column(i));
    for (std::size_t i = 0; i < header_cells_.size(); ++i) {
      header_cells_[i].open(chunk.column(header_column_ + i));
    }
    shards_ = chunk.column(shard_column_).data<std::int32_t>();
    offsets_ = chunk.column(shard_column_ + 1).data<std::int64_t>();
    received_ = chunk.column(shard_column_ + 2).data<std::int64_t>();
  }

  static void finish(Decoded& decoded, const base::RecordBatch& batch,
                     std::optional<sql::Chunk>& chunk, std::size_t& row) {
    chunk->set_row_count(row);
    const auto held = std::make_shared<const HeldChunk>(std::move(*chunk), batch.owner);
    decoded.chunks.emplace_back(held, &held->chunk);
    chunk.reset();
    row = 0;
  }

  Fit read(const base::Record& record, std::size_t row) {
    record_ = record.bytes;
    if (auto misfit = reader_->read(record.bytes, row, cells_)) return misfit;
    if (auto misfit = read_headers(record, row)) return misfit;
    if (!event_time_) return std::nullopt;
    const auto vector = cells_[*event_time_].vector();
    if (vector.is_null(row)) return std::nullopt;
    const std::int64_t time = vector.data<std::int64_t>()[row];
    // Held against the arrival, not the clock: read again, the record gets the same answer.
    const auto latest = record.received_at + options_.future_max;
    if (time <= latest.time_since_epoch().count()) return std::nullopt;
    return Misfit{
        "from_the_future",
        fmt::format("field '{}': {} is too long after its arrival; check the sender's clock",
                    options_.schema[*event_time_].name,
                    base::format_time(base::Time(std::chrono::microseconds(time))))};
  }

  // What stands beside the bytes: headers, and the key, which is NULL where it is empty.
  Fit read_headers(const base::Record& record, std::size_t row) {
    for (std::size_t i = 0; i < options_.headers.size(); ++i) {
      const auto& name = options_.headers[i].header;
      const auto found = std::ranges::find(record.headers, name, &base::Header::name);
      const auto value = found == record.headers.end() ? std::nullopt : found->value;
      if (!put_text(value, row, header_cells_[i])) return no_text("header '" + name + "'", *value);
    }
    if (options_.key_column.empty()) return std::nullopt;
    const auto key = record.partition_key;
    const auto value = key.empty() ? std::nullopt : std::optional(key);
    if (!put_text(value, row, header_cells_.back())) return no_text("key", key);
    return std::nullopt;
  }

  // False if it is no UTF-8.
  bool put_text(std::optional<std::string_view> value, std::size_t row, CellWriter& cell) {
    if (!value) {
      cell.put_null(row);
      return true;
    }
    if (!base::is_utf8(*value)) return false;
    record_ = *value;  // it lives as long as the record's bytes, and is not copied either
    return !cell.put_text(row, *value);
  }

  static Misfit no_text(const std::string& what, std::string_view bytes) {
    return {"invalid_utf8",
            fmt::format("{}: {} is not UTF-8", what, base::printable(bytes, kShownBytesMax))};
  }

  const DecoderOptions options_;
  std::unique_ptr<RowReader> reader_;
  std::vector<sql::Column> columns_;
  std::string_view record_;  // at hand; the cells look at it
  std::vector<CellWriter> cells_;
  std::optional<std::size_t> event_time_;
  std::vector<CellWriter> header_cells_;  // of headers, then of the key
  std::size_t header_column_ = 0;
  std::size_t shard_column_ = 0;
  std::int32_t* shards_ = nullptr;
  std::int64_t* offsets_ = nullptr;
  std::int64_t* received_ = nullptr;
};

Decoder::Decoder(DecoderOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

const std::vector<sql::Column>& Decoder::columns() const {
  return state_->columns();
}
base::Result<void> Decoder::prepare(const base::RecordBatch& batch) {
  return state_->prepare(batch);
}
Decoded Decoder::decode(const base::RecordBatch& batch) {
  return state_->decode(batch);
}

}  // namespace millrace::decode
