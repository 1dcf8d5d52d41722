#include "lambda/runtime_api.hpp"

#include <gmock/gmock.h>

#include "base/telemetry.hpp"
#include "http/exchange.hpp"
#include "http/server.hpp"

namespace millrace::lambda {
namespace {

using base::Code;
using testing::HasSubstr;
using namespace std::chrono_literals;

/// Gives one invocation and notes what is posted.
class RuntimeServer {
 public:
  explicit RuntimeServer(std::string deadline) : deadline_(std::move(deadline)) {
    server_ = http::Server::start({.port = 0}, [this](auto exchange) { handle(*exchange); }, clock,
                                  {log_, metrics_})
                  .value();
  }
  std::string address() const { return server_->address(); }

  base::SystemClock clock;
  std::vector<std::string> posts;
  int status = 202;

 private:
  void handle(http::Exchange& exchange) {
    const auto& request = exchange.request();
    if (request.method == "GET") {
      exchange.answer({.headers = {{"Lambda-Runtime-Aws-Request-Id", "r1"},
                                   {"Lambda-Runtime-Deadline-Ms", deadline_}},
                       .body = "{}"});
      return;
    }
    posts.push_back(request.path + " " +
                    std::string(request.headers.value("Lambda-Runtime-Function-Error-Type")) +
                    request.body);
    exchange.answer({.status = status, .body = "no"});
  }

  std::string deadline_;
  base::EventLog log_ = base::EventLog::silent();
  base::Metrics metrics_;
  std::unique_ptr<http::Server> server_;
};

TEST(RuntimeApi, TakesAnInvocationAndAnswersIt) {
  base::SystemClock clock;
  const auto in_10_s =
      std::chrono::floor<std::chrono::milliseconds>(clock.now().time_since_epoch() + 10s);
  RuntimeServer server(std::to_string(in_10_s.count()));
  auto api = RuntimeApi::open(server.address(), clock).value();
  const auto invocation = api.next().value();
  EXPECT_EQ(invocation.id, "r1");
  EXPECT_EQ(invocation.event, "{}");
  const auto left = invocation.deadline - clock.steady_now();
  EXPECT_GT(left, 5s);
  EXPECT_LE(left, 10s + 1ms);
  ASSERT_TRUE(api.answer("r1", "[1]"));
  ASSERT_TRUE(api.fail("r1", {Code::Exhausted, "slow down"}));
  ASSERT_TRUE(api.fail_start({Code::Invalid, "no file"}));
  EXPECT_THAT(
      server.posts,
      testing::ElementsAre(
          "/2018-06-01/runtime/invocation/r1/response [1]",
          "/2018-06-01/runtime/invocation/r1/error Millrace.exhausted"
          R"({"errorMessage":"slow down","errorType":"Millrace.exhausted","stackTrace":[]})",
          "/2018-06-01/runtime/init/error Millrace.invalid"
          R"({"errorMessage":"no file","errorType":"Millrace.invalid","stackTrace":[]})"));
}

TEST(RuntimeApi, TakesADeadlineThatIsATimeToGoAsOne) {
  base::SystemClock clock;
  RuntimeServer server("600000");
  auto api = RuntimeApi::open(server.address() + "/.rt/fn", clock).value();
  const auto left = api.next().value().deadline - clock.steady_now();
  EXPECT_GT(left, 9min);
  EXPECT_LE(left, 10min + 1s);
}

TEST(RuntimeApi, SaysThatAnAnswerWasRefused) {
  base::SystemClock clock;
  RuntimeServer server("0");
  server.status = 413;
  auto api = RuntimeApi::open(server.address(), clock).value();
  const auto answered = api.answer("r1", "{}");
  ASSERT_FALSE(answered);
  EXPECT_EQ(answered.error().code, Code::Invalid);
  EXPECT_THAT(answered.error().message, HasSubstr("answered 413"));
}

TEST(RuntimeApi, SaysThatTheAddressIsNone) {
  base::SystemClock clock;
  EXPECT_THAT(RuntimeApi::open("nowhere", clock).error().text(),
              HasSubstr("AWS_LAMBDA_RUNTIME_API=nowhere"));
}

}  // namespace
}  // namespace millrace::lambda
