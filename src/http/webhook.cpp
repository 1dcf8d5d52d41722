#include "http/webhook.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <charconv>

#include "base/base64.hpp"
#include "base/result.hpp"
#include "base/text.hpp"

namespace millrace::http {
namespace {

constexpr std::string_view kWritten = "whsec_";

std::string key_of(std::string_view secret) {
  if (!secret.starts_with(kWritten)) return std::string(secret);
  // Another text is refused when the file is read.
  return base::decode_base64(secret.substr(kWritten.size())).value_or(std::string(secret));
}

}  // namespace

std::string webhook_signature(std::string_view secret, std::string_view id, std::int64_t timestamp,
                              std::string_view body) {
  const auto key = key_of(secret);
  const auto text = fmt::format("{}.{}.{}", id, timestamp, body);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest,
             &size) != nullptr);
  return "v1," + base::base64({reinterpret_cast<const char*>(digest), size});
}

std::optional<std::chrono::seconds> retry_after(std::string_view value, base::Time now) {
  value = base::trimmed(value);
  std::int64_t seconds = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), seconds);
  if (read.ec == std::errc{} && read.ptr == value.data() + value.size() && seconds >= 0) {
    return std::chrono::seconds(seconds);
  }
  const auto date = curl_getdate(std::string(value).c_str(), nullptr);
  if (date < 0) return std::nullopt;
  const auto left = std::chrono::sys_seconds(std::chrono::seconds(date)) - now;
  return std::max(std::chrono::seconds(0), std::chrono::ceil<std::chrono::seconds>(left));
}

}  // namespace millrace::http
