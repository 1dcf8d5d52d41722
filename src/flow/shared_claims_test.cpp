#include "flow/shared_claims.hpp"

#include <gmock/gmock.h>

#include "flow/deduper.hpp"
#include "flow/test_claims.hpp"
#include "lake/data_file.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::flow {
namespace {

using base::Code;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using namespace std::chrono_literals;

constexpr const char* kPrefix = "millrace/shop/t/";

/// A table with `unique: {key: id, within: 1h}`, and the claims of one process after the other.
class SharedClaimsTest : public testing::Test {
 protected:
  SharedClaimsTest() {
    plan_.table.name = "t";
    plan_.table.unique = config::Unique{.key = "id", .within = 1h, .place = {}};
    plan_.output = {{"id", sql::Type(DUCKDB_TYPE_VARCHAR)},
                    {"_shard", sql::Type(DUCKDB_TYPE_INTEGER)},
                    {"_offset", sql::Type(DUCKDB_TYPE_BIGINT)},
                    {"_row", sql::Type(DUCKDB_TYPE_INTEGER)},
                    {"_received_at", sql::Type(DUCKDB_TYPE_TIMESTAMP_TZ)}};
    plan_.unique_column = 0;
    plan_.shard_column = 1;
    table_ = lake::Table::open_or_create(folder_.path() / "t", plan_.output, {}, tools()).value();
    process();
  }

  /// Another process, which knows nothing of the one before.
  void process(bool keeps_positions = true) {
    claims_.emplace(plan_, *table_,
                    SharedClaimsParts{.store = &store_,
                                      .app_prefix = kPrefix,
                                      .keeps_positions = keeps_positions,
                                      .clock = &clock_,
                                      .telemetry = {log_, metrics_}});
  }

  static KeyedRow row(std::string key, std::int64_t offset, std::int32_t shard = 0,
                      std::chrono::minutes at = 0min) {
    return {std::move(key), base::Time(1'000'000h) + at, {shard, offset}};
  }
  /// `kept` of each row as `+` or `-`; or the error.
  std::string claim(std::vector<KeyedRow> rows, const std::string& life = "orders/1") {
    const auto kept = claims_->claim(SharedClaims::Rows(rows.begin(), rows.end()), life);
    if (!kept) return kept.error().text();
    std::string text;
    for (const bool is_kept : *kept) text += is_kept ? '+' : '-';
    return text;
  }
  /// A commit of these rows, as `('key', shard, offset), …`, that moves a shard.
  void commit(const std::string& rows, std::int32_t shard, std::int64_t next,
              const std::string& life = "orders/1") {
    const auto id = kPrefix + life + "/" + std::to_string(shard);
    lake::Transaction change;
    change.positions = {{id, table_->snapshot()->transaction(id), next}};
    if (!rows.empty()) {
      auto connection = engine_->connect().value();
      const auto select =
          "SELECT id, s::INTEGER AS _shard, o::BIGINT AS _offset, 0::INTEGER AS _row, "
          "TIMESTAMPTZ '2026-11-20' AS _received_at FROM (VALUES " +
          rows + ") AS v(id, s, o)";
      change.adds.push_back(*lake::write_data_file(connection, *table_, select, {}).value());
    }
    ASSERT_TRUE(table_->commit(change));
  }
  lake::Tools tools() { return {disk_, *engine_, clock_, random_, {log_, metrics_}}; }

  os::TestFolder folder_;
  os::RealDisk disk_;
  std::unique_ptr<sql::Instance> engine_ = sql::Instance::open({.threads = 1}).value();
  base::FixedClock clock_{base::parse_time("2026-11-20T12:00:00Z").value()};
  base::Random random_{1};
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  TablePlan plan_;
  MemoryClaims store_{clock_};
  std::unique_ptr<lake::Table> table_;
  std::optional<SharedClaims> claims_;
};

TEST_F(SharedClaimsTest, AsksForEachKeyOnce) {
  EXPECT_EQ(claim({row("a", 0), row("b", 1), row("a", 2), row("a", 3)}), "++--");
  EXPECT_EQ(store_.asked(), 2U);
  EXPECT_EQ(claim({row("a", 4), row("c", 5)}), "-+");
  EXPECT_EQ(store_.asked(), 3U) << "what is ours and not committed is known";
}

TEST_F(SharedClaimsTest, RowsWithoutAKeyAreNoDuplicates) {
  SharedClaims::Rows rows(3);
  rows[1] = row("a", 1);
  EXPECT_THAT(claims_->claim(rows, "orders/1").value(), ElementsAre(true, true, true));
  EXPECT_EQ(store_.asked(), 1U);
}

TEST_F(SharedClaimsTest, RowsOfOneRecordAreNotEachOthersDuplicates) {
  EXPECT_EQ(claim({row("a", 0), row("a", 0), row("a", 1)}), "++-");
  process();
  EXPECT_EQ(claim({row("a", 0), row("a", 0), row("a", 1)}), "++-") << "after a crash";
}

TEST_F(SharedClaimsTest, KeysFartherApartThanWithinAreOthers) {
  EXPECT_EQ(claim({row("a", 0), row("a", 1, 0, 61min), row("a", 2, 0, 30min)}), "++-");
  process();
  EXPECT_EQ(claim({row("a", 9, 1, 121min), row("a", 10, 1, -59min), row("a", 11, 1, 122min),
                   row("a", 12, 1, 190min)}),
            "--++")
      << "claims of 0 and 61 min; that of 122 min is more than an hour from both";
  process();
  EXPECT_EQ(claim({row("a", 0), row("a", 1, 0, 61min)}), "++") << "each claim is its owner's";
}

TEST_F(SharedClaimsTest, AKeyOfAnotherShardIsADuplicateAndARetryIsNot) {
  EXPECT_EQ(claim({row("a", 7, 1)}), "+");
  process();
  EXPECT_EQ(claim({row("a", 3, 0), row("b", 4, 0)}), "-+") << "its owner comes until it is there";
  process();
  EXPECT_EQ(claim({row("a", 7, 1)}), "+") << "here it is";
  EXPECT_EQ(store_.taken_over(), 0U);
}

TEST_F(SharedClaimsTest, AnUncommittedClaimOfOurOwnShardIsDecidedHere) {
  EXPECT_EQ(claim({row("a", 5), row("b", 8)}), "++");
  process();
  // Lookups changed: this time 5 has no row, and 7 has one with the key that 8 had claimed.
  EXPECT_EQ(claim({row("a", 6), row("b", 7)}), "++");
  EXPECT_EQ(store_.taken_over(), 1U) << "8 is still to come, and must not find its own claim";
  commit("('a', 0, 6), ('b', 0, 7)", 0, 8);
  process();
  EXPECT_EQ(claim({row("b", 8), row("a", 9)}), "--");
}

TEST_F(SharedClaimsTest, WhatIsCommittedStaysClaimed) {
  EXPECT_EQ(claim({row("a", 5)}), "+");
  commit("('a', 0, 5)", 0, 6);
  process();
  EXPECT_EQ(claim({row("a", 6)}), "-");
}

TEST_F(SharedClaimsTest, NobodyRepeatsTheRecordsOfAStreamThatIsGone) {
  EXPECT_EQ(claim({row("a", 5), row("b", 6)}), "++");
  commit("('a', 0, 5)", 0, 6);
  process();
  EXPECT_EQ(claim({row("a", 0), row("b", 1)}, "orders/2"), "-+");
  EXPECT_EQ(store_.taken_over(), 1U);
}

// Both claims are near 4, and only that of the other shard makes it a duplicate.
TEST_F(SharedClaimsTest, AClaimThatMadeNoDuplicateIsStillItsOwners) {
  EXPECT_EQ(claim({row("a", 5, 0, 50min)}), "+");
  process();
  EXPECT_EQ(claim({row("a", 0, 1, -50min)}), "+");
  process();
  EXPECT_EQ(claim({row("a", 4, 0), row("a", 5, 0, 50min)}), "-+");
}

TEST_F(SharedClaimsTest, ATableThatIsMadeAnewHasNoClaims) {
  EXPECT_EQ(claim({row("a", 5)}), "+");
  table_ = lake::Table::open_or_create(folder_.path() / "u", plan_.output, {}, tools()).value();
  process();
  EXPECT_EQ(claim({row("a", 6, 1)}), "+");
}

TEST_F(SharedClaimsTest, AnArrivalWaitsForWhoeverMayStillBeAtWork) {
  process(false);
  store_.lasts = 30s;
  EXPECT_EQ(claim({row("a", 0, 3)}), "+");
  process(false);
  EXPECT_THAT(claim({row("b", 0, 4), row("a", 1, 4)}),
              HasSubstr("a record with the same id is being worked on, until 2026-11-20T12:00:30"));
  EXPECT_TRUE(claims_->abandoned().empty());
  EXPECT_EQ(store_.asked(), 3U);
  EXPECT_THAT(claim({row("b", 0, 4), row("a", 1, 4)}), HasSubstr("is being worked on"));
  EXPECT_EQ(store_.asked(), 4U) << "b is ours";
  commit("('a', 3, 0)", 3, 1);
  EXPECT_EQ(claim({row("b", 0, 4), row("a", 1, 4)}), "+-");
  EXPECT_EQ(store_.taken_over(), 0U);
}

TEST_F(SharedClaimsTest, AnArrivalPassesOverWhoeverIsGone) {
  process(false);
  store_.lasts = 30s;
  EXPECT_EQ(claim({row("a", 6, 3), row("b", 7, 3)}), "++");
  process(false);
  clock_.advance(31s);
  EXPECT_THAT(claim({row("a", 0, 4), row("b", 1, 4)}), HasSubstr("is being worked on"));
  EXPECT_THAT(claims_->abandoned(), ElementsAre(Pair("millrace/shop/t/orders/1/3", 8)));
  commit("", 3, 8);
  EXPECT_EQ(claim({row("a", 0, 4), row("b", 1, 4)}), "++");
  EXPECT_EQ(store_.taken_over(), 2U);
  EXPECT_TRUE(claims_->abandoned().empty());
}

// What a commit moved over was another message at the position that the first one had been given.
TEST_F(SharedClaimsTest, APositionThatAnotherArrivalGotSaysNothing) {
  process(false);
  EXPECT_EQ(claim({row("a", 0, 3)}), "+");
  commit("('b', 3, 0), ('c', 3, 1)", 3, 2);
  process(false);
  EXPECT_EQ(claim({row("a", 0, 4)}), "+");
  EXPECT_EQ(store_.taken_over(), 1U);
  commit("('a', 4, 0)", 4, 1);
  process(false);
  EXPECT_EQ(claim({row("a", 0, 5)}), "-");
}

// Of two claims that are near, one has a row.
TEST_F(SharedClaimsTest, AnArrivalThatNeverCameIsNoDuplicateOfTheNext) {
  process(false);
  EXPECT_EQ(claim({row("a", 0, 3, 50min)}), "+");
  commit("", 3, 1);
  process(false);
  EXPECT_EQ(claim({row("a", 0, 4, -50min)}), "+");
  commit("('a', 4, 0)", 4, 1);
  process(false);
  EXPECT_EQ(claim({row("a", 0, 5), row("a", 1, 5, 100min)}), "-+");
  EXPECT_EQ(store_.taken_over(), 1U);
}

TEST_F(SharedClaimsTest, AsksAgainIfAnotherIsFasterInTakingOver) {
  process(false);
  EXPECT_EQ(claim({row("a", 0, 3)}), "+");
  commit("", 3, 1);
  process(false);
  SharedClaims other(plan_, *table_,
                     {.store = &store_,
                      .app_prefix = kPrefix,
                      .keeps_positions = false,
                      .clock = &clock_,
                      .telemetry = {log_, metrics_}});
  store_.before_take_over = [&] {
    store_.before_take_over = {};
    SharedClaims::Rows rows{row("a", 0, 4)};
    EXPECT_TRUE(other.claim(rows, "orders/1").value()[0]);
    commit("('a', 4, 0)", 4, 1);
  };
  EXPECT_EQ(claim({row("a", 0, 5)}), "-");
  EXPECT_EQ(store_.taken_over(), 1U);
}

TEST_F(SharedClaimsTest, ForgetsWithItsCommitAndWithARetry) {
  EXPECT_EQ(claim({row("a", 0)}), "+");
  claims_->taken();
  claims_->seal();
  EXPECT_EQ(claim({row("b", 1)}), "+");
  claims_->taken();
  commit("('a', 0, 0)", 0, 1);
  claims_->committed();
  EXPECT_EQ(claim({row("a", 2), row("b", 2)}), "--");
  EXPECT_EQ(store_.asked(), 3U) << "a is asked for, b is not committed";
  EXPECT_EQ(claim({row("c", 3)}), "+");
  claims_->forget_untaken();
  EXPECT_EQ(claim({row("c", 3), row("b", 4)}), "+-");
  EXPECT_EQ(store_.asked(), 5U) << "c came to nothing, and is asked for again";
  claims_->drop();
  EXPECT_EQ(claim({row("b", 1)}), "+");
  EXPECT_EQ(store_.asked(), 6U);
}

TEST_F(SharedClaimsTest, ErrorsOfTheStoreChangeNothing) {
  store_.fail(base::Error{Code::Exhausted, "throttled"});
  EXPECT_EQ(claim({row("a", 0)}), "throttled");
  store_.fail({});
  EXPECT_EQ(claim({row("a", 0)}), "+") << "the claim was made, and is ours";
}

}  // namespace
}  // namespace millrace::flow
