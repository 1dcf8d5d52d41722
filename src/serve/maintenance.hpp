#pragma once

#include "serve/api.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

/// The upkeep of tables: `/v1/maintenance…`.
/// Threads: safe from any.
class Maintenance {
 public:
  explicit Maintenance(const ApiParts& parts) : parts_(parts) {}
  void add_to(Routes& routes, const Pools& pools);

 private:
  base::Result<http::Response> show(const http::Request& request) const;
  base::Result<http::Response> run(const http::Request& request) const;

  const ApiParts& parts_;
};

}  // namespace millrace::serve
