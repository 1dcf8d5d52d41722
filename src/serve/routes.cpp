#include "serve/routes.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/text.hpp"
#include "serve/answer.hpp"
#include "serve/request.hpp"

namespace millrace::serve {
namespace {

using base::Code;
using base::Error;
using base::Result;

http::Handler answered(http::Workers& on, Endpoint endpoint) {
  return http::on_workers(on, [endpoint = std::move(endpoint)](auto exchange) {
    auto response = endpoint(exchange->request());
    exchange->answer(response ? std::move(response).value() : error_answer(response.error()));
  });
}

http::Handler same_site_only(http::Handler handler) {
  return [handler = std::move(handler)](std::shared_ptr<http::Exchange> exchange) {
    const auto checked = check_same_site(exchange->request());
    checked ? handler(std::move(exchange)) : exchange->answer(error_answer(checked.error()));
  };
}

http::Handler json_only(http::Handler handler) {
  return [handler = std::move(handler)](std::shared_ptr<http::Exchange> exchange) {
    const auto checked = check_is_json(exchange->request());
    checked ? handler(std::move(exchange)) : exchange->answer(error_answer(415, checked.error()));
  };
}

}  // namespace

Result<void> check_same_site(const http::Request& request) {
  const Error denied{Code::Denied, "requests from web pages of other sites are not accepted"};
  // Browsers send these with every POST to another site, and no page can leave them out.
  const auto site = request.headers.value("Sec-Fetch-Site");
  if (!site.empty() && site != "same-origin" && site != "none") return denied;
  const auto origin = request.headers.value("Origin");
  if (origin.empty()) return {};
  const auto scheme_end = origin.find("://");
  const auto host = scheme_end == origin.npos ? std::string_view() : origin.substr(scheme_end + 3);
  if (!base::equal_ignoring_case(host, request.headers.value("Host"))) return denied;
  return {};
}

Result<void> check_is_json(const http::Request& request) {
  const std::string type = media_type(request.headers.value("Content-Type"));
  if (type == "application/json" || (type.empty() && request.body.empty())) return {};
  return Error{Code::Invalid, fmt::format("the body must be JSON with the header 'Content-Type: "
                                          "application/json', not '{}'",
                                          base::printable(type))};
}

void Routes::get_handler(std::string_view pattern, http::Handler handler) {
  all_.push_back({"GET", std::string(pattern)});
  router_.add("GET", pattern, std::move(handler));
}

void Routes::post_handler(std::string_view pattern, http::Handler handler) {
  all_.push_back({"POST", std::string(pattern)});
  router_.add("POST", pattern, same_site_only(std::move(handler)));
}

void Routes::get(std::string_view pattern, http::Workers& on, Endpoint endpoint) {
  get_handler(pattern, answered(on, std::move(endpoint)));
}

void Routes::post(std::string_view pattern, http::Workers& on, Endpoint endpoint) {
  post_handler(pattern, json_only(answered(on, std::move(endpoint))));
}

}  // namespace millrace::serve
