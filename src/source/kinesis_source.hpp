#pragma once

#include <memory>

#include "aws/client.hpp"
#include "base/random.hpp"
#include "base/telemetry.hpp"
#include "base/units.hpp"
#include "config/pipeline.hpp"
#include "os/disk.hpp"
#include "source/source.hpp"

namespace millrace::source {

using namespace base::literals;

/// What a Kinesis source works with; all must outlive it.
struct KinesisTools {
  aws::Client& client;
  os::Disk& disk;
  const base::Clock& clock;
  base::Random& random;
  base::Telemetry telemetry;
};

struct KinesisSourceOptions {
  os::Path state_folder;
  std::uint64_t buffer_bytes_max = 32_MiB;  ///< fetched and not yet taken, of all shards together
  int poll_threads = 8;                     ///< at most; each holds one answer more, of 10 MiB
  int subscriptions_max = 64;               ///< fan-out; further shards are polled
  bool accepts_lost_records = false;        ///< go on behind what is no longer retained
  std::chrono::milliseconds retry_wait{1'000};    ///< first; it doubles up to 20 times as much
  std::chrono::milliseconds watch_every{30'000};  ///< looks at the stream and its shards
};

/// A Kinesis data stream as a source. docs/formats/kinesis_source.md.
/// Errors  NotFound: no such stream. Denied: not allowed, or the credentials are wrong or expired.
/// Unavailable: the endpoint does not answer. Invalid: a stream or a shard that cannot be.
base::Result<std::unique_ptr<Source>> open_kinesis_source(const config::Source& source,
                                                          const KinesisSourceOptions& options,
                                                          const KinesisTools& tools);

}  // namespace millrace::source
