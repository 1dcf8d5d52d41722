#include "app/aws_keys.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <sstream>
#include <utility>
#include <variant>

#include "aws/verify.hpp"
#include "os/real_disk.hpp"

namespace millrace::app {

using base::Code;
using base::Error;
using base::Result;

namespace {

constexpr std::uint64_t kFileBytesMax = 1U << 20;

}  // namespace

Result<AwsKeys> read_aws_keys(const os::Path& file) {
  os::RealDisk disk;
  const auto text = TRY(os::read_file(disk, file, kFileBytesMax));
  using std::filesystem::perms;
  std::error_code error;
  const auto permissions = std::filesystem::status(file, error).permissions();
  if (!error && (permissions & (perms::group_all | perms::others_all)) != perms::none) {
    return Error{Code::Denied,
                 "others may read or change this file of secrets: chmod 600 " + file.string(),
                 file.string()};
  }
  AwsKeys keys;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::istringstream words(line);
    std::string id, secret, more;
    if (!(words >> id) || id.starts_with('#')) continue;
    if (!(words >> secret) || (words >> more) || !keys.emplace(id, secret).second) {
      return Error{Code::Invalid, "a line must be ACCESS_KEY_ID SECRET_ACCESS_KEY, each id once",
                   fmt::format("{}:{}", file.string(), number)};
    }
  }
  if (keys.empty()) return Error{Code::Invalid, "the file has no keys", file.string()};
  return keys;
}

std::function<Result<void>(const http::Request&)> kinesis_authorizer(AwsKeys keys,
                                                                     const base::Clock& clock) {
  return [keys = std::move(keys), &clock](const http::Request& request) -> Result<void> {
    const auto find_key = [&](std::string_view id) -> std::optional<aws::KnownKey> {
      const auto found = keys.find(std::string(id));
      if (found == keys.end()) return std::nullopt;
      return aws::KnownKey{.secret_access_key = found->second};
    };
    const auto verdict =
        aws::verify(request, {.find_key = find_key, .service = "kinesis", .now = clock.now()});
    const auto* refusal = std::get_if<aws::Refusal>(&verdict);
    if (!refusal) return {};
    return Error{Code::Denied, refusal->message, std::string(aws::json_code(refusal->why))};
  };
}

}  // namespace millrace::app
