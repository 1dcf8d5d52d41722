#include <algorithm>
#include <map>

#include "aws/test_aws.hpp"
#include "lookup/dynamodb_origin.hpp"
#include "lookup/lookup.hpp"
#include "lookup/s3_origin.hpp"
#include "os/real_disk.hpp"
#include "sql/render.hpp"

namespace millrace::lookup {
namespace {

using namespace std::chrono_literals;
using base::Code;
using testing::HasSubstr;

/// Lookups from a service that a test plays.
class OriginTest : public testing::Test {
 protected:
  OriginTest() : loader_(sql::Instance::open({.memory_bytes_max = 128 << 20}).value()) {}

  void serve(aws::FakeAws::Answer answer) {
    fake_.emplace(std::move(answer));
    bench_.environment["AWS_ENDPOINT_URL"] = fake_->url();
    const auto settings = aws::Settings::read(bench_.environment).value();
    provider_ = aws::CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
  }
  /// The requests' operations are answered by these texts; Scan by one for each page.
  void serve_table(std::string described, std::vector<std::string> pages) {
    serve([described, pages, next = std::size_t{0}](const http::Request& request) mutable {
      const auto operation = std::string(request.headers.value("X-Amz-Target"));
      if (operation.ends_with(".DescribeTable")) {
        return http::Response{.status = 200, .body = described};
      }
      return http::Response{.status = 200, .body = pages[std::min(next++, pages.size() - 1)]};
    });
  }
  base::Result<std::unique_ptr<Lookup>> open_table(config::Lookup lookup,
                                                   OriginLimits limits = {}) {
    lookup.name = "c";
    lookup.refresh = 5min;
    auto origin = make_dynamodb_origin(lookup, aws::DynamoDb::open(*client_).value(), disk_,
                                       bench_.folder.path(), bench_.pause());
    return Lookup::open({.lookup = lookup, .key_type = "VARCHAR", .limits = limits},
                        std::move(origin), *loader_, bench_.clock, {bench_.log, bench_.metrics});
  }
  base::Result<std::unique_ptr<Lookup>> open_object(const std::string& key) {
    config::Lookup lookup{.name = "c", .from = config::S3Place{.bucket = "data", .key = key}};
    lookup.key = "id";
    lookup.refresh = 5min;
    auto origin = open_s3_origin(lookup, *client_, disk_, bench_.folder.path()).value();
    return Lookup::open({.lookup = lookup, .key_type = "VARCHAR"}, std::move(origin), *loader_,
                        bench_.clock, {bench_.log, bench_.metrics});
  }
  config::Lookup table(int segments = 1) {
    config::Lookup lookup{.from =
                              config::LookupDynamoDb{.table = "customers", .segments = segments}};
    lookup.key = "id";
    return lookup;
  }
  void let_pass(Lookup& lookup) {
    bench_.clock.advance(300s);
    lookup.refresh();
  }

  std::string found(const Index& index, const std::string& key) {
    auto connection = loader_->connect().value();
    auto rows = connection.query("SELECT CAST('" + key + "' AS VARCHAR)").value();
    const auto chunk = rows.next().value().value();
    const sql::Column column{"c", index.struct_type()};
    sql::Chunk out(std::span(&column, 1));
    index.gather(chunk.column(0), 1, out.column(0));
    out.set_row_count(1);
    sql::Chunk flat(std::span(&column, 1));
    flat.append(out, sql::all_rows(1));
    std::string text;
    sql::Renderer(column.type).append_json(flat.column(0), 0, text);
    return text;
  }
  std::size_t files_left() {
    std::size_t count = 0;
    for (const auto& info : disk_.list(bench_.folder.path()).value()) count += !info.is_directory;
    return count;
  }

  aws::AwsBench bench_;
  os::RealDisk disk_;
  std::unique_ptr<sql::Instance> loader_;
  std::optional<aws::FakeAws> fake_;
  std::unique_ptr<aws::CredentialProvider> provider_;
  std::optional<aws::Client> client_;
};

constexpr const char* kTable =
    R"({"Table":{"TableStatus":"ACTIVE",
        "AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],
        "KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}})";

TEST_F(OriginTest, ReadsAnObjectAndItsNextVersion) {
  std::string body = "id,v\na,1\n", etag = "\"1\"";
  serve([&](const http::Request&) {
    return http::Response{
        .status = 206,
        .headers = {{"ETag", etag}, {"Content-Range", "bytes 0-0/" + std::to_string(body.size())}},
        .body = body};
  });
  const auto lookup = open_object("in/customers.csv").value();
  EXPECT_EQ(found(*lookup->index(), "a"), R"({"id":"a","v":1})");
  EXPECT_EQ(files_left(), 0u);
  const auto asked = fake_->requests().size();
  const auto before = lookup->index();
  let_pass(*lookup);
  EXPECT_EQ(lookup->index(), before);
  EXPECT_EQ(fake_->requests().size(), asked + 1) << "one look, no download";
  body = "id,v\na,2\n", etag = "\"2\"";
  let_pass(*lookup);
  EXPECT_EQ(found(*lookup->index(), "a"), R"({"id":"a","v":2})");
}

TEST_F(OriginTest, KeepsTheLastVersionWhileTheBucketRefuses) {
  int status = 206;
  serve([&](const http::Request&) {
    if (status != 206) {
      return http::Response{.status = status, .body = "<Error><Code>AccessDenied</Code></Error>"};
    }
    return http::Response{.status = 206,
                          .headers = {{"ETag", "e"}, {"Content-Range", "bytes 0-0/9"}},
                          .body = "id,v\na,1\n"};
  });
  const auto lookup = open_object("c.csv").value();
  status = 403;
  let_pass(*lookup);
  EXPECT_EQ(found(*lookup->index(), "a"), R"({"id":"a","v":1})");
  EXPECT_THAT(lookup->last_error(), HasSubstr("s3://data/c.csv: lookup 'c': read"));
  EXPECT_THAT(lookup->last_error(), HasSubstr("s3:GetObject"));
  const auto refused = open_object("c.csv");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::Denied);
}

TEST_F(OriginTest, MakesColumnsOfTypedAttributes) {
  serve_table(kTable,
              {R"({"Items":[
    {"id":{"S":"007"},"day":{"S":"2026-11-20"},"n":{"N":"7"},"price":{"N":"12.5"},
     "ok":{"BOOL":true},
     "raw":{"B":"AP8="},"m":{"M":{"x":{"N":"1.10"},"l":{"L":[{"S":"a"}]}}},"tags":{"SS":["u","v"]},
     "sizes":{"NS":["1","2.5"]},"big":{"N":"123456789012345678901234567890"},
     "mixed":{"N":"1"},"none":{"NULL":true}}],"LastEvaluatedKey":{"id":{"S":"007"}}})",
               R"({"Items":[{"id":{"S":"b\"\n"},"price":{"N":"0.25"},"mixed":{"S":"x"}}]})"});
  const auto lookup = open_table(table()).value();
  EXPECT_EQ(
      lookup->index()->struct_type().text(),
      R"(STRUCT("id" VARCHAR, "big" DECIMAL(38,0), "day" VARCHAR, "m" JSON, "mixed" VARCHAR, )"
      R"("n" BIGINT, "none" VARCHAR, "ok" BOOLEAN, "price" DECIMAL(18,2), "raw" BLOB, )"
      R"("sizes" DECIMAL(18,1)[], "tags" VARCHAR[]))");
  EXPECT_EQ(found(*lookup->index(), "007"),
            R"({"id":"007","big":123456789012345678901234567890,"day":"2026-11-20",)"
            R"("m":{"l":["a"],"x":1.10},"mixed":"1","n":7,"none":null,"ok":true,"price":12.50,)"
            R"("raw":"AP8=","sizes":[1.0,2.5],"tags":["u","v"]})");
  EXPECT_EQ(lookup->index()->row_count(), 2U);
  EXPECT_EQ(files_left(), 0u);
}

TEST_F(OriginTest, ReadsDeclaredColumnsAsTheirTypes) {
  serve_table(kTable, {R"({"Items":[{"id":{"S":"a"},"day":{"S":"2026-11-20"},"price":{"N":"12.5"},
    "m":{"M":{"x":{"N":"1.1000000000000000001"}}}}]})"});
  auto declared = table();
  for (const auto& [name, type] :
       std::vector<std::pair<const char*, const char*>>{{"id", "varchar"},
                                                        {"day", "date"},
                                                        {"price", "decimal(12,2)"},
                                                        {"m", "struct(x decimal(38,19))"},
                                                        {"gone", "bigint"}}) {
    declared.columns.push_back({name, config::parse_column_type(type).value()});
  }
  const auto lookup = open_table(declared).value();
  EXPECT_EQ(
      found(*lookup->index(), "a"),
      R"({"id":"a","day":"2026-11-20","price":12.50,"m":{"x":1.1000000000000000001},"gone":null})");
  declared.columns[2].type = config::parse_column_type("decimal(12,0)").value();
  EXPECT_THAT(open_table(declared).error().message,
              HasSubstr("the column 'price' is declared DECIMAL(12,0) and looks like DECIMAL"));
}

TEST_F(OriginTest, ScansSegmentsAndSkipsWhatDidNotChange) {
  std::string more;
  serve([&](const http::Request& request) {
    if (request.headers.value("X-Amz-Target").ends_with("DescribeTable")) {
      return http::Response{.status = 200, .body = kTable};
    }
    const auto at = request.body.find("\"Segment\":") + 10;
    return http::Response{.status = 200,
                          .body = R"({"Items":[{"id":{"S":"c)" + std::string(1, request.body[at]) +
                                  R"("})" + more + "}]}"};
  });
  const auto lookup = open_table(table(8)).value();
  EXPECT_EQ(lookup->index()->row_count(), 8U);
  const auto before = lookup->index();
  let_pass(*lookup);
  EXPECT_EQ(lookup->index(), before);
  more = R"(,"v":{"N":"1"})";
  let_pass(*lookup);
  EXPECT_NE(lookup->index(), before);
  EXPECT_EQ(found(*lookup->index(), "c7"), R"({"id":"c7"})") << "columns of the first version";
}

TEST_F(OriginTest, KeepsThePaceOfReadUnits) {
  serve_table(kTable, {R"({"Items":[{"id":{"S":"a"}}],"LastEvaluatedKey":{"id":{"S":"a"}},
                           "ConsumedCapacity":{"CapacityUnits":20}})",
                       R"({"Items":[{"id":{"S":"b"}}]})"});
  auto limited = table();
  std::get<config::LookupDynamoDb>(limited.from).read_units = 10;
  EXPECT_TRUE(open_table(limited));
  ASSERT_EQ(bench_.pauses.size(), 1u);
  EXPECT_GT(bench_.pauses[0], 1900ms);
  EXPECT_LE(bench_.pauses[0], 2001ms);
  EXPECT_THAT(fake_->requests().at(1).body, HasSubstr(R"("Limit":100)"));
}

TEST_F(OriginTest, RefusesATableWithoutTheKey) {
  serve_table(kTable, {R"({"Items":[]})"});
  auto wrong = table();
  wrong.key = "idd";
  const auto lookup = open_table(wrong);
  ASSERT_FALSE(lookup);
  EXPECT_EQ(lookup.error().text(),
            "dynamodb://customers: lookup 'c': the table has no key attribute 'idd'; did you mean "
            "'id'?; its key is 'id'. Name it as `key`, or one that each item has once, declared in "
            "`columns`");
  EXPECT_EQ(fake_->requests().size(), 1u) << "nothing is scanned";
  EXPECT_EQ(open_table(table()).value()->index()->row_count(), 0u) << "an empty table is fine";
}

TEST_F(OriginTest, KeepsLimitsWhileItScans) {
  serve_table(kTable, {R"({"Items":[{"id":{"S":"a"}},{"id":{"S":"b"}}]})"});
  const auto rows = open_table(table(), {.rows_max = 1});
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, Code::Exhausted);
  const auto bytes = open_table(table(), {.file_bytes_max = 10});
  ASSERT_FALSE(bytes);
  EXPECT_THAT(bytes.error().message, HasSubstr("10 B is the limit"));
}

}  // namespace
}  // namespace millrace::lookup
