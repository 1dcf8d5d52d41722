// Writers that race for one table, on S3 or in a folder, for tests/judges/s3_lake.py and
// bench/scale.py:
//   lake_race s3://bucket/prefix|FOLDER WRITERS COMMITS SCRATCH
// Each commits its part of COMMITS, every commit with a file of rows and a position of its own.
// Exit code 1 if one of them cannot go on.
#include <fmt/format.h>

#include <atomic>
#include <charconv>
#include <cstdio>
#include <thread>

#include "app/s3_lake.hpp"
#include "lake/data_file.hpp"

namespace {

using namespace millrace;
using base::Result;

constexpr int kRowsPerCommit = 3;

/// One writer: what it needs is its own, but for the engine and the clock.
class Writer {
 public:
  Writer(int number, lake::Tools tools) : number_(number), tools_(tools) {}

  Result<void> run(int commits) {
    const lake::Schema schema{{"writer", sql::Type(DUCKDB_TYPE_INTEGER)},
                              {"n", sql::Type(DUCKDB_TYPE_BIGINT)}};
    const auto table = TRY(lake::Table::open_or_create(tools_.tables / "raced", schema, {}, tools_,
                                                       {.checkpoint_commits = 10}));
    auto connection = TRY(tools_.engine.connect());
    for (int i = 0; i < commits; ++i) TRY(commit(*table, connection, i));
    return {};
  }

 private:
  Result<void> commit(lake::Table& table, sql::Connection& connection, int i) {
    const auto rows = fmt::format("(SELECT {}::INTEGER AS writer, r AS n FROM range({}, {}) t(r))",
                                  number_, i * kRowsPerCommit, (i + 1) * kRowsPerCommit);
    const auto app = fmt::format("writer/{}", number_);
    lake::Transaction change{.adds = TRY(lake::write_data_files(connection, table, rows))};
    bool is_unclear = false;
    while (true) {
      change.positions = {{app, i == 0 ? std::nullopt : std::optional<std::int64_t>(i), i + 1}};
      const auto outcome = table.commit(change);
      if (!outcome && outcome.error().code == base::Code::Unknown) is_unclear = true;
      const bool is_conflict = outcome && std::holds_alternative<lake::Conflict>(*outcome);
      if (outcome && !is_conflict) break;
      if (is_conflict && is_unclear && TRY(table.refresh())->transaction(app) == i + 1) break;
      if (is_conflict) return base::Error{base::Code::Corrupt, "a position moved by itself"};
      if (outcome.error().code != base::Code::Unavailable && !is_unclear) return outcome.error();
    }
    (void)table.maintain(table.snapshot()->version).has_value();
    return {};
  }

  const int number_;
  const lake::Tools tools_;
};

Result<void> race(const std::string& place, int writers, int commits, const os::Path& scratch) {
  app::World world(base::LogFormat::Text, base::Level::Error);
  TRY(world.disk.make_directories(scratch));
  std::unique_ptr<app::S3Lake> lake;  // null: a folder
  if (place.starts_with("s3://")) {
    lake = TRY(app::S3Lake::open(place, scratch, {.bytes_max = 0}, world));
  }
  const auto engine =
      TRY(sql::Instance::open({.threads = 2, .httpfs = lake ? lake->httpfs() : os::Path()}));
  if (lake) {
    const auto access = TRY(lake->access());
    TRY(engine->read_s3(access));
  }
  std::atomic<int> failed{0};
  {
    std::vector<std::jthread> threads;
    for (int number = 0; number < writers; ++number) {
      threads.emplace_back([&, number] {
        const lake::Tools tools{world.disk,
                                *engine,
                                world.clock,
                                world.random,
                                world.telemetry(),
                                lake ? &lake->store() : nullptr,
                                lake ? lake->tables() : os::Path(place)};
        const auto done = Writer(number, tools).run(commits / writers);
        if (done) return;
        ++failed;
        std::fprintf(stderr, "writer %d: %s\n", number, done.error().text().c_str());
      });
    }
  }
  if (failed > 0) return base::Error{base::Code::Unavailable, "some could not go on"};
  return {};
}

int number_of(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "lake_race s3://bucket/prefix|FOLDER WRITERS COMMITS SCRATCH\n");
    return 2;
  }
  const auto done = race(argv[1], number_of(argv[2]), number_of(argv[3]), argv[4]);
  if (done) return 0;
  std::fprintf(stderr, "%s\n", done.error().text().c_str());
  return 1;
}
