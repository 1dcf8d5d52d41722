#pragma once

#include <string>

#include "serve/query.hpp"
#include "serve/routes.hpp"

namespace millrace::serve {

/// Rejected records: what there are and why, and their way back: `/v1/rejects…`.
/// Threads: safe from any.
class Rejects {
 public:
  Rejects(const ApiParts& parts, Queries& queries) : parts_(parts), queries_(queries) {}
  void add_to(Routes& routes, const Pools& pools);

 private:
  base::Result<http::Response> list(const http::Request& request) const;
  base::Result<http::Response> show(const http::Request& request) const;
  base::Result<http::Response> replay(const http::Request& request) const;
  base::Result<flow::ReplayRequest::Position> position_of(const std::string& id) const;

  const ApiParts& parts_;
  Queries& queries_;
};

/// What the id of a reject says: `<table>/<source>/<first 8 of the incarnation>/<shard>/<offset>`.
/// Errors  Invalid: it is no such id.
base::Result<flow::ReplayRequest::Position> parse_reject_id(const std::string& id);

}  // namespace millrace::serve
