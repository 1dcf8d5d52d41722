#include "app/schema_registry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/test_server.hpp"

namespace millrace::app {
namespace {

using base::Code;
using testing::HasSubstr;

class SchemaRegistryTest : public testing::Test {
 protected:
  void answer(const std::string& path, int status, const std::string& body) {
    bench_.router.add("GET", path, [=, this](const std::shared_ptr<http::Exchange>& exchange) {
      seen_.emplace_back(exchange->request().headers.value("Authorization"));
      exchange->answer({.status = status, .body = body});
    });
  }
  decode::SchemaRegistry& open(const std::string& user = "", const std::string& password = "") {
    bench_.start();
    registry_ =
        open_schema_registry(
            {.url = "http://" + bench_.server().address(), .user = user, .password = password},
            clock_)
            .value();
    return *registry_;
  }

  http::TestServer bench_;
  base::FixedClock clock_{base::Time{}};
  std::vector<std::string> seen_;
  std::shared_ptr<decode::SchemaRegistry> registry_;
};

TEST_F(SchemaRegistryTest, FetchesASchemaAndWhatItRefersTo) {
  answer("/schemas/ids/7", 200, R"({"schemaType": "PROTOBUF", "schema": "a", "references": [
      {"name": "b.proto", "subject": "b/c", "version": 2},
      {"name": "d.proto", "subject": "d", "version": 1}]})");
  answer("/subjects/{subject}/versions/2", 200, R"({"schema": "b", "references": [
      {"name": "d.proto", "subject": "d", "version": 1}]})");
  answer("/subjects/d/versions/1", 200, R"({"schema": "d"})");
  const auto schema = open("me", "secret").schema(7).value();
  EXPECT_EQ(schema.kind, decode::WriterSchema::Kind::Protobuf);
  EXPECT_EQ(schema.text, "a");
  ASSERT_EQ(schema.references.size(), 2U);
  EXPECT_EQ(schema.references[0].name + schema.references[0].text, "d.protod");
  EXPECT_EQ(schema.references[1].name + schema.references[1].text, "b.protob");
  EXPECT_EQ(seen_.front(), "Basic bWU6c2VjcmV0");
}

TEST_F(SchemaRegistryTest, TellsWhatIsUnknownFromWhatMayComeBack) {
  answer("/schemas/ids/1", 404, R"({"error_code": 40403, "message": "Schema not found"})");
  answer("/schemas/ids/2", 404, "<html>");
  answer("/schemas/ids/3", 401, "");
  answer("/schemas/ids/4", 500, R"({"error_code": 50001})");
  answer("/schemas/ids/5", 200, R"({"schema": "\"int\"", "references": 3, "schemaType": 4})");
  auto& registry = open();
  EXPECT_EQ(registry.schema(1).error().code, Code::NotFound);
  for (const auto& [id, text] : std::map<std::uint32_t, std::string>{
           {2, "is `url` that of a schema registry?"}, {3, "a user and a password"}, {4, "500"}}) {
    const auto error = registry.schema(id).error();
    EXPECT_EQ(error.code, Code::Unavailable);
    EXPECT_THAT(error.message, HasSubstr(text));
    clock_.advance(std::chrono::seconds(2));
  }
  EXPECT_EQ(registry.schema(5).value().text, "\"int\"");
}

TEST_F(SchemaRegistryTest, RestsAfterAFailure) {
  answer("/schemas/ids/4", 500, "");
  auto& registry = open();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(registry.schema(4).error().code, Code::Unavailable);
  EXPECT_EQ(seen_.size(), 1U);
  clock_.advance(std::chrono::seconds(1));
  EXPECT_EQ(registry.schema(4).error().code, Code::Unavailable);
  EXPECT_EQ(seen_.size(), 2U);
}

}  // namespace
}  // namespace millrace::app
