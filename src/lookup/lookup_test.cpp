#include "lookup/lookup.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "sql/render.hpp"

namespace millrace::lookup {
namespace {

using namespace std::chrono_literals;

/// A folder with one lookup file, and what a Lookup needs.
class LookupTest : public testing::Test {
 protected:
  LookupTest() : loader_(sql::Instance::open({.memory_bytes_max = 128 << 20}).value()) {}

  std::filesystem::path write(const std::string& name, const std::string& text) {
    const auto path = folder_.path() / name;
    const auto fresh = folder_.path() / "fresh";
    std::ofstream(fresh) << text;
    std::filesystem::rename(fresh, path);
    // Two versions within one tick of the file system's clock must differ all the same.
    static int version = 0;
    std::filesystem::last_write_time(
        path, std::filesystem::file_time_type::clock::now() + std::chrono::seconds(++version));
    return path;
  }
  void write_parquet(const std::string& name, const std::string& select) {
    auto connection = loader_->connect().value();
    connection
        .run("COPY (" + select + ") TO '" + (folder_.path() / name).string() + "' (FORMAT parquet)")
        .value();
  }

  LookupOptions options(const std::string& name, const std::string& key_type = "VARCHAR") {
    config::Lookup lookup{.name = "c",
                          .from = config::LookupFile{folder_.path() / name},
                          .key = "id",
                          .refresh = 5min};
    lookup.format = name.ends_with(".parquet") ? config::LookupFormat::Parquet
                    : name.ends_with(".json")  ? config::LookupFormat::Json
                                               : config::LookupFormat::Csv;
    return {.lookup = lookup, .key_type = key_type};
  }
  base::Result<std::unique_ptr<Lookup>> open(LookupOptions options) {
    auto origin = make_file_origin(options.lookup, disk_);
    return Lookup::open(std::move(options), std::move(origin), *loader_, clock_, {log_, metrics_});
  }
  std::string open_error(LookupOptions options) {
    const auto lookup = open(std::move(options));
    return lookup ? "none" : lookup.error().message;
  }
  std::string open_error(const std::string& text, const std::string& key_type = "VARCHAR") {
    write("x.csv", text);
    return open_error(options("x.csv", key_type));
  }

  /// What the keys (as SQL: `('a'), (NULL)`) of `type` find, as JSON.
  std::string found(const Index& index, const std::string& type, const std::string& keys) {
    auto connection = loader_->connect().value();
    auto rows =
        connection.query("SELECT CAST(k AS " + type + ") FROM (VALUES " + keys + ") t(k)").value();
    const auto chunk = rows.next().value().value();
    const sql::Column column{"c", index.struct_type()};
    sql::Chunk out(std::span(&column, 1));
    index.gather(chunk.column(0), chunk.row_count(), out.column(0));
    out.set_row_count(chunk.row_count());
    // By way of SQL's own copy: a sliced vector is no flat one.
    sql::Chunk flat(std::span(&column, 1));
    flat.append(out, sql::all_rows(chunk.row_count()));
    std::string text;
    for (std::size_t row = 0; row < chunk.row_count(); ++row) {
      sql::Renderer(column.type).append_json(flat.column(0), row, text);
      text += ' ';
    }
    return text;
  }
  std::string metric(const std::string& name) {
    const auto text = metrics_.exposition();
    const auto at = text.find("\n" + name + "{");
    if (at == std::string::npos) return "none";
    const auto from = text.find(' ', at) + 1;
    return text.substr(from, text.find('\n', from) - from);
  }

  os::TestFolder folder_;
  os::RealDisk disk_;
  base::FixedClock clock_{base::Time(1000s)};
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  std::unique_ptr<sql::Instance> loader_;
};

TEST_F(LookupTest, FindsRowsByText) {
  write("x.csv", "id,name\na,Ada\nlong key of more than twelve bytes,Bea\nc,\n");
  const auto lookup = open(options("x.csv")).value();
  EXPECT_EQ(lookup->index()->row_count(), 3U);
  EXPECT_EQ(
      found(*lookup->index(), "VARCHAR",
            "('a'), ('b'), (NULL), ('long key of more than twelve bytes'), ('c'), ('A')"),
      R"({"id":"a","name":"Ada"} null null )"
      R"({"id":"long key of more than twelve bytes","name":"Bea"} {"id":"c","name":null} null )");
}

TEST_F(LookupTest, ReadsAQuotedTextThatComesLate) {
  std::string text = "id,name\n";
  for (int i = 0; i < 30'000; ++i) text += "k" + std::to_string(i) + ",n\n";
  write("x.csv", text + "late,\"Smith, \"\"J\"\"\"\n");
  const auto lookup = open(options("x.csv")).value();
  EXPECT_EQ(found(*lookup->index(), "VARCHAR", "('late')"),
            R"({"id":"late","name":"Smith, \"J\""} )");
}

TEST_F(LookupTest, FindsRowsByNumbersDatesAndMoments) {
  write("x.csv", "id,v\n7,a\n-1,b\n");
  for (const char* type : {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"}) {
    const auto lookup = open(options("x.csv", type)).value();
    EXPECT_EQ(found(*lookup->index(), type, "(7), (-1), (8), (NULL)"),
              R"({"id":7,"v":"a"} {"id":-1,"v":"b"} null null )");
  }
  write("d.csv", "id,v\n2026-11-20,a\n");
  EXPECT_EQ(found(*open(options("d.csv", "DATE")).value()->index(), "DATE",
                  "('2026-11-20'), ('2026-11-21')"),
            R"({"id":"2026-11-20","v":"a"} null )");
  write("t.csv", "id,v\n2026-11-20T12:00:00Z,a\n");
  EXPECT_EQ(
      found(*open(options("t.csv", "TIMESTAMP WITH TIME ZONE")).value()->index(),
            "TIMESTAMP WITH TIME ZONE", "('2026-11-20T13:00:00+01'), ('2026-11-20T13:00:00Z')"),
      R"({"id":"2026-11-20T12:00:00.000000Z","v":"a"} null )");
}

TEST_F(LookupTest, ReadsAKeyFromItsCharacters) {
  write("x.csv", "id,v\n1,1\n2.50,2\n");
  EXPECT_EQ(found(*open(options("x.csv")).value()->index(), "VARCHAR", "('2.50'), ('2.5')"),
            R"({"id":"2.50","v":2} null )");
  EXPECT_EQ(open_error(options("x.csv", "BIGINT")),
            "lookup 'c': the key 'id' looks like DOUBLE, but the records' column is BIGINT");
  write("n.json", "{\"id\":7,\"v\":1}\n{\"id\":\"007\",\"v\":2}\n");
  EXPECT_EQ(found(*open(options("n.json")).value()->index(), "VARCHAR", "('7'), ('007')"),
            R"({"id":"7","v":1} {"id":"007","v":2} )");
}

TEST_F(LookupTest, ReadsJsonAndParquet) {
  write("array.json", R"([{"id":"a","v":1.5},{"id":"b","tags":["x"]}])");
  EXPECT_EQ(found(*open(options("array.json")).value()->index(), "VARCHAR", "('a'), ('b')"),
            R"({"id":"a","v":1.5,"tags":null} {"id":"b","v":null,"tags":["x"]} )");
  write("lines.json", "{\"id\":\"a\"}\n{\"id\":\"b\"}\n");
  EXPECT_EQ(found(*open(options("lines.json")).value()->index(), "VARCHAR", "('b')"),
            R"({"id":"b"} )");
  write_parquet("p.parquet", "SELECT i::INTEGER AS id, {'x': i} AS s FROM range(5000) t(i)");
  EXPECT_EQ(
      found(*open(options("p.parquet", "BIGINT")).value()->index(), "BIGINT", "(4999), (5000)"),
      R"({"id":4999,"s":{"x":4999}} null )");
  EXPECT_EQ(found(*open(options("p.parquet", "VARCHAR")).value()->index(), "VARCHAR", "('42')"),
            R"({"id":"42","s":{"x":42}} )");
  write_parquet("f.parquet", "SELECT 1.5::DOUBLE AS id");
  EXPECT_EQ(open_error(options("f.parquet", "BIGINT")),
            "lookup 'c': the key 'id' looks like DOUBLE, but the records' column is BIGINT");
}

TEST_F(LookupTest, HoldsManyRows) {
  write_parquet("p.parquet", "SELECT 'customer-' || i AS id, i AS n FROM range(100000) t(i)");
  const auto index = open(options("p.parquet")).value()->index();
  EXPECT_EQ(index->row_count(), 100'000U);
  EXPECT_EQ(found(*index, "VARCHAR", "('customer-0'), ('customer-99999'), ('customer-100000')"),
            R"({"id":"customer-0","n":0} {"id":"customer-99999","n":99999} null )");
}

TEST_F(LookupTest, RefusesWhatIsNoLookup) {
  EXPECT_EQ(open_error("id,v\na,1\nb,2\na,3\n"),
            "lookup 'c': the key 'a' occurs twice, in rows 1 and 3; a lookup needs one row per "
            "key: remove one");
  EXPECT_EQ(open_error("id,v\na,1\n,2\n"),
            "lookup 'c': row 2 has no key; give it one, or remove it");
  EXPECT_EQ(open_error("idd,v\na,1\n"),
            "lookup 'c': there is no column 'id' to be the key; did you mean 'idd'?");
  EXPECT_EQ(open_error("id,v\n1.5,1\n", ""),
            "lookup 'c': the key 'id' is DOUBLE; text, a whole number, a date or a timestamptz is "
            "expected");
  EXPECT_EQ(open_error("id,v\n1,1\n", "DECIMAL(4,1)"),
            "lookup 'c': the key 'id' is DECIMAL(4,1); text, a whole number, a date or a "
            "timestamptz is expected");
  EXPECT_NE(open_error("id,v\n300,1\n", "TINYINT"), "none");
  EXPECT_NE(open_error("id,v\na,1,2,3\n\"b,1\n"), "none");
  EXPECT_NE(open_error(""), "none");
  const auto missing = open(options("gone.csv"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, base::Code::NotFound);
  EXPECT_EQ(missing.error().text(),
            (folder_.path() / "gone.csv").string() + ": lookup 'c': there is no such file");
}

TEST_F(LookupTest, KeepsItsLimits) {
  write("x.csv", "id\na\nb\nc\n");
  auto limited = options("x.csv");
  limited.limits.rows_max = 2;
  const auto rows = open(limited);
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, base::Code::Exhausted);
  EXPECT_EQ(rows.error().message,
            "lookup 'c': it has more than 2 rows, the limit of a lookup, which is held in memory");
  limited.limits.rows_max = 3;
  EXPECT_TRUE(open(limited));
  limited.limits.file_bytes_max = 8;
  EXPECT_EQ(open_error(limited),
            "lookup 'c': the file has 9 B; 8 B is the limit, lookups are held in memory");
}

TEST_F(LookupTest, SwitchesToAChangedFileWhenDue) {
  write("x.csv", "id,v\na,1\n");
  const auto lookup = open(options("x.csv")).value();
  const auto before = lookup->index();
  write("x.csv", "id,v\na,2\nb,3\n");
  clock_.advance(299s);
  lookup->refresh();
  EXPECT_EQ(lookup->index(), before) << "not due yet";
  clock_.advance(1s);
  lookup->refresh();
  EXPECT_EQ(found(*lookup->index(), "VARCHAR", "('a'), ('b')"),
            R"({"id":"a","v":2} {"id":"b","v":3} )");
  EXPECT_EQ(found(*before, "VARCHAR", "('a'), ('b')"), R"({"id":"a","v":1} null )")
      << "who holds the old version keeps it";
  EXPECT_EQ(lookup->loaded_at(), base::Time(1300s));
  EXPECT_EQ(metric("millrace_lookup_rows"), "2");
  EXPECT_EQ(metric("millrace_lookup_loaded_timestamp_seconds"), "1300");
}

TEST_F(LookupTest, LeavesAnUnchangedFileAlone) {
  write("x.csv", "id,v\na,1\n");
  const auto lookup = open(options("x.csv")).value();
  const auto before = lookup->index();
  clock_.advance(300s);
  lookup->refresh();
  EXPECT_EQ(lookup->index(), before);
  EXPECT_EQ(metric("millrace_lookup_loaded_timestamp_seconds"), "1000");
  EXPECT_EQ(metric("millrace_lookup_current_timestamp_seconds"), "1300");
  EXPECT_EQ(metric("millrace_lookup_failures_total"), "0");
}

TEST_F(LookupTest, KeepsTheLastGoodVersion) {
  write("x.csv", "id,v\na,1\n");
  const auto lookup = open(options("x.csv")).value();
  const auto before = lookup->index();
  int failures = 0;
  const auto expect_kept = [&](const char* why) {
    clock_.advance(300s);
    lookup->refresh();
    EXPECT_EQ(lookup->index(), before) << why;
    EXPECT_EQ(metric("millrace_lookup_failures_total"), std::to_string(++failures)) << why;
  };
  for (const auto& [why, text] : std::vector<std::pair<const char*, const char*>>{
           {"a key twice", "id,v\na,1\na,2\n"},
           {"no key", "id,v\n,1\n"},
           {"no such key column", "key,v\na,1\n"},
           {"a column that is gone", "id,w\na,1\n"},
           {"a number that would be rounded", "id,v\na,1.5\n"},
           {"text for a number", "id,v\na,x\n"},
           {"nothing", ""}}) {
    write("x.csv", text);
    expect_kept(why);
  }
  std::filesystem::remove(folder_.path() / "x.csv");
  expect_kept("the file is gone");
  EXPECT_EQ(metric("millrace_lookup_current_timestamp_seconds"), "1000") << "its age grows";
  write("x.csv", "w,id,v\nnew column,a,\n");
  clock_.advance(300s);
  lookup->refresh();
  EXPECT_EQ(found(*lookup->index(), "VARCHAR", "('a')"), R"({"id":"a","v":null} )");
  EXPECT_EQ(lookup->index()->struct_type(), before->struct_type());
}

TEST_F(LookupTest, KeepsTheTypesOfTheFirstVersion) {
  write("x.csv", "id,price,day\na,1.5,2026-11-20\n");
  const auto lookup = open(options("x.csv")).value();
  write("x.csv", "id,price,day\na,2,\nb,,\n");
  clock_.advance(300s);
  lookup->refresh();
  EXPECT_EQ(found(*lookup->index(), "VARCHAR", "('a'), ('b')"),
            R"({"id":"a","price":2,"day":null} {"id":"b","price":null,"day":null} )");
  EXPECT_EQ(lookup->index()->struct_type().text(),
            "STRUCT(\"id\" VARCHAR, \"price\" DOUBLE, \"day\" DATE)");
}

TEST_F(LookupTest, IsRefreshedByItsThread) {
  write("x.csv", "id,v\na,1\n");
  const auto lookup = open(options("x.csv")).value();
  auto once = options("x.csv");
  once.lookup.refresh = 0s;
  const auto never = open(once).value();
  write("x.csv", "id,v\na,1\nb,2\n");
  clock_.advance(300s);
  Refresher refresher({lookup.get(), never.get()});
  while (lookup->index()->row_count() != 2) std::this_thread::yield();
  EXPECT_EQ(never->index()->row_count(), 1U);
}

}  // namespace
}  // namespace millrace::lookup
