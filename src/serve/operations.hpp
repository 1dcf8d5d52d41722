#pragma once

#include "serve/api.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

/// How the process is: `/v1/streams`, `/v1/lookups`, `/metrics`, `/healthz`, `/readyz`,
/// `/openapi.json`. Threads: safe from any.
class Operations {
 public:
  explicit Operations(const ApiParts& parts) : parts_(parts) {}
  void add_to(Routes& routes, const Pools& pools);

 private:
  base::Result<http::Response> streams(const http::Request& request) const;
  base::Result<http::Response> lookups(const http::Request& request) const;
  base::Result<http::Response> metrics(const http::Request& request) const;
  base::Result<http::Response> readiness(const http::Request& request) const;

  const ApiParts& parts_;
};

}  // namespace millrace::serve
