#include "http/server.hpp"

#include <gtest/gtest.h>

#include <latch>

#include "http/compression.hpp"
#include "http/test_server.hpp"
#include "http/workers.hpp"

namespace millrace::http {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(Server, AnswersAGet) {
  TestServer bench;
  bench.router.add("GET", "/hello", echo);
  const auto response = bench.start().get("/hello");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "GET /hello ");
  EXPECT_EQ(response.headers.value("Content-Length"), "11");
  EXPECT_THAT(std::string(response.headers.value("Date")), testing::EndsWith(" GMT"));
}

TEST(Server, KeepsTheConnectionForManyRequests) {
  TestServer bench;
  bench.router.add("POST", "/a", echo);
  auto client = bench.start().client();
  for (int i = 0; i < 100; ++i) {
    const auto body = std::to_string(i);
    const auto response = client.send({.method = "POST", .target = "/a", .body = body});
    ASSERT_TRUE(response.has_value()) << response.error().text();
    ASSERT_EQ(response->body, "POST /a " + body);
  }
}

TEST(Server, GivesTheHandlerWhatTheClientSent) {
  TestServer bench;
  Request seen;
  bench.router.add("POST", "/v1/{name}/x", [&](const std::shared_ptr<Exchange>& exchange) {
    seen = exchange->request();
    exchange->answer({.status = 204});
  });
  const auto response = bench.start().send({.method = "POST",
                                            .target = "/v1/a%2Fb/x?q=1+2&r=%41",
                                            .headers = {{"X-Thing", "yes"}},
                                            .body = "hello"});
  EXPECT_EQ(response.status, 204);
  EXPECT_EQ(seen.path_parameter("name"), "a/b");
  EXPECT_EQ(seen.query_parameter("q"), "1 2");
  EXPECT_EQ(seen.query_parameter("r"), "A");
  EXPECT_EQ(seen.query_parameter("s"), std::nullopt);
  EXPECT_EQ(seen.headers.value("x-thing"), "yes");
  EXPECT_EQ(seen.body, "hello");
  EXPECT_EQ(seen.body_bytes_sent, 5U);
  EXPECT_THAT(seen.peer, StartsWith("127.0.0.1:"));
}

TEST(Server, AnswersHeadWithoutTheBody) {
  TestServer bench;
  bench.router.add("GET", "/a", echo);
  RawConnection raw(bench.start());
  raw.send("HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const auto answer = raw.read_all();
  EXPECT_THAT(answer, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\n"));
}

TEST(Server, DecompressesBodies) {
  TestServer bench;
  bench.router.add("POST", "/a", echo);
  bench.start();
  const std::string body(100'000, 'x');
  for (const auto encoding : {Encoding::Gzip, Encoding::Zstd}) {
    const auto response =
        bench.send({.method = "POST",
                    .target = "/a",
                    .headers = {{"Content-Encoding", std::string(name_of(encoding))}},
                    .body = compress(encoding, body)});
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "POST /a " + body);
  }
}

TEST(Server, ReadsAChunkedBodyThatComesByteByByte) {
  TestServer bench;
  bench.router.add("POST", "/a", echo);
  RawConnection raw(bench.start());
  const std::string request =
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "5;name=value\r\nhello\r\n1\r\n,\r\n6\r\n world\r\n0\r\nX-Trailer: ignored\r\n\r\n";
  for (const char c : request) raw.send({&c, 1});
  EXPECT_THAT(raw.read_all(), testing::EndsWith("\r\n\r\nPOST /a hello, world"));
}

TEST(Server, AnswersPipelinedRequestsInTheirOrder) {
  TestServer bench;
  Workers workers({.threads = 4});
  bench.router.add("POST", "/now", echo);
  bench.router.add("POST", "/later", on_workers(workers, echo));
  RawConnection raw(bench.start());
  std::string requests;
  for (int i = 0; i < 50; ++i) {
    requests += std::string("POST ") + (i % 3 == 0 ? "/later" : "/now") +
                " HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n" + std::to_string(1000 + i);
  }
  raw.send(requests);
  for (int i = 0; i < 50; ++i) {
    const auto answer = raw.read_until(std::to_string(1000 + i));
    EXPECT_EQ(std::ranges::count(answer, '\n'), 4) << answer;
  }
  workers.stop();
}

TEST(Server, SendsContinueWhenItIsWaitedFor) {
  TestServer bench;
  bench.router.add("POST", "/a", echo);
  RawConnection raw(bench.start());
  raw.send("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(raw.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  raw.send("ab");
  EXPECT_THAT(raw.read_until("POST /a ab"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(Server, ClosesAfterAnHttp10RequestUnlessToldToKeep) {
  TestServer bench;
  bench.router.add("GET", "/a", echo);
  RawConnection raw(bench.start());
  raw.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(raw.read_until("GET /a "), HasSubstr("Connection: keep-alive\r\n"));
  raw.send("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_THAT(raw.read_all(), HasSubstr("Connection: close\r\n"));
}

TEST(Server, AnswersAClientThatClosedItsSendingSide) {
  TestServer bench;
  bench.router.add("GET", "/a", echo);
  RawConnection raw(bench.start());
  raw.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  raw.end_sending();
  EXPECT_THAT(raw.read_all(), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(Server, AnswersWith500WhenTheHandlerGivesUp) {
  TestServer bench;
  bench.router.add("GET", "/a", [](const std::shared_ptr<Exchange>&) {});
  EXPECT_EQ(bench.start().get("/a").status, 500);
}

TEST(Server, KeepsHandlersFromAddingHeaderLines) {
  TestServer bench;
  bench.router.add("GET", "/a", [](const std::shared_ptr<Exchange>& exchange) {
    exchange->answer({.headers = {{"X-Echo", "a\r\nSet-Cookie: b"}}});
  });
  const auto response = bench.start().get("/a");
  EXPECT_FALSE(response.headers.has("Set-Cookie"));
  EXPECT_EQ(response.headers.value("X-Echo"), "a  Set-Cookie: b");
}

TEST(Server, ServesAHundredConnectionsAtOnce) {
  TestServer bench;
  constexpr int kConnections = 100;
  std::latch all_came(kConnections);
  Workers workers({.threads = kConnections});
  // No answer before all requests came.
  bench.router.add("POST", "/a",
                   on_workers(workers, [&](const std::shared_ptr<Exchange>& exchange) {
                     all_came.arrive_and_wait();
                     echo(exchange);
                   }));
  bench.start();
  std::vector<std::jthread> threads;
  for (int i = 0; i < kConnections; ++i) {
    threads.emplace_back([&, i] {
      const auto body = std::to_string(i);
      EXPECT_EQ(bench.send({.method = "POST", .target = "/a", .body = body}).body,
                "POST /a " + body);
    });
  }
  threads.clear();
  workers.stop();
}

TEST(Server, SaysThatThePortIsInUse) {
  TestServer bench;
  bench.start();
  base::Metrics metrics;
  auto log = base::EventLog::silent();
  const base::SystemClock clock;
  const auto second = Server::start({.port = bench.server().port()}, echo, clock, {log, metrics});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, base::Code::Unavailable);
  EXPECT_THAT(second.error().message,
              HasSubstr("port " + std::to_string(bench.server().port()) + " is in use"));
}

TEST(Server, RefusesAnAddressThatIsNotOurs) {
  base::Metrics metrics;
  auto log = base::EventLog::silent();
  const base::SystemClock clock;
  for (const std::string host : {"192.0.2.1", "no such host"}) {
    const auto server = Server::start({.host = host, .port = 0}, echo, clock, {log, metrics});
    ASSERT_FALSE(server.has_value());
    EXPECT_EQ(server.error().code, base::Code::Invalid);
    EXPECT_THAT(server.error().message, HasSubstr(host));
  }
}

TEST(Server, RefusesASettingOutOfRange) {
  base::Metrics metrics;
  auto log = base::EventLog::silent();
  const base::SystemClock clock;
  const auto server = Server::start({.port = 0, .threads = 0}, echo, clock, {log, metrics});
  ASSERT_FALSE(server.has_value());
  EXPECT_EQ(server.error().text(), "the server's threads is 0, but must be from 1 to 256");
}

TEST(Server, CountsRequestsByRouteAndStatus) {
  TestServer bench;
  bench.router.add("GET", "/a/{b}", echo);
  bench.start();
  bench.get("/a/1");
  bench.get("/a/2");
  bench.get("/other");
  bench.server().stop(Drain::Gently);
  const auto text = bench.metrics.exposition();
  EXPECT_THAT(text, HasSubstr("millrace_http_requests_total{method=\"GET\",route=\"/a/{b}\","
                              "status=\"200\"} 2"));
  EXPECT_THAT(text, HasSubstr("millrace_http_requests_total{method=\"GET\",route=\"none\","
                              "status=\"404\"} 1"));
  EXPECT_THAT(text, HasSubstr("millrace_http_connections 0"));
  EXPECT_THAT(text, HasSubstr("millrace_http_request_seconds_count{route=\"/a/{b}\"} 2"));
}

TEST(Loopback, IsKnownByNameAndAddress) {
  for (const auto* host : {"localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"}) {
    EXPECT_TRUE(is_loopback(host)) << host;
  }
  for (const auto* host : {"0.0.0.0", "::", "example.com", "10.0.0.1", ""}) {
    EXPECT_FALSE(is_loopback(host)) << host;
  }
}

}  // namespace
}  // namespace millrace::http
