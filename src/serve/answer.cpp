#include "serve/answer.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace millrace::serve {

using base::Code;
using base::Error;
using Json = nlohmann::ordered_json;

int status_of(Code code) {
  switch (code) {
    case Code::Invalid:
      return 400;
    case Code::NotFound:
      return 404;
    case Code::Denied:
      return 403;
    case Code::Exhausted:
      return 429;
    case Code::Unavailable:
      return 503;
    case Code::Cancelled:
      return 499;  // of no standard, but the usual one for "the client went away"
    case Code::Corrupt:
    case Code::Unknown:
      return 500;
  }
  return 500;
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

std::string json_text(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

http::Response json_answer(const Json& document) {
  return http::json(200, json_text(document) + "\n");
}

http::Response error_answer(int status, const Error& error) {
  Json inner{{"code", base::name_of(error.code)}, {"message", error.message}};
  if (!error.place.empty()) inner["place"] = error.place;
  auto response = http::json(status, json_text(Json{{"error", std::move(inner)}}) + "\n");
  if (status == 429 || status == 503) response.headers.set("Retry-After", "1");
  return response;
}

http::Response error_answer(const Error& error) {
  return error_answer(status_of(error.code), error);
}

}  // namespace millrace::serve
