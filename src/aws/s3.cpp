#include "aws/s3.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "aws/instant.hpp"
#include "base/text.hpp"
#include "http/url.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;
using What = PutOutcome::What;

bool is_bucket_name(std::string_view name) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           (c >= 'A' && c <= 'Z');
  };
  return name.size() >= 3 && name.size() <= 255 && std::ranges::all_of(name, is_plain) &&
         name.find("..") == std::string_view::npos;
}

/// Whether `name.s3.…` is a host that the certificate of S3 covers.
bool is_host_label(std::string_view name) {
  return name.size() <= 63 && std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

std::string encoded_key(std::string_view key) {
  std::string encoded;
  while (true) {
    const auto slash = key.find('/');
    encoded += http::percent_encode(key.substr(0, slash));
    if (slash == std::string_view::npos) return encoded;
    encoded += '/';
    key.remove_prefix(slash + 1);
  }
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// The size of the whole object: of `bytes 0-9/100` it is 100.
std::uint64_t whole_size(const http::Headers& headers) {
  const auto range = headers.value("Content-Range");
  const auto slash = range.find('/');
  return slash == std::string_view::npos ? number(headers.value("Content-Length"))
                                         : number(range.substr(slash + 1));
}

std::string policy_for(std::string_view doing, const std::string& bucket) {
  const bool is_read = doing == "read" || doing == "list" || doing == "look at";
  return fmt::format(
      "the policy must allow s3:ListBucket on arn:aws:s3:::{0} and {1} on arn:aws:s3:::{0}/*",
      bucket,
      is_read ? "s3:GetObject"
              : "s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload");
}

std::string mend_for(const ServiceError& error, std::string_view doing, const std::string& bucket) {
  const auto region = std::string(error.headers.value("x-amz-bucket-region"));
  if (!region.empty() && (error.status == 301 || error.status == 307 || error.status == 400)) {
    return fmt::format("the bucket is in region {}: set AWS_REGION={}", region, region);
  }
  if (error.status == 301 || error.code == "AuthorizationHeaderMalformed" ||
      error.code == "IllegalLocationConstraintException") {
    return "the bucket is in another region: set AWS_REGION to it";
  }
  if (error.code == "NoSuchBucket") return "make the bucket, or check its name and the endpoint";
  if (error.code == "AccessDenied" || error.code == "AllAccessDisabled") {
    return policy_for(doing, bucket);
  }
  return {};
}

}  // namespace

Result<S3> S3::open(Client& client, S3Options options) {
  if (!is_bucket_name(options.bucket)) {
    return Error{Code::Invalid, "'" + base::printable(options.bucket) + "' is no name of a bucket"};
  }
  if (options.part_bytes < 5_MiB || options.part_bytes > 5_GiB) {
    return Error{Code::Invalid, fmt::format("part_bytes must be 5 MiB to 5 GiB, not {}",
                                            base::format_bytes(options.part_bytes))};
  }
  if (options.parts_parallel < 1 || options.parts_parallel > 64) {
    return Error{Code::Invalid,
                 fmt::format("parts_parallel must be 1 to 64, not {}", options.parts_parallel)};
  }
  auto settings = client.settings();
  std::string endpoint;
  if (!options.region.empty()) {
    settings.region = options.region;
    endpoint = TRY(settings.endpoint(kS3));
  }
  const auto style =
      settings.profiles->value_below(settings.profile, "s3", "addressing_style").value_or("auto");
  const bool is_in_path = style == "path" || !is_host_label(options.bucket) ||
                          (style != "virtual" && settings.has_own_endpoint(kS3));
  return S3(client, std::move(options), is_in_path, std::move(endpoint));
}

Call S3::call_of(std::string method, const std::string& key, const http::Parameters& query) const {
  auto target = is_in_path_ ? "/" + options_.bucket : std::string();
  if (!key.empty() || !is_in_path_) target += "/" + encoded_key(key);
  for (const auto& [name, value] : query) {
    target += target.find('?') == std::string::npos ? '?' : '&';
    target += http::percent_encode(name) + "=" + http::percent_encode(value);
  }
  return {.service = kS3,
          .request = {.method = std::move(method), .target = std::move(target)},
          .host_prefix = is_in_path_ ? "" : options_.bucket + ".",
          .endpoint = endpoint_,
          .region = options_.region};
}

Result<Outcome> S3::ask(const Call& call, const std::stop_token& stop) const {
  return client_->call(call, stop).context("s3://" + options_.bucket);
}

Error S3::refused(const ServiceError& error, std::string_view doing, const std::string& key) const {
  auto told = error.as_error(
      fmt::format("{} s3://{}/{}", doing, options_.bucket, base::printable(key, 1000)));
  const auto mend = mend_for(error, doing, options_.bucket);
  if (!mend.empty()) told.message += " (" + mend + ")";
  return told;
}

Result<Object> S3::get(const std::string& key, const GetOptions& options,
                       const std::stop_token& stop) {
  auto call = call_of("GET", key, {});
  call.body_bytes_max = options.bytes_max;
  if (options.size == 0) return Object{};
  if (options.offset > 0 || options.size) {
    const auto last = options.size ? fmt::format("{}", options.offset + *options.size - 1) : "";
    call.request.headers.add("Range", fmt::format("bytes={}-{}", options.offset, last));
  }
  if (!options.if_match.empty()) call.request.headers.add("If-Match", options.if_match);
  auto outcome = TRY(ask(call, stop));
  if (const auto* error = std::get_if<ServiceError>(&outcome)) {
    if (error->status == 416) return Object{.size = whole_size(error->headers)};
    return refused(*error, "read", key);
  }
  auto& response = std::get<http::Response>(outcome);
  const auto size = whole_size(response.headers);
  return Object{.bytes = std::move(response.body),
                .size = size,
                .etag = std::string(response.headers.value("ETag"))};
}

Result<std::optional<ObjectInfo>> S3::head(const std::string& key, const std::stop_token& stop) {
  const auto outcome = TRY(ask(call_of("HEAD", key, {}), stop));
  if (const auto* error = std::get_if<ServiceError>(&outcome)) {
    if (error->status == 404) return std::optional<ObjectInfo>();
    return refused(*error, "look at", key);
  }
  const auto& headers = std::get<http::Response>(outcome).headers;
  return std::optional(ObjectInfo{
      .key = key,
      .size = number(headers.value("Content-Length")),
      .modified_at = parse_amz_date(headers.value("Last-Modified")).value_or(base::Time()),
      .etag = std::string(headers.value("ETag"))});
}

Result<ObjectInfo> S3::look(const std::string& key, const std::stop_token& stop) {
  auto object = TRY(get(key, {.size = 1}, stop));
  return ObjectInfo{.key = key, .size = object.size, .etag = std::move(object.etag)};
}

Result<void> S3::put(const std::string& key, std::string bytes, const std::stop_token& stop) {
  auto call = call_of("PUT", key, {});
  call.request.body = std::move(bytes);
  const auto outcome = TRY(ask(call, stop));
  if (const auto* error = std::get_if<ServiceError>(&outcome)) return refused(*error, "write", key);
  return {};
}

Result<PutOutcome> S3::put_if_absent(const std::string& key, std::string bytes,
                                     const std::stop_token& stop) {
  auto call = call_of("PUT", key, {});
  call.request.body = std::move(bytes);
  call.request.headers.add("If-None-Match", "*");
  call.repeat = Call::Repeat::IfNotDone;
  const auto outcome = ask(call, stop);
  if (!outcome) {
    if (outcome.error().code != Code::Unknown) return outcome.error();
    return PutOutcome{What::Ambiguous, outcome.error().text()};
  }
  const auto* error = std::get_if<ServiceError>(&*outcome);
  if (error == nullptr) return PutOutcome{What::Created};
  const auto told = refused(*error, "create", key);
  if (error->status == 412) return PutOutcome{What::Exists, told.message};
  if (error->status == 409) return PutOutcome{What::Conflict, told.message};
  if (error->status >= 500 || error->code == "RequestTimeout") {
    return PutOutcome{What::Ambiguous, told.message};
  }
  return told;
}

Result<void> S3::remove(const std::string& key, const std::stop_token& stop) {
  const auto outcome = TRY(ask(call_of("DELETE", key, {}), stop));
  const auto* error = std::get_if<ServiceError>(&outcome);
  if (error == nullptr || error->code == "NoSuchKey") return {};
  return refused(*error, "delete", key);
}

Result<void> S3::probe(const std::string& prefix, base::Random& random,
                       const std::stop_token& stop) {
  const auto key = prefix + "_probe-" + random.uuid();
  const auto first = TRY(put_if_absent(key, "first", stop));
  if (first.what != What::Created) {
    return Error{Code::Unavailable,
                 "the probe of s3://" + options_.bucket + " could not be written: " + first.detail};
  }
  const auto second = put_if_absent(key, "second", stop);
  TRY(remove(key, stop));
  if (!second) return second.error();
  if (second->what == What::Exists) return {};
  if (second->what != What::Created) {
    return Error{Code::Unavailable, "the probe of s3://" + options_.bucket + ": " + second->detail};
  }
  return Error{
      Code::Invalid,
      "the store behind s3://" + options_.bucket +
          " ignores If-None-Match: two writers would overwrite each other's commits; use a "
          "store that honours it (S3 itself, MinIO, versitygw), or a local folder"};
}

}  // namespace millrace::aws
