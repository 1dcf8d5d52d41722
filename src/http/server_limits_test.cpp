// What the server does to clients that send too much, too slowly, or nonsense.
#include <gtest/gtest.h>

#include "http/compression.hpp"
#include "http/test_server.hpp"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

// What a server with these options says to `bytes`, until it closes the connection.
std::string answer_to(const ServerOptions& options, std::string_view bytes) {
  TestServer bench(options);
  bench.router.add("POST", "/a", echo);
  RawConnection raw(bench.start());
  raw.send(bytes);
  return raw.read_all();
}

TEST(ServerLimits, RefusesSmugglingAndClosesTheConnection) {
  TestServer bench;
  int calls = 0;
  bench.router.add("POST", "/a", [&](const std::shared_ptr<Exchange>& exchange) {
    ++calls;
    echo(exchange);
  });
  RawConnection raw(bench.start());
  raw.send(
      "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\n\r\nPOST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
  const auto answer = raw.read_all();
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 Bad Request\r\n"));
  EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(answer, HasSubstr(R"({"error":{"code":"ambiguous_length","message":)"));
  bench.server().stop(Drain::Now);
  EXPECT_EQ(calls, 0);
}

TEST(ServerLimits, LetsAClientThatStillSendsReadWhyItIsRefused) {
  TestServer bench;
  bench.router.add("POST", "/a", echo);
  bench.start();
  const auto response =
      bench.send({.method = "POST", .target = "/a", .body = std::string(20'000'000, 'x')});
  EXPECT_EQ(response.status, 413);
  EXPECT_THAT(response.body, HasSubstr("20000000 bytes; 16777216 are taken"));
}

TEST(ServerLimits, RefusesAGzipBomb) {
  TestServer bench;
  bench.router.add("POST", "/a", echo);
  bench.start();
  const auto response =
      bench.send({.method = "POST",
                  .target = "/a",
                  .headers = {{"Content-Encoding", "gzip"}},
                  .body = compress(Encoding::Gzip, std::string(50'000'000, 'x'))});
  EXPECT_EQ(response.status, 413);
  EXPECT_THAT(response.body, HasSubstr("more than 100 times its size"));
}

TEST(ServerLimits, SaysWhichEncodingsItTakes) {
  const auto answer = answer_to({}, "POST /a HTTP/1.1\r\nHost: x\r\nContent-Encoding: br\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 415 "));
  EXPECT_THAT(answer, HasSubstr("Accept-Encoding: gzip, zstd\r\n"));
}

TEST(ServerLimits, RefusesAnOversizedHeader) {
  const auto answer =
      answer_to({}, "GET /a HTTP/1.1\r\nHost: x\r\nX-A: " + std::string(100'000, 'x') + "\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 431 "));
}

TEST(ServerLimits, RefusesAHeadThatComesTooSlowly) {
  EXPECT_THAT(answer_to({.deadlines = {.header = 50ms}}, "GET /a HTTP/1.1\r\nHost:"),
              StartsWith("HTTP/1.1 408 "));
}

TEST(ServerLimits, RefusesABodyThatComesTooSlowly) {
  const std::string part = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nabc";
  EXPECT_THAT(answer_to({.deadlines = {.body = 50ms}}, part), StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(answer_to({.deadlines = {.body_grace = 50ms}}, part), StartsWith("HTTP/1.1 408 "));
}

TEST(ServerLimits, ClosesAnIdleConnectionWithoutAWord) {
  EXPECT_EQ(answer_to({.deadlines = {.idle = 50ms}}, ""), "");
  EXPECT_THAT(answer_to({.deadlines = {.idle = 50ms}},
                        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"),
              testing::EndsWith("\r\n\r\nPOST /a ok"));
}

TEST(ServerLimits, GivesUpAClientThatTakesNothing) {
  TestServer bench({.deadlines = {.write_stall = 50ms}});
  std::promise<void> is_gone;
  bench.router.add("GET", "/a", [&](const std::shared_ptr<Exchange>& exchange) {
    exchange->on_disconnect([&] { is_gone.set_value(); });
    std::thread([writer = exchange->start(200, {})] {
      while (writer->write(std::string(100'000, 'x'))) {
      }
    }).detach();
  });
  RawConnection raw(bench.start());
  raw.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  is_gone.get_future().wait();  // Nothing is read: it can only end by the deadline.
}

TEST(ServerLimits, AnswersATruncatedRequest) {
  for (const auto* const part :
       {"POST /a HT", "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab"}) {
    TestServer bench;
    bench.router.add("POST", "/a", echo);
    RawConnection raw(bench.start());
    raw.send(part);
    raw.end_sending();
    EXPECT_THAT(raw.read_all(), StartsWith("HTTP/1.1 400 ")) << part;
  }
}

TEST(ServerLimits, RefusesForeignHosts) {
  const ServerOptions options{.hosts_allowed = loopback_hosts()};
  EXPECT_THAT(answer_to(options, "POST /a HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
              StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(answer_to(options,
                        "POST /a HTTP/1.1\r\nHost: localhost:1\r\n"
                        "Connection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 200 "));
}

TEST(ServerLimits, TellsAConnectionTooMany) {
  TestServer bench({.connections_max = 2});
  bench.router.add("GET", "/a", echo);
  bench.start();
  auto first = bench.client();
  ASSERT_TRUE(first.send({.target = "/a"}).has_value());
  {
    auto second = bench.client();
    ASSERT_TRUE(second.send({.target = "/a"}).has_value());
    RawConnection third(bench);
    const auto answer = third.read_all();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(answer, HasSubstr("Retry-After: 1\r\n"));
  }
  // Those that are served are not disturbed, and the place of one that went is free again.
  EXPECT_TRUE(first.send({.target = "/a"}).has_value());
  while (bench.client().send({.target = "/a"}).value_or({}).status != 200) {
  }
}

TEST(ServerLimits, BoundsTheBodiesInFlight) {
  TestServer bench({.bodies_bytes_max = 100'000});
  std::vector<std::shared_ptr<Exchange>> held;
  std::mutex mutex;
  std::promise<void> is_held;
  bench.router.add("POST", "/hold", [&](std::shared_ptr<Exchange> exchange) {
    const std::lock_guard lock(mutex);
    held.push_back(std::move(exchange));
    is_held.set_value();
  });
  bench.router.add("POST", "/a", echo);
  RawConnection raw(bench.start());
  raw.send("POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" +
           std::string(70'000, 'x'));
  is_held.get_future().wait();
  const Request request{.method = "POST", .target = "/a", .body = std::string(70'000, 'y')};
  const auto refused = bench.send(request);
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.value("Retry-After"), "1");
  {
    const std::lock_guard lock(mutex);
    held.clear();
  }
  EXPECT_EQ(bench.send(request).status, 200);
}

}  // namespace
}  // namespace millrace::http
