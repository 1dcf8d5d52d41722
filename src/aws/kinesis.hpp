#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "aws/client.hpp"
#include "base/clock.hpp"

namespace millrace::aws {

struct StreamSummary {
  std::string arn;
  std::string status;  ///< `ACTIVE`
  base::Time created_at;
  std::chrono::hours retention{24};
};

struct ShardInfo {
  std::string id;
  std::string parent = {};           ///< empty: none
  std::string adjacent_parent = {};  ///< of a merge
  std::string first_hash_key = {};   ///< in decimal digits; both ends belong to it
  std::string last_hash_key = {};
};

struct StreamRecord {
  std::string_view sequence_number;
  base::Time arrived_at;
  std::string_view partition_key;
  std::string_view data;
};

/// Records of one shard, oldest first, and the memory that they point into.
struct StreamRecords {
  std::vector<StreamRecord> records;
  std::shared_ptr<const void> owner;
};

/// What one answer of a shard holds.
struct RecordPage {
  StreamRecords records;
  std::string
      next;  ///< the next iterator, or the sequence number after which a subscription goes on
  bool is_end = false;  ///< the shard is closed, and this was its end
  std::optional<std::chrono::milliseconds> behind = {};  ///< the newest record, less these
};

/// Where reading a shard begins.
struct ReadFrom {
  enum class What : std::uint8_t { TrimHorizon, Time, AtSequenceNumber, AfterSequenceNumber };
  What what = What::TrimHorizon;
  base::Time time = {};
  std::string sequence_number = {};
};

struct KinesisOptions {
  std::string stream;       ///< its name, or its ARN
  std::string region = {};  ///< empty: the ARN's, or else the settings'
};

struct PutEntry {
  std::string partition_key;
  std::string data;
};

/// A Kinesis data stream.
/// Errors  of all calls: NotFound: no such stream, shard or consumer. Denied: not allowed, or the
/// credentials are wrong or expired, with the mend. Exhausted: throttled, or in use. Invalid: what
/// was asked with cannot be. Unavailable, Unknown: not reached. Cancelled. Threads: safe from any.
/// The client must outlive it.
class Kinesis {
 public:
  /// Errors  Invalid: no name or ARN of a stream; no region is set.
  static base::Result<Kinesis> open(Client& client, const KinesisOptions& options);

  const std::string& name() const { return name_; }

  base::Result<StreamSummary> describe(const std::stop_token& stop = {});
  /// All shards that are still listed, open or closed.
  base::Result<std::vector<ShardInfo>> list_shards(const std::stop_token& stop = {});
  base::Result<std::string> shard_iterator(const std::string& shard, const ReadFrom& from,
                                           const std::stop_token& stop = {});
  /// Nothing: the iterator expired.
  base::Result<std::optional<RecordPage>> records(const std::string& iterator, int records_max,
                                                  const std::stop_token& stop = {});

  /// Puts all of `entries`, at most 500; those that are refused again, some times.
  /// Errors  also Exhausted: some of them were refused to the end.
  base::Result<void> put(std::vector<PutEntry> entries, const std::stop_token& stop = {});

  /// The ARN of a consumer with enhanced fan-out; registers it if there is none, and waits until it
  /// is active. `consumer` may be an ARN already.
  base::Result<std::string> consumer(const std::string& consumer, const std::stop_token& stop = {});
  using OnPage = std::function<base::Result<void>(RecordPage)>;
  /// Hands on what comes to a shard, until the subscription ends (after five minutes as a rule).
  base::Result<void> subscribe(const std::string& consumer_arn, const std::string& shard,
                               const ReadFrom& from, const OnPage& on_page,
                               const std::stop_token& stop = {});

 private:
  Kinesis(Client& client, std::string name, std::string arn)
      : client_(&client), name_(std::move(name)), arn_(std::move(arn)) {}
  Call call_of(const std::string& operation, std::string body) const;
  base::Error refused(const ServiceError& error, const std::string& operation) const;
  /// The answer's body.
  base::Result<std::string> ask(const std::string& operation, std::string body,
                                const std::stop_token& stop);

  Client* client_;
  std::string name_;
  std::string arn_;  ///< empty: only the name was given
  std::string region_;
  std::string endpoint_;
};

}  // namespace millrace::aws
