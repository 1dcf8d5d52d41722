#include "flow/tail_cursor.hpp"

#include <gtest/gtest.h>

#include "flow/test_worker.hpp"

namespace millrace::flow {
namespace {

using namespace std::chrono_literals;

class TailCursorTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(bench_.begin()); }
  void put(int shard, const std::string& id) {
    bench_.source.put(shard, order(id, "1"));
    ASSERT_TRUE(bench_.worker->catch_up(10s));
  }
  void commit() { ASSERT_TRUE(bench_.worker->commit_now()); }
  TableCut table() { return bench_.board->cut()->tables.at("checked"); }
  std::string ids(const TailCursor::News& news) {
    std::string ids;
    for (const auto& at : news.rows) ids += std::string(at.chunk->column(0).text(at.row)) + ' ';
    return ids + "+" + std::to_string(news.missed);
  }

  WorkerBench bench_;
};

TEST_F(TailCursorTest, TellsEachNewRowOnceAndInOrder) {
  put(0, "old");
  TailCursor cursor(table());
  EXPECT_EQ(ids(cursor.look(table(), 10)), "+0");
  put(0, "a");
  put(1, "b");
  put(0, "c");
  EXPECT_EQ(ids(cursor.look(table(), 10)), "a b c +0");
  EXPECT_EQ(ids(cursor.look(table(), 10)), "+0");
}

TEST_F(TailCursorTest, GoesOnAcrossCommits) {
  put(0, "a");
  TailCursor cursor(table());
  put(0, "b");
  EXPECT_EQ(ids(cursor.look(table(), 10)), "b +0");
  commit();
  EXPECT_EQ(ids(cursor.look(table(), 10)), "+0");
  put(0, "c");
  EXPECT_EQ(ids(cursor.look(table(), 10)), "c +0");
}

TEST_F(TailCursorTest, CountsWhatWentToTheFilesUnseen) {
  TailCursor cursor(table());
  put(0, "a");
  put(1, "b");
  commit();
  put(0, "c");
  EXPECT_EQ(ids(cursor.look(table(), 10)), "c +2");
}

TEST_F(TailCursorTest, ShowsTheNewestAndCountsTheRest) {
  TailCursor cursor(table());
  for (const auto* id : {"a", "b", "c", "d"}) put(0, id);
  EXPECT_EQ(ids(cursor.look(table(), 2)), "c d +2");
  EXPECT_EQ(ids(cursor.look(table(), 2)), "+0");
}

}  // namespace
}  // namespace millrace::flow
