#include "flow/alert_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "base/text.hpp"
#include "flow/row_sql.hpp"
#include "flow/unread.hpp"

namespace millrace::flow {
namespace {

using base::Result;

// Offsets of one shard that are read from the lake at once.
constexpr std::int64_t kGapOffsets = 20'000;

std::string gap_sql(const TableCut& table, const std::vector<sql::Column>& columns,
                    std::int32_t shard, std::int64_t from, std::int64_t until) {
  std::vector<std::shared_ptr<const lake::AddFile>> files;
  for (const auto& [path, file] : table.snapshot->files) {
    if (may_hold(*file, shard, from, until)) files.push_back(file);
  }
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back("r." + base::sql_name(column.name));
  return fmt::format(
      "SELECT {} FROM ({}) r WHERE r._shard = {} AND r._offset >= {} AND r._offset < "
      "{} ORDER BY r._offset, r._row",
      base::join(names, ", "), lake::scan_sql(table.root, *table.snapshot->metadata, files), shard,
      from, until);
}

}  // namespace

AlertReader::AlertReader(AlertPlan plan, DeliveryName name, Start start)
    : plan_(std::move(plan)), name_(std::move(name)), settled_(std::move(start.settled)) {
  for (const auto& [shard, offset] : start.positions) next_[shard] = {offset, 0};
}

void AlertReader::read_only(const std::set<std::int32_t>& shards, const Start& start) {
  std::erase_if(next_, [&](const auto& one) { return !shards.contains(one.first); });
  std::erase_if(settled_, [&](const RowPosition& at) { return !shards.contains(at.shard); });
  for (const auto shard : shards) {
    if (next_.contains(shard)) continue;
    const auto found = start.positions.find(shard);
    next_[shard] = {found == start.positions.end() ? 0 : found->second, 0};
    for (const auto& at : start.settled) {
      if (at.shard == shard) settled_.insert(at);
    }
  }
  ours_ = shards;
}

Reached AlertReader::ours_of(Reached positions) const {
  std::erase_if(positions, [&](const auto& one) { return !is_ours(one.first); });
  return positions;
}

// The table's own positions in this life of its source, and in replays.
Reached AlertReader::committed(const TableCut& table) const {
  const auto& transactions = table.snapshot->transactions;
  auto committed = positions_below(transactions, name_.table_prefix());
  committed.merge(positions_below(transactions, name_.table_replay_prefix()));
  return committed;
}

Reached AlertReader::ends(const TableCut& table) const {
  auto ends = committed(table);
  if (!table.reached) return ends;
  for (const auto& [shard, offset] : *table.reached) {
    auto& end = ends[shard];
    end = std::max(end, offset);
  }
  return ends;
}

bool AlertReader::is_new(const RowPosition& at) const {
  if (!is_ours(at.shard)) return false;
  const auto next = next_.find(at.shard);
  return next == next_.end() || Next{at.offset, at.row} >= next->second;
}

RowPosition AlertReader::position(const sql::Chunk& chunk, std::size_t row) const {
  const auto first = plan_.shard_column;
  return {chunk.column(first).data<std::int32_t>()[row],
          chunk.column(first + 1).data<std::int64_t>()[row],
          chunk.column(first + 2).data<std::int32_t>()[row]};
}

Result<void> AlertReader::read(const TableCut& table, sql::Instance& engine, const Take& take) {
  for (const auto& [shard, until] : ours_of(committed(table))) {
    if (!TRY(fill_gap(table, shard, until, engine, take))) return {};
  }
  if (!TRY(read_hot(table, take))) return {};
  const auto all = ours_of(ends(table));
  for (const auto& [shard, end] : all) {
    auto& next = next_[shard];
    next = std::max(next, Next{end, 0});
  }
  (void)take({{}, all});
  return {};
}

// What was committed between two looks is no longer in memory.
Result<bool> AlertReader::fill_gap(const TableCut& table, std::int32_t shard, std::int64_t until,
                                   sql::Instance& engine, const Take& take) {
  std::optional<sql::Connection> connection;
  while (next_[shard].offset < until) {
    const auto from = next_[shard].offset;
    const auto end = std::min(until, from + kGapOffsets);
    if (!connection) connection.emplace(TRY(engine.connect()));
    auto rows =
        TRY(connection->query(gap_sql(table, plan_.input, shard, from, end), sql::Fetch::Streamed));
    while (auto chunk = TRY(rows.next())) {
      if (!TRY(judge(std::make_shared<const sql::Chunk>(std::move(*chunk)), take))) return false;
    }
    next_[shard] = {end, 0};
    if (!take({{}, {{shard, end}}})) return false;
  }
  return true;
}

// Rows come in order, so what is new are the last chunks.
Result<bool> AlertReader::read_hot(const TableCut& table, const Take& take) {
  std::vector<std::shared_ptr<const sql::Chunk>> fresh;
  bool has_new = true;
  for (auto chunks = table.hot.rbegin(); chunks != table.hot.rend() && has_new; ++chunks) {
    for (auto chunk = (*chunks)->rbegin(); chunk != (*chunks)->rend() && has_new; ++chunk) {
      has_new = false;
      for (std::size_t row = (*chunk)->row_count(); row-- > 0 && !has_new;) {
        const auto at = position(**chunk, row);
        // Rows of shards that went to others say nothing about those before them.
        has_new = is_new(at) || !is_ours(at.shard);
      }
      if (has_new) fresh.push_back(*chunk);
    }
  }
  for (auto& chunk : fresh | std::views::reverse) {
    if (!TRY(judge(std::move(chunk), take))) return false;
  }
  return true;
}

Result<bool> AlertReader::judge(std::shared_ptr<const sql::Chunk> chunk, const Take& take) {
  std::vector<bool> keep(chunk->row_count());
  std::map<std::int32_t, Next> next;
  for (std::size_t row = 0; row < keep.size(); ++row) {
    const auto at = position(*chunk, row);
    if (!is_new(at)) continue;
    next[at.shard] = std::max(next[at.shard], Next{at.offset, at.row + 1});
    keep[row] = settled_.erase(at) == 0;
  }
  Step step;
  const RunHandlers handlers{
      .result =
          [&](const RowSet&, std::vector<sql::Chunk> results) {
            for (const auto& result : results) add_rows(result, step.rows);
          },
      .failed =
          [&](const RowAt& at, const base::Error& error) {
            const auto where = position(*at.chunk, at.row);
            const auto received =
                at.chunk->column(plan_.shard_column + 3).data<std::int64_t>()[at.row];
            step.rows.push_back({.at = where,
                                 .received_at = base::Time(std::chrono::microseconds(received)),
                                 .id = alert_id(name_, where),
                                 .group = {},
                                 .data = "null",
                                 .error = error.message});
          }};
  const RowSet rows({std::move(chunk)});
  TRY(run_over(*plan_.select, *plan_.relation, rows.where(keep), handlers));
  for (const auto& [shard, after] : next) {
    next_[shard] = after;
    step.reached[shard] = after.offset;
  }
  return take(std::move(step));
}

void AlertReader::add_rows(const sql::Chunk& result, std::vector<AlertRow>& rows) const {
  for (std::size_t row = 0; row < result.row_count(); ++row) {
    const RowPosition at{result.column(0).data<std::int32_t>()[row],
                         result.column(1).data<std::int64_t>()[row],
                         result.column(2).data<std::int32_t>()[row]};
    const auto received = result.column(3).data<std::int64_t>()[row];
    AlertRow alert{.at = at,
                   .received_at = base::Time(std::chrono::microseconds(received)),
                   .id = alert_id(name_, at),
                   .group = {},
                   .data = "{"};
    if (!result.column(4).is_null(row)) alert.group = std::string(result.column(4).text(row));
    for (std::size_t i = 0; i < plan_.keys.size(); ++i) {
      if (i > 0) alert.data += ',';
      alert.data += plan_.keys[i];
      plan_.renderers[i].append_json(result.column(kAlertDataColumn + i), row, alert.data);
    }
    alert.data += '}';
    if (alert.data.size() > kAlertBytesMax) {
      alert.error = fmt::format("its data have {} bytes; {} are the limit", alert.data.size(),
                                kAlertBytesMax);
    }
    rows.push_back(std::move(alert));
  }
}

}  // namespace millrace::flow
