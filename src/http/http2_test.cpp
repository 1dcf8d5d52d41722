// Requests and answers over HTTP/2.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>

#include "http/compression.hpp"
#include "http/test_http2_client.hpp"
#include "http/workers.hpp"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::StartsWith;

Handler streaming(Workers& workers, std::function<void(BodyWriter&)> write) {
  return on_workers(workers, [write](const std::shared_ptr<Exchange>& exchange) {
    write(*exchange->start(200, {{"Content-Type", "text/plain"}}));
  });
}

TEST(Http2, AnswersEachMethod) {
  TestServer bench;
  for (const auto* const method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    bench.router.add(method, "/a", echo);
  }
  Http2Client client(bench.start());
  for (const std::string method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    const auto answer = client.send({.method = method, .target = "/a", .body = "b"});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, method + " /a b");
    EXPECT_TRUE(answer.is_whole());
  }
  const auto head = client.send({.method = "HEAD", .target = "/a"});
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.headers.value("content-length"), "8");
  EXPECT_EQ(head.body, "");
  EXPECT_TRUE(head.is_whole());
  const auto options = client.send({.method = "OPTIONS", .target = "/a"});
  EXPECT_EQ(options.headers.value("allow"), "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  EXPECT_EQ(client.send({.target = "/b"}).status, 404);
  EXPECT_EQ(client.send({.method = "TRACE", .target = "/a"}).status, 405);
}

TEST(Http2, GivesTheHandlerWhatItWouldGetOverHttp1) {
  TestServer bench;
  Request seen;
  bench.router.add("POST", "/v1/{name}/x", [&](const std::shared_ptr<Exchange>& exchange) {
    seen = exchange->request();
    exchange->answer({.status = 204});
  });
  Http2Client client(bench.start());
  const auto answer = client.send({.method = "POST",
                                   .target = "/v1/a%2Fb/x?q=1+2",
                                   .headers = {{"x-thing", "yes"}},
                                   .body = "hello"});
  EXPECT_EQ(answer.status, 204);
  EXPECT_TRUE(answer.is_whole());
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, "/v1/a%2Fb/x?q=1+2");
  EXPECT_EQ(seen.path_parameter("name"), "a/b");
  EXPECT_EQ(seen.query_parameter("q"), "1 2");
  EXPECT_EQ(seen.headers.value("Host"), "x");
  EXPECT_EQ(seen.headers.value("X-Thing"), "yes");
  EXPECT_EQ(seen.body, "hello");
  EXPECT_EQ(seen.body_bytes_sent, 5U);
  EXPECT_THAT(seen.peer, StartsWith("127.0.0.1:"));
}

TEST(Http2, SendsHeadersThatClientsOfHttp2Take) {
  TestServer bench;
  bench.router.add("GET", "/a", [](const std::shared_ptr<Exchange>& exchange) {
    exchange->answer({.status = 201,
                      .headers = {{"X-Echo", " a\r\nSet-Cookie: b "}, {"Connection", "close"}},
                      .body = "made"});
  });
  Http2Client client(bench.start());
  const auto answer = client.send({.target = "/a"});
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.headers.value("x-echo"), "a  Set-Cookie: b");
  EXPECT_EQ(answer.headers.value("content-length"), "4");
  EXPECT_THAT(std::string(answer.headers.value("date")), EndsWith(" GMT"));
  EXPECT_FALSE(answer.headers.has("connection"));
  EXPECT_TRUE(client.send({.target = "/a"}).is_whole());
}

TEST(Http2, AnswersAHundredRequestsAtOnce) {
  TestServer bench;
  Workers workers({.threads = 100});
  std::latch all(100);
  bench.router.add("POST", "/a", on_workers(workers, [&](const auto& exchange) {
                     all.arrive_and_wait();  // None is answered before all have come.
                     echo(exchange);
                   }));
  Http2Client client(bench.start());
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 100; ++i) {
    ids.push_back(client.submit({.method = "POST", .target = "/a", .body = std::to_string(i)}));
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(client.await(ids[i]).body, "POST /a " + std::to_string(i));
  }
  EXPECT_THAT(bench.metrics.exposition(),
              testing::HasSubstr("millrace_http_requests_total{method=\"POST\",route=\"/a\","
                                 "status=\"200\"} 100"));
  workers.stop();
}

TEST(Http2, CarriesLargeBodiesBothWays) {
  TestServer bench;
  bench.router.add("POST", "/a", echo);
  bench.start();
  std::string body(9'000'000, 'x');
  for (std::size_t i = 0; i < body.size(); i += 101) body[i] = static_cast<char>('a' + i % 23);
  const Request request{.method = "POST", .target = "/a", .body = body};
  for (const auto windows : {Http2Client::Windows::Credited, Http2Client::Windows::Boundless}) {
    Http2Client client(bench, windows);
    const auto first = client.submit(request);
    const auto second = client.submit(request);
    EXPECT_TRUE(client.await(first).body == "POST /a " + body);
    EXPECT_TRUE(client.await(second).body == "POST /a " + body);
  }
}

TEST(Http2, DecompressesBodies) {
  TestServer bench;
  bench.router.add("POST", "/a", echo);
  Http2Client client(bench.start());
  const std::string body(100'000, 'x');
  for (const auto encoding : {Encoding::Gzip, Encoding::Zstd}) {
    const auto answer =
        client.send({.method = "POST",
                     .target = "/a",
                     .headers = {{"content-encoding", std::string(name_of(encoding))}},
                     .body = compress(encoding, body)});
    EXPECT_EQ(answer.body, "POST /a " + body);
  }
}

TEST(Http2, SendsPiecesAsTheyCome) {
  TestServer bench;
  Workers workers({});
  std::promise<void> has_read;
  bench.router.add("GET", "/a", streaming(workers, [&](BodyWriter& writer) {
                     EXPECT_TRUE(writer.write("one"));
                     has_read.get_future().wait();
                     EXPECT_TRUE(writer.write(""));
                     EXPECT_TRUE(writer.write("two"));
                     EXPECT_TRUE(writer.finish());
                   }));
  Http2Client client(bench.start());
  const auto id = client.submit({.target = "/a"});
  const auto part = client.await(id, [](const auto& answer) { return answer.body == "one"; });
  EXPECT_EQ(part.headers.value("content-type"), "text/plain");
  EXPECT_FALSE(part.headers.has("transfer-encoding"));
  has_read.set_value();
  const auto answer = client.await(id);
  EXPECT_EQ(answer.body, "onetwo");
  EXPECT_TRUE(answer.is_whole());
  workers.stop();
}

TEST(Http2, SendsNoStreamedBodyForHeadAnd204) {
  TestServer bench({.unsent_bytes_max = 10});
  Workers workers({});
  bench.router.add("GET", "/a", streaming(workers, [](BodyWriter& writer) {
                     for (int i = 0; i < 10; ++i) EXPECT_TRUE(writer.write("0123456789"));
                     EXPECT_TRUE(writer.finish());
                   }));
  bench.router.add("GET", "/b", on_workers(workers, [](const std::shared_ptr<Exchange>& exchange) {
                     const auto writer = exchange->start(204, {});
                     for (int i = 0; i < 10; ++i) EXPECT_TRUE(writer->write("0123456789"));
                     EXPECT_TRUE(writer->finish());
                   }));
  Http2Client client(bench.start());
  const auto head = client.send({.method = "HEAD", .target = "/a"});
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body, "");
  EXPECT_TRUE(head.is_whole());
  const auto empty = client.send({.target = "/b"});
  EXPECT_EQ(empty.status, 204);
  EXPECT_TRUE(empty.is_whole());
  workers.stop();
}

TEST(Http2, HasAWriterWaitWhileTooMuchIsUnsent) {
  TestServer bench({.unsent_bytes_max = 100'000});
  Workers workers({});
  std::atomic<std::size_t> written = 0;
  constexpr std::size_t kPieces = 600;
  constexpr std::size_t kPieceBytes = 50'000;
  bench.router.add("GET", "/a", streaming(workers, [&](BodyWriter& writer) {
                     for (std::size_t i = 0; i < kPieces; ++i) {
                       EXPECT_TRUE(writer.write(std::string(kPieceBytes, 'x')));
                       written += kPieceBytes;
                     }
                     EXPECT_TRUE(writer.finish());
                   }));
  Http2Client client(bench.start());
  const auto id = client.submit({.target = "/a"});
  const auto answer = client.await(id, [&](const Http2Client::Answer& so_far) {
    EXPECT_LT(written.load(), so_far.body.size() + 20_MiB);
    return so_far.has_ended();
  });
  EXPECT_EQ(answer.body.size(), kPieces * kPieceBytes);
  EXPECT_TRUE(answer.is_whole());
  workers.stop();
}

TEST(Http2, LetsTheClientSeeThatAnAnswerIsIncomplete) {
  TestServer bench;
  Workers workers({});
  bench.router.add("GET", "/a", streaming(workers, [](BodyWriter& writer) {
                     EXPECT_TRUE(writer.write("one"));
                   }));
  bench.router.add("GET", "/b", [](const std::shared_ptr<Exchange>&) {});
  Http2Client client(bench.start());
  EXPECT_EQ(client.send({.target = "/a"}).end, NGHTTP2_INTERNAL_ERROR);
  EXPECT_EQ(client.send({.target = "/b"}).status, 500);
  workers.stop();
}

TEST(Http2, TellsTheHandlerWhenItsRequestIsResetAndNoOther) {
  TestServer bench;
  Workers workers({});
  std::promise<void> is_gone;
  std::promise<base::Code> write_error;
  bench.router.add("GET", "/a", on_workers(workers, [&](const std::shared_ptr<Exchange>& exchange) {
                     exchange->on_disconnect([&] { is_gone.set_value(); });
                     const auto writer = exchange->start(200, {});
                     EXPECT_TRUE(writer->write("one"));
                     is_gone.get_future().wait();
                     write_error.set_value(writer->write("more").error().code);
                   }));
  std::promise<void> go_on;
  bench.router.add("GET", "/b", streaming(workers, [&](BodyWriter& writer) {
                     go_on.get_future().wait();
                     EXPECT_TRUE(writer.write("still here"));
                     EXPECT_TRUE(writer.finish());
                   }));
  Http2Client client(bench.start());
  const auto other = client.submit({.target = "/b"});
  const auto id = client.submit({.target = "/a"});
  client.await(id, [](const auto& answer) { return answer.body == "one"; });
  client.reset(id);
  client.flush();
  EXPECT_EQ(write_error.get_future().get(), base::Code::Cancelled);
  go_on.set_value();
  EXPECT_EQ(client.await(other).body, "still here");
  workers.stop();
}

TEST(Http2, TellsAllHandlersWhenTheConnectionIsGone) {
  TestServer bench;
  std::latch came(3);
  std::latch gone(3);
  std::mutex mutex;
  std::vector<std::shared_ptr<Exchange>> held;
  bench.router.add("GET", "/a", [&](std::shared_ptr<Exchange> exchange) {
    exchange->on_disconnect([&] { gone.count_down(); });
    const std::lock_guard lock(mutex);
    held.push_back(std::move(exchange));
    came.count_down();
  });
  bench.start();
  {
    Http2Client client(bench);
    for (int i = 0; i < 3; ++i) client.submit({.target = "/a"});
    client.flush();
    came.wait();
  }
  gone.wait();
  held.clear();  // To nobody.
  while (bench.metrics.exposition().find("millrace_http_connections 0") == std::string::npos) {
  }
}

TEST(Http2, SpeaksBothVersionsOnOnePort) {
  TestServer bench;
  bench.router.add("GET", "/a", echo);
  Http2Client two(bench.start());
  auto one = bench.client();
  EXPECT_EQ(two.send({.target = "/a"}).body, "GET /a ");
  EXPECT_EQ(one.send({.target = "/a"}).value_or({}).body, "GET /a ");
  EXPECT_EQ(two.send({.target = "/a"}).body, "GET /a ");
}

TEST(Http2Stop, SaysGoodByeAndLetsBegunAnswersFinish) {
  TestServer bench;
  Workers workers({});
  std::promise<void> go_on;
  bench.router.add("GET", "/a", streaming(workers, [&](BodyWriter& writer) {
                     EXPECT_TRUE(writer.write("one"));
                     go_on.get_future().wait();
                     EXPECT_TRUE(writer.write("two"));
                     EXPECT_TRUE(writer.finish());
                   }));
  bench.router.add("POST", "/a", echo);
  Http2Client client(bench.start());
  Http2Client idle(bench);
  ASSERT_TRUE(idle.read_some());  // it is known as HTTP/2 now
  const auto half = client.submit({.method = "POST", .target = "/a"}, Http2Client::Body::Open);
  const auto id = client.submit({.target = "/a"});
  client.await(id, [](const auto& answer) { return answer.body == "one"; });
  std::jthread stopping([&] { bench.server().stop(Drain::Gently); });
  EXPECT_EQ(idle.await_goaway(), NGHTTP2_NO_ERROR);
  while (!client.has_goaway()) ASSERT_TRUE(client.read_some());
  go_on.set_value();
  const auto answer = client.await(id);
  EXPECT_EQ(answer.body, "onetwo");
  EXPECT_TRUE(answer.is_whole());
  EXPECT_EQ(client.await(half).status, 503);
  client.await_goaway();
  client.close();
  stopping.join();
  workers.stop();
}

TEST(Http2Stop, NowCutsAllStreams) {
  TestServer bench;
  std::promise<std::shared_ptr<Exchange>> came;
  std::promise<void> is_gone;
  bench.router.add("GET", "/a", [&](std::shared_ptr<Exchange> exchange) {
    exchange->on_disconnect([&] { is_gone.set_value(); });
    came.set_value(std::move(exchange));
  });
  Http2Client client(bench.start());
  const auto id = client.submit({.target = "/a"});
  client.flush();
  const auto exchange = came.get_future().get();
  bench.server().stop(Drain::Now);
  is_gone.get_future().wait();
  EXPECT_FALSE(client.await(id).has_ended());
  exchange->answer({});  // To nobody.
}

}  // namespace
}  // namespace millrace::http
