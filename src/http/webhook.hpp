#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace millrace::http {

/// The signature `v1,…` of a webhook's message: HMAC-SHA256 of `id.timestamp.body`. A secret that
/// begins with `whsec_` is base64 of the key, any other is the key.
/// Source  Standard Webhooks, "Signature scheme".
std::string webhook_signature(std::string_view secret, std::string_view id, std::int64_t timestamp,
                              std::string_view body);

/// What `Retry-After` says at `now`: seconds, or a date. None: it says nothing that can be read.
std::optional<std::chrono::seconds> retry_after(std::string_view value, base::Time now);

}  // namespace millrace::http
