#include "http/router.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "http/url.hpp"

namespace millrace::http {
namespace {

bool is_name(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  return std::ranges::equal(pattern, segments, [](const auto& wanted, const auto& segment) {
    return is_name(wanted) ? !segment.empty() : wanted == segment;
  });
}

// The earlier the segment, the more it counts.
bool is_more_literal(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::ranges::lexicographical_compare(
      a, b, {}, [](const auto& s) { return is_name(s); }, [](const auto& s) { return is_name(s); });
}

bool are_alike(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::ranges::equal(
      a, b, [](const auto& x, const auto& y) { return is_name(x) ? is_name(y) : x == y; });
}

bool serves(std::string_view route_method, std::string_view method) {
  return route_method == method || (method == "HEAD" && route_method == "GET");
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
  auto segments = parse_path(pattern);
  CHECK(segments.has_value());
  for (const auto& route : routes_) {
    CHECK(!(route.method == method && are_alike(route.segments, *segments)));
  }
  routes_.push_back({.method = std::string(method),
                     .pattern = std::string(pattern),
                     .segments = std::move(segments).value(),
                     .handler = std::move(handler)});
}

std::vector<const Router::Route*> Router::at(const std::vector<std::string>& segments) const {
  std::vector<const Route*> found;
  for (const auto& route : routes_) {
    if (!matches(route.segments, segments)) continue;
    if (!found.empty() && is_more_literal(found.front()->segments, route.segments)) continue;
    if (!found.empty() && is_more_literal(route.segments, found.front()->segments)) found.clear();
    found.push_back(&route);
  }
  return found;
}

void Router::handle(std::shared_ptr<Exchange> exchange) const {
  auto& request = exchange->request_;
  auto segments = parse_path(request.path);
  if (!segments) {
    return exchange->answer(problem(400, "bad_path", "the path: " + segments.error().text()));
  }
  const auto routes = at(*segments);
  if (routes.empty()) {
    return exchange->answer(problem(
        404, "not_found", fmt::format("there is nothing at '{}'", base::printable(request.path))));
  }
  exchange->sink_->set_route(routes.front()->pattern);
  for (const auto* route : routes) {
    if (!serves(route->method, request.method)) continue;
    for (std::size_t i = 0; i < segments->size(); ++i) {
      const std::string_view wanted = route->segments[i];
      if (!is_name(wanted)) continue;
      request.path_parameters.emplace_back(wanted.substr(1, wanted.size() - 2), (*segments)[i]);
    }
    return route->handler(std::move(exchange));
  }
  answer_other_method(*exchange, routes);
}

void Router::answer_other_method(Exchange& exchange, const std::vector<const Route*>& routes) {
  std::vector<std::string> allowed;
  for (const auto* route : routes) {
    allowed.push_back(route->method);
    if (route->method == "GET") allowed.emplace_back("HEAD");
  }
  allowed.emplace_back("OPTIONS");
  const auto& request = exchange.request();
  Response response{.status = 204};
  if (request.method != "OPTIONS") {
    response = problem(405, "method_not_allowed",
                       fmt::format("'{}' takes {}, not {}", base::printable(request.path),
                                   base::join(allowed, ", "), base::printable(request.method)));
  }
  response.headers.set("Allow", base::join(allowed, ", "));
  exchange.answer(std::move(response));
}

}  // namespace millrace::http
