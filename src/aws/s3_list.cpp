#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "aws/s3.hpp"
#include "aws/xml.hpp"
#include "base/base64.hpp"
#include "base/md5.hpp"
#include "base/text.hpp"

namespace millrace::aws {
namespace {

using base::Code;
using base::Error;
using base::Result;

constexpr std::size_t kKeysPerDelete = 1000;

Result<ObjectInfo> object_of(const XmlElement& element) {
  ObjectInfo object{.key = std::string(element.value("Key")),
                    .etag = std::string(element.value("ETag"))};
  const auto size = element.value("Size");
  const auto [end, failed] = std::from_chars(size.data(), size.data() + size.size(), object.size);
  if (failed != std::errc() || object.key.empty()) {
    return Error{Code::Corrupt, "the store listed an object without key or size"};
  }
  object.modified_at = TRY(base::parse_time(element.value("LastModified")));
  return object;
}

}  // namespace

Result<ListPage> S3::list(const ListOptions& options, const std::stop_token& stop) {
  http::Parameters query{{"list-type", "2"}, {"max-keys", fmt::format("{}", options.keys_max)}};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) query.emplace_back(name, value);
  };
  add("prefix", options.prefix);
  add("delimiter", options.delimiter);
  add("start-after", options.start_after);
  add("continuation-token", options.token);
  const auto outcome = TRY(ask(call_of("GET", "", query), stop));
  if (const auto* error = std::get_if<ServiceError>(&outcome)) {
    return refused(*error, "list", options.prefix);
  }
  const auto document = TRY(parse_xml(std::get<http::Response>(outcome).body));
  if (document.name != "ListBucketResult") {
    return Error{Code::Corrupt,
                 "the store answered a listing by <" + base::printable(document.name) + ">"};
  }
  ListPage page;
  for (const auto& child : document.children) {
    if (child.name == "Contents") page.objects.push_back(TRY(object_of(child)));
    if (child.name == "CommonPrefixes") page.prefixes.emplace_back(child.value("Prefix"));
  }
  if (document.value("IsTruncated") == "true") page.token = document.value("NextContinuationToken");
  return page;
}

Result<ListPage> S3::list_all(ListOptions options, std::size_t objects_max,
                              const std::stop_token& stop) {
  ListPage all;
  do {
    auto page = TRY(list(options, stop));
    options.token = std::move(page.token);
    std::ranges::move(page.objects, std::back_inserter(all.objects));
    std::ranges::move(page.prefixes, std::back_inserter(all.prefixes));
    if (all.objects.size() + all.prefixes.size() > objects_max) {
      return Error{Code::Exhausted, fmt::format("s3://{}/{} holds more than {} objects",
                                                options_.bucket, options.prefix, objects_max)};
    }
  } while (!options.token.empty());
  return all;
}

Result<void> S3::remove_all(std::span<const std::string> keys, const std::stop_token& stop) {
  for (std::size_t begin = 0; begin < keys.size(); begin += kKeysPerDelete) {
    auto call = call_of("POST", "", {{"delete", ""}});
    call.request.body = "<Delete><Quiet>true</Quiet>";
    for (const auto& key : keys.subspan(begin, std::min(kKeysPerDelete, keys.size() - begin))) {
      call.request.body += "<Object><Key>" + xml_escaped(key) + "</Key></Object>";
    }
    call.request.body += "</Delete>";
    const auto digest = base::md5(call.request.body);
    call.request.headers.add(
        "Content-MD5", base::base64({reinterpret_cast<const char*>(digest.data()), digest.size()}));
    call.request.headers.add("Content-Type", "application/xml");
    const auto outcome = TRY(ask(call, stop));
    if (const auto* error = std::get_if<ServiceError>(&outcome)) {
      return refused(*error, "delete", keys[begin]);
    }
    const auto document = TRY(parse_xml(std::get<http::Response>(outcome).body));
    for (const auto& child : document.children) {
      if (child.name != "Error" || child.value("Code") == "NoSuchKey") continue;
      const ServiceError error{.status = 403,
                               .code = std::string(child.value("Code")),
                               .message = std::string(child.value("Message"))};
      return refused(error, "delete", std::string(child.value("Key")));
    }
  }
  return {};
}

}  // namespace millrace::aws
