#pragma once

#include <string>
#include <string_view>

#include "app/world.hpp"
#include "aws/kinesis.hpp"

namespace millrace::app {

/// Lines as records of a Kinesis data stream. The same line has the same partition key: a duplicate
/// comes to the shard of the record that it repeats.
/// Threads: one at a time.
class KinesisOutput {
 public:
  /// `to` is `kinesis://STREAM`. `world` must outlive it.
  /// Errors  Invalid: no stream is named, no region. Else those of `aws::Kinesis`.
  static base::Result<KinesisOutput> open(std::string_view to, World& world);
  static bool is_named(std::string_view to) { return to.starts_with(kScheme); }

  /// Puts whole lines; the rest of a line waits for the next call.
  base::Result<void> write(std::string_view bytes);

 private:
  static constexpr std::string_view kScheme = "kinesis://";
  explicit KinesisOutput(aws::Kinesis stream) : stream_(std::move(stream)) {}

  aws::Kinesis stream_;
  std::string line_;
};

}  // namespace millrace::app
