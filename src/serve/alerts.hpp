#pragma once

#include "serve/api.hpp"
#include "serve/query.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

/// Alerts, how their deliveries are and how each row's ended: `/v1/alerts…`.
/// Threads: safe from any.
class Alerts {
 public:
  Alerts(const ApiParts& parts, Queries& queries) : parts_(parts), queries_(queries) {}
  void add_to(Routes& routes, const Pools& pools);

 private:
  base::Result<http::Response> list(const http::Request& request) const;
  base::Result<http::Response> show(const http::Request& request) const;
  base::Result<http::Response> retry(const http::Request& request) const;
  base::Result<void> append_rows(const std::string& where, const flow::Parameters& parameters,
                                 std::int64_t limit, std::string& out) const;

  const ApiParts& parts_;
  Queries& queries_;
};

}  // namespace millrace::serve
