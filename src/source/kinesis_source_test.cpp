#include "source/kinesis_source.hpp"

#include <thread>

#include "aws/test_kinesis.hpp"
#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "source/kinesis_mark.hpp"
#include "source/test_reader.hpp"

namespace millrace::source {
namespace {

using namespace std::chrono_literals;
using base::Code;
using base::Offset;
using base::ShardId;
using testing::HasSubstr;

class KinesisSourceTest : public testing::Test {
 protected:
  KinesisSourceTest() {
    bench_.environment["AWS_ENDPOINT_URL_KINESIS"] = fake_.url();
    options_.retry_wait = 1ms;
    options_.watch_every = 10ms;
    settings_.stream = "orders";
    settings_.poll_every = 2ms;
  }

  base::Result<std::unique_ptr<Source>> try_open() {
    const auto settings = aws::Settings::read(bench_.environment).value();
    source_.reset();
    client_.reset();
    provider_ = aws::CredentialProvider::open(settings, bench_.tools()).value();
    client_.emplace(settings, bench_.tools(), provider_.get(), bench_.pause());
    options_.state_folder = folder_.path() / "state";
    return open_kinesis_source(
        {.name = "orders", .from = settings_}, options_,
        {*client_, disk_, bench_.clock, bench_.random, {bench_.log, bench_.metrics}});
  }
  Source& open() {
    source_ = try_open().value();
    return *source_;
  }
  /// Another life, whose tables have committed up to here.
  Source& reopen(const std::vector<Offset>& committed) {
    std::vector<std::optional<Mark>> marks;
    for (std::size_t i = 0; i < committed.size(); ++i) {
      marks.push_back(source_->mark(ShardId(static_cast<std::int64_t>(i)), committed[i]));
    }
    auto& source = open();
    for (std::size_t i = 0; i < committed.size(); ++i) {
      if (marks[i]) source.remember(ShardId(static_cast<std::int64_t>(i)), committed[i], *marks[i]);
    }
    return source;
  }
  void put(int shard, const std::string& letters) {
    for (const char letter : letters) fake_.put(shard, std::string(1, letter));
  }
  void await(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!holds() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(2ms);
    EXPECT_TRUE(holds());
  }

  os::TestFolder folder_;
  os::RealDisk disk_;
  aws::AwsBench bench_;
  aws::FakeKinesis fake_;
  config::KinesisSource settings_;
  KinesisSourceOptions options_;
  std::unique_ptr<aws::CredentialProvider> provider_;
  std::optional<aws::Client> client_;
  std::unique_ptr<Source> source_;
};

TEST_F(KinesisSourceTest, GivesRecordsInOrderAndTheSameAgain) {
  put(0, "abc");
  Reader reader(open());
  EXPECT_EQ(reader.read(3), "0/0:a 0/1:b 0/2:c ");
  put(0, "d");
  EXPECT_EQ(reader.read(4), "0/0:a 0/1:b 0/2:c 0/3:d ");
  // From wherever a table stands, also before what is still in memory.
  const auto again = [&](std::int64_t from) {
    Reader other(*source_);
    other.positions() = {Offset(from)};
    return other.read(static_cast<std::size_t>(4 - from));
  };
  EXPECT_EQ(again(2), "0/2:c 0/3:d ");
  EXPECT_EQ(again(0), "0/0:a 0/1:b 0/2:c 0/3:d ");
}

TEST_F(KinesisSourceTest, GoesOnFromWhatWasCommitted) {
  put(0, "abc");
  EXPECT_EQ(Reader(open()).read(3), "0/0:a 0/1:b 0/2:c ");
  auto& source = reopen({Offset(2)});
  Reader reader(source);
  reader.positions() = {Offset(2)};
  put(0, "d");
  EXPECT_EQ(reader.read(2), "0/2:c 0/3:d ");
}

TEST_F(KinesisSourceTest, ReadsParentsToTheirEndBeforeTheirChildren) {
  put(0, "ab");
  Reader reader(open());
  EXPECT_EQ(reader.read(2), "0/0:a 0/1:b ");
  put(0, "c");
  fake_.split(0);
  put(1, "de");
  put(2, "f");
  const auto split = reader.read(6);
  // The parent first; the two children do not wait for each other.
  EXPECT_THAT(split, testing::StartsWith("0/0:a 0/1:b 0/2:c "));
  EXPECT_LT(split.find("1/0:d "), split.find("1/1:e "));
  EXPECT_THAT(split, testing::AllOf(HasSubstr("1/1:e "), HasSubstr("2/0:f ")));
  fake_.merge(1, 2);
  put(3, "g");
  EXPECT_EQ(reader.read(7), split + "3/0:g ");
  EXPECT_TRUE(source_->is_closed(ShardId(1)));
  EXPECT_FALSE(source_->is_closed(ShardId(3)));
  EXPECT_THAT(source_->parents(ShardId(3)), testing::ElementsAre(ShardId(1), ShardId(2)));
}

TEST_F(KinesisSourceTest, GoesOnAfterThrottlesExpiredIteratorsAndFaults) {
  put(0, "a");
  Reader reader(open());
  EXPECT_EQ(reader.read(1), "0/0:a ");
  fake_.fail("GetRecords", "ProvisionedThroughputExceededException", 10);
  put(0, "b");
  EXPECT_EQ(reader.read(2), "0/0:a 0/1:b ");
  fake_.expire_iterators();
  put(0, "c");
  EXPECT_EQ(reader.read(3), "0/0:a 0/1:b 0/2:c ");
  fake_.fail("GetRecords", "InternalFailure", 10, 500);
  put(0, "d");
  EXPECT_EQ(reader.read(4), "0/0:a 0/1:b 0/2:c 0/3:d ");
  EXPECT_THAT(fake_.starts(), testing::SizeIs(testing::Ge(2U)));
}

TEST_F(KinesisSourceTest, SaysWhatIsWrongWhileItGoesOnTrying) {
  put(0, "a");
  auto& source = open();
  Reader reader(source);
  EXPECT_EQ(reader.read(1), "0/0:a ");
  await([&] { return source.is_current(ShardId(0)); });
  fake_.fail("GetRecords", "ExpiredTokenException", 1'000'000);
  await([&] { return source.trouble().find("ExpiredToken") != std::string::npos; });
  fake_.fail("GetRecords", "", 0);
  put(0, "b");
  EXPECT_EQ(reader.read(2), "0/0:a 0/1:b ");
  await([&] { return source.trouble().empty(); });
}

TEST_F(KinesisSourceTest, RefusesAtItsStartWhatCannotBeReadWithTheMend) {
  fake_.fail("DescribeStreamSummary", "ResourceNotFoundException", 1);
  const auto missing = try_open();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::NotFound);
  EXPECT_THAT(missing.error().message, HasSubstr("Make the stream first"));
  fake_.fail("DescribeStreamSummary", "AccessDeniedException", 1);
  EXPECT_EQ(try_open().error().code, Code::Denied);
  fake_.fail("ListShards", "ExpiredTokenException", 10);
  EXPECT_THAT(try_open().error().message, HasSubstr("get new ones"));
  bench_.environment["AWS_ENDPOINT_URL_KINESIS"] = "http://kinesis.invalid";
  EXPECT_THAT(try_open().error().message, HasSubstr("AWS_ENDPOINT_URL_KINESIS"));
  bench_.environment["AWS_ENDPOINT_URL_KINESIS"] = "http://127.0.0.1:1";
  EXPECT_THAT(try_open().error().message, HasSubstr("AWS_ENDPOINT_URL_KINESIS"));
}

TEST_F(KinesisSourceTest, StopsWhenItsStreamWasMadeAnew) {
  put(0, "a");
  Reader reader(open());
  EXPECT_EQ(reader.read(1), "0/0:a ");
  const auto incarnation = source_->incarnation();
  fake_.recreate();
  EXPECT_THAT(reader.error(), HasSubstr("deleted and made anew"));
  EXPECT_NE(open().incarnation(), incarnation);
}

TEST_F(KinesisSourceTest, StopsWhenItsStreamWasDeleted) {
  Reader reader(open());
  reader.step();
  fake_.fail("DescribeStreamSummary", "ResourceNotFoundException", 1000);
  EXPECT_THAT(reader.error(), HasSubstr("was deleted"));
}

TEST_F(KinesisSourceTest, NeverSkipsWhatIsNoLongerRetainedInSilence) {
  fake_.limit_page(1);
  put(0, "abcd");
  EXPECT_EQ(Reader(open()).read(4), "0/0:a 0/1:b 0/2:c 0/3:d ");
  fake_.trim(0, 3);  // a and b were committed, c was not
  Reader reader(reopen({Offset(2)}));
  reader.positions() = {Offset(2)};
  const auto error = reader.error();
  EXPECT_THAT(error, HasSubstr("behind position 2 are no longer retained"));
  EXPECT_THAT(error, HasSubstr("--accept-lost-records"));
  options_.accepts_lost_records = true;
  const auto mark = source_->mark(ShardId(0), Offset(2));
  auto& source = open();
  source.remember(ShardId(0), Offset(2), *mark);
  Reader accepting(source);
  accepting.positions() = {Offset(2)};
  EXPECT_EQ(accepting.read(1), "0/2:d ");
}

TEST_F(KinesisSourceTest, NoticesThatTheFirstRecordsWentBeforeTheyWereCommitted) {
  put(0, "ab");
  EXPECT_EQ(Reader(open()).read(2), "0/0:a 0/1:b ");
  fake_.trim(0, 1);
  EXPECT_THAT(Reader(open()).error(), HasSubstr("behind position 0"));
}

TEST_F(KinesisSourceTest, KnowsThatNothingWasLostInAQuietShard) {
  put(0, "ab");
  auto& source = open();
  Reader reader(source);
  EXPECT_EQ(reader.read(2), "0/0:a 0/1:b ");
  const std::vector<Offset> committed{Offset(2)};
  ASSERT_TRUE(source.release(committed));
  await([&] {
    reader.step();
    const auto state = os::read_file(disk_, folder_.path() / "state" / "state");
    return state && state->find("quiet 0 2 ") != std::string::npos;
  });
  // A life without a record says so again.
  bench_.clock.advance(std::chrono::hours(20));
  auto& second = reopen(committed);
  Reader waiting(second);
  waiting.positions() = committed;
  const auto state_before = os::read_file(disk_, folder_.path() / "state" / "state").value();
  await([&] {
    waiting.step();
    return os::read_file(disk_, folder_.path() / "state" / "state").value() != state_before;
  });
  fake_.trim(0, 2);
  bench_.clock.advance(std::chrono::hours(20));
  put(0, "c");
  Reader later(reopen(committed));
  later.positions() = committed;
  EXPECT_EQ(later.read(1), "0/2:c ");
}

TEST_F(KinesisSourceTest, KeepsItsFirstLatestThoughNothingWasCommitted) {
  put(0, "old");
  settings_.start = config::KinesisSource::Start::Latest;
  bench_.clock.advance(1h);
  const auto read_on = [&] {
    auto& source = open();
    Reader reader(source);
    reader.step();
    fake_.advance(2h);
    return reader;
  };
  read_on();  // begins, gets nothing, and is killed
  bench_.clock.advance(5h);
  put(0, "n");
  Reader reader(open());
  EXPECT_EQ(reader.read(1), "0/0:n ");
}

TEST_F(KinesisSourceTest, RefusesLatestWhenItsBeginningIsNotKnownAnyMore) {
  settings_.start = config::KinesisSource::Start::Latest;
  auto& source = open();
  source.remember(ShardId(0), Offset(5), *mark_of({"49", 0}));
  EXPECT_THAT(Reader(source).error(), HasSubstr("Set 'start:' to the time"));
}

TEST_F(KinesisSourceTest, FetchesNoMoreThanItsBuffersHold) {
  options_.buffer_bytes_max = 1_MiB;
  fake_.limit_page(1);
  for (int i = 0; i < 12; ++i) fake_.put(0, std::string(300'000, 'x'));
  auto& source = open();
  Reader reader(source);
  reader.step();
  await([&] { return source.end(ShardId(0)) >= Offset(4); });
  const auto calls = fake_.calls("GetRecords");
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(fake_.calls("GetRecords"), calls);
  EXPECT_EQ(source.end(ShardId(0)), Offset(4));
  EXPECT_EQ(reader.read(12).size(), 12 * 300'000U + 12 * 5U + 2U);
}

TEST_F(KinesisSourceTest, ANewTableBeginsWhereTheNumbersAreCertain) {
  fake_.limit_page(1);
  put(0, "abc");
  Reader(open()).read(3);
  auto& source = reopen({Offset(2)});
  EXPECT_EQ(source.oldest(ShardId(0)), Offset(0));  // the first record is still there
  bench_.clock.advance(std::chrono::hours(23));
  EXPECT_EQ(source.oldest(ShardId(0)), Offset(2));
}

TEST_F(KinesisSourceTest, AClosedShardThatIsGoneIsFinishedOnlyIfItWasReadToItsEnd) {
  put(0, "ab");
  Reader reader(open());
  EXPECT_EQ(reader.read(2), "0/0:a 0/1:b ");
  fake_.split(0);
  await([&] {
    reader.step();
    return source_->is_closed(ShardId(0));
  });
  const auto mark_of_two = source_->mark(ShardId(0), Offset(2));
  const auto mark_of_one = source_->mark(ShardId(0), Offset(1));
  fake_.forget(0);
  put(1, "c");
  auto& source = open();
  source.remember(ShardId(0), Offset(2), *mark_of_two);
  Reader fine(source);
  fine.positions() = {Offset(2), Offset(0), Offset(0)};
  EXPECT_EQ(fine.read(1), "1/0:c ");
  auto& behind = open();
  behind.remember(ShardId(0), Offset(1), *mark_of_one);
  Reader other(behind);
  other.positions() = {Offset(0), Offset(0), Offset(0)};
  EXPECT_THAT(other.error(), HasSubstr("no longer retained"));
}

TEST_F(KinesisSourceTest, ReadsByFanOutAndRenewsSubscriptions) {
  settings_.fan_out = "millrace";
  fake_.limit_page(2);
  put(0, "abcde");
  Reader reader(open());
  EXPECT_EQ(reader.read(5), "0/0:a 0/1:b 0/2:c 0/3:d 0/4:e ");
  fake_.fail("SubscribeToShard", "ResourceInUseException", 3);
  fake_.fail("in the subscription", "InternalFailureException", 2);
  put(0, "f");
  fake_.split(0);
  put(1, "g");
  EXPECT_EQ(reader.read(7), "0/0:a 0/1:b 0/2:c 0/3:d 0/4:e 0/5:f 1/0:g ");
  EXPECT_EQ(fake_.calls("GetRecords"), 0);
  EXPECT_EQ(fake_.calls("RegisterStreamConsumer"), 1);
}

TEST_F(KinesisSourceTest, PollsShardsBeyondItsSubscriptions) {
  settings_.fan_out = "millrace";
  options_.subscriptions_max = 1;
  fake_.split(0);
  put(1, "a");
  put(2, "b");
  Reader reader(open());
  const auto read = reader.read(2);
  EXPECT_THAT(read, HasSubstr("1/0:a "));
  EXPECT_THAT(read, HasSubstr("2/0:b "));
  EXPECT_GT(fake_.calls("GetRecords"), 0);
}

TEST_F(KinesisSourceTest, RefusesShardsThatAreNamedOtherwise) {
  fake_.name_shards("shard-");
  EXPECT_THAT(try_open().error().message, HasSubstr("shardId-000000000000"));
}

}  // namespace
}  // namespace millrace::source
