#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace millrace::decode {

/// One record of an event; what it points to is the event's.
struct EventRecord {
  std::string_view id;     ///< Kinesis: sequence number; SQS: message id; Firehose: record id
  std::string_view shard;  ///< Kinesis: `shardId-000000000007`
  std::string_view key;    ///< partition key; SQS: message group
  std::string_view data;
  base::Time arrived_at;
};

/// An HTTP request, as API Gateway or a function URL hands it on.
struct EventRequest {
  bool is_rest = false;  ///< payload version 1.0, of REST APIs; else 2.0
  std::string method;
  std::string path;
  std::string content_type;
  std::string content_encoding;
  std::string body;
};

/// What a function of AWS Lambda is invoked with.
struct LambdaEvent {
  enum class Kind : std::uint8_t {
    Kinesis,      ///< records of one stream
    Sqs,          ///< messages of one queue
    Firehose,     ///< records of a delivery stream, to be transformed
    EventBridge,  ///< one event: its `detail` is the record
    Http,
    Command,  ///< `{"millrace": "maintain"}`
  };
  Kind kind = Kind::Command;
  std::string from;  ///< ARN of the stream, queue or delivery stream; EventBridge: `source`
  std::string command = {};
  std::vector<EventRecord> records = {};   ///< in their order
  std::shared_ptr<const void> owner = {};  ///< of what they point to
  EventRequest request = {};               ///< of Http
};

/// The name of a stream (also of a consumer's) or queue in its ARN.
std::string_view name_in_arn(std::string_view arn);

/// Reads events; it keeps its memory from one to the next. A body with some free room behind its
/// end is not copied first. Threads: one at a time.
class LambdaEventReader {
 public:
  LambdaEventReader();
  ~LambdaEventReader();

  /// Errors  Invalid: no JSON, an event of a service that is not known, records of several streams,
  ///         or a member that is missing or wrong, with its path (`Records[3].kinesis.data`).
  /// Source  AWS Lambda developer guide, the examples of events of each service.
  base::Result<LambdaEvent> read(const std::string& body);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace millrace::decode
