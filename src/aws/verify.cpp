#include "aws/verify.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "aws/canonical_request.hpp"
#include "aws/digest.hpp"
#include "aws/instant.hpp"
#include "aws/signature.hpp"
#include "base/text.hpp"
#include "base/units.hpp"

namespace millrace::aws {
namespace {

using Why = Refusal::Why;

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kUnsignedBody = "UNSIGNED-PAYLOAD";
constexpr auto kPresignedMax = std::chrono::days(7);

/// What the request says of its signature.
struct Claim {
  bool is_presigned = false;
  std::string access_key_id;
  std::string day;
  std::string region;
  std::string service;
  std::vector<std::string> signed_headers;
  std::string signature;
  std::string date;
  std::string session_token;
  std::chrono::seconds valid_for{0};  ///< presigned
};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

Refusal incomplete(std::string message) {
  return {Why::IncompleteSignature, std::move(message)};
}

std::optional<Refusal> take_credential(std::string_view credential, Claim& claim) {
  // An id may hold slashes; the scope is the last four parts.
  auto parts = split(credential, '/');
  if (parts.size() < 5 || parts.back() != "aws4_request") {
    return incomplete(
        "Credential must have at least 5 slash-delimited elements and end in 'aws4_request'.");
  }
  claim.service = parts[parts.size() - 2];
  claim.region = parts[parts.size() - 3];
  claim.day = parts[parts.size() - 4];
  parts.resize(parts.size() - 4);
  claim.access_key_id = base::join(parts, "/");
  return std::nullopt;
}

/// Reads `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
std::variant<Claim, Refusal> claim_in_header(const http::Request& request) {
  auto header = base::trimmed(request.headers.value("Authorization"));
  if (!header.starts_with(kAlgorithm)) {
    return incomplete(fmt::format("The Authorization header must start with '{}'.", kAlgorithm));
  }
  header.remove_prefix(kAlgorithm.size());
  std::string credential;
  std::string headers;
  Claim claim;
  for (const auto& part : split(header, ',')) {
    const auto pair = base::trimmed(part);
    const auto equals = std::min(pair.find('='), pair.size());
    const auto name = pair.substr(0, equals);
    const auto value = std::string(pair.substr(std::min(equals + 1, pair.size())));
    if (name == "Credential") credential = value;
    if (name == "SignedHeaders") headers = value;
    if (name == "Signature") claim.signature = value;
  }
  claim.date = request.headers.value("X-Amz-Date");
  if (claim.date.empty()) claim.date = request.headers.value("Date");
  std::string missing;
  const auto require = [&](const std::string& value, std::string_view name) {
    if (!value.empty()) return;
    missing += fmt::format("{}Authorization header requires '{}' parameter.",
                           missing.empty() ? "" : " ", name);
  };
  require(credential, "Credential");
  require(claim.signature, "Signature");
  require(headers, "SignedHeaders");
  if (claim.date.empty()) {
    missing += fmt::format(
        "{}Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
        missing.empty() ? "" : " ");
  }
  if (!missing.empty()) return incomplete(missing);
  if (auto refusal = take_credential(credential, claim)) return *refusal;
  claim.signed_headers = split(headers, ';');
  claim.session_token = request.headers.value("X-Amz-Security-Token");
  return claim;
}

std::variant<Claim, Refusal> claim_in_query(const http::Parameters& query) {
  Claim claim{.is_presigned = true};
  const auto take = [&](std::string_view name) -> std::string {
    const auto found = std::ranges::find(query, name, &http::Parameters::value_type::first);
    return found == query.end() ? std::string() : found->second;
  };
  for (const auto* name :
       {"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"}) {
    if (take(name).empty()) {
      return incomplete(fmt::format("AWS query-string parameters must include '{}'.", name));
    }
  }
  if (take("X-Amz-Algorithm") != kAlgorithm) {
    return incomplete(fmt::format("Unsupported AWS 'algorithm': only '{}' is.", kAlgorithm));
  }
  if (auto refusal = take_credential(take("X-Amz-Credential"), claim)) return *refusal;
  claim.signature = take("X-Amz-Signature");
  claim.signed_headers = split(take("X-Amz-SignedHeaders"), ';');
  claim.date = take("X-Amz-Date");
  claim.session_token = take("X-Amz-Security-Token");
  const auto valid_for = base::parse_duration(take("X-Amz-Expires") + "s");
  if (!valid_for || *valid_for > kPresignedMax) {
    return incomplete("X-Amz-Expires must be a number of seconds, at most 604800.");
  }
  claim.valid_for = std::chrono::duration_cast<std::chrono::seconds>(*valid_for);
  return claim;
}

std::optional<Refusal> check_scope(const http::Request& request, const Claim& claim,
                                   const VerifyOptions& options) {
  const auto invalid = [](std::string message) {
    return Refusal{Why::InvalidSignature, std::move(message)};
  };
  if (claim.service != options.service) {
    return invalid(
        fmt::format("Credential should be scoped to correct service: '{}'.", options.service));
  }
  if (!options.region.empty() && claim.region != options.region) {
    return invalid(
        fmt::format("Credential should be scoped to a valid region: '{}'.", options.region));
  }
  const auto is_signed = [&](std::string_view name) {
    return std::ranges::any_of(claim.signed_headers, [&](const std::string& signed_header) {
      return base::equal_ignoring_case(signed_header, name);
    });
  };
  const bool is_host_signed = is_signed("host") || is_signed(kAuthority);
  if (!is_host_signed) return invalid("'Host' must be a 'SignedHeader' in the AWS signature.");
  for (const auto& [name, value] : request.headers) {
    constexpr std::string_view kPrefix = "x-amz-";
    const bool is_ours = base::equal_ignoring_case(name.substr(0, kPrefix.size()), kPrefix);
    if (is_ours && !is_signed(name)) {
      return invalid("Header '" + base::printable(name) + "' is present but is not signed.");
    }
  }
  return std::nullopt;
}

std::optional<Refusal> check_time(const Claim& claim, base::Time at, const VerifyOptions& options) {
  if (format_amz_date(at).substr(0, 8) != claim.day) {
    return Refusal{Why::InvalidSignature,
                   "Date in Credential scope does not match the date of the request."};
  }
  const auto now = format_amz_date(options.now);
  if (at > options.now + options.skew_max) {
    return Refusal{
        Why::RequestNotYetValid,
        fmt::format("Signature not yet current: {} is still later than {} ({} + {} min.)",
                    format_amz_date(at), format_amz_date(options.now + options.skew_max), now,
                    options.skew_max.count())};
  }
  if (claim.is_presigned) {
    if (at + claim.valid_for >= options.now) return std::nullopt;
    return Refusal{Why::RequestExpired, fmt::format("Request has expired: it was good until {}.",
                                                    format_amz_date(at + claim.valid_for))};
  }
  if (at >= options.now - options.skew_max) return std::nullopt;
  return Refusal{Why::RequestExpired,
                 fmt::format("Signature expired: {} is now earlier than {} ({} - {} min.)",
                             format_amz_date(at), format_amz_date(options.now - options.skew_max),
                             now, options.skew_max.count())};
}

/// What stands for the body in the canonical request; nothing if the body is another one.
std::optional<std::string> signed_body(const http::Request& request, const Claim& claim) {
  const auto actual = sha256_hex(request.body);
  const auto claimed = request.headers.value("X-Amz-Content-Sha256");
  if (claim.is_presigned && claim.service == "s3") return std::string(kUnsignedBody);
  if (claimed.empty() || claimed == actual) return actual;
  return std::nullopt;
}

Refusal mismatch() {
  return {Why::SignatureDoesNotMatch,
          "The request signature we calculated does not match the signature you provided. Check "
          "your AWS Secret Access Key and signing method. Consult the service documentation for "
          "details."};
}

std::variant<Verified, Refusal> check(const http::Request& request, const Claim& claim,
                                      const VerifyOptions& options) {
  const auto at = parse_amz_date(claim.date);
  if (!at) return incomplete("Date must be in ISO-8601 'basic format': 20260131T235959Z.");
  if (auto refusal = check_scope(request, claim, options)) return *refusal;
  const auto key = options.find_key(claim.access_key_id);
  if (!key || !equal_in_constant_time(key->session_token, claim.session_token)) {
    return Refusal{Why::UnrecognizedClient,
                   "The security token included in the request is invalid."};
  }
  if (auto refusal = check_time(claim, *at, options)) return *refusal;
  const auto body = signed_body(request, claim);
  if (!body) return mismatch();
  const auto text = canonical_request(
      request,
      {.is_s3 = claim.service == "s3", .signed_headers = claim.signed_headers, .body_hash = *body});
  if (!text) return incomplete(text.error().message);
  const auto signature =
      signature_of(*text, {claim.access_key_id, key->secret_access_key},
                   {.region = claim.region, .service = claim.service, .at = *at});
  if (!signature || !equal_in_constant_time(*signature, claim.signature)) return mismatch();
  return Verified{claim.access_key_id, claim.region};
}

}  // namespace

std::string_view json_code(Refusal::Why why) {
  switch (why) {
    case Why::MissingAuthenticationToken:
      return "MissingAuthenticationTokenException";
    case Why::IncompleteSignature:
      return "IncompleteSignatureException";
    case Why::UnrecognizedClient:
      return "UnrecognizedClientException";
    default:
      return "InvalidSignatureException";
  }
}

std::variant<Verified, Refusal> verify(const http::Request& request, const VerifyOptions& options) {
  std::variant<Claim, Refusal> claim;
  if (request.headers.has("Authorization")) {
    claim = claim_in_header(request);
  } else {
    const auto query = aws_query(split_target(request.target).second);
    if (!query) return incomplete(query.error().message);
    const bool is_presigned = std::ranges::any_of(
        *query, [](const auto& pair) { return pair.first.starts_with("X-Amz-"); });
    if (!is_presigned) {
      return Refusal{Why::MissingAuthenticationToken, "Missing Authentication Token"};
    }
    claim = claim_in_query(*query);
  }
  if (const auto* refusal = std::get_if<Refusal>(&claim)) return *refusal;
  return check(request, std::get<Claim>(claim), options);
}

}  // namespace millrace::aws
