#include "flow/deduper.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

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

Result<void> Deduper::rebuild(const OfShards& shards) {
  if (shared_) {
    shared_->drop();
    return {};
  }
  set_.clear();
  newest_.reset(), oldest_.reset(), horizon_.reset(), oldest_unsealed_.reset();
  return read_claims(shards);
}

Result<void> Deduper::add(const std::vector<std::int64_t>& shards) {
  if (!shared_) return read_claims(shards);
  shared_->forget_untaken();
  return {};
}

Result<void> Deduper::read_claims(const OfShards& shards) {
  if (shards && shards->empty()) return {};
  const auto rows_sql = fmt::format(
      "SELECT * FROM ({}) WHERE {}", lake::scan_sql(table_.root(), *table_.snapshot()),
      shards ? fmt::format("(_shard IN ({}) OR _shard < 0)", fmt::join(*shards, ", ")) : "true");
  const auto key = base::sql_name(plan_.output[*plan_.unique_column].name);
  auto connection = TRY(table_.tools().engine.connect());
  auto rows = TRY(connection.query(
      fmt::format("WITH t AS ({}) SELECT {}, coalesce({}, _received_at) FROM t "
                  "WHERE {} IS NOT NULL AND coalesce({}, _received_at) >= "
                  "(SELECT max(coalesce({}, _received_at)) FROM t) - to_microseconds({})",
                  rows_sql, key, time_column(), key, time_column(), time_column(), span().count()),
      sql::Fetch::Streamed));
  const sql::Renderer renderer(rows.columns()[0].type);
  while (auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      const auto time = time_at(chunk->column(1), row);
      newest_ = std::max(newest_.value_or(time), time);
      TRY(set_.claim(key_of(renderer.text(chunk->column(0), row)), time, kCommitted));
    }
  }
  if (!newest_) return {};
  horizon_ = std::max(horizon_.value_or(*newest_ - span()), *newest_ - span());
  auto oldest = TRY(connection.query(
      fmt::format("SELECT min(coalesce({}, _received_at)) FROM ({}) WHERE {} IS NOT NULL",
                  time_column(), rows_sql, key)));
  const auto chunk = TRY(oldest.next());
  if (!chunk || chunk->column(0).is_null(0)) return {};
  const auto first = time_at(chunk->column(0), 0);
  oldest_ = std::min(oldest_.value_or(first), first);
  return {};
}

Result<std::vector<std::uint32_t>> Deduper::claim(const sql::Chunk& chunk,
                                                  const std::string& life) {
  auto asked = keys_of(chunk);
  if (shared_) return claim_shared(chunk, std::move(asked), life);
  const auto* shards = chunk.column(plan_.shard_column).data<std::int32_t>();
  const auto* offsets = chunk.column(plan_.shard_column + 1).data<std::int64_t>();
  const auto stored = TRY(stored_claims(asked));
  std::vector<std::uint32_t> kept;
  kept.reserve(chunk.row_count());
  for (std::size_t row = 0; row < chunk.row_count(); ++row) {
    if (asked[row]) {
      const auto& [key, time] = *asked[row];
      if (is_stored(stored, *asked[row])) continue;
      const auto verdict = TRY(set_.claim(key_of(key), time, {shards[row], offsets[row]}));
      if (verdict == Verdict::Duplicate) continue;
      newest_ = std::max(newest_.value_or(time), time);
      oldest_ = std::min(oldest_.value_or(time), time);
      oldest_unsealed_ = std::min(oldest_unsealed_.value_or(time), time);
    }
    kept.push_back(static_cast<std::uint32_t>(row));
  }
  return kept;
}

Result<std::vector<std::uint32_t>> Deduper::claim_shared(const sql::Chunk& chunk,
                                                         std::vector<std::optional<Asked>> asked,
                                                         const std::string& life) {
  const auto* shards = chunk.column(plan_.shard_column).data<std::int32_t>();
  const auto* offsets = chunk.column(plan_.shard_column + 1).data<std::int64_t>();
  SharedClaims::Rows rows(asked.size());
  for (std::size_t row = 0; row < asked.size(); ++row) {
    if (!asked[row]) continue;
    rows[row] = {std::move(asked[row]->key), asked[row]->time, {shards[row], offsets[row]}};
  }
  const auto is_kept = TRY(shared_->claim(rows, life));
  std::vector<std::uint32_t> kept;
  for (std::uint32_t row = 0; row < is_kept.size(); ++row) {
    if (is_kept[row]) kept.push_back(row);
  }
  return kept;
}

std::vector<std::optional<Deduper::Asked>> Deduper::keys_of(const sql::Chunk& chunk) const {
  const auto keys = chunk.column(*plan_.unique_column);
  const auto received = chunk.column(plan_.shard_column + 3);
  const auto times = chunk.column(plan_.event_time_column.value_or(plan_.shard_column + 3));
  const sql::Renderer renderer(plan_.output[*plan_.unique_column].type);
  std::vector<std::optional<Asked>> asked(chunk.row_count());
  for (std::size_t row = 0; row < asked.size(); ++row) {
    if (keys.is_null(row)) continue;
    asked[row] = {renderer.text(keys, row),
                  times.is_null(row) ? time_at(received, row) : time_at(times, row)};
  }
  return asked;
}

bool Deduper::may_be_forgotten(base::Time time) const {
  // Most tables that began lately have nothing before the horizon.
  const bool has_forgotten = horizon_ && oldest_ && *oldest_ < *horizon_;
  return has_forgotten && time - plan_.table.unique->within < *horizon_;
}

bool Deduper::is_stored(const StoredClaims& stored, const Asked& asked) const {
  if (stored.empty() || !may_be_forgotten(asked.time)) return false;
  const auto [from, until] = stored.equal_range(asked.key);
  return std::any_of(from, until, [&](const auto& claim) {
    return std::chrono::abs(claim.second - asked.time) <= plan_.table.unique->within;
  });
}

// What the table itself says of the keys whose claims may be forgotten: one scan for all of them,
// of what lies before the horizon; the set knows the rest.
Result<Deduper::StoredClaims> Deduper::stored_claims(
    const std::vector<std::optional<Asked>>& asked) const {
  std::vector<std::string> keys;
  base::Time from = base::Time::max();
  for (const auto& one : asked) {
    if (!one || !may_be_forgotten(one->time)) continue;
    keys.push_back("(" + base::sql_string(one->key) + ")");
    from = std::min(from, one->time);
  }
  StoredClaims stored;
  if (keys.empty()) return stored;
  const auto within = plan_.table.unique->within;
  auto connection = TRY(table_.tools().engine.connect());
  auto rows = TRY(connection.query(
      fmt::format("WITH t AS (SELECT CAST({} AS VARCHAR) AS k, coalesce({}, _received_at) AS m "
                  "FROM ({})) SELECT k, m FROM t WHERE m >= TIMESTAMPTZ {} AND m < TIMESTAMPTZ {} "
                  "AND k IN (SELECT v FROM (VALUES {}) x(v))",
                  base::sql_name(plan_.output[*plan_.unique_column].name), time_column(),
                  lake::scan_sql(table_.root(), *table_.snapshot()),
                  base::sql_string(base::format_time(from - within)),
                  base::sql_string(base::format_time(*horizon_)), base::join(keys, ", "))));
  while (auto chunk = TRY(rows.next())) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      stored.emplace(chunk->column(0).text(row), time_at(chunk->column(1), row));
    }
  }
  return stored;
}

void Deduper::seal() {
  if (shared_) shared_->seal();
  oldest_unsealed_.reset();
}

// The rows that came since the seal are not in the table yet: their claims stay.
Result<void> Deduper::forget_old() {
  if (shared_) shared_->committed();
  if (!newest_) return {};
  const auto horizon = std::min(*newest_ - span(), oldest_unsealed_.value_or(base::Time::max()));
  if (horizon_ && horizon <= *horizon_) return {};
  horizon_ = horizon;
  return set_.forget_before(horizon);
}

}  // namespace millrace::flow
