#pragma once

#include "serve/api.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

/// That totals equal what came in, from the sources to the warehouses: `/v1/proofs`.
/// Threads: safe from any.
class Proofs {
 public:
  explicit Proofs(const ApiParts& parts) : parts_(parts) {}
  void add_to(Routes& routes, const Pools& pools);

 private:
  base::Result<http::Response> prove(const http::Request& request) const;
  base::Error no_such(const std::string& name) const;

  const ApiParts& parts_;
};

}  // namespace millrace::serve
