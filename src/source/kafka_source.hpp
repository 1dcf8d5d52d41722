#pragma once

#include <memory>

#include "base/clock.hpp"
#include "base/telemetry.hpp"
#include "base/units.hpp"
#include "config/pipeline.hpp"
#include "os/disk.hpp"
#include "source/source.hpp"

namespace millrace::source {

using namespace base::literals;

/// What a Kafka source works with; all must outlive it.
struct KafkaTools {
  os::Disk& disk;
  const base::Clock& clock;
  base::Telemetry telemetry;
};

struct KafkaSourceOptions {
  os::Path state_folder;
  std::uint64_t buffer_bytes_max = 32_MiB;         ///< fetched and not yet taken, of all partitions
  std::uint64_t answer_bytes_max = 128_MiB;        ///< what a record cannot be larger than
  bool accepts_lost_records = false;               ///< go on behind what is no longer retained
  std::chrono::milliseconds first_contact{5'000};  ///< the start waits so long for the brokers
  std::chrono::milliseconds ask_timeout{10'000};
  std::chrono::milliseconds retry_wait{1'000};
  std::chrono::milliseconds watch_every{1'000};   ///< looks at the topic's partitions and ends
  std::chrono::milliseconds give_up_max{10'000};  ///< until a partition that others want is theirs
  std::chrono::milliseconds rest_max{2'000};  ///< then the last record is looked at before others
};

/// A topic of Kafka as a source: each partition a shard, each offset a position.
/// docs/formats/kafka_source.md. Brokers that cannot be reached, or refuse us, and a topic that is
/// not there are no errors: it says so (`trouble`) and goes on trying.
/// Errors  Invalid: settings that librdkafka refuses. Corrupt: the state.
base::Result<std::unique_ptr<Source>> open_kafka_source(const config::Source& source,
                                                        const KafkaSourceOptions& options,
                                                        const KafkaTools& tools);

/// The same, not read now, so that its tables can be asked without a network.
base::Result<std::unique_ptr<Source>> open_resting_kafka_source(const config::Source& source,
                                                                os::Disk& disk,
                                                                const os::Path& state_folder);

}  // namespace millrace::source
