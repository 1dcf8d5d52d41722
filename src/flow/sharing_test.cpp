#include <fmt/format.h>
#include <gmock/gmock.h>

#include <thread>

#include "base/text.hpp"
#include "flow/rejects_table.hpp"
#include "flow/test_sharing.hpp"
#include "lake/data_file.hpp"

namespace millrace::flow {
namespace {

using testing::HasSubstr;

constexpr const char* kRows = "SELECT id FROM checked ORDER BY id";
constexpr const char* kOnce = "SELECT count(*), count(DISTINCT (_shard, _offset)) FROM checked";

/// Two workers on a stream of two shards and one lake.
class SharingTest : public testing::Test {
 protected:
  explicit SharingTest() {
    auto read = config::parse_pipeline(kPipeline, lake_.path() / "shop.yaml");
    pipeline_ = std::get<config::Pipeline>(std::move(read));
    for (auto* member : {&a_, &b_}) {
      *member = std::make_unique<Member>(pipeline_, records_, lake_.path() / "lake");
    }
  }
  void begin() {
    for (auto* member : {a_.get(), b_.get()}) {
      const auto begun = member->begin();
      ASSERT_TRUE(begun) << begun.error().text();
    }
  }
  void begin_with_a_shard_each() {
    a_->source.give(0);
    b_->source.give(1);
    begin();
  }
  void put(int shard, const std::string& ids) {
    for (const char id : ids) records_.put(shard, order(std::string(1, id), "2000"));
  }
  static void commit(Member& member) {
    const auto done = member.worker->commit_now();
    ASSERT_TRUE(done) << done.error().text();
  }
  static bool wait_for(const std::function<bool()>& is_so) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!is_so() && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return is_so();
  }

  os::TestFolder lake_;
  MemorySource records_{2};
  config::Pipeline pipeline_;
  std::unique_ptr<Member> a_, b_;
};

TEST_F(SharingTest, EachReadsItsShardsAndSeesWhatTheOtherCommits) {
  begin_with_a_shard_each();
  put(0, "ac");
  put(1, "bd");
  EXPECT_EQ(a_->await(kRows, "a | c"), "a | c");
  EXPECT_EQ(b_->await(kRows, "b | d"), "b | d") << "hot rows are the worker's own";
  commit(*a_);
  EXPECT_EQ(b_->await(kRows, "a | b | c | d"), "a | b | c | d");
  commit(*b_);
  EXPECT_EQ(a_->await(kRows, "a | b | c | d"), "a | b | c | d");
  put(0, "e");
  put(1, "f");
  EXPECT_EQ(a_->await(kRows, "a | b | c | d | e"), "a | b | c | d | e");
  commit(*a_);
  commit(*b_);
  EXPECT_EQ(a_->await(kOnce, "6 6"), "6 6");
  // Each table commits, and is followed, on its own.
  EXPECT_EQ(a_->await("SELECT count(*) FROM frauds", "6"), "6");
  EXPECT_EQ(a_->counted("millrace_fenced_commits_total"), 0);
  EXPECT_EQ(b_->counted("millrace_fenced_commits_total"), 0);
}

TEST_F(SharingTest, AShardThatIsWantedBackIsCommittedFirst) {
  a_->source.give(0);
  a_->source.give(1);
  begin();
  put(0, "a");
  put(1, "b");
  EXPECT_EQ(a_->await(kRows, "a | b"), "a | b");
  a_->source.want_back(1);
  ASSERT_TRUE(wait_for([&] { return !a_->source.has(1); })) << "it is given up";
  EXPECT_EQ(b_->await(kRows, "a | b"), "a | b") << "committed, though nobody asked for it";
  b_->source.give(1);
  put(1, "c");
  put(0, "d");
  EXPECT_EQ(b_->await(kRows, "a | b | c"), "a | b | c");
  commit(*a_);
  commit(*b_);
  EXPECT_EQ(a_->await(kOnce, "4 4"), "4 4");
  EXPECT_EQ(a_->counted("millrace_fenced_commits_total"), 0);
}

TEST_F(SharingTest, WhoeverSleptIsFencedAndGoesOnWithWhatIsItsOwn) {
  a_->source.give(0);
  a_->source.give(1);
  begin();
  put(0, "ac");
  put(1, "bd");
  EXPECT_EQ(a_->await(kRows, "a | b | c | d"), "a | b | c | d");
  b_->source.give(1);  // a_ does not know
  EXPECT_EQ(b_->await(kRows, "b | d"), "b | d");
  commit(*b_);
  EXPECT_EQ(a_->await(kOnce, "2 2"), "2 2") << "what will be dropped is not shown beside b's rows";
  (void)a_->worker->commit_now().has_value();
  EXPECT_TRUE(wait_for([&] { return a_->counted("millrace_fenced_commits_total") == 1; }));
  a_->source.lose(1);
  EXPECT_EQ(a_->await(kRows, "a | b | c | d"), "a | b | c | d");
  put(0, "e");
  put(1, "f");
  EXPECT_EQ(a_->await(kRows, "a | b | c | d | e"), "a | b | c | d | e");
  commit(*a_);
  commit(*b_);
  EXPECT_EQ(a_->await(kOnce, "6 6"), "6 6");
  EXPECT_EQ(a_->await("SELECT count(*), count(DISTINCT (_shard, _offset)) FROM frauds", "6 6"),
            "6 6");
  EXPECT_EQ(a_->fatal() + b_->fatal(), "");
}

TEST_F(SharingTest, WhoeverIsOvertakenAndStillHasTheShardGoesOn) {
  begin_with_a_shard_each();
  put(0, "a");
  EXPECT_EQ(a_->await(kRows, "a"), "a");
  b_->source.give(0);  // for a moment both believe that they have it
  EXPECT_EQ(b_->await(kRows, "a"), "a");
  commit(*b_);
  b_->source.lose(0);
  put(0, "c");
  EXPECT_TRUE(wait_for([&] {
    (void)a_->worker->commit_now().has_value();
    return b_->ask(kRows) == "a | c";
  }));
  EXPECT_EQ(b_->ask(kOnce), "2 2");
}

TEST_F(SharingTest, KeysAreClaimedByTheRowsOfAShardWhoeverReadIt) {
  begin_with_a_shard_each();
  put(0, "a");
  EXPECT_EQ(a_->await(kRows, "a"), "a");
  a_->source.want_back(0);
  ASSERT_TRUE(wait_for([&] { return !a_->source.has(0); }));
  b_->source.give(0);
  put(0, "ab");
  EXPECT_EQ(b_->await(kRows, "a | b"), "a | b");
  EXPECT_EQ(
      b_->await("SELECT _offset, reason FROM _rejects WHERE \"table\" = 'checked'", "1 duplicate"),
      "1 duplicate");
}

// Keys that only dropped rows claimed are free again.
TEST_F(SharingTest, DroppedRowsClaimNothing) {
  a_->source.give(0);
  a_->source.give(1);
  begin();
  put(0, "a");
  put(1, "b");
  EXPECT_EQ(a_->await(kRows, "a | b"), "a | b");
  b_->source.give(1);
  EXPECT_EQ(b_->await(kRows, "b"), "b");
  commit(*b_);
  a_->source.lose(1);
  (void)a_->worker->commit_now().has_value();
  EXPECT_TRUE(wait_for([&] { return a_->counted("millrace_fenced_commits_total") == 1; }));
  EXPECT_EQ(a_->await(kRows, "a | b"), "a | b") << "the same record is not its own duplicate";
  commit(*a_);
  EXPECT_EQ(a_->await("SELECT count(*) FROM _rejects", "0"), "0");
}

TEST_F(SharingTest, RejectsAreRolledForwardByWhoeverComes) {
  begin_with_a_shard_each();
  for (int round = 0; round < 5; ++round) {
    records_.put(0, "no json");
    records_.put(1, "no json either");
    ASSERT_TRUE(wait_for([&] { return a_->worker->commit_now() && b_->worker->commit_now(); }));
  }
  // Of both: the table's own rejects.
  const auto* count = "SELECT count(*), count(DISTINCT (_shard, _offset)) FROM _rejects";
  EXPECT_TRUE(wait_for([&] {
    commit(*a_);
    commit(*b_);
    return a_->ask(count) == "10 10";
  })) << a_->ask(count);
  EXPECT_EQ(b_->await(count, "10 10"), "10 10");
}

// Whoever committed may have died before the rejects' own table had them.
TEST_F(SharingTest, WhoeverGetsAShardTakesInTheRejectsOfItsCommits) {
  b_->source.give(1);
  begin();
  auto& table = *a_->board->table("checked");
  auto engine = sql::Instance::open({.threads = 1}).value();
  auto connection = engine->connect().value();
  auto& rejects = *b_->board->table(kRejectsTable);
  std::string row = "DATE '2026-11-20' AS day";
  for (const auto& column : reject_columns()) {
    if (column.name == "day") continue;
    row += fmt::format(", CAST(NULL AS {}) AS {}", column.type.text(), base::sql_name(column.name));
  }
  const auto files =
      lake::write_data_files(connection, rejects, fmt::format("(SELECT {})", row)).value();
  lake::Transaction change{.operation = "STREAMING UPDATE"};
  change.positions.push_back({"millrace/shop/checked/orders/one/0", std::nullopt, 1});
  change.extra = encode_extra(files, {}, {});
  ASSERT_TRUE(std::holds_alternative<lake::Committed>(table.commit(change).value()));
  EXPECT_EQ(b_->ask("SELECT count(*) FROM _rejects"), "0");
  b_->source.give(0);
  EXPECT_EQ(b_->await("SELECT count(*) FROM _rejects", "1"), "1");
}

TEST_F(SharingTest, TheWatermarkWaitsForTheOthersCommits) {
  begin_with_a_shard_each();
  put(0, "a");
  records_.put(1, order("b", "1", "2026-11-18"));
  EXPECT_EQ(a_->await(kRows, "a"), "a");
  EXPECT_EQ(b_->await(kRows, "b"), "b");
  commit(*a_);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_FALSE(a_->worker->watermark("checked")) << "the other has committed nothing";
  commit(*b_);
  const auto expected = base::parse_time("2026-11-18T09:50:00Z").value();
  EXPECT_TRUE(wait_for([&] { return a_->worker->watermark("checked") == expected; }));
  const auto status = a_->worker->status().front();
  ASSERT_EQ(status.positions.size(), 2U);
  EXPECT_TRUE(status.is_shared && status.positions[0].is_ours && !status.positions[1].is_ours);
  EXPECT_EQ(status.positions[1].until, base::parse_time("2026-11-18T10:00:00Z").value());
  EXPECT_EQ(status.lag_records, 0);
}

TEST_F(SharingTest, ColumnsThatAnotherAddsAreNullInOurRows) {
  begin_with_a_shard_each();
  put(0, "a");
  EXPECT_EQ(a_->await(kRows, "a"), "a");
  auto schema = a_->board->table("checked")->snapshot()->metadata->schema;
  schema.insert(schema.begin() + 1, {"colour", sql::Type(DUCKDB_TYPE_VARCHAR)});
  ASSERT_TRUE(
      lake::Table::open_or_create(lake_.path() / "lake" / "checked", schema, {"day"}, b_->tools()));
  const auto* select = "SELECT id, colour, is_fraud FROM checked";
  EXPECT_EQ(a_->await(select, "a  true"), "a  true");
  commit(*a_);
  EXPECT_EQ(a_->await(select, "a  true"), "a  true");
  EXPECT_EQ(b_->await(select, "a  true"), "a  true");
}

}  // namespace
}  // namespace millrace::flow
