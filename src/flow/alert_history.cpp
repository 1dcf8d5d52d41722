#include "flow/alert_history.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "lake/rewrite.hpp"
#include "lake/row_files.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::size_t kFilesMax = 200;  // more are compacted
constexpr std::size_t kErrorBytesMax = 1000;

// Positions in alert_columns().
enum ColumnIndex : std::size_t {
  kDay,
  kSettledAt,
  kAlert,
  kTarget,
  kTableName,
  kId,
  kMessageId,
  kGroup,
  kOutcome,
  kAttempts,
  kErrorText,
  kData,
  kSource,
  kIncarnation,
  kShardNumber,
  kOffsetNumber,
  kRowNumber,
  kReceived,
};

std::int64_t micros(base::Time time) {
  return time.time_since_epoch().count();
}

void set_or_null(sql::Vector vector, std::size_t row, const std::optional<std::string>& text) {
  if (text) {
    vector.set_text(row, *text);
  } else {
    vector.set_null(row);
  }
}

void fill_row(const sql::Chunk& chunk, std::size_t row, const DeliveryName& name,
              const SettledRow& settled) {
  const auto text = [&](std::size_t column, std::string_view value) {
    chunk.column(column).set_text(row, value);
  };
  const auto day = std::chrono::floor<std::chrono::days>(settled.settled_at);
  chunk.column(kDay).data<std::int32_t>()[row] =
      static_cast<std::int32_t>(day.time_since_epoch().count());
  chunk.column(kSettledAt).data<std::int64_t>()[row] = micros(settled.settled_at);
  text(kAlert, name.alert), text(kTarget, name.target), text(kTableName, name.table);
  text(kId, settled.row.id);
  set_or_null(chunk.column(kMessageId), row,
              settled.message_id.empty() ? std::nullopt : std::optional(settled.message_id));
  set_or_null(chunk.column(kGroup), row, settled.row.group);
  text(kOutcome, name_of(settled.outcome));
  chunk.column(kAttempts).data<std::int32_t>()[row] = settled.attempts;
  set_or_null(chunk.column(kErrorText), row,
              settled.error.empty()
                  ? std::nullopt
                  : std::optional(base::printable(settled.error, kErrorBytesMax)));
  text(kData, settled.row.data);
  text(kSource, name.source), text(kIncarnation, name.incarnation);
  const auto& at = settled.row.at;
  chunk.column(kShardNumber).data<std::int32_t>()[row] = at.shard;
  chunk.column(kOffsetNumber).data<std::int64_t>()[row] = at.offset;
  chunk.column(kRowNumber).data<std::int32_t>()[row] = at.row;
  chunk.column(kReceived).data<std::int64_t>()[row] = micros(settled.row.received_at);
}

}  // namespace

const std::vector<sql::Column>& alert_columns() {
  const sql::Type text(DUCKDB_TYPE_VARCHAR), time(DUCKDB_TYPE_TIMESTAMP_TZ);
  const sql::Type integer(DUCKDB_TYPE_INTEGER);
  static const std::vector<sql::Column> kColumns{
      {"day", sql::Type(DUCKDB_TYPE_DATE)},
      {"settled_at", time},
      {"alert", text},
      {"target", text},
      {"table", text},
      {"id", text},
      {"message_id", text},
      {"group", text},
      {"outcome", text},
      {"attempts", integer},
      {"error", text},
      {"data", text},
      {"source", text},
      {"incarnation", text},
      {"_shard", integer},
      {"_offset", sql::Type(DUCKDB_TYPE_BIGINT)},
      {"_row", integer},
      {"_received_at", time},
  };
  return kColumns;
}

AlertHistory::AlertHistory(std::string pipeline, std::unique_ptr<lake::Table> table,
                           CutBoard& board, std::string worker)
    : pipeline_(std::move(pipeline)),
      table_(std::move(table)),
      board_(board),
      worker_(std::move(worker)) {}

Result<std::unique_ptr<AlertHistory>> AlertHistory::open(const os::Path& tables,
                                                         const std::string& pipeline,
                                                         const lake::Tools& tools, CutBoard& board,
                                                         std::string worker) {
  auto table =
      TRY(lake::Table::open_or_create(tables / kAlertsTable, alert_columns(), {"day"}, tools));
  std::unique_ptr<AlertHistory> history(
      new AlertHistory(pipeline, std::move(table), board, std::move(worker)));
  board.add_table(kAlertsTable, history->table());
  history->begin_generation();
  return history;
}

AlertHistory::~AlertHistory() {
  board_.remove_table(kAlertsTable);
}

std::string AlertHistory::counter_id() const {
  // Each worker counts its own commits.
  return fmt::format("millrace/{}/{}/commits{}{}", pipeline_, kAlertsTable,
                     worker_.empty() ? "" : "/", worker_);
}

void AlertHistory::begin_generation() {
  rows_ = std::make_shared<Generation>(alert_columns());
  row_count_ = 0;
  board_.add_generation(kAlertsTable, rows_);
}

void AlertHistory::add(const std::vector<std::pair<DeliveryName, Settled>>& settled) {
  std::vector<sql::Chunk> chunks;
  std::size_t in_last = sql::kChunkRows;
  for (const auto& [name, some] : settled) {
    for (const auto& row : some.rows) {
      if (in_last == sql::kChunkRows) {
        chunks.emplace_back(alert_columns());
        in_last = 0;
      }
      auto& chunk = chunks.back();
      chunk.set_row_count(in_last + 1);
      fill_row(chunk, in_last++, name, row);
      ++row_count_;
    }
    for (const auto& [shard, offset] : some.positions) {
      const auto id = name.position_id(shard);
      if (table_->snapshot()->transaction(id).value_or(0) < offset) positions_[id] = offset;
    }
  }
  if (chunks.empty()) return;
  board_.publish([&] {
    for (auto& chunk : chunks) rows_->add(std::move(chunk));
  });
  uncommitted_bytes_ = rows_->bytes() + (sealed_ ? sealed_->rows->bytes() : 0);
}

lake::Transaction::Position AlertHistory::move(const std::string& id, std::int64_t next) const {
  return {id, table_->snapshot()->transaction(id), next};
}

Result<void> AlertHistory::commit() {
  if (!sealed_) {
    if (!has_uncommitted()) return {};
    const auto number = table_->snapshot()->transaction(counter_id()).value_or(0) + 1;
    sealed_.emplace(Sealed{rows_, std::exchange(positions_, {}), number, {}, false});
    sealed_->rows->mark_contained_from({{counter_id(), number}});
    begin_generation();
  }
  TRY(commit_sealed(*sealed_));
  sealed_.reset();
  board_.publish();
  uncommitted_bytes_ = rows_->bytes();
  maintain();
  return {};
}

Result<void> AlertHistory::commit_sealed(Sealed& sealed) {
  if (!sealed.files) {
    const auto view = sealed.rows->view();
    sealed.files = TRY(lake::write_rows(*table_, {sealed.rows->columns(), *view}));
  }
  const auto is_done = [&](const auto& snapshot) {
    return snapshot->transaction(counter_id()) == sealed.number;
  };
  // An attempt that failed may have been committed all the same.
  if (sealed.is_unclear && is_done(TRY(table_->refresh()))) return {};
  lake::Transaction change{.operation = "STREAMING UPDATE", .adds = *sealed.files};
  change.positions.push_back(move(counter_id(), sealed.number));
  for (const auto& [id, next] : sealed.positions) {
    // What another worker has moved further is its.
    if (table_->snapshot()->transaction(id).value_or(0) < next) {
      change.positions.push_back(move(id, next));
    }
  }
  const auto outcome = table_->commit(change);
  if (!outcome) {
    sealed.is_unclear = sealed.is_unclear || outcome.error().code == Code::Unknown;
    return outcome.error();
  }
  if (const auto* conflict = std::get_if<lake::Conflict>(&*outcome)) {
    if (!worker_.empty()) return Error{Code::Unavailable, conflict->detail};
    return Error{Code::Denied,
                 "another process writes to this table; this one stops: " + conflict->detail,
                 table_->root().string()};
  }
  return {};
}

void AlertHistory::maintain() {
  const auto snapshot = table_->snapshot();
  // Neither is needed for what was just written; both come again with the next commit.
  (void)table_->maintain(snapshot->version).has_value();
  if (snapshot->files.size() > kFilesMax && snapshot->version.value() % 20 == 0) {
    (void)lake::compact(*table_).has_value();
  }
}

Result<void> AlertHistory::enrol(const std::vector<Wanted>& wanted) {
  constexpr int kAttempts = 20;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (TRY(try_enrol(wanted))) return {};
    TRY(table_->refresh());
  }
  return Error{Code::Unavailable, "other workers write to this table again and again",
               table_->root().string()};
}

// False if another worker was faster.
Result<bool> AlertHistory::try_enrol(const std::vector<Wanted>& wanted) {
  lake::Transaction change{.operation = "ENROL ALERTS"};
  const auto snapshot = table_->snapshot();
  std::set<std::string> markers;
  for (const auto& one : wanted) {
    const auto marker = one.name.marker();
    markers.insert(marker);
    const auto state = snapshot->transaction(marker).value_or(0);
    if (state % 2 != 0) continue;
    change.positions.push_back(move(marker, state + 1));
    for (const auto& [shard, end] : one.ends) {
      const auto id = one.name.position_id(shard);
      const auto next = std::max(end, snapshot->transaction(id).value_or(0));
      change.positions.push_back(move(id, next));
    }
  }
  const auto prefix = fmt::format("millrace/{}/{}/", pipeline_, kAlertsTable);
  for (const auto& [id, state] : snapshot->transactions) {
    // `millrace/<pipeline>/_alerts/<alert>/<target>/<table>`
    const bool is_marker = id.starts_with(prefix) && std::ranges::count(id, '/') == 5;
    if (!is_marker || state % 2 == 0 || markers.contains(id)) continue;
    change.positions.push_back(move(id, state + 1));
  }
  if (change.positions.empty()) return true;
  const auto outcome = TRY(table_->commit(change));
  if (const auto* conflict = std::get_if<lake::Conflict>(&outcome)) {
    if (!worker_.empty()) return false;
    return Error{Code::Denied, "another process writes to this table: " + conflict->detail,
                 table_->root().string()};
  }
  return true;
}

Reached AlertHistory::positions(const DeliveryName& name) const {
  const auto snapshot = table_->snapshot();
  const auto source = fmt::format("{}/{}/", name.marker(), name.source);
  auto positions = positions_below(snapshot->transactions, source + name.incarnation + "/");
  positions.merge(positions_below(snapshot->transactions, source + "replay-"));
  return positions;
}

std::string AlertHistory::newest_day() const {
  std::string newest;
  const auto snapshot = table_->snapshot();
  for (const auto& [path, file] : snapshot->files) {
    const auto day = file->partition_values.find("day");
    if (day != file->partition_values.end()) newest = std::max(newest, day->second.value_or(""));
  }
  return newest;
}

Result<std::vector<sql::Chunk>> AlertHistory::ask(const std::string& select) {
  auto connection = TRY(table_->tools().engine.connect());
  TRY(connection.run(fmt::format("CREATE TEMP VIEW history AS {}",
                                 lake::scan_sql(table_->root(), *table_->snapshot()))));
  auto rows = TRY(connection.query(select));
  std::vector<sql::Chunk> chunks;
  while (auto chunk = TRY(rows.next())) chunks.push_back(std::move(*chunk));
  return chunks;
}

}  // namespace millrace::flow
