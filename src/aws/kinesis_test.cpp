#include "aws/kinesis.hpp"

#include "aws/test_kinesis.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using testing::HasSubstr;
using testing::Optional;

class KinesisTest : public testing::Test {
 protected:
  Kinesis open(const std::string& stream = "orders") {
    bench_.environment["AWS_ENDPOINT_URL_KINESIS"] = fake_.url();
    const auto settings = Settings::read(bench_.environment).value();
    provider_ = CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    return Kinesis::open(*client_, {.stream = stream}).value();
  }

  AwsBench bench_;
  FakeKinesis fake_;
  std::unique_ptr<CredentialProvider> provider_;
  std::optional<Client> client_;
};

TEST_F(KinesisTest, ReadsAShardToItsEndInPages) {
  auto stream = open();
  for (int i = 0; i < 5; ++i) fake_.put(0, std::string(1, static_cast<char>('a' + i)));
  fake_.limit_page(2);
  fake_.split(0);
  EXPECT_EQ(stream.list_shards().value().size(), 3U);
  auto iterator = stream.shard_iterator("shardId-000000000000", {}).value();
  std::string read;
  for (int pages = 0; pages < 10; ++pages) {
    const auto page = stream.records(iterator, 100).value();
    ASSERT_TRUE(page);
    for (const auto& record : page->records.records) read += record.data;
    iterator = page->next;
    if (page->is_end) break;
    EXPECT_THAT(page->behind, Optional(std::chrono::milliseconds(5000)));
  }
  EXPECT_EQ(read, "abcde");
}

TEST_F(KinesisTest, SaysThatAnIteratorExpired) {
  auto stream = open();
  const auto iterator = stream.shard_iterator("shardId-000000000000", {}).value();
  fake_.expire_iterators();
  EXPECT_FALSE(stream.records(iterator, 100).value());
}

TEST_F(KinesisTest, NamesTheStreamAndWhatWasRefused) {
  auto stream = open();
  fake_.fail("DescribeStreamSummary", "AccessDeniedException");
  const auto denied = stream.describe();
  ASSERT_FALSE(denied);
  EXPECT_EQ(denied.error().code, Code::Denied);
  EXPECT_THAT(denied.error().text(), HasSubstr("'orders': DescribeStreamSummary: AccessDenied"));
  fake_.fail("ListShards", "LimitExceededException", 10);
  EXPECT_EQ(stream.list_shards().error().code, Code::Exhausted);
  fake_.fail("ListShards", "ResourceNotFoundException");
  EXPECT_EQ(stream.list_shards().error().code, Code::NotFound);
}

TEST_F(KinesisTest, TakesRegionAndNameFromAnArn) {
  bench_.environment.erase("AWS_REGION");
  const auto settings = Settings::read(bench_.environment).value();
  Client client(settings, bench_.tools(), nullptr);
  EXPECT_EQ(Kinesis::open(client, {.stream = "orders"}).error().code, Code::Invalid);
  const auto of_arn =
      Kinesis::open(client, {.stream = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"});
  ASSERT_TRUE(of_arn);
  EXPECT_EQ(of_arn->name(), "orders");
  for (const auto* bad : {"", "a b", "arn:aws:sqs:eu-west-1:1:orders", "arn:aws:kinesis"}) {
    EXPECT_EQ(Kinesis::open(client, {.stream = bad}).error().code, Code::Invalid) << bad;
  }
}

TEST_F(KinesisTest, RegistersAConsumerOnceAndSubscribes) {
  auto stream = open();
  const auto arn = stream.consumer("millrace").value();
  EXPECT_EQ(arn, "arn:aws:kinesis:consumer");
  EXPECT_EQ(stream.consumer("millrace").value(), arn);
  EXPECT_EQ(fake_.calls("RegisterStreamConsumer"), 1);
  fake_.put(0, "a");
  std::string read;
  std::string next;
  const auto on_page = [&](RecordPage page) {
    for (const auto& record : page.records.records) read += record.data;
    next = page.next;
    return base::Result<void>();
  };
  ASSERT_TRUE(stream.subscribe(arn, "shardId-000000000000", {}, on_page));
  EXPECT_EQ(read, "a");
  fake_.put(0, "b");
  fake_.fail("in the subscription", "ResourceInUseException");
  const auto ended = stream.subscribe(
      arn, "shardId-000000000000",
      {.what = ReadFrom::What::AfterSequenceNumber, .sequence_number = next}, on_page);
  EXPECT_EQ(read, "ab");
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Code::Exhausted);
  fake_.fail("SubscribeToShard", "AccessDeniedException");
  const auto denied = stream.subscribe(arn, "shardId-000000000000", {}, on_page);
  EXPECT_EQ(denied.error().code, Code::Denied);
}

}  // namespace
}  // namespace millrace::aws
