#include "flow/tail_cursor.hpp"

#include <algorithm>
#include <ranges>

#include "flow/row_sql.hpp"
#include "flow/table_work.hpp"

namespace millrace::flow {
namespace {

std::size_t shard_column_of(const TableCut& table) {
  const auto& schema =
      table.hot_columns.empty() ? table.snapshot->metadata->schema : table.hot_columns;
  const auto found = std::ranges::find(schema, kShard, &sql::Column::name);
  CHECK(found != schema.end());
  return static_cast<std::size_t>(found - schema.begin());
}

std::int64_t row_count_of(const TableCut& table) {
  std::int64_t count = table.snapshot->record_count();
  for (const auto& chunks : table.hot) {
    for (const auto& chunk : *chunks) count += static_cast<std::int64_t>(chunk->row_count());
  }
  return count;
}

}  // namespace

TailCursor::TailCursor(const TableCut& table) {
  (void)look(table, 0);
}

bool TailCursor::is_new(std::int32_t shard, std::int64_t offset) const {
  const auto next = next_.find(shard);
  return next == next_.end() || offset >= next->second;
}

TailCursor::News TailCursor::look(const TableCut& table, std::size_t rows_max) {
  // Newest first, until a chunk that has nothing new: rows come in order.
  const std::size_t shard_column = shard_column_of(table);
  News news;
  std::map<std::int32_t, std::int64_t> next = next_;
  std::int64_t came = 0;
  bool has_new = true;
  for (const auto& chunks : table.hot | std::views::reverse) {
    for (const auto& chunk : *chunks | std::views::reverse) {
      if (!has_new) break;
      const Positions positions(*chunk, shard_column);
      const std::int64_t before = came;
      for (std::size_t row = chunk->row_count(); row-- > 0;) {
        const auto at = positions.at(row);
        if (!is_new(at.shard, at.offset)) continue;
        ++came;
        auto& end = next[at.shard];
        end = std::max(end, at.offset + 1);
        if (news.rows.size() < rows_max) {
          news.rows.push_back({chunk, static_cast<std::uint32_t>(row)});
        }
      }
      has_new = came > before;
    }
  }
  std::ranges::reverse(news.rows);
  const std::int64_t count = row_count_of(table);
  news.missed =
      std::max<std::int64_t>(0, count - row_count_ - static_cast<std::int64_t>(news.rows.size()));
  row_count_ = count;
  next_ = std::move(next);
  return news;
}

}  // namespace millrace::flow
