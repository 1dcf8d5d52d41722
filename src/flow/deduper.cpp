#include "flow/deduper.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/text.hpp"
#include "flow/row_sql.hpp"
#include "sql/render.hpp"

namespace millrace::flow {
namespace {

using base::Result;
using std::chrono::microseconds;

// Claims are kept this much longer than `unique` and lateness ask, so that the table is seldom
// asked.
constexpr auto kSlack = std::chrono::hours(1);
// Committed records are never read again, so none of them is its own duplicate.
constexpr Claimant kCommitted{std::numeric_limits<std::int32_t>::max(), -1};

base::Time time_at(const sql::Vector& vector, std::size_t row) {
  return base::Time(microseconds(vector.data<std::int64_t>()[row]));
}

}  // namespace

Deduper::Deduper(const TablePlan& plan, lake::Table& table, DedupeOptions options,
                 microseconds lateness)
    : plan_(plan), table_(table), lateness_(lateness), set_(std::move(options)) {}

microseconds Deduper::span() const {
  return plan_.table.unique->within + lateness_ + kSlack;
}

std::string Deduper::time_column() const {
  return base::sql_name(plan_.event_time_column ? plan_.output[*plan_.event_time_column].name
                                                : std::string(kReceivedAt));
}

Result<void> Deduper::rebuild() {
  set_.clear();
  const auto key = base::sql_name(plan_.output[*plan_.unique_column].name);
  auto connection = TRY(table_.tools().engine.connect());
  auto rows = TRY(connection.query(
      fmt::format("WITH t AS ({}) SELECT {}, coalesce({}, _received_at) FROM t "
                  "WHERE {} IS NOT NULL AND coalesce({}, _received_at) >= "
                  "(SELECT max(coalesce({}, _received_at)) FROM t) - to_microseconds({})",
                  lake::scan_sql(table_.root(), *table_.snapshot()), key, time_column(), key,
                  time_column(), time_column(), span().count()),
      sql::Fetch::Streamed));
  const sql::Renderer renderer(rows.columns()[0].type);
  while (auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      const auto time = time_at(chunk->column(1), row);
      newest_ = std::max(newest_.value_or(time), time);
      TRY(set_.claim(key_of(renderer.text(chunk->column(0), row)), time, kCommitted));
    }
  }
  if (newest_) horizon_ = *newest_ - span();
  return {};
}

Result<std::vector<std::uint32_t>> Deduper::claim(const sql::Chunk& chunk) {
  const auto keys = chunk.column(*plan_.unique_column);
  const auto received = chunk.column(plan_.shard_column + 3);
  const auto times = chunk.column(plan_.event_time_column.value_or(plan_.shard_column + 3));
  const auto* shards = chunk.column(plan_.shard_column).data<std::int32_t>();
  const auto* offsets = chunk.column(plan_.shard_column + 1).data<std::int64_t>();
  const sql::Renderer renderer(plan_.output[*plan_.unique_column].type);
  const bool is_text = plan_.output[*plan_.unique_column].type.id() == DUCKDB_TYPE_VARCHAR;
  std::vector<std::uint32_t> kept;
  kept.reserve(chunk.row_count());
  for (std::size_t row = 0; row < chunk.row_count(); ++row) {
    const auto number = static_cast<std::uint32_t>(row);
    if (keys.is_null(row)) {
      kept.push_back(number);
      continue;
    }
    const auto rendered = is_text ? std::string() : renderer.text(keys, row);
    const std::string_view key = is_text ? keys.text(row) : std::string_view(rendered);
    const auto time = times.is_null(row) ? time_at(received, row) : time_at(times, row);
    const Claimant own{shards[row], offsets[row]};
    const bool may_be_forgotten = horizon_ && time - plan_.table.unique->within < *horizon_;
    if (may_be_forgotten && TRY(is_in_table(std::string(key), time))) continue;
    const auto verdict = TRY(set_.claim(key_of(key), time, own));
    if (verdict == Verdict::Duplicate) continue;
    newest_ = std::max(newest_.value_or(time), time);
    oldest_unsealed_ = std::min(oldest_unsealed_.value_or(time), time);
    kept.push_back(number);
  }
  return kept;
}

Result<bool> Deduper::is_in_table(const std::string& key, base::Time time) const {
  const auto within = plan_.table.unique->within;
  auto connection = TRY(table_.tools().engine.connect());
  const auto count = TRY(connection.scalar(
      fmt::format("SELECT count(*) FROM ({}) WHERE CAST({} AS VARCHAR) = {} AND "
                  "coalesce({}, _received_at) BETWEEN TIMESTAMPTZ {} AND TIMESTAMPTZ {}",
                  lake::scan_sql(table_.root(), *table_.snapshot()),
                  base::sql_name(plan_.output[*plan_.unique_column].name), base::sql_string(key),
                  time_column(), base::sql_string(base::format_time(time - within)),
                  base::sql_string(base::format_time(time + within)))));
  return count.value_or("0") != "0";
}

void Deduper::seal() {
  oldest_unsealed_.reset();
}

// The rows that came since the seal are not in the table yet: their claims stay.
Result<void> Deduper::forget_old() {
  if (!newest_) return {};
  const auto horizon = std::min(*newest_ - span(), oldest_unsealed_.value_or(base::Time::max()));
  if (horizon_ && horizon <= *horizon_) return {};
  horizon_ = horizon;
  return set_.forget_before(horizon);
}

}  // namespace millrace::flow
