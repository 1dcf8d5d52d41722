#include "aws/retry.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace millrace::aws {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr milliseconds kDelayMax = 20s;

template <std::size_t Count>
bool is_one_of(std::string_view code, const std::array<std::string_view, Count>& codes) {
  return std::ranges::find(codes, code) != codes.end();
}

/// The number in a header; 0 if there is none.
std::int64_t number_in(const http::Headers& headers, std::string_view name) {
  const auto text = headers.value(name);
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return std::clamp<std::int64_t>(number, 0, 3'600'000);
}

}  // namespace

bool RetryBudget::take(int cost) {
  const std::lock_guard lock(mutex_);
  if (left_ < cost) return false;
  left_ -= cost;
  return true;
}

void RetryBudget::give_back(int cost) {
  const std::lock_guard lock(mutex_);
  left_ = std::min(left_ + cost, kCapacity);
}

milliseconds backoff(int attempt, Pace pace, const http::Headers& answer, base::Random& random) {
  const auto first = pace == Pace::Throttled ? 1'000ms : 50ms;
  const auto ceiling =
      std::min<milliseconds>(first * (1 << std::clamp(attempt - 2, 0, 10)), kDelayMax);
  const auto jittered = milliseconds(random.below(static_cast<std::uint64_t>(ceiling.count()) + 1));
  const auto asked = std::max(milliseconds(number_in(answer, "x-amz-retry-after")),
                              milliseconds(1'000 * number_in(answer, "Retry-After")));
  return std::max(jittered, std::min(asked, kDelayMax));
}

bool is_throttling(std::string_view code) {
  static constexpr std::array<std::string_view, 16> kCodes = {
      "Throttling",
      "ThrottlingException",
      "ThrottledException",
      "RequestThrottledException",
      "RequestThrottled",
      "TooManyRequestsException",
      "ProvisionedThroughputExceededException",
      "TransactionInProgressException",
      "RequestLimitExceeded",
      "BandwidthLimitExceeded",
      "LimitExceededException",
      "SlowDown",
      "SlowDownRead",
      "SlowDownWrite",
      "PriorRequestNotComplete",
      "EC2ThrottledException"};
  return is_one_of(code, kCodes);
}

bool is_clock_skew(std::string_view code) {
  static constexpr std::array<std::string_view, 6> kCodes = {
      "RequestTimeTooSkewed",      "RequestExpired",        "RequestInTheFuture",
      "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"};
  return is_one_of(code, kCodes);
}

bool is_expired_token(std::string_view code) {
  static constexpr std::array<std::string_view, 3> kCodes = {
      "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"};
  return is_one_of(code, kCodes);
}

}  // namespace millrace::aws
