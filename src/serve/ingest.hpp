#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "serve/api.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

/// Takes records in: `POST /v1/streams/{stream}/records`. Nothing on the way waits: the answer is
/// sent when the log says that the records are durable. A body is never copied.
/// Threads: safe from any.
class Ingest {
 public:
  Ingest(const ApiParts& parts, http::Workers& quick);
  void add_to(Routes& routes);

 private:
  struct Target;

  void handle(const std::shared_ptr<http::Exchange>& exchange) const;
  base::Result<std::shared_ptr<Target>> target_of(const http::Request& request) const;

  const config::Pipeline& pipeline_;
  const ApiOptions& options_;
  http::Workers& quick_;
  std::map<std::string, std::shared_ptr<Target>, std::less<>> targets_;
};

}  // namespace millrace::serve
