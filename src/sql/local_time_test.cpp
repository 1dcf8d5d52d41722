#include "sql/local_time.hpp"

#include <gtest/gtest.h>

#include <string>

#include "sql/instance.hpp"

namespace millrace::sql {
namespace {

/// DuckDB as it comes, or with our `timezone` in it.
class Engine {
 public:
  explicit Engine(bool is_ours) {
    duckdb_open(nullptr, &database_);
    duckdb_connect(database_, &connection_);
    if (!is_ours) return;
    EXPECT_TRUE(add_local_time(connection_));
  }
  ~Engine() {
    duckdb_disconnect(&connection_);
    duckdb_close(&database_);
  }
  std::string text(const std::string& sql) {
    duckdb_result result{};
    if (duckdb_query(connection_, sql.c_str(), &result) != DuckDBSuccess) {
      std::string message = duckdb_result_error(&result);
      duckdb_destroy_result(&result);
      return message;
    }
    std::string all;
    while (duckdb_data_chunk handle = duckdb_fetch_chunk(result)) {
      const Chunk chunk(handle);
      for (std::size_t row = 0; row < chunk.row_count(); ++row) {
        all += chunk.column(0).is_null(row) ? "NULL" : std::string(chunk.column(0).text(row));
        all += '\n';
      }
    }
    duckdb_destroy_result(&result);
    return all;
  }

 private:
  duckdb_database database_ = nullptr;
  duckdb_connection connection_ = nullptr;
};

constexpr std::string_view kZones =
    "('UTC'), ('Europe/Berlin'), ('America/New_York'), ('Australia/Lord_Howe'), "
    "('Asia/Kathmandu'), ('America/St_Johns'), ('Africa/Casablanca'), ('Pacific/Apia'), "
    "('America/Sao_Paulo'), ('Asia/Gaza'), ('Antarctica/Troll'), ('Africa/Monrovia'), "
    "('US/Pacific'), ('Etc/GMT+12'), ('Pacific/Kiritimati'), ('Europe/Dublin'), "
    "('America/Caracas'), ('Asia/Pyongyang'), ('Asia/Tehran'), ('EST5EDT')";

// `instants` is SQL of a relation t(us) of microseconds. A sum for each zone tells of all of them.
void expect_as_icu(std::string_view zones, const std::string& instants) {
  const std::string sql =
      "SELECT zone || ': ' || count(*) || ' ' || sum(hash(us, timezone(zone, "
      "make_timestamptz(us)))) "
      "FROM (VALUES " +
      std::string(zones) + ") z(zone), (" + instants + ") t(us) GROUP BY zone ORDER BY zone";
  Engine icu(false), ours(true);
  EXPECT_EQ(ours.text(sql), icu.text(sql));
}

TEST(LocalTime, IsWhatIcuSaysInOldAndComingYears) {
  // 1900 to 2040 by steps that fall on every time of the day, then some of the years 1 to 9000.
  expect_as_icu("('Europe/Berlin'), ('America/New_York'), ('Africa/Monrovia'), ('Pacific/Apia')",
                "SELECT range FROM range(-2208988800000000, 2208988800000000, 864000123457) "
                "UNION ALL SELECT range FROM range(-62135596800000000, 221845392000000000, "
                "60000000123456789)");
}

TEST(LocalTime, IsWhatIcuSaysAroundEachChange) {
  // Each quarter of an hour of 2025, and a microsecond before it.
  expect_as_icu(
      kZones,
      "SELECT range FROM range(1735689600000000, 1767225600000000, 900000000) "
      "UNION ALL SELECT range - 1 FROM range(1735689600000000, 1767225600000000, 900000000)");
}

TEST(LocalTime, KnowsNullsAndTheEndsOfTime) {
  Engine icu(false), ours(true);
  for (const auto* sql :
       {"SELECT CAST(timezone(NULL, TIMESTAMPTZ '2026-11-20 00:00:00Z') AS VARCHAR)",
        "SELECT CAST(CAST(NULL AS TIMESTAMPTZ) AT TIME ZONE 'Asia/Tokyo' AS VARCHAR)",
        "SELECT CAST(TIMESTAMPTZ 'infinity' AT TIME ZONE 'Asia/Tokyo' AS VARCHAR)",
        "SELECT CAST(TIMESTAMPTZ '-infinity' AT TIME ZONE 'Asia/Tokyo' AS VARCHAR)",
        "SELECT CAST(make_timestamptz(9223372036000000000) AT TIME ZONE 'America/Lima' AS VARCHAR)",
        "SELECT CAST(make_timestamptz(-9223372022400000000) AT TIME ZONE 'Asia/Tokyo' AS VARCHAR)",
        // The other ways to use the function are DuckDB's own.
        "SELECT CAST(TIMESTAMP '2026-11-20 12:00:00' AT TIME ZONE 'Asia/Tokyo' AS VARCHAR)"}) {
    EXPECT_EQ(ours.text(sql), icu.text(sql)) << sql;
  }
}

TEST(LocalTime, RefusesAZoneThatDoesNotExist) {
  Engine ours(true);
  const auto message = ours.text("SELECT CAST(now() AT TIME ZONE 'Europe/Atlantis' AS VARCHAR)");
  EXPECT_NE(message.find("Europe/Atlantis"), std::string::npos) << message;
}

TEST(LocalTime, WorksInAnEngineThatIsLocked) {
  auto instance = Instance::open({.time_zone = "Europe/Berlin", .is_locked = true}).value();
  auto connection = instance->connect().value();
  EXPECT_EQ(connection
                .scalar("SELECT CAST(TIMESTAMPTZ '2026-11-19 23:30:00Z' AT TIME ZONE "
                        "'Europe/Berlin' AS DATE)")
                .value(),
            "2026-11-20");
}

}  // namespace
}  // namespace millrace::sql
