#include "kinesis/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace millrace::kinesis {
namespace {

constexpr std::string_view kShard = "shardId-";
constexpr std::string_view kCredential = "Credential=";
constexpr std::string_view kStream = ":stream/";
constexpr std::string_view kConsumer = "/consumer/";

bool is_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::string_view up_to(std::string_view text, char end) {
  return text.substr(0, text.find(end));
}

// What a region may look like, so that nobody has others' text put into our ARNs.
bool is_region(std::string_view text) {
  return !text.empty() && text.size() <= 32 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Account account_of(std::string_view authorization) {
  Account account;
  const auto at = authorization.find(kCredential);
  if (at == authorization.npos) return account;
  auto rest = up_to(authorization.substr(at + kCredential.size()), ',');
  const auto key = up_to(rest, '/');
  if (key.size() == 12 && is_digits(key)) account.id = key;
  rest.remove_prefix(std::min(rest.size(), key.size() + 1));
  rest.remove_prefix(std::min(rest.size(), up_to(rest, '/').size() + 1));  // the date
  if (const auto region = up_to(rest, '/'); is_region(region)) account.region = region;
  return account;
}

std::string shard_name(base::ShardId shard) {
  return fmt::format("{}{:012}", kShard, shard.value());
}

std::optional<base::ShardId> parse_shard_name(std::string_view name) {
  if (name.starts_with(kShard)) name.remove_prefix(kShard.size());
  if (!is_digits(name) || name.size() > 12) return std::nullopt;
  return base::ShardId(*number_of<std::int64_t>(name));
}

std::string stream_arn(const Account& account, std::string_view stream) {
  return fmt::format("arn:aws:kinesis:{}:{}{}{}", account.region, account.id, kStream, stream);
}

std::string consumer_arn(std::string_view stream_arn, std::string_view consumer,
                         base::Time created_at) {
  return fmt::format(
      "{}{}{}:{}", stream_arn, kConsumer, consumer,
      std::chrono::floor<std::chrono::seconds>(created_at).time_since_epoch().count());
}

std::optional<ArnParts> parse_arn(std::string_view arn) {
  const auto stream = arn.find(kStream);
  if (stream == arn.npos) return std::nullopt;
  const auto consumer = std::min(arn.find(kConsumer, stream), arn.size());
  ArnParts parts{.stream_arn = std::string(arn.substr(0, consumer)),
                 .stream = std::string(
                     arn.substr(stream + kStream.size(), consumer - stream - kStream.size()))};
  if (consumer == arn.size()) return parts;
  const auto rest = arn.substr(consumer + kConsumer.size());
  const auto colon = rest.rfind(':');
  if (colon == rest.npos) return std::nullopt;
  const auto created_at = number_of<std::int64_t>(rest.substr(colon + 1));
  if (!created_at) return std::nullopt;
  parts.consumer = rest.substr(0, colon);
  parts.created_at = *created_at;
  return parts;
}

}  // namespace millrace::kinesis
