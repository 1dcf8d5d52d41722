#include "http/request_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "http/compression.hpp"

namespace millrace::http {
namespace {

using State = RequestReader::State;
using testing::HasSubstr;

// A reader of its own limits, fed with one text at a time.
struct ReaderBench {
  ServerOptions options;
  std::shared_ptr<BodyBudget> budget = std::make_shared<BodyBudget>(1_MiB);
  std::optional<RequestReader> reader;

  RequestReader& fresh() { return reader.emplace(options, budget); }

  // `200`, or the status of the refusal and its code.
  std::string read(std::string_view bytes) {
    fresh().read(bytes);
    return outcome();
  }
  std::string outcome() {
    switch (reader->state()) {
      case State::Complete:
        return "complete";
      case State::Refused:
        return refusal();
      default:
        return "incomplete";
    }
  }
  std::string refusal() {
    const auto answer = reader->take_refusal();
    message = answer.body;
    const auto begin = answer.body.find("\"code\":\"") + 8;
    return std::to_string(answer.status) + " " +
           answer.body.substr(begin, answer.body.find('"', begin) - begin);
  }
  std::string message;
};

std::string post(std::string_view fields, std::string_view body = "") {
  return "POST /a HTTP/1.1\r\nHost: x\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

TEST(RequestReader, ReadsARequestCutAnywhere) {
  const auto bytes = post("Content-Length: 5\r\nX-A: b\r\n", "hello");
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    ReaderBench bench;
    auto& reader = bench.fresh();
    const auto used = reader.read(std::string_view(bytes).substr(0, cut));
    ASSERT_EQ(used + reader.read(std::string_view(bytes).substr(used)), bytes.size()) << cut;
    ASSERT_EQ(bench.outcome(), "complete") << cut;
    const auto taken = reader.take();
    EXPECT_EQ(taken.request.body, "hello");
    EXPECT_EQ(taken.request.headers.value("x-a"), "b");
    EXPECT_EQ(reader.state(), State::Empty);
  }
}

TEST(RequestReader, ReadsChunksCutAnywhere) {
  const auto bytes = post("Transfer-Encoding: chunked\r\n",
                          "3\r\nabc\r\n00a;x=\"y\"\r\n0123456789\r\n0\r\nX-T: z\r\n\r\n");
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    ReaderBench bench;
    auto& reader = bench.fresh();
    const auto used = reader.read(std::string_view(bytes).substr(0, cut));
    ASSERT_EQ(used + reader.read(std::string_view(bytes).substr(used)), bytes.size()) << cut;
    ASSERT_EQ(bench.outcome(), "complete") << cut;
    const auto taken = reader.take();
    EXPECT_EQ(taken.request.body, "abc0123456789");
    EXPECT_FALSE(taken.request.headers.has("X-T"));
  }
}

TEST(RequestReader, LeavesTheNextRequestAlone) {
  ReaderBench bench;
  const auto first = post("Content-Length: 2\r\n", "ab");
  auto& reader = bench.fresh();
  EXPECT_EQ(reader.read(first + "GET / HTTP/1.1\r\n"), first.size());
  reader.take();
  // Empty lines between two requests are passed over.
  EXPECT_EQ(reader.read("\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n"), 32U);
  EXPECT_EQ(reader.take().request.path, "/b");
}

TEST(RequestReader, RefusesWhatTwoReadersCouldCutDifferently) {
  ReaderBench bench;
  const auto* const chunks = "0\r\n\r\n";
  EXPECT_EQ(bench.read(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunks)),
            "400 ambiguous_length");
  EXPECT_EQ(bench.read(post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunks)),
            "400 ambiguous_length");
  EXPECT_EQ(bench.read(post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")),
            "400 ambiguous_length");
  EXPECT_EQ(bench.read(post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")),
            "400 ambiguous_length");
  EXPECT_EQ(bench.read(post("Content-Length: 5, 5\r\n", "hello")), "400 bad_length");
  EXPECT_EQ(bench.read(post("Content-Length: +5\r\n", "hello")), "400 ambiguous_length");
  EXPECT_EQ(bench.read(post("Content-Length: 5x\r\n", "hello")), "400 ambiguous_length");
  EXPECT_EQ(bench.read(post("Content-Length:\r\n")), "400 ambiguous_length");
  EXPECT_EQ(bench.read(post("Content-Length: 99999999999999999999999\r\n")),
            "400 ambiguous_length");
  EXPECT_EQ(bench.read(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")),
            "400 ambiguous_length");
  EXPECT_EQ(bench.read(post("Transfer-Encoding: gzip, chunked\r\n")), "501 bad_transfer_encoding");
  EXPECT_EQ(bench.read(post("Transfer-Encoding: identity\r\n")), "501 bad_transfer_encoding");
  EXPECT_EQ(bench.read(post("Transfer-Encoding: xchunked\r\n")), "501 bad_transfer_encoding");
  EXPECT_EQ(bench.read("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "400 bad_transfer_encoding");
  EXPECT_EQ(bench.read(post("Content-Length : 5\r\n", "hello")), "400 bad_head");
  EXPECT_EQ(bench.read(post("X-A: b\r\n c\r\n")), "400 bad_head");
  EXPECT_EQ(bench.read(post("X-A: b\r\n\tc\r\n")), "400 bad_head");
  EXPECT_EQ(bench.read("GET / HTTP/1.1\nHost: x\n\n"), "400 bad_head");
  EXPECT_EQ(bench.read("GET / HTTP/1.1\r\nHost: x\r\nX-A: b\n\r\n"), "400 bad_head");
  EXPECT_EQ(bench.read("GET / HTTP/1.1\r\nHost: x\r\nX-A: b\rX-B: c\r\n\r\n"), "400 bad_head");
  EXPECT_EQ(bench.read("GET / HTTP/1.1\r\nHost: x\r\n\n"), "400 bad_head");
}

TEST(RequestReader, RefusesBrokenChunks) {
  ReaderBench bench;
  const auto chunked = [&](std::string_view body) {
    return bench.read(post("Transfer-Encoding: chunked\r\n", body));
  };
  EXPECT_EQ(chunked("x\r\nabc\r\n"), "400 bad_body");
  EXPECT_EQ(chunked("3\r\nabcd\r\n0\r\n\r\n"), "400 bad_body");
  EXPECT_EQ(chunked("-3\r\nabc\r\n0\r\n\r\n"), "400 bad_body");
  EXPECT_EQ(chunked("fffffffffffffffff\r\nabc"), "400 bad_body");
  EXPECT_EQ(chunked("3\nabc\r\n0\r\n\r\n"), "400 bad_body");
  EXPECT_EQ(chunked("3;" + std::string(20'000, 'x')), "400 bad_chunk");
  EXPECT_EQ(chunked("0\r\n" + std::string(20'000, 'x')), "400 bad_chunk");
}

TEST(RequestReader, RefusesWhatIsNoRequest) {
  ReaderBench bench;
  EXPECT_EQ(bench.read(std::string("\0\1\2\3\r\n\r\n", 8)), "400 bad_head");
  EXPECT_EQ(bench.read("hello\r\n\r\n"), "400 bad_head");
  EXPECT_EQ(bench.read("GET /\r\n\r\n"), "400 bad_head");
  EXPECT_EQ(bench.read("GET  / HTTP/1.1\r\nHost: x\r\n\r\n"), "400 bad_head");
  EXPECT_EQ(bench.read("GET a HTTP/1.1\r\nHost: x\r\n\r\n"), "400 bad_target");
  EXPECT_EQ(bench.read(std::string("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 28)), "400 bad_head");
  EXPECT_EQ(bench.read("GET /?a=%4 HTTP/1.1\r\nHost: x\r\n\r\n"), "400 bad_query");
  EXPECT_EQ(bench.read("CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n"), "501 not_a_proxy");
  EXPECT_EQ(bench.read("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "505 bad_version");
  EXPECT_EQ(bench.read("GET / HTTP/1.1\r\n\r\n"), "400 bad_host");
  EXPECT_EQ(bench.read("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n"), "400 bad_host");
  EXPECT_EQ(bench.read(post("Expect: a-wonder\r\n")), "417 bad_expectation");
}

TEST(RequestReader, HoldsTheLimitsOfTheHead) {
  ReaderBench bench;
  bench.options.limits.target_bytes_max = 100;
  bench.options.limits.header_bytes_max = 200;
  bench.options.limits.headers_max = 5;
  const auto get = [&](std::string_view target, std::string_view fields) {
    return bench.read("GET /" + std::string(target) + " HTTP/1.1\r\nHost: x\r\n" +
                      std::string(fields) + "\r\n");
  };
  EXPECT_EQ(get(std::string(99, 'a'), ""), "complete");
  EXPECT_EQ(get(std::string(100, 'a'), ""), "414 target_too_long");
  // Also before the line is complete.
  EXPECT_EQ(bench.read("GET /" + std::string(1000, 'a')), "414 target_too_long");
  // `Host: x`, the field and the empty line are 200 bytes.
  EXPECT_EQ(get("", "A: " + std::string(184, 'a') + "\r\n"), "complete");
  EXPECT_EQ(get("", "A: " + std::string(185, 'a') + "\r\n"), "431 headers_too_large");
  EXPECT_EQ(bench.read("GET / HTTP/1.1\r\nA: " + std::string(1000, 'a')), "431 headers_too_large");
  EXPECT_EQ(get("", "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n"), "complete");
  EXPECT_EQ(get("", "A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n"), "431 too_many_headers");
}

TEST(RequestReader, HoldsTheLimitsOfTheBody) {
  ReaderBench bench;
  bench.options.limits.body_bytes_max = 10;
  EXPECT_EQ(bench.read(post("Content-Length: 10\r\n", "0123456789")), "complete");
  // By what the head says, before the body comes; and in chunks when it is too much.
  EXPECT_EQ(bench.read(post("Content-Length: 11\r\n")), "413 body_too_large");
  EXPECT_EQ(bench.read(post("Transfer-Encoding: chunked\r\n", "6\r\nabcdef\r\n5\r\nghijk")),
            "413 body_too_large");
}

TEST(RequestReader, RefusesABombEarly) {
  ReaderBench bench;
  bench.options.limits.body_decoded_bytes_max = 100'000;
  bench.options.limits.ratio_free_bytes = 10'000;
  bench.options.limits.ratio_max = 20;
  const auto send = [&](std::string_view body, Encoding encoding) {
    const auto bytes = compress(encoding, body);
    return bench.read(post("Content-Encoding: " + std::string(name_of(encoding)) +
                               "\r\nContent-Length: " + std::to_string(bytes.size()) + "\r\n",
                           bytes));
  };
  for (const auto encoding : {Encoding::Gzip, Encoding::Zstd}) {
    EXPECT_EQ(send(std::string(9'999, 'x'), encoding), "complete");
    EXPECT_EQ(send(std::string(50'000, 'x'), encoding), "413 body_too_large");
    EXPECT_THAT(bench.message, HasSubstr("20 times its size"));
    EXPECT_EQ(send(std::string(10'000'000, 'x'), encoding), "413 body_too_large");
  }
}

TEST(RequestReader, RefusesDamagedAndUnknownEncodings) {
  ReaderBench bench;
  const auto gzip = compress(Encoding::Gzip, "hello");
  const auto send = [&](std::string_view encoding, std::string_view bytes) {
    return bench.read(post("Content-Encoding: " + std::string(encoding) +
                               "\r\nContent-Length: " + std::to_string(bytes.size()) + "\r\n",
                           bytes));
  };
  EXPECT_EQ(send("gzip", gzip), "complete");
  EXPECT_EQ(send("X-GZIP", gzip), "complete");
  EXPECT_EQ(send("gzip", ""), "complete");
  EXPECT_EQ(send("gzip", std::string_view(gzip).substr(0, gzip.size() - 1)), "400 bad_body");
  EXPECT_THAT(bench.message, HasSubstr("the gzip data is cut off"));
  EXPECT_EQ(send("zstd", gzip), "400 bad_body");
  EXPECT_EQ(send("gzip", "hello"), "400 bad_body");
  EXPECT_EQ(send("br", "hello"), "415 bad_encoding");
  EXPECT_EQ(send("gzip, gzip", gzip), "415 bad_encoding");
  EXPECT_EQ(bench.read(post("Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n")),
            "415 bad_encoding");
}

TEST(RequestReader, TakesMemoryFromTheBudgetAsItComes) {
  ReaderBench bench;
  bench.budget = std::make_shared<BodyBudget>(200'000);
  auto& first = bench.fresh();
  first.read(post("Content-Length: 1000000\r\n", "a"));
  // A claimed length alone costs nothing.
  EXPECT_LT(bench.budget->bytes_used(), 100'000U);
  const std::string piece(150'000, 'a');
  first.read(piece);
  EXPECT_GE(bench.budget->bytes_used(), 150'000U);

  RequestReader second(bench.options, bench.budget);
  second.read(post("Content-Length: 150000\r\n", piece));
  ASSERT_EQ(second.state(), State::Refused);
  const auto refusal = second.take_refusal();
  EXPECT_EQ(refusal.status, 503);
  EXPECT_EQ(refusal.headers.value("Retry-After"), "1");
}

TEST(RequestReader, GivesTheBudgetBackWithTheRequest) {
  ReaderBench bench;
  bench.fresh().read(post("Content-Length: 1000\r\n", std::string(1000, 'a')));
  {
    const auto taken = bench.reader->take();
    EXPECT_GE(bench.budget->bytes_used(), 1000U);
  }
  EXPECT_EQ(bench.budget->bytes_used(), 0U);
}

TEST(RequestReader, AnswersOnlyToAllowedHosts) {
  ReaderBench bench;
  bench.options.hosts_allowed = loopback_hosts();
  const auto get = [&](std::string_view host) {
    return bench.read("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n");
  };
  for (const auto* host :
       {"localhost", "localhost:8080", "LocalHost.", "127.0.0.1:1", "[::1]", "[::1]:8080"}) {
    EXPECT_EQ(get(host), "complete") << host;
  }
  for (const auto* host : {"evil.example", "localhost.evil.example:80", "", "[::2]"}) {
    EXPECT_EQ(get(host), "421 host_not_allowed") << host;
  }
  EXPECT_THAT(bench.message, HasSubstr("call it localhost, 127.0.0.1, ::1"));
  // The host of an absolute target counts, not the field.
  EXPECT_EQ(bench.read("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            "421 host_not_allowed");
  EXPECT_EQ(bench.read("GET http://localhost/a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"), "complete");
  EXPECT_EQ(bench.reader->take().request.target, "/a?b=c");
}

// Feeds `bytes` in pieces and writes down all that comes out.
std::string read_in_pieces(std::string_view bytes, base::Random& random, std::size_t piece_max) {
  ReaderBench bench;
  auto& reader = bench.fresh();
  std::string came;
  std::string waiting;
  while (!bytes.empty()) {
    const auto size = std::min<std::size_t>(1 + random.below(piece_max), bytes.size());
    waiting += bytes.substr(0, size);
    bytes.remove_prefix(size);
    for (;;) {
      waiting.erase(0, reader.read(waiting));
      if (reader.state() != State::Complete) break;
      const auto taken = reader.take();
      came += taken.request.method + " " + taken.request.target + " " + taken.request.body + "\n";
      for (const auto& [name, value] : taken.request.headers) came += name + "=" + value + "\n";
    }
    if (reader.state() == State::Refused) return came + bench.outcome();
  }
  return came;
}

TEST(RequestReader, DecidesTheSameHoweverTheBytesAreCut) {
  const std::string requests =
      post("Content-Length: 5\r\nX-A: b\r\n", "hello") +
      post("Transfer-Encoding: chunked\r\n",
           "3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: z\r\n\r\n") +
      "GET http://h:1/a?b=%41+c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + post("", "");
  static constexpr std::string_view kBytes("\r\n :;,%/?=0159afGHx\t\0\xff+-", 24);
  base::Random random(7);
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = requests;
    for (std::uint64_t i = 0; i <= random.below(3); ++i) {
      const auto at = random.below(bytes.size());
      switch (random.below(3)) {
        case 0:
          bytes[at] = kBytes[random.below(kBytes.size())];
          break;
        case 1:
          bytes.erase(at, 1 + random.below(4));
          break;
        default:
          bytes.insert(at, 1, kBytes[random.below(kBytes.size())]);
      }
    }
    const auto whole = read_in_pieces(bytes, random, 1'000'000);
    ASSERT_EQ(read_in_pieces(bytes, random, 1), whole) << bytes;
    ASSERT_EQ(read_in_pieces(bytes, random, 30), whole) << bytes;
  }
}

TEST(RequestReader, KnowsWhetherTheConnectionIsKept) {
  ReaderBench bench;
  const auto is_kept = [&](std::string_view bytes) {
    EXPECT_EQ(bench.read(bytes), "complete");
    return bench.reader->is_keep_alive();
  };
  EXPECT_TRUE(is_kept("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_FALSE(is_kept("GET / HTTP/1.1\r\nHost: x\r\nConnection: Close\r\n\r\n"));
  EXPECT_FALSE(is_kept("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(is_kept("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

}  // namespace
}  // namespace millrace::http
