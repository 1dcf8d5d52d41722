#include <fmt/format.h>

#include <algorithm>

#include "flow/table_work.hpp"

// The part of TableFlow that judges rows by the table's expectations.
namespace millrace::flow {
namespace {

using base::Result;

bool holds(sql::Vector verdict, std::size_t row) {
  return !verdict.is_null(row) && verdict.data<bool>()[row];
}

bool all_hold(const std::vector<sql::Chunk>& verdicts) {
  for (const auto& chunk : verdicts) {
    for (std::size_t i = 0; i < chunk.column_count(); ++i) {
      const auto verdict = chunk.column(i);
      // As bytes: where a value is NULL there may be any, and not every byte is a bool.
      const auto* values = verdict.data<std::uint8_t>();
      const auto rows = chunk.row_count();
      if (std::find(values, values + rows, std::uint8_t{0}) != values + rows) return false;
      if (!duckdb_vector_get_validity(verdict.handle())) continue;
      for (std::size_t row = 0; row < rows; ++row) {
        if (verdict.is_null(row)) return false;
      }
    }
  }
  return true;
}

}  // namespace

Result<void> TableFlow::check(Work& work) {
  if (!plan_.checks) return {};
  const RowSet rows = work.rows;
  work.keep.assign(rows.count(), true);
  std::size_t index = 0;  // results come in the order of the rows
  const RunHandlers handlers{.result =
                                 [&](const RowSet& some, std::vector<sql::Chunk> verdicts) {
                                   if (!all_hold(verdicts)) judge(work, some, verdicts, index);
                                   index += some.count();
                                 },
                             .failed =
                                 [&](const RowAt& at, const base::Error& error) {
                                   work.keep[index++] = false;
                                   reject(work, Stage::Expect, "check_failed", error.message, at);
                                 }};
  TRY(run_over(*plan_.checks, *plan_.relation, rows, handlers));
  CHECK(index == rows.count());
  if (std::ranges::find(work.keep, false) != work.keep.end()) work.rows = rows.where(work.keep);
  if (!work.halted.empty()) stop_at_halts(work);
  return {};
}

void TableFlow::judge(Work& work, const RowSet& rows, const std::vector<sql::Chunk>& verdicts,
                      std::size_t first) {
  std::size_t chunk = 0, row = 0;
  rows.for_each([&](std::size_t index, const RowAt& at) {
    for (std::size_t i = 0; i < plan_.table.expectations.size(); ++i) {
      if (holds(verdicts[chunk].column(i), row)) continue;
      const auto& expectation = plan_.table.expectations[i];
      if (expectation.otherwise == config::Otherwise::Warn) {
        ++work.counts.warned[expectation.name];
        continue;
      }
      work.keep[first + index] = false;
      if (expectation.otherwise == config::Otherwise::Reject) {
        reject(work, Stage::Expect, expectation.name,
               fmt::format("does not hold: {}", expectation.check.text), at);
        break;
      }
      const auto position = Positions(*at.chunk, plan_.input_shard_column).at(at.row);
      auto& shard = work.shards.at(position.shard);
      shard.until = std::min(shard.until, position.offset);
      work.halted = fmt::format("expectation '{}' does not hold at shard {}, offset {}",
                                expectation.name, position.shard, position.offset);
      break;
    }
    if (++row == verdicts[chunk].row_count()) ++chunk, row = 0;
  });
}

// What comes at or after the record that halts a shard waits for the restart.
void TableFlow::stop_at_halts(Work& work) {
  const auto is_before = [&](const Position& position) {
    return position.offset < work.shard(position.shard)->until;
  };
  std::vector<bool> before(work.rows.count());
  work.rows.for_each([&](std::size_t index, const RowAt& at) {
    before[index] = is_before(Positions(*at.chunk, plan_.input_shard_column).at(at.row));
  });
  work.rows = work.rows.where(before);
  std::erase_if(work.rejects, [&](const Reject& reject) {
    return !is_before(
        {static_cast<std::int32_t>(reject.shard.value()), reject.record.offset.value()});
  });
}

}  // namespace millrace::flow
