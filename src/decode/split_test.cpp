#include "decode/split.hpp"

#include <gtest/gtest.h>

#include "decode/partition_key.hpp"

namespace millrace::decode {
namespace {

std::string shown(const base::Result<SplitBody>& split) {
  if (!split) return "error: " + split.error().message;
  std::string out;
  for (const auto record : split->records) out += "<" + std::string(record) + ">";
  return out;
}
std::string json(std::string_view body, SplitLimits limits = {}) {
  return shown(split_json(body, limits));
}

config::Source csv_source() {
  config::Source source{.name = "payments", .from = config::LogSource{.partition_key = "b"}};
  source.format = config::Format::Csv;
  for (const char* name : {"a", "b", "c"}) source.schema.push_back({name, {}});
  return source;
}
std::string csv(std::string_view body, const config::Source& source = csv_source()) {
  return shown(split_csv(body, source, {}));
}

TEST(SplitJson, TakesLinesArraysAndOneObject) {
  EXPECT_EQ(json("{\"a\":1}\r\n\n {\"a\":2} \nbroken"), "<{\"a\":1}><{\"a\":2}><broken>");
  EXPECT_EQ(json("[{\"a\":\"],[\"},\n 2 , [3]]"), "<{\"a\":\"],[\"}><2><[3]>");
  EXPECT_EQ(json("{\n \"a\": 1\n}\n"), "<{\n \"a\": 1\n}>");
  EXPECT_EQ(json("\xEF\xBB\xBF{\"a\":1}"), "<{\"a\":1}>");
  EXPECT_EQ(json("[]"), "");
  EXPECT_EQ(json(" \n"), "");
}

TEST(SplitNdjson, TakesEachLineAsOneRecordWhateverStandsInIt) {
  const auto ndjson = [](std::string_view body) { return shown(split_ndjson(body, {})); };
  EXPECT_EQ(ndjson("[1]"), "<[1]>");
  EXPECT_EQ(ndjson("\xEF\xBB\xBF[1,\n2]\r\n\n{\n}"), "<[1,><2]><{><}>");
  EXPECT_EQ(ndjson(" \n"), "");
}

TEST(SplitJson, NamesTheByteWhereABodyCannotBeSplit) {
  EXPECT_EQ(json("[{\"a\":1},{\"a\":2"),
            "error: the array is not closed: the record at byte 9 has no end");
  EXPECT_EQ(json("[1]x"), "error: there is more after the array, at byte 3");
  EXPECT_EQ(json("[1,,2]"), "error: not a JSON array of records at byte 3");
  EXPECT_EQ(json("[1,]"), "error: not a JSON array of records at byte 3");
  EXPECT_EQ(json("[\"open]"), "error: the array is not closed: the record at byte 1 has no end");
  EXPECT_EQ(json("1\n2\n3", {.records_max = 2}),
            "error: a body may hold 2 records; the next one is at byte 4");
  EXPECT_EQ(json("1\n22222", {.record_bytes_max = 4}),
            "error: the record at byte 2 has 5 bytes; 4 is the limit");
}

TEST(SplitJson, SplitsOffWhatIsBadByItself) {
  EXPECT_EQ(json("{\"a\":1\n{\"a\":2}\n"), "<{\"a\":1><{\"a\":2}>");
  EXPECT_EQ(json("{\"a\":\"\n{\"a\":2}\n"), "<{\"a\":\"><{\"a\":2}>");
  EXPECT_EQ(json(std::string("{\"a\":\0}\n{}", 10)), std::string("<{\"a\":\0}><{}>", 13));
  EXPECT_EQ(json("[{\"a\":\"\xff\"},{\"a\":1e400}]"), "<{\"a\":\"\xff\"}><{\"a\":1e400}>");
  const std::string deep(10'000, '[');
  EXPECT_EQ(json(deep), "error: the array is not closed: the record at byte 1 has no end");
}

TEST(SplitJson, RefusesARecordOf20MB) {
  const std::string record = "{\"a\":\"" + std::string(20'000'000, 'x') + "\"}";
  EXPECT_EQ(json(record, {.record_bytes_max = 10'000'000}),
            "error: the record at byte 0 has 20000008 bytes; 10000000 is the limit");
  EXPECT_EQ(json("[1," + record + "]", {.record_bytes_max = 10'000'000}),
            "error: the record at byte 3 has 20000008 bytes; 10000000 is the limit");
}

std::string mark(int width) {
  return std::string("\0header:", 8) + std::to_string(width);
}

TEST(SplitCsv, MarksARowThatFitsTheSchemaButNotItsHeader) {
  EXPECT_EQ(csv("c,a\n1,2,3\n4,5\n"), "<1,2,3" + mark(2) + "><5,,4>");
  EXPECT_EQ(csv("a,b,c,d\n1,2,\"3\"\n"), "<1,2,\"3\"" + mark(4) + ">");
}

TEST(SplitCsv, MapsTheHeaderOntoTheSchema) {
  EXPECT_EQ(csv("a,b,c\r\n1,2,3\r\n\"x\ny\",,z\n"), "<1,2,3><\"x\ny\",,z>");
  EXPECT_EQ(csv("c,a\n3,\"1,1\"\n4\n"), "<\"1,1\",,3><4" + mark(2) + ">");
  EXPECT_EQ(csv("a,b,c,d\n1,2,3,4\n"), "<1,2,3>");
}

TEST(SplitCsv, LeavesAStrayQuoteInItsOwnRow) {
  EXPECT_EQ(csv("a,b,c\n1,2\",3\n4,5,6\n\"7\"x,8\",9\n1,2,3\n"),
            "<1,2\",3><4,5,6><\"7\"x,8\",9><1,2,3>");
  EXPECT_EQ(csv("a,b,c\n1,\"x\"\"\n,\",3\n4,\"\",6"), "<1,\"x\"\"\n,\",3><4,\"\",6>");
  auto tabs = csv_source();
  tabs.csv_delimiter = '\t';
  EXPECT_EQ(csv("a\tb\tc\n1,\"2\t3\t4\n5\t\"6\n\"\t7\n", tabs), "<1,\"2\t3\t4><5\t\"6\n\"\t7>");
}

TEST(SplitCsv, RefusesWhatItCannotSplit) {
  auto strict = csv_source();
  strict.unknown_fields = config::UnknownFields::Reject;
  EXPECT_EQ(
      csv("a,b,cc\n1,2,3\n", strict),
      "error: the header names 'cc', which is not in the schema of 'payments'; did you mean 'c'?");
  EXPECT_EQ(csv("a,a\n1,2\n"), "error: the header names 'a' twice");
  EXPECT_EQ(csv("1,2,3\n"),
            "error: the first line must be a header with columns of 'payments': a,b,c");
  EXPECT_EQ(csv("a,b,c\n1,\"2,3\n"), "error: a quote is never closed in the row at byte 6");
}

TEST(PartitionKey, IsReadWithoutTheRest) {
  config::Source source{.name = "s", .from = config::LogSource{.partition_key = "b"}};
  source.schema = {{"a", {}}, {"b", {}}};
  KeyReader reader(source);
  EXPECT_EQ(reader.read(R"({"a":{"b":1},"b":"k1"})"), "k1");
  EXPECT_EQ(reader.read(R"({"b": 12 })"), "12");
  EXPECT_EQ(reader.read(R"({"a":1})"), "");
  EXPECT_EQ(reader.read("broken"), "");
  EXPECT_EQ(reader.read(R"({"b":[1]})"), "");
  EXPECT_EQ(KeyReader(csv_source()).read("1,\"k\"\"2\",3"), "k\"2");
}

}  // namespace
}  // namespace millrace::decode
