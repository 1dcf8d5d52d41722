#include "source/kafka_source.hpp"

#include <gmock/gmock.h>
#include <librdkafka/rdkafka.h>

#include <thread>

#include "os/real_disk.hpp"
#include "os/test_folder.hpp"
#include "source/kafka_proof.hpp"
#include "source/test_kafka.hpp"
#include "source/test_reader.hpp"

namespace millrace::source {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class KafkaSourceTest : public testing::Test {
 protected:
  KafkaSourceTest() {
    settings_.brokers = fake_.brokers();
    settings_.topic = "orders";
    settings_.options = {{"reconnect.backoff.ms", "10"}, {"fetch.wait.max.ms", "20"}};
    options_.state_folder = folder_.path() / "state";
    options_.first_contact = 2s;
    options_.ask_timeout = 2s;
    options_.watch_every = 20ms;
    options_.retry_wait = 20ms;
  }

  base::Result<std::unique_ptr<Source>> try_open() {
    source_.reset();
    return open_kafka_source({.name = "events", .from = settings_, .headers = headers_}, options_,
                             {disk_, clock_, {log_, metrics_}});
  }
  Source& open() {
    source_ = try_open().value();
    return *source_;
  }
  /// Another life of the process, whose tables have committed up to there in the first partition.
  Source& reopen(std::int64_t committed) {
    const auto mark = source_->mark(ShardId(0), Offset(committed)).value();
    auto& source = open();
    source.remember(ShardId(0), Offset(committed), mark);
    return source;
  }
  std::string read_on(std::int64_t from, std::size_t count) {
    Reader reader(*source_);
    reader.positions() = {Offset(from)};
    return reader.read(count);
  }
  /// The batches of the first three records.
  std::vector<base::RecordBatch> read_three(std::uint64_t bytes_max) {
    auto& source = open();
    std::vector<base::RecordBatch> batches;
    Offset next(0);
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (next < Offset(3) && std::chrono::steady_clock::now() < end) {
      auto batch = source.read(ShardId(0), next, bytes_max).value();
      next = batch.next;
      if (!batch.records.empty()) batches.push_back(std::move(batch));
    }
    source_.reset();  // a batch keeps what it points into
    return batches;
  }
  /// Of all records, until there are so many or the time is over.
  std::size_t read_bytes(int partitions, std::size_t wanted,
                         std::chrono::milliseconds pause = 0ms) {
    std::size_t bytes = 0;
    auto& source = open();
    std::vector<Offset> positions(static_cast<std::size_t>(partitions));
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (bytes < wanted && std::chrono::steady_clock::now() < end) {
      for (std::size_t i = 0; i < positions.size(); ++i) {
        const ShardId shard(static_cast<std::int64_t>(i));
        const auto batch = source.read(shard, positions[i], 100'000).value();
        for (const auto& record : batch.records) bytes += record.bytes.size();
        positions[i] = batch.next;
      }
      (void)source.wait_beyond(positions, 20ms, {});
      std::this_thread::sleep_for(pause);
    }
    return bytes;
  }
  void put(const std::string& letters, int partition = 0) {
    for (const char letter : letters) fake_.put("orders", partition, std::string(1, letter));
  }
  /// Reads on until it says so.
  std::string await_trouble(const std::string& text) {
    Reader reader(*source_);
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (source_->trouble().find(text) == std::string::npos &&
           std::chrono::steady_clock::now() < end) {
      reader.step();
      std::this_thread::sleep_for(5ms);
    }
    return source_->trouble();
  }

  os::TestFolder folder_;
  os::RealDisk disk_;
  base::SystemClock clock_;
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  FakeKafka fake_;
  config::KafkaSource settings_;
  std::vector<config::HeaderColumn> headers_;
  KafkaSourceOptions options_;
  std::unique_ptr<Source> source_;
};

TEST_F(KafkaSourceTest, GivesRecordsInOrderAndTheSameAgain) {
  fake_.create("orders", 1);
  put("abc");
  EXPECT_EQ(Reader(open()).read(3), "0/0:a 0/1:b 0/2:c ");
  EXPECT_EQ(read_on(1, 2), "0/1:b 0/2:c ");
  EXPECT_EQ(read_on(0, 3), "0/0:a 0/1:b 0/2:c ");
  put("d");
  EXPECT_EQ(read_on(3, 1), "0/3:d ");
  EXPECT_EQ(source_->end(ShardId(0)), Offset(4));
}

TEST_F(KafkaSourceTest, EachPartitionIsAShard) {
  fake_.create("orders", 3);
  put("ab", 2);
  put("c", 0);
  auto& source = open();
  EXPECT_EQ(source.shard_count(), 3);
  const auto text = Reader(source).read(3);
  EXPECT_THAT(text, AllOf(HasSubstr("0/0:c "), HasSubstr("2/0:a 2/1:b ")));
}

TEST_F(KafkaSourceTest, ARecordHasItsKeyAndTime) {
  fake_.create("orders", 1);
  fake_.put("orders", 0, "value", "key", 1'700'000'000'123);
  auto& source = open();
  base::RecordBatch batch;
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (batch.records.empty() && std::chrono::steady_clock::now() < end) {
    batch = source.read(ShardId(0), Offset(0), 1000).value();
  }
  source_.reset();  // the batch keeps what it points into
  ASSERT_EQ(batch.records.size(), 1U);
  EXPECT_EQ(batch.records[0].bytes, "value");
  EXPECT_EQ(batch.records[0].partition_key, "key");
  EXPECT_EQ(batch.records[0].received_at, base::Time(1'700'000'000'123ms));
}

TEST_F(KafkaSourceTest, ARecordHasTheHeadersThatAreAskedFor) {
  fake_.create("orders", 1);
  fake_.put("orders", "a", {{"tenant", "first"}, {"other", "x"}, {"tenant", "acme"}});
  fake_.put("orders", "b", {{"Tenant", "no"}, {"empty", ""}, {"bytes", std::nullopt}});
  put("c");
  headers_ = {{"t", "tenant"}, {"e", "empty"}, {"b", "bytes"}, {"again", "tenant"}};
  const auto shown = [](const std::vector<base::RecordBatch>& batches) {
    std::string text;
    for (const auto& batch : batches) {
      for (const auto& record : batch.records) {
        text += std::string(record.bytes) + "(";
        for (const auto& [name, value] : record.headers) {
          text += std::string(name) + "=" + std::string(value.value_or("NULL")) + ",";
        }
        text += ") ";
      }
    }
    return text;
  };
  EXPECT_EQ(shown(read_three(1 << 20)), "a(tenant=acme,) b(empty=,bytes=NULL,) c() ");
  headers_.clear();
  EXPECT_EQ(shown(read_three(1 << 20)), "a() b() c() ");
}

TEST_F(KafkaSourceTest, HeadersCountInTheBytesOfABatch) {
  fake_.create("orders", 1);
  for (int i = 0; i < 3; ++i) fake_.put("orders", "a", {{"other", std::string(1000, 'x')}});
  headers_ = {{"t", "tenant"}};
  EXPECT_EQ(read_three(1000).size(), 3U);
}

TEST_F(KafkaSourceTest, TombstonesAreEmptyRecordsOrPassedOver) {
  fake_.create("orders", 1);
  put("a");
  fake_.put("orders", 0, std::nullopt, "k");
  put("b");
  EXPECT_EQ(Reader(open()).read(3), "0/0:a 0/1: 0/2:b ");
  settings_.skips_tombstones = true;
  EXPECT_EQ(Reader(open()).read(2), "0/0:a 0/2:b ");
}

TEST_F(KafkaSourceTest, LatestIsWhereTheFirstStartWas) {
  fake_.create("orders", 1);
  put("ab");
  settings_.start = config::KafkaSource::Start::Latest;
  EXPECT_EQ(open().oldest(ShardId(0)), Offset(2));
  EXPECT_EQ(read_on(2, 0), "");
  (void)source_->wait_beyond({}, 0us, {});
  put("c");
  EXPECT_EQ(open().oldest(ShardId(0)), Offset(2)) << "a kill before the first commit loses nothing";
  EXPECT_EQ(read_on(2, 1), "0/2:c ");
}

TEST_F(KafkaSourceTest, ANewTableBeginsWhereTheOthersAreIfTheStateIsGone) {
  fake_.create("orders", 1);
  put("abcd");
  settings_.start = config::KafkaSource::Start::Latest;
  const auto mark = mark_of({.offset = 1, .timestamp_ms = 0, .hash = 1, .cluster = 0});
  open().remember(ShardId(0), Offset(2), mark);
  EXPECT_EQ(source_->oldest(ShardId(0)), Offset(2));
}

TEST_F(KafkaSourceTest, GoesOnWhereATableStands) {
  fake_.create("orders", 1);
  put("abc");
  EXPECT_EQ(Reader(open()).read(3), "0/0:a 0/1:b 0/2:c ");
  put("de");
  reopen(3);
  EXPECT_EQ(read_on(3, 2), "0/3:d 0/4:e ");
  EXPECT_EQ(source_->trouble(), "");
}

TEST_F(KafkaSourceTest, AnotherRecordAtAnOffsetIsAnotherTopic) {
  fake_.create("orders", 1);
  put("abc");
  auto& source = open();
  EXPECT_EQ(source.incarnation(), "orders-1");
  const auto cluster = source.mark(ShardId(0), Offset(0)).value()[3];
  source.remember(ShardId(0), Offset(2),
                  mark_of({.offset = 1, .timestamp_ms = 7, .hash = 9, .cluster = cluster}));
  Reader reader(source);
  reader.positions() = {Offset(2)};
  EXPECT_THAT(reader.error(), AllOf(HasSubstr("deleted and made anew"), HasSubstr("at offset 1"),
                                    HasSubstr("--accept-new-source")));
  EXPECT_EQ(open().incarnation(), "orders-2") << "its tables must be told to accept it";
  EXPECT_EQ(Reader(*source_).read(3), "0/0:a 0/1:b 0/2:c ");
}

TEST_F(KafkaSourceTest, ATopicThatEndsBeforeWhatWasReadIsAnother) {
  fake_.create("orders", 1);
  put("abc");
  open().remember(ShardId(0), Offset(9), mark_of({}));
  Reader reader(*source_);
  reader.positions() = {Offset(9)};
  EXPECT_THAT(reader.error(), AllOf(HasSubstr("deleted and made anew"),
                                    HasSubstr("ends at offset 3, and was read up to 9")));
  EXPECT_EQ(open().incarnation(), "orders-2");
}

TEST_F(KafkaSourceTest, WhatIsReadWhileTheBrokersAreAskedForTheEndIsNoOtherTopic) {
  fake_.create("orders", 1);
  put("abc");
  Reader reader(open());
  EXPECT_EQ(reader.read(3), "0/0:a 0/1:b 0/2:c ");
  fake_.delay(FakeKafka::kListOffsets, 200ms, 4);
  const auto end = std::chrono::steady_clock::now() + 1s;
  while (std::chrono::steady_clock::now() < end) {
    put("d");
    reader.step();
    ASSERT_EQ(source_->trouble(), "");
  }
}

TEST_F(KafkaSourceTest, FewerPartitionsAreAnotherTopic) {
  fake_.create("orders", 1);
  open().remember(ShardId(1), Offset(1), mark_of({}));
  EXPECT_EQ(source_->shard_count(), 2);
  EXPECT_THAT(Reader(*source_).error(), HasSubstr("1 partitions, and 2 were read"));
}

TEST_F(KafkaSourceTest, AnotherClusterHasAnotherTopic) {
  fake_.create("orders", 1);
  put("abc");
  open().remember(ShardId(0), Offset(2), mark_of({.cluster = 12345}));
  EXPECT_THAT(Reader(*source_).error(), HasSubstr("it is a topic of another cluster"));
}

TEST_F(KafkaSourceTest, AnswersWithErrorsLoseNothing) {
  fake_.create("orders", 1);
  put("abc");
  Reader reader(open());
  EXPECT_EQ(reader.read(3), "0/0:a 0/1:b 0/2:c ");
  for (const int error :
       {RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_UNKNOWN, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
        RD_KAFKA_RESP_ERR_INVALID_MSG}) {
    fake_.fail(FakeKafka::kFetch, error, 1);
    fake_.fail(FakeKafka::kListOffsets, error, 1);
    put("d");
  }
  EXPECT_EQ(reader.read(10), "0/0:a 0/1:b 0/2:c 0/3:d 0/4:d 0/5:d 0/6:d 0/7:d 0/8:d 0/9:d ");
}

TEST_F(KafkaSourceTest, StartsWithoutBrokersAndGoesOnWhenTheyAreThere) {
  fake_.create("orders", 1);
  put("ab");
  fake_.set_down();
  options_.first_contact = 100ms;
  options_.ask_timeout = 200ms;
  auto& source = open();
  EXPECT_EQ(source.shard_count(), 0);
  EXPECT_THAT(source.trouble(), AllOf(HasSubstr("no broker of"), HasSubstr("`brokers`")));
  fake_.set_up();
  EXPECT_EQ(Reader(source).read(2), "0/0:a 0/1:b ");
  EXPECT_EQ(await_trouble(""), "");
}

TEST_F(KafkaSourceTest, SaysThatBrokersAreGoneAndGoesOn) {
  fake_.create("orders", 1);
  put("ab");
  options_.ask_timeout = 200ms;
  Reader reader(open());
  EXPECT_EQ(reader.read(2), "0/0:a 0/1:b ");
  EXPECT_EQ(source_->trouble(), "");
  fake_.set_down();
  EXPECT_THAT(await_trouble("no broker"), HasSubstr("no broker of"));
  fake_.set_up();
  put("c");
  EXPECT_EQ(reader.read(3), "0/0:a 0/1:b 0/2:c ");
}

TEST_F(KafkaSourceTest, SaysThatThereIsNoTopicAndGoesOnWhenThereIs) {
  fake_.set_topic_error("orders", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  EXPECT_THAT(open().trouble(),
              AllOf(HasSubstr("there is no topic 'orders'"), HasSubstr("Make it first")));
  fake_.set_topic_error("orders", RD_KAFKA_RESP_ERR_NO_ERROR);
  put("a");
  EXPECT_EQ(Reader(*source_).read(1), "0/0:a ");
}

TEST_F(KafkaSourceTest, SaysThatATopicMayNotBeRead) {
  fake_.set_topic_error("orders", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  EXPECT_THAT(open().trouble(), AllOf(HasSubstr("DESCRIBE and READ")));
}

TEST_F(KafkaSourceTest, ReadsMoreThanItMayHoldAtOnce) {
  fake_.create("orders", 2);
  options_.buffer_bytes_max = 128 << 10;
  const std::string large(50'000, 'x');
  for (int i = 0; i < 40; ++i) fake_.put("orders", i % 2, large);
  EXPECT_EQ(read_bytes(2, 40 * large.size()), 40 * large.size());
}

// librdkafka would look for room but once a second, and fetch two of these then: the queue is full
// whenever one looks.
TEST_F(KafkaSourceTest, FetchesAsSoonAsThereIsRoom) {
  fake_.create("orders", 1);
  options_.buffer_bytes_max = 64 << 10;
  const std::string large(50'000, 'x');
  for (int i = 0; i < 90; ++i) fake_.put("orders", 0, large);
  EXPECT_EQ(read_bytes(1, 90 * large.size(), 40ms), 90 * large.size());
}

TEST_F(KafkaSourceTest, ARecordLargerThanAnAnswerMayBeIsSaid) {
  fake_.create("orders", 1);
  options_.answer_bytes_max = 300'000;
  options_.buffer_bytes_max = 64 << 10;
  put("a");
  fake_.put("orders", 0, std::string(900'000, 'x'));
  open();
  EXPECT_THAT(await_trouble("receive.message.max.bytes"), HasSubstr("receive.message.max.bytes"));
}

TEST_F(KafkaSourceTest, RefusesWhatLibrdkafkaRefuses) {
  settings_.options["socket.timeout.ms"] = "soon";
  const auto wrong = try_open();
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().text(),
              AllOf(HasSubstr("source 'events'"), HasSubstr("socket.timeout.ms")));
  settings_.options = {};
  settings_.security = {.is_encrypted = true, .ca = "/nowhere/ca.pem"};
  const auto missing = try_open();
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().text(), HasSubstr("ca.location"));
}

TEST_F(KafkaSourceTest, RestsWithoutBrokers) {
  const auto resting =
      open_resting_kafka_source({.name = "events", .from = settings_}, disk_, options_.state_folder)
          .value();
  EXPECT_EQ(resting->incarnation(), "orders-1");
  EXPECT_EQ(resting->shard_count(), 0);
}

}  // namespace
}  // namespace millrace::source
