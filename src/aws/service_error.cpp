#include "aws/service_error.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "aws/xml.hpp"
#include "base/text.hpp"

namespace millrace::aws {
namespace {

using base::Code;

/// `com.amazonaws.kinesis#ResourceNotFoundException:http://…` is `ResourceNotFoundException`.
std::string plain_code(std::string_view code) {
  const auto hash = code.find('#');
  if (hash != std::string_view::npos) code.remove_prefix(hash + 1);
  return std::string(code.substr(0, code.find(':')));
}

void read_json(const http::Response& response, ServiceError& error) {
  const auto document = nlohmann::json::parse(response.body, nullptr, false);
  if (!document.is_object()) return;
  for (const auto& [name, value] : document.items()) {
    if (!value.is_string()) continue;
    if (name == "__type" || name == "code") error.code = plain_code(value.get<std::string>());
    if (name == "message" || name == "Message") error.message = value.get<std::string>();
  }
}

void read_xml(const http::Response& response, ServiceError& error) {
  const auto document = parse_xml(response.body);
  if (!document) return;
  const auto* inner = document->child("Error");
  const auto& told = document->name == "Error" || inner == nullptr ? *document : *inner;
  error.code = told.value("Code");
  error.message = told.value("Message");
}

std::string_view code_of_status(int status) {
  switch (status) {
    case 301:
      return "PermanentRedirect";
    case 304:
      return "NotModified";
    case 403:
      return "AccessDenied";
    case 404:
      return "NotFound";
    case 409:
      return "ConditionalRequestConflict";
    case 412:
      return "PreconditionFailed";
    case 416:
      return "InvalidRange";
    case 429:
      return "TooManyRequestsException";
    case 503:
      return "ServiceUnavailable";
    default:
      return status >= 500 ? "InternalError" : "BadRequest";
  }
}

std::string_view mend_for(std::string_view code) {
  if (is_expired_token(code)) return "the credentials expired: get new ones";
  if (code == "InvalidAccessKeyId" || code == "InvalidClientTokenId" ||
      code == "UnrecognizedClientException" || code == "InvalidToken") {
    return "AWS does not know these credentials: check the access key and its session token";
  }
  if (code == "SignatureDoesNotMatch" || code == "InvalidSignatureException") {
    return "check the secret access key and this machine's clock";
  }
  if (code == "RequestTimeTooSkewed") return "set this machine's clock";
  return {};
}

}  // namespace

ServiceError service_error(const http::Response& response) {
  ServiceError error{.status = response.status, .headers = response.headers, .body = response.body};
  const auto body = base::trimmed(response.body);
  if (body.starts_with('{')) {
    read_json(response, error);
  } else if (body.starts_with('<')) {
    read_xml(response, error);
  }
  const auto type = response.headers.value("x-amzn-ErrorType");
  if (error.code.empty() && !type.empty()) error.code = plain_code(type);
  if (error.code.empty()) error.code = code_of_status(response.status);
  for (const auto* name : {"x-amzn-RequestId", "x-amz-request-id"}) {
    if (error.request_id.empty()) error.request_id = response.headers.value(name);
  }
  return error;
}

bool is_error_document(std::string_view body) {
  const auto document = parse_xml(body);
  return document && document->name == "Error";
}

base::Error ServiceError::as_error(std::string_view what) const {
  auto code_for_caller = Code::Invalid;
  const auto mend = mend_for(code);
  if (status >= 500) code_for_caller = Code::Unavailable;
  if (status == 404 || code == "ResourceNotFoundException") code_for_caller = Code::NotFound;
  if (status == 401 || status == 403 || code == "AccessDeniedException" || !mend.empty()) {
    code_for_caller = Code::Denied;
  }
  if (status == 429 || is_throttling(code)) code_for_caller = Code::Exhausted;
  auto text = fmt::format("{}: {}", what, code);
  if (!message.empty()) text += ": " + base::printable(message, 500);
  if (!mend.empty()) text += fmt::format(" ({})", mend);
  if (!request_id.empty()) text += fmt::format(" [request {}]", base::printable(request_id, 100));
  return {code_for_caller, std::move(text)};
}

}  // namespace millrace::aws
