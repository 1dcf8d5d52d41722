// What alerts read back from their history.
#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "flow/alerts.hpp"

namespace millrace::flow {
namespace {

using base::Result;
using std::chrono::microseconds;

// Rows that ended behind one that is still tried: that is tried for a week at most.
constexpr int kTriedDays = 9;

std::string condition_of(const DeliveryName& name) {
  return fmt::format(R"(alert = {} AND target = {} AND "table" = {} AND source = {} AND )"
                     "(incarnation = {} OR _shard < 0)",
                     base::sql_string(name.alert), base::sql_string(name.target),
                     base::sql_string(name.table), base::sql_string(name.source),
                     base::sql_string(name.incarnation));
}

// The table is partitioned by day: days long before its last are not even opened.
std::string recent(const AlertHistory& history, int days) {
  const auto newest = history.newest_day();
  if (newest.empty()) return "true";
  return fmt::format("day >= DATE {} - {}", base::sql_string(newest), days);
}

base::Time time_at(const sql::Chunk& chunk, std::size_t column, std::size_t row) {
  return base::Time(microseconds(chunk.column(column).data<std::int64_t>()[row]));
}

std::optional<std::string> text_at(const sql::Chunk& chunk, std::size_t column, std::size_t row) {
  const auto vector = chunk.column(column);
  return vector.is_null(row) ? std::nullopt : std::optional(std::string(vector.text(row)));
}

template <class Each>
Result<void> each_row(AlertHistory& history, const std::string& select, const Each& each) {
  for (const auto& chunk : TRY(history.ask(select))) {
    for (std::size_t row = 0; row < chunk.row_count(); ++row) each(chunk, row);
  }
  return {};
}

}  // namespace

Result<AlertReader::Start> settled_before(AlertHistory& history, const DeliveryName& name) {
  AlertReader::Start start{.positions = history.positions(name), .settled = {}};
  TRY(each_row(history,
               fmt::format("SELECT DISTINCT _shard, _offset, _row FROM history WHERE {} AND {}",
                           condition_of(name), recent(history, kTriedDays)),
               [&](const sql::Chunk& chunk, std::size_t row) {
                 const RowPosition at{chunk.column(0).data<std::int32_t>()[row],
                                      chunk.column(1).data<std::int64_t>()[row],
                                      chunk.column(2).data<std::int32_t>()[row]};
                 const auto position = start.positions.find(at.shard);
                 const bool is_before =
                     position != start.positions.end() && at.offset < position->second;
                 if (!is_before) start.settled.insert(at);
               }));
  return start;
}

Result<void> restore_gate(AlertHistory& history, const config::Alert& alert,
                          const DeliveryName& name, AlertGate& gate) {
  const auto span = std::max(alert.every, alert.at_most ? alert.at_most->per : microseconds(0));
  if (span == microseconds(0)) return {};
  const auto days = static_cast<int>(span / std::chrono::hours(24)) + kTriedDays;
  const auto rows =
      fmt::format("FROM history WHERE {} AND {}", condition_of(name), recent(history, days));
  const std::string messages =
      fmt::format(R"(SELECT "group", message_id, min(_received_at) AS opened_at {} )"
                  "AND outcome <> 'suppressed' AND message_id IS NOT NULL GROUP BY ALL",
                  rows);
  TRY(each_row(
      history,
      fmt::format(R"(SELECT "group", last_at, (SELECT count(*) {} AND outcome = 'suppressed' )"
                  R"(AND "group" IS NOT DISTINCT FROM g."group" AND _received_at > last_at) )"
                  R"(FROM (SELECT "group", max(opened_at) AS last_at FROM ({}) GROUP BY ALL) g)",
                  rows, messages),
      [&](const sql::Chunk& chunk, std::size_t row) {
        gate.restore_group(text_at(chunk, 0, row), time_at(chunk, 1, row),
                           chunk.column(2).data<std::int64_t>()[row]);
      }));
  if (!alert.at_most) return {};
  const auto per = alert.at_most->per.count();
  return each_row(
      history,
      fmt::format("SELECT make_timestamptz(epoch_us(opened_at) // {0} * {0}), count(*) FROM "
                  "({1}) GROUP BY 1 ORDER BY 1 DESC LIMIT 1000",
                  per, messages),
      [&](const sql::Chunk& chunk, std::size_t row) {
        gate.restore_window(time_at(chunk, 0, row), chunk.column(1).data<std::int64_t>()[row]);
      });
}

Result<std::vector<DeadRow>> dead_rows(AlertHistory& history, const AlertRetry& request) {
  std::string chosen = "true";
  if (request.alert) chosen += " AND alert = " + base::sql_string(*request.alert);
  if (!request.ids.empty()) {
    std::vector<std::string> ids;
    for (const auto& id : request.ids) ids.push_back(base::sql_string(id));
    chosen += fmt::format(" AND id IN ({})", base::join(ids, ", "));
  }
  std::vector<DeadRow> dead;
  TRY(each_row(history,
               fmt::format(R"(SELECT alert, target, id, message_id, "group", data, _shard, _offset,
                                     _row, _received_at, attempts
                              FROM history WHERE {} QUALIFY outcome = 'dead'
                              AND message_id IS NOT NULL AND row_number() OVER (
                                PARTITION BY alert, target, id ORDER BY settled_at DESC) = 1
                              ORDER BY settled_at LIMIT {})",
                           chosen, request.limit),
               [&](const sql::Chunk& chunk, std::size_t row) {
                 const AlertRow one{.at = {chunk.column(6).data<std::int32_t>()[row],
                                           chunk.column(7).data<std::int64_t>()[row],
                                           chunk.column(8).data<std::int32_t>()[row]},
                                    .received_at = time_at(chunk, 9, row),
                                    .id = text_at(chunk, 2, row).value_or(""),
                                    .group = text_at(chunk, 4, row),
                                    .data = text_at(chunk, 5, row).value_or("null")};
                 AlertMessage message{.id = one.id, .group = one.group, .rows = {one}};
                 message.attempts = chunk.column(10).data<std::int32_t>()[row];
                 dead.push_back({text_at(chunk, 0, row).value_or(""),
                                 text_at(chunk, 1, row).value_or(""), std::move(message)});
               }));
  return dead;
}

}  // namespace millrace::flow
