#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "sql/arrow.hpp"
#include "sql/instance.hpp"
#include "sql/render.hpp"

namespace millrace::sql {
namespace {

std::unique_ptr<Instance> open(InstanceOptions options = {}) {
  return std::move(Instance::open(options)).value();
}

std::string json_of(Connection& connection, const std::string& sql) {
  auto rows = connection.query(sql).value();
  std::string out;
  while (auto chunk = rows.next().value()) {
    for (std::size_t row = 0; row < chunk->row_count(); ++row) {
      for (std::size_t i = 0; i < chunk->column_count(); ++i) {
        Renderer(rows.columns()[i].type).append_json(chunk->column(i), row, out);
        out += ' ';
      }
    }
  }
  return out;
}

TEST(Sql, RendersEachTypeAsJson) {
  auto instance = open();
  auto connection = instance->connect().value();
  EXPECT_EQ(
      json_of(connection, "SELECT 1::TINYINT, -0.05::DECIMAL(4,2), 1e300, 'nan'::DOUBLE, NULL"),
      "1 -0.05 1e+300 null null ");
  EXPECT_EQ(json_of(connection, "SELECT DATE '2026-11-20', TIMESTAMPTZ '2026-11-20 12:00:00+01'"),
            "\"2026-11-20\" \"2026-11-20T11:00:00.000000Z\" ");
  EXPECT_EQ(
      json_of(connection, "SELECT {'a': 1, 'b': ['x', NULL]}, MAP {'k': 2}, '{\"z\":1}'::JSON"),
      R"({"a":1,"b":["x",null]} [{"key":"k","value":2}] {"z":1} )");
  EXPECT_EQ(json_of(connection,
                    "SELECT 170141183460469231731687303715884105727::HUGEINT, "
                    "'\\x00ab'::BLOB, uuid '3f2504e0-4f89-41d3-9a0c-0305e82c3301'"),
            "170141183460469231731687303715884105727 \"AGFi\" "
            "\"3f2504e0-4f89-41d3-9a0c-0305e82c3301\" ");
}

TEST(Sql, RendersTheRarerTimesAndTheLargestNumbers) {
  auto instance = open();
  auto connection = instance->connect().value();
  EXPECT_EQ(
      json_of(connection,
              "SELECT TIMESTAMP_S '2026-11-20 12:00:01', TIMESTAMP_MS '2026-11-20 12:00:01.5', "
              "TIMESTAMP_NS '2026-11-20 12:00:01.000000001', TIMETZ '12:30:00+05:30', "
              "TIMETZ '12:30:00.5-02'"),
      "\"2026-11-20 12:00:01\" \"2026-11-20 12:00:01.500\" "
      "\"2026-11-20 12:00:01.000000001\" \"12:30:00+05:30\" \"12:30:00.500000-02\" ");
  EXPECT_EQ(json_of(connection,
                    "SELECT 'infinity'::DATE, '-infinity'::TIMESTAMPTZ, "
                    "340282366920938463463374607431768211455::UHUGEINT"),
            "\"infinity\" \"-infinity\" 340282366920938463463374607431768211455 ");
}

TEST(Sql, SaysWhichTypesItCannotRender) {
  auto instance = open();
  auto connection = instance->connect().value();
  const auto rows = connection.query("SELECT 1::UNION(a INTEGER), [1::BIT], {'a': [1]}").value();
  EXPECT_FALSE(can_render(rows.columns()[0].type));
  EXPECT_FALSE(can_render(rows.columns()[1].type));
  EXPECT_TRUE(can_render(rows.columns()[2].type));
}

TEST(Sql, GivesResultsAsArrow) {
  auto instance = open();
  auto connection = instance->connect().value();
  auto rows = connection
                  .query(
                      "SELECT i, i::VARCHAR AS name, (i + 0.5)::DECIMAL(9,2) AS amount, [i] AS l "
                      "FROM range(3) t(i)",
                      Fetch::Streamed)
                  .value();
  const auto schema = arrow_schema_of(ArrowOptions(rows), rows.columns()).value();
  std::string formats;
  for (std::int64_t i = 0; i < schema.get().n_children; ++i) {
    formats += std::string(schema.get().children[i]->format) + ' ';
  }
  EXPECT_EQ(formats, "l u d:9,2,128 +l ");
  const auto chunk = rows.next().value();
  const auto array = arrow_array_of(ArrowOptions(rows), *chunk).value();
  EXPECT_EQ(array.get().length, 3);
  EXPECT_EQ(static_cast<const std::int64_t*>(array.get().children[0]->buffers[1])[2], 2);
}

TEST(Sql, SaysWhereInTheSqlAnErrorIs) {
  auto instance = open();
  auto connection = instance->connect().value();
  const auto failed = connection.prepare("SELECT 1,\n nosuch FROM range(3)");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, base::Code::Invalid);
  EXPECT_EQ(position_of(failed.error()), 11U);
  EXPECT_NE(failed.error().message.find("nosuch"), std::string::npos);
}

TEST(Sql, BindsParametersByName) {
  auto instance = open();
  auto connection = instance->connect().value();
  auto statement = connection.prepare("SELECT $a + 1, $day::DATE").value();
  EXPECT_TRUE(statement.bind("a", std::int64_t{41}));
  EXPECT_TRUE(statement.bind("day", Date{20'000}));
  EXPECT_EQ(statement.bind("nosuch", true).error().code, base::Code::NotFound);
  auto rows = statement.execute().value();
  const auto chunk = rows.next().value();
  EXPECT_EQ(chunk->column(0).data<std::int64_t>()[0], 42);
}

TEST(Sql, NamesTheTablesThatAStatementReads) {
  auto instance = open({.is_locked = true});
  auto connection = instance->connect().value();
  using Names = std::vector<std::string>;
  const auto names = [&](const char* text) { return connection.table_names(text).value(); };
  EXPECT_EQ(names("SELECT a FROM t, main.u, \"Foo\", T WHERE day = $day"),
            (Names{"t", "u", "Foo"}));
  EXPECT_EQ(names("WITH t AS (SELECT * FROM t), v AS (FROM t) SELECT * FROM v"), (Names{"t"}));
  EXPECT_EQ(names("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r, q) FROM r"),
            (Names{"q"}));
  EXPECT_EQ(names("SELECT 1 WHERE EXISTS (FROM a) UNION ALL SELECT (SELECT max(x) FROM b)"),
            (Names{"a", "b"}));
  EXPECT_EQ(names("FROM (PIVOT p ON a IN (1, 2) USING sum(b))"), (Names{"p"}));
  EXPECT_EQ(connection.table_names("SELEC 1").error().place, "byte 0");
}

TEST(Sql, LockedInstanceReadsNoFilesAndKeepsItsSettings) {
  auto instance = open({.is_locked = true});
  auto connection = instance->connect().value();
  EXPECT_FALSE(connection.query("SELECT * FROM read_text('/etc/hostname')"));
  EXPECT_FALSE(connection.run("COPY (SELECT 1) TO '/tmp/millrace-must-not-be'"));
  EXPECT_FALSE(connection.run("SET threads = 64"));
  EXPECT_FALSE(connection.run("SET enable_external_access = true"));
  EXPECT_EQ(connection.scalar("SELECT 6 * 7").value(), "42");
}

// Rows of one instance, scanned by another.
class ChunksTable final : public ScanTable {
 public:
  ChunksTable(std::vector<Column> columns, std::vector<std::shared_ptr<const Chunk>> chunks,
              std::shared_ptr<Selection> rows)
      : columns_(std::move(columns)), chunks_(std::move(chunks)), rows_(std::move(rows)) {}
  const std::vector<Column>& columns() const override { return columns_; }
  std::unique_ptr<Scan> scan() override {
    class Run final : public Scan {
     public:
      explicit Run(ChunksTable& table) : table_(table) {}
      bool next(ScanPart& part) override {
        if (at_ == table_.chunks_.size()) return false;
        part = {table_.chunks_[at_++], table_.rows_.get()};
        return true;
      }

     private:
      ChunksTable& table_;
      std::size_t at_ = 0;
    };
    return std::make_unique<Run>(*this);
  }

 private:
  std::vector<Column> columns_;
  std::vector<std::shared_ptr<const Chunk>> chunks_;
  std::shared_ptr<Selection> rows_;
};

TEST(Sql, ScansTheChunksOfAnotherInstanceByReference) {
  auto worker = open();
  auto writer = worker->connect().value();
  auto made =
      writer.query("SELECT i, 'a string too long to be inlined ' || i AS s FROM range(5000) r(i)")
          .value();
  std::vector<std::shared_ptr<const Chunk>> chunks;
  while (auto chunk = made.next().value())
    chunks.push_back(std::make_shared<Chunk>(std::move(*chunk)));

  auto reader_instance = open({.is_locked = true});
  const auto table = std::make_shared<ChunksTable>(made.columns(), chunks, nullptr);
  const auto some = std::make_shared<ChunksTable>(
      made.columns(), chunks, std::make_shared<Selection>(std::vector<std::uint32_t>{1, 3}));
  ASSERT_TRUE(reader_instance->add_table_function("hot", [&](std::string_view which) {
    return base::Result<std::shared_ptr<ScanTable>>(which == "some" ? some : table);
  }));
  auto reader = reader_instance->connect().value();
  EXPECT_EQ(reader.scalar("SELECT sum(i) FROM hot('all') WHERE s LIKE '%inlined%'").value(),
            "12497500");
  EXPECT_EQ(reader.scalar("SELECT count(*) FROM hot('all')").value(), "5000");
  EXPECT_EQ(reader.scalar("SELECT count(*) FROM hot('some')").value(), "6");
  EXPECT_EQ(json_of(reader, "SELECT i FROM hot('some') ORDER BY i"), "1 3 2049 2051 4097 4099 ");
}

std::string columns_of(const Chunk& chunk, const std::vector<Column>& columns) {
  std::string out;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    for (std::size_t row = 0; row < chunk.row_count(); ++row) {
      Renderer(columns[i].type).append_json(chunk.column(i), row, out);
    }
    out += ' ';
  }
  return out;
}

TEST(Sql, AppendsSelectedRowsOfAnyTypeToAChunk) {
  auto instance = open();
  auto connection = instance->connect().value();
  auto rows = connection
                  .query(
                      "SELECT i, 'text number ' || i AS s, [i, NULL] AS l, {'x': i} AS st, "
                      "CASE WHEN i % 2 = 0 THEN i END AS n FROM range(100) r(i)")
                  .value();
  const auto chunk = rows.next().value();
  Chunk target(rows.columns());
  const std::vector<std::uint32_t> wanted{7, 8};
  target.append(*chunk, Selection(wanted));
  target.append(*chunk, Selection(wanted));
  EXPECT_EQ(columns_of(target, rows.columns()),
            "7878 \"text number 7\"\"text number 8\"\"text number 7\"\"text number 8\" "
            "[7,null][8,null][7,null][8,null] {\"x\":7}{\"x\":8}{\"x\":7}{\"x\":8} null8null8 ");
}

// What points to them sees it.
void spoil_texts(const Chunk& chunk, std::size_t column) {
  for (std::size_t row = 0; row < chunk.row_count(); ++row) {
    if (chunk.column(column).is_null(row)) continue;
    const auto text = chunk.column(column).text(row);
    std::memset(const_cast<char*>(text.data()), '?', text.size());
  }
}

TEST(Sql, APackedChunkKeepsTheRowsOfChunksThatAreGone) {
  auto instance = open();
  auto connection = instance->connect().value();
  const auto select = [&](int from, int until) {
    return connection
        .query(
            fmt::format("SELECT i, CASE WHEN i % 3 > 0 THEN repeat('text ' || i, i % 4) END AS s, "
                        "encode(repeat('blob', i)) AS b, [repeat('element', i), NULL] AS l, "
                        "{{'x': repeat('field', i)}} AS st, CASE WHEN i % 2 = 0 THEN i END AS n "
                        "FROM range({}, {}) r(i)",
                        from, until))
        .value();
  };
  auto all = select(0, 9), first = select(0, 4), second = select(4, 9);
  const auto expected = columns_of(*all.next().value(), all.columns());
  auto one = first.next().value(), other = second.next().value();
  const std::vector<const Chunk*> both{&*one, &*other};
  auto packed = Chunk::packed(both, all.columns());
  for (const auto* part : both) {
    spoil_texts(*part, 1);
    spoil_texts(*part, 2);
  }
  one.reset();
  other.reset();
  EXPECT_EQ(columns_of(packed, all.columns()), expected);

  auto copy =
      std::make_unique<Chunk>(Chunk::packed(std::vector<const Chunk*>{&packed}, all.columns()));
  packed = std::move(*copy);
  copy.reset();
  EXPECT_EQ(columns_of(packed, all.columns()), expected);
}

}  // namespace
}  // namespace millrace::sql
