#include "kinesis/names.hpp"

#include <gtest/gtest.h>

namespace millrace::kinesis {
namespace {

using base::ShardId;

TEST(Names, ShardsAreNumberedInTwelveDigits) {
  EXPECT_EQ(shard_name(ShardId(7)), "shardId-000000000007");
  EXPECT_EQ(parse_shard_name("shardId-000000000007"), ShardId(7));
  EXPECT_EQ(parse_shard_name("7"), ShardId(7));
  for (const auto* bad : {"", "shardId-", "shardId-x", "shardId--1", "shardId-1234567890123"}) {
    EXPECT_FALSE(parse_shard_name(bad)) << bad;
  }
}

TEST(Names, ArnsNameStreamsAndConsumers) {
  const Account account{.id = "123456789012", .region = "eu-central-1"};
  const auto arn = stream_arn(account, "orders");
  EXPECT_EQ(arn, "arn:aws:kinesis:eu-central-1:123456789012:stream/orders");
  EXPECT_EQ(parse_arn(arn)->stream, "orders");
  EXPECT_EQ(parse_arn(arn)->consumer, "");
  const auto consumer = consumer_arn(arn, "reader", *base::parse_time("2026-11-21T12:00:00.9Z"));
  EXPECT_EQ(consumer, arn + "/consumer/reader:1795262400");
  const auto parts = parse_arn(consumer);
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->stream_arn, arn);
  EXPECT_EQ(parts->stream, "orders");
  EXPECT_EQ(parts->consumer, "reader");
  EXPECT_EQ(parts->created_at, 1795262400);
  EXPECT_FALSE(parse_arn("orders"));
  EXPECT_FALSE(parse_arn(arn + "/consumer/reader"));
}

TEST(Names, RegionAndAccountComeFromTheSignature) {
  const auto account = account_of(
      "AWS4-HMAC-SHA256 Credential=123456789012/20261121/eu-central-1/kinesis/aws4_request, "
      "SignedHeaders=host, Signature=00");
  EXPECT_EQ(account.id, "123456789012");
  EXPECT_EQ(account.region, "eu-central-1");
  EXPECT_EQ(account_of("AWS4-HMAC-SHA256 Credential=AKID/20261121/us-west-2/kinesis/x").id,
            "000000000000");
  for (const auto* bad : {"", "Bearer x", "Credential=", "Credential=a/b/\"c/d"}) {
    EXPECT_EQ(account_of(bad).region, "us-east-1") << bad;
  }
}

}  // namespace
}  // namespace millrace::kinesis
