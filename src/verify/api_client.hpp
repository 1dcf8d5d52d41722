#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/id.hpp"
#include "base/result.hpp"
#include "http/client.hpp"

namespace millrace::verify {

/// A row of an answer: its values as texts, in the order of the columns; none is NULL.
using TextRow = std::vector<std::optional<std::string>>;
using TakeRow = std::function<base::Result<void>(const TextRow&)>;

struct ApiAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;
  http::Headers headers = {};  ///< a token, for example
};

/// Asks a running instance, over its public HTTP surface.
/// Errors of all calls  Unavailable: it cannot be reached. Invalid: it refused, with its message.
/// Corrupt: its answer has another shape.
/// Threads: one at a time.
class ApiClient {
 public:
  static base::Result<ApiClient> open(const ApiAddress& address);

  /// Hands over each row of a SELECT. Columns must have different names.
  base::Result<void> query(const std::string& sql, const TakeRow& take);
  base::Result<std::vector<TextRow>> query(const std::string& sql);
  base::Result<std::vector<TextRow>> report(
      const std::string& name, const std::map<std::string, std::string>& parameters = {});

  /// For each shard of a stream: the offset that the next record gets.
  base::Result<std::map<base::ShardId, base::Offset>> stream_ends(const std::string& stream);

  /// Runs a job for one partition. Returns what failed, empty if nothing did.
  base::Result<std::string> run_job(const std::string& job, const std::string& partition);

 private:
  ApiClient(http::Client client, http::Headers headers)
      : client_(std::move(client)), headers_(std::move(headers)) {}
  base::Result<void> rows_of(const http::Request& request, const TakeRow& take);
  base::Result<std::string> answer_of(const http::Request& request);

  http::Client client_;
  http::Headers headers_;
};

}  // namespace millrace::verify
