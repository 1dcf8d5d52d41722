#include "parquet/file_writer.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <numeric>

#include "base/random.hpp"
#include "sql/instance.hpp"

namespace millrace::parquet {
namespace {

using testing::ElementsAre;

// One column of each kind, NULL now and then, of as many rows as one asks for.
constexpr const char* kEveryKind = R"((
  SELECT i::BIGINT AS id,
    CASE WHEN i % 7 <> 3 THEN i % 2 = 0 END AS flag,
    CASE WHEN i % 5 <> 1 THEN (i % 200 - 100)::TINYINT END AS tiny,
    (i % 60000 - 30000)::SMALLINT AS small,
    CASE WHEN i % 11 <> 0 THEN (i * 7919 % 1000000 - 500000)::INTEGER END AS whole,
    (i * 0.25 - 1000)::FLOAT AS single, CASE WHEN i % 3 <> 0 THEN sin(i) END AS double,
    (i % 9999 - 5000)::DECIMAL(4, 0) AS dec4, (i * 0.01)::DECIMAL(9, 2) AS dec9,
    (i * 1234.5678)::DECIMAL(18, 4) AS dec18,
    CASE WHEN i % 4 <> 0 THEN
      ((i - 1000)::DECIMAL(38, 0) * 100000000000000000000)::DECIMAL(38, 10) END AS dec38,
    DATE '1960-01-01' + (i * 37 % 40000)::INTEGER AS day,
    TIMESTAMPTZ '1969-12-31 23:59:59.5+00' + INTERVAL (i * 1234567) MICROSECOND AS at,
    ['EUR', 'USD', 'GBP', ''][1 + i % 4] AS currency,
    CASE WHEN i % 13 <> 0 THEN 'text ' || (i * 7919) || repeat('é', (i % 40)::INTEGER) END AS text,
    encode('bytes' || (i % 300)) AS bytes,
    CASE WHEN i % 6 <> 0 THEN {'city': 'c' || i % 10, 'zip': CASE WHEN i % 4 <> 0 THEN i END,
                               'deep': {'x': i % 3 = 0}} END AS address,
    CASE WHEN i % 5 = 0 THEN NULL WHEN i % 5 = 1 THEN []
         ELSE [i, NULL, i % 3] END AS numbers,
    CASE WHEN i % 4 <> 2 THEN [{'sku': 's' || i % 50, 'tags': ['a', NULL, 't' || i]}, NULL,
                               {'sku': NULL, 'tags': []}, {'sku': 'x', 'tags': NULL}] END AS items,
    NULL::VARCHAR AS nothing
  FROM range(10000) r(i)))";

class WrittenFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (std::filesystem::temp_directory_path() /
             fmt::format("millrace-parquet-{}.parquet", base::Random().uuid()))
                .string();
  }
  void TearDown() override { std::filesystem::remove(path_); }

  void ask(const std::string& select) {
    auto result = connection_.query(select).value();
    columns_ = result.columns();
    while (auto chunk = result.next().value()) {
      chunks_.push_back(std::make_shared<const sql::Chunk>(std::move(*chunk)));
    }
  }

  // Which rows of each chunk: all, unless another is asked for.
  Written write(const WriterOptions& options = {}, std::size_t every = 1) {
    std::vector<FileColumn> columns;
    for (std::size_t i = 0; i < columns_.size(); ++i) columns.push_back({columns_[i], i});
    std::vector<std::vector<std::uint32_t>> rows;
    std::vector<RowSlice> slices;
    for (const auto& chunk : chunks_) {
      auto& own = rows.emplace_back();
      for (std::size_t row = 0; row < chunk->row_count(); row += every) {
        own.push_back(static_cast<std::uint32_t>(row));
      }
    }
    for (std::size_t i = 0; i < chunks_.size(); ++i) slices.push_back({chunks_[i].get(), rows[i]});
    return write_columns(columns, slices, options);
  }

  Written write_columns(const std::vector<FileColumn>& columns, const std::vector<RowSlice>& slices,
                        const WriterOptions& options) {
    std::ofstream file(path_, std::ios::binary | std::ios::trunc);
    return write_file(columns, slices, options,
                      [&](std::string_view bytes) -> base::Result<void> {
                        file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
                        return {};
                      })
        .value();
  }

  std::vector<std::string> texts(const std::string& select) {
    auto result = connection_.query(select);
    if (!result) return {result.error().text()};
    std::vector<std::string> found;
    while (auto chunk = result->next().value()) {
      const sql::Renderer renderer(result->columns()[0].type);
      for (std::size_t row = 0; row < chunk->row_count(); ++row) {
        found.push_back(renderer.text(chunk->column(0), row));
      }
    }
    return found;
  }

  // DuckDB reads the file as the rows of `select`, in their order.
  void expect_rows(const std::string& select) {
    const auto file = fmt::format("SELECT * FROM read_parquet('{}')", path_);
    EXPECT_EQ(texts(fmt::format("SELECT string_agg(column_name || ' ' || column_type, ', ') "
                                "FROM (DESCRIBE {})",
                                file)),
              texts(fmt::format("SELECT string_agg(column_name || ' ' || column_type, ', ') "
                                "FROM (DESCRIBE {})",
                                select)));
    const auto numbered = "SELECT row_number() OVER () AS n, * FROM (";
    EXPECT_THAT(texts(fmt::format("SELECT count(*) FROM (({0}{1})) EXCEPT ALL ({0}{2})))", numbered,
                                  file, select)),
                ElementsAre("0"));
    EXPECT_THAT(texts(fmt::format("SELECT count(*) FROM (({0}{2})) EXCEPT ALL ({0}{1})))", numbered,
                                  file, select)),
                ElementsAre("0"));
  }

  std::string path_;
  std::unique_ptr<sql::Instance> engine_ = sql::Instance::open({.threads = 1}).value();
  sql::Connection connection_ = engine_->connect().value();
  std::vector<sql::Column> columns_;
  std::vector<std::shared_ptr<const sql::Chunk>> chunks_;
};

TEST_F(WrittenFile, HasRowsOfEveryKind) {
  ask(fmt::format("SELECT * FROM {}", kEveryKind));
  EXPECT_EQ(write().row_count, 10'000);
  expect_rows(fmt::format("SELECT * FROM {}", kEveryKind));
}

TEST_F(WrittenFile, MayHaveManyRowGroupsAndPages) {
  ask(fmt::format("SELECT * FROM {}", kEveryKind));
  write({.row_group_rows = 3001, .page_bytes_max = 500});
  expect_rows(fmt::format("SELECT * FROM {}", kEveryKind));
  EXPECT_THAT(texts(fmt::format("SELECT DISTINCT row_group_num_rows FROM parquet_metadata('{}') "
                                "ORDER BY ALL",
                                path_)),
              ElementsAre("997", "3001"));
}

TEST_F(WrittenFile, HasTheRowsThatWereNamed) {
  ask(fmt::format("SELECT * FROM {}", kEveryKind));
  EXPECT_EQ(write({}, 4).row_count, 2500);
  expect_rows(fmt::format("SELECT * FROM {} WHERE id % 2048 % 4 = 0", kEveryKind));
}

TEST_F(WrittenFile, OfNoRowsHasItsColumns) {
  ask(fmt::format("SELECT * FROM {} WHERE false", kEveryKind));
  EXPECT_EQ(write().row_count, 0);
  expect_rows(fmt::format("SELECT * FROM {} WHERE false", kEveryKind));
}

TEST_F(WrittenFile, HasNullWhereTheRowsHaveNoSuchColumn) {
  ask("SELECT i FROM range(5000) r(i)");
  std::vector<std::uint32_t> rows(sql::kChunkRows);
  std::iota(rows.begin(), rows.end(), 0U);
  std::vector<RowSlice> slices;
  for (const auto& chunk : chunks_) {
    slices.push_back({chunk.get(), std::span(rows).first(chunk->row_count())});
  }
  const auto list = sql::Type::list(sql::Type(DUCKDB_TYPE_VARCHAR));
  const auto written = write_columns(
      {{{"more", list}, {}}, {columns_[0], 0}, {{"new", sql::Type(DUCKDB_TYPE_DATE)}, {}}}, slices,
      {.row_group_rows = 1000});
  expect_rows("SELECT NULL::VARCHAR[] AS more, i, NULL::DATE AS new FROM range(5000) r(i)");
  EXPECT_EQ(written.facts.back().null_count, 5000);
  EXPECT_FALSE(written.facts.back().min);
}

TEST_F(WrittenFile, HasRandomListsOfLists) {
  base::Random random{5};
  for (int round = 0; round < 20; ++round) {
    chunks_.clear();
    const auto rows = fmt::format(R"((
      SELECT CASE WHEN hash(i, {0}) % 5 > 0 THEN
        list_transform(range((hash(i, {0} + 1) % 6)::BIGINT), lambda x:
          CASE WHEN hash(i, x, {0}) % 4 > 0 THEN
            list_transform(range((hash(i, x, 7) % 5)::BIGINT), lambda y:
              CASE WHEN hash(i, x, y, {0}) % 3 > 0 THEN
                {{'v': (y * i) % 20, 's': x::VARCHAR}} END) END) END AS l
      FROM range({1}) r(i)))",
                                  round, 1 + random.below(4000));
    ask("SELECT * FROM " + rows);
    write({.row_group_rows = 1 + random.below(2000), .page_bytes_max = 1 + random.below(3000)});
    expect_rows("SELECT * FROM " + rows);
    if (HasFailure()) FAIL() << "round " << round;
  }
}

TEST_F(WrittenFile, SaysWhatItsColumnsHave) {
  ask(R"(SELECT * FROM (VALUES
    (1, 1.5::DOUBLE, 'nan'::FLOAT, 'b', DATE '2026-11-20', -1.50::DECIMAL(12, 2), {'x': 1}, [1]),
    (NULL, 0::DOUBLE, 1, 'a', DATE '2026-11-02', 20::DECIMAL(12, 2), NULL, [2]),
    (-7, -2::DOUBLE, 2, NULL, NULL, 3::DECIMAL(12, 2), {'x': 5}, NULL))
    t(i, d, f, s, day, amount, st, l))");
  const auto written = write({.row_group_rows = 2});
  std::vector<std::string> facts;
  for (const auto& column : written.facts) {
    facts.push_back(fmt::format("{} {} {} {}{}", column.path, column.min.value_or("-"),
                                column.max.value_or("-"), column.null_count,
                                column.has_nan ? " NaN" : ""));
  }
  EXPECT_THAT(facts, ElementsAre("\"i\" -7 1 1", "\"d\" -2.0 1.5 0", "\"f\" - - 0 NaN",
                                 "\"s\" a b 1", "\"day\" 2026-11-02 2026-11-20 1",
                                 "\"amount\" -1.50 20.00 0", "\"st\".\"x\" 1 5 1"));
}

TEST_F(WrittenFile, HasBoundsByWhichReadersSkip) {
  ask(R"(SELECT i, (i / 10)::DECIMAL(38, 1) AS big, repeat('x', i::INTEGER) AS long,
    (i - 150)::DOUBLE AS zero, i % 2 = 0 AS flag,
    TIMESTAMPTZ '2026-11-20 00:00:00+00' + INTERVAL (i) SECOND AS at
    FROM range(100, 300) r(i))");
  write({.row_group_rows = 100});
  EXPECT_THAT(
      texts(fmt::format("SELECT path_in_schema || ' ' || coalesce(stats_min_value, '-') || ' ' || "
                        "coalesce(stats_max_value, '-') FROM parquet_metadata('{}') "
                        "WHERE path_in_schema <> 'long' ORDER BY row_group_id, column_id",
                        path_)),
      ElementsAre("i 100 199", "big 10.0 19.9", "zero -50.0 49.0", "flag false true",
                  "at 2026-11-20 00:01:40+00 2026-11-20 00:03:19+00", "i 200 299", "big 20.0 29.9",
                  "zero 50.0 149.0", "flag false true",
                  "at 2026-11-20 00:03:20+00 2026-11-20 00:04:59+00"));
  // Longer ones than 256 bytes are left out.
  EXPECT_THAT(texts(fmt::format("SELECT stats_max_value IS NULL FROM parquet_metadata('{}') WHERE "
                                "path_in_schema = 'long' ORDER BY row_group_id",
                                path_)),
              ElementsAre("false", "true"));
  EXPECT_THAT(texts(fmt::format("SELECT count(*) FROM read_parquet('{}') WHERE i = 250 AND "
                                "big = 25 AND zero = 100",
                                path_)),
              ElementsAre("1"));
}

TEST_F(WrittenFile, UsesDictionariesWhereTheySave) {
  ask("SELECT i, i % 7 AS few, 'n' || i AS name, 'n' || i % 9 AS word FROM range(20000) r(i)");
  write();
  EXPECT_THAT(texts(fmt::format("SELECT path_in_schema || ' ' || encodings FROM "
                                "parquet_metadata('{}') ORDER BY column_id",
                                path_)),
              ElementsAre("i PLAIN, RLE", "few PLAIN, RLE, RLE_DICTIONARY", "name PLAIN, RLE",
                          "word PLAIN, RLE, RLE_DICTIONARY"));
}

TEST_F(WrittenFile, EndsWithTheErrorOfWhoTakesIt) {
  ask("SELECT i FROM range(10) r(i)");
  std::vector<std::uint32_t> rows{0, 1, 2};
  int calls = 0;
  const Sink sink = [&](std::string_view) -> base::Result<void> {
    if (++calls < 2) return {};
    return base::Error{base::Code::Exhausted, "the disk is full"};
  };
  const auto written = write_file({{columns_[0], 0}}, {{chunks_[0].get(), rows}}, {}, sink);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, base::Code::Exhausted);
}

TEST_F(WrittenFile, RefusesWhatHasNoHome) {
  const auto refused = write_file({{{"t", sql::Type(DUCKDB_TYPE_TIME)}, {}}}, {}, {},
                                  [](std::string_view) -> base::Result<void> { return {}; });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, base::Code::Invalid);
}

}  // namespace
}  // namespace millrace::parquet
