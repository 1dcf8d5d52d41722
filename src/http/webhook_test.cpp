#include "http/webhook.hpp"

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

using namespace std::chrono_literals;

// The values of the first are those of the specification's own example.
TEST(Webhook, SignsAsStandardWebhooksDo) {
  EXPECT_EQ(
      webhook_signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
                        1614265330, R"({"test": 2432232314})"),
      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  // printf 'a.1.{}' | openssl dgst -sha256 -hmac 'sixteen-letters!' -binary | base64
  EXPECT_EQ(webhook_signature("sixteen-letters!", "a", 1, "{}").substr(0, 3), "v1,");
  EXPECT_NE(webhook_signature("sixteen-letters!", "a", 1, "{}"),
            webhook_signature("sixteen-letters!", "a", 2, "{}"));
  EXPECT_EQ(webhook_signature("whsec_c2l4dGVlbi1sZXR0ZXJzIQ==", "a", 1, "{}"),
            webhook_signature("sixteen-letters!", "a", 1, "{}"));
}

TEST(Webhook, ReadsRetryAfter) {
  const auto now = base::parse_time("2026-11-20T12:00:00Z").value();
  EXPECT_EQ(retry_after("120", now), 120s);
  EXPECT_EQ(retry_after(" 0 ", now), 0s);
  EXPECT_EQ(retry_after("Fri, 20 Nov 2026 12:01:30 GMT", now), 90s);
  EXPECT_EQ(retry_after("Fri, 20 Nov 2026 11:00:00 GMT", now), 0s);
  EXPECT_EQ(retry_after("soon", now), std::nullopt);
  EXPECT_EQ(retry_after("", now), std::nullopt);
  EXPECT_EQ(retry_after("-5", now), std::nullopt);
}

}  // namespace
}  // namespace millrace::http
