#pragma once

#include "serve/api.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

/// Jobs and their runs: `/v1/jobs…`, `/v1/runs`.
/// Threads: safe from any.
class Jobs {
 public:
  explicit Jobs(const ApiParts& parts) : parts_(parts) {}
  void add_to(Routes& routes, const Pools& pools);

 private:
  base::Result<http::Response> list(const http::Request& request) const;
  base::Result<http::Response> runs(const http::Request& request) const;
  base::Result<http::Response> run(const http::Request& request) const;
  base::Result<http::Response> load(const http::Request& request) const;
  base::Result<http::Response> prove(const http::Request& request) const;
  base::Result<http::Response> backfill(const http::Request& request) const;

  const ApiParts& parts_;
};

}  // namespace millrace::serve
