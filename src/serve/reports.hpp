#pragma once

#include <string>

#include "serve/query.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

/// The pipeline's named queries: `/v1/reports…`.
/// Threads: safe from any.
class Reports {
 public:
  Reports(const ApiParts& parts, Queries& queries) : parts_(parts), queries_(queries) {}
  void add_to(Routes& routes, const Pools& pools);

 private:
  base::Result<http::Response> list(const http::Request& request) const;
  base::Result<Question> question_of(const config::Report& report,
                                     const http::Request& request) const;

  const ApiParts& parts_;
  Queries& queries_;
};

}  // namespace millrace::serve
