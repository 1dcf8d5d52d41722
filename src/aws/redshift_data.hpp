#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "aws/client.hpp"

namespace millrace::aws {

/// Which database of Redshift is asked, and as whom.
struct RedshiftPlace {
  std::string workgroup;  ///< of Redshift Serverless; or
  std::string cluster;    ///< a cluster's identifier
  std::string database;
  std::string db_user;  ///< of a cluster; empty: as the identity that asks
  std::string secret;   ///< the ARN of a secret with user and password; empty: none
  std::string region;   ///< empty: as the client's settings say
};

/// How statements stand that were handed in.
struct StatementState {
  enum class What : std::uint8_t { Running, Finished, Failed, Aborted };
  What what = What::Running;
  std::string error = {};                  ///< Redshift's words
  std::optional<std::size_t> failed = {};  ///< which of a batch, from 0
  bool has_rows = false;
};

/// Statements for Redshift, handed in and asked for, over HTTP: no connection is held.
/// Errors  of all calls: NotFound: no such workgroup, cluster or statement. Denied: not allowed,
/// wrong or expired credentials. Exhausted: too many statements at once. Unavailable. Unknown: it
/// may have been handed in. Invalid. Corrupt: an answer that is none. Cancelled.
/// Threads: safe from any. The client must outlive it.
/// Source  Redshift Data API 2019-12-20.
class RedshiftData {
 public:
  static constexpr std::size_t kBatchMax = 40;

  static base::Result<RedshiftData> open(Client& client, RedshiftPlace place);

  /// For people: `workgroup reporting, database dev`.
  std::string shown() const;

  /// Hands in one statement, or several that are one transaction: all are done, or none. The same
  /// `token` again hands in nothing new. Shape   the id to ask with.
  base::Result<std::string> execute(std::span<const std::string> statements,
                                    const std::string& token, const std::stop_token& stop = {});
  base::Result<StatementState> describe(const std::string& id, const std::stop_token& stop = {});
  /// The rows of one that has finished, as texts; none is NULL.
  using Row = std::vector<std::optional<std::string>>;
  base::Result<std::vector<Row>> rows(const std::string& id, const std::stop_token& stop = {});
  /// Asks that it be broken off, and undone.
  base::Result<void> cancel(const std::string& id, const std::stop_token& stop = {});

 private:
  RedshiftData(Client& client, RedshiftPlace place, std::string endpoint)
      : client_(&client), place_(std::move(place)), endpoint_(std::move(endpoint)) {}
  base::Result<std::string> ask(const std::string& operation, std::string body,
                                const std::stop_token& stop) const;
  base::Error refused(const ServiceError& error, const std::string& operation) const;

  Client* client_;
  RedshiftPlace place_;
  std::string endpoint_;
};

}  // namespace millrace::aws
