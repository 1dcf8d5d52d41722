#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/telemetry.hpp"
#include "http/exchange.hpp"
#include "kinesis/document_writer.hpp"
#include "kinesis/names.hpp"
#include "kinesis/tokens.hpp"
#include "kinesis/value.hpp"
#include "log/stream_set.hpp"

namespace millrace::kinesis {

/// What operations work on; outlives them.
struct Context {
  log::StreamSet& streams;
  const Tokens& tokens;
  const base::Clock& clock;
  base::Random& random;
  base::Telemetry telemetry;
};

/// One request whose input fits its operation's shape. Answer it once.
/// Threads: one at a time.
class Call {
 public:
  Call(std::shared_ptr<http::Exchange> exchange, std::string operation, Encoding encoding);

  const std::string& operation() const { return operation_; }
  Encoding encoding() const { return encoding_; }
  const Account& account() const { return account_; }
  http::Exchange& exchange() const { return *exchange_; }
  Value& input() { return input_; }
  const Value& input() const { return input_; }

  /// Of the input; none if absent.
  const std::string* text(std::string_view name) const;
  std::optional<std::int64_t> integer(std::string_view name) const;
  std::optional<base::Time> time(std::string_view name) const;

  /// Answers with a document; an empty one: without a body, as operations that return nothing do.
  void answer(const Context& context, std::string document);
  void fail(const Context& context, const base::Error& error);
  http::Headers headers(const Context& context) const;

 private:
  void count(const Context& context, std::string_view outcome) const;

  const std::shared_ptr<http::Exchange> exchange_;
  const std::string operation_;
  const Encoding encoding_;
  const Account account_;
  Value input_;
};

/// The stream that a call is about, by name or ARN.
struct Subject {
  std::shared_ptr<log::Stream> stream;
  std::string name;
  std::string arn;
};
/// Errors  ResourceNotFoundException; InvalidArgumentException: it names none.
base::Result<Subject> subject_of(const Context& context, const Call& call);
base::Result<Subject> subject_of_arn(const Context& context, const std::string& arn);
base::Error no_stream(const Call& call, std::string_view name);

/// A shard that a call names.
/// Errors  ResourceNotFoundException.
base::Result<base::ShardId> shard_of(const Call& call, const Subject& subject,
                                     const log::StreamFile& file, std::string_view name);

/// When the oldest records came that are kept, as far as readers can rely on it.
base::Time horizon_of(const log::StreamFile& file, base::Time now);

}  // namespace millrace::kinesis
