#include "flow/deduper.hpp"

#include <gtest/gtest.h>

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
    return deduper_->claim(chunk).value().size() == 1;
  }
  Deduper& deduper() { return *deduper_; }

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

}  // namespace
}  // namespace millrace::flow
