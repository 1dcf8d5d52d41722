#include "flow/deduper.hpp"

#include <gtest/gtest.h>

#include "lake/data_file.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::flow {
namespace {

using namespace std::chrono_literals;

/// A deduper of `unique: {key: id, within: 24h}` over an empty table.
class DedupeBench {
 public:
  DedupeBench() {
    plan_.table.unique = config::Unique{.key = "id", .within = 24h, .place = {}};
    plan_.output = {{"id", sql::Type(DUCKDB_TYPE_VARCHAR)},
                    {"ts", sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ)},
                    {"_shard", sql::Type(DUCKDB_TYPE_INTEGER)},
                    {"_offset", sql::Type(DUCKDB_TYPE_BIGINT)},
                    {"_row", sql::Type(DUCKDB_TYPE_INTEGER)},
                    {"_received_at", sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ)}};
    plan_.unique_column = 0;
    plan_.event_time_column = 1;
    plan_.shard_column = 2;
    table_ = lake::Table::open_or_create(folder_.path() / "t", plan_.output, {}, tools()).value();
    deduper_.emplace(plan_, *table_,
                     DedupeOptions{.within = 24h, .spill = folder_.path() / "spill"}, 0min);
    EXPECT_TRUE(deduper_->rebuild());
  }

  /// True if a record of this key and event time is kept.
  bool keeps(std::string_view id, std::string_view time) {
    sql::Chunk chunk(plan_.output);
    chunk.column(0).set_text(0, id);
    const auto micros = base::parse_time(time).value().time_since_epoch().count();
    for (const std::size_t column : {1, 5}) chunk.column(column).data<std::int64_t>()[0] = micros;
    chunk.column(2).data<std::int32_t>()[0] = 0;
    chunk.column(3).data<std::int64_t>()[0] = offset_++;
    chunk.column(4).data<std::int32_t>()[0] = 0;
    chunk.set_row_count(1);
    return deduper_->claim(chunk, "orders/1").value().size() == 1;
  }
  Deduper& deduper() { return *deduper_; }

  /// Commits rows to the table, as `('id', 'time'), …`, and starts anew.
  void restart_with(const std::string& rows) {
    auto connection = engine_->connect().value();
    const std::string select =
        "SELECT id, ts::TIMESTAMPTZ AS ts, 0::INTEGER AS _shard, 0::BIGINT AS _offset, "
        "0::INTEGER AS _row, ts::TIMESTAMPTZ AS _received_at FROM (VALUES " +
        rows + ") AS t(id, ts)";
    lake::Transaction transaction;
    transaction.adds.push_back(*lake::write_data_file(connection, *table_, select, {}).value());
    ASSERT_TRUE(table_->commit(transaction));
    ASSERT_TRUE(deduper_->rebuild());
  }

 private:
  lake::Tools tools() { return {disk_, *engine_, clock_, random_, {log_, metrics_}}; }

  os::TestFolder folder_;
  os::RealDisk disk_;
  std::unique_ptr<sql::Instance> engine_ = sql::Instance::open({.threads = 1}).value();
  base::FixedClock clock_{base::parse_time("2026-11-20T12:00:00Z").value()};
  base::Random random_{1};
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  TablePlan plan_;
  std::unique_ptr<lake::Table> table_;
  std::optional<Deduper> deduper_;
  std::int64_t offset_ = 0;
};

TEST(Deduper, RemembersOldRecordsUntilTheirOwnCommit) {
  DedupeBench bench;
  EXPECT_TRUE(bench.keeps("new", "2026-11-20T12:00:00Z"));
  bench.deduper().seal();
  // Comes while the commit of "new" is on its way: the table will not have it.
  EXPECT_TRUE(bench.keeps("old", "2026-11-10T12:00:00Z"));
  ASSERT_TRUE(bench.deduper().forget_old());
  EXPECT_FALSE(bench.keeps("old", "2026-11-10T12:00:01Z"));
}

TEST(Deduper, AsksTheTableForClaimsThatItDoesNotRemember) {
  DedupeBench bench;
  bench.restart_with(
      "('old', '2026-11-10T12:00:00Z'), ('it''s', '2026-11-11T12:00:00Z'), "
      "('new', '2026-11-20T12:00:00Z')");
  EXPECT_FALSE(bench.keeps("old", "2026-11-10T12:00:01Z"));
  EXPECT_FALSE(bench.keeps("old", "2026-11-09T12:00:00Z")) << "24 h before it";
  EXPECT_TRUE(bench.keeps("old", "2026-11-11T12:00:01Z")) << "more than 24 h after it";
  EXPECT_FALSE(bench.keeps("it's", "2026-11-11T12:00:00Z"));
  EXPECT_TRUE(bench.keeps("other", "2026-11-10T12:00:00Z"));
  EXPECT_FALSE(bench.keeps("other", "2026-11-10T13:00:00Z")) << "claimed, and not committed yet";
  EXPECT_FALSE(bench.keeps("new", "2026-11-20T12:00:00Z"));
}

}  // namespace
}  // namespace millrace::flow
