#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "http/router.hpp"
#include "http/workers.hpp"

namespace millrace::serve {

/// The threads that do what must not be done where sockets are waited for. Each kind of work has
/// its own, so that long queries do not keep records out, nor a job's run the queries.
struct Pools {
  http::Workers& quick;       ///< computes or looks something up; never waits long
  http::Workers& queries;     ///< users' SQL
  http::Workers& operations;  ///< jobs, compaction, replays: may take minutes
};

/// Answers a request with a whole answer. An error is answered as such.
using Endpoint = std::function<base::Result<http::Response>(const http::Request&)>;

struct Route {
  std::string method;
  std::string pattern;
};

/// The router's routes, as they are added. POST is kept from web pages of other sites.
class Routes {
 public:
  explicit Routes(http::Router& router) : router_(router) {}

  void get(std::string_view pattern, http::Workers& on, Endpoint endpoint);
  /// The body, if any, must be JSON and say so.
  void post(std::string_view pattern, http::Workers& on, Endpoint endpoint);
  /// For handlers that answer in their own time; `handler` is called where it must not block.
  void get_handler(std::string_view pattern, http::Handler handler);
  void post_handler(std::string_view pattern, http::Handler handler);

  const std::vector<Route>& all() const { return all_; }

 private:
  http::Router& router_;
  std::vector<Route> all_;
};

/// Refuses what a browser sends on behalf of another site: no page may write here. (None may read
/// either: no answer carries a header that would let it.)
/// Errors  Denied.
base::Result<void> check_same_site(const http::Request& request);

/// Errors  Invalid: the body is not said to be JSON. To be answered with 415.
base::Result<void> check_is_json(const http::Request& request);

}  // namespace millrace::serve
