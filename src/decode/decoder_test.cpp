#include "decode/decoder.hpp"

#include <gtest/gtest.h>

#include "sql/render.hpp"

namespace millrace::decode {
namespace {

using Kind = config::ColumnType::Kind;

config::ColumnType decimal(std::uint8_t precision, std::uint8_t scale) {
  return {.kind = Kind::Decimal, .precision = precision, .scale = scale};
}
config::ColumnType type(Kind kind) {
  return {.kind = kind};
}

const base::Time kArrival = base::parse_time("2026-11-23T00:00:00Z").value();

/// Decodes texts and shows rows as JSON, bad records as `!reason`.
class DecodeBench {
 public:
  explicit DecodeBench(DecoderOptions options) : options_(std::move(options)) {}

  std::string rows(const std::vector<std::string>& records) {
    Decoder decoder(options_);
    base::RecordBatch batch;
    for (std::size_t i = 0; i < records.size(); ++i) {
      batch.records.push_back(
          {base::Offset(static_cast<std::int64_t>(i)), kArrival, "", records[i]});
    }
    const auto decoded = decoder.decode(batch);
    std::vector<std::string> shown(records.size());
    std::size_t at = 0;
    for (const auto& chunk : decoded.chunks) {
      for (std::size_t row = 0; row < chunk->row_count(); ++row) {
        auto& text = shown[decoded.record_of_row[at++]];
        for (std::size_t i = 0; i + 3 < chunk->column_count(); ++i) {
          if (i > 0) text += ',';
          sql::Renderer(decoder.columns()[i].type).append_json(chunk->column(i), row, text);
        }
      }
    }
    for (const auto& bad : decoded.bad) shown[bad.index] = "!" + bad.reason;
    std::string out;
    for (const auto& text : shown) out += text + " ";
    return out;
  }
  std::string row(const std::string& record) {
    std::string text = rows({record});
    text.pop_back();
    return text;
  }
  Decoded decoded(const std::string& record) {
    Decoder decoder(options_);
    base::RecordBatch batch;
    batch.records.push_back({base::Offset(0), {}, "", record});
    return decoder.decode(batch);
  }

 private:
  DecoderOptions options_;
};

DecodeBench one(config::ColumnType column) {
  return DecodeBench({.schema = {{"a", std::move(column)}}});
}
std::string json(config::ColumnType column, const std::string& value) {
  return one(std::move(column)).row("{\"a\":" + value + "}");
}

TEST(DecodeJson, KeepsDecimalsExact) {
  const auto money = decimal(12, 2);
  EXPECT_EQ(json(money, "1000.01"), "1000.01");
  EXPECT_EQ(json(money, "\"12.50\""), "12.50");
  EXPECT_EQ(json(money, "0.1"), "0.10");
  EXPECT_EQ(json(money, "-0"), "0.00");
  EXPECT_EQ(json(money, "1e2"), "100.00");
  EXPECT_EQ(json(money, "1.5E-1"), "0.15");
  EXPECT_EQ(json(money, "5.000"), "5.00");
  EXPECT_EQ(json(money, "9999999999.99"), "9999999999.99");
  EXPECT_EQ(json(money, "10000000000"), "!out_of_range");
  EXPECT_EQ(json(money, "0.001"), "!out_of_range");
  EXPECT_EQ(json(money, "1e400"), "!out_of_range");
  EXPECT_EQ(json(money, "1e-400"), "!out_of_range");
  EXPECT_EQ(json(money, "0e400"), "0.00");
  EXPECT_EQ(json(money, "\"\""), "!wrong_type");
  EXPECT_EQ(json(money, "\"abc\""), "!wrong_type");
  EXPECT_EQ(json(money, "true"), "!wrong_type");
  EXPECT_EQ(json(decimal(38, 0), "99999999999999999999999999999999999999"),
            "99999999999999999999999999999999999999");
}

TEST(DecodeJson, KnowsTheEdgesOfTheLongestDecimals) {
  const std::string nines(38, '9');
  EXPECT_EQ(json(decimal(38, 0), "-" + nines), "-" + nines);
  EXPECT_EQ(json(decimal(38, 0), nines + "9"), "!out_of_range");
  EXPECT_EQ(json(decimal(38, 0), "1" + std::string(38, '0')), "!out_of_range");
  EXPECT_EQ(json(decimal(38, 0), "340282366920938463463374607431768211456"), "!out_of_range");
  EXPECT_EQ(json(decimal(38, 38), "0." + nines), "0." + nines);
  EXPECT_EQ(json(decimal(38, 38), "1"), "!out_of_range");
  EXPECT_EQ(json(decimal(38, 10), "12345678901234567890.0123456789e7"),
            "123456789012345678900123456.7890000000");
  EXPECT_EQ(json(decimal(18, 0), "999999999999999999"), "999999999999999999");
  EXPECT_EQ(json(decimal(18, 0), "1000000000000000000"), "!out_of_range");
  EXPECT_EQ(json(decimal(19, 1), "999999999999999999.9"), "999999999999999999.9");
  EXPECT_EQ(json(decimal(4, 2), "99.99"), "99.99");
  EXPECT_EQ(json(decimal(4, 2), "100"), "!out_of_range");
  EXPECT_EQ(json(decimal(4, 2), "-99.994"), "!out_of_range");
  EXPECT_EQ(json(decimal(4, 2), "\"+1.5\""), "1.50");
  EXPECT_EQ(json(decimal(4, 2), "\"1.\""), "!wrong_type");
  EXPECT_EQ(json(decimal(4, 2), "\" 1\""), "!wrong_type");
  EXPECT_EQ(json(decimal(4, 2), "\"1e\""), "!wrong_type");
  EXPECT_EQ(json(decimal(4, 2), "\"--1\""), "!wrong_type");
}

TEST(DecodeJson, KnowsTheRangeOfEachNumber) {
  EXPECT_EQ(json(type(Kind::TinyInt), "127"), "127");
  EXPECT_EQ(json(type(Kind::TinyInt), "128"), "!out_of_range");
  EXPECT_EQ(json(type(Kind::SmallInt), "-32769"), "!out_of_range");
  EXPECT_EQ(json(type(Kind::Integer), "\"2147483647\""), "2147483647");
  EXPECT_EQ(json(type(Kind::BigInt), "9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(json(type(Kind::BigInt), "9223372036854775808"), "!out_of_range");
  EXPECT_EQ(json(type(Kind::BigInt), "1.0"), "1");
  EXPECT_EQ(json(type(Kind::BigInt), "1.5"), "!out_of_range");
  EXPECT_EQ(json(type(Kind::Double), "1e400"), "!out_of_range");
  EXPECT_EQ(json(type(Kind::Double), "-2.5e3"), "-2500");
  EXPECT_EQ(json(type(Kind::Double), "1.7976931348623157e308"), "1.7976931348623157e+308");
  EXPECT_EQ(json(type(Kind::Double), "5e-324"), "5e-324");
  EXPECT_EQ(json(type(Kind::Double), "1e-400"), "!out_of_range");
  EXPECT_EQ(json(type(Kind::Float), "1e-60"), "!out_of_range");
  EXPECT_EQ(json(type(Kind::Double), "\"nan\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::Double), "\"inf\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::Float), "3.4028234e38"), "3.4028235e+38");
  EXPECT_EQ(json(type(Kind::Float), "1e39"), "!out_of_range");
  EXPECT_EQ(json(type(Kind::Integer), "2147483648"), "!out_of_range");
  EXPECT_EQ(json(type(Kind::Integer), "-2147483648"), "-2147483648");
  EXPECT_EQ(json(type(Kind::SmallInt), "-32768"), "-32768");
  EXPECT_EQ(json(type(Kind::BigInt), "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(json(type(Kind::BigInt), "-9223372036854775809"), "!out_of_range");
  EXPECT_EQ(json(type(Kind::BigInt), "9.2e18"), "9200000000000000000");
  EXPECT_EQ(json(type(Kind::BigInt), "1e400"), "!out_of_range");
  EXPECT_EQ(json(type(Kind::BigInt), "\"12x\""), "!wrong_type");
}

TEST(DecodeJson, ReadsTimesAndDates) {
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"2026-11-20T12:00:00+01:00\""),
            "\"2026-11-20T11:00:00.000000Z\"");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"2026-11-20 12:00:00.1234567Z\""),
            "\"2026-11-20T12:00:00.123456Z\"");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"2026-11-20T12:00:00\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::TimestampTz), "1763640000"), "!wrong_type");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"2026-02-30T00:00:00Z\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::Timestamp), "\"2026-11-20T12:00:00\""),
            "\"2026-11-20 12:00:00.000000\"");
  EXPECT_EQ(json(type(Kind::Date), "\"2028-02-29\""), "\"2028-02-29\"");
  EXPECT_EQ(json(type(Kind::Date), "\"2026-02-29\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::Date), "\"20261120\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"2026-11-20t12:00:00.5z\""),
            "\"2026-11-20T12:00:00.500000Z\"");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"2026-11-20T12:00:00.Z\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"2026-11-20T24:00:00Z\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"2026-11-20T12:00:60Z\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"2026-11-2:T12:00:00Z\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::Timestamp), "\"2026-11-20T12:00:00Z\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::Timestamp), "\"" + std::string(100'000, '2') + "\""), "!wrong_type");
}

TEST(DecodeJson, TakesTheYears1To9999) {
  EXPECT_EQ(json(type(Kind::Date), "\"0001-01-01\""), "\"0001-01-01\"");
  EXPECT_EQ(json(type(Kind::Date), "\"9999-12-31\""), "\"9999-12-31\"");
  EXPECT_EQ(json(type(Kind::Date), "\"0000-12-31\""), "!out_of_range");
  EXPECT_EQ(json(type(Kind::Date), "\"10000-01-01\""), "!wrong_type");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"0001-01-01T00:00:00Z\""),
            "\"0001-01-01T00:00:00.000000Z\"");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"0001-01-01T00:00:00+00:01\""), "!out_of_range");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"9999-12-31T23:59:59.999999Z\""),
            "\"9999-12-31T23:59:59.999999Z\"");
  EXPECT_EQ(json(type(Kind::TimestampTz), "\"9999-12-31T23:59:59-00:01\""), "!out_of_range");
  EXPECT_EQ(json(type(Kind::Timestamp), "\"0000-01-01T00:00:00\""), "!out_of_range");
}

TEST(DecodeJson, ReadsTextBooleansAndJson) {
  EXPECT_EQ(json(type(Kind::Varchar), "\"\\u00fc\\n\""), "\"ü\\n\"");
  EXPECT_EQ(json(type(Kind::Varchar), "12.50"), "\"12.50\"");
  EXPECT_EQ(json(type(Kind::Varchar), "true"), "\"true\"");
  EXPECT_EQ(json(type(Kind::Varchar), "{}"), "!wrong_type");
  EXPECT_EQ(json(type(Kind::Varchar), "\"\\u0000\""), "\"\\u0000\"");
  EXPECT_EQ(json(type(Kind::Varchar), "\"\\ud800\""), "!malformed");
  EXPECT_EQ(json(type(Kind::Boolean), "\"true\""), "true");
  EXPECT_EQ(json(type(Kind::Boolean), "1"), "!wrong_type");
  EXPECT_EQ(json(type(Kind::Json), "{\"x\": [1, 2]} "), "{\"x\": [1, 2]}");
  EXPECT_EQ(json(type(Kind::Json), "\"s\" "), "\"s\"");
  EXPECT_EQ(json(type(Kind::Json), "null"), "null");
  EXPECT_EQ(json(type(Kind::Json), "[1,,2]"), "!malformed");
}

TEST(DecodeJson, ReadsNestedColumns) {
  config::ColumnType item{.kind = Kind::Struct,
                          .fields = {{"sku", type(Kind::Varchar)}, {"n", type(Kind::Integer)}}};
  config::ColumnType items{.kind = Kind::List, .fields = {{"element", item}}};
  EXPECT_EQ(json(items, R"([{"sku":"a","n":1},{"n":2,"other":[1]},null])"),
            R"([{"sku":"a","n":1},{"sku":null,"n":2},null])");
  EXPECT_EQ(json(items, "[]"), "[]");
  EXPECT_EQ(json(items, "null"), "null");
  EXPECT_EQ(json(items, R"([{"n":"x"}])"), "!wrong_type");
  EXPECT_EQ(json(item, R"({"n":1,"n":2})"), "!duplicate_field");
}

TEST(DecodeJson, RefusesWhatIsNotJson) {
  auto bench = one(type(Kind::BigInt));
  for (const std::string record :
       {"",           "{",           "{\"a\":1",    "{\"a\":}",     "{\"a\":01}",
        "{\"a\":1.}", "{\"a\":+1}",  "{\"a\":1}x",  "{\"a\":1}{}",  "{'a':1}",
        "{\"a\" 1}",  "{\"a\":1,}",  "{\"b\":tru}", "{\"b\":[1,]}", "{\"b\":\"\\x\"}",
        "{nul}",      "{\"a\":0x1}", "{\"a\":NaN}", "{a:1}",        "{\"b\":1e400}"}) {
    EXPECT_EQ(bench.row(record), "!malformed") << record;
  }
  EXPECT_EQ(bench.row(R"({"b":1e400,"c":"\u0041"})"), "!malformed");
  EXPECT_EQ(bench.row("[1]"), "!wrong_type");
  EXPECT_EQ(bench.row("\"x\""), "!wrong_type");
  EXPECT_EQ(bench.row("{\"b\":\"\xff\"}"), "!invalid_utf8");
  EXPECT_EQ(bench.row("{\"b\":" + std::string(10'000, '[') + std::string(10'000, ']') + "}"),
            "!too_deep");
  EXPECT_EQ(bench.row("{\"a\":1,\"a\":2}"), "!duplicate_field");
  EXPECT_EQ(bench.row("{\"b\":\"" + std::string(20'000'000, 'x') + "\",\"a\":3}"), "3");
  EXPECT_EQ(bench.row("{\"a\":1,\"\\u0061\":2}"), "!duplicate_field");
  EXPECT_EQ(bench.row("{\"\\x\":1}"), "!malformed");
  EXPECT_EQ(bench.row(std::string("{\"b\":\"\0\"}", 9)), "!malformed");
  EXPECT_EQ(bench.row(std::string("{\"a\":1\0}", 8)), "!malformed");
  EXPECT_EQ(bench.row("\xEF\xBB\xBF{\"a\":1}"), "!malformed");
  EXPECT_EQ(bench.row("{\"\\u0061\":7}"), "7");
  EXPECT_EQ(bench.row("{}"), "null");
}

TEST(DecodeJson, DealsWithUnknownFieldsAsTold) {
  DecoderOptions options{.schema = {{"a", type(Kind::BigInt)}}};
  options.unknown_fields = config::UnknownFields::Reject;
  EXPECT_EQ(DecodeBench(options).row(R"({"a":1,"b":2})"), "!unknown_field");
  options.unknown_fields = config::UnknownFields::Keep;
  EXPECT_EQ(DecodeBench(options).row(R"({"b":{"x":1},"a":1,"c":"y"})"),
            R"(1,{"b":{"x":1},"c":"y"})");
  EXPECT_EQ(DecodeBench(options).row(R"({"a":1})"), "1,null");
}

TEST(DecodeJson, NamesTheFieldAndTheValue) {
  const auto decoded = one(decimal(12, 2)).decoded(R"({"a":"12,50"})");
  ASSERT_EQ(decoded.bad.size(), 1U);
  EXPECT_EQ(decoded.bad[0].detail, "field 'a': 12,50 is not a DECIMAL(12,2)");
}

TEST(DecodeJson, KeepsTheMemoryThatItsTextsLieIn) {
  Decoder decoder({.schema = {{.name = "a", .type = type(Kind::Varchar)}}});
  std::weak_ptr<const std::string> memory;
  std::shared_ptr<const sql::Chunk> chunk;
  {
    const auto owner = std::make_shared<const std::string>(R"({"a":"longer than twelve bytes"})");
    memory = owner;
    base::RecordBatch batch{.records = {{{}, kArrival, "", *owner}}, .owner = owner};
    chunk = decoder.decode(batch).chunks.at(0);
  }
  ASSERT_FALSE(memory.expired());
  EXPECT_EQ(chunk->column(0).text(0), "longer than twelve bytes");
  chunk.reset();
  EXPECT_TRUE(memory.expired());
}

TEST(DecodeJson, ABadRecordLeavesNoTraceInTheNextRow) {
  DecodeBench bench({.schema = {{"a", type(Kind::BigInt)}, {"b", type(Kind::BigInt)}}});
  EXPECT_EQ(
      bench.rows({R"({"b":"x"})", R"({"a":1,"b":2})", R"({"a":null,"b":[]})", R"({"b":4,"a":3})"}),
      "!wrong_type 1,2 !wrong_type 3,4 ");
}

TEST(DecodeJson, FillsChunkAfterChunk) {
  std::vector<std::string> records;
  for (int i = 0; i < 5000; ++i) {
    records.push_back(i % 100 == 7 ? std::string("bad") : "{\"a\":" + std::to_string(i) + "}");
  }
  Decoder decoder({.schema = {{"a", type(Kind::BigInt)}}});
  base::RecordBatch batch{.shard = base::ShardId(3)};
  for (std::size_t i = 0; i < records.size(); ++i) {
    batch.records.push_back({base::Offset(static_cast<std::int64_t>(100 + i)), {}, "", records[i]});
  }
  const auto decoded = decoder.decode(batch);
  EXPECT_EQ(decoded.bad.size(), 50U);
  ASSERT_EQ(decoded.chunks.size(), 3U);
  EXPECT_EQ(decoded.chunks[0]->row_count(), 2048U);
  EXPECT_EQ(decoded.record_of_row.size(), 4950U);
  EXPECT_EQ(decoded.chunks[0]->column(0).data<std::int64_t>()[7], 8);
  EXPECT_EQ(decoded.chunks[0]->column(1).data<std::int32_t>()[7], 3);
  EXPECT_EQ(decoded.chunks[0]->column(2).data<std::int64_t>()[7], 108);
}

TEST(DecodeJson, RefusesTimesFromTheFuture) {
  DecoderOptions options{.schema = {{"ts", type(Kind::TimestampTz)}}, .event_time = "ts"};
  EXPECT_EQ(DecodeBench(options).row(R"({"ts":"2026-11-23T00:04:00Z"})"),
            "\"2026-11-23T00:04:00.000000Z\"");
  EXPECT_EQ(DecodeBench(options).row(R"({"ts":"2026-11-23T00:06:00Z"})"), "!from_the_future");
  EXPECT_EQ(DecodeBench(options).row(R"({"ts":null})"), "null");
}

TEST(DecodeJson, SurvivesEveryTruncationAndEveryChangedByte) {
  DecodeBench bench({.schema = {{"id", type(Kind::Varchar)},
                                {"amount", decimal(12, 2)},
                                {"ts", type(Kind::TimestampTz)}}});
  const std::string record =
      R"({"id":"o-1","amount":12.5,"x":[1,{"y":"\u00e9"}],"ts":"2026-11-20T12:00:00Z"})";
  std::vector<std::string> variants;
  for (std::size_t i = 0; i <= record.size(); ++i) variants.push_back(record.substr(0, i));
  for (std::size_t i = 0; i < record.size(); ++i) {
    for (const char c : {'\0', '"', '\\', '{', '}', '[', ',', '\xff', '9', ' '}) {
      variants.push_back(record);
      variants.back()[i] = c;
    }
  }
  // As one batch, and each alone: the same answers.
  std::string alone;
  for (const auto& variant : variants) alone += bench.row(variant) + " ";
  EXPECT_EQ(bench.rows(variants), alone);
}

// A blank in front makes a record one for the general reader: both must say the same.
TEST(DecodeJson, ReadsPlainRecordsAsItReadsAllOthers) {
  const config::ColumnType list{.kind = Kind::List, .fields = {{"e", type(Kind::BigInt)}}};
  for (const auto unknown : {config::UnknownFields::Ignore, config::UnknownFields::Keep,
                             config::UnknownFields::Reject}) {
    DecodeBench bench({.schema = {{"id", type(Kind::Varchar)},
                                  {"amount", decimal(12, 2)},
                                  {"list", list},
                                  {"ok", type(Kind::Boolean)}},
                       .unknown_fields = unknown});
    std::vector<std::string> plain{R"({"id":"o-1","amount":12.5,"ok":true})",
                                   R"({"id":"o-1","amount":12.5,"ok":true})",
                                   R"({"amount":-1,"id":"o-000000000000000000000002"})",
                                   R"({ "id" : "\u00e4" , "amount" : 3 , "ok" : false })",
                                   R"({"id":"ä","amount":"3.10","ok":null} )",
                                   R"({"id":null,"list":[1,2],"amount":0})",
                                   R"({"id":"x","list":null,"amount":0,"more":"y","other":[1]})",
                                   R"({"id":"x","other":1.5e3,"amount":0,"ok":"true"})",
                                   R"({"id":"x","other":1.5e3,"amount":0,"ok":"true"})",
                                   R"({"id":"x","id":"y"})",
                                   R"({"id":"0123456789012"})",
                                   "{\"id\":\"\xff\"}",
                                   "{\"\xff\":1}",
                                   "{\"id\":\"a\tb\"}",
                                   R"({"id":12,"amount":1,})",
                                   R"({"id":12 "amount":1})",
                                   R"({"id":"12"x})",
                                   R"({"id":truex})",
                                   R"({"id":01})",
                                   R"({"id":"a"}{})",
                                   R"({"amount":1.234})",
                                   R"({"idx":"a"})",
                                   R"({"i":"a"})",
                                   R"({})"};
    std::vector<std::string> general;
    for (const auto& record : plain) general.push_back(" " + record);
    EXPECT_EQ(bench.rows(plain), bench.rows(general));
  }
}

TEST(DecodeCsv, ReadsRowsInTheOrderOfTheSchema) {
  DecodeBench bench(
      {.format = config::Format::Csv,
       .schema = {{"id", type(Kind::Varchar)},
                  {"amount", decimal(12, 2)},
                  {"tags", {.kind = Kind::List, .fields = {{"element", type(Kind::Varchar)}}}}}});
  EXPECT_EQ(bench.row("a,1.5,\"[\"\"x\"\"]\""), "\"a\",1.50,[\"x\"]");
  EXPECT_EQ(bench.row("\"a \"\"q\"\", b\",2,"), "\"a \\\"q\\\", b\",2.00,null");
  EXPECT_EQ(bench.row("\"\",,"), "\"\",null,null");
  EXPECT_EQ(bench.row("a,1"), "!column_count");
  EXPECT_EQ(bench.row("a,\"1\"x,"), "!malformed");
  EXPECT_EQ(bench.row("a,1\"2,"), "!malformed");
  EXPECT_EQ(bench.row("a,\"1,"), "!malformed");
  EXPECT_EQ(bench.row("a\xff,1,"), "!invalid_utf8");
  EXPECT_EQ(bench.row("a,x,"), "!wrong_type");
  EXPECT_EQ(bench.row(std::string("a\0,1,", 5)), "!malformed");
  EXPECT_EQ(bench.row("a,1,\"\"" + std::string("\0header:2", 9)), "!column_count");
  EXPECT_EQ(bench.row("a,1," + std::string("\0header:2x", 10)), "!malformed");
}

TEST(DecodeCsv, ReadsNestedFieldsAsExactlyOneJsonValue) {
  DecodeBench bench(
      {.format = config::Format::Csv,
       .schema = {{"tags", {.kind = Kind::List, .fields = {{"e", type(Kind::BigInt)}}}}},
       .csv_delimiter = ';'});
  EXPECT_EQ(bench.row("[1,2]"), "[1,2]");
  EXPECT_EQ(bench.row(" null "), "null");
  for (const std::string row :
       {"[1],\"b\":2", "[1],[2]", "[1]]", "[1][2]", "[1", "  ", "[1]}", "]["}) {
    EXPECT_EQ(bench.row(row), "!malformed") << row;
  }
  EXPECT_EQ(bench.row("[\"x\"]"), "!malformed");  // a stray quote for CSV
  EXPECT_EQ(bench.row("7"), "!wrong_type");
}

}  // namespace
}  // namespace millrace::decode
