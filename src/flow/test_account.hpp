#pragma once

#include <fmt/format.h>

#include "flow/test_worker.hpp"
#include "lake/data_file.hpp"

namespace millrace::flow {

using namespace std::chrono_literals;

/// Records of every fate, in both shards.
inline void put_all_fates(MemorySource& source) {
  source.put(0, order("a", "1"));
  source.put(0, order("b", "2000", "2026-11-19"));
  source.put(0, "{broken");
  source.put(0, order("left out", "7"));
  source.put(0, order("a", "1"));  // a duplicate
  source.put(1, R"({"amount": 3, "ts": "2026-11-20T10:00:00Z"})");
  source.put(1, order("c", "9999"));  // the chained table rejects it
  source.put(1, order("d", "3"));
}

/// A worker that took them in.
class AccountBench : public WorkerBench {
 public:
  explicit AccountBench(std::string_view text = kPipeline) : WorkerBench(text) {
    for (auto& table : pipeline.tables) table.commit.every = 1h;  // only when asked
    EXPECT_TRUE(begin());
  }
  void take_in() {
    ASSERT_TRUE(worker->catch_up(10s));
    const auto committed = worker->commit_now();
    ASSERT_TRUE(committed) << committed.error().text();
  }
  lake::Table& table(const std::string& name) { return *board->table(name); }
  // `from-until: records taken rows rejected partly filtered removed` of each shard.
  std::string counts(const std::string& name) {
    std::string text;
    for (const auto& [life, rows, taken, rejected, partly, findings] : account(name).shards) {
      const auto& c = life.counts.value();
      text += fmt::format("{}{} {}-{}: {} {} {} {} {} {} {}", text.empty() ? "" : ", ", life.shard,
                          c.from, c.until, c.records, c.taken, c.rows, c.rejected, c.partly,
                          c.filtered, c.removed);
    }
    return text;
  }
  // Commits what no worker would.
  void commit(const std::string& name, const lake::Transaction& change) {
    const auto outcome = table(name).commit(change);
    ASSERT_TRUE(outcome) << outcome.error().text();
    ASSERT_TRUE(std::holds_alternative<lake::Committed>(*outcome));
  }
  void set(const std::string& name, const std::string& id, std::int64_t number) {
    commit(name, {.notes = {{fmt::format("millrace/shop/{}/orders/one/{}", name, id), number}}});
  }
  std::string text(const std::string& name) { return account(name).text(); }
};

}  // namespace millrace::flow
