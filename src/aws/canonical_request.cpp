#include "aws/canonical_request.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "http/url.hpp"

namespace millrace::aws {
namespace {

using base::Result;

std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> segments;
  while (true) {
    const auto slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

/// Without empty, `.` and `..` segments, and encoded again: `/a%20/./b/../c//` is `/a%2520/c/`.
Result<std::string> normalised_path(std::string_view path) {
  std::vector<std::string_view> kept;
  for (const auto segment : segments_of(path)) {
    if (segment == ".." && !kept.empty()) kept.pop_back();
    if (!segment.empty() && segment != "." && segment != "..") kept.push_back(segment);
  }
  std::string text;
  for (const auto segment : kept) text.append("/").append(http::percent_encode(segment));
  return kept.empty() || path.ends_with('/') ? text + "/" : text;
}

/// Each segment as S3 would encode it, however the client did: `/date=1` is `/date%3D1`.
Result<std::string> s3_path(std::string_view path) {
  std::string text;
  for (const auto segment : segments_of(path)) {
    text.append("/").append(http::percent_encode(TRY(http::percent_decode(segment))));
  }
  return text.substr(1);
}

Result<std::string> canonical_query(std::string_view query) {
  auto pairs = TRY(aws_query(query));
  std::erase_if(pairs, [](const auto& pair) { return pair.first == "X-Amz-Signature"; });
  for (auto& [name, value] : pairs) {
    name = http::percent_encode(name);
    value = http::percent_encode(value);
  }
  std::ranges::sort(pairs);
  std::string text;
  for (const auto& [name, value] : pairs) {
    if (!text.empty()) text += '&';
    text.append(name).append("=").append(value);
  }
  return text;
}

/// Trimmed, runs of spaces as one.
std::string canonical_value(std::string_view value) {
  std::string text;
  for (const char c : base::trimmed(value)) {
    if (c != ' ' || text.back() != ' ') text += c;
  }
  return text;
}

}  // namespace

std::pair<std::string_view, std::string_view> split_target(std::string_view target) {
  const auto mark = target.find('?');
  if (mark == std::string_view::npos) return {target, {}};
  return {target.substr(0, mark), target.substr(mark + 1)};
}

Result<http::Parameters> aws_query(std::string_view query) {
  http::Parameters pairs;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const auto equals = std::min(pair.find('='), pair.size());
    pairs.emplace_back(TRY(http::percent_decode(pair.substr(0, equals))),
                       TRY(http::percent_decode(pair.substr(std::min(equals + 1, pair.size())))));
  }
  return pairs;
}

Result<std::string> canonical_request(const http::Request& request,
                                      const CanonicalOptions& options) {
  const auto [path, query] = split_target(request.target);
  auto text = request.method + "\n";
  text += TRY(options.is_s3 ? s3_path(path) : normalised_path(path));
  text += "\n";
  text += TRY(canonical_query(query));
  text += "\n";
  for (const auto& name : options.signed_headers) {
    std::string values;
    const std::string_view wanted = name == kAuthority ? std::string_view("host") : name;
    for (const auto& [field, value] : request.headers) {
      if (!base::equal_ignoring_case(field, wanted)) continue;
      values.append(values.empty() ? "" : ",").append(canonical_value(value));
    }
    text.append(name).append(":").append(values).append("\n");
  }
  text.append("\n").append(base::join(options.signed_headers, ";")).append("\n");
  return text + options.body_hash;
}

}  // namespace millrace::aws
