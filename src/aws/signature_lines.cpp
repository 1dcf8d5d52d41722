// Signs and verifies for the judge of signatures (tests/judges/signatures.py). Each line of
// standard input is a JSON object: `do` (sign, presign or verify), `method`, `target`, `headers`
// (pairs), `body`, `key`, `secret`, `token`, `region`, `service`, `date`, `seconds`. Answers, a
// line each: the headers as an object, the target, or `verified` or the refusal's code and message.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "aws/instant.hpp"
#include "aws/signing.hpp"
#include "aws/verify.hpp"

namespace {

using millrace::aws::Credentials;
using nlohmann::json;

std::string answer(const json& asked) {
  using namespace millrace;
  http::Request request{
      .method = asked["method"], .target = asked["target"], .body = asked["body"]};
  for (const auto& pair : asked["headers"]) request.headers.add(pair[0], pair[1]);
  const Credentials credentials{asked["key"], asked["secret"], asked["token"]};
  const auto at = aws::parse_amz_date(asked["date"].get<std::string>());
  if (!at) return "error: no date";
  const aws::SigningOptions options{asked["region"], asked["service"], *at};
  if (asked["do"] == "sign") {
    const auto signed_now = aws::sign(request, credentials, options);
    if (!signed_now) return "error: " + signed_now.error().text();
    json headers;
    for (const auto& [name, value] : request.headers) headers[name] = value;
    return headers.dump();
  }
  if (asked["do"] == "presign") {
    const auto target = aws::presign(request, credentials, options,
                                     std::chrono::seconds(asked["seconds"].get<int>()));
    return target ? *target : "error: " + target.error().text();
  }
  const aws::KnownKey known{credentials.secret_access_key, credentials.session_token};
  const auto verdict =
      aws::verify(request, {.find_key = [&](std::string_view) { return std::optional(known); },
                            .service = options.service,
                            .now = *at});
  if (const auto* refusal = std::get_if<aws::Refusal>(&verdict)) {
    return std::string(json_code(refusal->why)) + ": " + refusal->message;
  }
  return "verified";
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) std::cout << answer(json::parse(line)) << std::endl;
  return 0;
}
