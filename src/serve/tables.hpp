#pragma once

#include <string>
#include <vector>

#include "serve/api.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

/// What there is to see of tables, and their upkeep: `/v1/tables…`.
/// Threads: safe from any.
class Tables {
 public:
  explicit Tables(const ApiParts& parts) : parts_(parts) {}
  void add_to(Routes& routes, const Pools& pools);

 private:
  base::Result<http::Response> list(const http::Request& request) const;
  base::Result<http::Response> show(const http::Request& request) const;
  base::Result<http::Response> history(const http::Request& request) const;
  base::Result<http::Response> compact(const http::Request& request) const;
  base::Result<http::Response> vacuum(const http::Request& request) const;
  base::Result<lake::Table*> table_of(const http::Request& request) const;

  const ApiParts& parts_;
};

}  // namespace millrace::serve
