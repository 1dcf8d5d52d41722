#include "http/client.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "http/test_server.hpp"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using base::Code;
using boost::asio::ip::tcp;
using testing::HasSubstr;

// Listens, and answers each connection in turn with bytes that no honest server would send.
class ScriptedServer {
 public:
  struct Step {
    std::string answer;
    enum class Then : std::uint8_t { Close, Keep } then = Then::Close;
    bool reads_request = true;
  };
  explicit ScriptedServer(std::vector<Step> steps)
      : thread_([this, steps = std::move(steps)] { run(steps); }) {}
  ~ScriptedServer() {
    boost::system::error_code ignored;
    // A connection of our own wakes the accept, if it still waits.
    tcp::socket(io_).connect(acceptor_.local_endpoint(), ignored);
  }
  ClientOptions options() const { return {.port = acceptor_.local_endpoint().port()}; }

 private:
  void run(const std::vector<Step>& steps) {
    tcp::socket socket(io_);
    bool is_open = false;
    for (const auto& step : steps) {
      if (!is_open) {
        socket = tcp::socket(io_);
        acceptor_.accept(socket);
      }
      is_open = step.then == Step::Then::Keep;
      std::string request;
      char bytes[1000];
      boost::system::error_code error;
      while (step.reads_request && !error && request.find("\r\n\r\n") == std::string::npos) {
        request.append(bytes, socket.read_some(boost::asio::buffer(bytes), error));
      }
      boost::asio::write(socket, boost::asio::buffer(step.answer), error);
      if (!is_open) socket.close();
    }
    // Hold what is open until the client is done.
    tcp::socket last(io_);
    acceptor_.accept(last);
  }

  boost::asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  std::jthread thread_;
};

const Request kPost{.method = "POST", .target = "/a", .body = "x"};

TEST(Client, SaysThatNobodyListens) {
  std::uint16_t port = 0;
  {
    TestServer bench;
    port = bench.start().server().port();
  }
  const auto client = Client::open({.port = port});
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().code, Code::Unavailable);
  EXPECT_THAT(client.error().message, HasSubstr("127.0.0.1:" + std::to_string(port)));
}

TEST(Client, SaysThatThereIsNoSuchHost) {
  const auto client = Client::open({.host = "no host"});
  ASSERT_FALSE(client.has_value());
  EXPECT_THAT(client.error().message, HasSubstr("'no host'"));
}

TEST(Client, TakesAnyStatusAsAnAnswer) {
  TestServer bench;
  const auto response = bench.start().client().send({.target = "/nothing"});
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 404);
}

TEST(Client, PassesInterimAnswersOver) {
  ScriptedServer server({{.answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
                                    "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"}});
  auto client = Client::open(server.options());
  const auto response = client->send(kPost);
  ASSERT_TRUE(response.has_value()) << response.error().text();
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, "ok");
}

TEST(Client, ReadsABodyThatEndsWithTheConnection) {
  ScriptedServer server({{.answer = "HTTP/1.0 200 OK\r\n\r\nall of it"}});
  EXPECT_EQ(Client::open(server.options())->send({}).value_or({}).body, "all of it");
}

TEST(Client, ConnectsAgainAfterTheServerClosed) {
  const std::string answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n";
  ScriptedServer server({{.answer = answer + "1"}, {.answer = answer + "2"}});
  auto client = Client::open(server.options());
  EXPECT_EQ(client->send(kPost).value_or({}).body, "1");
  EXPECT_EQ(client->send(kPost).value_or({}).body, "2");
}

TEST(Client, RepeatsAGetWhoseKeptConnectionBreaks) {
  using Then = ScriptedServer::Step::Then;
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
  ScriptedServer server(
      {{.answer = answer + "1", .then = Then::Keep}, {.answer = ""}, {.answer = answer + "2"}});
  auto client = Client::open(server.options());
  EXPECT_EQ(client->send({}).value_or({}).body, "1");
  EXPECT_EQ(client->send({}).value_or({}).body, "2");
}

TEST(Client, DoesNotKnowWhatBecameOfAPostWithoutAnswer) {
  ScriptedServer server({{.answer = ""}, {.answer = "HTTP/1.1 200 OK\r\nContent-Le"}});
  auto client = Client::open(server.options());
  for (int i = 0; i < 2; ++i) {
    const auto response = client->send(kPost);
    ASSERT_FALSE(response.has_value());
    EXPECT_EQ(response.error().code, Code::Unknown);
  }
}

TEST(Client, SaysThatAnAnswerIsCutOff) {
  ScriptedServer server({{.answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"}});
  const auto response = Client::open(server.options())->send({});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, Code::Unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("within its answer"));
}

TEST(Client, SaysThatAnAnswerIsNoHttp) {
  ScriptedServer server({{.answer = "220 smtp.example ESMTP\r\n"}});
  const auto response = Client::open(server.options())->send({});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, Code::Corrupt);
}

TEST(Client, GivesUpASilentServer) {
  ScriptedServer server({{.answer = "HTTP/1.1 200", .then = ScriptedServer::Step::Then::Keep}});
  auto options = server.options();
  options.silence_max = 50ms;
  auto client = Client::open(options);
  const auto response = client->send({});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, Code::Unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("nothing came or went for 50ms"));
}

TEST(Client, HoldsTheLimitOfTheBody) {
  TestServer bench;
  bench.router.add("GET", "/a", [](const std::shared_ptr<Exchange>& exchange) {
    exchange->answer({.body = std::string(1001, 'x')});
  });
  auto client = Client::open({.port = bench.start().server().port(), .body_bytes_max = 1000});
  EXPECT_EQ(client->send({.target = "/a"}).error().code, Code::Exhausted);
  // The next one has a connection of its own.
  EXPECT_EQ(client->send({.target = "/b"}).value_or({}).status, 404);
}

TEST(Client, StopsWhenAskedTo) {
  TestServer bench;
  std::vector<std::shared_ptr<BodyWriter>> held;
  bench.router.add("GET", "/a", [&](const std::shared_ptr<Exchange>& exchange) {
    held.push_back(exchange->start(200, {}));
    std::thread([writer = held.back()] { EXPECT_TRUE(writer->write("x")); }).detach();
  });
  auto client = bench.start().client();
  std::stop_source stop;
  const auto head = client.stream(
      {.target = "/a"},
      [&](const ResponseHead& head_, std::string_view piece) -> base::Result<void> {
        EXPECT_EQ(head_.status, 200);
        EXPECT_EQ(piece, "x");
        std::thread([&] { stop.request_stop(); }).detach();
        return {};
      },
      stop.get_token());
  ASSERT_FALSE(head.has_value());
  EXPECT_EQ(head.error().code, Code::Cancelled);
  bench.server().stop(Drain::Now);
}

TEST(Client, HandsOnTheErrorOfTheReader) {
  TestServer bench;
  bench.router.add("GET", "/a", echo);
  const auto head = bench.start().client().stream(
      {.target = "/a"}, [](const ResponseHead&, std::string_view) -> base::Result<void> {
        return base::Error{Code::Denied, "enough"};
      });
  ASSERT_FALSE(head.has_value());
  EXPECT_EQ(head.error().text(), "enough");
}

TEST(Client, RefusesToSendControlBytes) {
  TestServer bench;
  auto client = bench.start().client();
  for (const Request& request : {Request{.target = "/a b"}, Request{.target = "/a\r\nX: y"},
                                 Request{.headers = {{"X", "a\r\nY: b"}}}, Request{.method = ""}}) {
    const auto response = client.send(request);
    ASSERT_FALSE(response.has_value());
    EXPECT_EQ(response.error().code, Code::Invalid);
  }
}

}  // namespace
}  // namespace millrace::http
