#include "flow/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <thread>

#include "base/text.hpp"
#include "flow/reject_headers.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::int64_t kRecordsPerRead = 5000;

/// What records point into.
struct Owner {
  std::vector<sql::Chunk> chunks;
  KeptHeaders headers;
};

// `7.checked_orders.parquet`
struct ManifestName {
  std::int64_t number = 0;
  std::string table;
};

std::optional<ManifestName> parse_name(std::string_view name) {
  ManifestName parsed;
  const auto [end, code] = std::from_chars(name.data(), name.data() + name.size(), parsed.number);
  auto rest = name.substr(static_cast<std::size_t>(end - name.data()));
  if (code != std::errc() || !rest.starts_with('.') || !rest.ends_with(".parquet")) {
    return std::nullopt;
  }
  rest.remove_prefix(1);
  rest.remove_suffix(std::string_view(".parquet").size());
  parsed.table = rest;
  return parsed;
}

std::string condition_of(const ReplayRequest& request) {
  std::vector<std::string> parts{"(outcome IS NULL OR outcome = 'rejected')"};
  const auto equals = [&](const char* column, const std::optional<std::string>& value) {
    if (value) parts.push_back(fmt::format("\"{}\" = {}", column, base::sql_string(*value)));
  };
  equals("table", request.table);
  equals("reason", request.reason);
  equals("stage", request.stage);
  if (request.since) {
    parts.push_back(fmt::format("rejected_at >= TIMESTAMPTZ {}",
                                base::sql_string(base::format_time(*request.since))));
  }
  if (!request.has_duplicates) parts.emplace_back("reason <> 'duplicate'");
  std::vector<std::string> positions;
  for (const auto& position : request.positions) {
    positions.push_back(fmt::format(
        "({}, {}, {}, {}, {})", base::sql_string(position.table), base::sql_string(position.source),
        base::sql_string(position.incarnation), position.shard, position.offset));
  }
  if (!positions.empty()) {
    parts.push_back(fmt::format("(\"table\", source, incarnation, _shard, _offset) IN ({})",
                                base::join(positions, ", ")));
  }
  return base::join(parts, " AND ");
}

}  // namespace

Result<std::unique_ptr<ReplaySource>> ReplaySource::open(const os::Path& file,
                                                         sql::Instance& engine) {
  const auto name = parse_name(file.filename().string());
  CHECK(name.has_value());
  std::unique_ptr<ReplaySource> replay(new ReplaySource(file, TRY(engine.connect())));
  replay->number_ = name->number;
  replay->table_ = name->table;
  replay->incarnation_ = fmt::format("replay-{}", name->number);
  auto rows = replay->connection_.query(
      fmt::format("SELECT count(*), coalesce(any_value(source), '') FROM read_parquet({})",
                  base::sql_string(file.string())));
  if (!rows) return Error{Code::Corrupt, rows.error().message, file.string()};
  const auto chunk = TRY(rows->next());
  CHECK(chunk.has_value());
  replay->count_ = chunk->column(0).data<std::int64_t>()[0];
  replay->source_ = chunk->column(1).text(0);
  replay->part_ = {std::to_string(name->number), name->table, 0, {}};
  return replay;
}

// Manifests of before headers were kept have no column of them.
Result<base::RecordBatch> ReplaySource::read(base::ShardId shard, base::Offset from,
                                             std::uint64_t bytes_max) {
  base::RecordBatch batch{shard, {}, from, {}};
  part_.first = from.value();
  part_.origins.clear();
  auto rows = TRY(connection_.query(
      fmt::format(
          "SELECT incarnation, _shard, _offset, _received_at, partition_key, stage, reason, "
          "raw, headers FROM (SELECT * FROM read_parquet({}, file_row_number = true) UNION ALL BY "
          "NAME SELECT CAST(NULL AS VARCHAR) AS headers WHERE false) WHERE file_row_number >= {} "
          "AND file_row_number < {} ORDER BY file_row_number",
          base::sql_string(file_.string()), from.value(), from.value() + kRecordsPerRead),
      sql::Fetch::Streamed));
  auto owner = std::make_shared<Owner>();
  std::uint64_t bytes = 0;
  while (bytes < bytes_max) {
    auto chunk = TRY(rows.next());
    if (!chunk) break;
    for (std::size_t row = 0; row < chunk->row_count() && bytes < bytes_max; ++row) {
      const auto raw = chunk->column(7).text(row);
      const bool has_headers = !chunk->column(8).is_null(row);
      const auto headers = has_headers ? chunk->column(8).text(row) : std::string_view();
      batch.records.push_back(
          {batch.next,
           base::Time(std::chrono::microseconds(chunk->column(3).data<std::int64_t>()[row])),
           chunk->column(4).text(row), raw,
           has_headers ? TRY(owner->headers.add(headers).context(file_.string()))
                       : std::span<const base::Header>()});
      part_.origins.push_back(
          {std::string(chunk->column(0).text(row)), chunk->column(1).data<std::int32_t>()[row],
           chunk->column(2).data<std::int64_t>()[row], stage_of(chunk->column(5).text(row)),
           std::string(chunk->column(6).text(row))});
      batch.next = batch.next.next();
      bytes += raw.size() + headers.size() + 1;
    }
    owner->chunks.push_back(std::move(*chunk));
  }
  batch.owner = std::move(owner);
  return batch;
}

bool ReplaySource::wait_beyond(std::span<const base::Offset> positions,
                               std::chrono::microseconds timeout, std::stop_token stop) {
  if (positions.front().value() < count_) return true;
  if (!stop.stop_requested()) std::this_thread::sleep_for(timeout);
  return false;
}

Result<std::vector<os::Path>> list_manifests(const os::Path& folder, os::Disk& disk) {
  std::vector<std::pair<std::int64_t, os::Path>> found;
  for (const auto& file : TRY(disk.list(folder))) {
    if (const auto name = parse_name(file.name))
      found.emplace_back(name->number, folder / file.name);
  }
  std::ranges::sort(found);
  std::vector<os::Path> paths;
  for (auto& [number, path] : found) paths.push_back(std::move(path));
  return paths;
}

Result<std::vector<os::Path>> write_manifests(const ReplayRequest& request,
                                              const std::string& rejects_sql,
                                              const os::Path& folder, os::Disk& disk,
                                              sql::Instance& engine) {
  const auto existing = TRY(list_manifests(folder, disk));
  std::int64_t number = request.number_min;
  if (!existing.empty()) {
    number = std::max(number, parse_name(existing.back().filename().string())->number + 1);
  }
  auto connection = TRY(engine.connect());
  // Of each record, what became of it last.
  TRY(
      connection.run(fmt::format("CREATE OR REPLACE TEMP TABLE chosen AS SELECT * FROM (SELECT * "
                                 "FROM ({}) QUALIFY row_number() "
                                 "OVER (PARTITION BY \"table\", source, incarnation, _shard, "
                                 "_offset ORDER BY rejected_at DESC, "
                                 "CASE WHEN outcome = 'accepted' THEN 0 ELSE 1 END) = 1) WHERE {}",
                                 rejects_sql, condition_of(request))));
  auto names = TRY(connection.query("SELECT DISTINCT \"table\" FROM chosen ORDER BY 1"));
  std::vector<os::Path> written;
  while (auto chunk = TRY(names.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row, ++number) {
      const std::string table(chunk->column(0).text(row));
      const auto path = folder / fmt::format("{}.{}.parquet", number, table);
      const auto draft = folder / (path.filename().string() + ".tmp");
      TRY(connection.run(fmt::format(
          "COPY (SELECT * FROM chosen WHERE \"table\" = {} ORDER BY source, incarnation, _shard, "
          "_offset) TO {} (FORMAT parquet, COMPRESSION zstd)",
          base::sql_string(table), base::sql_string(draft.string()))));
      TRY(disk.sync_file(draft));
      TRY(disk.rename(draft, path));
      TRY(disk.sync_directory(folder));
      written.push_back(path);
    }
  }
  return written;
}

}  // namespace millrace::flow
