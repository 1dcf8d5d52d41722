#include "http/router.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::http {
namespace {

// Keeps what a handler answers.
struct KeptAnswer final : AnswerSink {
  std::string route;
  Response response{.status = 0};

  void set_route(std::string_view pattern) override { route = pattern; }
  void answer(Response given) override { response = std::move(given); }
  void start(int, const Headers&) override {}
  base::Result<void> write(std::string) override { return {}; }
  base::Result<void> finish() override { return {}; }
  void abort() override {}
  void on_disconnect(std::function<void()>) override {}
};

// A router each of whose handlers answers with its own pattern and parameters.
struct RouterBench {
  Router router;

  void add(std::string_view method, std::string_view pattern) {
    router.add(method, pattern,
               [name = std::string(method) + " " +
                       std::string(pattern)](const std::shared_ptr<Exchange>& exchange) {
                 std::string text = name;
                 for (const auto& [key, value] : exchange->request().path_parameters) {
                   text += " " + key + "=" + value;
                 }
                 exchange->answer({.body = text});
               });
  }

  std::shared_ptr<KeptAnswer> handle(std::string_view method, std::string_view path) {
    auto kept = std::make_shared<KeptAnswer>();
    router.handle(std::make_shared<Exchange>(
        Request{.method = std::string(method), .path = std::string(path)}, kept));
    return kept;
  }
  std::string body(std::string_view method, std::string_view path) {
    return handle(method, path)->response.body;
  }
};

TEST(Router, FindsTheHandlerByMethodAndPath) {
  RouterBench bench;
  bench.add("GET", "/");
  bench.add("GET", "/v1/tables");
  bench.add("POST", "/v1/streams/{stream}/records");
  bench.add("GET", "/v1/{kind}/{name}/x");
  EXPECT_EQ(bench.body("GET", "/"), "GET /");
  EXPECT_EQ(bench.body("GET", "/v1/tables"), "GET /v1/tables");
  EXPECT_EQ(bench.body("POST", "/v1/streams/a%20b/records"),
            "POST /v1/streams/{stream}/records stream=a b");
  EXPECT_EQ(bench.body("GET", "/v1/a/b/x"), "GET /v1/{kind}/{name}/x kind=a name=b");
  EXPECT_EQ(bench.handle("GET", "/v1/a/b/x")->route, "/v1/{kind}/{name}/x");
}

TEST(Router, PrefersTheLiteralSegment) {
  RouterBench bench;
  bench.add("GET", "/t/{name}");
  bench.add("GET", "/t/all");
  bench.add("POST", "/t/{name}");
  EXPECT_EQ(bench.body("GET", "/t/all"), "GET /t/all");
  EXPECT_EQ(bench.body("GET", "/t/other"), "GET /t/{name} name=other");
  // The path is that of the literal pattern, which takes no POST.
  EXPECT_EQ(bench.handle("POST", "/t/all")->response.status, 405);
}

TEST(Router, Answers404ForAnUnknownPath) {
  RouterBench bench;
  bench.add("GET", "/t/{name}");
  for (const auto* path : {"/", "/t", "/t/", "/t/a/", "/T/a", "/t/a/b"}) {
    const auto kept = bench.handle("GET", path);
    EXPECT_EQ(kept->response.status, 404) << path;
    EXPECT_EQ(kept->route, "");
  }
  EXPECT_THAT(bench.body("GET", "/x\x01y"), testing::HasSubstr(R"(nothing at '/x\\x01y')"));
}

TEST(Router, Answers405WithWhatIsAllowed) {
  RouterBench bench;
  bench.add("GET", "/t");
  bench.add("POST", "/t");
  const auto kept = bench.handle("DELETE", "/t");
  EXPECT_EQ(kept->response.status, 405);
  EXPECT_EQ(kept->response.headers.value("Allow"), "GET, HEAD, POST, OPTIONS");
  EXPECT_EQ(kept->route, "/t");
}

TEST(Router, AnswersOptions) {
  RouterBench bench;
  bench.add("POST", "/t");
  const auto kept = bench.handle("OPTIONS", "/t");
  EXPECT_EQ(kept->response.status, 204);
  EXPECT_EQ(kept->response.headers.value("Allow"), "POST, OPTIONS");
}

TEST(Router, TakesHeadForGet) {
  RouterBench bench;
  bench.add("GET", "/t");
  EXPECT_EQ(bench.body("HEAD", "/t"), "GET /t");
}

TEST(Router, RefusesABadlyEncodedPath) {
  RouterBench bench;
  bench.add("GET", "/t/{name}");
  EXPECT_EQ(bench.handle("GET", "/t/%zz")->response.status, 400);
  EXPECT_EQ(bench.handle("GET", "/t/%00")->response.status, 400);
}

TEST(Exchange, AnswersWith500IfItGoesUnanswered) {
  auto kept = std::make_shared<KeptAnswer>();
  std::make_shared<Exchange>(Request{}, kept).reset();
  EXPECT_EQ(kept->response.status, 500);
}

}  // namespace
}  // namespace millrace::http
