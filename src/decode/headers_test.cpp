// Columns of what stands beside a record's bytes.
#include <gtest/gtest.h>

#include "decode/decoder.hpp"
#include "sql/render.hpp"

namespace millrace::decode {
namespace {

/// The columns of headers and the key, as JSON, or the reject's reason and detail.
std::string with_headers(const std::vector<base::Header>& headers, std::string_view key = "") {
  Decoder decoder({.schema = {{"a", {.kind = config::ColumnType::Kind::Varchar}}},
                   .unknown_fields = config::UnknownFields::Keep,
                   .headers = {{"trace", "x-trace"}, {"tenant", "tenant"}},
                   .key_column = "key"});
  base::RecordBatch batch;
  for (int i = 0; i < 2; ++i) {  // the first is bad, and nothing of it may be left
    batch.records.push_back({.offset = base::Offset(i),
                             .received_at = {},
                             .partition_key = key,
                             .bytes = i == 0 ? "{" : R"({"a":"b","more":1})",
                             .headers = headers});
  }
  const auto decoded = decoder.decode(batch);
  if (decoded.bad.size() > 1) return decoded.bad[1].reason + ": " + decoded.bad[1].detail;
  const auto& chunk = *decoded.chunks.front();
  std::string shown;
  for (std::size_t i = 0; i + 3 < chunk.column_count(); ++i) {
    shown += (i == 0 ? "" : " ") + decoder.columns()[i].name + "=";
    sql::Renderer(decoder.columns()[i].type).append_json(chunk.column(i), 0, shown);
  }
  return shown;
}

TEST(Decoder, MakesColumnsOfHeadersAndTheKey) {
  const std::string body = R"(a="b" _extra={"more":1} )";
  EXPECT_EQ(with_headers({}), body + "trace=null tenant=null key=null");
  EXPECT_EQ(
      with_headers(
          {{"x-trace", "0af7651916cd43dd8448eb211c80319c"}, {"tenant", ""}, {"other", "\xFF"}},
          "customer-0000001"),
      body + R"(trace="0af7651916cd43dd8448eb211c80319c" tenant="" key="customer-0000001")");
  EXPECT_EQ(with_headers({{"tenant", std::nullopt}, {"X-Trace", "no"}}, "k"),
            body + R"(trace=null tenant=null key="k")");
}

TEST(Decoder, RejectsHeadersAndKeysThatAreNoText) {
  EXPECT_EQ(with_headers({{"x-trace", "a"}, {"tenant", "\xFF\xFE"}}),
            "invalid_utf8: header 'tenant': \\xff\\xfe is not UTF-8");
  EXPECT_EQ(with_headers({}, "\x80"), "invalid_utf8: key: \\x80 is not UTF-8");
}

}  // namespace
}  // namespace millrace::decode
