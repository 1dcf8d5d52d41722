// What a table makes of the answers of a store: docs/formats/lake.md, "Answers of a store".
#include "lake/store.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "lake/table.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::lake {
namespace {

using base::Code;
using base::Error;
using base::Result;

/// Answers the next writes of commits as it is told to.
class UnsureStore final : public Store {
 public:
  enum class Next : std::uint8_t {
    AsItIs,
    DoneButLost,   // written, and the answer is lost
    NotDone,       // not written, and the answer is lost
    ArrivesLater,  // written after it was looked for
    Busy,          // another write is under way
    Refused,       // certainly not written
  };
  explicit UnsureStore(os::Disk& disk) : disk_(disk) {}

  Result<std::string> read(const os::Path& path) override {
    auto bytes = disk_.read(path);
    if (late_ && path == late_->first) {
      (void)disk_.put_if_absent(late_->first, late_->second).value();
      late_.reset();
    }
    return bytes;
  }
  Result<PutOutcome> put_if_absent(const os::Path& path, std::string_view bytes) override {
    ++puts;
    const auto what = next.empty() ? Next::AsItIs : next.front();
    if (!next.empty()) next.pop_front();
    const PutOutcome lost{PutOutcome::What::Ambiguous, Error{Code::Unknown, "no answer"}};
    switch (what) {
      case Next::DoneButLost:
        (void)TRY(disk_.put_if_absent(path, bytes));
        return lost;
      case Next::ArrivesLater:
        late_.emplace(path, bytes);
        return lost;
      case Next::NotDone:
        return lost;
      case Next::Busy:
        return PutOutcome{PutOutcome::What::Conflict};
      case Next::Refused:
        return Error{Code::Denied, "not allowed"};
      default:
        return disk_.put_if_absent(path, bytes);
    }
  }
  Result<void> put(const os::Path& path, std::string_view bytes) override {
    return disk_.put(path, bytes);
  }
  Result<std::optional<os::FileInfo>> stat(const os::Path& path) override {
    return disk_.stat(path);
  }
  Result<std::vector<os::FileInfo>> list(const os::Path& folder, std::string_view after) override {
    return disk_.list(folder, after);
  }
  Result<void> remove(const std::vector<os::Path>& paths) override { return disk_.remove(paths); }
  Result<void> make_folder(const os::Path& root, const os::Path& folder, Settled settled) override {
    return disk_.make_folder(root, folder, settled);
  }
  Result<void> settle(const os::Path& folder) override { return disk_.settle(folder); }
  os::Path draft_of(const os::Path& path) override { return disk_.draft_of(path); }
  Result<os::FileInfo> publish(const os::Path& draft, const os::Path& path) override {
    return disk_.publish(draft, path);
  }

  std::deque<Next> next;
  int puts = 0;

 private:
  LocalStore disk_;
  std::optional<std::pair<os::Path, std::string>> late_;
};

using Next = UnsureStore::Next;

class StoreAnswers : public testing::Test {
 protected:
  std::unique_ptr<Table> table() {
    return std::move(Table::open_or_create(folder.path() / "t",
                                           {{"id", sql::Type(DUCKDB_TYPE_BIGINT)}}, {}, tools()))
        .value();
  }
  Tools tools() { return {disk, *engine, clock, random, {log, metrics}, &store}; }
  /// Moves the position of `app` from nothing to 1.
  static auto commit(Table& table, const std::string& app) {
    return table.commit({.operation = "WRITE", .positions = {{app, std::nullopt, 1}}});
  }

  os::TestFolder folder;
  os::RealDisk disk;
  UnsureStore store{disk};
  base::FixedClock clock{base::parse_time("2026-11-23T08:00:00Z").value()};
  base::Random random{7};
  base::EventLog log = base::EventLog::silent();
  base::Metrics metrics;
  std::unique_ptr<sql::Instance> engine = sql::Instance::open({.threads = 1}).value();
};

TEST_F(StoreAnswers, ACommitIsMadeOnceWhateverBecomesOfItsAnswers) {
  auto writer = table();
  int version = 0;
  for (const auto& answers : std::vector<std::deque<Next>>{{Next::DoneButLost},
                                                           {Next::NotDone},
                                                           {Next::NotDone, Next::NotDone},
                                                           {Next::NotDone, Next::DoneButLost},
                                                           {Next::ArrivesLater},
                                                           {Next::Busy, Next::Busy},
                                                           {Next::NotDone, Next::Busy}}) {
    store.next = answers;
    const auto app = "app" + std::to_string(++version);
    const auto outcome = commit(*writer, app);
    ASSERT_TRUE(outcome) << outcome.error().text();
    ASSERT_TRUE(std::holds_alternative<Committed>(*outcome));
    EXPECT_TRUE(store.next.empty());
    const auto seen = table()->snapshot();
    EXPECT_EQ(seen->version.value(), version);
    EXPECT_EQ(seen->transaction(app), 1);
  }
}

TEST_F(StoreAnswers, TheLoserOfARaceIsSureOfItEvenAfterALostAnswer) {
  auto first = table();
  auto second = table();
  ASSERT_TRUE(commit(*first, "first"));
  store.next = {Next::NotDone, Next::NotDone};
  const auto outcome = commit(*second, "second");
  ASSERT_TRUE(outcome && std::holds_alternative<Committed>(*outcome));
  EXPECT_EQ(second->snapshot()->version.value(), 2);
  EXPECT_EQ(second->snapshot()->transaction("first"), 1);
}

TEST_F(StoreAnswers, WhatCannotBeReadBackIsUnknown) {
  auto writer = table();
  store.next.assign(100, Next::NotDone);
  const auto outcome = commit(*writer, "app");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::Unknown);
  EXPECT_EQ(outcome.error().message, "no answer");
  EXPECT_LT(store.puts, 20);
}

TEST_F(StoreAnswers, ARefusalIsNoDoubtUnlessATryBeforeItWasOne) {
  auto writer = table();
  store.next = {Next::Refused};
  EXPECT_EQ(commit(*writer, "app").error().code, Code::Denied);
  store.next = {Next::NotDone, Next::Refused};
  EXPECT_EQ(commit(*writer, "app").error().code, Code::Unknown);
}

TEST_F(StoreAnswers, AStoreThatIsAlwaysBusyHasWrittenNothing) {
  auto writer = table();
  store.next.assign(10'000, Next::Busy);
  const auto outcome = commit(*writer, "app");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Code::Unavailable);
  store.next.clear();
  EXPECT_EQ(writer->refresh().value()->version.value(), 0);
}

}  // namespace
}  // namespace millrace::lake
