#pragma once

#include <string>

#include "serve/query.hpp"
#include "serve/report_answers.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

/// The pipeline's named queries: `/v1/reports…`.
/// Threads: safe from any.
class Reports {
 public:
  Reports(const ApiParts& parts, Queries& queries, ReportAnswers& answers)
      : parts_(parts), queries_(queries), answers_(answers) {}
  void add_to(Routes& routes, const Pools& pools);

 private:
  base::Result<http::Response> list(const http::Request& request) const;
  base::Result<ReportQuestion> question_of(const config::Report& report,
                                           const http::Request& request) const;

  const ApiParts& parts_;
  Queries& queries_;
  ReportAnswers& answers_;
};

}  // namespace millrace::serve
