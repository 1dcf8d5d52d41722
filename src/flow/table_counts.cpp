#include <algorithm>

#include "flow/table_work.hpp"

// The part of TableFlow that counts what became of records.
namespace millrace::flow {
namespace {

// Each once, sorted. Rows of one record mostly follow each other, and records their offsets.
void make_set(std::vector<Position>& positions) {
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  if (std::ranges::is_sorted(positions)) return;
  std::ranges::sort(positions);
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
}

std::vector<Position> positions_of(const RowSet& rows, std::size_t shard_column) {
  std::vector<Position> positions;
  positions.reserve(rows.count());
  rows.for_each([&](std::size_t, const RowAt& at) {
    positions.push_back(Positions(*at.chunk, shard_column).at(at.row));
  });
  make_set(positions);
  return positions;
}

std::vector<Position> positions_of(const std::vector<Reject>& rejects) {
  std::vector<Position> positions;  // a record of several rows may be rejected more than once
  for (const auto& reject : rejects) {
    positions.push_back(
        {static_cast<std::int32_t>(reject.shard.value()), reject.record.offset.value()});
  }
  make_set(positions);
  return positions;
}

}  // namespace

void TableFlow::count(Work& work) const {
  std::vector<Position> taken;
  for (const auto& chunk : work.output) {
    const Positions positions(chunk, plan_.shard_column);
    for (std::size_t row = 0; row < chunk.row_count(); ++row) {
      taken.push_back(positions.at(row));
      ++work.shards.at(taken.back().shard).counts.rows;
    }
  }
  make_set(taken);
  const auto rejected = positions_of(work.rejects);
  const auto add = [&](const std::vector<Position>& positions, std::int64_t ShardCounts::* value) {
    for (const auto& at : positions) ++(work.shards.at(at.shard).counts.*value);
  };
  add(taken, &ShardCounts::taken);
  add(rejected, &ShardCounts::rejected);
  std::vector<Position> ended, some;
  std::ranges::set_intersection(taken, rejected, std::back_inserter(some));
  add(some, &ShardCounts::partly);
  std::ranges::set_union(taken, rejected, std::back_inserter(ended));
  some.clear();
  // Not what is left over: a record that got lost on the way must be missed.
  std::ranges::set_difference(positions_of(work.rows, plan_.input_shard_column), ended,
                              std::back_inserter(some));
  add(some, &ShardCounts::filtered);
  count_records(work);
}

void TableFlow::count_records(Work& work) const {
  // A record of which the parent has no row does not come to this table, unless it is tried again.
  const bool is_own_replay = work.batch.replay && work.batch.replay->table == name();
  const bool is_of_parent = plan_.table.from_is_table && !is_own_replay;
  if (is_of_parent) {
    for (const auto& at : positions_of(work.input, plan_.input_shard_column)) {
      auto& shard = work.shards.at(at.shard);
      if (at.offset < shard.until) ++shard.counts.records;
    }
  }
  for (const auto& batch : work.batch.batches) {
    auto& shard = work.shards.at(static_cast<std::int32_t>(batch.shard.value()));
    const auto from = std::ranges::lower_bound(batch.records, base::Offset(shard.from), {},
                                               &base::Record::offset);
    const auto until = std::ranges::lower_bound(batch.records, base::Offset(shard.until), {},
                                                &base::Record::offset);
    const auto records = std::max<std::int64_t>(0, until - from);
    if (!is_of_parent) shard.counts.records = records;
    // Of a reject whose row the parent no longer has, nothing came to the SQL.
    const bool lacks_row = is_own_replay && plan_.table.from_is_table;
    if (lacks_row) {
      shard.counts.filtered += shard.counts.records - shard.counts.accounted();
    }
    work.counts.records += records;
    work.counts.rows += shard.counts.rows;
    work.counts.rejected += shard.counts.rejected;
    work.counts.filtered +=
        records - shard.counts.taken - shard.counts.rejected + shard.counts.partly;
  }
}

}  // namespace millrace::flow
