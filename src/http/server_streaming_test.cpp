// Answers that are sent piece by piece, clients that go away, and stops in the middle.
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "http/test_server.hpp"
#include "http/workers.hpp"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// A handler that has `write` give the body, on a worker.
Handler streaming(Workers& workers, std::function<void(BodyWriter&)> write) {
  return on_workers(workers, [write](const std::shared_ptr<Exchange>& exchange) {
    write(*exchange->start(200, {{"Content-Type", "text/plain"}}));
  });
}

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

TEST(ServerStreaming, SendsPiecesAsTheyCome) {
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
  RawConnection raw(bench.start());
  raw.send(kGet);
  EXPECT_THAT(raw.read_until("one\r\n"),
              HasSubstr("Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n"));
  has_read.set_value();
  EXPECT_EQ(raw.read_until("0\r\n\r\n"), "3\r\ntwo\r\n0\r\n\r\n");
  workers.stop();
}

TEST(ServerStreaming, KeepsTheConnectionAfterAStreamedAnswer) {
  TestServer bench;
  Workers workers({});
  bench.router.add("GET", "/a", streaming(workers, [](BodyWriter& writer) {
                     EXPECT_TRUE(writer.write("x"));
                     EXPECT_TRUE(writer.finish());
                   }));
  auto client = bench.start().client();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client.send({.target = "/a"}).value_or({}).body, "x");
  workers.stop();
}

TEST(ServerStreaming, SendsNoBodyForHeadAnd204) {
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
  RawConnection raw(bench.start());
  raw.send(
      "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n"
      "Connection: close\r\n\r\n");
  EXPECT_THAT(raw.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK\r\n"));
  const auto second = raw.read_all();
  EXPECT_THAT(second, StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(second, EndsWith("Connection: close\r\n\r\n"));
  workers.stop();
}

TEST(ServerStreaming, EndsTheAnswerToAnHttp10ClientWithTheConnection) {
  TestServer bench;
  Workers workers({});
  bench.router.add("GET", "/a", streaming(workers, [](BodyWriter& writer) {
                     EXPECT_TRUE(writer.write("one"));
                     EXPECT_TRUE(writer.finish());
                   }));
  RawConnection raw(bench.start());
  raw.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(raw.read_all(), EndsWith("Connection: close\r\n\r\none"));
  workers.stop();
}

TEST(ServerStreaming, LetsTheClientSeeThatAnAnswerIsIncomplete) {
  TestServer bench;
  Workers workers({});
  bench.router.add("GET", "/a", streaming(workers, [](BodyWriter& writer) {
                     EXPECT_TRUE(writer.write("one"));
                   }));
  auto client = bench.start().client();
  const auto answer = client.send({.target = "/a"});
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, base::Code::Unavailable);
  EXPECT_THAT(answer.error().message, HasSubstr("within its answer"));
  workers.stop();
}

TEST(ServerStreaming, WaitsWhileTooMuchIsUnsent) {
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
  auto client = bench.start().client();
  std::size_t received = 0;
  const auto head = client.stream(
      {.target = "/a"}, [&](const ResponseHead&, std::string_view piece) -> base::Result<void> {
        received += piece.size();
        // Beyond what was received there are only the sockets' buffers and what may be unsent.
        EXPECT_LT(written.load(), received + 20_MiB);
        return {};
      });
  EXPECT_TRUE(head.has_value());
  EXPECT_EQ(received, kPieces * kPieceBytes);
  workers.stop();
}

TEST(ServerStreaming, TellsTheHandlerWhenTheClientGoesAway) {
  TestServer bench;
  Workers workers({});
  std::promise<void> is_gone;
  std::promise<base::Code> write_error;
  bench.router.add("GET", "/a", on_workers(workers, [&](const std::shared_ptr<Exchange>& exchange) {
                     exchange->on_disconnect([&] { is_gone.set_value(); });
                     const auto writer = exchange->start(200, {});
                     EXPECT_TRUE(writer->write("one"));
                     is_gone.get_future().wait();
                     // A closed sending side alone is no error yet; the reset that follows is.
                     for (;;) {
                       auto written = writer->write("more");
                       if (!written) return write_error.set_value(written.error().code);
                     }
                   }));
  RawConnection raw(bench.start());
  raw.send(kGet);
  raw.read_until("one");
  raw.close();
  EXPECT_EQ(write_error.get_future().get(), base::Code::Cancelled);
  workers.stop();
}

TEST(ServerStreaming, CallsAtOnceIfTheClientIsGoneAlready) {
  TestServer bench;
  Workers workers({});
  std::promise<std::shared_ptr<Exchange>> came;
  std::promise<void> is_gone;
  bench.router.add("GET", "/a", [&](std::shared_ptr<Exchange> exchange) {
    exchange->on_disconnect([&] { is_gone.set_value(); });
    came.set_value(std::move(exchange));
  });
  {
    RawConnection raw(bench.start());
    raw.send(kGet);
  }
  const auto exchange = came.get_future().get();
  is_gone.get_future().wait();
  bool is_called = false;
  exchange->on_disconnect([&] { is_called = true; });
  EXPECT_TRUE(is_called);
  exchange->answer({});
  workers.stop();
}

TEST(ServerStreaming, DoesNotCallWhenTheAnswerWasComplete) {
  TestServer bench;
  std::atomic<int> calls = 0;
  bench.router.add("GET", "/a", [&](const std::shared_ptr<Exchange>& exchange) {
    exchange->on_disconnect([&] { ++calls; });
    echo(exchange);
  });
  bench.start().get("/a");
  bench.server().stop(Drain::Gently);
  EXPECT_EQ(calls, 0);
}

TEST(ServerStop, LetsBegunAnswersFinishAndTakesNoNewRequests) {
  TestServer bench;
  Workers workers({});
  std::promise<void> go_on;
  bench.router.add("GET", "/a", streaming(workers, [&](BodyWriter& writer) {
                     EXPECT_TRUE(writer.write("one"));
                     go_on.get_future().wait();
                     EXPECT_TRUE(writer.write("two"));
                     EXPECT_TRUE(writer.finish());
                   }));
  bench.start();
  RawConnection raw(bench);
  RawConnection idle(bench);
  RawConnection half(bench);
  half.send("GET /a HT");
  raw.send(std::string(kGet) + std::string(kGet));
  raw.read_until("one");
  std::jthread stopping([&] { bench.server().stop(Drain::Gently); });
  EXPECT_EQ(idle.read_all(), "");
  EXPECT_THAT(half.read_all(), StartsWith("HTTP/1.1 503 "));
  go_on.set_value();
  EXPECT_EQ(raw.read_all(), "\r\n3\r\ntwo\r\n0\r\n\r\n");
  stopping.join();
  EXPECT_FALSE(Client::open({.port = bench.server().port()}).has_value());
  workers.stop();
}

// A connection that could be used again has nothing more to wait for.
TEST(ServerStop, ClosesWithTheLastAnswerThatWasBegun) {
  TestServer bench({.deadlines = {.drain = 24h}});
  Workers workers({});
  std::promise<void> go_on;
  bench.router.add("GET", "/a", streaming(workers, [&](BodyWriter& writer) {
                     EXPECT_TRUE(writer.write("one"));
                     go_on.get_future().wait();
                     EXPECT_TRUE(writer.finish());
                   }));
  RawConnection raw(bench.start());
  RawConnection idle(bench);
  raw.send(kGet);
  raw.read_until("one");
  std::jthread stopping([&] { bench.server().stop(Drain::Gently); });
  EXPECT_EQ(idle.read_all(), "");  // it is draining
  go_on.set_value();
  EXPECT_EQ(raw.read_all(), "\r\n0\r\n\r\n");
  stopping.join();
  workers.stop();
}

TEST(ServerStop, CutsWhatOutlivesTheDeadline) {
  TestServer bench({.deadlines = {.drain = 50ms}});
  Workers workers({});
  std::promise<base::Code> end;
  bench.router.add("GET", "/a", streaming(workers, [&](BodyWriter& writer) {
                     for (;;) {
                       auto written = writer.write(std::string(10'000, 'x'));
                       if (!written) return end.set_value(written.error().code);
                     }
                   }));
  RawConnection raw(bench.start());
  raw.send(kGet);
  raw.read_until("xxx");
  bench.server().stop(Drain::Gently);
  EXPECT_EQ(end.get_future().get(), base::Code::Cancelled);
  workers.stop();
}

TEST(ServerStop, NowCutsAGentleStopShort) {
  TestServer bench({.deadlines = {.drain = 24h}});
  std::vector<std::shared_ptr<Exchange>> held;
  std::promise<void> came;
  bench.router.add("GET", "/a", [&](std::shared_ptr<Exchange> exchange) {
    held.push_back(std::move(exchange));
    came.set_value();
  });
  RawConnection raw(bench.start());
  raw.send(kGet);
  came.get_future().wait();
  std::jthread gentle([&] { bench.server().stop(Drain::Gently); });
  std::jthread now([&] { bench.server().stop(Drain::Now); });
  EXPECT_EQ(raw.read_all(), "");
  gentle.join();
  now.join();
  held.front()->answer({});  // To nobody.
}

TEST(ServerStop, LeavesExchangesUsableWhenTheServerIsGone) {
  std::shared_ptr<Exchange> held;
  std::promise<void> came;
  {
    TestServer bench;
    bench.router.add("GET", "/a", [&](std::shared_ptr<Exchange> exchange) {
      held = std::move(exchange);
      came.set_value();
    });
    RawConnection raw(bench.start());
    raw.send(kGet);
    came.get_future().wait();
  }
  const auto writer = held->start(200, {});
  EXPECT_EQ(writer->write("x").error().code, base::Code::Cancelled);
  EXPECT_EQ(writer->finish().error().code, base::Code::Cancelled);
}

}  // namespace
}  // namespace millrace::http
