// What a power cut at every call leaves of a table: docs/how_to/test_a_crash.md.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <set>

#include "lake/data_file.hpp"
#include "lake/retention.hpp"
#include "lake/rewrite.hpp"
#include "os/fault_disk.hpp"
#include "os/sim_disk.hpp"
#include "os/test_folder.hpp"

namespace millrace::lake {
namespace {

using base::Result;
using os::Survival;
using namespace std::chrono_literals;

constexpr auto kRetention = 24h * 7;
constexpr const char* kApp = "app";

// The rows of a table and the position that came with them.
struct State {
  std::set<std::int64_t> ids;
  std::int64_t position = 0;
  auto operator<=>(const State&) const = default;
};

/// One table on a disk that forgets, what was promised of it, and whether that was kept.
class TableBench {
 public:
  TableBench(Survival unsynced, std::uint64_t seed) {
    disk = os::SimDisk::open({.root = folder.path(), .seed = seed, .unsynced = unsynced}).value();
    faults = std::make_unique<os::FaultDisk>(*disk);
  }

  Tools tools() { return {*faults, engine(), clock, random, {log, metrics}}; }

  Result<std::unique_ptr<Table>> open() {
    // Two folders above the table are made too.
    return Table::open_or_create(
        folder.path() / "tables" / "t",
        {{"day", sql::Type(DUCKDB_TYPE_DATE)}, {"id", sql::Type(DUCKDB_TYPE_BIGINT)}}, {"day"},
        tools(), {.checkpoint_commits = 2, .log_retention = 0h});
  }

  // Three rows in each of `days` days.
  Result<void> append(Table& table, int days) {
    State next = said_;
    ++next.position;
    Transaction change{.operation = "STREAMING UPDATE", .adds = TRY(write(table, days, next))};
    return commit(table, std::move(change), next);
  }
  // All rows by others, as a job does.
  Result<void> replace(Table& table) {
    State next{.ids = {}, .position = said_.position + 1};
    Transaction change{.operation = "WRITE", .adds = TRY(write(table, 1, next))};
    for (const auto& [path, file] : table.snapshot()->files) {
      change.removes.push_back(
          {.path = path, .partition_values = file->partition_values, .size = file->size});
    }
    return commit(table, std::move(change), next);
  }
  // The rows of the first of two days.
  Result<void> remove_first_day(Table& table) {
    State next = said_;
    std::erase_if(next.ids, [](std::int64_t id) { return id % 2 == 0; });
    asked_ = next;
    const auto is_first = [](const AddFile& file) {
      return file.path.starts_with("day=2026-11-20") ? std::optional(base::Time{}) : std::nullopt;
    };
    const auto removed = TRY(remove_old_rows(table, {.horizon = clock.now(), .end_of = is_first}));
    EXPECT_GT(removed.files, 0U);
    said_ = next;
    asked_.reset();
    version_ = table.snapshot()->version.value();
    return {};
  }
  Result<void> vacuum(Table& table) {
    vacuumed_before_ms_ = to_ms(clock.now() - kRetention);
    (void)TRY(lake::vacuum(table, {.retention = kRetention}));
    return {};
  }

  /// All that was acknowledged is there and whole; what was begun is there whole or not at all.
  /// What is found now counts as acknowledged.
  void check(const std::string& when) {
    auto opened = open();
    ASSERT_TRUE(opened) << when << ": " << opened.error().text();
    const auto snapshot = (*opened)->snapshot();
    EXPECT_GE(snapshot->version.value(), version_) << when;
    check_log(snapshot->version.value(), when);
    for (const auto& [path, file] : snapshot->files) check_file(path, file->size, when);
    for (const auto& [path, remove] : snapshot->tombstones) {
      // Readers of a kept version may still need it.
      if (remove.deleted_ms > vacuumed_before_ms_) check_file(path, remove.size, when);
    }
    State found{.ids = {}, .position = snapshot->transaction(kApp).value_or(0)};
    if (testing::Test::HasFailure()) return;
    read_ids(**opened, found, when);
    EXPECT_TRUE(found == said_ || (asked_ && found == *asked_))
        << when << ": " << found.ids.size() << " rows at position " << found.position << ", "
        << said_.ids.size() << " at " << said_.position << " were acknowledged";
    said_ = found;
    asked_.reset();
    version_ = snapshot->version.value();
  }

  os::TestFolder folder;
  std::unique_ptr<os::SimDisk> disk;
  std::unique_ptr<os::FaultDisk> faults;  // what the table sees
  // Files get their times from the real clock.
  base::FixedClock clock{base::SystemClock().now()};

 private:
  static sql::Instance& engine() {
    // Never closed: DuckDB's own statics may be gone before ours are.
    static auto* const kOne = std::move(sql::Instance::open({.threads = 1})).value().release();
    return *kOne;
  }
  static std::int64_t to_ms(base::Time time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  }

  Result<std::vector<AddFile>> write(const Table& table, int days, State& next) {
    auto connection = TRY(engine().connect());
    const auto first = next_id_;
    next_id_ += 3L * days;
    for (auto id = first; id < next_id_; ++id) next.ids.insert(id);
    return write_data_files(
        connection, table,
        fmt::format("(SELECT DATE '2026-11-20' + CAST(i % {} AS INTEGER) AS day, i AS id FROM "
                    "range({}, {}) r(i))",
                    days, first, next_id_));
  }
  Result<void> commit(Table& table, Transaction change, const State& next) {
    change.positions = {{kApp, table.snapshot()->transaction(kApp), next.position}};
    asked_ = next;
    const auto outcome = TRY(table.commit(change));
    EXPECT_TRUE(std::holds_alternative<Committed>(outcome));
    said_ = next;
    asked_.reset();
    version_ = table.snapshot()->version.value();
    return {};
  }

  // Versions follow each other, from the oldest that is kept or from a checkpoint on.
  void check_log(std::int64_t newest, const std::string& when) {
    std::set<std::string> names;
    for (const auto& entry : disk->list(table_path() / "_delta_log").value()) {
      names.insert(entry.name);
    }
    auto oldest = newest;
    while (names.contains(fmt::format("{:020}.json", oldest - 1))) --oldest;
    if (oldest == 0) return;
    bool has_checkpoint = false;
    for (auto version = oldest; version <= newest; ++version) {
      has_checkpoint =
          has_checkpoint || names.contains(fmt::format("{:020}.checkpoint.parquet", version));
    }
    EXPECT_TRUE(has_checkpoint) << when << ": versions " << oldest << " to " << newest;
  }
  void check_file(const std::string& path, std::int64_t size, const std::string& when) {
    const auto info = disk->stat(table_path() / uri_decoded(path)).value();
    ASSERT_TRUE(info) << when << ": there is no " << path;
    EXPECT_EQ(info->size, static_cast<std::uint64_t>(size)) << when << ": " << path;
  }
  static void read_ids(const Table& table, State& found, const std::string& when) {
    if (table.snapshot()->files.empty()) return;
    auto connection = engine().connect().value();
    auto rows =
        connection.query("SELECT id FROM (" + scan_sql(table.root(), *table.snapshot()) + ")");
    ASSERT_TRUE(rows) << when << ": " << rows.error().text();
    while (auto chunk = rows->next().value()) {
      for (std::size_t row = 0; row < chunk->row_count(); ++row) {
        const auto id = chunk->column(0).data<std::int64_t>()[row];
        EXPECT_TRUE(found.ids.insert(id).second) << when << ": twice " << id;
      }
    }
  }
  os::Path table_path() const { return folder.path() / "tables" / "t"; }

  base::Random random{7};
  base::EventLog log = base::EventLog::silent();
  base::Metrics metrics;
  std::int64_t next_id_ = 1;
  State said_;                           // acknowledged
  std::optional<State> asked_;           // begun
  std::int64_t version_ = -1;            // acknowledged
  std::int64_t vacuumed_before_ms_ = 0;  // tombstones older than this may be without a file
};

using Life = std::function<Result<void>(TableBench&)>;

Result<void> appends(TableBench& bench) {
  auto table = TRY(bench.open());
  TRY(bench.append(*table, 2));
  TRY(bench.append(*table, 1));
  return bench.append(*table, 3);
}

// Checkpoints every two commits; with the clock far ahead, commits are dropped behind them.
Result<void> checkpoints(TableBench& bench) {
  auto table = TRY(bench.open());
  bench.clock.advance(24h * 10);
  for (int i = 0; i < 3; ++i) {
    TRY(bench.append(*table, 1));
    TRY(table->maintain(table->snapshot()->version));
  }
  EXPECT_TRUE(table->commits_after(base::TableVersion(0)).error().code == base::Code::NotFound);
  return {};
}

Result<void> compactions(TableBench& bench) {
  auto table = TRY(bench.open());
  for (int i = 0; i < 3; ++i) TRY(bench.append(*table, 2));
  const auto done = TRY(compact(*table, {.files_min = 2}));
  EXPECT_EQ(done.files_before, 6U);
  return bench.append(*table, 1);
}

// Of three kinds of files without a place in the table, those of a kept version stay.
Result<void> vacuums(TableBench& bench) {
  auto table = TRY(bench.open());
  for (int i = 0; i < 2; ++i) TRY(bench.append(*table, 2));
  (void)TRY(compact(*table, {.files_min = 2}));
  bench.clock.advance(24h * 10);
  TRY(bench.replace(*table));
  TRY(bench.append(*table, 1));
  TRY(bench.vacuum(*table));
  return bench.append(*table, 1);
}

Result<void> removals(TableBench& bench) {
  auto table = TRY(bench.open());
  for (int i = 0; i < 2; ++i) TRY(bench.append(*table, 2));
  TRY(bench.remove_first_day(*table));
  bench.clock.advance(24h * 10);
  TRY(bench.vacuum(*table));
  return bench.append(*table, 1);
}

struct Case {
  const char* name = "";
  Life life;
  Survival survival = Survival::Nothing;
  std::uint64_t seed = 1;
};

class LakeCrashTest : public testing::TestWithParam<Case> {};

std::uint64_t calls_of(const Life& life) {
  TableBench bench(Survival::Nothing, 1);
  const auto lived = life(bench);
  EXPECT_TRUE(lived) << lived.error().text();
  const auto calls = bench.disk->calls();
  bench.check("uncut");
  EXPECT_GT(calls, 20U);
  return calls;
}

// Life goes on after what happened, and the next power cut takes nothing of it.
void go_on(TableBench& bench, const std::string& when) {
  auto table = bench.open();
  ASSERT_TRUE(table) << when << ": " << table.error().text();
  for (int i = 0; i < 2; ++i) {
    const auto appended = bench.append(**table, 2);
    ASSERT_TRUE(appended) << when << ": " << appended.error().text();
    ASSERT_TRUE((*table)->maintain((*table)->snapshot()->version)) << when;
  }
  ASSERT_TRUE(bench.vacuum(**table)) << when;
  ASSERT_TRUE(bench.disk->power_cycle());
  bench.check(when + ", at last");
}

TEST_P(LakeCrashTest, WhatWasAcknowledgedSurvivesACutAtAnyCall) {
  const auto& [name, life, survival, seed] = GetParam();
  const auto calls = calls_of(life);
  for (std::uint64_t nth = 1; nth <= calls && !HasFailure(); ++nth) {
    const auto when = fmt::format("{}, survival {} seed {} cut at {}", name,
                                  static_cast<int>(survival), seed, nth);
    TableBench bench(survival, seed * 1000 + nth);
    bench.disk->cut_at(nth);
    EXPECT_FALSE(life(bench) && !bench.disk->is_off()) << when;
    ASSERT_TRUE(bench.disk->power_cycle());
    bench.check(when);
    if (survival == Survival::Nothing && !HasFailure()) go_on(bench, when);
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const auto& [name, life] :
       std::vector<std::pair<const char*, Life>>{{"appends", appends},
                                                 {"checkpoints", checkpoints},
                                                 {"compactions", compactions},
                                                 {"removals", removals},
                                                 {"vacuums", vacuums}}) {
    all.push_back({name, life, Survival::Nothing, 1});
    all.push_back({name, life, Survival::Random, 1});
  }
  return all;
}

std::string name_of(const testing::TestParamInfo<Case>& one) {
  constexpr std::array kNames{"Nothing", "Random", "Everything"};
  return fmt::format("{}_{}_{}", one.param.name,
                     kNames[static_cast<std::size_t>(one.param.survival)], one.param.seed);
}

INSTANTIATE_TEST_SUITE_P(EachLife, LakeCrashTest, testing::ValuesIn(cases()), name_of);

// The process is killed at a call, its successor works on, relying on what it finds, and only then
// goes the power: what the killed one did not sync must not be missing below the successor's work.
TEST(LakeCrashAfterAKill, TheSuccessorSyncsWhatItReliesOn) {
  for (const bool goes_on : {false, true}) {
    const auto calls = calls_of(appends);
    for (std::uint64_t nth = 1; nth <= calls && !HasFailure(); ++nth) {
      const auto when = fmt::format("killed at {}", nth);
      TableBench bench(Survival::Nothing, nth);
      bench.disk->cut_at(nth);
      (void)appends(bench);
      bench.disk->kill_cycle();
      bench.check(when);
      if (goes_on) {
        go_on(bench, when);
      } else {
        ASSERT_TRUE(bench.disk->power_cycle());
        bench.check(when + ", then the power was cut");
      }
    }
  }
}

// The power goes after a retry: what the first try left unsynced must be synced by the second.
TEST(LakeCrashAfterAFault, ARetryMakesUpForAFailedSync) {
  for (const auto call : {os::DiskCall::Sync, os::DiskCall::SyncDirectory}) {
    for (std::uint64_t nth = 1; !HasFailure(); ++nth) {
      TableBench bench(Survival::Nothing, nth);
      auto table = bench.open().value();
      const auto before = bench.faults->calls(call);
      bench.faults->fail({.call = call, .nth = nth, .code = base::Code::Unavailable});
      ASSERT_TRUE(bench.append(*table, 2) || bench.append(*table, 2));
      const auto made = bench.faults->calls(call) - before;
      bench.faults->heal();
      ASSERT_TRUE(bench.disk->power_cycle());
      bench.check(fmt::format("failing call {} of kind {}", nth, static_cast<int>(call)));
      if (made < nth) break;
    }
  }
}

TEST(LakeCrashAfterAFault, ACommitThatStandsButCannotBeSyncedIsUnknown) {
  TableBench bench(Survival::Nothing, 1);
  auto table = bench.open().value();
  Transaction change{.positions = {{kApp, std::nullopt, 1}}};
  bench.faults->fail({.call = os::DiskCall::SyncDirectory,
                      .nth = 1,
                      .code = base::Code::Unavailable,
                      .times = os::Times::FromThenOn});
  const auto outcome = table->commit(change);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, base::Code::Unknown);
  bench.faults->heal();
  EXPECT_EQ(table->refresh().value()->transaction(kApp), 1);
}

}  // namespace
}  // namespace millrace::lake
