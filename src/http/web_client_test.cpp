#include "http/web_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "http/test_server.hpp"

namespace millrace::http {
namespace {

using namespace std::chrono_literals;
using base::Code;
using testing::HasSubstr;

class WebClientTest : public testing::Test {
 protected:
  std::string url(const std::string& target) {
    return "http://" + bench_.server().address() + target;
  }
  base::Result<Response> send(WebRequest request, const std::stop_token& stop = {}) {
    request.url = url(request.url);
    return client_->send(request, stop);
  }

  TestServer bench_;
  std::unique_ptr<WebClient> client_ = WebClient::open().value();
};

TEST_F(WebClientTest, SendsMethodTargetHeadersAndBodyAsTheyAre) {
  Request seen;
  const auto answer = [&](const std::shared_ptr<Exchange>& exchange) {
    seen = exchange->request();
    exchange->answer({.status = 201, .headers = {{"X-One", "1"}}, .body = "made"});
  };
  bench_.router.add("PUT", "/{bucket}/{key}", answer);
  bench_.start();
  const auto response = send({.method = "PUT",
                              .url = "/b/date%3D1?a&x-id=Put%20Object",
                              .headers = {{"X-Amz-Meta-A", "v"}, {"X-Empty", ""}},
                              .body = "bytes"});
  ASSERT_TRUE(response.has_value()) << response.error().text();
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->headers.value("x-one"), "1");
  EXPECT_EQ(response->body, "made");
  EXPECT_EQ(seen.target, "/b/date%3D1?a&x-id=Put%20Object");
  EXPECT_EQ(seen.body, "bytes");
  EXPECT_EQ(seen.headers.value("X-Amz-Meta-A"), "v");
  EXPECT_TRUE(seen.headers.has("X-Empty"));
  for (const auto* unasked : {"Accept", "Expect", "Content-Type", "User-Agent"}) {
    EXPECT_FALSE(seen.headers.has(unasked)) << unasked;
  }
}

TEST_F(WebClientTest, KeepsAConnectionForTheNextRequest) {
  bench_.router.add("GET", "/peer", [](const std::shared_ptr<Exchange>& exchange) {
    exchange->answer({.body = exchange->request().peer});
  });
  bench_.start();
  const auto first = send({.url = "/peer"}).value().body;
  EXPECT_EQ(send({.url = "/peer"}).value().body, first);
}

TEST_F(WebClientTest, ReadsTheHeadOfAnObjectWithoutItsBody) {
  bench_.router.add("GET", "/k", echo);
  bench_.start();
  const auto response = send({.method = "HEAD", .url = "/k"});
  ASSERT_TRUE(response.has_value()) << response.error().text();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "");
}

TEST_F(WebClientTest, RefusesAnAnswerThatIsTooLarge) {
  bench_.router.add("GET", "/big", [](const std::shared_ptr<Exchange>& exchange) {
    exchange->answer({.body = std::string(1000, 'x')});
  });
  bench_.start();
  const auto response = send({.url = "/big", .body_bytes_max = 999});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, Code::Exhausted);
  EXPECT_TRUE(send({.url = "/big", .body_bytes_max = 1000}).has_value());
}

TEST_F(WebClientTest, SaysThatNothingWasDoneIfNobodyListens) {
  bench_.start();
  const auto port = bench_.server().port();
  bench_.server().stop(Drain::Now);
  const auto response = client_->send(
      {.method = "POST", .url = "http://127.0.0.1:" + std::to_string(port) + "/", .body = "x"});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, Code::Unavailable);
}

TEST_F(WebClientTest, SaysThatThereIsNoSuchHost) {
  const auto response = client_->send({.url = "http://nowhere.invalid/"});
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, Code::Unavailable);
  EXPECT_THAT(response.error().message, HasSubstr("nowhere.invalid"));
}

TEST_F(WebClientTest, RefusesWhatIsNoWebAddress) {
  for (const auto* bad : {"ftp://h/", "file:///etc/passwd", "http://", "no url"}) {
    const auto response = client_->send({.url = bad});
    ASSERT_FALSE(response.has_value()) << bad;
  }
}

/// Holds its requests without an answer until the test ends.
class SilentServer {
 public:
  explicit SilentServer(TestServer& bench) {
    const auto hold = [this](std::shared_ptr<Exchange> exchange) {
      held_.push_back(std::move(exchange));
      arrived_.release();
    };
    bench.router.add("POST", "/silent", hold);
    bench.router.add("GET", "/silent", hold);
    bench.start();
  }
  void await() { arrived_.acquire(); }

 private:
  std::counting_semaphore<> arrived_{0};
  std::vector<std::shared_ptr<Exchange>> held_;
};

TEST_F(WebClientTest, SaysThatItMayHaveBeenDoneIfTheAnswerDoesNotCome) {
  SilentServer silent(bench_);
  const auto post = send({.method = "POST", .url = "/silent", .body = "x", .silence_max = 50ms});
  ASSERT_FALSE(post.has_value());
  EXPECT_EQ(post.error().code, Code::Unknown);
  const auto get = send({.url = "/silent", .silence_max = 50ms});
  ASSERT_FALSE(get.has_value());
  EXPECT_EQ(get.error().code, Code::Unavailable);
  const auto late = send({.method = "POST", .url = "/silent", .body = "x", .deadline = 50ms});
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, Code::Unknown);
}

TEST_F(WebClientTest, StopsWaitingWhenAsked) {
  SilentServer silent(bench_);
  std::stop_source stop;
  std::jthread stopper([&] {
    silent.await();
    stop.request_stop();
  });
  const auto response = send({.method = "POST", .url = "/silent", .body = "x"}, stop.get_token());
  ASSERT_FALSE(response.has_value());
  EXPECT_EQ(response.error().code, Code::Cancelled);
}

TEST(WebClient, SaysThatItsCertificatesAreMissing) {
  const auto client = WebClient::open({.ca_file = "/no/such/file.pem"});
  ASSERT_FALSE(client.has_value());
  EXPECT_EQ(client.error().place, "/no/such/file.pem");
}

TEST_F(WebClientTest, RefusesLinkLocalAddressesIfAskedTo) {
  bench_.router.add("GET", "/a", [](const std::shared_ptr<Exchange>& exchange) {
    exchange->answer({.body = "fine"});
  });
  bench_.start();
  constexpr auto kNotLinkLocal = WebRequest::Peers::NotLinkLocal;
  EXPECT_TRUE(send({.url = "/a", .peers = kNotLinkLocal}));
  for (const auto* url :
       {"http://169.254.169.254/latest", "http://[fd00:ec2::254]/latest",
        "http://[::ffff:169.254.169.254]/", "http://[fe80::1]/", "http://0xA9FEA9FE/"}) {
    const auto answer = client_->send(
        {.url = url, .deadline = 2s, .proxies = WebRequest::Proxies::None, .peers = kNotLinkLocal});
    ASSERT_FALSE(answer) << url;
    EXPECT_EQ(answer.error().code, Code::Denied) << url << ": " << answer.error().text();
  }
}

}  // namespace
}  // namespace millrace::http
