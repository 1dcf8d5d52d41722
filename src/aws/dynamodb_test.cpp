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

TEST_F(DynamoDbTest, PutsAnItemOnOneCondition) {
  serve({{.status = 200, .body = "{}"},
         {.status = 400, .body = R"({"__type":"x#ConditionalCheckFailedException","message":"m",
           "Item":{"key":{"S":"k"},"n":{"N":"7"}}})"},
         {.status = 400, .body = R"({"__type":"x#ConditionalCheckFailedException"})"}});
  auto there = table();
  const Attribute seven{.kind = Kind::Number, .text = "7"};
  ConditionalPut wanted{
      .table = "t",
      .item = {{"key", {.kind = Kind::Text, .text = "k"}},
               {"all",
                {.kind = Kind::List,
                 .elements = {{.kind = Kind::Map, .fields = {{"n", seven}}},
                              {.kind = Kind::Bool, .text = "true"},
                              {},
                              {.kind = Kind::Binary, .text = std::string("\0\xFF", 2)},
                              {.kind = Kind::NumberSet, .elements = {seven}}}}}},
      .key = "key"};
  EXPECT_TRUE(std::holds_alternative<ItemPut>(there.put(wanted).value()));
  EXPECT_EQ(fake_->requests().at(0).headers.value("X-Amz-Target"), "DynamoDB_20120810.PutItem");
  EXPECT_EQ(fake_->requests().at(0).body,
            R"x({"ConditionExpression":"attribute_not_exists(#a)",)x"
            R"("ExpressionAttributeNames":{"#a":"key"},)"
            R"("Item":{"all":{"L":[{"M":{"n":{"N":"7"}}},{"BOOL":true},{"NULL":true},)"
            R"({"B":"AP8="},{"NS":["7"]}]},"key":{"S":"k"}},)"
            R"("ReturnValuesOnConditionCheckFailure":"ALL_OLD","TableName":"t"})");
  wanted.expected = {"n", seven};
  const auto told = there.put(wanted).value();
  ASSERT_TRUE(std::holds_alternative<ItemNotPut>(told));
  const auto& item = std::get<ItemNotPut>(told).there;
  ASSERT_EQ(item.size(), 2U);
  EXPECT_EQ(item[1].value.text, "7");
  EXPECT_THAT(fake_->requests().at(1).body,
              AllOf(HasSubstr(R"("ConditionExpression":"#a = :a")"),
                    HasSubstr(R"("ExpressionAttributeValues":{":a":{"N":"7"}})")));
  EXPECT_TRUE(std::get<ItemNotPut>(there.put(wanted).value()).there.empty());
}

TEST_F(DynamoDbTest, APutThatIsThrottledForTooLongAsksToSlowDown) {
  serve({{.status = 400,
          .body = R"({"__type":"x#ProvisionedThroughputExceededException","message":"m"})"}});
  const auto told = table().put({.table = "t", .item = {}, .key = "key"});
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().code, Code::Exhausted);
  EXPECT_EQ(fake_->requests().size(), bench_.pauses.size() + 1) << "tried again, with pauses";
  EXPECT_GE(bench_.pauses.size(), 1U);
  serve({{.status = 400, .body = R"({"__type":"x#AccessDeniedException","Message":"no"})"}});
  EXPECT_THAT(table().put({.table = "t", .item = {}, .key = "key"}).error().message,
              HasSubstr("the policy must allow dynamodb:PutItem on"));
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

Item item(const std::string& id) {
  return {{"id", {.kind = Kind::Text, .text = id}}};
}

TEST_F(DynamoDbTest, PutsItemsInCallsOf25AndAgainWhatWasLeftOver) {
  serve({{.status = 200, .body = R"({"UnprocessedItems":{"t":[{"PutRequest":{"Item":
      {"id":{"S":"late"}}}}]}})"},
         {.status = 200, .body = R"({"UnprocessedItems":{}})"}});
  std::vector<Item> items;
  for (int i = 0; i < 26; ++i) items.push_back(item("i" + std::to_string(i)));
  std::vector<std::chrono::milliseconds> waits;
  const auto pause = [&](std::chrono::milliseconds wait, const std::stop_token&) {
    waits.push_back(wait);
    return true;
  };
  ASSERT_TRUE(table().put_all("t", items, pause));
  ASSERT_EQ(fake_->requests().size(), 3U);
  EXPECT_EQ(fake_->requests()[0].headers.value("X-Amz-Target"), "DynamoDB_20120810.BatchWriteItem");
  EXPECT_THAT(fake_->requests()[0].body, AllOf(HasSubstr("i24"), testing::Not(HasSubstr("i25"))));
  EXPECT_EQ(fake_->requests()[1].body,
            R"({"RequestItems":{"t":[{"PutRequest":{"Item":{"id":{"S":"late"}}}}]}})");
  EXPECT_THAT(fake_->requests()[2].body, HasSubstr("i25"));
  EXPECT_THAT(waits, testing::ElementsAre(std::chrono::milliseconds(100)));
}

TEST_F(DynamoDbTest, EndsWhenTooMuchIsLeftOverAgainAndAgain) {
  serve({{.status = 200, .body = R"({"UnprocessedItems":{"t":[{"PutRequest":{"Item":
      {"id":{"S":"late"}}}}]}})"}});
  std::chrono::milliseconds waited{0};
  const auto pause = [&](std::chrono::milliseconds wait, const std::stop_token&) {
    waited += wait;
    return true;
  };
  const std::vector<Item> items{item("a")};
  const auto put = table().put_all("t", items, pause);
  EXPECT_EQ(put.error().code, Code::Exhausted);
  EXPECT_THAT(put.error().message, HasSubstr("faster than it may be"));
  EXPECT_GT(waited, std::chrono::seconds(20));
}

TEST_F(DynamoDbTest, PutsValuesOfEveryKind) {
  serve({{.status = 200, .body = R"({"UnprocessedItems":{}})"}});
  const std::vector<Item> items{
      {{"b", {.kind = Kind::Binary, .text = std::string("\0\xFF", 2)}},
       {"m",
        {.kind = Kind::Map,
         .fields = {{"x",
                     {.kind = Kind::List,
                      .elements = {{}, {.kind = Kind::Bool, .text = "true"}}}}}}},
       {"n", {.kind = Kind::Number, .text = "12.50"}},
       {"s", {.kind = Kind::TextSet, .elements = {{.kind = Kind::Text, .text = "u"}}}}}};
  ASSERT_TRUE(table().put_all("t", items, pause));
  EXPECT_EQ(fake_->requests().at(0).body,
            R"({"RequestItems":{"t":[{"PutRequest":{"Item":{"b":{"B":"AP8="},)"
            R"("m":{"M":{"x":{"L":[{"NULL":true},{"BOOL":true}]}}},)"
            R"("n":{"N":"12.50"},"s":{"SS":["u"]}}}}]}})");
}

}  // namespace
}  // namespace millrace::aws
