#include "app/dynamodb_claims.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "aws/test_aws.hpp"

namespace millrace::app {
namespace {

using base::Code;
using flow::WantedClaim;
using nlohmann::json;
using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr flow::ClaimTerms kTerms{.within = 1h, .lateness = 10min};

/// PutItem of a table of DynamoDB, on its conditions.
class FakeTable {
 public:
  http::Response operator()(const http::Request& request) {
    const auto body = json::parse(request.body);
    const auto key = body["Item"]["key"]["S"].get<std::string>();
    if (before_put) std::exchange(before_put, {})();
    const bool is_there = items.contains(key);
    const bool must_be_new = body["ConditionExpression"] == "attribute_not_exists(#a)";
    const bool holds =
        must_be_new ? !is_there
                    : is_there && items[key]["version"] == body["ExpressionAttributeValues"][":a"];
    if (holds) {
      items[key] = body["Item"];
      return lose_answers-- > 0 ? http::Response{.status = 500, .body = "{}"}
                                : http::Response{.status = 200, .body = "{}"};
    }
    json refusal{{"__type", "x#ConditionalCheckFailedException"}, {"message", "m"}};
    if (is_there) refusal["Item"] = items[key];
    return {.status = 400, .body = refusal.dump()};
  }

  std::map<std::string, json> items;
  std::function<void()> before_put;
  int lose_answers = 0;
};

class DynamoDbClaimsTest : public testing::Test {
 protected:
  DynamoDbClaimsTest() {
    fake_.emplace([this](const http::Request& request) { return table_(request); });
    bench_.environment["AWS_ENDPOINT_URL_DYNAMODB"] = fake_->url();
    const auto settings = aws::Settings::read(bench_.environment).value();
    provider_ = aws::CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    claims_ =
        std::make_unique<DynamoDbClaims>(aws::DynamoDb::open(*client_).value(),
                                         DynamoDbClaimsOptions{.table = "claims"}, bench_.clock);
    claims_->set_until(bench_.clock.now() + 30s);
  }
  WantedClaim wanted(std::int64_t offset, std::chrono::minutes at = 0min,
                     const std::string& key = "t/1") {
    return {key, bench_.clock.now() + at, {"orders/17", 3, offset}};
  }
  /// `ours`, or the offsets of those who hold it; or the error.
  std::string claim(const WantedClaim& one) {
    const auto told = claims_->claim(std::span(&one, 1), kTerms);
    if (!told) return told.error().text();
    held_ = (*told)[0];
    if (!held_) return "ours";
    std::string text = "held by";
    for (const auto& near : held_->near) text += " " + std::to_string(near.owner.offset);
    return text;
  }

  aws::AwsBench bench_;
  FakeTable table_;
  std::optional<aws::FakeAws> fake_;
  std::unique_ptr<aws::CredentialProvider> provider_;
  std::optional<aws::Client> client_;
  std::unique_ptr<DynamoDbClaims> claims_;
  std::optional<flow::HeldClaims> held_;
};

TEST_F(DynamoDbClaimsTest, ANewKeyIsOneWrite) {
  EXPECT_EQ(claim(wanted(42)), "ours");
  EXPECT_EQ(fake_->requests().size(), 1U);
  // 2026-01-31T12:00:00Z, and 30 s + 1 h + 10 min + 7 days.
  EXPECT_EQ(table_.items["t/1"].dump(),
            R"({"claims":{"L":[{"M":{"owner":{"S":"orders/17/3/42"},)"
            R"("time":{"N":"1769860800000000"},"until":{"N":"1769860830000000"}}}]},)"
            R"("expires":{"N":"1770469830"},"key":{"S":"t/1"},"version":{"N":"1"}})");
  EXPECT_EQ(claim(wanted(42)), "ours") << "again, by its owner";
  EXPECT_EQ(fake_->requests().size(), 2U);
  EXPECT_EQ(claim(wanted(43)), "held by 42");
  EXPECT_EQ(held_->near[0].owner, (flow::ClaimOwner{"orders/17", 3, 42}));
  EXPECT_EQ(held_->near[0].until, bench_.clock.now() + 30s);
}

TEST_F(DynamoDbClaimsTest, KeepsClaimsThatAreFartherApart) {
  EXPECT_EQ(claim(wanted(1)), "ours");
  EXPECT_EQ(claim(wanted(2, 61min)), "ours");
  EXPECT_EQ(claim(wanted(3, 30min)), "held by 1 2");
  EXPECT_EQ(claim(wanted(4, 110min)), "held by 2");
  EXPECT_EQ(table_.items["t/1"]["version"]["N"], "2");
  bench_.clock.advance(24h * 8);
  EXPECT_EQ(claim(wanted(5)), "ours");
  EXPECT_EQ(table_.items["t/1"]["claims"]["L"].size(), 1U) << "old ones go when new ones come";
}

TEST_F(DynamoDbClaimsTest, AnAnswerThatIsLostIsOurs) {
  table_.lose_answers = 1;
  EXPECT_EQ(claim(wanted(1)), "ours");
  EXPECT_EQ(fake_->requests().size(), 2U);
}

TEST_F(DynamoDbClaimsTest, WhoeverIsFasterHoldsIt) {
  EXPECT_EQ(claim(wanted(1)), "ours");
  auto others = table_.items["t/1"];
  others["claims"]["L"][0]["M"]["owner"]["S"] = "orders/17/0/9";
  others["claims"]["L"][0]["M"]["time"]["N"] =
      std::to_string((bench_.clock.now() + 100min).time_since_epoch().count());
  others["version"]["N"] = "2";
  int puts = 0;
  table_.before_put = [&] { table_.before_put = [&] { ++puts, table_.items["t/1"] = others; }; };
  EXPECT_EQ(claim(wanted(2, 80min)), "held by 9");
  EXPECT_EQ(puts, 1);
}

TEST_F(DynamoDbClaimsTest, TakesOverWhatIsAsItWasRead) {
  EXPECT_EQ(claim(wanted(1)), "ours");
  EXPECT_EQ(claim(wanted(2, 61min)), "ours");
  EXPECT_EQ(claim(wanted(3, -10min)), "held by 1");
  const auto seen = *held_;
  EXPECT_TRUE(claims_->take_over(wanted(3, -10min), seen, kTerms).value());
  EXPECT_FALSE(claims_->take_over(wanted(4), seen, kTerms).value()) << "it is 3's by now";
  EXPECT_EQ(claim(wanted(4)), "held by 3");
  EXPECT_EQ(claim(wanted(2, 61min)), "ours") << "what was not near stayed";
}

// A record may have two rows of one key, farther apart than `within`.
TEST_F(DynamoDbClaimsTest, TakingOverKeepsWhatItsOwnerHasBesides) {
  EXPECT_EQ(claim(wanted(1)), "ours");
  EXPECT_EQ(claim(wanted(2, 100min)), "ours");
  EXPECT_EQ(claim(wanted(2, -10min)), "held by 1");
  EXPECT_TRUE(claims_->take_over(wanted(2, -10min), *held_, kTerms).value());
  EXPECT_EQ(claim(wanted(3, 110min)), "held by 2");
  EXPECT_EQ(claim(wanted(4)), "held by 2");
}

// DynamoDB takes items of 400 KB, and a key may come each minute.
TEST_F(DynamoDbClaimsTest, OfAKeyWithVeryManyClaimsTheOldestGoes) {
  EXPECT_EQ(claim(wanted(0)), "ours");
  auto& item = table_.items["t/1"];
  const auto first = item["claims"]["L"][0];
  for (int i = 1; i < 1000; ++i) {
    auto one = first;
    one["M"]["owner"]["S"] = fmt::format("orders/17/3/{}", i);
    one["M"]["time"]["N"] = std::to_string(wanted(i, i * 61min).time.time_since_epoch().count());
    item["claims"]["L"].push_back(one);
  }
  EXPECT_EQ(claim(wanted(1000, 1000 * 61min)), "ours");
  EXPECT_EQ(item["claims"]["L"].size(), 1000U);
  EXPECT_EQ(claim(wanted(1001, 1000 * 61min)), "held by 1000");
  EXPECT_EQ(claim(wanted(1002, -1min)), "ours") << "that of 0 went; the one that is made stays";
  EXPECT_EQ(item["claims"]["L"].size(), 1000U);
  EXPECT_EQ(claim(wanted(1003, -1min)), "held by 1002");
  EXPECT_EQ(claim(wanted(1004, 61min)), "ours") << "that of 1 went";
}

TEST_F(DynamoDbClaimsTest, AnItemThatExpiresMeanwhileIsNone) {
  EXPECT_EQ(claim(wanted(1)), "ours");
  table_.before_put = [&] { table_.before_put = [&] { table_.items.clear(); }; };
  EXPECT_EQ(claim(wanted(2, 80min)), "ours");
  EXPECT_EQ(table_.items["t/1"]["claims"]["L"].size(), 1U);
}

TEST_F(DynamoDbClaimsTest, AsksForManyAtOnce) {
  std::vector<WantedClaim> many;
  for (int i = 0; i < 500; ++i) many.push_back(wanted(i, 0min, "t/" + std::to_string(i)));
  for (const auto& one : claims_->claim(many, kTerms).value()) EXPECT_FALSE(one);
  for (auto& one : many) one.owner.offset += 1000;
  const auto held = claims_->claim(many, kTerms).value();
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(held[static_cast<std::size_t>(i)]);
    EXPECT_EQ(held[static_cast<std::size_t>(i)]->near[0].owner.offset, i) << "each its own answer";
  }
}

TEST_F(DynamoDbClaimsTest, SaysWhatIsWrongWithTheTable) {
  table_.items["t/1"] = json::parse(R"({"key":{"S":"t/1"},"name":{"S":"somebody"}})");
  EXPECT_THAT(claim(wanted(1)), HasSubstr("let MILLRACE_CLAIMS_TABLE name a table that nobody"));
  fake_.emplace([](const http::Request&) {
    return http::Response{.status = 400,
                          .body = R"({"__type":"x#ResourceNotFoundException","message":"m"})"};
  });
  bench_.environment["AWS_ENDPOINT_URL_DYNAMODB"] = fake_->url();
  const auto settings = aws::Settings::read(bench_.environment).value();
  aws::Client client(settings, bench_.tools(), provider_.get(), bench_.pause());
  DynamoDbClaims claims(aws::DynamoDb::open(client).value(), {.table = "gone"}, bench_.clock);
  const std::vector<WantedClaim> many(40, wanted(1));
  const auto told = claims.claim(many, kTerms);
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().code, Code::NotFound);
  EXPECT_THAT(told.error().message, HasSubstr("make the table in region eu-central-1"));
  EXPECT_LE(fake_->requests().size(), 16U) << "the first error ends it";
}

}  // namespace
}  // namespace millrace::app
