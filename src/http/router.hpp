#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/exchange.hpp"

namespace millrace::http {

/// Chooses the handler by method and path. An unknown path is answered with 404, a known one with
/// another method with 405 and `Allow`; HEAD is GET without the body; OPTIONS says what is allowed.
/// Threads: `add` before the server starts, `handle` from any.
class Router {
 public:
  /// `pattern` is a path whose segments are literal or `{name}`: `/v1/streams/{stream}/records`. A
  /// literal segment wins over a name. Each pair of method and pattern once.
  void add(std::string_view method, std::string_view pattern, Handler handler);

  void handle(std::shared_ptr<Exchange> exchange) const;

 private:
  struct Route {
    std::string method;
    std::string pattern;
    std::vector<std::string> segments;
    Handler handler;
  };
  /// The routes of that path whose pattern is the most literal one.
  std::vector<const Route*> at(const std::vector<std::string>& segments) const;
  static void answer_other_method(Exchange& exchange, const std::vector<const Route*>& routes);

  std::vector<Route> routes_;
};

}  // namespace millrace::http
