// What the server does to clients of HTTP/2 that send too much, too slowly, or nonsense.
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "http/compression.hpp"
#include "http/http2_connection.hpp"
#include "http/test_http2_client.hpp"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

// Frames as bytes, for what no honest client sends.
std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload) {
  std::string bytes;
  for (const int shift : {16, 8, 0}) bytes += static_cast<char>(payload.size() >> shift);
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(stream >> shift);
  return bytes.append(payload);
}

const std::string kHello = std::string(kHttp2Preface) + frame(NGHTTP2_SETTINGS, 0, 0, "");
// GET http / from HPACK's table, and the authority `x`.
constexpr std::string_view kGetFields("\x82\x86\x84\x01\x01x", 6);
constexpr std::uint8_t kEndsBoth = NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS;

std::string get(std::uint32_t stream) {
  return frame(NGHTTP2_HEADERS, kEndsBoth, stream, kGetFields);
}
std::string reset(std::uint32_t stream) {
  return frame(NGHTTP2_RST_STREAM, 0, stream, std::string_view("\0\0\0\x08", 4));
}

// The code of the GOAWAY in what a server sent.
std::optional<std::uint32_t> goaway_in(std::string_view bytes) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  while (bytes.size() >= 9) {
    const std::size_t size = (std::size_t{byte(0)} << 16) + (std::size_t{byte(1)} << 8) + byte(2);
    if (bytes.size() < 9 + size) break;
    if (byte(3) == NGHTTP2_GOAWAY) return byte(16);
    bytes.remove_prefix(9 + size);
  }
  return std::nullopt;
}

// Sends `bytes` and returns the code with which the server ends the connection.
std::optional<std::uint32_t> end_after(TestServer& bench, std::string_view bytes) {
  RawConnection raw(bench);
  raw.send(bytes);
  return goaway_in(raw.read_all());
}

TEST(Http2Limits, RefusesTooManyAndTooLargeHeadersAndGoesOn) {
  TestServer bench;
  bench.router.add("GET", "/a", echo);
  Http2Client client(bench.start());
  Headers many;
  for (int i = 0; i < 101; ++i) many.add("x-" + std::to_string(i), "v");
  const auto too_many = client.send({.target = "/a", .headers = many});
  EXPECT_EQ(too_many.status, 431);
  EXPECT_THAT(too_many.body, HasSubstr("more than 100 header fields"));
  const auto too_large =
      client.send({.target = "/a", .headers = {{"x-a", std::string(16'384, 'x')}}});
  EXPECT_EQ(too_large.status, 431);
  EXPECT_EQ(client.send({.target = "/" + std::string(9'000, 'x')}).status, 414);
  EXPECT_EQ(client.send({.target = "/a"}).status, 200);
}

// One field that is put into HPACK's table and then named again and again by a byte.
TEST(Http2Limits, RefusesAHeaderBomb) {
  TestServer bench;
  bench.router.add("GET", "/", echo);
  bench.start();
  std::string fields(kGetFields);
  fields += "\x40\x01y\x7f";
  fields += static_cast<char>(0x80 + (3'900 - 127) % 128);
  fields += static_cast<char>((3'900 - 127) / 128);
  fields += std::string(3'900, 'v');
  fields += std::string(12'000, '\xbe');
  RawConnection raw(bench);
  raw.send(kHello + frame(NGHTTP2_HEADERS, kEndsBoth, 1, fields));
  raw.read_until("headers_too_large");
  raw.send(get(3));
  EXPECT_THAT(raw.read_until("GET / "), testing::EndsWith("GET / "));
}

TEST(Http2Limits, RefusesLargeBodiesBombsAndUnknownEncodings) {
  TestServer bench;
  bench.router.add("POST", "/a", echo);
  Http2Client client(bench.start());
  const auto said = client.send({.method = "POST",
                                 .target = "/a",
                                 .headers = {{"content-length", "20000000"}},
                                 .body = std::string(20'000'000, 'x')});
  EXPECT_EQ(said.status, 413);
  EXPECT_THAT(said.body, HasSubstr("20000000 bytes; 16777216 are taken"));
  EXPECT_EQ(said.end, NGHTTP2_NO_ERROR);
  const auto unsaid =
      client.send({.method = "POST", .target = "/a", .body = std::string(20'000'000, 'x')});
  EXPECT_EQ(unsaid.status, 413);
  const auto bomb = client.send({.method = "POST",
                                 .target = "/a",
                                 .headers = {{"content-encoding", "gzip"}},
                                 .body = compress(Encoding::Gzip, std::string(50'000'000, 'x'))});
  EXPECT_EQ(bomb.status, 413);
  const auto unknown = client.send(
      {.method = "POST", .target = "/a", .headers = {{"content-encoding", "br"}}, .body = "x"});
  EXPECT_EQ(unknown.status, 415);
  EXPECT_EQ(client.send({.method = "POST", .target = "/a", .body = "x"}).body, "POST /a x");
}

// Some clients look for the answer only when they could send all.
TEST(Http2Limits, LetsARefusedClientSendForAWhile) {
  TestServer bench;
  bench.router.add("GET", "/a", echo);
  Http2Client client(bench.start());
  const auto refused = client.submit({.method = "POST",
                                      .target = "/a",
                                      .headers = {{"content-encoding", "br"}},
                                      .body = std::string(2'000'000, 'x')});
  EXPECT_EQ(client.await(refused).status, 415);
  EXPECT_EQ(client.unsent_bytes(refused), 0U);
  const auto endless = client.submit({.method = "POST",
                                      .target = "/a",
                                      .headers = {{"content-encoding", "br"}},
                                      .body = std::string(90'000'000, 'x')});
  EXPECT_EQ(client.await(endless).end, NGHTTP2_NO_ERROR);
  EXPECT_GT(client.unsent_bytes(endless), 20'000'000U);
  EXPECT_EQ(client.send({.target = "/a"}).status, 200);
}

// Told in its own words, and that nothing was done: it may repeat all on another connection.
TEST(Http2Limits, TellsAConnectionTooMany) {
  TestServer bench({.connections_max = 1});
  std::atomic<int> asked = 0;
  bench.router.add("GET", "/", [&](std::shared_ptr<Exchange> exchange) {
    ++asked;
    exchange->answer({.status = 200});
  });
  bench.start();
  auto first = bench.client();
  ASSERT_TRUE(first.send({.target = "/"}).has_value());
  RawConnection raw(bench);
  raw.send(kHello + get(1) + get(3));
  const auto answer = raw.read_all();
  EXPECT_EQ(goaway_in(answer), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_THAT(answer, HasSubstr(std::string("\x07\0\0\0\0\0\0\0\0\0", 10)));  // none is done
  EXPECT_THAT(answer, testing::Not(HasSubstr("HTTP/1.1")));
  EXPECT_TRUE(first.send({.target = "/"}).has_value());
  EXPECT_EQ(asked, 2);
}

TEST(Http2Limits, RefusesForeignAndDoubleHosts) {
  TestServer bench({.hosts_allowed = loopback_hosts()});
  bench.router.add("GET", "/a", echo);
  Http2Client client(bench.start());
  EXPECT_EQ(client.send({.target = "/a"}).status, 421);
  EXPECT_EQ(client.send({.target = "/a", .headers = {{"host", "localhost:1"}}}).status, 200);
  const auto two = client.send(
      {.target = "/a", .headers = {{":authority", "localhost"}, {"host", "evil.example"}}});
  EXPECT_EQ(two.status, 400);
}

TEST(Http2Limits, TakesWhatOnlyBeginsLikeThePrefaceForHttp1) {
  TestServer bench({.deadlines = {.header = 50ms}});
  bench.router.add("PRINT", "/a", echo);
  bench.start();
  RawConnection print(bench);
  for (const char c : std::string_view("PRINT /a HTTP/1.1\r\nHost: x\r\n\r\n")) print.send({&c, 1});
  EXPECT_THAT(print.read_until("PRINT /a "), StartsWith("HTTP/1.1 200 "));
  RawConnection other(bench);
  other.send("PRI * HTTP/2.0\r\n\r\nSMALL");
  EXPECT_THAT(other.read_all(), StartsWith("HTTP/1.1 505 "));
  RawConnection half(bench);
  half.send("PRI * HTT");
  EXPECT_EQ(half.read_all(), "");
  RawConnection bytewise(bench);
  for (const char c : kHello) bytewise.send({&c, 1});
  bytewise.send(get(1));
  EXPECT_THAT(bytewise.read_until("not_found"), HasSubstr("not_found"));
}

TEST(Http2Limits, EndsAConnectionThatBreaksTheProtocol) {
  TestServer bench;
  bench.start();
  EXPECT_EQ(end_after(bench, std::string(kHttp2Preface) + get(1)), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(end_after(bench, kHello + frame(NGHTTP2_DATA, 0, 1, "x")), NGHTTP2_PROTOCOL_ERROR);
  EXPECT_EQ(end_after(bench, kHello + frame(NGHTTP2_HEADERS, kEndsBoth, 1, "\xff\xff\xff\xff")),
            NGHTTP2_COMPRESSION_ERROR);
  EXPECT_EQ(end_after(bench, kHello + frame(NGHTTP2_DATA, 0, 1, std::string(20'000, 'x'))),
            NGHTTP2_FRAME_SIZE_ERROR);
  EXPECT_THAT(bench.metrics.exposition(), HasSubstr("millrace_http2_connections_ended_total 4"));
}

TEST(Http2Limits, EndsARapidReset) {
  std::atomic<int> calls = 0;
  std::vector<std::shared_ptr<Exchange>> held;
  std::mutex mutex;
  TestServer bench;
  bench.router.add("GET", "/", [&](std::shared_ptr<Exchange> exchange) {
    ++calls;
    const std::lock_guard lock(mutex);
    held.push_back(std::move(exchange));
  });
  bench.start();
  RawConnection raw(bench);
  raw.send(kHello);
  std::string all;
  for (std::uint32_t i = 0; i < 5'000; ++i) all += get(2 * i + 1) + reset(2 * i + 1);
  raw.send(all);
  EXPECT_EQ(goaway_in(raw.read_all()), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_LE(calls, 300);
}

// The resets that a client has the server send cost as much as its own.
TEST(Http2Limits, EndsAClientThatHasItsRequestsReset) {
  TestServer bench;
  bench.router.add("GET", "/", echo);
  bench.start();
  std::string all = kHello;
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    all += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2 * i + 1, kGetFields);
    all += frame(NGHTTP2_WINDOW_UPDATE, 0, 2 * i + 1, std::string_view("\0\0\0\0", 4));
  }
  const auto end = end_after(bench, all);
  EXPECT_TRUE(end == NGHTTP2_ENHANCE_YOUR_CALM || end == NGHTTP2_PROTOCOL_ERROR);
}

TEST(Http2Limits, EndsFloodsOfWhatSaysNothing) {
  TestServer bench;
  bench.router.add("POST", "/", echo);
  bench.start();
  const auto flood = [&](const std::string& begin, const std::string& one) {
    std::string all = kHello + begin;
    for (int i = 0; i < 20'000; ++i) all += one;
    return end_after(bench, all);
  };
  EXPECT_EQ(flood("", frame(NGHTTP2_PING, 0, 0, "12345678")), NGHTTP2_ENHANCE_YOUR_CALM);
  EXPECT_EQ(flood("", frame(NGHTTP2_SETTINGS, 0, 0, "")), NGHTTP2_ENHANCE_YOUR_CALM);
  const std::string post("\x83\x86\x84\x01\x01x", 6);
  EXPECT_EQ(flood(frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, post),
                  frame(NGHTTP2_DATA, 0, 1, "")),
            NGHTTP2_ENHANCE_YOUR_CALM);
}

TEST(Http2Limits, EndsAHeadOfTooManyParts) {
  TestServer bench;
  bench.router.add("GET", "/", echo);
  bench.start();
  RawConnection raw(bench);
  raw.send(kHello + frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, kGetFields));
  for (int i = 0; i < 1'000; ++i) {
    raw.send(frame(NGHTTP2_CONTINUATION, 0, 1, std::string(16'000, '\x84')));
  }
  raw.read_all();
  EXPECT_THAT(bench.metrics.exposition(), HasSubstr("millrace_http2_connections_ended_total 1"));
}

TEST(Http2Limits, TakesSoManyStreamsAtOnceAndNoMore) {
  std::vector<std::shared_ptr<Exchange>> held;
  std::mutex mutex;
  TestServer bench({.streams_max = 3});
  bench.router.add("GET", "/", [&](std::shared_ptr<Exchange> exchange) {
    const std::lock_guard lock(mutex);
    held.push_back(std::move(exchange));
  });
  bench.start();
  RawConnection raw(bench);
  raw.send(kHello + get(1) + get(3) + get(5) + get(7));
  // RST_STREAM of the fourth: REFUSED_STREAM.
  raw.read_until(frame(NGHTTP2_RST_STREAM, 0, 7, std::string_view("\0\0\0\x07", 4)));
  {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(held.size(), 3U);
    held.clear();
  }
  raw.send(get(9));
  EXPECT_THAT(raw.read_until("given up"), HasSubstr("given up"));
}

TEST(Http2Limits, ResetsAnAnswerThatIsNotTakenAndServesTheRest) {
  TestServer bench({.deadlines = {.write_stall = 50ms}});
  bench.router.add("GET", "/large", [](const std::shared_ptr<Exchange>& exchange) {
    exchange->answer({.body = std::string(1'000'000, 'x')});
  });
  std::promise<void> is_gone;
  bench.router.add("GET", "/stream", [&](const std::shared_ptr<Exchange>& exchange) {
    exchange->on_disconnect([&] { is_gone.set_value(); });
    std::thread([writer = exchange->start(200, {})] {
      while (writer->write(std::string(100'000, 'x'))) {
      }
    }).detach();
  });
  bench.router.add("HEAD", "/small", echo);
  Http2Client client(bench.start(), Http2Client::Windows::Exhausted);
  const auto large = client.submit({.target = "/large"});
  const auto stream = client.submit({.target = "/stream"});
  EXPECT_EQ(client.await(large).end, NGHTTP2_CANCEL);
  EXPECT_EQ(client.await(stream).end, NGHTTP2_CANCEL);
  is_gone.get_future().wait();
  EXPECT_EQ(client.send({.method = "HEAD", .target = "/small"}).status, 200);
}

TEST(Http2Limits, BeginsNoRequestWhileTooMuchIsUnsent) {
  std::atomic<int> calls = 0;
  TestServer bench;
  bench.router.add("GET", "/", [&](const std::shared_ptr<Exchange>& exchange) {
    ++calls;
    exchange->answer({.body = std::string(1_MiB, 'x')});
  });
  Http2Client client(bench.start(), Http2Client::Windows::Exhausted);
  std::int32_t last = 0;
  for (int i = 0; i < 20; ++i) last = client.submit({.target = "/"});
  client.await(1, [](const auto& answer) { return !answer.body.empty(); });
  EXPECT_LE(calls, 5);
  client.reset(1);
  for (std::int32_t id = 3; id < last; id += 2) client.reset(id);
  EXPECT_EQ(client.await(last, [](const auto& answer) { return answer.status != 0; }).status, 200);
}

// Forty bodies that grow together would fill the budget of all; only some of them may.
TEST(Http2Limits, LetsOneConnectionHaveOnlySoMuchInMemory) {
  TestServer bench({.bodies_bytes_max = 30'000'000});
  bench.router.add("POST", "/a", [](const std::shared_ptr<Exchange>& exchange) {
    exchange->answer({.body = std::to_string(exchange->request().body.size())});
  });
  Http2Client client(bench.start());
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 40; ++i) {
    ids.push_back(
        client.submit({.method = "POST", .target = "/a", .body = std::string(2'000'000, 'x')}));
  }
  for (const auto id : ids) EXPECT_EQ(client.await(id).body, "2000000");
}

TEST(Http2Limits, RefusesWhatIsBeyondTheBodyBudget) {
  TestServer bench({.bodies_bytes_max = 100'000});
  bench.router.add("POST", "/a", echo);
  Http2Client client(bench.start());
  const auto answer =
      client.send({.method = "POST", .target = "/a", .body = std::string(200'000, 'x')});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.value("retry-after"), "1");
  EXPECT_EQ(client.send({.method = "POST", .target = "/a", .body = "x"}).status, 200);
}

TEST(Http2Limits, RefusesABodyThatComesTooSlowly) {
  for (const ServerDeadlines deadlines :
       {ServerDeadlines{.body = 50ms}, ServerDeadlines{.body_grace = 50ms}}) {
    TestServer bench({.deadlines = deadlines});
    bench.router.add("POST", "/a", echo);
    bench.router.add("GET", "/a", echo);
    Http2Client client(bench.start());
    const auto slow =
        client.submit({.method = "POST", .target = "/a", .body = "abc"}, Http2Client::Body::Open);
    EXPECT_EQ(client.await(slow, [](const auto& answer) { return answer.status != 0; }).status,
              408);
    EXPECT_EQ(client.send({.target = "/a"}).status, 200);
  }
}

TEST(Http2Limits, EndsAHeadThatComesTooSlowly) {
  TestServer bench({.deadlines = {.header = 50ms}});
  bench.start();
  EXPECT_EQ(end_after(bench, kHello + frame(NGHTTP2_HEADERS, 0, 1, "\x82")),
            NGHTTP2_ENHANCE_YOUR_CALM);
  // No settings come.
  EXPECT_EQ(end_after(bench, kHttp2Preface), NGHTTP2_NO_ERROR);
}

TEST(Http2Limits, EndsAnIdleConnection) {
  TestServer bench({.deadlines = {.idle = 50ms}});
  bench.router.add("GET", "/a", echo);
  Http2Client client(bench.start());
  EXPECT_EQ(client.send({.target = "/a"}).status, 200);
  EXPECT_EQ(client.await_goaway(), NGHTTP2_NO_ERROR);
}

TEST(Http2Limits, TakesNoMethodOfProxies) {
  TestServer bench;
  bench.start();
  RawConnection raw(bench);
  // CONNECT to `x`: no scheme and no path.
  raw.send(kHello + frame(NGHTTP2_HEADERS, kEndsBoth, 1,
                          std::string("\x02\x07"
                                      "CONNECT\x01\x01x")));
  EXPECT_THAT(raw.read_until("not_a_proxy"), HasSubstr("not_a_proxy"));
}

}  // namespace
}  // namespace millrace::http
