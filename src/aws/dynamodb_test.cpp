#include "aws/dynamodb.hpp"

#include "aws/test_aws.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using testing::AllOf;
using testing::HasSubstr;
using Kind = Attribute::Kind;

class DynamoDbTest : public testing::Test {
 protected:
  void serve(std::vector<http::Response> answers) {
    fake_.emplace([answers, next = std::size_t{0}](const http::Request&) mutable {
      return answers[std::min(next++, answers.size() - 1)];
    });
    bench_.environment["AWS_ENDPOINT_URL_DYNAMODB"] = fake_->url();
  }
  DynamoDb table(const std::string& region = {}) {
    const auto settings = Settings::read(bench_.environment).value();
    provider_ = CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    return DynamoDb::open(*client_, region).value();
  }

  AwsBench bench_;
  std::optional<FakeAws> fake_;
  std::unique_ptr<CredentialProvider> provider_;
  std::optional<Client> client_;
};

TEST_F(DynamoDbTest, DescribesATableByItsKeys) {
  serve({{.status = 200, .body = R"({"Table":{"TableStatus":"ACTIVE",
    "AttributeDefinitions":[{"AttributeName":"ts","AttributeType":"N"},
      {"AttributeName":"id","AttributeType":"S"},{"AttributeName":"mail","AttributeType":"S"}],
    "KeySchema":[{"AttributeName":"ts","KeyType":"RANGE"},
      {"AttributeName":"id","KeyType":"HASH"}]}})"}});
  const auto described = table("eu-west-1").describe("customers").value();
  EXPECT_TRUE(described.is_ready);
  ASSERT_EQ(described.keys.size(), 2U);
  EXPECT_EQ(described.keys[0].name, "id");
  EXPECT_EQ(described.keys[1].kind, Kind::Number);
  EXPECT_EQ(described.declared.size(), 3U);
  const auto request = fake_->requests().at(0);
  EXPECT_EQ(request.headers.value("X-Amz-Target"), "DynamoDB_20120810.DescribeTable");
  EXPECT_EQ(request.body, R"({"TableName":"customers"})");
  EXPECT_THAT(std::string(request.headers.value("Authorization")),
              HasSubstr("/eu-west-1/dynamodb/"));
}

TEST_F(DynamoDbTest, ScansASegmentByPages) {
  serve({{.status = 200, .body = R"({"Items":[{"b":{"B":"AP8="},"a":{"N":"12.50"},
      "m":{"M":{"x":{"L":[{"NULL":true},{"BOOL":false}]}}},"s":{"SS":["u","v"]}}],
      "LastEvaluatedKey":{"a":{"N":"12.50"}},"ConsumedCapacity":{"CapacityUnits":1.5}})"},
         {.status = 200, .body = R"({"Items":[],"Count":0})"}});
  auto scanned = table();
  ScanOptions options{.table = "t",
                      .segment = 1,
                      .segments = 3,
                      .is_consistent = true,
                      .attributes = {"a", "size"},
                      .items_max = 5};
  const auto page = scanned.scan(options).value();
  ASSERT_EQ(page.items.size(), 1U);
  const auto& item = page.items[0];
  EXPECT_EQ(item[0].name, "a");
  EXPECT_EQ(item[0].value.text, "12.50");
  EXPECT_EQ(item[1].value.text, std::string("\0\xFF", 2));
  EXPECT_EQ(item[2].value.fields.at(0).value.elements.at(1).text, "false");
  EXPECT_EQ(item[3].value.kind, Kind::TextSet);
  EXPECT_EQ(page.units_used, 1.5);
  options.after = page.next;
  EXPECT_EQ(scanned.scan(options).value().next, "");
  EXPECT_THAT(
      fake_->requests().at(0).body,
      AllOf(HasSubstr(R"("Segment":1)"), HasSubstr(R"("TotalSegments":3)"),
            HasSubstr(R"("ConsistentRead":true)"), HasSubstr(R"("Limit":5)"),
            HasSubstr(R"("ProjectionExpression":"#a0,#a1")"), HasSubstr(R"("#a1":"size")")));
  EXPECT_THAT(fake_->requests().at(1).body,
              HasSubstr(R"("ExclusiveStartKey":{"a":{"N":"12.50"}})"));
}

TEST_F(DynamoDbTest, TellsTheMend) {
  const auto error_of = [&](int status, const std::string& body) {
    serve({{.status = status, .body = body}});
    return table().describe("gone").error();
  };
  const auto gone = error_of(400, R"({"__type":"x#ResourceNotFoundException","message":"m"})");
  EXPECT_EQ(gone.code, Code::NotFound);
  EXPECT_THAT(gone.message, AllOf(HasSubstr("table gone"), HasSubstr("region eu-central-1")));
  const auto denied = error_of(400, R"({"__type":"x#AccessDeniedException","Message":"no"})");
  EXPECT_EQ(denied.code, Code::Denied);
  EXPECT_THAT(denied.message, HasSubstr("dynamodb:Scan"));
  const auto expired = error_of(400, R"({"__type":"x#ExpiredTokenException","message":"m"})");
  EXPECT_EQ(expired.code, Code::Denied);
  EXPECT_THAT(expired.message, HasSubstr("the credentials expired"));
}

TEST_F(DynamoDbTest, RefusesAnswersThatAreNone) {
  for (const char* body :
       {"", "[]", R"({"Items":{}})", R"({"Items":[1]})", R"({"Items":[{"a":{"Q":"1"}}]})",
        R"({"Items":[{"a":{"N":1}}]})", R"({"Items":[{"a":{"B":"!"}}]})",
        R"({"Items":[{"a":{"L":{}}}]})", R"({"Items":[{"a":{"N":"1","S":"x"}}]})"}) {
    serve({{.status = 200, .body = body}});
    const auto page = table().scan({.table = "t"});
    ASSERT_FALSE(page) << body;
    EXPECT_EQ(page.error().code, Code::Corrupt) << body;
  }
}

}  // namespace
}  // namespace millrace::aws
