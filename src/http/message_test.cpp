#include "http/message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/out_queue.hpp"
#include "http/response_head.hpp"

namespace millrace::http {
namespace {

TEST(Headers, AreComparedWithoutCase) {
  Headers headers{{"Content-Type", "a"}, {"X", "1"}, {"x", "2"}};
  EXPECT_EQ(headers.value("content-type"), "a");
  EXPECT_EQ(headers.value("x"), "1");
  EXPECT_EQ(headers.count("X"), 2U);
  headers.set("X", "3");
  EXPECT_EQ(headers.count("x"), 1U);
  EXPECT_EQ(headers.value("x"), "3");
  headers.remove("CONTENT-TYPE");
  EXPECT_FALSE(headers.has("Content-Type"));
  EXPECT_EQ(headers.value("Content-Type"), "");
}

TEST(Problem, IsJsonWhateverTheMessageHolds) {
  const auto answer = problem(400, "bad_thing", "a \"b\"\n\xff");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.headers.value("Content-Type"), "application/json");
  EXPECT_EQ(answer.body, R"({"error":{"code":"bad_thing","message":"a \"b\"\n)"
                         "\xef\xbf\xbd\"}}");
}

TEST(ResponseHead, LeavesFramingToTheServer) {
  std::string head;
  append_head(head, 404,
              {{"Content-Length", "7"}, {"Connection", "upgrade"}, {"Date", "x"}, {"X-A", "b\nc"}},
              {.length = 5, .date = "now"});
  EXPECT_EQ(head, "HTTP/1.1 404 Not Found\r\nDate: now\r\nX-A: b c\r\nContent-Length: 5\r\n\r\n");
}

TEST(ResponseHead, SaysHowTheBodyEnds) {
  const auto fields = [](int status, const Framing& framing) {
    std::string head;
    append_head(head, status, {}, framing);
    return head.substr(head.find('\n') + 1);
  };
  EXPECT_EQ(fields(200, {}), "Transfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(fields(204, {}), "\r\n");
  EXPECT_EQ(fields(304, {.length = 3}), "\r\n");
  EXPECT_EQ(fields(200, {.is_keep_alive = false, .length = 0}),
            "Content-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(fields(200, {.version = Version::Http10, .is_keep_alive = false}),
            "Connection: close\r\n\r\n");
  EXPECT_EQ(fields(200, {.version = Version::Http10, .length = 1}),
            "Content-Length: 1\r\nConnection: keep-alive\r\n\r\n");
}

TEST(ResponseHead, FormatsDates) {
  EXPECT_EQ(format_http_date(*base::parse_time("2026-11-24T08:30:05.9Z")),
            "Tue, 24 Nov 2026 08:30:05 GMT");
}

TEST(OutQueue, GivesBackAllBytesInOrder) {
  OutQueue queue;
  std::string wanted;
  std::string got;
  std::size_t seed = 1;
  for (int round = 0; round < 300; ++round) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    const std::string piece((seed >> 40) % 40'000, static_cast<char>('a' + round % 26));
    queue.push(piece);
    wanted += piece;
    std::string front;
    for (const auto& buffer : queue.front_buffers()) {
      front.append(static_cast<const char*>(buffer.data()), buffer.size());
    }
    const auto count = (seed >> 20) % (front.size() + 1);
    got += front.substr(0, count);
    queue.remove_front(count);
    ASSERT_EQ(queue.byte_count(), wanted.size() - got.size());
  }
  while (!queue.is_empty()) {
    const auto first = queue.front_buffers().front();
    got.append(static_cast<const char*>(first.data()), first.size());
    queue.remove_front(first.size());
  }
  EXPECT_TRUE(got == wanted);
  EXPECT_LE(queue.front_buffers().size(), 1U);
}

}  // namespace
}  // namespace millrace::http
