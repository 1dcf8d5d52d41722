#include "aws/signing.hpp"

#include <aws/auth/credentials.h>
#include <aws/auth/signable.h>
#include <aws/auth/signing.h>
#include <aws/auth/signing_config.h>
#include <aws/auth/signing_result.h>
#include <aws/http/request_response.h>

#include <algorithm>
#include <array>

#include "aws/digest.hpp"
#include "aws/library.hpp"
#include "aws/signature.hpp"
#include "base/text.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;

using Message = Owned<aws_http_message, aws_http_message_release>;
using Signable = Owned<aws_signable, aws_signable_destroy>;
using LibraryCredentials = Owned<const aws_credentials, aws_credentials_release>;

constexpr std::array kSetBySigning = {"Authorization", "X-Amz-Date", "X-Amz-Security-Token",
                                      "X-Amz-Content-Sha256"};

Error refused(std::string_view what) {
  return {Code::Invalid, "cannot sign: " + std::string(what) + ": " + last_library_error()};
}

LibraryCredentials credentials_for_library(const Credentials& from) {
  return LibraryCredentials(aws_credentials_new(library(), cursor(from.access_key_id),
                                                cursor(from.secret_access_key),
                                                cursor(from.session_token), UINT64_MAX));
}

Result<Message> message_of(const http::Request& request) {
  Message message(aws_http_message_new_request(library()));
  if (aws_http_message_set_request_method(message.get(), cursor(request.method)) !=
          AWS_OP_SUCCESS ||
      aws_http_message_set_request_path(message.get(), cursor(request.target)) != AWS_OP_SUCCESS) {
    return refused("the request line");
  }
  for (const auto& [name, value] : request.headers) {
    const aws_http_header header{.name = cursor(name), .value = cursor(value)};
    if (aws_http_message_add_header(message.get(), header) != AWS_OP_SUCCESS) {
      return refused("header " + name);
    }
  }
  return message;
}

/// Headers that a proxy may change or drop are not signed.
bool is_worth_signing(const aws_byte_cursor* name, void*) {
  constexpr std::array<std::string_view, 5> kUnsigned = {"connection", "user-agent", "expect",
                                                         "transfer-encoding", "accept-encoding"};
  return std::ranges::none_of(kUnsigned, [&](std::string_view other) {
    return base::equal_ignoring_case(view(*name), other);
  });
}

aws_signing_config_aws config_for(const SigningOptions& options, const aws_credentials* credentials,
                                  aws_signature_type type) {
  aws_signing_config_aws config{};
  config.config_type = AWS_SIGNING_CONFIG_AWS;
  config.algorithm = AWS_SIGNING_ALGORITHM_V4;
  config.signature_type = type;
  config.region = cursor(options.region);
  config.service = cursor(options.service);
  config.credentials = credentials;
  config.should_sign_header = is_worth_signing;
  const bool is_s3 = options.service == "s3";
  config.flags.use_double_uri_encode = !is_s3;
  config.flags.should_normalize_uri_path = !is_s3;
  const auto since_epoch =
      std::chrono::duration_cast<std::chrono::milliseconds>(options.at.time_since_epoch());
  aws_date_time_init_epoch_millis(&config.date, static_cast<std::uint64_t>(since_epoch.count()));
  return config;
}

/// Signs now: with credentials at hand the library answers before it returns.
template <class Take>
Result<void> run(const aws_signable* signable, const aws_signing_config_aws& config, Take take) {
  struct State {
    Take& take;
    Result<void> outcome = Error{Code::Invalid, "cannot sign: the library did not answer"};
  } state{take};
  const auto on_complete = [](aws_signing_result* result, int code, void* user) {
    auto& into = *static_cast<State*>(user);
    into.outcome = code == AWS_ERROR_SUCCESS
                       ? into.take(*result)
                       : Result<void>(Error{Code::Invalid, "cannot sign: " + library_error(code)});
  };
  const auto* base = reinterpret_cast<const aws_signing_config_base*>(&config);
  if (aws_sign_request_aws(library(), signable, base, on_complete, &state) != AWS_OP_SUCCESS) {
    return refused("the request");
  }
  return state.outcome;
}

/// The message with the signature in it.
Result<Message> signed_message(const http::Request& request, const SigningOptions& options,
                               const aws_signing_config_aws& config) {
  if (!request.headers.has("Host")) return Error{Code::Invalid, "cannot sign without a Host"};
  auto message = TRY(message_of(request));
  const Signable signable(aws_signable_new_http_request(library(), message.get()));
  if (!signable) return refused("the request");
  TRY(run(signable.get(), config, [&](const aws_signing_result& result) -> Result<void> {
    if (aws_apply_signing_result_to_http_request(message.get(), library(), &result) !=
        AWS_OP_SUCCESS) {
      return refused("service " + options.service);
    }
    return {};
  }));
  return message;
}

}  // namespace

Result<void> sign(http::Request& request, const Credentials& credentials,
                  const SigningOptions& options) {
  for (const auto* name : kSetBySigning) request.headers.remove(name);
  const auto given = credentials_for_library(credentials);
  auto config = config_for(options, given.get(), AWS_ST_HTTP_REQUEST_HEADERS);
  const auto body_hash = sha256_hex(request.body);
  config.signed_body_value = cursor(body_hash);
  if (options.service == "s3") config.signed_body_header = AWS_SBHT_X_AMZ_CONTENT_SHA256;
  const auto message = TRY(signed_message(request, options, config));
  for (const auto* name : kSetBySigning) {
    aws_byte_cursor value{};
    const auto* headers = aws_http_message_get_const_headers(message.get());
    if (aws_http_headers_get(headers, cursor(name), &value) == AWS_OP_SUCCESS) {
      request.headers.set(name, std::string(view(value)));
    }
  }
  return {};
}

Result<std::string> presign(const http::Request& request, const Credentials& credentials,
                            const SigningOptions& options, std::chrono::seconds valid_for) {
  const auto given = credentials_for_library(credentials);
  auto config = config_for(options, given.get(), AWS_ST_HTTP_REQUEST_QUERY_PARAMS);
  const auto body = options.service == "s3" ? "UNSIGNED-PAYLOAD" : sha256_hex(request.body);
  config.signed_body_value = cursor(body);
  config.expiration_in_seconds = static_cast<std::uint64_t>(valid_for.count());
  const auto message = TRY(signed_message(request, options, config));
  aws_byte_cursor target{};
  if (aws_http_message_get_request_path(message.get(), &target) != AWS_OP_SUCCESS) {
    return refused("the target");
  }
  return std::string(view(target));
}

Result<std::string> signature_of(const std::string& canonical_request,
                                 const Credentials& credentials, const SigningOptions& options) {
  const auto given = credentials_for_library(credentials);
  const auto config = config_for(options, given.get(), AWS_ST_CANONICAL_REQUEST_HEADERS);
  const Signable signable(aws_signable_new_canonical_request(library(), cursor(canonical_request)));
  if (!signable) return refused("the canonical request");
  std::string signature;
  TRY(run(signable.get(), config, [&](const aws_signing_result& result) -> Result<void> {
    aws_string* value = nullptr;
    if (aws_signing_result_get_property(&result, g_aws_signature_property_name, &value) !=
            AWS_OP_SUCCESS ||
        value == nullptr) {
      return refused("no signature");
    }
    signature = aws_string_c_str(value);
    return {};
  }));
  return signature;
}

}  // namespace millrace::aws
