#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.hpp"
#include "http/message.hpp"

namespace millrace::aws {

/// A key that a server knows.
struct KnownKey {
  std::string secret_access_key;
  std::string session_token = {};  ///< empty: requests must not carry one
};
/// Nothing for an id that nobody knows.
using FindKey = std::function<std::optional<KnownKey>(std::string_view access_key_id)>;

struct VerifyOptions {
  FindKey find_key;
  std::string service;      ///< what requests must be signed for: `kinesis`
  std::string region = {};  ///< empty: any
  base::Time now;
  std::chrono::minutes skew_max{5};
};

struct Verified {
  std::string access_key_id;
  std::string region;
};

/// Why a request is refused.
struct Refusal {
  enum class Why : std::uint8_t {
    MissingAuthenticationToken,  ///< it is not signed
    IncompleteSignature,         ///< a part of the signature is missing or cannot be read
    InvalidSignature,            ///< wrong scope, a needed header is not signed
    SignatureDoesNotMatch,
    RequestExpired,      ///< signed too long ago; AWS: InvalidSignature, or RequestExpired
    RequestNotYetValid,  ///< signed in the future
    UnrecognizedClient,  ///< unknown key or session token
  };
  Why why;
  std::string message;  ///< in AWS's words; quotes no secret
};

/// The error of JSON services: `InvalidSignatureException`.
std::string_view json_code(Refusal::Why why);

/// Checks the signature of an incoming request, in the `Authorization` header or, presigned, in the
/// query: signs again with the key that it names and compares in constant time. `request` needs
/// method, target, headers with `Host`, and the body as it was signed. `Host` and every `X-Amz-*`
/// header must be signed, and the body must be.
/// Threads: safe from any, as is `find_key`.
std::variant<Verified, Refusal> verify(const http::Request& request, const VerifyOptions& options);

}  // namespace millrace::aws
