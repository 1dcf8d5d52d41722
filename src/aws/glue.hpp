#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "aws/client.hpp"

namespace millrace::aws {

/// A run of a job of Glue that is to be started.
struct GlueStart {
  std::string job;
  std::map<std::string, std::string> arguments;  ///< `--name` to value, beside the job's own
  std::chrono::minutes timeout{0};               ///< 0: as the job says
  std::string worker_type;                       ///< empty: as the job says
  int workers = 0;                               ///< 0: as the job says
};

/// How a run of a job stands.
struct GlueRun {
  enum class What : std::uint8_t { Running, Succeeded, Failed };
  What what = What::Running;
  std::string state;  ///< Glue's word: `RUNNING`, `STOPPED`, `TIMEOUT`
  std::string error;  ///< Glue's words
};

/// Jobs of Glue: their runs.
/// Errors  of all calls: NotFound: no such job or run. Denied. Exhausted: throttled, or as many
/// runs of the job as it may have at once. Unavailable. Unknown: it may have been started. Invalid.
/// Corrupt: an answer that is none. Cancelled.
/// Threads: safe from any. The client must outlive it.
/// Source  AWS Glue web API reference, "Job runs API".
class Glue {
 public:
  /// `region` empty: as the client's settings say.
  static base::Result<Glue> open(Client& client, const std::string& region);

  /// Starts a run. Shape   its id.
  base::Result<std::string> start(const GlueStart& start, const std::stop_token& stop = {});
  base::Result<GlueRun> describe(const std::string& job, const std::string& id,
                                 const std::stop_token& stop = {});
  /// The id of the newest run of which the argument `name` starts with `value`; none: there is none
  /// among the last thousand.
  base::Result<std::optional<std::string>> find(const std::string& job, const std::string& name,
                                                std::string_view value,
                                                const std::stop_token& stop = {});
  /// Asks that a run be stopped.
  base::Result<void> stop(const std::string& job, const std::string& id,
                          const std::stop_token& stop = {});

 private:
  Glue(Client& client, std::string region, std::string endpoint)
      : client_(&client), region_(std::move(region)), endpoint_(std::move(endpoint)) {}
  base::Result<std::string> ask(const std::string& operation, std::string body,
                                const std::stop_token& stop, Call::Repeat repeat) const;
  static base::Error refused(const ServiceError& error, const std::string& operation);

  Client* client_;
  std::string region_;
  std::string endpoint_;
};

}  // namespace millrace::aws
