#include "verify/sender.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <mutex>
#include <thread>

#include "http/server.hpp"

namespace millrace::verify {
namespace {

using namespace std::chrono_literals;
using base::Code;
using base::Offset;
using base::ShardId;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

OffsetRange range(std::int64_t shard, std::int64_t first, std::int64_t end) {
  return {ShardId(shard), Offset(first), Offset(end)};
}

std::uint64_t lines_of(const std::string& text) {
  return static_cast<std::uint64_t>(std::ranges::count(text, '\n'));
}

/// A server that keeps what it is sent and answers as it is told.
class Receiver {
 public:
  using Answer = std::function<http::Response(const http::Request&, std::size_t attempt)>;

  explicit Receiver(Answer answer = {}) : answer_(std::move(answer)) {
    http::ServerOptions options;
    options.port = 0;
    server_ = http::Server::start(options, [this](const auto& exchange) { take(*exchange); },
                                  clock_, {log_, metrics_})
                  .value();
  }
  ~Receiver() { server_->stop(http::Drain::Now); }

  std::uint16_t port() const { return server_->port(); }
  std::vector<http::Request> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  /// An acknowledgement of all records of a body of JSON.
  static http::Response acknowledged(const http::Request& request, std::uint64_t first = 0) {
    const auto count = lines_of(request.body);
    return http::json(200, R"({"records":)" + std::to_string(count) +
                               R"(,"shards":[{"shard":0,"first":)" + std::to_string(first) +
                               R"(,"end":)" + std::to_string(first + count) + "}]}");
  }

 private:
  void take(http::Exchange& exchange) {
    std::size_t attempt = 0;
    std::uint64_t first = 0;
    {
      std::lock_guard lock(mutex_);
      attempt = requests_.size();
      requests_.push_back(exchange.request());
      first = next_;
      next_ += lines_of(exchange.request().body);
    }
    exchange.answer(answer_ ? answer_(exchange.request(), attempt)
                            : acknowledged(exchange.request(), first));
  }

  const Answer answer_;
  base::SystemClock clock_;
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  mutable std::mutex mutex_;
  std::vector<http::Request> requests_;  // Guarded by mutex_.
  std::uint64_t next_ = 0;               // Guarded by mutex_.
  std::unique_ptr<http::Server> server_;
};

class Sender : public testing::Test {
 protected:
  Generator generator(double rate = 10'000, const std::string& dataset = "orders") const {
    return Generator::make({.dataset = dataset, .start = clock_.now(), .records_per_second = rate})
        .value();
  }
  SendReport send(const Generator& generator, SendOptions options) const {
    return send_records(generator, options, clock_).value();
  }

  base::SystemClock clock_;
};

TEST_F(Sender, DeliversEveryRecordOnceAndCountsItsPosition) {
  const Receiver receiver;
  const Generator made = generator();
  const SendReport report =
      send(made, {.port = receiver.port(), .count = 500, .records_per_body = 7, .connections = 4});
  EXPECT_EQ(report.records_sent, 500U);
  EXPECT_EQ(report.records_acknowledged, 500U);
  EXPECT_EQ(report.records_failed, 0U);
  EXPECT_EQ(report.calm.count(), 500U);
  EXPECT_THAT(report.acknowledged, ElementsAre(range(0, 0, 500)));
  std::vector<std::string> lines, expected;
  for (const auto& request : receiver.requests()) {
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/v1/streams/orders/records");
    EXPECT_EQ(request.headers.value("content-type"), "application/x-ndjson");
    EXPECT_LE(lines_of(request.body), 7U);
    for (std::size_t at = 0; at < request.body.size();) {
      const auto end = request.body.find('\n', at);
      lines.push_back(request.body.substr(at, end - at));
      at = end + 1;
    }
  }
  Generator again = made;
  Label label;
  for (std::uint64_t i = 0; i < 500; ++i) again.write(i, label, expected.emplace_back());
  std::ranges::sort(lines);
  std::ranges::sort(expected);
  EXPECT_EQ(lines, expected);
}

TEST_F(Sender, ABodyWaitsForOthersOnlyAsLongAsItLingers) {
  const Receiver receiver;
  // 20 ms between two records, so that none finds another within 10 ms.
  send(generator(50), {.port = receiver.port(), .count = 5, .records_per_body = 100});
  EXPECT_THAT(receiver.requests(), SizeIs(5));
}

TEST_F(Sender, EveryBodyOfCsvHasTheHeader) {
  const Receiver receiver([](const http::Request& request, std::size_t) {
    const auto count = lines_of(request.body) - 1;
    return http::json(200,
                      R"({"shards":[{"shard":0,"first":0,"end":)" + std::to_string(count) + "}]}");
  });
  const SendReport report =
      send(generator(10'000, "payments"),
           {.port = receiver.port(), .stream = "payments", .count = 20, .records_per_body = 5});
  EXPECT_EQ(report.records_acknowledged, 20U);
  ASSERT_THAT(receiver.requests(), testing::Not(IsEmpty()));
  for (const auto& request : receiver.requests()) {
    EXPECT_TRUE(request.body.starts_with("payment_id,"));
    EXPECT_EQ(request.headers.value("Content-Type"), "text/csv");
  }
}

TEST_F(Sender, SendsTheSameBodyAgainWhenToldToComeLater) {
  const Receiver receiver([](const http::Request& request, std::size_t attempt) {
    http::Response later = http::problem(attempt == 0 ? 429 : 503, "exhausted", "slow down");
    later.headers.add("Retry-After", "0");
    return attempt < 2 ? later : Receiver::acknowledged(request);
  });
  const SendReport report = send(generator(), {.port = receiver.port(), .count = 1});
  EXPECT_EQ(report.records_sent, 1U);
  EXPECT_EQ(report.records_acknowledged, 1U);
  EXPECT_EQ(report.slow_downs, 2U);
  EXPECT_EQ(report.resent_unsure, 0U);
  const auto requests = receiver.requests();
  ASSERT_THAT(requests, SizeIs(3));
  EXPECT_EQ(requests[0].body, requests[1].body);
  EXPECT_EQ(requests[0].body, requests[2].body);
}

TEST_F(Sender, HonoursRetryAfter) {
  const Receiver receiver([](const http::Request& request, std::size_t attempt) {
    http::Response later = http::problem(429, "exhausted", "slow down");
    later.headers.add("Retry-After", "1");
    return attempt < 1 ? later : Receiver::acknowledged(request);
  });
  const SendReport report = send(generator(), {.port = receiver.port(), .count = 1});
  EXPECT_GE(report.elapsed, 1s);
  EXPECT_EQ(report.records_acknowledged, 1U);
}

TEST_F(Sender, AServersFaultLeavesItUnsureAndIsTriedAgain) {
  const Receiver receiver([](const http::Request& request, std::size_t attempt) {
    return attempt < 1 ? http::problem(500, "unknown", "oops") : Receiver::acknowledged(request);
  });
  const SendReport report = send(generator(), {.port = receiver.port(), .count = 1});
  EXPECT_EQ(report.records_acknowledged, 1U);
  EXPECT_EQ(report.resent_unsure, 1U);
}

TEST_F(Sender, ARefusedBodyIsNotSentAgain) {
  const Receiver receiver([](const http::Request&, std::size_t) {
    return http::problem(400, "invalid", "no record at byte 7");
  });
  const SendReport report = send(
      generator(), {.port = receiver.port(), .count = 3, .records_per_body = 3, .connections = 1});
  EXPECT_EQ(report.records_failed, 3U);
  EXPECT_EQ(report.records_acknowledged, 0U);
  EXPECT_THAT(receiver.requests(), SizeIs(report.failed.size()));
  EXPECT_THAT(report.errors.front(), HasSubstr("no record at byte 7"));
}

TEST_F(Sender, AnAcknowledgementOfFewerRecordsIsNone) {
  const Receiver receiver([](const http::Request&, std::size_t) {
    return http::json(200, R"({"records":1,"shards":[{"shard":0,"first":0,"end":1}]})");
  });
  const SendReport report = send(
      generator(1'000'000),
      {.port = receiver.port(), .count = 4, .records_per_body = 4, .linger = 1s, .connections = 1});
  EXPECT_EQ(report.records_failed, 4U);
  EXPECT_THAT(report.errors.front(), HasSubstr("is of 1 records, not of 4"));
}

TEST_F(Sender, GivesUpWhereNobodyListens) {
  std::uint16_t port = 0;
  {
    const Receiver gone;
    port = gone.port();
  }
  const SendReport report =
      send(generator(), {.port = port, .count = 2, .connections = 1, .give_up_after = 200ms});
  EXPECT_EQ(report.records_failed, 2U);
  EXPECT_THAT(report.failed, SizeIs(2));
  EXPECT_THAT(report.errors.front(), HasSubstr("given up"));
}

TEST_F(Sender, WaitingForASlowServerCountsIntoTheLatency) {
  const Receiver receiver([](const http::Request& request, std::size_t) {
    std::this_thread::sleep_for(20ms);
    return Receiver::acknowledged(request);
  });
  // Due within 20 ms, but one connection needs 20 ms for each: the last waits for the 19 before it.
  const SendReport report =
      send(generator(1'000), {.port = receiver.port(), .count = 20, .connections = 1});
  EXPECT_GE(report.calm.max(), 380ms);
  EXPECT_GE(report.behind_max, 360ms);
}

TEST_F(Sender, TellsTheBurstFromTheCalm) {
  const Receiver receiver;
  const Generator made =
      Generator::make({.start = clock_.now(),
                       .records_per_second = 1'000,
                       .bursts = {{.factor = 10, .start = 20ms, .length = 20ms}}})
          .value();
  const SendReport report = send(made, {.port = receiver.port(), .count = 240});
  EXPECT_EQ(report.calm.count(), 40U);
  EXPECT_EQ(report.burst.count(), 200U);
}

TEST_F(Sender, StopsWhenAsked) {
  const Receiver receiver;
  std::stop_source stop;
  const auto on_sent = [&](const SendReport& report) {
    if (report.records_acknowledged > 10) stop.request_stop();
  };
  const auto report =
      send_records(generator(500), {.port = receiver.port()}, clock_, stop.get_token(), on_sent);
  ASSERT_TRUE(report);
  EXPECT_GT(report->records_acknowledged, 10U);
}

TEST_F(Sender, RefusesOptionsOutOfRange) {
  EXPECT_EQ(send_records(generator(), {.connections = 0}, clock_).error().code, Code::Invalid);
  EXPECT_EQ(send_records(generator(), {.records_per_body = 0}, clock_).error().code, Code::Invalid);
}

TEST(Acknowledgement, IsReadAndChecked) {
  const auto good = read_acknowledgement(
      R"({"records":5,"shards":[{"shard":0,"first":17,"end":20},{"shard":1,"first":0,"end":2}]})",
      5);
  ASSERT_TRUE(good);
  EXPECT_THAT(*good, ElementsAre(range(0, 17, 20), range(1, 0, 2)));
  for (const char* bad :
       {"", "ok", "[]", "{}", R"({"shards":5})", R"({"shards":[5]})",
        R"({"shards":[{"shard":0,"first":17}]})", R"({"shards":[{"shard":0,"first":9,"end":4}]})",
        R"({"shards":[{"shard":-1,"first":0,"end":5}]})",
        R"({"shards":[{"shard":0,"first":0,"end":6}]})"}) {
    const auto read = read_acknowledgement(bad, 5);
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().code, Code::Corrupt);
  }
}

TEST(OffsetRanges, AreJoined) {
  EXPECT_THAT(joined({range(1, 5, 6), range(0, 3, 5), range(0, 0, 3), range(0, 7, 8)}),
              ElementsAre(range(0, 0, 5), range(0, 7, 8), range(1, 5, 6)));
  EXPECT_THAT(joined({}), IsEmpty());
}

}  // namespace
}  // namespace millrace::verify
