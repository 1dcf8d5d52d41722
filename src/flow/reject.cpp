#include "flow/reject.hpp"

#include <algorithm>
#include <chrono>

#include "base/text.hpp"
#include "flow/reject_headers.hpp"

namespace millrace::flow {
namespace {

// Positions in reject_columns().
enum ColumnIndex : std::size_t {
  kDay,
  kRejectedAt,
  kTable,
  kSource,
  kIncarnation,
  kShardNumber,
  kOffsetNumber,
  kReceived,
  kKey,
  kStage,
  kReason,
  kDetail,
  kRaw,
  kReplay,
  kOutcome,
  kHeaders,
};

constexpr std::size_t kDetailBytesMax = 2000;

std::int64_t micros(base::Time time) {
  return time.time_since_epoch().count();
}

// A VARCHAR must be UTF-8; what a broken client sent may not be.
std::string as_utf8(std::string_view bytes) {
  return base::is_utf8(bytes) ? std::string(bytes) : base::printable(bytes, bytes.size());
}

void fill_row(const sql::Chunk& chunk, std::size_t row, const Reject& reject,
              const RejectedBy& by) {
  const auto day = std::chrono::floor<std::chrono::days>(by.rejected_at);
  chunk.column(kDay).data<std::int32_t>()[row] =
      static_cast<std::int32_t>(day.time_since_epoch().count());
  chunk.column(kRejectedAt).data<std::int64_t>()[row] = micros(by.rejected_at);
  chunk.column(kTable).set_text(row, by.table);
  chunk.column(kSource).set_text(row, by.source);
  // A replayed record keeps the position at which it came in first.
  Origin at{by.incarnation, static_cast<std::int32_t>(reject.shard.value()),
            reject.record.offset.value(), reject.stage, reject.reason};
  if (by.replay) {
    at = by.replay->origins.at(static_cast<std::size_t>(at.offset - by.replay->first));
  }
  chunk.column(kIncarnation).set_text(row, at.incarnation);
  chunk.column(kShardNumber).data<std::int32_t>()[row] = at.shard;
  chunk.column(kOffsetNumber).data<std::int64_t>()[row] = at.offset;
  chunk.column(kReceived).data<std::int64_t>()[row] = micros(reject.record.received_at);
  chunk.column(kKey).set_text(row, as_utf8(reject.record.partition_key));
  chunk.column(kStage).set_text(row, name_of(reject.stage));
  chunk.column(kReason).set_text(row, reject.reason);
  chunk.column(kDetail).set_text(row, base::printable(reject.detail, kDetailBytesMax));
  chunk.column(kRaw).set_text(row, reject.record.bytes);
  if (reject.record.headers.empty()) {
    chunk.column(kHeaders).set_null(row);
  } else {
    chunk.column(kHeaders).set_text(row, encode_headers(reject.record.headers));
  }
  if (!by.replay) {
    chunk.column(kReplay).set_null(row);
    chunk.column(kOutcome).set_null(row);
    return;
  }
  chunk.column(kReplay).set_text(row, by.replay->id);
  chunk.column(kOutcome).set_text(row, reject.outcome.empty() ? "rejected" : reject.outcome);
}

}  // namespace

std::string_view name_of(Stage stage) {
  switch (stage) {
    case Stage::Decode:
      return "decode";
    case Stage::Expect:
      return "expect";
    case Stage::Unique:
      return "unique";
    case Stage::Sql:
      return "sql";
  }
  return "decode";
}

Stage stage_of(std::string_view name) {
  for (const auto stage : {Stage::Expect, Stage::Unique, Stage::Sql}) {
    if (name == name_of(stage)) return stage;
  }
  return Stage::Decode;
}

const std::vector<sql::Column>& reject_columns() {
  const sql::Type text(DUCKDB_TYPE_VARCHAR), time(DUCKDB_TYPE_TIMESTAMP_TZ);
  static const std::vector<sql::Column> kColumns{
      {"day", sql::Type(DUCKDB_TYPE_DATE)},
      {"rejected_at", time},
      {"table", text},
      {"source", text},
      {"incarnation", text},
      {"_shard", sql::Type(DUCKDB_TYPE_INTEGER)},
      {"_offset", sql::Type(DUCKDB_TYPE_BIGINT)},
      {"_received_at", time},
      {"partition_key", text},
      {"stage", text},
      {"reason", text},
      {"detail", text},
      {"raw", sql::Type(DUCKDB_TYPE_BLOB)},
      {"replay", text},
      {"outcome", text},
      {"headers", text},  // last, as where it is added to a table of before
  };
  return kColumns;
}

std::vector<sql::Chunk> chunks_of(const std::vector<Reject>& rejects, const RejectedBy& by) {
  std::vector<sql::Chunk> chunks;
  for (std::size_t from = 0; from < rejects.size(); from += sql::kChunkRows) {
    const std::size_t count = std::min(sql::kChunkRows, rejects.size() - from);
    sql::Chunk chunk(reject_columns());
    chunk.set_row_count(count);
    for (std::size_t row = 0; row < count; ++row) fill_row(chunk, row, rejects[from + row], by);
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

}  // namespace millrace::flow
