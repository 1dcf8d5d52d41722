#include "lambda/answers.hpp"

#include <nlohmann/json.hpp>

namespace millrace::lambda {

using nlohmann::json;

std::string batch_answer(std::span<const std::string> failed) {
  auto items = json::array();
  for (const auto& id : failed) items.push_back({{"itemIdentifier", id}});
  return json{{"batchItemFailures", std::move(items)}}.dump();
}

std::string http_answer(int status, std::string_view body) {
  return json{{"statusCode", status},
              {"headers", {{"content-type", "application/json"}}},
              {"isBase64Encoded", false},
              {"body", body}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

int status_of(base::Code code) {
  switch (code) {
    case base::Code::Invalid:
      return 400;
    case base::Code::NotFound:
      return 404;
    case base::Code::Denied:
      return 403;
    case base::Code::Exhausted:
      return 429;
    default:
      return 503;
  }
}

}  // namespace millrace::lambda
