#include "flow/lane.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace millrace::flow {
namespace {

using base::Result;

std::optional<std::size_t> event_column(const decode::Decoder& decoder,
                                        const config::Source& source) {
  if (!source.event_time) return std::nullopt;
  const auto& columns = decoder.columns();
  const auto found = std::ranges::find(columns, source.event_time->column, &sql::Column::name);
  if (found == columns.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns.begin());
}

std::optional<base::Time> newest_of(const decode::Decoded& decoded, std::size_t column) {
  std::optional<base::Time> newest;
  for (const auto& chunk : decoded.chunks) {
    const auto vector = chunk->column(column);
    const auto* values = vector.data<std::int64_t>();
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      if (vector.is_null(row)) continue;
      const base::Time time{std::chrono::microseconds(values[row])};
      newest = std::max(newest.value_or(time), time);
    }
  }
  return newest;
}

Result<Chunks> all_rows_of(sql::Connection& connection, const std::string& select) {
  auto rows = TRY(connection.query(select));
  Chunks chunks;
  while (auto chunk = TRY(rows.next())) {
    chunks.push_back(std::make_shared<const sql::Chunk>(std::move(*chunk)));
  }
  return chunks;
}

std::string names_of(const std::vector<sql::Column>& columns) {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back("r." + base::sql_name(column.name));
  return base::join(names, ", ");
}

}  // namespace

Result<std::optional<MicroBatch>> LaneReader::read(Lane& lane,
                                                   const std::vector<base::Offset>& from,
                                                   std::uint64_t bytes_max) const {
  MicroBatch batch{.source = source.name, .incarnation = lane.incarnation};
  const auto shard_count =
      from.size() - static_cast<std::size_t>(std::ranges::count(from, kNotNow));
  for (std::size_t i = 0; i < lane.shards.size(); ++i) {
    if (from[i] == kNotNow) continue;
    auto records = TRY(lane.stream->read(lane.shards[i].id, from[i], bytes_max / shard_count));
    if (records.next == from[i]) continue;
    lane.shards[i].record_at = clock.steady_now();
    TRY(add(std::move(records), from[i], batch));
  }
  if (batch.batches.empty()) return std::optional<MicroBatch>();
  if (lane.replay) batch.replay = lane.replay->part();
  return std::optional(std::move(batch));
}

Result<void> LaneReader::add(base::RecordBatch records, base::Offset from,
                             MicroBatch& batch) const {
  TRY(decoder.prepare(records));
  auto decoded = decoder.decode(records);
  for (auto& bad : decoded.bad) {
    batch.undecoded.push_back({Stage::Decode, std::move(bad.reason), std::move(bad.detail),
                               records.shard, records.records[bad.index]});
  }
  std::optional<base::Time> newest;
  if (const auto column = event_column(decoder, source)) newest = newest_of(decoded, *column);
  if (!source.event_time && !records.records.empty()) newest = records.records.back().received_at;
  batch.newest_events.push_back(newest);
  batch.chunks.insert(batch.chunks.end(), decoded.chunks.begin(), decoded.chunks.end());
  batch.first.push_back(from);
  batch.batches.push_back(std::move(records));
  return {};
}

decode::DecoderOptions decoder_options(const config::Source& source,
                                       std::shared_ptr<decode::SchemaRegistry> registry) {
  return {.format = source.format,
          .schema = source.schema,
          .unknown_fields = source.unknown_fields,
          .headers = source.headers,
          .key_column = source.key_column,
          .event_time = source.event_time ? std::optional(source.event_time->column) : std::nullopt,
          .csv_delimiter = source.csv_delimiter,
          .csv_null = source.csv_null,
          .registry = std::move(registry)};
}

Result<Chunks> committed_rows(const TableFlow& parent, lake::Table& table, const MicroBatch& batch,
                              const std::vector<base::Offset>& from,
                              const std::vector<base::Offset>& until) {
  std::vector<std::string> ranges;
  for (std::size_t i = 0; i < batch.batches.size(); ++i) {
    if (from[i] >= until[i]) continue;
    ranges.push_back(fmt::format("(r._shard = {} AND r._offset >= {} AND r._offset < {})",
                                 batch.batches[i].shard.value(), from[i].value(),
                                 until[i].value()));
  }
  if (ranges.empty()) return Chunks{};
  auto connection = TRY(table.tools().engine.connect());
  return all_rows_of(
      connection,
      fmt::format("SELECT {} FROM ({}) r WHERE {} ORDER BY r._shard, r._offset, "
                  "r._row",
                  names_of(parent.plan().output), lake::scan_sql(table.root(), *table.snapshot()),
                  base::join(ranges, " OR ")));
}

Result<Chunks> replayed_rows(const TableFlow& parent, lake::Table& table, const MicroBatch& batch) {
  const auto& replay = *batch.replay;
  std::vector<std::string> positions;
  for (std::size_t i = 0; i < replay.origins.size(); ++i) {
    positions.push_back(fmt::format("({}, {}, {})", replay.origins[i].shard,
                                    replay.origins[i].offset,
                                    replay.first + static_cast<std::int64_t>(i)));
  }
  if (positions.empty()) return Chunks{};
  auto connection = TRY(table.tools().engine.connect());
  return all_rows_of(
      connection,
      fmt::format(
          "SELECT * EXCLUDE (s, o, n) REPLACE (CAST({} AS INTEGER) AS _shard, CAST(n AS "
          "BIGINT) AS _offset) FROM (SELECT {}, p.* FROM ({}) r JOIN (VALUES {}) p(s, o, n) "
          "ON r._shard = p.s AND r._offset = p.o ORDER BY p.n, r._row)",
          batch.batches.front().shard.value(), names_of(parent.plan().output),
          lake::scan_sql(table.root(), *table.snapshot()), base::join(positions, ", ")));
}

}  // namespace millrace::flow
